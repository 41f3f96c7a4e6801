/* SPDX-License-Identifier: BSD-3-Clause */
/* node/app_relay: a client on one stack, a relay on another, and a server outside that the test plays. */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "node/app_relay.h"
#include "node/body.h"
#include "tests/unit/apps_wire.h"

#include <stdlib.h>
#include <string.h>

#define UP_KEY   UINT64_C(0x1111) /* the stream that the client sends */
#define DOWN_KEY UINT64_C(0x2222) /* and the server's */
#define TURNS    200000U
#define PIECES   8U

/* One end of a connection, and what it is to do. */
struct end {
	uint64_t send, sent; /* bytes of its stream */
	uint64_t received;   /* of the other's, each verified */
	bool done, got_end;  /* it has ended its side; the other's end came */
	bool waits_for_end;  /* it ends its side only then */
	bool never_ends;     /* it does not end its side */
	uint64_t reset_at;   /* it resets when it has received and sent so many; UINT64_MAX: never */
	unsigned lazy;       /* percent of turns at which it does nothing */
};

struct play {
	struct sock_owner owner; /* of the client's socket */
	struct wire w;
	struct relay *relay;
	struct relay_target target;
	struct app *app;
	struct sock *client; /* NULL: given up */
	int client_error;
	struct end c, s;
	struct relay_upstream *up; /* NULL: the server has no connection */
	bool connected, gone, clean, refuses, silent;
	bool has_output, has_room; /* as relay_next told, until it found none */
	size_t room_max;           /* bytes that the server takes at a time */
	size_t room_least;         /* what relay_room says is as much or nothing */
	uint8_t header[RELAY_HEADER_MAX];
	size_t header_expected, header_got;
	unsigned opened;
};

static void client_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct play *p = (struct play *)owner;

	if (!(ready & SOCK_ERROR))
		return;
	p->client_error = sock_error(k);
	sock_close(k, now);
	p->client = NULL;
}

static void play_init(struct play *p)
{
	*p = (struct play){.owner = {.ready = client_ready}, .room_max = 100000, .room_least = RELAY_ROOM_LEAST};
	p->c.reset_at = p->s.reset_at = UINT64_MAX;
	wire_init(&p->w);
	p->relay = relay_new();
	p->target.port = 80;
}

static void play_start(struct play *p)
{
	p->app = app_relay_new(p->w.stacks[1], host(2), 443 + 1, p->relay, &p->target, p, &p->w.sink_of_events);
	ck_assert_ptr_nonnull(p->app);
	p->client = sock_connect(p->w.stacks[0], host(2), 443 + 1, &p->owner, p->w.now);
	ck_assert_ptr_nonnull(p->client);
}

static size_t below(struct play *p, size_t most)
{
	return random_below(&p->w.random, (uint32_t)most + 1);
}

static bool rests(struct play *p, const struct end *e)
{
	return below(p, 99) < e->lazy;
}

static bool resets(const struct end *e)
{
	return e->sent + e->received >= e->reset_at;
}

static bool may_end(const struct end *e)
{
	return !e->done && !e->never_ends && e->sent == e->send && (!e->waits_for_end || e->got_end);
}

/* ---- the client's turn ---- */

static void client_turn(struct play *p)
{
	const uint8_t *bytes;
	uint8_t piece[5000];
	size_t len;
	long n;

	if (!p->client || rests(p, &p->c) || sock_error(p->client))
		return;
	while (p->client && (bytes = sock_peek(p->client, &len)) && len) {
		len = 1 + below(p, len - 1);
		ck_assert(body_verify(DOWN_KEY, p->c.received, bytes, len));
		p->c.received += len;
		sock_consume(p->client, len, p->w.now);
	}
	p->c.got_end = sock_eof(p->client);
	len = 1 + below(p, sizeof piece - 1);
	len = len < p->c.send - p->c.sent ? len : p->c.send - p->c.sent;
	body_fill(UP_KEY, p->c.sent, piece, len);
	n = len ? sock_send(p->client, piece, len) : 0;
	if (n > 0) {
		p->c.sent += (uint64_t)n;
		sock_flush(p->client, p->w.now);
	}
	if (resets(&p->c)) {
		sock_abort(p->client, p->w.now);
		p->client = NULL;
	} else if (may_end(&p->c) && sock_shutdown_write(p->client, p->w.now) == 0) {
		p->c.done = true;
	}
	if (p->client && p->c.done && p->c.got_end) {
		sock_close(p->client, p->w.now);
		p->client = NULL;
	}
}

