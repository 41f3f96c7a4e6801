/* SPDX-License-Identifier: BSD-3-Clause */
/* Moving live connections between two stacks: nothing is lost, doubled, reset or leaked, whatever the connection was
 * doing. */
#include "base/err.h"
#include "lb/blob.h"
#include "tests/lib/unit.h"
#include "tests/unit/migrate_net.h"

#include <stdio.h>

#define APP_PERIOD (5 * NSTIME_MS)
#define DEADLINE   (3600 * NSTIME_S)

static const struct endpoint_ops *const ops = &stack_endpoint_ops;

/* One direction's stream: byte i of it. */
static uint8_t byte_at(unsigned direction, uint64_t i)
{
	return (uint8_t)(((uint32_t)i * 2654435761U >> 11) + direction * 91U);
}

/* What one application has done. */
struct app {
	unsigned direction; /* of what it sends */
	struct sock *k;
	uint64_t sent, total, received;
	bool shut, eof, reading;
};

static bool app_has_sent(const struct app *a)
{
	return a->sent == a->total;
}

static void app_read(struct app *a, size_t most, nstime now)
{
	size_t n;

	while (most > 0) {
		const uint8_t *p = sock_peek(a->k, &n);
		n = n < most ? n : most;
		if (!n)
			break;
		for (size_t i = 0; i < n; i++)
			if (p[i] != byte_at(!a->direction, a->received + i))
				ck_abort_msg("wrong byte at %llu", (unsigned long long)(a->received + i));
		a->received += n;
		most -= n;
		sock_consume(a->k, n, now);
	}
	a->eof = a->eof || sock_eof(a->k);
}

static void app_write(struct app *a, size_t most, nstime now)
{
	uint8_t bytes[4096];
	size_t n = most < sizeof(bytes) ? most : sizeof(bytes);
	long taken;

	if (n > a->total - a->sent)
		n = a->total - a->sent;
	for (size_t i = 0; i < n; i++)
		bytes[i] = byte_at(a->direction, a->sent + i);
	taken = n ? sock_send(a->k, bytes, n) : 0;
	if (taken > 0)
		a->sent += (uint64_t)taken;
	sock_flush(a->k, now);
}

/* How often a connection was moved while it was doing what. */
struct coverage {
	unsigned moves, thaws, state[16], unacked, unsent, ooseq, unread, fast_recovery, rto_recovery, persist,
		fin_queued, timing, spare, same;
};

static void cover(struct coverage *c, const struct conn_state *s)
{
	c->moves++;
	c->state[s->tcp.state]++;
	c->unacked += s->unacked_count > 0;
	c->unsent += s->unsent_count > 0;
	c->ooseq += s->ooseq_count > 0;
	c->unread += s->socket.unread > 0;
	c->fast_recovery += (s->tcp.flags & CONN_TCP_FAST_RECOVERY) != 0;
	c->rto_recovery += (s->tcp.flags & CONN_TCP_RTO_RECOVERY) != 0;
	c->persist += s->tcp.persist_backoff > 0;
	c->fin_queued += (s->tcp.flags & CONN_TCP_FIN_QUEUED) != 0;
	c->timing += (s->tcp.flags & CONN_TCP_RTT_TIMING) != 0;
	c->spare += s->tcp.unsent_spare > 0;
}

/* A connection between two applications, one of which has no fixed place. */
struct pair {
	struct net net;
	struct app client, server;
	struct conn_state state, decoded, again;
	struct vec blob, blob_again;
	struct coverage coverage;
	uint64_t blocks, buffers; /* outstanding before */
};

static const struct blob_mapping mapping = {.flow = 0x00010001, .generation = 7, .first = 1, .second = 2};

static void pair_accept(struct pair *p)
{
	struct sock *k = sock_accept(p->net.listener[p->net.owner]);

	if (k)
		p->server.k = k;
}

