/* SPDX-License-Identifier: BSD-3-Clause */
/* A router that says Packet Too Big: a transfer goes on with shorter segments and every byte right, whatever was queued
 * and in flight; and what is not to be believed changes nothing. What runs often uses ck_abort_msg. */
#include "base/conn.h"
#include "base/random.h"
#include "tests/unit/stack_frames.h"

#define PORT     80
#define HEADERS  60U /* of IPv6 and TCP */
#define PATIENCE (2000 * NSTIME_S)
#define HONEST   60
#define ROUGH    60

struct path {
	struct wire w;
	struct random_stream r;
	struct sock *listener, *client, *server;
	uint32_t total, sent, received; /* bytes of the server's stream */
	bool shut;
	uint32_t mtu;          /* of the link on the way */
	uint32_t narrow_at[2]; /* bytes received at which it becomes narrower */
	uint32_t narrow_to[2]; /* MTUs */
	unsigned narrow, told; /* steps of these; those that a packet met */
	uint32_t told_mtu;     /* last */
	uint32_t loss_ppb, lies_ppb, move_ppb;
	bool mute;          /* nothing of the server's with text arrives; then: */
	uint8_t last[1514]; /* the last of it */
	uint32_t last_len, frames, longest;
	uint32_t first_seq; /* of those `frames` */
	struct conn_state state;
};

static struct path *of_wire;

/* Packet Too Big to the server about a packet, as much of it as there is room for. */
static struct buf *too_big(const uint8_t *ip, uint32_t ip_len, uint32_t mtu)
{
	uint8_t icmp[1240] = {2};
	uint32_t len = 8 + (ip_len < 1232 ? ip_len : 1232);
	struct addr from = wire_addr6(1), to = wire_addr6(2);
	uint16_t sum;

	frame_u32_put(icmp + 4, mtu);
	memcpy(icmp + 8, ip, len - 8);
	sum = (uint16_t)~frame_sum(&from, &to, 58, icmp, len);
	memcpy(icmp + 2, &sum, 2);
	return frame_ip6(2, from, to, 58, icmp, len);
}

static void fly(struct path *p, struct buf *b)
{
	b->mark = p->w.now + WIRE_DELAY;
	b->mark2 = 0;
	buf_queue_put(&p->w.flying, b);
}

/* About a packet that was long enough or of another connection, cut short, with an MTU of any kind. */
static void lie(struct path *p, const uint8_t *ip, uint32_t ip_len)
{
	static const uint32_t mtus[] = {0,    59,   60,   61,   68,    1279,  1280,
					1281, 1333, 1480, 1500, 65535, 65596, UINT32_MAX};
	uint8_t copy[1500];
	uint32_t len = random_below(&p->r, 2) ? ip_len : (uint32_t)random_below(&p->r, ip_len + 1);

	memcpy(copy, ip, ip_len);
	if (random_below(&p->r, 2))
		copy[random_below(&p->r, 60)] ^= (uint8_t)(1U << random_below(&p->r, 8));
	fly(p, too_big(copy, len, mtus[random_below(&p->r, sizeof(mtus) / sizeof(mtus[0]))]));
}

/* The way between them. */
static bool way(struct wire *w, const struct buf *b)
{
	struct path *p = of_wire;
	const uint8_t *ip = b->data + 14;
	uint32_t ip_len = b->len - 14;

	frame_verify(b);
	if (ip[0] >> 4 != 6 || ip[IP6_AT_NEXT] != 6)
		return false;
	if (b->data[11] == 2 && ip_len > HEADERS) {
		if (p->lies_ppb && random_chance(&p->r, p->lies_ppb))
			lie(p, ip, ip_len);
		p->longest = ip_len > p->longest ? ip_len : p->longest;
		if (p->mute) {
			memcpy(p->last, b->data, b->len);
			p->last_len = b->len;
			if (!p->frames)
				p->first_seq = packet_u32(ip + 40 + TCP_AT_SEQ);
			p->frames++;
			return true;
		}
		if (ip_len > p->mtu) {
			p->told += p->told_mtu != p->mtu;
			p->told_mtu = p->mtu;
			fly(p, too_big(ip, ip_len, p->mtu));
			return true;
		}
	}
	(void)w;
	return p->loss_ppb && random_chance(&p->r, p->loss_ppb);
}

