/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of stack/: a wire between up to four stacks on one Ethernet segment, and a clock that jumps to the next
 * thing that is due. Every frame goes to the stack whose MAC address it names, broadcasts to all others. */
#ifndef BATON_TESTS_UNIT_STACK_FIXTURE_H
#define BATON_TESTS_UNIT_STACK_FIXTURE_H

#include "stack/socket.h"
#include "stack/stack.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WIRE_STACKS_MAX 4U
#define WIRE_DELAY      (1 * NSTIME_MS)

struct wire {
	struct stack *stacks[WIRE_STACKS_MAX];
	int netifs[WIRE_STACKS_MAX]; /* the interface with which each is on this wire */
	unsigned count;
	struct buf_queue flying; /* mark: due; mark2: the sender */
	nstime now;
	uint64_t frames;
	uint64_t digest; /* over every frame and when it was sent */
	/* Looks at each frame before it flies; true drops it. May be NULL. */
	bool (*filter)(struct wire *w, const struct buf *frame);
	/* Does an application's work after each step. May be NULL. */
	void (*app)(struct wire *w);
	void *context;
	uint64_t blocks, bufs; /* held when the wire was made */
};

static inline struct mac wire_mac(unsigned host)
{
	return (struct mac){{2, 0, 0, 0, 0, (uint8_t)host}};
}

static inline struct addr wire_addr(unsigned host)
{
	return addr_v4(0x0a000000U + host);
}

static inline struct addr wire_addr6(unsigned host)
{
	return (struct addr){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = (uint8_t)host}};
}

/* A stack on the wire: 10.0.0.HOST/24 and 2001:db8::HOST/64, HOST = place + 1. */
static inline struct stack *wire_add(struct wire *w, const char *name, bool forwarding)
{
	struct stack_config config = {.name = name, .seed = 1, .forwarding = forwarding};
	struct stack *s = stack_new(&config, w->now);
	w->netifs[w->count] = stack_netif_add(s, wire_mac(w->count + 1), wire_addr(w->count + 1), 24);
	ck_assert_int_eq(w->netifs[w->count], 0);
	ck_assert_int_eq(stack_address_add(s, 0, wire_addr6(w->count + 1), 64), 0);
	w->stacks[w->count++] = s;
	return s;
}

static inline void wire_init(struct wire *w)
{
	*w = (struct wire){.blocks = stack_blocks_outstanding(), .bufs = buf_outstanding()};
}

static inline void wire_pair(struct wire *w)
{
	wire_init(w);
	wire_add(w, "client", false);
	wire_add(w, "server", false);
}

/* Frees all; nothing may be left. */
static inline void wire_fini(struct wire *w)
{
	for (unsigned i = 0; i < w->count; i++)
		stack_free(w->stacks[i]);
	buf_queue_clear(&w->flying);
	ck_assert_uint_eq(stack_blocks_outstanding(), w->blocks);
	ck_assert_uint_eq(buf_outstanding(), w->bufs);
}

static inline void wire_digest(struct wire *w, const struct buf *b)
{
	w->digest = (w->digest ^ w->now) * UINT64_C(0x100000001b3);
	for (uint32_t i = 0; i < b->len; i++)
		w->digest = (w->digest ^ b->data[i]) * UINT64_C(0x100000001b3);
}

static inline void wire_collect(struct wire *w)
{
	for (unsigned i = 0; i < w->count; i++) {
		struct buf *b;
		int netif;
		while ((b = stack_output(w->stacks[i], &netif))) {
			w->frames++;
			wire_digest(w, b);
			if (netif != w->netifs[i] || (w->filter && w->filter(w, b))) {
				buf_free(b);
				continue;
			}
			b->mark = w->now + WIRE_DELAY;
			b->mark2 = i;
			buf_queue_put(&w->flying, b);
		}
	}
}

static inline void wire_deliver(struct wire *w, struct buf *b)
{
	for (unsigned i = 0; i < w->count; i++)
		if (i != b->mark2 && (b->data[0] & 1 || b->data[5] == i + 1))
			stack_input(w->stacks[i], w->netifs[i], buf_clone(b), w->now);
	buf_free(b);
}

/* One step: everything due at the earliest time. False when nothing is due until then. */
static inline bool wire_step(struct wire *w, nstime until)
{
	nstime at = w->flying.head ? w->flying.head->mark : NSTIME_NEVER;
	for (unsigned i = 0; i < w->count; i++)
		at = nstime_min(at, stack_expiry(w->stacks[i]));
	if (at == NSTIME_NEVER || at > until)
		return false;
	if (at > w->now)
		w->now = at;
	while (w->flying.head && w->flying.head->mark <= w->now)
		wire_deliver(w, buf_queue_get(&w->flying));
	for (unsigned i = 0; i < w->count; i++)
		if (stack_expiry(w->stacks[i]) <= w->now)
			stack_expire(w->stacks[i], w->now);
	if (w->app)
		w->app(w);
	wire_collect(w);
	return true;
}

static inline void wire_run(struct wire *w, nstime duration)
{
	nstime until = w->now + duration;
	if (w->app)
		w->app(w);
	wire_collect(w);
	while (wire_step(w, until))
		continue;
	w->now = until;
}

/* A connection from stacks[0] to a listener on stacks[1]. */
static inline void wire_connect(struct wire *w, struct sock *listener, uint16_t port, struct sock **client,
				struct sock **server)
{
	*client = sock_connect(w->stacks[0], wire_addr(2), port, NULL, w->now);
	ck_assert_ptr_nonnull(*client);
	wire_run(w, 50 * NSTIME_MS);
	*server = sock_accept(listener);
	ck_assert_ptr_nonnull(*server);
}

/* The readiness of one socket since it was asked last; forgets the others'. */
static inline unsigned wire_ready(struct wire *w, const struct sock *k)
{
	unsigned all = 0, ready;
	for (unsigned i = 0; i < w->count; i++) {
		const struct sock *r;
		while ((r = sock_next_ready(w->stacks[i], &ready)))
			if (r == k)
				all |= ready;
	}
	return all;
}

static inline struct stack_holdings wire_holdings(struct wire *w, unsigned i)
{
	struct stack_holdings h;
	stack_holdings(w->stacks[i], &h);
	return h;
}

/* Bytes of a stream that both ends can tell. */
static inline uint8_t wire_byte(size_t i)
{
	return (uint8_t)(i * 7 + i / 251 + i / 65521);
}

#endif
