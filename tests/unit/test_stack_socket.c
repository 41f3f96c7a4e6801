/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of two stacks on one wire: a connection's whole life, byte for byte. */
#include "base/err.h"
#include "tests/unit/stack_fixture.h"

#define PORT 80

/* An echo of ECHO_BYTES: what the client writes comes back to it. */
#define ECHO_BYTES (1U << 20)

struct echo {
	struct sock *client, *server;
	size_t written, echoed, verified, pending_from; /* bytes */
	bool server_shut;
};

static void echo_client(struct wire *w, struct echo *e)
{
	uint8_t chunk[3000];
	size_t len;
	const uint8_t *p;
	while (e->written < ECHO_BYTES) {
		size_t want = ECHO_BYTES - e->written < sizeof(chunk) ? ECHO_BYTES - e->written : sizeof(chunk);
		for (size_t i = 0; i < want; i++)
			chunk[i] = wire_byte(e->written + i);
		long took = sock_send(e->client, chunk, want);
		ck_assert_int_ge(took, 0);
		e->written += (size_t)took;
		if (e->written == ECHO_BYTES)
			ck_assert_int_eq(sock_shutdown_write(e->client, w->now), 0);
		if ((size_t)took < want)
			break;
	}
	sock_flush(e->client, w->now);
	while ((p = sock_peek(e->client, &len)) && len) {
		for (size_t i = 0; i < len; i++)
			if (p[i] != wire_byte(e->verified + i))
				ck_abort_msg("byte %zu is wrong", e->verified + i);
		e->verified += len;
		sock_consume(e->client, len, w->now);
	}
}

static void echo_server(struct wire *w, struct echo *e)
{
	const uint8_t *p;
	size_t len;
	if (!e->server)
		return;
	while ((p = sock_peek(e->server, &len)) && len) {
		long took = sock_send(e->server, p, len);
		if (took <= 0)
			break;
		sock_consume(e->server, (size_t)took, w->now);
		e->echoed += (size_t)took;
	}
	sock_flush(e->server, w->now);
	if (sock_eof(e->server) && !e->server_shut) {
		e->server_shut = true;
		ck_assert_int_eq(sock_shutdown_write(e->server, w->now), 0);
	}
}

static void echo_work(struct wire *w)
{
	echo_client(w, w->context);
	echo_server(w, w->context);
}

/* Returns a digest of every frame. */
static uint64_t echo_run(bool (*filter)(struct wire *, const struct buf *), nstime limit)
{
	struct wire w;
	struct echo e = {0};
	struct sock *listener;
	wire_pair(&w);
	listener = sock_listen(w.stacks[1], (struct addr){0}, PORT, NULL);
	ck_assert_ptr_nonnull(listener);
	wire_connect(&w, listener, PORT, &e.client, &e.server);
	ck_assert(wire_ready(&w, e.client) & SOCK_CONNECTED);
	w.context = &e;
	w.app = echo_work;
	w.filter = filter;
	wire_run(&w, limit);
	ck_assert_uint_eq(e.verified, ECHO_BYTES);
	ck_assert_uint_eq(e.echoed, ECHO_BYTES);
	ck_assert(sock_eof(e.client) && sock_eof(e.server));
	ck_assert_int_eq(sock_error(e.client), 0);
	if (filter)
		ck_assert_uint_gt(stack_counters(w.stacks[0])->retransmissions, 0);
	else
		ck_assert_uint_eq(stack_counters(w.stacks[0])->retransmissions, 0);
	ck_assert_uint_eq(stack_counters(w.stacks[0])->rst_sent + stack_counters(w.stacks[1])->rst_sent, 0);
	w.app = NULL;
	sock_close(e.client, w.now);
	sock_close(e.server, w.now);
	sock_close(listener, w.now);
	wire_run(&w, 200 * NSTIME_S);
	ck_assert_uint_eq(wire_holdings(&w, 0).pcbs + wire_holdings(&w, 0).time_wait + wire_holdings(&w, 1).pcbs, 0);
	ck_assert_uint_eq(stack_counters(w.stacks[0])->rst_sent + stack_counters(w.stacks[1])->rst_sent, 0);
	wire_fini(&w);
	return w.digest;
}

START_TEST(echo_verified)
{
	echo_run(NULL, 60 * NSTIME_S);
}
END_TEST

static bool drop_some(struct wire *w, const struct buf *frame)
{
	return frame->data[13] == 0 && w->frames % 23 == 0;
}