/* Out of the server's stack and into it again, as by a hand-off. */
static void move(struct path *p)
{
	struct stack *s = p->w.stacks[1];
	struct endpoint_conn *conn;
	const char *why = NULL;

	conn_state_clear(&p->state);
	if (sock_migrate(p->server, 1, &p->state, p->w.now))
		return;
	if (conn_state_validate(&p->state, &why))
		ck_abort_msg("a state that does not make sense: %s", why);
	stack_endpoint_ops.release(s, (struct endpoint_conn *)p->server);
	ck_assert_int_eq(stack_endpoint_ops.infuse(s, &p->state, &conn, p->w.now), 0);
	stack_endpoint_ops.activate(s, conn, p->w.now);
	p->server = sock_accept(p->listener);
	ck_assert_ptr_nonnull(p->server);
}

static void write_some(struct path *p, uint32_t max)
{
	uint8_t bytes[16384];
	uint32_t n = (uint32_t)random_below(&p->r, max) + 1;
	long took;

	if (p->shut)
		return;
	n = n < p->total - p->sent ? n : p->total - p->sent;
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = wire_byte(p->sent + i);
	took = n ? sock_send(p->server, bytes, n) : 0;
	if (took < 0)
		ck_abort_msg("sock_send says %ld", took);
	p->sent += (uint32_t)took;
	if (p->sent == p->total)
		p->shut = sock_shutdown_write(p->server, p->w.now) == 0;
	sock_flush(p->server, p->w.now);
}

static void read_all(struct path *p)
{
	const uint8_t *at;
	size_t len;

	while ((at = sock_peek(p->client, &len)) && len) {
		for (size_t i = 0; i < len; i++)
			if (at[i] != wire_byte(p->received + i))
				ck_abort_msg("byte %zu is wrong", p->received + i);
		p->received += (uint32_t)len;
		sock_consume(p->client, len, p->w.now);
	}
}

static void application(struct wire *w)
{
	struct path *p = of_wire;
	unsigned ready;

	for (unsigned i = 0; i < 2; i++)
		while (sock_next_ready(w->stacks[i], &ready))
			continue;
	if (!p->server)
		return;
	read_all(p);
	if (p->narrow < 2 && p->received >= p->narrow_at[p->narrow])
		p->mtu = p->narrow_to[p->narrow++];
	if (p->move_ppb && random_chance(&p->r, p->move_ppb))
		move(p);
	for (unsigned i = 0; i < 8; i++)
		write_some(p, p->total ? 16384 : 1);
}

static void path_init(struct path *p, uint64_t seed)
{
	memset(p, 0, sizeof(*p));
	of_wire = p;
	random_init(&p->r, seed, "path");
	wire_pair(&p->w);
	p->mtu = 1500;
	p->narrow = 2;
	p->shut = true;
	p->w.filter = way;
	p->listener = sock_listen(p->w.stacks[1], (struct addr){0}, PORT, NULL);
	p->client = sock_connect(p->w.stacks[0], wire_addr6(2), PORT, NULL, p->w.now);
	wire_run(&p->w, 50 * NSTIME_MS);
	p->server = sock_accept(p->listener);
	ck_assert_ptr_nonnull(p->server);
	p->w.app = application;
}

static void path_fini(struct path *p)
{
	conn_state_fini(&p->state);
	wire_fini(&p->w);
}

/* A transfer of a random length, on the way of which the link becomes narrower twice. */
static void transfer(struct path *p)
{
	nstime begin = p->w.now;

	p->total = 20000 + (uint32_t)random_below(&p->r, 200000);
	p->narrow_at[0] = (uint32_t)random_below(&p->r, p->total);
	p->narrow_at[1] = p->narrow_at[0] + (uint32_t)random_below(&p->r, p->total - p->narrow_at[0]);
	p->narrow_to[0] = 1290 + (uint32_t)random_below(&p->r, 200);
	p->narrow_to[1] = 1280 + (uint32_t)random_below(&p->r, p->narrow_to[0] - 1280);
	p->narrow = 0;
	p->shut = false;
	p->w.app(&p->w);
	while (!sock_eof(p->client) && p->w.now - begin < PATIENCE)
		wire_run(&p->w, 20 * NSTIME_MS);
	ck_assert_uint_eq(p->received, p->total);
	ck_assert(sock_eof(p->client));
}

/* Nothing else is lost: no time-out is waited for, and a message narrows the path each time that a packet met it. */
START_TEST(becomes_narrow)
{
	struct path p;
	nstime begin;

	path_init(&p, (uint64_t)_i);
	begin = p.w.now;
	transfer(&p);
	ck_assert_uint_lt(p.w.now - begin, 900 * NSTIME_MS);
	ck_assert_uint_eq(stack_counters(p.w.stacks[1])->paths_narrowed, p.told);
	path_fini(&p);
}
END_TEST