/* ---- the server's turn ---- */

static void server_events(struct play *p)
{
	struct relay_upstream *u;
	unsigned what;

	while ((u = relay_next(p->relay, &what))) {
		ck_assert_uint_ne(what, 0);
		ck_assert_ptr_eq(relay_context(u), p);
		if (what & RELAY_GONE) {
			ck_assert_ptr_eq(u, p->up);
			ck_assert_ptr_eq(relay_user(u), p);
			p->clean = relay_is_clean(u);
			p->gone = true;
			p->up = NULL;
			relay_release(u);
			continue;
		}
		if (what & RELAY_OPEN) {
			p->up = u;
			p->opened++;
			ck_assert_uint_eq(relay_target(u)->port, p->target.port);
			p->has_room = true;
			relay_set_user(u, p);
		}
		p->has_output |= (what & RELAY_OUTPUT) != 0;
		p->has_room |= (what & RELAY_ROOM) != 0;
	}
}

static size_t header_take(struct play *p, const uint8_t *bytes, size_t len)
{
	size_t n = p->header_expected - p->header_got;

	n = n < len ? n : len;
	memcpy(p->header + p->header_got, bytes, n);
	p->header_got += n;
	return n;
}

/* Takes some of what is there for it; no more than the stack's window can be. */
static void server_receive(struct play *p)
{
	struct iovec pieces[PIECES];
	size_t count = relay_output(p->up, pieces, PIECES), left = 1 + below(p, p->room_max - 1), taken = 0;

	for (size_t i = 0; i < count && left; i++) {
		const uint8_t *bytes = pieces[i].iov_base;
		size_t n = pieces[i].iov_len < left ? pieces[i].iov_len : left, header = header_take(p, bytes, n);

		ck_assert_uint_gt(pieces[i].iov_len, 0);
		ck_assert(body_verify(UP_KEY, p->s.received, bytes + header, n - header));
		p->s.received += n - header;
		taken += n;
		left -= n;
	}
	relay_output_done(p->up, taken, p->w.now);
	p->has_output = relay_output(p->up, pieces, 1) > 0;
	if (relay_output_over(p->up)) {
		ck_assert_uint_eq(relay_output(p->up, pieces, PIECES), 0);
		p->s.got_end = true;
		relay_output_end(p->up, p->w.now);
		ck_assert(!relay_output_over(p->up));
	}
}

static void server_send(struct play *p)
{
	static uint8_t bytes[65536];
	size_t room = p->s.done ? 0 : relay_room(p->up), n;

	p->has_room = room;
	if (!room)
		return;
	ck_assert_uint_le(room, 65535);
	ck_assert_uint_ge(room, p->room_least);
	n = 1 + below(p, room - 1);
	n = n < p->s.send - p->s.sent ? n : p->s.send - p->s.sent;
	body_fill(DOWN_KEY, p->s.sent, bytes, n);
	if (n)
		relay_input(p->up, bytes, n, p->w.now);
	p->s.sent += n;
	if (may_end(&p->s)) {
		p->s.done = true;
		relay_input_end(p->up, p->w.now);
	}
}

static void server_turn(struct play *p)
{
	server_events(p);
	if (!p->up || p->silent || rests(p, &p->s))
		return;
	if (!p->connected && p->refuses) {
		relay_fail(p->up, RELAY_END_REFUSED, p->w.now);
		return;
	}
	if (!p->connected) {
		p->connected = true;
		relay_connected(p->up, p->w.now);
	}
	if (p->has_output)
		server_receive(p);
	if (p->up && p->has_room)
		server_send(p);
	if (resets(&p->s))
		relay_fail(p->up, RELAY_END_SERVER_RESET, p->w.now);
}

/* ---- both ---- */

static void pump(struct play *p)
{
	while (wire_pump(&p->w))
		;
}

/* Time goes on to the next thing that is due, or by a millisecond. */
static void step(struct play *p, nstime most)
{
	struct wire *w = &p->w;
	nstime next = w->now + most;

	pump(p);
	for (int i = 0; i < 2; i++) {
		next = nstime_min(next, stack_expiry(w->stacks[i]));
		if (w->flying[i].head)
			next = nstime_min(next, w->flying[i].head->mark);
	}
	next = nstime_min(next, relay_expiry(p->relay));
	w->now = next > w->now ? next : w->now;
	for (int i = 0; i < 2; i++) {
		while (w->flying[i].head && w->flying[i].head->mark <= w->now)
			stack_input(w->stacks[i], 0, buf_queue_get(&w->flying[i]), w->now);
		if (stack_expiry(w->stacks[i]) <= w->now)
			stack_expire(w->stacks[i], w->now);
	}
	relay_expire(p->relay, w->now);
	pump(p);
}

