/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826) for one Ethernet interface: a neighbour table that does not thrash, requests with retry, answers.
 *
 * Sans-IO: frames go in, packets to send go in, frames to put on the link are pulled, time is an argument. It knows
 * nothing of lwIP. An entry is learnt from a reply to our request or from any ARP packet whose target we are, updated
 * from any ARP packet of a known sender (RFC 826's merge), and confirmed again by unicast requests before it is
 * dropped. Callers: stack/netif.c. */
#ifndef BATON_STACK_ARP_H
#define BATON_STACK_ARP_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/nstime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/queue.h>

#define ARP_NEIGHBOURS_MAX 65536U           /* entries of one interface */
#define ARP_ASKING_MAX     1024U            /* of them with a request out */
#define ARP_QUEUE_MAX      64U              /* packets that wait for one neighbour */
#define ARP_RETRY          (1 * NSTIME_S)   /* between requests (RFC 1122 2.3.2.1: at most one a second) */
#define ARP_RETRIES_MAX    4U               /* requests before a neighbour counts as unreachable */
#define ARP_AGE            (300 * NSTIME_S) /* an entry in use is confirmed again when as old as this */

struct arp_entry;
TAILQ_HEAD(arp_list, arp_entry);

struct arp {
	struct mac mac;      /* ours */
	struct addr address; /* the sender address of our requests */
	struct hash_key key;
	struct arp_entry **buckets;
	size_t bucket_count;    /* a power of two, or 0 */
	struct arp_list all;    /* least recently confirmed first */
	struct arp_list asking; /* with a request out, in order of their due time */
	size_t count, asking_count;
	struct arp_entry *last; /* found last; NULL when none */
	struct buf_queue out;   /* frames for the link */
	uint32_t queued;        /* packets that wait for a neighbour */
	uint64_t dropped;       /* packets given up: no answer, or no room; the caller takes the count */
};

void arp_init(struct arp *a, struct mac mac, struct addr address, const struct hash_key *key);
void arp_fini(struct arp *a);

/* An ARP packet arrived, `data` at the Ethernet header. `ours` tells whether requests for the target are answered.
 * Takes ownership. */
void arp_input(struct arp *a, struct buf *frame, bool (*ours)(const void *context, const struct addr *target),
	       const void *context, nstime now);

/* Sends an IP packet to a neighbour: at once, or when it is known. Takes ownership. */
void arp_send(struct arp *a, const struct addr *next_hop, struct buf *packet, nstime now);

/* The next frame for the link, or NULL. Gives ownership. */
struct buf *arp_output(struct arp *a);

nstime arp_expiry(const struct arp *a);
void arp_expire(struct arp *a, nstime now);

#endif
