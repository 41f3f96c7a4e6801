/* SPDX-License-Identifier: BSD-3-Clause */
/* The calls through which the balancer drives a stack, one by one: their order from the top down, their silence, what
 * they refuse. That connections survive being moved is test_migrate's. */
#include "base/err.h"
#include "base/trace.h"
#include "tests/lib/unit.h"
#include "tests/unit/migrate_net.h"

#define ROUTER 0x0a0000feU

static const struct endpoint_ops *const ops = &stack_endpoint_ops;

/* The events of a stack, in order. */
struct recorder {
	struct trace_sink sink;
	enum trace_event events[32];
	size_t count;
};

static void record(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
		   size_t count)
{
	struct recorder *r = sink->context;

	(void)now;
	ck_assert_uint_gt(count, 0);
	ck_assert_ptr_nonnull(fields[0].name);
	ck_assert_uint_lt(r->count, sizeof(r->events) / sizeof(r->events[0]));
	r->events[r->count++] = event;
}

/* Two stacks and a state to move, without a channel. */
struct bench {
	struct recorder recorder;
	struct stack *stack;
	struct sock *listener;
	struct addr vip;
};

static void bench_init(struct bench *b, uint32_t connections_max, struct addr next_hop)
{
	struct stack_config config = {.name = "bench", .seed = 1, .connections_max = connections_max};

	memset(b, 0, sizeof(*b));
	b->recorder.sink = (struct trace_sink){.emit = record, .context = &b->recorder};
	config.trace = &b->recorder.sink;
	b->vip = addr_v4(0x0a000050);
	b->stack = stack_new(&config, 0);
	ck_assert_int_eq(stack_netif_add(b->stack, (struct mac){{2, 0, 0, 0, 0, 9}}, addr_v4(0x0a000009), 24), 0);
	ck_assert_int_eq(stack_vip_add(b->stack, b->vip, 0, next_hop), 0);
	b->listener = sock_listen(b->stack, b->vip, NET_PORT, NULL);
	ck_assert_ptr_nonnull(b->listener);
}

static void state_make(struct conn_state *s, uint16_t remote_port)
{
	const char *why = "";

	conn_state_clear(s);
	s->ip.local = addr_v4(0x0a000050);
	s->ip.remote = addr_v4(0x0a000001);
	s->ip.ttl = 64;
	s->tcp = (struct conn_tcp){.local_port = NET_PORT,
				   .remote_port = remote_port,
				   .state = CONN_ESTABLISHED,
				   .rcv_nxt = 1000,
				   .rcv_wnd = 60000,
				   .rcv_ann_wnd = 60000,
				   .rcv_ann_right_edge = 61000,
				   .mss = 1460,
				   .snd_una = 5000,
				   .snd_nxt = 5000,
				   .snd_lbb = 5000,
				   .snd_wl1 = 1000,
				   .snd_wl2 = 5000,
				   .snd_wnd = 60000,
				   .snd_wnd_max = 60000,
				   .cwnd = 14600,
				   .ssthresh = 65535,
				   .srtt_us = 500000,
				   .rttvar_us = 375000,
				   .rto_us = 1500000,
				   .rtx_age_us = -1,
				   .keep_idle_ms = 7200000,
				   .keep_interval_ms = 75000,
				   .keep_count = 9};
	memcpy(vec_append(&s->data, NULL, 5), "hello", 5);
	s->socket.unread = 5;
	ck_assert_msg(conn_state_validate(s, &why) == 0, "%s", why);
}

START_TEST(top_down)
{
	static const enum trace_event expected[] = {TRACE_INFUSE_SOCKET, TRACE_INFUSE_TCP,   TRACE_INFUSE_IP,
						    TRACE_INDICATE,      TRACE_MIGRATE_CALL, TRACE_COMPILE_SOCKET,
						    TRACE_COMPILE_TCP,   TRACE_COMPILE_IP};
	struct conn_state s = {0}, out = {0};
	struct endpoint_conn *conn;
	struct bench b;
	unsigned ready;
	char text[8];

	bench_init(&b, 0, addr_v4(ROUTER));
	state_make(&s, 4000);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &conn, NSTIME_S), 0);
	ck_assert_uint_eq(b.recorder.count, 3);
	ck_assert_ptr_null(sock_next_ready(b.stack, &ready)); /* held: nobody is told */
	ops->activate(b.stack, conn, NSTIME_S);
	/* the application sees it as a connection that came to it, with its data (C11.2, C14) */
	ck_assert_ptr_eq(sock_next_ready(b.stack, &ready), b.listener);
	ck_assert_uint_eq(ready, SOCK_ACCEPT);
	ck_assert_ptr_eq(sock_accept(b.listener), conn);
	ck_assert_ptr_eq(sock_next_ready(b.stack, &ready), conn);
	ck_assert_uint_eq(ready & SOCK_READABLE, SOCK_READABLE);
	ck_assert_uint_eq(sock_peek_copy((struct sock *)conn, 0, text, sizeof(text)), 5);
	ck_assert_int_eq(memcmp(text, "hello", 5), 0);
	ck_assert_int_eq(sock_migrate((struct sock *)conn, 3, &out, NSTIME_S), 0);
	ck_assert_uint_eq(b.recorder.count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < b.recorder.count; i++)
		ck_assert_msg(b.recorder.events[i] == expected[i], "event %zu is %s", i,
			      trace_name(b.recorder.events[i]));
	ops->release(b.stack, conn);
	stack_free(b.stack);
	conn_state_fini(&s);
	conn_state_fini(&out);
}
END_TEST