static bool over(const struct play *p)
{
	return !p->client && !p->up && (p->gone || !p->opened);
}

/* Until the connection is no more at either side. */
static void play(struct play *p)
{
	unsigned turns = 0;

	while (!over(p) && turns++ < TURNS) {
		client_turn(p);
		server_turn(p);
		if (p->up) {
			struct iovec pieces[64];
			size_t held = 0, count = relay_output(p->up, pieces, 64);

			for (size_t i = 0; i < count; i++)
				held += pieces[i].iov_len;
			ck_assert_uint_le(held, 65535 + RELAY_HEADER_MAX);
		}
		step(p, NSTIME_MS);
	}
	ck_assert_msg(over(p), "it does not end: client %d, server %d", p->client != NULL, p->up != NULL);
}

/* It ended so, and only so. */
static void expect_end(struct play *p, enum relay_end why)
{
	const struct relay_counters *c = app_relay_counters(p->app);

	for (unsigned i = 0; i < RELAY_END_COUNT; i++)
		ck_assert_msg(c->ended[i] == (i == why), "%s: %d", relay_end_name((enum relay_end)i), (int)c->ended[i]);
	ck_assert_uint_eq(c->connections, 1);
	ck_assert_uint_eq(c->connected, p->connected);
	ck_assert_uint_eq(p->w.events[TRACE_RELAY_END], 1);
	ck_assert_uint_eq(p->clean, why == RELAY_END_CLOSED);
	ck_assert_uint_eq(p->app->connections, 0);
}

static void play_fini(struct play *p)
{
	app_free(p->app);
	server_events(p);
	relay_free(p->relay);
	wire_fini(&p->w);
}

/* Streams of any lengths both ways, in pieces of any sizes, each side resting now and then, over a wire that may lose
 * packets, ended in any order: every byte arrives, once and in order, and the connection ends clean. */
START_TEST(any_streams)
{
	struct play p;

	play_init(&p);
	random_init(&p.w.random, (uint64_t)_i, "any streams");
	p.c.send = below(&p, 3) ? below(&p, 300000) : below(&p, 3);
	p.s.send = below(&p, 3) ? below(&p, 300000) : below(&p, 3);
	p.c.lazy = (unsigned)below(&p, 1) * (unsigned)below(&p, 95);
	p.s.lazy = (unsigned)below(&p, 1) * (unsigned)below(&p, 95);
	p.c.waits_for_end = below(&p, 2) == 0;
	p.s.waits_for_end = !p.c.waits_for_end && below(&p, 1);
	p.room_max = below(&p, 1) ? 100000 : 1 + below(&p, 3000);
	p.w.loss_ppb = below(&p, 3) ? 0 : 20000000U;
	p.target.proxy_protocol = below(&p, 1);
	p.header_expected = p.target.proxy_protocol ? 28 : 0;
	play_start(&p);
	play(&p);
	ck_assert_uint_eq(p.s.received, p.c.send);
	ck_assert_uint_eq(p.c.received, p.s.send);
	ck_assert(p.c.got_end && p.s.got_end);
	ck_assert_int_eq(p.client_error, 0);
	ck_assert_uint_eq(p.header_got, p.header_expected);
	expect_end(&p, RELAY_END_CLOSED);
	ck_assert_uint_eq(app_relay_counters(p.app)->sent_bytes, p.c.send);
	ck_assert_uint_eq(app_relay_counters(p.app)->received_bytes, p.s.send);
	play_fini(&p);
}
END_TEST