START_TEST(echo_verified_with_loss)
{
	/* the same calls, the same bytes at the same times, whatever another instance did before */
	uint64_t digest = echo_run(drop_some, 600 * NSTIME_S);
	echo_run(NULL, 60 * NSTIME_S);
	ck_assert_uint_eq(digest, echo_run(drop_some, 600 * NSTIME_S));
}
END_TEST

/* A pair with one connection. */
struct link {
	struct wire w;
	struct sock *listener, *client, *server;
};

static void link_init(struct link *l)
{
	wire_pair(&l->w);
	l->listener = sock_listen(l->w.stacks[1], (struct addr){0}, PORT, NULL);
	wire_connect(&l->w, l->listener, PORT, &l->client, &l->server);
	wire_ready(&l->w, NULL);
}

static void link_send(struct link *l, struct sock *k, const char *text)
{
	ck_assert_int_eq(sock_send(k, text, strlen(text)), (long)strlen(text));
	sock_flush(k, l->w.now);
	wire_run(&l->w, 20 * NSTIME_MS);
}

static void link_expect(struct link *l, struct sock *k, const char *text)
{
	char got[64];
	ck_assert_uint_eq(sock_unread(k), strlen(text));
	ck_assert_uint_eq(sock_peek_copy(k, 0, got, sizeof(got)), strlen(text));
	ck_assert_mem_eq(got, text, strlen(text));
	sock_consume(k, strlen(text), l->w.now);
}

START_TEST(half_close)
{
	struct link l;
	link_init(&l);
	link_send(&l, l.client, "question");
	ck_assert_int_eq(sock_shutdown_write(l.client, l.w.now), 0);
	wire_run(&l.w, 300 * NSTIME_MS);
	ck_assert(wire_ready(&l.w, l.client) & SOCK_DRAINED);
	ck_assert(!sock_eof(l.server)); /* there is something to read first */
	link_expect(&l, l.server, "question");
	ck_assert(sock_eof(l.server));
	ck_assert_int_eq(sock_send(l.client, "x", 1), E_STATE);
	wire_run(&l.w, 60 * NSTIME_S); /* a half-closed connection does not time out */
	link_send(&l, l.server, "answer");
	link_expect(&l, l.client, "answer");
	sock_close(l.server, l.w.now);
	wire_run(&l.w, NSTIME_S);
	ck_assert(sock_eof(l.client));
	ck_assert_int_eq(sock_error(l.client), 0);
	sock_close(l.client, l.w.now);
	ck_assert_uint_eq(wire_holdings(&l.w, 0).time_wait, 1);
	wire_fini(&l.w);
}
END_TEST

/* The side that closes first goes through TIME_WAIT; the other is gone at once. */
START_TEST(close_each_way)
{
	for (unsigned first = 0; first < 2; first++) {
		struct link l;
		link_init(&l);
		link_send(&l, l.client, "abc");
		link_expect(&l, l.server, "abc");
		sock_close(first ? l.server : l.client, l.w.now);
		wire_run(&l.w, NSTIME_S);
		ck_assert(sock_eof(first ? l.client : l.server));
		sock_close(first ? l.client : l.server, l.w.now);
		wire_run(&l.w, NSTIME_S);
		ck_assert_uint_eq(wire_holdings(&l.w, first).time_wait, 1);
		ck_assert_uint_eq(wire_holdings(&l.w, !first).time_wait, 0);
		ck_assert_uint_eq(wire_holdings(&l.w, 0).pcbs + wire_holdings(&l.w, 1).pcbs, 0);
		ck_assert_uint_eq(wire_holdings(&l.w, 0).sockets, 0);
		ck_assert_uint_eq(stack_counters(l.w.stacks[0])->rst_sent, 0);
		ck_assert_uint_eq(stack_counters(l.w.stacks[1])->rst_sent, 0);
		wire_run(&l.w, 130 * NSTIME_S);
		ck_assert_uint_eq(wire_holdings(&l.w, first).time_wait, 0);
		ck_assert_uint_eq(stack_expiry(l.w.stacks[0]), NSTIME_NEVER);
		ck_assert_uint_eq(stack_expiry(l.w.stacks[1]), NSTIME_NEVER);
		wire_fini(&l.w);
	}
}
END_TEST

START_TEST(close_at_once)
{
	struct link l;
	link_init(&l);
	sock_close(l.server, l.w.now);
	sock_close(l.client, l.w.now);
	wire_run(&l.w, NSTIME_S);
	ck_assert_uint_eq(wire_holdings(&l.w, 0).time_wait, 1);
	ck_assert_uint_eq(wire_holdings(&l.w, 1).time_wait, 1);
	ck_assert_uint_eq(wire_holdings(&l.w, 0).pcbs + wire_holdings(&l.w, 1).pcbs, 0);
	wire_fini(&l.w);
}
END_TEST