/* Neither a held nor a frozen connection says anything, takes anything or has a timer; going away, neither do they. */
START_TEST(silence)
{
	const uint64_t blocks = stack_blocks_outstanding(), buffers = buf_outstanding();
	struct conn_state s = {0}, out = {0};
	struct endpoint_conn *conn;
	struct stack_holdings h;
	struct tuple t;
	struct bench b;
	unsigned ready;
	int netif;

	bench_init(&b, 0, addr_v4(ROUTER));
	state_make(&s, 4000);
	memset(conn_state_segment_add(&s, 5000, 1000, 0), 'x', 1000);
	s.unacked_count = 1;
	s.tcp.snd_nxt = s.tcp.snd_lbb = 6000;
	s.tcp.rtx_age_us = 0;
	for (int round = 0; round < 2; round++) {
		ck_assert_int_eq(ops->infuse(b.stack, &s, &conn, NSTIME_S), 0);
		if (round) {
			ops->activate(b.stack, conn, NSTIME_S);
			ck_assert_ptr_eq(sock_accept(b.listener), conn);
			while (sock_next_ready(b.stack, &ready))
				continue;
			ck_assert_int_eq(ops->migrate(b.stack, conn, 3, &out, NSTIME_S), 0);
			ck_assert_int_eq(ops->migrate(b.stack, conn, 3, &out, NSTIME_S), E_STATE);
			while (stack_output(b.stack, &netif))
				ck_abort_msg("a packet");
		}
		for (nstime at; (at = stack_expiry(b.stack)) < 300 * NSTIME_S;)
			stack_expire(b.stack, at);
		ck_assert_ptr_null(stack_output(b.stack, &netif));
		ck_assert_ptr_null(sock_next_ready(b.stack, &ready));
		if (round)
			ops->release(b.stack, conn);
		else
			ops->discard(b.stack, conn);
		ck_assert_ptr_null(stack_output(b.stack, &netif));
		ck_assert_ptr_null(sock_next_ready(b.stack, &ready));
		ck_assert(!stack_next_closed(b.stack, &t));
		stack_holdings(b.stack, &h);
		ck_assert_uint_eq(h.pcbs, 0);
		ck_assert_uint_eq(h.sockets, 1);
	}
	stack_free(b.stack);
	conn_state_fini(&s);
	conn_state_fini(&out);
	ck_assert_uint_eq(stack_blocks_outstanding(), blocks);
	ck_assert_uint_eq(buf_outstanding(), buffers);
}
END_TEST

/* What an infused connection sends leaves by the VIP's next hop, as what was accepted here does. */
START_TEST(next_hop)
{
	struct conn_state s = {0};
	struct endpoint_conn *conn;
	struct bench b;
	struct buf *frame;
	int netif;

	bench_init(&b, 0, addr_v4(ROUTER));
	state_make(&s, 4000);
	memset(conn_state_segment_add(&s, 5000, 100, 0), 'x', 100);
	s.unsent_count = 1;
	s.tcp.snd_lbb = 5100;
	ck_assert_int_eq(ops->infuse(b.stack, &s, &conn, NSTIME_S), 0);
	ck_assert_ptr_null(stack_output(b.stack, &netif));
	ops->activate(b.stack, conn, NSTIME_S);
	frame = stack_output(b.stack, &netif);
	ck_assert_ptr_nonnull(frame);
	ck_assert_uint_eq(load_be16(frame->data + 12), 0x0806);
	ck_assert_uint_eq(load_be32(frame->data + 38), ROUTER);
	buf_free(frame);
	stack_free(b.stack);

	/* without one, and without a route to the client: it is sent all the same, and times out in the end */
	bench_init(&b, 0, (struct addr){0});
	s.ip.remote = addr_v4(0xc0000201);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &conn, NSTIME_S), 0);
	ops->activate(b.stack, conn, NSTIME_S);
	ck_assert_uint_eq(stack_counters(b.stack)->dropped[STACK_DROP_ROUTE], 1);
	stack_free(b.stack);
	conn_state_fini(&s);
}
END_TEST