/* A reset by either side, after so many bytes, before its end or behind it, resets the other. */
START_TEST(resets_anywhere)
{
	static const uint64_t points[] = {0, 1, 1000, 20000, 65535, 100000, 199999};
	bool by_client = _i & 1, half = _i & 2;
	struct play p;

	for (size_t i = 0; i < sizeof points / sizeof *points && !(half && points[i] > 20000); i++) {
		play_init(&p);
		p.c.send = half && by_client ? 5 : 100000;
		p.s.send = half && !by_client ? 5 : 100000;
		(by_client ? &p.c : &p.s)->reset_at = points[i];
		(by_client ? &p.s : &p.c)->waits_for_end = true;
		(by_client ? &p.c : &p.s)->waits_for_end = !half;
		play_start(&p);
		/* a client that resets at once does so when it is connected */
		while (by_client && !points[i] && !p.opened) {
			step(&p, NSTIME_MS);
			server_events(&p);
		}
		play(&p);
		if (by_client)
			ck_assert_int_eq(p.client_error, 0);
		else
			ck_assert_int_eq(p.client_error, E_RESET);
		expect_end(&p, by_client ? RELAY_END_CLIENT_RESET : RELAY_END_SERVER_RESET);
		ck_assert_uint_le(p.s.received, p.c.sent);
		ck_assert_uint_le(p.c.received, p.s.sent);
		play_fini(&p);
	}
}
END_TEST

/* A client that resets before the outside heard of it: it never does. */
START_TEST(unseen)
{
	struct play p;
	unsigned what;

	play_init(&p);
	play_start(&p);
	while (!p.app->connections)
		step(&p, NSTIME_MS);
	sock_abort(p.client, p.w.now);
	p.client = NULL;
	while (p.app->connections)
		step(&p, NSTIME_MS);
	ck_assert_ptr_null(relay_next(p.relay, &what));
	expect_end(&p, RELAY_END_CLIENT_RESET);
	play_fini(&p);
}
END_TEST

/* Nothing listens; nothing answers. The client is reset. */
START_TEST(no_server)
{
	struct play p;

	play_init(&p);
	p.c.send = 5000;
	p.refuses = _i;
	p.silent = !_i;
	p.target.connect_max = 3 * NSTIME_S;
	play_start(&p);
	play(&p);
	ck_assert_int_eq(p.client_error, E_RESET);
	expect_end(&p, _i ? RELAY_END_REFUSED : RELAY_END_CONNECT_TIMEOUT);
	if (!_i) {
		ck_assert_uint_ge(p.w.now, 3 * NSTIME_S);
		ck_assert_uint_lt(p.w.now, 4 * NSTIME_S);
	}
	ck_assert_uint_eq(p.s.received, 0);
	play_fini(&p);
}
END_TEST

/* Runs with neither side done until `until`. */
static void stand(struct play *p, nstime until)
{
	while (p->w.now < until && !over(p)) {
		client_turn(p);
		server_turn(p);
		step(p, NSTIME_S);
	}
}

/* Idle: for ever without a limit; with one, that long since something moved last; half-closed, RELAY_HALF_MAX. */
START_TEST(idle)
{
	struct play p;

	play_init(&p);
	p.c.send = p.s.send = 1000;
	p.c.waits_for_end = p.s.waits_for_end = true;
	p.target.idle_max = _i == 1 ? 50 * NSTIME_S : 0;
	p.s.waits_for_end = _i != 2;
	p.c.never_ends = _i == 2;
	play_start(&p);
	stand(&p, 40 * NSTIME_S);
	ck_assert_uint_eq(p.s.received, 1000);
	ck_assert_uint_eq(p.c.received, 1000);
	p.c.send = 2000;
	if (_i == 2) {
		stand(&p, 330 * NSTIME_S);
		ck_assert(!over(&p));
		stand(&p, 345 * NSTIME_S);
	} else {
		stand(&p, 89 * NSTIME_S);
		ck_assert(!over(&p));
		ck_assert_uint_eq(p.s.received, 2000);
		stand(&p, _i ? 95 * NSTIME_S : 10000 * NSTIME_S);
	}
	ck_assert_uint_eq(over(&p), _i > 0);
	if (_i) {
		ck_assert_int_eq(p.client_error, E_RESET);
		expect_end(&p, RELAY_END_IDLE);
	} else {
		p.c.waits_for_end = false;
		play(&p);
		expect_end(&p, RELAY_END_CLOSED);
	}
	play_fini(&p);
}
END_TEST

/* A client that vanished: data that nobody acknowledges, or, idle, keepalive that nobody answers. */
START_TEST(vanished)
{
	struct play p;

	play_init(&p);
	p.c.send = p.s.send = 1000;
	p.c.waits_for_end = p.s.waits_for_end = true;
	play_start(&p);
	stand(&p, 5 * NSTIME_S);
	ck_assert_uint_eq(p.c.received, 1000);
	if (_i)
		p.s.send = 100000;
	p.w.loss_ppb = 1000000000U;
	while (!p.gone && p.w.now < 3600 * NSTIME_S) {
		server_turn(&p);
		step(&p, NSTIME_S);
	}
	ck_assert(p.gone);
	expect_end(&p, RELAY_END_CLIENT_TIMEOUT);
	play_fini(&p);
}
END_TEST

