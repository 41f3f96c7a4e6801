/* SPDX-License-Identifier: BSD-3-Clause */
/* Two stacks through a channel that loses, repeats and reorders, with readers that stop reading: every transfer ends
 * with every byte right. And the same with a forger who sees all and adds segments of his own: the process lives.
 *
 * What runs often uses ck_abort_msg: each ck_assert writes to a file. */
#include "base/conn.h"
#include "base/err.h"
#include "base/random.h"
#include "tests/unit/stack_frames.h"

#define PORT           80
#define CHANNEL_MAX    1024U
#define CHANNEL_FORGED 48U /* two ends that disagree answer each other for ever */
#define STREAM_MAX     150000U
#define PATIENCE       (4000 * NSTIME_S) /* virtual: of one honest transfer */
#define TRANSFERS      12U               /* of one honest run */
#define FORGED_STEPS   5000U
#define HONEST_RUNS    12
#define FORGED_RUNS    6

/* One end of the transfer. */
struct side {
	struct stack *stack;
	struct sock *k;
	uint32_t total, sent, received; /* bytes of its own stream; bytes of the other's */
	uint32_t write_max;
	bool shut, moved; /* moved: frozen and thawed once in a while */
	nstime write_at, read_at;
	/* what it sent last, for the forger */
	uint16_t port;
	uint32_t seq, ack, edge; /* edge: of the window it announced */
};

struct flight {
	nstime due;
	uint64_t order;
	unsigned from;
	struct buf *frame;
};

struct storm {
	struct wire w;
	struct random_stream r;
	struct sock *listener;
	struct side sides[2];
	struct flight channel[CHANNEL_MAX];
	unsigned flying;
	uint64_t order;
	uint32_t loss_ppb, repeat_ppb;
	nstime jitter;
	bool forged, fins; /* fins: the forger ends streams */
	struct conn_state state;
};

/* ---- the channel ---- */

static void channel_put(struct storm *t, unsigned from, struct buf *frame)
{
	if (t->flying == (t->forged ? CHANNEL_FORGED : CHANNEL_MAX)) {
		buf_free(frame);
		return;
	}
	t->channel[t->flying++] =
		(struct flight){t->w.now + WIRE_DELAY + random_below(&t->r, t->jitter + 1), t->order++, from, frame};
}

static nstime channel_due(const struct storm *t)
{
	nstime due = NSTIME_NEVER;
	for (unsigned i = 0; i < t->flying; i++)
		due = nstime_min(due, t->channel[i].due);
	return due;
}

/* The earliest that is due, into *from. */
static struct buf *channel_get(struct storm *t, unsigned *from)
{
	unsigned best = t->flying;
	struct buf *b;
	for (unsigned i = 0; i < t->flying; i++)
		if (t->channel[i].due <= t->w.now &&
		    (best == t->flying || t->channel[i].order < t->channel[best].order))
			best = i;
	if (best == t->flying)
		return NULL;
	b = t->channel[best].frame;
	*from = t->channel[best].from;
	t->channel[best] = t->channel[--t->flying];
	return b;
}

static void storm_look(struct side *e, const struct buf *b)
{
	const uint8_t *tcp = b->data + 34;
	frame_verify(b);
	if (b->data[13] || b->data[23] != 6 || tcp[TCP_AT_FLAGS] & RST)
		return;
	e->port = packet_u16(tcp);
	e->seq = packet_u32(tcp + TCP_AT_SEQ);
	e->ack = packet_u32(tcp + TCP_AT_ACK);
	e->edge = e->ack + 2U * packet_u16(tcp + TCP_AT_WINDOW);
}

static void storm_collect(struct storm *t)
{
	for (unsigned i = 0; i < 2; i++) {
		struct buf *b;
		int netif;
		while ((b = stack_output(t->sides[i].stack, &netif))) {
			bool arp = b->data[13] == 6;
			storm_look(&t->sides[i], b);
			if (!arp && random_chance(&t->r, t->loss_ppb)) {
				buf_free(b);
				continue;
			}
			if (random_chance(&t->r, t->repeat_ppb))
				channel_put(t, i, buf_clone(b));
			channel_put(t, i, b);
		}
	}
}

/* ---- the application ---- */

static nstime storm_pause(struct storm *t)
{
	switch (random_below(&t->r, 12)) {
	case 0:
		return random_below(&t->r, 20 * NSTIME_S); /* long enough for a shut window */
	case 1:
	case 2:
		return random_below(&t->r, NSTIME_S);
	default:
		return random_below(&t->r, 10 * NSTIME_MS);
	}
}