/* Nobody listens any more when a held connection becomes ours: it is given up, with a reset. */
START_TEST(listener_gone)
{
	const uint64_t blocks = stack_blocks_outstanding(), buffers = buf_outstanding();
	struct conn_state s = {0};
	struct endpoint_conn *conn;
	struct stack_holdings h;
	struct bench b;

	bench_init(&b, 0, addr_v4(ROUTER));
	state_make(&s, 4000);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &conn, NSTIME_S), 0);
	sock_close(b.listener, NSTIME_S);
	ops->activate(b.stack, conn, NSTIME_S);
	ck_assert_uint_eq(stack_counters(b.stack)->rst_sent, 1);
	stack_holdings(b.stack, &h);
	ck_assert_uint_eq(h.pcbs, 0);
	ck_assert_uint_eq(h.sockets, 0);
	stack_free(b.stack);
	conn_state_fini(&s);
	ck_assert_uint_eq(stack_blocks_outstanding(), blocks);
	ck_assert_uint_eq(buf_outstanding(), buffers);
}
END_TEST

START_TEST(refusals)
{
	struct conn_state s = {0};
	struct endpoint_conn *conn, *second = NULL;
	struct stack_holdings before, after;
	struct bench b;

	bench_init(&b, 3, addr_v4(ROUTER));
	state_make(&s, 4000);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &conn, 0), 0);
	stack_holdings(b.stack, &before);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), E_EXISTS);
	state_make(&s, 4001);
	s.tcp.local_port++;
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), E_REFUSED);
	state_make(&s, 4001);
	s.ip.local = addr_v4(0x0a000051);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), E_REFUSED);
	state_make(&s, 4001);
	s.tcp.mss = 1461;
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), E_UNSUPPORTED);
	state_make(&s, 4001);
	s.tcp.rcv_wnd = 65536;
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), E_UNSUPPORTED);
	state_make(&s, 4001);
	for (uint32_t i = 0; i < 45; i++) {
		memset(conn_state_segment_add(&s, 5000 + i * 1460, 1460, 0), 'x', 1460);
		s.unsent_count++;
	}
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), E_UNSUPPORTED);
	ck_assert_ptr_null(second);
	stack_holdings(b.stack, &after);
	ck_assert_int_eq(memcmp(&before, &after, sizeof(before)), 0);
	state_make(&s, 4001);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), 0);
	state_make(&s, 4002);
	ck_assert_int_eq(ops->infuse(b.stack, &s, &second, 0), E_FULL);
	stack_free(b.stack); /* with both held */
	conn_state_fini(&s);
}
END_TEST

/* A connection that has ended cannot move; its successor with the same tuple can come while it is in TIME_WAIT. */
START_TEST(time_wait)
{
	struct net *n = malloc(sizeof(*n));
	struct endpoint_conn *made;
	struct stack_holdings h;
	struct conn_state s = {0};
	struct sock *client, *server;

	ck_assert_ptr_nonnull(n);
	net_init(n, "time_wait", 1);
	client = sock_connect(n->stack[0], n->vip, NET_PORT, NULL, 0);
	net_collect(n);
	net_run(n, NSTIME_S);
	server = sock_accept(n->listener[1]);
	ck_assert_ptr_nonnull(server);
	ck_assert_int_eq(sock_shutdown_write(server, n->now), 0);
	net_collect(n);
	net_run(n, n->now + NSTIME_S);
	ck_assert_int_eq(sock_shutdown_write(client, n->now), 0);
	net_collect(n);
	net_run(n, n->now + NSTIME_S);
	stack_holdings(n->stack[1], &h);
	ck_assert_uint_eq(h.time_wait, 1);
	ck_assert_int_eq(sock_migrate(server, 2, &s, n->now), E_STATE);
	state_make(&s, sock_tuple(server).remote_port);
	ck_assert_int_eq(ops->infuse(n->stack[1], &s, &made, n->now), 0);
	stack_holdings(n->stack[1], &h);
	ck_assert_uint_eq(h.time_wait, 0);
	ops->discard(n->stack[1], made);
	conn_state_fini(&s);
	net_fini(n);
	free(n);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("endpoint");
	TCase *c = tcase_create("endpoint");

	if (stack_library_check())
		return EXIT_FAILURE;
	tcase_add_test(c, top_down);
	tcase_add_test(c, silence);
	tcase_add_test(c, next_hop);
	tcase_add_test(c, listener_gone);
	tcase_add_test(c, refusals);
	tcase_add_test(c, time_wait);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