static void pair_init(struct pair *p, const char *name, uint64_t seed)
{
	const uint64_t blocks = stack_blocks_outstanding(), buffers = buf_outstanding();

	memset(p, 0, sizeof(*p));
	p->blocks = blocks;
	p->buffers = buffers;
	net_init(&p->net, name, seed);
	p->server.direction = 1;
	p->client.reading = p->server.reading = true;
	p->client.k = sock_connect(p->net.stack[0], p->net.vip, NET_PORT, NULL, 0);
	ck_assert_ptr_nonnull(p->client.k);
	net_collect(&p->net);
	net_run(&p->net, NSTIME_S);
	pair_accept(p);
	ck_assert_ptr_nonnull(p->server.k);
}

/* Frees all; nothing is left. */
static void pair_fini(struct pair *p)
{
	net_fini(&p->net);
	conn_state_fini(&p->state);
	conn_state_fini(&p->decoded);
	conn_state_fini(&p->again);
	vec_fini(&p->blob);
	vec_fini(&p->blob_again);
	ck_assert_uint_eq(stack_blocks_outstanding(), p->blocks);
	ck_assert_uint_eq(buf_outstanding(), p->buffers);
}

/* Freezes the server's connection, and takes its state through a blob. */
static struct endpoint_conn *pair_freeze(struct pair *p)
{
	struct endpoint_conn *conn = (struct endpoint_conn *)p->server.k;
	struct blob_mapping decoded;
	const char *why = "";

	ck_assert_int_eq(ops->migrate(p->net.stack[p->net.owner], conn, 2, &p->state, p->net.now), 0);
	net_collect(&p->net);
	p->net.moving = true;
	p->server.k = NULL;
	cover(&p->coverage, &p->state);
	ck_assert_msg(conn_state_validate(&p->state, &why) == 0,
		      "compiled state makes no sense: %s (move %u, state %u)", why, p->coverage.moves,
		      p->state.tcp.state);
	ck_assert_int_eq(blob_encode(&p->blob, &mapping, &p->state), 0);
	ck_assert_int_eq(blob_decode(p->blob.data, p->blob.len, &decoded, &p->decoded, &why), 0);
	return conn;
}

/* What the other stack would compile now is what it was given. */
static void pair_compare(struct pair *p)
{
	struct stack *stack = p->net.stack[p->net.owner];
	struct endpoint_conn *conn = (struct endpoint_conn *)p->server.k;

	ck_assert_int_eq(ops->migrate(stack, conn, 2, &p->again, p->net.now), 0);
	ck_assert_int_eq(blob_encode(&p->blob_again, &mapping, &p->again), 0);
	ck_assert_uint_eq(p->blob.len, p->blob_again.len);
	for (size_t i = 0; i < p->blob.len; i++)
		if (p->blob.data[i] != p->blob_again.data[i])
			ck_abort_msg("byte %zu of the blob differs", i);
	ops->thaw(stack, conn, p->net.now);
	p->coverage.same++;
}

/* Moves the server's connection to the other stack, in `hold` of time. */
static void pair_move(struct pair *p, nstime hold)
{
	const int from = p->net.owner, to = 3 - from;
	struct endpoint_conn *old = pair_freeze(p), *made;

	ck_assert_int_eq(ops->infuse(p->net.stack[to], &p->decoded, &made, p->net.now), 0);
	net_collect(&p->net);
	net_run(&p->net, p->net.now + hold);
	ops->release(p->net.stack[from], old);
	ops->activate(p->net.stack[to], made, p->net.now);
	p->net.owner = to;
	pair_accept(p);
	ck_assert_ptr_nonnull(p->server.k);
	if (p->decoded.unsent_count == 0)
		pair_compare(p);
	net_release(&p->net);
}

/* The move is refused: the connection stays where it is. */
static void pair_move_fails(struct pair *p, nstime hold)
{
	const int from = p->net.owner, to = 3 - from;
	struct endpoint_conn *old = pair_freeze(p), *made;

	ck_assert_int_eq(ops->infuse(p->net.stack[to], &p->decoded, &made, p->net.now), 0);
	net_run(&p->net, p->net.now + hold);
	ops->discard(p->net.stack[to], made);
	ops->thaw(p->net.stack[from], old, p->net.now);
	p->server.k = (struct sock *)old;
	p->coverage.thaws++;
	net_release(&p->net);
}