static void side_write(struct storm *t, struct side *e)
{
	uint8_t bytes[8192];
	size_t n = random_below(&t->r, e->write_max) + 1;
	long took;
	if (e->shut)
		return;
	if (n > e->total - e->sent)
		n = e->total - e->sent;
	for (size_t i = 0; i < n; i++)
		bytes[i] = wire_byte(e->sent + i);
	took = n ? sock_send(e->k, bytes, n) : 0;
	if (took > 0)
		e->sent += (uint32_t)took;
	if (took == E_CLOSED || e->sent == e->total)
		e->shut = sock_shutdown_write(e->k, t->w.now) != E_STATE; /* (that: not connected yet) */
	sock_flush(e->k, t->w.now);
}

static void side_read(struct storm *t, struct side *e)
{
	uint8_t bytes[8192];
	size_t n = sock_unread(e->k);
	if (!n)
		return;
	if (random_below(&t->r, 2))
		n = random_below(&t->r, n + 1);
	if (n > sizeof(bytes))
		n = sizeof(bytes);
	if (sock_peek_copy(e->k, 0, bytes, n) != n)
		ck_abort_msg("unread bytes that are not there");
	for (size_t i = 0; i < n && !t->forged; i++)
		if (bytes[i] != wire_byte(e->received + i))
			ck_abort_msg("byte %zu of a stream is wrong", e->received + i);
	e->received += (uint32_t)n;
	sock_consume(e->k, n, t->w.now);
}

/* Freezes the connection, has its state looked at as a second device would, and lets it go on. */
static void side_move(struct storm *t, struct side *e)
{
	const char *why = NULL;
	if (!e->moved || random_below(&t->r, 30))
		return;
	conn_state_clear(&t->state);
	if (sock_migrate(e->k, 1, &t->state, t->w.now))
		return;
	if (conn_state_validate(&t->state, &why))
		ck_abort_msg("a state that does not make sense: %s", why);
	stack_endpoint_ops.thaw(e->stack, (struct endpoint_conn *)e->k, t->w.now);
}

static void storm_application(struct storm *t)
{
	unsigned ready;
	struct sock *k;
	for (unsigned i = 0; i < 2; i++) {
		struct side *e = &t->sides[i];
		while (sock_next_ready(e->stack, &ready))
			continue;
		if (i && (k = sock_accept(t->listener))) {
			if (e->k)
				sock_abort(k, t->w.now); /* the forger's */
			else
				e->k = k;
		}
		if (!e->k)
			continue;
		if (!t->forged && sock_error(e->k))
			ck_abort_msg("error %d", sock_error(e->k));
		if (t->w.now >= e->read_at) {
			side_read(t, e);
			e->read_at = t->w.now + storm_pause(t) + 1;
		}
		if (t->w.now >= e->write_at) {
			side_write(t, e);
			e->write_at = t->w.now + storm_pause(t) + 1;
		}
		side_move(t, e);
	}
}

/* Whether an end has anything left to do. */
static bool side_done(const struct side *e)
{
	return e->k && e->shut && sock_eof(e->k);
}

/* ---- time ---- */

static void storm_deliver(struct storm *t, struct buf *frame, unsigned from)
{
	frame->mark2 = from;
	wire_deliver(&t->w, frame);
}

/* Everything due at the earliest time; false: nothing until then. */
static bool storm_step(struct storm *t, nstime until)
{
	nstime at = channel_due(t);
	struct buf *b;
	unsigned from;
	for (unsigned i = 0; i < 2; i++) {
		const struct side *e = &t->sides[i];
		at = nstime_min(at, stack_expiry(e->stack));
		if (e->k && !side_done(e))
			at = nstime_min(at, e->shut ? e->read_at : nstime_min(e->read_at, e->write_at));
	}
	if (at == NSTIME_NEVER || at > until)
		return false;
	if (at > t->w.now)
		t->w.now = at;
	while ((b = channel_get(t, &from)))
		storm_deliver(t, b, from);
	for (unsigned i = 0; i < 2; i++)
		if (stack_expiry(t->sides[i].stack) <= t->w.now)
			stack_expire(t->sides[i].stack, t->w.now);
	storm_application(t);
	storm_collect(t);
	return true;
}

/* ---- a run ---- */

static struct storm *storm_new(uint64_t seed, bool forged)
{
	struct storm *t = calloc(1, sizeof(*t));
	ck_assert_ptr_nonnull(t);
	random_init(&t->r, seed, forged ? "forged" : "storm");
	wire_pair(&t->w);
	t->forged = forged;
	t->listener = sock_listen(t->w.stacks[1], (struct addr){0}, PORT, NULL);
	for (unsigned i = 0; i < 2; i++)
		t->sides[i].stack = t->w.stacks[i];
	t->sides[1].port = PORT;
	return t;
}

static void storm_free(struct storm *t)
{
	for (unsigned i = 0; i < t->flying; i++)
		buf_free(t->channel[i].frame);
	conn_state_fini(&t->state);
	wire_fini(&t->w);
	free(t);
}

