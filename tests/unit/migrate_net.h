/* SPDX-License-Identifier: BSD-3-Clause */
/* A client and two servers that share a VIP, on a channel that loses, delays and reorders: what the tests of moving
 * connections run on. Virtual time; a run depends on the seed alone. The packets of the client for the VIP go to the
 * server that owns the connection, or wait while it is being moved. */
#ifndef BATON_TESTS_UNIT_MIGRATE_NET_H
#define BATON_TESTS_UNIT_MIGRATE_NET_H

#include "base/cursor.h"
#include "base/random.h"
#include "stack/socket.h"
#include "stack/stack.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NET_FRAMES_MAX 8192
#define NET_PORT       80
#define NET_ETHERNET   14U

struct net_frame {
	nstime due;
	uint64_t order;
	int to; /* 0 client, 1 and 2 servers, 3 whoever has the VIP */
	struct buf *frame;
};

struct net {
	struct stack *stack[3]; /* client, first, second */
	struct sock *listener[3];
	struct addr vip, client;
	struct random_stream rng;
	uint32_t loss_ppb;
	nstime delay, jitter;
	struct net_frame frames[NET_FRAMES_MAX];
	size_t frame_count;
	uint64_t order;
	int owner; /* 1 or 2 */
	bool moving;
	struct buf_queue waiting;
	nstime now;
	uint64_t packets, lost, resets;
	/* Called with each frame that the client sends or receives, when set. */
	void (*seen)(void *context, bool sent, const struct buf *frame);
	void *context;
};

static uint8_t net_family = 4; /* over which it all goes */

static inline struct addr net_addr(uint8_t host)
{
	if (net_family == 4)
		return addr_v4(0x0a000000U + host);
	return (struct addr){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = host}};
}

/* Bytes of the IP header of a packet. */
static inline size_t net_header(const uint8_t *ip)
{
	return ip[0] >> 4 == 6 ? 40 : (size_t)(ip[0] & 15) * 4;
}

/* Whether a frame asks for a neighbour or tells of one. */
static inline bool net_discovery(const struct buf *b)
{
	const uint16_t type = load_be16(b->data + 12);

	return type == 0x0806 || (type == 0x86dd && b->data[NET_ETHERNET + 6] == 58);
}

/* `second`: the second server's name, from which its ticks and numbers come. */
static inline void net_init_named(struct net *n, const char *name, uint64_t seed, const char *second)
{
	const char *const names[3] = {"client", "first", second};

	memset(n, 0, sizeof(*n));
	random_init(&n->rng, seed, name);
	n->vip = net_addr(0x50);
	n->client = net_addr(1);
	n->delay = 5 * NSTIME_MS;
	n->owner = 1;
	for (unsigned i = 0; i < 3; i++) {
		const struct stack_config config = {.name = names[i], .seed = seed};
		const struct mac mac = {{2, 0, 0, 0, 0, (uint8_t)(i + 1)}};
		n->stack[i] = stack_new(&config, 0);
		ck_assert_ptr_nonnull(n->stack[i]);
		ck_assert_int_eq(stack_netif_add(n->stack[i], mac, net_addr((uint8_t)(i + 1)), 24), 0);
		if (i) {
			ck_assert_int_eq(stack_vip_add(n->stack[i], n->vip, 0, n->client), 0);
			n->listener[i] = sock_listen(n->stack[i], n->vip, NET_PORT, NULL);
			ck_assert_ptr_nonnull(n->listener[i]);
		}
	}
	stack_address_proxy(n->stack[1], 0, n->vip);
}

static inline void net_init(struct net *n, const char *name, uint64_t seed)
{
	net_init_named(n, name, seed, "second");
}

static inline void net_fini(struct net *n)
{
	for (unsigned i = 0; i < 3; i++)
		stack_free(n->stack[i]);
	for (size_t i = 0; i < n->frame_count; i++)
		buf_free(n->frames[i].frame);
	buf_queue_clear(&n->waiting);
}

