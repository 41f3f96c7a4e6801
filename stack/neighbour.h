/* SPDX-License-Identifier: BSD-3-Clause */
/* The neighbours on one Ethernet interface, of both families: whose hardware address is known, who is being asked for
 * it, and the packets that wait for the answer. The table does not thrash and has room for a whole network.
 *
 * Sans-IO: packets to send go in, frames to put on the link are pulled, time is an argument. It knows nothing of lwIP.
 * How a neighbour is asked and what is learnt from whom is the protocols' business: ARP (stack/arp.h) for IPv4,
 * neighbour discovery (stack/nd.h) for IPv6. An entry in use that has aged is confirmed again by unicast requests
 * before it is dropped; one whose hardware address changes is asked after at once. Memory is taken by the first
 * neighbour. Callers: stack/netif.c, stack/arp.c, stack/nd.c. */
#ifndef BATON_STACK_NEIGHBOUR_H
#define BATON_STACK_NEIGHBOUR_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/nstime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#define NEIGHBOURS_MAX        65536U           /* entries of one interface */
#define NEIGHBOUR_ASKING_MAX  1024U            /* of them with a request out */
#define NEIGHBOUR_QUEUE_MAX   64U              /* packets that wait for one neighbour */
#define NEIGHBOUR_RETRY       (1 * NSTIME_S)   /* between requests (RFC 1122 2.3.2.1, RFC 4861 10: RETRANS_TIMER) */
#define NEIGHBOUR_RETRIES_MAX 4U               /* requests before a neighbour counts as unreachable */
#define NEIGHBOUR_AGE         (300 * NSTIME_S) /* an entry in use is confirmed again when as old as this */

struct neighbour;
TAILQ_HEAD(neighbour_list, neighbour);

struct neighbours {
	struct mac mac;           /* ours */
	struct addr addresses[2]; /* ours, IPv4's and IPv6's: what requests are sent from; family 0: none */
	bool router;              /* we forward: advertisements say so */
	struct hash_key key;
	struct neighbour **buckets;
	size_t bucket_count;          /* a power of two, or 0 */
	struct neighbour_list all;    /* least recently confirmed first */
	struct neighbour_list asking; /* with a request out, in order of their due time */
	size_t count, asking_count;
	struct neighbour *last; /* found last; NULL when none */
	struct buf_queue out;   /* frames for the link */
	uint32_t queued;        /* packets that wait for a neighbour */
	uint64_t dropped;       /* packets given up: no answer, or no room; the caller takes the count */
};

/* Whether requests for an address are answered here: an interface's own or a proxied one. */
typedef bool (*neighbour_ours)(const void *context, const struct addr *target);

void neighbours_init(struct neighbours *t, struct mac mac, bool router, const struct hash_key *key);
void neighbours_fini(struct neighbours *t);

/* Sends an IP packet to a neighbour of its family: at once, or when it is known. Takes ownership. */
void neighbours_send(struct neighbours *t, const struct addr *next_hop, struct buf *packet, nstime now);

/* The next frame for the link, or NULL. Gives ownership. */
struct buf *neighbours_output(struct neighbours *t);

nstime neighbours_expiry(const struct neighbours *t);
void neighbours_expire(struct neighbours *t, nstime now);

/* ---- for the protocols ---- */

/* What is known of an address: nothing; that it was asked for; its hardware address (then *mac is it). */
enum neighbour_state { NEIGHBOUR_NONE, NEIGHBOUR_ASKED, NEIGHBOUR_KNOWN };
enum neighbour_state neighbours_look(struct neighbours *t, const struct addr *address, struct mac *mac);

/* A neighbour's hardware address was heard just now: what waited for it is sent. `add`: also that of a stranger. */
void neighbours_hear(struct neighbours *t, const struct addr *address, const struct mac *mac, bool add, nstime now);

/* Puts an Ethernet header before a packet and the frame on the link. Takes ownership. */
void neighbours_frame_put(struct neighbours *t, struct buf *packet, const struct mac *to, uint16_t type);

#endif
