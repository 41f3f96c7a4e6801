/* SPDX-License-Identifier: BSD-3-Clause */
/* Transparency: what a client sees of a connection that moves equals what it sees of the same connection served by the
 * same node, application and read moments without a migrate call, on a clean network, apart from time.
 *
 * A schedule is drawn from a seed: who sends how much when, who reads how much when, who ends first, and the moments of
 * the moves. It is played twice. The first time the connection moves at those moments, by way of a blob, to a stack of
 * the same name and back. The second time it stays, and at those moments only the acknowledgement that is due is sent,
 * as migrate does. Every segment at the client is compared: direction, flags, relative sequence and acknowledgement
 * numbers, window, options, payload. */
#include "lb/blob.h"
#include "stack/internal.h"
#include "tests/lib/unit.h"
#include "tests/unit/migrate_net.h"

#include <stdio.h>

#define SCHEDULES  150U /* RANDOM_CASES in the environment: another number */
#define STEPS      120U
#define STEP       (7 * NSTIME_MS)
#define SEEN_MAX   4096U
#define SEEN_BYTES 1600U

static const struct endpoint_ops *const ops = &stack_endpoint_ops;

/* One segment as the client sees it; only the first `len` bytes are set. */
struct seen {
	size_t len;
	uint8_t bytes[SEEN_BYTES]; /* direction, then the TCP header with relative numbers, then payload */
};

struct recording {
	struct seen *list;
	size_t count;
	uint32_t iss[2]; /* of what was received, of what was sent */
	bool known[2];
};

static void record(void *context, bool sent, const struct buf *frame)
{
	struct recording *r = context;
	const uint8_t *ip = frame->data + NET_ETHERNET, *tcp = ip + (ip[0] & 15) * 4;
	size_t len;

	if (load_be16(frame->data + 12) != 0x0800)
		return;
	ck_assert_uint_lt(r->count, SEEN_MAX);
	len = load_be16(ip + 2) - (size_t)(tcp - ip);
	struct seen *s = &r->list[r->count++];
	ck_assert_uint_lt(len, SEEN_BYTES);
	s->len = len + 1;
	s->bytes[0] = sent;
	memcpy(s->bytes + 1, tcp, len);
	if (!r->known[sent]) {
		r->iss[sent] = load_be32(tcp + 4);
		r->known[sent] = true;
	}
	store_be32(s->bytes + 1 + 4, load_be32(tcp + 4) - r->iss[sent]);
	if (tcp[13] & 0x10)
		store_be32(s->bytes + 1 + 8, load_be32(tcp + 8) - r->iss[!sent]);
	memset(s->bytes + 1 + 16, 0, 2); /* the checksum follows from the rest */
}

/* What one step of a schedule does. */
struct step {
	uint16_t write[2]; /* bytes that client and server send */
	uint16_t read[2];  /* bytes that they read at most */
	bool shut[2];      /* they end their side */
	bool move;
	nstime hold; /* while it moves, packets wait for so long */
};

static void schedule_draw(struct step steps[STEPS], uint64_t seed)
{
	struct random_stream r;
	unsigned ends[2];

	random_init(&r, seed, "schedule");
	ends[0] = 10 + (unsigned)random_below(&r, STEPS - 20);
	ends[1] = 10 + (unsigned)random_below(&r, STEPS - 20);
	for (unsigned i = 0; i < STEPS; i++) {
		struct step *s = &steps[i];
		*s = (struct step){.move = random_below(&r, 6) == 0};
		for (unsigned side = 0; side < 2; side++) {
			if (i < ends[side] && random_below(&r, 3) == 0)
				s->write[side] = (uint16_t)random_below(&r, 12000);
			if (random_below(&r, 4) || i > ends[0] || i > ends[1])
				s->read[side] = (uint16_t)random_below(&r, 20000);
			s->shut[side] = i == ends[side];
		}
		s->hold = random_below(&r, 2) ? 0 : random_below(&r, 30 * NSTIME_MS);
	}
}

struct play {
	struct net net;
	struct sock *socks[2]; /* client's, server's */
	struct conn_state state, decoded;
	struct vec blob;
	unsigned moved;
};

/* The server's connection goes to the other stack, through a blob. */
static struct endpoint_conn *play_freeze(struct play *p)
{
	static const struct blob_mapping mapping = {.flow = 0x00010001, .generation = 7, .first = 1, .second = 2};
	struct endpoint_conn *conn = (struct endpoint_conn *)p->socks[1], *made;
	struct blob_mapping decoded;
	const char *why = "";

	ck_assert_int_eq(ops->migrate(p->net.stack[p->net.owner], conn, 2, &p->state, p->net.now), 0);
	ck_assert_int_eq(blob_encode(&p->blob, &mapping, &p->state), 0);
	ck_assert_int_eq(blob_decode(p->blob.data, p->blob.len, &decoded, &p->decoded, &why), 0);
	ck_assert_int_eq(ops->infuse(p->net.stack[3 - p->net.owner], &p->decoded, &made, p->net.now), 0);
	ops->release(p->net.stack[p->net.owner], conn);
	p->moved++;
	return made;
}

static void play_activate(struct play *p, struct endpoint_conn *made)
{
	p->net.owner = 3 - p->net.owner;
	ops->activate(p->net.stack[p->net.owner], made, p->net.now);
	p->socks[1] = sock_accept(p->net.listener[p->net.owner]);
	ck_assert_ptr_nonnull(p->socks[1]);
}

/* Without a move: the acknowledgement that is due is sent at once. */
static void play_acknowledge(struct play *p)
{
	struct sock *k = p->socks[1];

	stack_enter(k->stack, p->net.now);
	if (k->pcb->flags & (TF_ACK_DELAY | TF_ACK_NOW)) {
		tcp_set_flags(k->pcb, TF_ACK_NOW);
		tcp_output(k->pcb);
		tcp_clear_flags(k->pcb, TF_ACK_DELAY | TF_ACK_NOW);
	}
	stack_leave(k->stack);
}