/* Puts a frame on the channel. */
static inline void net_send(struct net *n, int from, struct buf *b)
{
	const uint8_t *ip = b->data + NET_ETHERNET;
	const bool arp = net_discovery(b);

	if (n->seen && from == 0)
		n->seen(n->context, true, b);
	if (!arp) {
		ck_assert_uint_ge(b->len, NET_ETHERNET + 40);
		n->packets++;
		n->resets += (ip[net_header(ip) + 13] & 4) != 0;
		if (random_chance(&n->rng, n->loss_ppb)) {
			n->lost++;
			buf_free(b);
			return;
		}
	}
	for (int to = 0; to < 3; to++) {
		struct net_frame *f = &n->frames[n->frame_count];
		if (to == from || (!arp && to != 0 && (from != 0 || to != 1)))
			continue;
		ck_assert_uint_lt(n->frame_count, NET_FRAMES_MAX);
		f->due = n->now + n->delay + (n->jitter ? random_below(&n->rng, n->jitter) : 0);
		f->order = n->order++;
		f->to = !arp && from == 0 ? 3 : to;
		f->frame = buf_clone(b);
		n->frame_count++;
	}
	buf_free(b);
}

static inline void net_collect(struct net *n)
{
	for (int i = 0; i < 3; i++) {
		struct buf *b;
		int netif;
		while ((b = stack_output(n->stack[i], &netif)))
			net_send(n, i, b);
	}
}

/* An IP packet for the VIP. As in a node: what belongs to no connection and opens none does not reach the stack, which
 * would answer it with a reset. */
static inline void net_give(struct net *n, struct buf *packet)
{
	const uint8_t *tcp = packet->data + net_header(packet->data),
		      *addresses = packet->data + (net_family == 6 ? 8 : 12);
	const struct tuple t = {.remote = addr_from_bytes(net_family, addresses),
				.local = addr_from_bytes(net_family, addresses + (net_family == 6 ? 16 : 4)),
				.remote_port = load_be16(tcp),
				.local_port = load_be16(tcp + 2)};

	if (n->moving)
		buf_queue_put(&n->waiting, packet);
	else if (stack_tuple_known(n->stack[n->owner], &t) || tcp[13] == 2)
		stack_input_ip(n->stack[n->owner], packet, n->now);
	else
		buf_free(packet);
}

/* When something happens next. */
static inline nstime net_expiry(const struct net *n)
{
	nstime at = NSTIME_NEVER;

	for (int i = 0; i < 3; i++)
		at = nstime_min(at, stack_expiry(n->stack[i]));
	for (size_t i = 0; i < n->frame_count; i++)
		at = nstime_min(at, n->frames[i].due);
	return at;
}

static inline void net_deliver(struct net *n, size_t i)
{
	struct net_frame f = n->frames[i];

	n->frames[i] = n->frames[--n->frame_count];
	if (n->seen && f.to == 0)
		n->seen(n->context, false, f.frame);
	if (f.to < 3) {
		stack_input(n->stack[f.to], 0, f.frame, n->now);
		return;
	}
	buf_pull(f.frame, NET_ETHERNET);
	net_give(n, f.frame);
}

/* Does what is due at `now`. */
static inline void net_expire(struct net *n, nstime now)
{
	n->now = now;
	for (;;) {
		size_t best = n->frame_count;
		for (size_t i = 0; i < n->frame_count; i++)
			if (n->frames[i].due <= now &&
			    (best == n->frame_count || n->frames[i].due < n->frames[best].due ||
			     (n->frames[i].due == n->frames[best].due && n->frames[i].order < n->frames[best].order)))
				best = i;
		if (best == n->frame_count)
			break;
		net_deliver(n, best);
		net_collect(n);
	}
	for (int i = 0; i < 3; i++)
		if (stack_expiry(n->stack[i]) <= now)
			stack_expire(n->stack[i], now);
	net_collect(n);
}

/* Lets everything happen until `at`. */
static inline void net_run(struct net *n, nstime at)
{
	for (nstime next; (next = net_expiry(n)) <= at;)
		net_expire(n, next > n->now ? next : n->now);
	n->now = at;
}

/* The packets that waited while the connection was moved go to its owner. */
static inline void net_release(struct net *n)
{
	struct buf *b;

	n->moving = false;
	while ((b = buf_queue_get(&n->waiting)))
		net_give(n, b);
	net_collect(n);
}

#endif