START_TEST(reset)
{
	struct link l;
	link_init(&l);
	sock_abort(l.server, l.w.now);
	wire_run(&l.w, 100 * NSTIME_MS);
	ck_assert_uint_eq(wire_ready(&l.w, l.client), SOCK_ERROR | SOCK_READABLE);
	ck_assert_int_eq(sock_error(l.client), E_RESET);
	ck_assert_int_eq(sock_send(l.client, "x", 1), E_CLOSED);
	sock_close(l.client, l.w.now);
	ck_assert_uint_eq(wire_holdings(&l.w, 0).sockets, 0);
	wire_fini(&l.w);
}
END_TEST

/* RFC 1122 4.2.2.13: closing with unread data resets. */
START_TEST(close_unread_resets)
{
	struct link l;
	link_init(&l);
	link_send(&l, l.client, "unread");
	sock_close(l.server, l.w.now);
	wire_run(&l.w, 100 * NSTIME_MS);
	ck_assert_int_eq(sock_error(l.client), E_RESET);
	sock_close(l.client, l.w.now);
	wire_fini(&l.w);
}
END_TEST

START_TEST(refused_and_timed_out)
{
	struct wire w;
	struct sock *k;
	wire_pair(&w);
	k = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, w.now);
	wire_run(&w, 100 * NSTIME_MS);
	ck_assert_int_eq(sock_error(k), E_REFUSED);
	ck_assert_uint_eq(wire_ready(&w, k), SOCK_ERROR | SOCK_READABLE);
	ck_assert_uint_eq(stack_counters(w.stacks[1])->rst_sent, 1);
	sock_close(k, w.now);
	k = sock_connect(w.stacks[0], wire_addr(77), PORT, NULL, w.now);
	wire_run(&w, 200 * NSTIME_S);
	ck_assert_int_eq(sock_error(k), E_TIMEOUT);
	sock_close(k, w.now);
	ck_assert_uint_gt(stack_counters(w.stacks[0])->dropped[STACK_DROP_NEIGHBOUR], 0);
	ck_assert_ptr_null(sock_connect(w.stacks[0], addr_v4(0xc0a80001), PORT, NULL, w.now)); /* no route */
	wire_fini(&w);
}
END_TEST

/* An idle instance has no timer: after the handshake's last tick, with a connection open. */
START_TEST(idle_never)
{
	struct link l;
	link_init(&l);
	link_send(&l, l.client, "x");
	link_expect(&l, l.server, "x");
	wire_run(&l.w, 10 * NSTIME_S);
	ck_assert_uint_eq(stack_expiry(l.w.stacks[0]), NSTIME_NEVER);
	ck_assert_uint_eq(stack_expiry(l.w.stacks[1]), NSTIME_NEVER);
	/* and still measures time when it wakes */
	wire_run(&l.w, 3600 * NSTIME_S);
	link_send(&l, l.client, "y");
	link_expect(&l, l.server, "y");
	wire_fini(&l.w);
}
END_TEST

START_TEST(keepalive)
{
	struct link l;
	uint64_t before;
	link_init(&l);
	sock_keepalive(l.client, 10000, 1000, 3);
	wire_run(&l.w, NSTIME_S);
	before = stack_counters(l.w.stacks[0])->packets_out;
	wire_run(&l.w, 8 * NSTIME_S);
	ck_assert_uint_eq(stack_counters(l.w.stacks[0])->packets_out, before);
	wire_run(&l.w, 4 * NSTIME_S);
	ck_assert_uint_eq(stack_counters(l.w.stacks[0])->packets_out, before + 1);
	/* the peer vanishes */
	stack_free(l.w.stacks[1]);
	l.w.count = 1;
	wire_run(&l.w, 20 * NSTIME_S);
	ck_assert_int_eq(sock_error(l.client), E_TIMEOUT);
	wire_fini(&l.w);
}
END_TEST

