/* SPDX-License-Identifier: BSD-3-Clause */
/* The ticks that lwIP is given: on the instance's grid, one each, none for what needs none. */
#include "base/conn.h"
#include "tests/unit/stack_fixture.h"

#define PORT 80
#define TICK (500 * NSTIME_MS)

struct pair {
	struct wire w;
	struct sock *client, *server;
	nstime sent; /* when the client's text left it last */
	unsigned sent_count;
};

/* Notes the client's text and loses it. */
static bool text_lost(struct wire *w, const struct buf *b)
{
	struct pair *p = w->context;
	if (b->data[5] != 2 || b->len <= 54)
		return false;
	p->sent = w->now;
	p->sent_count++;
	return true;
}

static void pair_init(struct pair *p)
{
	struct sock *listener;
	*p = (struct pair){0};
	wire_pair(&p->w);
	p->w.context = p;
	listener = sock_listen(p->w.stacks[1], (struct addr){0}, PORT, NULL);
	wire_connect(&p->w, listener, PORT, &p->client, &p->server);
}

static void pair_send(struct pair *p)
{
	p->sent_count = 0;
	ck_assert_int_eq(sock_send(p->client, "x", 1), 1);
	sock_flush(p->client, p->w.now);
}

/* Bytes that arrive: the round trip is measured, the time-out small. */
static void pair_warm(struct pair *p)
{
	p->w.filter = NULL;
	for (unsigned i = 0; i < 8; i++) {
		pair_send(p);
		wire_run(&p->w, NSTIME_S);
		sock_consume(p->server, sock_unread(p->server), p->w.now);
	}
	wire_run(&p->w, 20 * NSTIME_S);
	ck_assert_uint_eq(stack_expiry(p->w.stacks[0]), NSTIME_NEVER);
	p->w.filter = text_lost;
}

/* When the text that was sent at first is sent again. */
static nstime pair_retransmission(struct pair *p)
{
	unsigned before;
	wire_collect(&p->w);
	before = p->sent_count;
	while (p->sent_count == before)
		ck_assert(wire_step(&p->w, p->w.now + 10 * NSTIME_S));
	return p->sent;
}

/* A connection that slept is not given a tick at once, out of the grid: its time-out would be a tick too short. */
START_TEST(wakes_on_grid)
{
	struct pair p;
	nstime phase = NSTIME_NEVER;
	pair_init(&p);
	for (unsigned i = 0; i < 20; i++) { /* at different places of the grid */
		nstime slept, due;
		pair_warm(&p);
		wire_run(&p.w, 3600 * NSTIME_S + i * 13 * NSTIME_MS);
		slept = p.w.now;
		pair_send(&p);
		ck_assert_uint_gt(stack_expiry(p.w.stacks[0]), slept);
		ck_assert_uint_le(stack_expiry(p.w.stacks[0]), slept + TICK);
		due = pair_retransmission(&p);
		ck_assert_uint_gt(due, slept + TICK);
		ck_assert(phase == NSTIME_NEVER || due % TICK == phase);
		phase = due % TICK;
	}
	wire_fini(&p.w);
}
END_TEST

/* Notes what the client sends. */
static bool frame_noted(struct wire *w, const struct buf *b)
{
	struct pair *p = w->context;
	if (b->data[5] == 2) {
		p->sent = w->now;
		p->sent_count++;
	}
	return false;
}

/* The same for an option that is set without saying when: it is idle from its last segment on. */
START_TEST(keepalive_on_grid)
{
	struct pair p;
	nstime set;
	uint64_t visits;
	pair_init(&p);
	wire_run(&p.w, 3600 * NSTIME_S);
	p.w.filter = frame_noted;
	set = p.w.now;
	visits = stack_counters(p.w.stacks[0])->timer_visits;
	sock_keepalive(p.client, 7200000, 1000, 3);
	wire_run(&p.w, 3598 * NSTIME_S);
	ck_assert_uint_eq(p.sent_count, 0);
	ck_assert_uint_le(stack_counters(p.w.stacks[0])->timer_visits - visits, 64); /* one in two minutes */
	wire_run(&p.w, 3 * NSTIME_S);
	ck_assert_uint_ge(p.sent_count, 1);
	ck_assert_uint_le(p.sent, set + 3601 * NSTIME_S);
	wire_fini(&p.w);
}
END_TEST

/* A connection that was idle for long is closed; the peer takes its time: how long FIN_WAIT_2 lasts counts from the
 * close on. So does TIME_WAIT. */
START_TEST(closed_after_idle)
{
	struct pair p;
	pair_init(&p);
	wire_run(&p.w, 3600 * NSTIME_S);
	sock_close(p.client, p.w.now);
	wire_run(&p.w, 15 * NSTIME_S);
	ck_assert(sock_eof(p.server));
	sock_close(p.server, p.w.now);
	wire_run(&p.w, 110 * NSTIME_S);
	ck_assert_uint_eq(stack_counters(p.w.stacks[0])->rst_sent, 0);
	ck_assert_uint_eq(wire_holdings(&p.w, 1).pcbs, 0);
	ck_assert_uint_eq(wire_holdings(&p.w, 0).time_wait, 1);
	wire_run(&p.w, 12 * NSTIME_S);
	ck_assert_uint_eq(wire_holdings(&p.w, 0).time_wait, 0);
	wire_fini(&p.w);
}
END_TEST

/* However many ticks others had while a connection was frozen, it counts its own from the first. */
START_TEST(thawed_counts_first_tick)
{
	struct pair p;
	struct conn_state state = {0};
	nstime first = 0;
	pair_init(&p);
	for (unsigned n = 0; n < 260; n++) {
		struct sock *busy;
		nstime took;
		pair_warm(&p);
		/* (a SYN to nobody keeps the ticks going) */
		busy = sock_connect(p.w.stacks[0], wire_addr(77), PORT, NULL, p.w.now);
		ck_assert_ptr_nonnull(busy);
		wire_run(&p.w, 2 * TICK - p.w.now % TICK);
		pair_send(&p);
		wire_collect(&p.w);
		ck_assert_uint_eq(p.sent_count, 1);
		ck_assert_int_eq(sock_migrate(p.client, 2, &state, p.w.now), 0);
		for (unsigned i = 0; i < n; i++) {
			wire_run(&p.w, TICK);
			if (sock_error(busy)) {
				sock_close(busy, p.w.now);
				busy = sock_connect(p.w.stacks[0], wire_addr(77), PORT, NULL, p.w.now);
			}
		}
		stack_endpoint_ops.thaw(p.w.stacks[0], (struct endpoint_conn *)p.client, p.w.now);
		took = p.w.now;
		took = pair_retransmission(&p) - took;
		sock_close(busy, p.w.now);
		if (!n)
			first = took;
		if (took != first)
			ck_abort_msg("behind %u ticks: %llu ns, not %llu", n, (unsigned long long)took,
				     (unsigned long long)first);
	}
	conn_state_fini(&state);
	wire_fini(&p.w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_timers");
	TCase *tc = tcase_create("timers");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, wakes_on_grid);
	tcase_add_test(tc, keepalive_on_grid);
	tcase_add_test(tc, closed_after_idle);
	tcase_add_test(tc, thawed_counts_first_tick);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