/* The node crashes: the outside is told, and what it still says is ignored. */
START_TEST(crash)
{
	struct relay_upstream *u;
	struct iovec piece;
	struct play p;

	play_init(&p);
	p.c.send = 100000;
	p.room_max = 1;
	play_start(&p);
	for (unsigned i = 0; i < 50; i++) {
		client_turn(&p);
		server_turn(&p);
		step(&p, NSTIME_MS);
	}
	u = p.up;
	ck_assert_ptr_nonnull(u);
	app_free(p.app);
	p.app = NULL;
	ck_assert_uint_eq(relay_output(u, &piece, 1), 0);
	ck_assert_uint_eq(relay_room(u), 0);
	ck_assert(!relay_output_over(u));
	relay_connected(u, p.w.now);
	relay_output_done(u, 1, p.w.now);
	relay_output_end(u, p.w.now);
	relay_input(u, "x", 1, p.w.now);
	relay_input_end(u, p.w.now);
	relay_fail(u, RELAY_END_SERVER_RESET, p.w.now);
	server_events(&p);
	ck_assert(p.gone && !p.clean);
	play_fini(&p);
}
END_TEST

/* The header says who the client is, before all else. */
START_TEST(proxy_header)
{
	static const uint8_t expected[] = {13,   10,   13, 10, 0,  13, 10, 0x51, 0x55, 0x49, 0x54, 10,
					   0x21, 0x11, 0,  12, 10, 0,  0,  1,    10,   0,    0,    2};
	struct play p;
	struct tuple t;

	play_init(&p);
	p.target.proxy_protocol = true;
	p.header_expected = 28;
	p.room_max = 7; /* it comes in pieces */
	p.s.send = 10;
	p.c.waits_for_end = true;
	play_start(&p);
	t = sock_tuple(p.client);
	play(&p);
	ck_assert_uint_eq(p.header_got, 28);
	ck_assert_mem_eq(p.header, expected, sizeof expected);
	ck_assert_int_eq(p.header[24] << 8 | p.header[25], t.local_port);
	ck_assert_int_eq(p.header[26] << 8 | p.header[27], 444);
	expect_end(&p, RELAY_END_CLOSED);
	play_fini(&p);
}
END_TEST

/* The MSS option of a client's SYN, which lwIP puts first, says `mss`. */
static void syn_shrink(struct buf *frame, uint16_t mss)
{
	uint8_t *tcp = frame->data + 14 + 20, *option = tcp + 20, now[2];
	uint16_t check;

	ck_assert_uint_eq(tcp[13], 0x02);
	ck_assert_uint_eq(load_be32(option) >> 16, 0x0204);
	store_be16(now, mss);
	memcpy(&check, tcp + 16, 2);
	check = checksum_update(check, option + 2, now, 2);
	memcpy(tcp + 16, &check, 2);
	memcpy(option + 2, now, 2);
}

/* A client with segments so small that as much as is read otherwise never fits. */
START_TEST(tiny_segments)
{
	struct play p;

	play_init(&p);
	p.c.waits_for_end = true;
	p.s.send = 200000;
	p.room_least = 1;
	play_start(&p);
	for (bool arp = true; arp;) {
		step(&p, NSTIME_MS);
		arp = !p.w.flying[1].head || p.w.flying[1].head->data[13] == 6;
	}
	syn_shrink(p.w.flying[1].head, 64);
	play(&p);
	ck_assert_uint_eq(p.c.received, 200000);
	expect_end(&p, RELAY_END_CLOSED);
	play_fini(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("relay");
	TCase *tc = tcase_create("relay");

	tcase_add_loop_test(tc, any_streams, 0, 200);
	tcase_add_loop_test(tc, resets_anywhere, 0, 4);
	tcase_add_test(tc, unseen);
	tcase_add_loop_test(tc, no_server, 0, 2);
	tcase_add_loop_test(tc, idle, 0, 3);
	tcase_add_loop_test(tc, vanished, 0, 2);
	tcase_add_test(tc, crash);
	tcase_add_test(tc, proxy_header);
	tcase_add_test(tc, tiny_segments);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