static bool state_movable(struct pair *p)
{
	struct conn_state probe = {0};
	const int err =
		ops->migrate(p->net.stack[p->net.owner], (struct endpoint_conn *)p->server.k, 2, &probe, p->net.now);

	ck_assert(err == 0 || err == E_STATE);
	if (!err)
		ops->thaw(p->net.stack[p->net.owner], (struct endpoint_conn *)p->server.k, p->net.now);
	conn_state_fini(&probe);
	net_collect(&p->net);
	return !err;
}

static void app_step(struct pair *p, struct app *a, bool shuts)
{
	struct random_stream *r = &p->net.rng;

	if (random_below(r, 200) == 0)
		a->reading = !a->reading;
	if (a->reading)
		app_read(a, (size_t)random_below(r, 6000), p->net.now);
	if (!app_has_sent(a) && random_below(r, 3))
		app_write(a, (size_t)random_below(r, 5000), p->net.now);
	if (app_has_sent(a) && shuts && !a->shut) {
		ck_assert_int_eq(sock_shutdown_write(a->k, p->net.now), 0);
		a->shut = true;
		a->reading = true;
	}
	ck_assert_int_eq(sock_error(a->k), 0);
	net_collect(&p->net);
}

/* A duplex transfer, both ends of which close, with moves at random moments. first: 0 both shut down when they have
 * sent all, 1 the client does and then the server, 2 the other way round. */
static void transfer(uint64_t seed, uint32_t loss_ppb, uint64_t bytes, int first, struct coverage *sum)
{
	struct pair *p = malloc(sizeof(*p));
	nstime next_app, next_move;
	unsigned ended = 0;

	ck_assert_ptr_nonnull(p);
	pair_init(p, "transfer", seed);
	p->net.loss_ppb = loss_ppb;
	p->net.delay = NSTIME_MS * (1 + random_below(&p->net.rng, 20));
	p->net.jitter = random_below(&p->net.rng, 2) ? 0 : 8 * NSTIME_MS;
	p->client.total = p->server.total = bytes;
	next_app = next_move = p->net.now;
	while (!p->client.eof || !p->server.eof || !p->client.shut || !p->server.shut || ended < 40) {
		nstime at = nstime_min(net_expiry(&p->net), nstime_min(next_app, next_move));
		net_expire(&p->net, at > p->net.now ? at : p->net.now);
		ck_assert_msg(p->net.now < DEADLINE, "the transfer stands still");
		if (p->net.now >= next_app) {
			next_app = p->net.now + APP_PERIOD;
			app_step(p, &p->client, first != 2 || p->client.eof);
			app_step(p, &p->server, first != 1 || p->server.eof);
		}
		if (p->net.now >= next_move) {
			next_move = p->net.now + random_below(&p->net.rng, 120 * NSTIME_MS);
			if (p->client.eof && p->server.eof && p->client.shut && p->server.shut)
				ended++;
			if (!state_movable(p))
				continue;
			if (random_below(&p->net.rng, 4))
				pair_move(p,
					  random_below(&p->net.rng, 2) ? 0 : random_below(&p->net.rng, 40 * NSTIME_MS));
			else
				pair_move_fails(p, random_below(&p->net.rng, 40 * NSTIME_MS));
		}
	}
	ck_assert_uint_eq(p->client.received, bytes);
	ck_assert_uint_eq(p->server.received, bytes);
	ck_assert_uint_eq(p->net.resets, 0);
	sock_close(p->client.k, p->net.now);
	sock_close(p->server.k, p->net.now);
	net_collect(&p->net);
	p->net.loss_ppb = 0;
	net_run(&p->net, p->net.now + 200 * NSTIME_S);
	for (int i = 0; i < 3; i++) {
		struct stack_holdings h;
		stack_holdings(p->net.stack[i], &h);
		ck_assert_uint_eq(h.pcbs, 0);
		ck_assert_uint_eq(h.time_wait, 0);
		ck_assert_uint_eq(h.frames, 0);
		ck_assert_uint_eq(h.sockets, i ? 1 : 0); /* the listener */
	}
	ck_assert_uint_eq(p->net.resets, 0);
	for (size_t i = 0; i < sizeof(*sum) / sizeof(unsigned); i++)
		((unsigned *)sum)[i] += ((unsigned *)&p->coverage)[i];
	pair_fini(p);
	free(p);
}

