/* SPDX-License-Identifier: BSD-3-Clause */
/* Couriers joined by a simulated network, for test_courier*.c: a virtual clock, and per-frame loss, corruption,
 * duplication, delay and reordering drawn from one random stream. It records what each courier delivered and checks it
 * against what was sent. */
#ifndef BATON_TESTS_UNIT_TEST_COURIER_NET_H
#define BATON_TESTS_UNIT_TEST_COURIER_NET_H

#include "base/err.h"
#include "base/random.h"
#include "lb/courier.h"
#include "lb/courier_impl.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NET_COURIERS 3U
#define NET_FRAMES   8192U
#define NET_SENDS    4096U
#define NET_MTU      1472U
#define PERCENT      10000000U /* in parts in a billion */

struct net_frame {
	nstime at;
	uint64_t order;
	uint16_t from, to;
	size_t len;
	uint8_t *bytes;
};

/* A message handed to a courier. */
struct net_send {
	uint16_t from, to;
	uint8_t type;
	uint64_t id, digest;
	size_t len;
	nstime at, received_at;
	unsigned received, delivered, failed;
};

struct net {
	struct courier *c[NET_COURIERS + 1]; /* by device id, from 1 */
	struct courier_config config;
	struct random_stream random;
	nstime now;
	uint32_t loss, corrupt, duplicate, reorder; /* chances, parts in a billion */
	nstime delay, jitter;                       /* one way */
	bool cut;                                   /* nothing comes through */
	bool hold;                                  /* nobody takes messages */
	bool (*drop)(struct net *n, const struct net_frame *f);
	void (*watch)(struct net *n, const struct net_frame *f); /* sees every frame sent, before any fault */
	uint64_t count;                                          /* frames sent; the hooks' to read */
	uint64_t state[4];                                       /* the hooks' own */
	uint64_t order, digest;
	unsigned restarted, up, events;
	struct net_frame frames[NET_FRAMES]; /* a binary heap would be faster; few are in flight */
	size_t frame_count;
	struct net_send sends[NET_SENDS];
	size_t send_count;
};

static inline uint64_t net_digest(const void *bytes, size_t len, uint64_t h)
{
	static const struct {
		uint8_t bytes[crypto_shorthash_KEYBYTES];
	} key;
	uint8_t out[8];
	uint64_t v;

	crypto_shorthash(out, bytes, len, key.bytes);
	memcpy(&v, out, 8);
	return h * 0x9e3779b97f4a7c15 ^ v;
}

static inline struct net *net_new(uint64_t seed)
{
	struct net *n = calloc(1, sizeof(*n));

	ck_assert_ptr_nonnull(n);
	random_init(&n->random, seed, "test_courier_net");
	n->delay = 1 * NSTIME_MS;
	n->config = (struct courier_config){.boot = 100, .mtu = NET_MTU, .key = {1, 2, 3}};
	return n;
}

/* (Re)starts a device under a boot id. */
static inline void net_start(struct net *n, uint16_t device, uint64_t boot)
{
	struct courier_config config = n->config;

	courier_free(n->c[device]);
	config.self = device;
	config.boot = boot;
	ck_assert_int_eq(courier_new(&n->c[device], &config), 0);
	for (uint16_t i = 1; i <= NET_COURIERS; i++)
		if (i != device)
			ck_assert_int_eq(courier_peer_add(n->c[device], i), 0);
	courier_start(n->c[device], n->now);
}

static inline void net_start_all(struct net *n)
{
	for (uint16_t i = 1; i <= NET_COURIERS; i++)
		net_start(n, i, 100);
}

static inline void net_free(struct net *n)
{
	for (size_t i = 0; i < n->frame_count; i++)
		free(n->frames[i].bytes);
	for (uint16_t i = 1; i <= NET_COURIERS; i++)
		courier_free(n->c[i]);
	free(n);
}

/* Puts a frame on the network; it is copied. */
static inline void net_put(struct net *n, uint16_t from, uint16_t to, const uint8_t *bytes, size_t len, nstime at)
{
	struct net_frame *f;

	ck_assert_uint_lt(n->frame_count, NET_FRAMES);
	f = &n->frames[n->frame_count++];
	*f = (struct net_frame){.at = at, .order = n->order++, .from = from, .to = to, .len = len};
	f->bytes = malloc(len ? len : 1);
	ck_assert_ptr_nonnull(f->bytes);
	memcpy(f->bytes, bytes, len);
}