/* With loss, hand-offs in the middle, and lies. */
START_TEST(becomes_narrow_roughly)
{
	struct path p;

	path_init(&p, 1000 + (uint64_t)_i);
	p.loss_ppb = _i % 2 ? 20000000 : 0;
	p.lies_ppb = _i % 3 ? 50000000 : 0;
	p.move_ppb = _i % 5 ? 100000000 : 0;
	transfer(&p);
	path_fini(&p);
}
END_TEST

/* Three segments of the server's in flight, none of which arrives; the fourth, with FIN, waits. */
static void in_flight(struct path *p)
{
	path_init(p, 1);
	p->mute = true;
	p->total = 5000;
	p->shut = false;
	wire_run(&p->w, 10 * NSTIME_MS);
	ck_assert_uint_eq(p->sent, 5000);
	ck_assert_uint_eq(p->frames, 3);
	ck_assert_uint_eq(p->longest, 1500);
	p->longest = p->frames = 0;
}

/* Nothing comes of it, but a count. */
static void refused(struct path *p, struct buf *b, const char *what)
{
	uint64_t before = stack_counters(p->w.stacks[1])->dropped[STACK_DROP_TOO_BIG];
	struct buf *sent;
	int netif;

	stack_input(p->w.stacks[1], 0, b, p->w.now);
	sent = stack_output(p->w.stacks[1], &netif);
	ck_assert_msg(!sent, "%s: answered", what);
	ck_assert_msg(stack_counters(p->w.stacks[1])->dropped[STACK_DROP_TOO_BIG] == before + 1, "%s: not counted",
		      what);
	ck_assert_msg(!stack_counters(p->w.stacks[1])->paths_narrowed, "%s: believed", what);
}

START_TEST(disbelieved)
{
	static const uint32_t mtus[] = {0, 59, 60, 61, 68, 1279, 1500, 65535, 65536 + 1280, UINT32_MAX};
	static const struct {
		const char *what;
		uint32_t at;
		uint8_t flip;
	} wrong[] = {
		{"IPv4 within", 0, 0x20},
		{"UDP within", IP6_AT_NEXT, 6 ^ 17},
		{"options within", IP6_AT_NEXT, 6 ^ 60},
		{"another source", IP6_AT_SRC + 15, 8},
		{"another destination", IP6_AT_DST + 15, 8},
		{"another source port", 40 + 1, 1},
		{"another destination port", 40 + 3, 1},
		{"a number far away", 40 + TCP_AT_SEQ, 0x40},
	};
	struct path p;
	struct buf *b;
	uint8_t ip[1500];
	uint32_t len, last_seq;

	in_flight(&p);
	len = p.last_len - 14;
	memcpy(ip, p.last + 14, len);
	last_seq = packet_u32(ip + 40 + TCP_AT_SEQ); /* of the third segment */
	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++)
		refused(&p, too_big(ip, len, mtus[i]), "an MTU");
	for (uint32_t n = 0; n < 48; n++)
		refused(&p, too_big(ip, n, 1300), "cut short");
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		ip[wrong[i].at] ^= wrong[i].flip;
		refused(&p, too_big(ip, len, 1300), wrong[i].what);
		ip[wrong[i].at] ^= wrong[i].flip;
	}
	frame_u32_put(ip + 40 + TCP_AT_SEQ, last_seq - 2880 - 1);
	refused(&p, too_big(ip, len, 1300), "acknowledged");
	frame_u32_put(ip + 40 + TCP_AT_SEQ, last_seq + 1440);
	refused(&p, too_big(ip, len, 1300), "not sent yet");
	b = too_big(ip, len, 1300);
	b->data[54 + 2] ^= 1;
	frame_u32_put(ip + 40 + TCP_AT_SEQ, last_seq);
	refused(&p, b, "a wrong checksum");

	/* The first and the last that are in flight are believed. */
	frame_u32_put(ip + 40 + TCP_AT_SEQ, last_seq - 2880);
	stack_input(p.w.stacks[1], 0, too_big(ip, 48, 1300), p.w.now);
	wire_run(&p.w, 5 * NSTIME_MS);
	ck_assert_uint_eq(stack_counters(p.w.stacks[1])->paths_narrowed, 1);
	ck_assert_uint_eq(p.longest, 1300);
	ck_assert_uint_eq(p.frames, 6); /* each in two */
	p.longest = 0;
	frame_u32_put(ip + 40 + TCP_AT_SEQ, last_seq + 1439);
	stack_input(p.w.stacks[1], 0, too_big(ip, 48, 1280), p.w.now);
	wire_run(&p.w, 5 * NSTIME_MS);
	ck_assert_uint_eq(stack_counters(p.w.stacks[1])->paths_narrowed, 2);
	ck_assert_uint_eq(p.longest, 1280);
	p.mute = false;
	wire_run(&p.w, 10 * NSTIME_S);
	ck_assert_uint_eq(p.received, 5000);
	ck_assert(sock_eof(p.client));
	path_fini(&p);
}
END_TEST