/* A new connection through weather of its own. */
static void storm_begin(struct storm *t)
{
	t->loss_ppb = (uint32_t)(random_below(&t->r, 3) * random_below(&t->r, 60000000));
	t->repeat_ppb = (uint32_t)(random_below(&t->r, 3) * random_below(&t->r, 150000000));
	t->jitter = random_below(&t->r, 4) * random_below(&t->r, 60 * NSTIME_MS);
	for (unsigned i = 0; i < 2; i++) {
		struct side *e = &t->sides[i];
		e->k = NULL;
		e->sent = e->received = 0;
		e->total = (uint32_t)random_below(&t->r, random_below(&t->r, 4) ? STREAM_MAX : 2000);
		e->write_max = random_below(&t->r, 3) ? 8192 : 40;
		if (e->write_max == 40)
			e->total /= 20;
		e->shut = false;
		e->moved = random_below(&t->r, 2);
		e->read_at = e->write_at = t->w.now;
	}
	t->fins = random_below(&t->r, 2);
	t->sides[0].k = sock_connect(t->sides[0].stack, wire_addr(2), PORT, NULL, t->w.now);
	ck_assert_ptr_nonnull(t->sides[0].k);
	if (random_below(&t->r, 2))
		sock_nodelay(t->sides[0].k, true);
	storm_collect(t);
}

/* Both let go, and all that is left of it passes. */
static void storm_end(struct storm *t)
{
	nstime until = t->w.now + 300 * NSTIME_S;
	for (unsigned i = 0; i < 2; i++)
		if (t->sides[i].k)
			sock_close(t->sides[i].k, t->w.now);
	t->sides[0].k = t->sides[1].k = NULL;
	if (t->forged) { /* so that ends that disagree fall silent */
		t->loss_ppb = 500000000;
		t->repeat_ppb = 0;
	}
	storm_collect(t);
	while (storm_step(t, until))
		continue;
	t->w.now = until;
}

static uint64_t storm_resets(const struct storm *t)
{
	return stack_counters(t->sides[0].stack)->rst_sent + stack_counters(t->sides[1].stack)->rst_sent;
}

START_TEST(honest)
{
	struct storm *t = storm_new((uint64_t)_i, false);
	for (unsigned run = 0; run < TRANSFERS; run++) {
		nstime until = t->w.now + PATIENCE;
		uint64_t resets = storm_resets(t);
		storm_begin(t);
		while (!(side_done(&t->sides[0]) && side_done(&t->sides[1]))) {
			if (!storm_step(t, until))
				ck_abort_msg("transfer %u does not end", run);
			/* (afterwards an end that is through may answer what comes late) */
			if (!(t->sides[0].shut && t->sides[1].shut) && storm_resets(t) != resets)
				ck_abort_msg("a reset in transfer %u", run);
		}
		for (unsigned i = 0; i < 2; i++) {
			ck_assert_uint_eq(t->sides[i].sent, t->sides[i].total);
			ck_assert_uint_eq(t->sides[i].received, t->sides[!i].total);
		}
		storm_end(t);
		ck_assert_uint_eq(wire_holdings(&t->w, 0).pcbs + wire_holdings(&t->w, 1).pcbs, 0);
	}
	storm_free(t);
}
END_TEST

/* ---- the forger ---- */

static uint32_t forged_near(struct storm *t, uint32_t truth)
{
	switch (random_below(&t->r, 6)) {
	case 0:
		return truth + (uint32_t)random_below(&t->r, 70000);
	case 1:
		return truth - (uint32_t)random_below(&t->r, 3000);
	case 2:
	case 3:
		return truth + (uint32_t)random_below(&t->r, 3000);
	default:
		return truth;
	}
}

/* A segment that side `from` might have sent to the other. */
static struct buf *forged_segment(struct storm *t, unsigned from)
{
	static const uint8_t flags[] = {ACK, ACK, ACK,  ACK | PSH, ACK | FIN, ACK | FIN,
					FIN, 0,   0x30, SYN,       SYN | ACK, RST};
	static const uint16_t windows[] = {0, 1, 2, 100, 1460, 0x7fff, 0xffff};
	static uint8_t text[1400];
	const struct side *e = &t->sides[from], *other = &t->sides[!from];
	struct segment g = {.src_port = e->port,
			    .dst_port = other->port,
			    .seq = forged_near(t, random_below(&t->r, 2) ? other->ack : e->seq),
			    .ack = forged_near(t, random_below(&t->r, 2) ? e->ack : other->seq),
			    .flags = flags[random_below(&t->r, random_below(&t->r, 30) ? 9 : sizeof(flags))],
			    .window = windows[random_below(&t->r, sizeof(windows) / 2)],
			    .text = text};
	if (!t->fins)
		g.flags &= (uint8_t)~FIN;
	if (random_below(&t->r, 3))
		g.text_len = random_below(&t->r, random_below(&t->r, 2) ? 10 : sizeof(text));
	if (random_below(&t->r, 8) == 0) {
		g.options = random_below(&t->r, 2) ? "\2\4\0\144\1\3\3\7" : "\1\1\1\1\2\4\5\264";
		g.options_len = 8;
	}
	return frame_tcp(!from + 1, wire_addr(from + 1), wire_addr(!from + 1), &g);
}