/* The moment of a move, in either play; packets wait alike. */
static void play_moment(struct play *p, nstime hold, bool moves)
{
	struct endpoint_conn *made = NULL;

	if (!p->socks[1]->pcb || p->socks[1]->pcb->state < ESTABLISHED || p->socks[1]->pcb->state > LAST_ACK)
		return;
	if (moves)
		made = play_freeze(p);
	else
		play_acknowledge(p);
	net_collect(&p->net);
	p->net.moving = true;
	net_run(&p->net, p->net.now + hold);
	if (made)
		play_activate(p, made);
	net_release(&p->net);
}

static void play_side(struct play *p, unsigned side, const struct step *s)
{
	uint8_t bytes[12000];
	struct sock *k = p->socks[side];
	size_t unread = sock_unread(k);

	if (unread && s->read[side])
		sock_consume(k, unread < s->read[side] ? unread : s->read[side], p->net.now);
	for (size_t i = 0; i < s->write[side]; i++)
		bytes[i] = (uint8_t)(i * 7 + side);
	if (s->write[side])
		sock_send(k, bytes, s->write[side]);
	sock_flush(k, p->net.now);
	if (s->shut[side])
		sock_shutdown_write(k, p->net.now);
	net_collect(&p->net);
}

/* The second stack learns the client's hardware address: asking for it would take a round trip. */
static void neighbour_learn(struct net *n)
{
	struct sock *k = sock_connect(n->stack[2], n->client, NET_PORT, NULL, 0);

	net_collect(n);
	net_run(n, NSTIME_S / 2);
	sock_abort(k, n->now);
	net_collect(n);
	net_run(n, NSTIME_S);
}

/* Plays a schedule; returns how often the connection moved. */
static unsigned play(uint64_t seed, const struct step steps[STEPS], bool moves, struct recording *r)
{
	struct play *p = calloc(1, sizeof(*p));

	ck_assert_ptr_nonnull(p);
	net_init_named(&p->net, "transparency", seed, "first");
	neighbour_learn(&p->net);
	p->net.seen = record;
	p->net.context = r;
	p->socks[0] = sock_connect(p->net.stack[0], p->net.vip, NET_PORT, NULL, p->net.now);
	net_collect(&p->net);
	net_run(&p->net, 2 * NSTIME_S);
	p->socks[1] = sock_accept(p->net.listener[1]);
	ck_assert_ptr_nonnull(p->socks[1]);
	for (unsigned i = 0; i < STEPS; i++) {
		play_side(p, 0, &steps[i]);
		play_side(p, 1, &steps[i]);
		if (steps[i].move)
			play_moment(p, steps[i].hold, moves);
		net_run(&p->net, 2 * NSTIME_S + (i + 1) * (STEP + 30 * NSTIME_MS));
	}
	net_run(&p->net, 60 * NSTIME_S);
	unsigned moved = p->moved;
	net_fini(&p->net);
	conn_state_fini(&p->state);
	conn_state_fini(&p->decoded);
	vec_fini(&p->blob);
	free(p);
	return moved;
}

static void describe(const char *what, const struct seen *s)
{
	const uint8_t *tcp = s->bytes + 1;

	fprintf(stderr, "%s: %s flags %02x seq %u ack %u window %u length %zu\n", what,
		s->bytes[0] ? "sent" : "received", tcp[13], load_be32(tcp + 4), load_be32(tcp + 8), load_be16(tcp + 14),
		s->len - 1 - (tcp[12] >> 4) * 4U);
}

static void recordings_compare(uint64_t seed, const struct recording *moved, const struct recording *stayed)
{
	for (size_t i = 0; i < moved->count && i < stayed->count; i++) {
		const struct seen *a = &moved->list[i], *b = &stayed->list[i];
		if (a->len == b->len && !memcmp(a->bytes, b->bytes, a->len))
			continue;
		describe("moved", a);
		describe("stayed", b);
		ck_abort_msg("schedule %llu: segment %zu at the client tells of a move", (unsigned long long)seed, i);
	}
	ck_assert_msg(moved->count == stayed->count, "schedule %llu: %zu segments with moves, %zu without",
		      (unsigned long long)seed, moved->count, stayed->count);
}

static unsigned cases(void)
{
	const char *text = getenv("RANDOM_CASES");

	return text ? (unsigned)strtoul(text, NULL, 10) : SCHEDULES;
}

START_TEST(a_client_cannot_tell)
{
	struct recording moved = {.list = malloc(SEEN_MAX * sizeof(struct seen))};
	struct recording stayed = {.list = malloc(SEEN_MAX * sizeof(struct seen))};
	unsigned moves = 0;
	size_t segments = 0;

	for (uint64_t seed = 0; seed < cases(); seed++) {
		struct step steps[STEPS];
		moved = (struct recording){.list = moved.list};
		stayed = (struct recording){.list = stayed.list};
		schedule_draw(steps, seed);
		moves += play(seed, steps, true, &moved);
		ck_assert_uint_eq(play(seed, steps, false, &stayed), 0);
		recordings_compare(seed, &moved, &stayed);
		segments += moved.count;
	}
	ck_assert_uint_gt(moves, 5 * cases());
	ck_assert_uint_gt(segments, 100 * cases());
	free(moved.list);
	free(stayed.list);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("transparency");
	TCase *tcase = tcase_create("transparency");

	tcase_add_test(tcase, a_client_cannot_tell);
	suite_add_tcase(suite, tcase);
	return unit_run(suite);
}
