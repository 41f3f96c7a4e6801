/* SPDX-License-Identifier: BSD-3-Clause */
/* Two hosts on a wire, applications on the one and a client on the other, under a virtual clock. */
#ifndef BATON_TESTS_APPS_WIRE_H
#define BATON_TESTS_APPS_WIRE_H

#include "base/random.h"
#include "node/app_internal.h"
#include "node/client_internal.h"
#include "tests/lib/unit.h"

#include <check.h>

#define SEED  42U
#define DELAY NSTIME_MS

/* Two hosts and the wire between them. */
struct wire {
	struct stack *stacks[2];
	struct buf_queue flying[2]; /* towards each; mark is the time of arrival */
	nstime now;
	struct app *http, *echo, *sink, *tls, *mixed;
	struct client *client;
	struct random_stream random;
	uint32_t loss_ppb;
	uint64_t done, failed;
	struct client_outcome last;
	unsigned events[TRACE_EVENT_COUNT];
	struct trace_sink sink_of_events;
};

static void events_emit(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
			size_t count)
{
	struct wire *w = sink->context;

	(void)now;
	(void)fields;
	(void)count;
	w->events[event]++;
}

static struct addr host(uint32_t n)
{
	return addr_v4(0x0a000000U + n);
}

static void wire_init(struct wire *w)
{
	*w = (struct wire){.sink_of_events = {.emit = events_emit}};
	w->sink_of_events.context = w;
	random_init(&w->random, SEED, "test apps");
	for (uint32_t i = 0; i < 2; i++) {
		struct stack_config config = {.name = i ? "server" : "client", .seed = SEED};
		struct mac mac = {{2, 0, 0, 0, 0, (uint8_t)(1 + i)}};

		w->stacks[i] = stack_new(&config, 0);
		ck_assert_int_ge(stack_netif_add(w->stacks[i], mac, host(1 + i), 24), 0);
	}
	w->http = app_new(APP_TYPE_HTTP, w->stacks[1], host(2), 80, SEED);
	w->echo = app_new(APP_TYPE_ECHO, w->stacks[1], host(2), 7, SEED);
	w->sink = app_new(APP_TYPE_SINK, w->stacks[1], host(2), 9, SEED);
	w->tls = app_new(APP_TYPE_TLS, w->stacks[1], host(2), 443, SEED);
	w->mixed = app_new(APP_TYPE_AUTO, w->stacks[1], host(2), 8443, SEED);
	ck_assert(w->http && w->echo && w->sink && w->tls && w->mixed);
	ck_assert_ptr_null(app_new(APP_TYPE_ECHO, w->stacks[1], host(2), 80, SEED));
	w->client = client_new(w->stacks[0], SEED, &w->sink_of_events);
}

static bool wire_pump(struct wire *w)
{
	bool moved = false;
	struct client_outcome outcome;

	for (int i = 0; i < 2; i++) {
		struct buf *frame;
		struct sock *k;
		unsigned ready;
		int netif;

		while ((k = sock_next_ready(w->stacks[i], &ready))) {
			struct sock_owner *owner = sock_user(k);

			owner->ready(owner, k, ready, w->now);
			moved = true;
		}
		while ((frame = stack_output(w->stacks[i], &netif))) {
			moved = true;
			if (w->loss_ppb && random_chance(&w->random, w->loss_ppb)) {
				buf_free(frame);
				continue;
			}
			frame->mark = w->now + DELAY;
			buf_queue_put(&w->flying[1 - i], frame);
		}
	}
	while (client_outcome_next(w->client, &outcome)) {
		w->last = outcome;
		if (outcome.failure == CLIENT_COMPLETED)
			w->done++;
		else
			w->failed++;
	}
	return moved;
}

/* Connections that the applications have. */
static uint64_t wire_served(const struct wire *w)
{
	return w->http->connections + w->echo->connections + w->sink->connections + w->tls->connections +
	       w->mixed->connections;
}

static inline bool wire_idle(const struct wire *w)
{
	return client_pending(w->client) + w->client->connections + wire_served(w) == 0 && !w->flying[0].head &&
	       !w->flying[1].head;
}

/* Runs until nothing of the applications is left to do, or `until`. */
static inline void wire_run(struct wire *w, nstime until)
{
	for (;;) {
		nstime next = NSTIME_NEVER;

		while (wire_pump(w))
			;
		if (wire_idle(w))
			return;
		for (int i = 0; i < 2; i++) {
			next = nstime_min(next, stack_expiry(w->stacks[i]));
			next = nstime_min(next, client_expiry(w->client));
			if (w->flying[i].head)
				next = nstime_min(next, w->flying[i].head->mark);
		}
		if (next > until || next == NSTIME_NEVER)
			return;
		w->now = next > w->now ? next : w->now;
		for (int i = 0; i < 2; i++) {
			while (w->flying[i].head && w->flying[i].head->mark <= w->now) {
				stack_input(w->stacks[i], 0, buf_queue_get(&w->flying[i]), w->now);
				while (wire_pump(w))
					;
			}
			if (stack_expiry(w->stacks[i]) <= w->now)
				stack_expire(w->stacks[i], w->now);
			client_expire(w->client, w->now);
		}
	}
}

static void wire_fini(struct wire *w)
{
	uint64_t buffers;

	for (int i = 0; i < 2; i++)
		stack_free(w->stacks[i]);
	client_free(w->client);
	app_free(w->http);
	app_free(w->echo);
	app_free(w->sink);
	app_free(w->tls);
	app_free(w->mixed);
	buf_queue_clear(&w->flying[0]);
	buf_queue_clear(&w->flying[1]);
	buffers = buf_outstanding();
	ck_assert_uint_eq(buffers, 0);
}

static inline void expect_done(struct wire *w, const struct client_spec *spec, uint64_t sent, uint64_t received)
{
	uint64_t request = client_start(w->client, spec, w->now);

	ck_assert_uint_ne(request, 0);
	wire_run(w, w->now + 600 * NSTIME_S);
	ck_assert_uint_eq(w->last.request, request);
	ck_assert_str_eq(w->last.reason, "done");
	ck_assert_uint_eq(w->last.bytes_sent, sent);
	ck_assert_uint_eq(w->last.bytes_received, received);
	ck_assert_uint_eq(w->client->connections, 0);
	ck_assert_uint_eq(wire_served(w), 0);
}

#endif
