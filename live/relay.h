/* SPDX-License-Identifier: BSD-3-Clause */
/* The servers' side of relayed connections (node/app_relay.h): the kernel's sockets.
 *
 * Each upstream has one non-blocking socket, which is added to the loop once and never changed there: what the kernel
 * says is remembered (edge-triggered) until a read or write finds that it holds no more. Bytes go from where the stack
 * has them, by one sendmsg, and into the stack by way of one buffer for all, of which the stack makes its segments; no
 * more is read than the stack takes. A descriptor's event does nothing but note it: all is done in relays_turn, of all
 * connections that something happened to, and each node is pumped once then. Caller: live/live.c. */
#ifndef BATON_LIVE_RELAY_H
#define BATON_LIVE_RELAY_H

#include "live/loop.h"
#include "node/app_relay.h"
#include "sim/world.h"

#include <sys/queue.h>

struct relay_server;

#define RELAYS_READ_MAX 65536U /* bytes read at a time */

struct relays {
	struct loop *loop;
	struct relay *relay;
	TAILQ_HEAD(, relay_server) active; /* there is something to do for them */
	struct world_node **touched;       /* to be pumped */
	size_t touched_count;
	bool *is_touched; /* by device */
	uint8_t *buffer;  /* RELAYS_READ_MAX */
};

/* Before the world, whose options take r->relay. Raises the process's limit of descriptors to the hard one when a node
 * relays. */
void relays_init(struct relays *r, struct loop *loop, const struct scenario *s);
/* After the world. */
void relays_fini(struct relays *r);

/* Carries what there is both ways, and lets the nodes act on it. The world's time is now. */
void relays_turn(struct relays *r, nstime now);

/* Resets all connections at both ends; returns how many those were. */
uint64_t relays_stop(struct relays *r, nstime now);

/* When relays_turn is due though nothing happened. */
nstime relays_expiry(const struct relays *r);

#endif