/* A hand-off takes the shorter segments along: nobody has to be told again. */
START_TEST(kept_by_hand_off)
{
	struct path p;

	path_init(&p, 1);
	p.mute = true;
	p.total = 100000;
	p.shut = false;
	wire_run(&p.w, 10 * NSTIME_MS);
	ck_assert_uint_eq(p.longest, 1500);
	stack_input(p.w.stacks[1], 0, too_big(p.last + 14, p.last_len - 14, 1300), p.w.now);
	p.longest = 0;
	move(&p);
	ck_assert_uint_eq(p.state.tcp.mss, 1240);
	p.mute = false;
	wire_run(&p.w, 10 * NSTIME_S);
	ck_assert_uint_eq(p.received, p.total);
	ck_assert(sock_eof(p.client));
	ck_assert_uint_eq(p.longest, 1300);
	ck_assert_uint_eq(stack_counters(p.w.stacks[1])->paths_narrowed, 1);
	path_fini(&p);
}
END_TEST

/* The client acknowledges in the middle of a segment, further than the first of what becomes of it would reach. */
START_TEST(acknowledged_in_part)
{
	struct path p;
	struct segment ack = {.flags = ACK, .window = 30000};
	uint8_t ip[1500];
	uint32_t len, first;

	in_flight(&p);
	len = p.last_len - 14;
	memcpy(ip, p.last + 14, len);
	first = p.first_seq;
	ack.src_port = packet_u16(ip + 42);
	ack.dst_port = packet_u16(ip + 40);
	ack.seq = packet_u32(ip + 40 + TCP_AT_ACK);
	ack.ack = first + 1300;
	stack_input(p.w.stacks[1], 0, frame_tcp(2, wire_addr6(1), wire_addr6(2), &ack), p.w.now);
	wire_run(&p.w, 5 * NSTIME_MS);
	p.frames = p.longest = 0;
	frame_u32_put(ip + 40 + TCP_AT_SEQ, first);
	stack_input(p.w.stacks[1], 0, too_big(ip, len, 1280), p.w.now);
	wire_run(&p.w, 5 * NSTIME_MS);
	ck_assert_uint_eq(p.first_seq, first + 1300);
	ck_assert_uint_eq(p.longest, 1280);
	ck_assert_uint_eq(p.frames, 6); /* 140; 1220 and 220 twice; 680 */
	path_fini(&p);
}
END_TEST

/* A connection that is frozen is left as it is, and one that is over, or not open yet, is none. */
START_TEST(nobody)
{
	struct path p;
	uint8_t ip[1500];
	uint32_t len;

	in_flight(&p);
	len = p.last_len - 14;
	memcpy(ip, p.last + 14, len);
	ck_assert_int_eq(sock_migrate(p.server, 1, &p.state, p.w.now), 0);
	refused(&p, too_big(ip, len, 1300), "frozen");
	stack_endpoint_ops.thaw(p.w.stacks[1], (struct endpoint_conn *)p.server, p.w.now);
	p.mute = false;
	wire_run(&p.w, 10 * NSTIME_S);
	sock_close(p.client, p.w.now);
	sock_close(p.server, p.w.now);
	p.server = NULL;
	wire_run(&p.w, NSTIME_S);
	refused(&p, too_big(ip, len, 1300), "TIME_WAIT or gone");
	path_fini(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_path");
	TCase *all = tcase_create("stack_path");

	tcase_add_loop_test(all, becomes_narrow, 0, HONEST);
	tcase_add_loop_test(all, becomes_narrow_roughly, 0, ROUGH);
	tcase_add_test(all, disbelieved);
	tcase_add_test(all, kept_by_hand_off);
	tcase_add_test(all, acknowledged_in_part);
	tcase_add_test(all, nobody);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
