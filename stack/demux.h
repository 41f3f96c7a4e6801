/* SPDX-License-Identifier: BSD-3-Clause */
/* Which pcb a segment is for, in constant time.
 *
 * lwIP looks for a segment's pcb in its lists, one after the other. Here its lists are empty: every pcb that has a
 * connection is in a hash table of ours, and lwIP is shown a list of the one that is at work, or of those whose timers
 * are due (stack/timers.c). So everything in lwIP that walks the lists finds nothing, and what it would have been for
 * is done in stack/: choosing ports, telling a clash, ending TIME_WAIT.
 *
 * The hash is keyed from the run's seed and taken over the remote address and both ports, not over the local address:
 * so the same bucket also tells whether a port is free towards a remote end. A stack has few addresses. Nothing depends
 * on the order in a bucket. Only stack/ includes it, by stack/internal.h. */
#ifndef BATON_STACK_DEMUX_H
#define BATON_STACK_DEMUX_H

#include "base/hash.h"

#include <stdbool.h>
#include <stdint.h>

#include <sys/queue.h>

#include <lwip/ip_addr.h>

struct tcp_pcb;

/* What is kept of one pcb, from its SYN to its end: part of its struct sock, or on its own in TIME_WAIT. */
struct demux_entry {
	struct demux_entry *next; /* in its bucket */
	struct tcp_pcb *pcb;      /* NULL: not in the table */
	uint32_t hash;
	/* timers.c */
	uint32_t slow_tick;            /* the slow tick that looks at it; 0: none */
	LIST_ENTRY(demux_entry) slow;  /* when slow_tick */
	TAILQ_ENTRY(demux_entry) fast; /* when fast_listed */
	bool fast_listed;              /* the next fast tick looks at it */
};
LIST_HEAD(demux_list, demux_entry);
TAILQ_HEAD(demux_queue, demux_entry);

struct demux {
	struct hash_key key;
	struct demux_entry **buckets;
	uint32_t bucket_count;    /* a power of two, or 0 */
	uint32_t count;           /* entries, those in TIME_WAIT too */
	struct demux_entry *last; /* found last; NULL when none: packets come in trains */
	uint64_t *steps;          /* entries looked at are counted here */
	uint64_t removals;        /* so far */
};

/* Frees the table, which is empty. */
void demux_fini(struct demux *d);

/* Puts a pcb whose addresses and ports are set into the table. */
void demux_insert(struct demux *d, struct demux_entry *e, struct tcp_pcb *pcb);

/* Takes it out; nothing is done when it is not in. Its timers are the caller's. */
void demux_remove(struct demux *d, struct demux_entry *e);

/* The entry of a connection, TIME_WAIT too, or NULL. */
struct demux_entry *demux_find(struct demux *d, const ip_addr_t *local, const ip_addr_t *remote, uint16_t local_port,
			       uint16_t remote_port);

/* Whether any connection with the remote end, from whatever address of ours, has the local port. */
bool demux_port_used(struct demux *d, const ip_addr_t *remote, uint16_t remote_port, uint16_t local_port);

#endif