static const struct {
	uint32_t loss_ppb;
	uint64_t bytes;
	int seeds;
} transfers[] = {{0, 400000, 9}, {20000000, 300000, 24}, {100000000, 120000, 36}};

START_TEST(transfers_survive)
{
	struct coverage sum = {0};

	for (size_t t = 0; t < sizeof(transfers) / sizeof(transfers[0]); t++)
		for (int seed = 0; seed < transfers[t].seeds; seed++)
			transfer((uint64_t)seed + t * 100, transfers[t].loss_ppb, transfers[t].bytes, seed % 3, &sum);
	if (getenv("BATON_TEST_VERBOSE"))
		printf("moves %u thaws %u same %u; states: 4:%u 5:%u 6:%u 7:%u 8:%u 9:%u; unacked %u unsent %u ooseq "
		       "%u "
		       "unread %u fast %u rto %u persist %u fin %u timing %u spare %u\n",
		       sum.moves, sum.thaws, sum.same, sum.state[4], sum.state[5], sum.state[6], sum.state[7],
		       sum.state[8], sum.state[9], sum.unacked, sum.unsent, sum.ooseq, sum.unread, sum.fast_recovery,
		       sum.rto_recovery, sum.persist, sum.fin_queued, sum.timing, sum.spare);
	ck_assert_uint_ge(sum.moves, 10000);
	ck_assert_uint_ge(sum.thaws, 500);
	ck_assert_uint_ge(sum.same, 300);
	for (unsigned state = CONN_ESTABLISHED; state <= CONN_LAST_ACK; state++)
		ck_assert_msg(sum.state[state] > 0 || state == CONN_CLOSING, "state %u was never moved", state);
	ck_assert_uint_ge(sum.unacked, 100);
	ck_assert_uint_ge(sum.unsent, 100);
	ck_assert_uint_ge(sum.ooseq, 100);
	ck_assert_uint_ge(sum.unread, 100);
	ck_assert_uint_ge(sum.fast_recovery, 10);
	ck_assert_uint_ge(sum.rto_recovery, 10);
	ck_assert_uint_ge(sum.timing, 100);
	ck_assert_uint_ge(sum.spare, 10);
}
END_TEST

/* Both ends close at once; the connection is moved between the peer's FIN and its acknowledgement of ours. */
START_TEST(simultaneous_close)
{
	struct pair *p = malloc(sizeof(*p));
	struct stack_holdings h;

	ck_assert_ptr_nonnull(p);
	pair_init(p, "closing", 1);
	ck_assert_int_eq(sock_shutdown_write(p->server.k, p->net.now), 0);
	ck_assert_int_eq(sock_shutdown_write(p->client.k, p->net.now), 0);
	net_collect(&p->net);
	net_run(&p->net, p->net.now + p->net.delay);
	for (int i = 0; i < 5; i++)
		pair_move(p, 0);
	ck_assert_uint_eq(p->coverage.state[CONN_CLOSING], 5);
	net_run(&p->net, p->net.now + NSTIME_S);
	ck_assert(sock_eof(p->client.k) && sock_eof(p->server.k));
	ck_assert_int_eq(sock_migrate(p->server.k, 2, &p->state, p->net.now), E_STATE);
	stack_holdings(p->net.stack[p->net.owner], &h);
	ck_assert_uint_eq(h.time_wait, 1);
	ck_assert_uint_eq(p->net.resets, 0);
	sock_close(p->client.k, p->net.now);
	sock_close(p->server.k, p->net.now);
	pair_fini(p);
	free(p);
}
END_TEST