static void forged_text(struct storm *t, unsigned from, uint32_t seq, size_t len, uint8_t flags)
{
	static uint8_t text[1400];
	const struct side *e = &t->sides[from], *other = &t->sides[!from];
	struct segment g = {.src_port = e->port,
			    .dst_port = other->port,
			    .seq = seq,
			    .ack = e->ack,
			    .flags = flags,
			    .window = (uint16_t)random_below(&t->r, 65536),
			    .text = text,
			    .text_len = len};
	storm_deliver(t, frame_tcp(!from + 1, wire_addr(from + 1), wire_addr(!from + 1), &g), from);
}

/* Fills the other's window out of order and past its end, with overlaps, gaps and FINs here and there; then comes what
 * was missing. */
static void forged_flood(struct storm *t, unsigned from)
{
	struct {
		uint32_t seq;
		size_t len;
		uint8_t flags;
	} plan[256];
	const struct side *other = &t->sides[!from];
	uint32_t base = other->ack, room = other->edge - base, at = 1 + (uint32_t)random_below(&t->r, 3);
	uint64_t odd = 2 + random_below(&t->r, 100); /* one segment of so many is odd */
	size_t len_max = random_below(&t->r, 4) ? 1400 : 300, count = 0, disorder = random_below(&t->r, 4);
	for (; at < room + 3 && count < 250; at += (uint32_t)random_below(&t->r, odd) ? 0 : 1) {
		size_t len = 1 + (random_below(&t->r, odd) ? len_max - 1 : random_below(&t->r, len_max));
		if (at < room && room - at < len && random_below(&t->r, 2))
			len = room - at + random_below(&t->r, 3);
		plan[count].seq = base + at;
		plan[count].len = len;
		plan[count++].flags = ACK;
		if (t->fins && !random_below(&t->r, odd)) {
			plan[count].seq = base + at + (uint32_t)random_below(&t->r, 1400);
			plan[count].len = random_below(&t->r, 10);
			plan[count++].flags = ACK | FIN;
		}
		at += (uint32_t)len - (random_below(&t->r, odd) ? 0 : (uint32_t)random_below(&t->r, len));
	}
	for (size_t i = 0; i < count; i++) {
		size_t k = disorder == 0 ? i : disorder == 1 ? count - 1 - i : (size_t)random_below(&t->r, count);
		forged_text(t, from, plan[k].seq, plan[k].len, plan[k].flags);
	}
	for (unsigned i = 0; i < 3; i++)
		forged_text(t, from, base, random_below(&t->r, 1400), ACK);
}

static void forged_burst(struct storm *t)
{
	unsigned from = (unsigned)random_below(&t->r, 2);
	if (random_below(&t->r, 10) == 0) {
		forged_flood(t, from);
		return;
	}
	for (uint64_t i = random_below(&t->r, 8); i; i--)
		storm_deliver(t, forged_segment(t, from), from);
}

START_TEST(forged)
{
	struct storm *t = storm_new((uint64_t)_i, true);
	uint64_t cut;
	storm_begin(t);
	for (unsigned step = 0; step < FORGED_STEPS; step++) {
		if (random_below(&t->r, 3) == 0) {
			forged_burst(t);
			storm_application(t);
			storm_collect(t);
		}
		if (!storm_step(t, t->w.now + 100 * NSTIME_S) || sock_error(t->sides[0].k) ||
		    (t->sides[1].k && sock_error(t->sides[1].k)) || random_below(&t->r, 200) == 0) {
			storm_end(t);
			storm_begin(t);
		}
	}
	cut = stack_counters(t->sides[0].stack)->segments_cut + stack_counters(t->sides[1].stack)->segments_cut;
	ck_assert_uint_gt(cut, 0);
	storm_end(t);
	storm_free(t);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_storm");
	TCase *tc = tcase_create("storm");
	const char *first = getenv("STORM_FIRST"), *count = getenv("STORM_COUNT"); /* more seeds, by hand */
	int from = first ? atoi(first) : 0, runs = count ? atoi(count) : 0;
	tcase_set_timeout(tc, 600);
	tcase_add_loop_test(tc, honest, from, from + (runs ? runs : HONEST_RUNS));
	tcase_add_loop_test(tc, forged, from, from + (runs ? runs : FORGED_RUNS));
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
