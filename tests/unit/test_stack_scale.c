/* SPDX-License-Identifier: BSD-3-Clause */
/* Many connections in one stack: what a segment and a tick cost does not grow with them (operations are counted, not
 * time), and the table that finds them agrees with a plain model through opening, closing, moving and TIME_WAIT.
 *
 * What runs often uses ck_abort_msg: each ck_assert writes to a file. */
#include "base/conn.h"
#include "base/random.h"
#include "tests/unit/stack_fixture.h"

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ADDRESS_SANITIZER 1
#endif

#ifdef ADDRESS_SANITIZER
#define CONNECTIONS 5000U
#else
#define CONNECTIONS 100000U
#endif
#define CONNECTIONS_FEW 1000U
#define PORT            80
#define PER_PORT        50000U /* connections to one port: there are 55,296 ephemeral ones */
#define BATCH           1000U
#define MESSAGES        2000U

struct many {
	struct wire w;
	struct sock *listeners[CONNECTIONS / PER_PORT + 1];
	struct sock *clients[CONNECTIONS], *servers[CONNECTIONS];
	unsigned count;
	struct random_stream r;
};

static void many_open(struct many *m, unsigned count)
{
	while (m->count < count) {
		unsigned first = m->count;
		for (; m->count < count && m->count < first + BATCH; m->count++) {
			uint16_t port = (uint16_t)(PORT + m->count / PER_PORT);
			m->clients[m->count] = sock_connect(m->w.stacks[0], wire_addr(2), port, NULL, m->w.now);
		}
		wire_run(&m->w, 20 * NSTIME_MS);
		for (; first < m->count; first++)
			if (!m->clients[first] || !(m->servers[first] = sock_accept(m->listeners[first / PER_PORT])))
				ck_abort_msg("connection %u did not come about", first);
			else
				sock_nodelay(m->clients[first], true);
	}
}

struct cost {
	uint64_t steps, visits, packets;
};

static struct cost cost_now(const struct many *m)
{
	struct cost c = {0};
	for (unsigned i = 0; i < 2; i++) {
		const struct stack_counters *s = stack_counters(m->w.stacks[i]);
		c.steps += s->demux_steps;
		c.visits += s->timer_visits;
		c.packets += s->packets_in;
	}
	return c;
}

/* A byte to the server on connections at random, and 300 s of silence. */
static struct cost many_talk(struct many *m)
{
	struct cost before = cost_now(m), after;
	for (unsigned i = 0; i < MESSAGES; i++) {
		unsigned k = (unsigned)random_below(&m->r, m->count);
		if (sock_send(m->clients[k], "x", 1) != 1)
			ck_abort_msg("connection %u takes nothing", k);
		sock_flush(m->clients[k], m->w.now);
		wire_run(&m->w, 2 * NSTIME_MS);
		if (sock_unread(m->servers[k]) != 1)
			ck_abort_msg("nothing came by connection %u", k);
		sock_consume(m->servers[k], 1, m->w.now);
	}
	wire_run(&m->w, 300 * NSTIME_S);
	after = cost_now(m);
	ck_assert_uint_eq(stack_expiry(m->w.stacks[0]), NSTIME_NEVER);
	ck_assert_uint_eq(stack_expiry(m->w.stacks[1]), NSTIME_NEVER);
	return (struct cost){after.steps - before.steps, after.visits - before.visits, after.packets - before.packets};
}

START_TEST(cost_does_not_grow)
{
	static struct many m;
	struct cost few, all;
	wire_pair(&m.w);
	random_init(&m.r, 1, "scale");
	for (unsigned i = 0; i < sizeof(m.listeners) / sizeof(m.listeners[0]); i++)
		m.listeners[i] = sock_listen(m.w.stacks[1], (struct addr){0}, (uint16_t)(PORT + i), NULL);
	many_open(&m, 1); /* (ARP keeps few packets) */
	many_open(&m, CONNECTIONS_FEW);
	wire_run(&m.w, NSTIME_S);
	few = many_talk(&m);
	many_open(&m, CONNECTIONS);
	wire_run(&m.w, NSTIME_S);
	all = many_talk(&m);
	ck_assert_uint_ge(all.packets, MESSAGES);
	ck_assert_uint_le(few.steps, 2 * few.packets);
	ck_assert_uint_le(all.steps, 2 * all.packets);
	/* the sender's slow tick, the receiver's fast one */
	ck_assert_uint_le(few.visits, 3 * MESSAGES);
	ck_assert_uint_le(all.visits, 3 * MESSAGES);
	wire_fini(&m.w);
}
END_TEST