static inline void net_transmit(struct net *n, const struct net_frame *f)
{
	nstime at;

	n->count++;
	n->digest = net_digest(f->bytes, f->len, n->digest);
	if (n->watch)
		n->watch(n, f);
	if (n->cut || random_chance(&n->random, n->loss) || (n->drop && n->drop(n, f)))
		return;
	at = n->now + n->delay + (n->jitter ? random_below(&n->random, n->jitter) : 0);
	if (random_chance(&n->random, n->corrupt))
		f->bytes[random_below(&n->random, f->len)] ^= (uint8_t)(1 << random_below(&n->random, 8));
	if (random_chance(&n->random, n->reorder))
		at += random_below(&n->random, 2 * n->delay + 1);
	net_put(n, f->from, f->to, f->bytes, f->len, at);
	if (random_chance(&n->random, n->duplicate))
		net_put(n, f->from, f->to, f->bytes, f->len, at + random_below(&n->random, n->delay + 1));
}

static inline void net_received(struct net *n, uint16_t to, const struct courier_message *m)
{
	uint64_t digest = net_digest(m->bytes, m->len, 0);

	for (size_t i = 0; i < n->send_count; i++) {
		struct net_send *s = &n->sends[i];

		if (s->from == m->from && s->to == to && s->type == m->type && s->len == m->len &&
		    s->digest == digest && !s->received) {
			s->received++;
			s->received_at = n->now;
			return;
		}
	}
	ck_abort_msg("a message was delivered that was not sent, or twice: %zu bytes", m->len);
}

static inline void net_event(struct net *n, uint16_t device, const struct courier_event *e)
{
	n->events++;
	n->restarted += e->kind == COURIER_PEER_RESTARTED;
	n->up += e->kind == COURIER_PEER_UP;
	if (e->kind != COURIER_MESSAGE_DELIVERED && e->kind != COURIER_MESSAGE_FAILED)
		return;
	for (size_t i = 0; i < n->send_count; i++) {
		struct net_send *s = &n->sends[i];

		if (s->from == device && s->id == e->message) {
			ck_assert_uint_eq(s->to, e->device);
			ck_assert_uint_eq(s->type, e->type);
			ck_assert_uint_eq(s->delivered + s->failed, 0);
			s->delivered += e->kind == COURIER_MESSAGE_DELIVERED;
			s->failed += e->kind == COURIER_MESSAGE_FAILED;
			ck_assert(!s->delivered || s->received || n->hold);
			return;
		}
	}
	ck_abort_msg("an event about a message that was not sent");
}

/* Takes all that the couriers have to give. */
static inline void net_pump(struct net *n)
{
	uint8_t out[COURIER_MTU_MAX];

	for (uint16_t i = 1; i <= NET_COURIERS; i++) {
		struct net_frame f = {.from = i, .bytes = out};
		struct courier_message m;
		struct courier_event e;

		if (!n->c[i])
			continue;
		while (courier_output(n->c[i], out, sizeof(out), &f.len, &f.to, n->now)) {
			ck_assert_uint_le(f.len, n->config.mtu);
			net_transmit(n, &f);
		}
		while (!n->hold && courier_message_next(n->c[i], &m))
			net_received(n, i, &m);
		while (courier_event_next(n->c[i], &e))
			net_event(n, i, &e);
	}
}

/* Hands a message of `len` random bytes to `from`'s courier; returns its place in sends. */
static inline struct net_send *net_send_try(struct net *n, uint16_t from, uint16_t to, uint8_t type, size_t len,
					    int *rc)
{
	struct net_send *s = &n->sends[n->send_count];
	uint8_t *bytes = malloc(len + 1);

	ck_assert_uint_lt(n->send_count, NET_SENDS);
	random_bytes(&n->random, bytes, len);
	*s = (struct net_send){.from = from, .to = to, .type = type, .len = len, .at = n->now};
	s->digest = net_digest(bytes, len, 0);
	*rc = courier_send(n->c[from], to, type, bytes, len, n->now, &s->id);
	n->send_count += *rc == 0;
	free(bytes);
	return s;
}