/* A peer whose window is closed: the persist timer moves along, and data goes on when the window opens. */
START_TEST(persist)
{
	struct pair *p = malloc(sizeof(*p));
	nstime moved;

	ck_assert_ptr_nonnull(p);
	pair_init(p, "persist", 1);
	p->server.total = 200000;
	moved = p->net.now;
	while (p->net.now < moved + 90 * NSTIME_S) {
		if (!app_has_sent(&p->server))
			app_write(&p->server, 4096, p->net.now);
		net_collect(&p->net);
		net_run(&p->net, p->net.now + 700 * NSTIME_MS);
		pair_move(p, 10 * NSTIME_MS);
	}
	ck_assert_uint_ge(p->coverage.persist, 50);
	ck_assert_uint_gt(p->state.tcp.persist_backoff, 3);
	ck_assert_uint_eq(p->server.total, 200000);
	while (p->client.received < p->server.total) {
		ck_assert_uint_lt(p->net.now, DEADLINE);
		app_read(&p->client, 100000, p->net.now);
		app_write(&p->server, 4096, p->net.now);
		net_collect(&p->net);
		net_run(&p->net, p->net.now + 50 * NSTIME_MS);
		pair_move(p, 0);
	}
	ck_assert_uint_eq(p->net.resets, 0);
	pair_fini(p);
	free(p);
}
END_TEST

/* When an unanswering peer is given up: seconds after the last packet from it. */
static nstime keepalive_end(unsigned moves)
{
	struct pair *p = malloc(sizeof(*p));
	nstime silence, end;

	ck_assert_ptr_nonnull(p);
	pair_init(p, "keepalive", 1);
	sock_keepalive(p->server.k, 10000, 2000, 4);
	p->net.loss_ppb = 1000000000;
	silence = 0; /* (the handshake) */
	while (sock_error(p->server.k) == 0) {
		ck_assert_uint_lt(p->net.now, DEADLINE);
		net_run(&p->net, p->net.now + 300 * NSTIME_MS);
		if (p->coverage.moves < moves && sock_error(p->server.k) == 0)
			pair_move(p, 0);
	}
	ck_assert_int_eq(sock_error(p->server.k), E_TIMEOUT);
	ck_assert_uint_ge(p->coverage.moves, moves);
	if (moves)
		ck_assert_uint_gt(p->state.tcp.keep_probes, 1);
	end = p->net.now - silence;
	sock_close(p->server.k, p->net.now);
	pair_fini(p);
	free(p);
	return end;
}

START_TEST(keepalive)
{
	const nstime still = keepalive_end(0), moved = keepalive_end(50);

	ck_assert_uint_ge(still, 18 * NSTIME_S);
	ck_assert_uint_le(still, 20 * NSTIME_S);
	ck_assert_uint_ge(moved, 16 * NSTIME_S);
	ck_assert_uint_le(moved, 22 * NSTIME_S);
}
END_TEST

static void over_ip4(void)
{
	net_family = 4;
}

static void over_ip6(void)
{
	net_family = 6;
}

static TCase *migrate_case(const char *name, void (*setup)(void))
{
	TCase *c = tcase_create(name);

	tcase_set_timeout(c, 300);
	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, simultaneous_close);
	tcase_add_test(c, persist);
	tcase_add_test(c, keepalive);
	tcase_add_test(c, transfers_survive);
	return c;
}

int main(void)
{
	Suite *suite = suite_create("migrate");

	if (stack_library_check())
		return EXIT_FAILURE;
	suite_add_tcase(suite, migrate_case("over IPv4", over_ip4));
	suite_add_tcase(suite, migrate_case("over IPv6", over_ip6));
	return unit_run(suite);
}