/* ---- against a model ---- */

#define SLOTS       64U
#define WAITS_MAX   4096U
#define STORM_STEPS 2500U
#define WAIT_MIN    (119 * NSTIME_S) /* TIME_WAIT lasts 120 s and up to a tick or two */
#define WAIT_MAX    (122 * NSTIME_S)

struct model {
	struct wire w;
	struct random_stream r;
	struct sock *listener;
	struct {
		struct sock *client, *server; /* NULL: not open */
		struct tuple tuple;           /* the client's */
	} slots[SLOTS];
	struct {
		struct tuple tuple; /* as the one that closed first sees it */
		unsigned stack;
		nstime since;
	} waits[WAITS_MAX];
	unsigned open, wait_count;
	struct conn_state state;
};

static struct tuple tuple_turned(const struct tuple *t)
{
	return (struct tuple){
		.remote = t->local, .local = t->remote, .remote_port = t->local_port, .local_port = t->remote_port};
}

static void model_settle(struct model *m)
{
	wire_run(&m->w, 10 * NSTIME_MS);
}

static void model_open(struct model *m, unsigned i)
{
	struct tuple t;
	m->slots[i].client = sock_connect(m->w.stacks[0], wire_addr(2), PORT, NULL, m->w.now);
	ck_assert_ptr_nonnull(m->slots[i].client);
	t = sock_tuple(m->slots[i].client);
	for (unsigned k = 0; k < SLOTS; k++)
		if (k != i && m->slots[k].client && tuple_equal(&m->slots[k].tuple, &t))
			ck_abort_msg("port %u is in use", t.local_port);
	for (unsigned k = 0; k < m->wait_count; k++)
		if (m->waits[k].stack == 0 && m->w.now - m->waits[k].since < WAIT_MIN &&
		    tuple_equal(&m->waits[k].tuple, &t))
			ck_abort_msg("port %u is in TIME_WAIT", t.local_port);
	model_settle(m);
	m->slots[i].server = sock_accept(m->listener);
	ck_assert_ptr_nonnull(m->slots[i].server);
	m->slots[i].tuple = t;
	m->open++;
}

static void model_close(struct model *m, unsigned i, bool by_client)
{
	struct sock *first = by_client ? m->slots[i].client : m->slots[i].server;
	struct sock *second = by_client ? m->slots[i].server : m->slots[i].client;
	sock_close(first, m->w.now);
	model_settle(m);
	ck_assert(sock_eof(second));
	sock_close(second, m->w.now);
	model_settle(m);
	ck_assert_uint_lt(m->wait_count, WAITS_MAX);
	m->waits[m->wait_count].tuple = by_client ? m->slots[i].tuple : tuple_turned(&m->slots[i].tuple);
	m->waits[m->wait_count].stack = by_client ? 0 : 1;
	m->waits[m->wait_count++].since = m->w.now;
	m->slots[i].client = m->slots[i].server = NULL;
	m->open--;
}

static void model_abort(struct model *m, unsigned i)
{
	sock_abort(m->slots[i].client, m->w.now);
	model_settle(m);
	ck_assert_int_ne(sock_error(m->slots[i].server), 0);
	sock_close(m->slots[i].server, m->w.now);
	m->slots[i].client = m->slots[i].server = NULL;
	m->open--;
}

/* The server's end moves out of its stack and back in, or only stops for a while. */
static void model_move(struct model *m, unsigned i, bool out)
{
	struct stack *s = m->w.stacks[1];
	struct endpoint_conn *k = (struct endpoint_conn *)m->slots[i].server;
	ck_assert_int_eq(sock_migrate(m->slots[i].server, 2, &m->state, m->w.now), 0);
	ck_assert_uint_eq(wire_holdings(&m->w, 1).pcbs, m->open);
	if (!out) {
		wire_run(&m->w, random_below(&m->r, 3 * NSTIME_S));
		stack_endpoint_ops.thaw(s, k, m->w.now);
		return;
	}
	stack_endpoint_ops.release(s, k);
	ck_assert_uint_eq(wire_holdings(&m->w, 1).pcbs, m->open - 1);
	ck_assert_int_eq(stack_endpoint_ops.infuse(s, &m->state, &k, m->w.now), 0);
	ck_assert_int_ne(stack_endpoint_ops.infuse(s, &m->state, &k, m->w.now), 0); /* it is there already */
	stack_endpoint_ops.activate(s, k, m->w.now);
	m->slots[i].server = sock_accept(m->listener);
	ck_assert_ptr_nonnull(m->slots[i].server);
}