START_TEST(bounds)
{
	struct wire w;
	struct stack_config config = {.name = "small", .seed = 1, .connections_max = 3};
	struct sock *k[3];
	wire_init(&w);
	w.stacks[0] = stack_new(&config, 0);
	w.netifs[0] = stack_netif_add(w.stacks[0], wire_mac(1), wire_addr(1), 24);
	w.count = 1;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(k[i] = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	ck_assert_ptr_null(sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	ck_assert_ptr_null(sock_listen(w.stacks[0], (struct addr){0}, PORT, NULL));
	sock_abort(k[1], 0);
	ck_assert_ptr_nonnull(k[1] = sock_listen(w.stacks[0], (struct addr){0}, PORT, NULL));
	sock_close(k[1], 0);
	ck_assert_ptr_nonnull(k[1] = sock_listen(w.stacks[0], wire_addr(1), PORT, NULL));
	sock_abort(k[0], 0);
	ck_assert_ptr_null(sock_listen(w.stacks[0], wire_addr(1), PORT, NULL)); /* taken */
	ck_assert_ptr_null(sock_listen(w.stacks[0], wire_addr(9), PORT, NULL)); /* not ours */
	wire_fini(&w);
}
END_TEST

/* Ephemeral ports follow each other; none is used twice. */
START_TEST(ports_differ)
{
	struct wire w;
	struct sock *k;
	static uint8_t used[65536];
	unsigned count = 0;
	wire_pair(&w);
	while ((k = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0))) {
		unsigned port = sock_tuple(k).local_port;
		ck_assert_uint_eq(used[port], 0);
		used[port] = 1;
		if (++count == 2000)
			break;
	}
	ck_assert_uint_eq(count, 2000);
	wire_fini(&w);
}
END_TEST

/* Listener closed: what waits to be accepted is reset, and so is what comes. */
/* All ephemeral ports to one peer are in use: the next connect fails and harms nothing; to another peer there are as
 * many again; one given back is found. */
START_TEST(ports_exhausted)
{
	static struct sock *k[60000];
	struct wire w;
	unsigned n = 0;
	wire_init(&w);
	wire_add(&w, "client", false);
	while ((k[n] = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0)))
		n++;
	ck_assert_uint_eq(n, 65536 - 10240);
	ck_assert_uint_eq(wire_holdings(&w, 0).pcbs, n);
	ck_assert_uint_eq(wire_holdings(&w, 0).sockets, n);
	ck_assert_ptr_nonnull(sock_connect(w.stacks[0], wire_addr(3), PORT, NULL, 0));
	ck_assert_ptr_nonnull(sock_connect(w.stacks[0], wire_addr(2), PORT + 1, NULL, 0));
	ck_assert_ptr_null(sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	sock_close(k[n / 2], 0);
	ck_assert_ptr_nonnull(sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	ck_assert_ptr_null(sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	wire_fini(&w);
}
END_TEST

START_TEST(listener_closed)
{
	struct wire w;
	struct sock *listener, *waiting, *late;
	wire_pair(&w);
	listener = sock_listen(w.stacks[1], wire_addr(2), PORT, NULL);
	waiting = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, w.now);
	wire_run(&w, 100 * NSTIME_MS);
	ck_assert(wire_ready(&w, listener) & SOCK_ACCEPT);
	late = sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, w.now);
	wire_run(&w, 1500 * NSTIME_US); /* the SYN is there, the handshake is not complete */
	sock_close(listener, w.now);
	wire_run(&w, NSTIME_S);
	ck_assert_int_eq(sock_error(waiting), E_RESET);
	ck_assert_int_ne(sock_error(late), 0);
	ck_assert_uint_eq(wire_holdings(&w, 1).pcbs + wire_holdings(&w, 1).listening, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(half_open_limit)
{
	struct wire w;
	struct stack_config config = {.name = "server", .seed = 1, .half_open_max = 5};
	struct sock *listener;
	wire_init(&w);
	wire_add(&w, "client", false);
	w.stacks[1] = stack_new(&config, 0);
	w.netifs[1] = stack_netif_add(w.stacks[1], wire_mac(2), wire_addr(2), 24);
	w.count = 2;
	listener = sock_listen(w.stacks[1], (struct addr){0}, PORT, NULL);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_ptr_nonnull(sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, 0));
	wire_run(&w, 3500 * NSTIME_US); /* ARP there and back, then all SYNs at once */
	ck_assert_uint_eq(stack_counters(w.stacks[1])->dropped[STACK_DROP_HALF_OPEN], 3);
	ck_assert_uint_eq(wire_holdings(&w, 1).pcbs, 5);
	wire_run(&w, 10 * NSTIME_S); /* they are completed, the others' next SYNs find room */
	for (unsigned i = 0; i < 8; i++)
		ck_assert_ptr_nonnull(sock_accept(listener));
	wire_fini(&w);
}
END_TEST

/* Nothing is answered for a connection that is frozen, neither to its data nor to a SYN; thawed, it goes on. */
START_TEST(frozen_is_silent)
{
	struct link l;
	struct conn_state state = {0};
	uint64_t sent;
	link_init(&l);
	link_send(&l, l.client, "before");
	wire_run(&l.w, NSTIME_S);
	ck_assert_int_eq(sock_migrate(l.server, 1, &state, l.w.now), 0);
	sent = stack_counters(l.w.stacks[1])->packets_out;
	link_send(&l, l.client, "while");
	wire_run(&l.w, 10 * NSTIME_S);
	ck_assert_uint_eq(stack_counters(l.w.stacks[1])->packets_out, sent);
	ck_assert_uint_gt(stack_counters(l.w.stacks[1])->rst_suppressed, 0);
	ck_assert_uint_eq(stack_counters(l.w.stacks[1])->rst_sent, 0);
	stack_endpoint_ops.thaw(l.w.stacks[1], (struct endpoint_conn *)l.server, l.w.now);
	wire_run(&l.w, 60 * NSTIME_S);
	link_expect(&l, l.server, "beforewhile");
	conn_state_fini(&state);
	wire_fini(&l.w);
}
END_TEST

/* A stack frees everything in whatever state, silently. */
START_TEST(free_in_the_middle)
{
	struct wire w;
	struct echo e = {0};
	struct sock *listener;
	for (unsigned ms = 1; ms < 400; ms += 7) {
		wire_pair(&w);
		e = (struct echo){0};
		listener = sock_listen(w.stacks[1], (struct addr){0}, PORT, NULL);
		wire_connect(&w, listener, PORT, &e.client, &e.server);
		sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, w.now);
		w.context = &e;
		w.app = echo_work;
		w.filter = drop_some;
		wire_run(&w, ms * NSTIME_MS);
		wire_fini(&w);
	}
}
END_TEST

static uint32_t isn_of(struct wire *w)
{
	struct buf *b;
	int netif;
	uint32_t isn = 0;
	while ((b = stack_output(w->stacks[0], &netif))) {
		const uint8_t *tcp = b->data + 34;
		if (b->data[13] == 0)
			isn = (uint32_t)tcp[4] << 24 | (uint32_t)tcp[5] << 16 | (uint32_t)tcp[6] << 8 | tcp[7];
		buf_free(b);
	}
	return isn;
}

/* RFC 6528: the same seed and tuple give the same number; a tick of 4 us one more; another seed or name another. */
static uint32_t isn_first(uint64_t seed, const char *name, nstime at)
{
	struct wire w;
	struct stack_config config = {.name = name, .seed = seed};
	static const uint8_t reply[] = {2, 0, 0, 0, 0, 1, 2, 0,  0, 0, 0, 2, 8, 6, 0, 1, 8, 0,  6, 4, 0,
					2, 2, 0, 0, 0, 0, 2, 10, 0, 0, 2, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1};
	struct buf *b = buf_alloc(sizeof(reply));
	uint32_t isn;
	wire_init(&w);
	w.bufs--;
	w.stacks[0] = stack_new(&config, at);
	w.netifs[0] = stack_netif_add(w.stacks[0], wire_mac(1), wire_addr(1), 24);
	w.count = 1;
	memcpy(b->data, reply, sizeof(reply));
	b->len = sizeof(reply);
	stack_input(w.stacks[0], 0, b, at);
	sock_connect(w.stacks[0], wire_addr(2), PORT, NULL, at);
	isn = isn_of(&w);
	wire_fini(&w);
	return isn;
}

START_TEST(isn)
{
	uint32_t first = isn_first(1, "a", 0);
	ck_assert_uint_eq(first, isn_first(1, "a", 0));
	ck_assert_uint_eq(first + 250000, isn_first(1, "a", NSTIME_S));
	ck_assert_uint_ne(first, isn_first(2, "a", 0));
	ck_assert_uint_ne(first, isn_first(1, "b", 0));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_socket");
	TCase *tc = tcase_create("socket");
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, echo_verified);
	tcase_add_test(tc, echo_verified_with_loss);
	tcase_add_test(tc, half_close);
	tcase_add_test(tc, close_each_way);
	tcase_add_test(tc, close_at_once);
	tcase_add_test(tc, reset);
	tcase_add_test(tc, close_unread_resets);
	tcase_add_test(tc, refused_and_timed_out);
	tcase_add_test(tc, idle_never);
	tcase_add_test(tc, keepalive);
	tcase_add_test(tc, bounds);
	tcase_add_test(tc, ports_differ);
	tcase_add_test(tc, ports_exhausted);
	tcase_add_test(tc, listener_closed);
	tcase_add_test(tc, half_open_limit);
	tcase_add_test(tc, frozen_is_silent);
	tcase_add_test(tc, free_in_the_middle);
	tcase_add_test(tc, isn);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