static inline struct net_send *net_send(struct net *n, uint16_t from, uint16_t to, uint8_t type, size_t len)
{
	int rc;
	struct net_send *s = net_send_try(n, from, to, type, len, &rc);

	ck_assert_int_eq(rc, 0);
	return s;
}

/* Delivers what is due at the earliest time there is, not after `end`; false when there is nothing. */
static inline bool net_step(struct net *n, nstime end)
{
	nstime at = NSTIME_NEVER;
	size_t first = n->frame_count;

	net_pump(n);
	for (size_t i = 0; i < n->frame_count; i++)
		if (first == n->frame_count || n->frames[i].at < n->frames[first].at ||
		    (n->frames[i].at == n->frames[first].at && n->frames[i].order < n->frames[first].order))
			first = i;
	for (uint16_t i = 1; i <= NET_COURIERS; i++)
		if (n->c[i])
			at = nstime_min(at, courier_expiry(n->c[i]));
	if (first < n->frame_count && n->frames[first].at <= at) {
		struct net_frame f = n->frames[first];

		if (f.at > end)
			return false;
		n->now = f.at;
		n->frames[first] = n->frames[--n->frame_count];
		if (n->c[f.to])
			courier_input(n->c[f.to], f.bytes, f.len, n->now);
		free(f.bytes);
	} else {
		if (at == NSTIME_NEVER || at > end)
			return false;
		ck_assert_uint_ge(at, n->now);
		n->now = at;
		for (uint16_t i = 1; i <= NET_COURIERS; i++)
			if (n->c[i])
				courier_expire(n->c[i], n->now);
	}
	net_pump(n);
	return true;
}

static inline void net_run_until(struct net *n, nstime end)
{
	while (net_step(n, end))
		;
	if (n->now < end)
		n->now = end;
}

static inline bool net_settled(const struct net *n)
{
	for (size_t i = 0; i < n->send_count; i++)
		if (!n->sends[i].delivered && !n->sends[i].failed)
			return false;
	return true;
}

/* Until each message was reported delivered or failed, or `end`. */
static inline void net_run_settled(struct net *n, nstime end)
{
	while (!net_settled(n) && net_step(n, end))
		;
}

/* All messages came, once each, intact. */
static inline void net_check_delivered(const struct net *n)
{
	for (size_t i = 0; i < n->send_count; i++) {
		ck_assert_msg(n->sends[i].received == 1 && n->sends[i].delivered == 1,
			      "message %zu of %zu bytes: received %u, delivered %u, failed %u", i, n->sends[i].len,
			      n->sends[i].received, n->sends[i].delivered, n->sends[i].failed);
	}
}

/* One peer's present state. */
struct net_stats {
	uint64_t boot;                /* 0: unknown */
	bool confirmed;               /* a session exists */
	nstime srtt, rttvar, rto;     /* RFC 6298; srtt is 0 before the first sample; rto without back-off */
	uint32_t window;              /* bytes */
	uint32_t in_flight;           /* bytes of unacknowledged frames */
	uint32_t queued, queue_bytes; /* messages accepted and neither delivered nor failed; their bytes */
	uint32_t inbox_bytes;         /* bytes reassembled or not yet taken */
};

/* Of a courier's peer; the test fails when there is none. */
static inline struct net_stats net_stats(const struct net *n, uint16_t device, uint16_t peer)
{
	const struct courier_peer *p = courier_peer_find(n->c[device], peer);

	ck_assert_ptr_nonnull(p);
	return (struct net_stats){
		.boot = p->boot,
		.confirmed = p->confirmed,
		.srtt = p->rtt.srtt,
		.rttvar = p->rtt.rttvar,
		.rto = courier_rtt_rto(&p->rtt),
		.window = p->window.bytes,
		.in_flight = p->window.in_flight,
		.queued = p->queued,
		.queue_bytes = p->queue_bytes,
		.inbox_bytes = p->inbox_bytes,
	};
}

/* The sum of a counter over all couriers, by its offset in struct courier_counters. */
#define NET_SUM(n, field)                                                                                              \
	(courier_counters((n)->c[1])->field + courier_counters((n)->c[2])->field + courier_counters((n)->c[3])->field)

#endif