static void model_talk(struct model *m, unsigned i)
{
	struct sock *ends[] = {m->slots[i].client, m->slots[i].server};
	for (unsigned from = 0; from < 2; from++) {
		ck_assert_int_eq(sock_send(ends[from], "abc", 3), 3);
		sock_flush(ends[from], m->w.now);
		model_settle(m);
		ck_assert_uint_eq(sock_unread(ends[1 - from]), 3);
		sock_consume(ends[1 - from], 3, m->w.now);
	}
}

static void model_check(struct model *m)
{
	unsigned least[2] = {0}, most[2] = {0};
	for (unsigned i = 0; i < SLOTS; i++) {
		struct tuple server = tuple_turned(&m->slots[i].tuple);
		if (m->slots[i].client && !(stack_tuple_known(m->w.stacks[0], &m->slots[i].tuple) &&
					    stack_tuple_known(m->w.stacks[1], &server)))
			ck_abort_msg("connection %u is not found", i);
	}
	for (unsigned i = 0; i < m->wait_count; i++) {
		nstime age = m->w.now - m->waits[i].since;
		most[m->waits[i].stack] += age < WAIT_MAX;
		least[m->waits[i].stack] += age < WAIT_MIN;
		if (age < WAIT_MIN && !stack_tuple_known(m->w.stacks[m->waits[i].stack], &m->waits[i].tuple))
			ck_abort_msg("TIME_WAIT %u is not found", i);
	}
	for (unsigned i = 0; i < 2; i++) {
		struct stack_holdings h = wire_holdings(&m->w, i);
		if (h.pcbs != m->open || h.time_wait < least[i] || h.time_wait > most[i])
			ck_abort_msg("stack %u: %u pcbs, not %u; %u in TIME_WAIT, not %u to %u", i, h.pcbs, m->open,
				     h.time_wait, least[i], most[i]);
	}
}

START_TEST(model)
{
	static struct model m;
	m = (struct model){0};
	wire_pair(&m.w);
	random_init(&m.r, (uint64_t)_i + 1, "scale model");
	m.listener = sock_listen(m.w.stacks[1], (struct addr){0}, PORT, NULL);
	for (unsigned step = 0; step < STORM_STEPS; step++) {
		unsigned i = (unsigned)random_below(&m.r, SLOTS), what = (unsigned)random_below(&m.r, 8);
		if (!random_below(&m.r, 20))
			wire_run(&m.w, random_below(&m.r, 40 * NSTIME_S));
		if (!m.slots[i].client)
			model_open(&m, i);
		else if (what < 3)
			model_close(&m, i, what == 0);
		else if (what == 3)
			model_abort(&m, i);
		else if (what < 6)
			model_move(&m, i, what == 4);
		else
			model_talk(&m, i);
		model_check(&m);
	}
	wire_run(&m.w, WAIT_MAX);
	m.wait_count = 0;
	model_check(&m);
	conn_state_fini(&m.state);
	wire_fini(&m.w);
}
END_TEST

/* No port is free: that is found out once, and asked again only when a connection or a listener has
 * ended. */
START_TEST(exhausted_costs_once)
{
	struct wire w;
	struct sock *last = NULL, *k;
	struct sock *listener;
	uint64_t steps;
	wire_init(&w);
	listener = sock_listen(wire_add(&w, "client", false), (struct addr){0}, 40000, NULL);
	ck_assert_ptr_nonnull(listener);
	while ((k = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0)))
		last = k;
	steps = stack_counters(w.stacks[0])->demux_steps;
	for (unsigned i = 0; i < 1000; i++)
		if (sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0))
			ck_abort_msg("a port was free");
	ck_assert_uint_eq(stack_counters(w.stacks[0])->demux_steps, steps);
	sock_close(last, 0);
	ck_assert_ptr_nonnull(sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	ck_assert_ptr_null(sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	sock_close(listener, 0);
	k = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0);
	ck_assert_ptr_nonnull(k);
	ck_assert_uint_eq(sock_tuple(k).local_port, 40000);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_scale");
	TCase *tc = tcase_create("scale");
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, cost_does_not_grow);
	tcase_add_loop_test(tc, model, 0, 4);
	tcase_add_test(tc, exhausted_costs_once);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
