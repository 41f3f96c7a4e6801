/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of every protocol, at a host with a VIP and at a router: what is let through to lwIP, and that nothing of it
 * ends, hangs or fills the process. */
#include "base/err.h"
#include "base/random.h"
#include "tests/unit/stack_frames.h"

#define PORT      80
#define ENEMY     9 /* 10.0.0.9; answers nothing by itself */
#define VIP       addr_v4(0xc0000250)
#define FAR       addr_v4(0x0a010001) /* behind the router's second interface */
#define FUZZ_RUNS 4
#define FUZZ_STEP 20000U

static const struct addr none;

struct scene {
	struct wire w;
	struct stack *s; /* 10.0.0.1, 10.1.0.2, a VIP; routes */
	struct sock *listener;
	unsigned sent[2], icmp[256]; /* frames by interface, ICMP by type */
	uint32_t iss;                /* of the last SYN+ACK */
	uint16_t port;               /* the enemy's, of the last segment to it */
	uint32_t seq, ack;           /* what that segment said */
	uint8_t ttl;                 /* of the last IP packet by interface 1 */
};

static void scene_segment(struct scene *c, const uint8_t *tcp)
{
	c->port = packet_u16(tcp + 2);
	c->seq = packet_u32(tcp + TCP_AT_SEQ);
	c->ack = packet_u32(tcp + TCP_AT_ACK);
	if (tcp[TCP_AT_FLAGS] == (SYN | ACK))
		c->iss = c->seq;
}

static void scene_collect(struct scene *c)
{
	struct buf *b;
	int netif;
	while ((b = stack_output(c->s, &netif))) {
		const uint8_t *ip = b->data + 14;
		/* (what is forwarded may be anything) */
		if (!memcmp(ip + IP4_AT_SRC, wire_addr(1).bytes, 4))
			frame_verify(b);
		c->sent[netif]++;
		if (packet_u16(b->data + 12) == ETHERNET_TYPE_IP4) {
			if (netif == 1)
				c->ttl = ip[IP4_AT_TTL];
			if (ip[IP4_AT_PROTOCOL] == 1 && b->len > 34)
				c->icmp[ip[20]]++;
			if (netif == 0 && ip[IP4_AT_PROTOCOL] == 6 && b->len >= 54)
				scene_segment(c, ip + 20);
		}
		buf_free(b);
	}
}

static void scene_frame(struct scene *c, struct buf *b)
{
	stack_input(c->s, 0, b, c->w.now);
	scene_collect(c);
}

static void scene_init(struct scene *c)
{
	struct buf *b;
	*c = (struct scene){0};
	wire_init(&c->w);
	c->s = wire_add(&c->w, "router", true);
	ck_assert_int_eq(stack_netif_add(c->s, wire_mac(3), addr_v4(0x0a010002), 24), 1);
	ck_assert_int_eq(stack_vip_add(c->s, VIP, 0, none), 0);
	c->listener = sock_listen(c->s, none, PORT, NULL);
	/* both neighbours are known */
	scene_frame(c, frame_arp(1, ENEMY, wire_addr(ENEMY), wire_addr(1), true));
	b = frame_arp(1, ENEMY, FAR, addr_v4(0x0a010002), true);
	stack_input(c->s, 1, b, 0);
	scene_collect(c);
	memset(c->sent, 0, sizeof(c->sent));
}

static void scene_pass(struct scene *c, nstime duration)
{
	nstime until = c->w.now + duration;
	while (stack_expiry(c->s) <= until) {
		c->w.now = stack_expiry(c->s);
		stack_expire(c->s, c->w.now);
		scene_collect(c);
	}
	c->w.now = until;
}

/* TCP, ICMP and UDP are answered; nothing else gets as far as lwIP. */
START_TEST(only_what_is_needed)
{
	struct scene c;
	static const uint8_t text[64] = {8, 0, 0xf7, 0xff};
	const uint64_t *dropped;
	scene_init(&c);
	dropped = stack_counters(c.s)->dropped;
	for (unsigned vip = 0; vip < 2; vip++) {
		struct addr dst = vip ? VIP : wire_addr(1);
		for (unsigned protocol = 0; protocol < 256; protocol++) {
			uint64_t refused = dropped[STACK_DROP_PROTOCOL];
			if (protocol == 1 || protocol == 6 || protocol == 17)
				continue;
			scene_frame(&c, frame_ip(1, wire_addr(ENEMY), dst, (uint8_t)protocol, 0, text, 64));
			/* and in pieces */
			scene_frame(&c, frame_ip(1, wire_addr(ENEMY), dst, (uint8_t)protocol, 0x2000, text, 64));
			ck_assert_uint_eq(dropped[STACK_DROP_PROTOCOL], refused + 2);
		}
	}
	ck_assert_uint_eq(c.sent[0] + c.sent[1], 0);
	scene_frame(&c, frame_ip(1, wire_addr(ENEMY), wire_addr(1), 1, 0, text, 64));
	ck_assert_uint_eq(c.icmp[0], 1); /* echo */
	scene_frame(&c, frame_ip(1, wire_addr(ENEMY), wire_addr(1), 17, 0, (const uint8_t[8]){1, 2, 3, 4, 0, 8}, 8));
	ck_assert_uint_eq(c.icmp[3], 1); /* port unreachable */
	/* a router carries them all */
	scene_frame(&c, frame_ip(1, wire_addr(ENEMY), FAR, 136, 0, text, 64));
	ck_assert_uint_eq(c.sent[1], 1);
	wire_fini(&c.w);
}
END_TEST

/* RFC 1812 5.3.1: a packet with no time left is not forwarded, whatever else is special about it; one for us is ours
 * (RFC 1122 3.2.1.7). */
START_TEST(ttl_zero)
{
	struct scene c;
	scene_init(&c);
	for (unsigned ttl = 0; ttl < 3; ttl++)
		for (unsigned options = 0; options < 2; options++) {
			struct buf *b = frame_ip(1, wire_addr(ENEMY), FAR, 17, 0, "\1\1\1\0\0\0\0\0\0\0\0\0", 12);
			memset(c.sent, 0, sizeof(c.sent));
			memset(c.icmp, 0, sizeof(c.icmp));
			b->data[14] = options ? 0x46 : 0x45;
			b->data[14 + IP4_AT_TTL] = (uint8_t)ttl;
			frame_ip_sum(b->data + 14);
			scene_frame(&c, b);
			ck_assert_uint_eq(c.sent[1], ttl == 2);
			ck_assert_uint_eq(c.icmp[11], ttl < 2);
			if (ttl == 2)
				ck_assert_uint_eq(c.ttl, 1);
		}
	wire_fini(&c.w);
}
END_TEST

/* A fragment that carries nothing: put behind the others, a whole datagram ends with an empty pbuf, which the library
 * fails to copy (an assert, for TCP). */
START_TEST(empty_fragment)
{
	static const uint8_t protocols[] = {1, 6, 17}, text[64] = {8, 0, 0xf7, 0xff};
	struct scene c;
	scene_init(&c);
	for (unsigned i = 0; i < 6; i++) {
		uint8_t protocol = protocols[i % 3];
		struct buf *first = frame_ip(1, wire_addr(ENEMY), wire_addr(1), protocol, 0x2000, text, 64);
		struct buf *empty = frame_ip(1, wire_addr(ENEMY), wire_addr(1), protocol, 64 / 8, text, 0);
		packet_u16_put(first->data + 14 + IP4_AT_ID, (uint16_t)i);
		packet_u16_put(empty->data + 14 + IP4_AT_ID, (uint16_t)i);
		frame_ip_sum(first->data + 14);
		frame_ip_sum(empty->data + 14);
		scene_frame(&c, i < 3 ? first : empty);
		scene_frame(&c, i < 3 ? empty : first);
		ck_assert_uint_eq(stack_counters(c.s)->dropped[STACK_DROP_HEADER], i + 1);
	}
	wire_fini(&c.w);
}
END_TEST

/* RFC 3021: both addresses of a /31 are hosts. */
START_TEST(point_to_point)
{
	struct wire w;
	struct stack_config config = {.seed = 1};
	struct sock *listener, *k;
	wire_init(&w);
	for (unsigned i = 0; i < 2; i++) {
		config.name = i ? "even" : "odd";
		w.stacks[w.count++] = stack_new(&config, 0);
		ck_assert_int_eq(stack_netif_add(w.stacks[i], wire_mac(i + 1), addr_v4(0x0a000000 + i), 31), 0);
	}
	listener = sock_listen(w.stacks[1], none, PORT, NULL);
	k = sock_connect(w.stacks[0], addr_v4(0x0a000001), PORT, NULL, 0);
	ck_assert_ptr_nonnull(k);
	wire_run(&w, 50 * NSTIME_MS);
	ck_assert_ptr_nonnull(sock_accept(listener));
	ck_assert(wire_ready(&w, k) & SOCK_CONNECTED);
	wire_fini(&w);
}
END_TEST

/* As many VIPs as there may be, and a tunnel address. */
START_TEST(proxies)
{
	struct scene c;
	scene_init(&c);
	for (unsigned i = 0; i < STACK_VIPS_MAX + 1; i++)
		stack_address_proxy(c.s, 0, wire_addr(100 + i));
	scene_frame(&c, frame_arp(1, ENEMY, wire_addr(ENEMY), wire_addr(100 + STACK_VIPS_MAX), true));
	ck_assert_uint_eq(c.sent[0], 1);
	wire_fini(&c.w);
}
END_TEST

/* ---- at random, with checksums that are right ---- */

static void sum_put(uint8_t *at, uint16_t sum)
{
	sum = (uint16_t)~sum;
	memcpy(at, &sum, 2);
}

/* Of what is in the packet, if there is so much. */
static void fuzz_sums(struct buf *b)
{
	uint8_t *ip = b->data + 14, *p, pseudo[12] = {0};
	uint32_t header = ip4_header_len(ip), len;
	if (header < 20 || header > b->len - 14)
		return;
	frame_ip_sum(ip);
	p = ip + header;
	len = b->len - 14 - header;
	if (ip[IP4_AT_PROTOCOL] == 1 && len >= 4) {
		memset(p + 2, 0, 2);
		sum_put(p + 2, checksum_sum(p, len));
		return;
	}
	memcpy(pseudo, ip + IP4_AT_SRC, 8);
	pseudo[9] = ip[IP4_AT_PROTOCOL];
	packet_u16_put(pseudo + 10, (uint16_t)len);
	if (ip[IP4_AT_PROTOCOL] == 6 && len >= 20) {
		memset(p + 16, 0, 2);
		sum_put(p + 16, checksum_add(checksum_sum(pseudo, 12), checksum_sum(p, len)));
	} else if (ip[IP4_AT_PROTOCOL] == 17 && len >= 8) {
		memset(p + 6, 0, 2);
		sum_put(p + 6, checksum_add(checksum_sum(pseudo, 12), checksum_sum(p, len)));
	}
}

/* A few bytes of the headers at random, or words that parsers stumble over. */
static void fuzz_mutate(struct buf *b, struct random_stream *r)
{
	static const uint16_t words[] = {0, 1, 7, 8, 19, 20, 21, 0x7fff, 0x8000, 0xfff7, 0xffff};
	uint8_t *ip = b->data + 14;
	for (uint64_t i = random_below(r, 4); i; i--) {
		uint64_t at = random_below(r, b->len - 16 < 64 ? b->len - 16 : 64);
		if (random_below(r, 2))
			ip[at] = (uint8_t)random_u32(r);
		else
			packet_u16_put(ip + at, words[random_below(r, sizeof(words) / sizeof(words[0]))]);
	}
	ip[0] = (uint8_t)(random_below(r, 8) ? 0x45 : 0x40 + random_below(r, 16));
	if (random_below(r, 8))
		packet_u16_put(ip + IP4_AT_LENGTH, (uint16_t)(b->len - 14));
	if (random_below(r, 8) == 0)
		ip[IP4_AT_TTL] = (uint8_t)random_below(r, 3);
	fuzz_sums(b);
}

static struct addr fuzz_addr(struct random_stream *r)
{
	switch (random_below(r, 10)) {
	case 0:
		return VIP;
	case 1:
		return FAR;
	case 2:
		return addr_v4(0x0a010002);
	case 3:
		return addr_v4(random_u32(r));
	case 4:
		return wire_addr((unsigned)random_below(r, 256));
	default:
		return wire_addr(1);
	}
}

/* A datagram whose fragments come in any order, some twice, some not, some overlapping. */
static void fuzz_fragments(struct scene *c, struct random_stream *r)
{
	static uint8_t bytes[20000], text[20000];
	static const uint8_t protocols[] = {1, 6, 6, 6, 17, 2};
	uint8_t protocol = protocols[random_below(r, sizeof(protocols))];
	size_t piece = 8 * (1 + random_below(r, random_below(r, 4) ? 185 : 1000)), len;
	unsigned pieces = 1 + (unsigned)random_below(r, 6);
	struct segment g = {.src_port = 5000, .dst_port = PORT, .flags = SYN, .window = 9, .text = text};
	struct addr dst = fuzz_addr(r);
	bool whole = random_below(r, 2);
	random_bytes(r, bytes, 64);
	bytes[0] = 8;
	len = piece * pieces - random_below(r, 8);
	if (len > sizeof(bytes) - 8000)
		len = sizeof(bytes) - 8000;
	g.text_len = len > 20 ? len - 20 : 0;
	if (random_below(r, 4)) { /* longer than any MSS, for a connection that is open */
		g.src_port = (uint16_t)(5000 + random_below(r, 3));
		g.flags = random_below(r, 4) ? ACK : ACK | FIN;
		g.seq = 1 + (uint32_t)random_below(r, random_below(r, 2) ? 3000 : 70000);
		g.ack = c->iss + 1;
	}
	if (whole) { /* what the last connection waits for, or close to it */
		protocol = 6;
		dst = wire_addr(1);
		g.src_port = c->port;
		g.flags = ACK;
		g.seq = c->ack + (uint32_t)(random_below(r, 2) ? 0 : random_below(r, 20000));
		g.ack = c->seq;
	}
	if (protocol == 6 && random_below(r, 8))
		frame_tcp_write(bytes, wire_addr(ENEMY), dst, &g);
	if (protocol == 1) {
		memset(bytes + 2, 0, 2);
		sum_put(bytes + 2, checksum_sum(bytes, len));
	}
	for (unsigned i = 0; i < (whole ? pieces : pieces * 2); i++) {
		uint64_t n = whole ? i : random_below(r, pieces);
		size_t from = n * piece, most = from < len ? len - from : 0;
		uint16_t fragment = (uint16_t)(from / 8 | (from + piece < len ? 0x2000 : 0));
		struct buf *b;
		if (!whole && random_below(r, 16) == 0)
			fragment = (uint16_t)(fragment ^ 1 << random_below(r, 16));
		b = frame_ip(1, wire_addr(ENEMY), dst, protocol, fragment, bytes + from,
			     whole || random_below(r, 8) ? most < piece ? most : piece : 0);
		packet_u16_put(b->data + 14 + IP4_AT_ID, (uint16_t)(whole || random_below(r, 8) ? c->w.frames : 0));
		frame_ip_sum(b->data + 14);
		scene_frame(c, b);
	}
	c->w.frames++;
}

/* A connection of the enemy's that is open: its segments, mutated. */
static struct buf *fuzz_segment(struct scene *c, struct random_stream *r)
{
	static uint8_t text[1460];
	static const uint8_t flags[] = {ACK, ACK | PSH, ACK | FIN, SYN, RST, SYN | ACK};
	struct segment g = {.src_port = (uint16_t)(5000 + random_below(r, 3)),
			    .dst_port = PORT,
			    .seq = 1 + (uint32_t)random_below(r, random_below(r, 2) ? 1 : 70000),
			    .ack = c->iss + 1 + (uint32_t)random_below(r, random_below(r, 2) ? 1 : 5000),
			    .flags = flags[random_below(r, sizeof(flags))],
			    .window = (uint16_t)random_u32(r),
			    .text = text,
			    .text_len = random_below(r, sizeof(text))};
	return frame_tcp(1, wire_addr(ENEMY), random_below(r, 4) ? wire_addr(1) : VIP, &g);
}

static void fuzz_one(struct scene *c, struct random_stream *r)
{
	uint8_t payload[1600];
	static const uint8_t protocols[] = {1, 1, 17, 17, 6, 2, 136};
	struct buf *b;
	switch (random_below(r, 4)) {
	case 0:
		fuzz_fragments(c, r);
		return;
	case 1:
		b = fuzz_segment(c, r);
		break;
	default:
		random_bytes(r, payload, sizeof(payload));
		payload[0] = (uint8_t)(random_below(r, 2) ? 8 : random_below(r, 20));
		b = frame_ip(1, random_below(r, 8) ? wire_addr(ENEMY) : fuzz_addr(r), fuzz_addr(r),
			     protocols[random_below(r, sizeof(protocols))], 0, payload,
			     random_below(r, random_below(r, 2) ? 40 : sizeof(payload)));
		break;
	}
	if (b->len >= 50)
		fuzz_mutate(b, r);
	if (random_below(r, 8)) {
		scene_frame(c, b);
		return;
	}
	buf_pull(b, 14); /* as what the balancer hands up */
	stack_input_ip(c->s, b, c->w.now);
	scene_collect(c);
}

static void fuzz_application(struct scene *c, struct random_stream *r)
{
	struct sock *k;
	unsigned ready;
	while (sock_accept(c->listener))
		continue;
	while ((k = sock_next_ready(c->s, &ready))) {
		if (k == c->listener)
			continue;
		if (ready & SOCK_ERROR || random_below(r, 30) == 0) {
			sock_close(k, c->w.now);
			continue;
		}
		sock_consume(k, random_below(r, sock_unread(k) + 1), c->w.now);
		sock_send(k, "some text", 9);
		sock_flush(k, c->w.now);
	}
	scene_collect(c);
}

/* BATON_FUZZ_STEPS: for longer runs by hand. */
START_TEST(fuzz)
{
	const char *more = getenv("BATON_FUZZ_STEPS");
	unsigned long steps = more ? strtoul(more, NULL, 10) : FUZZ_STEP;
	struct scene c;
	struct random_stream r;
	struct stack_holdings h;
	random_init(&r, (uint64_t)_i, "packets");
	scene_init(&c);
	for (unsigned long i = 0; i < steps; i++) {
		if (i % 50 == 0) { /* a real handshake */
			struct segment g = {.src_port = (uint16_t)(5000 + random_below(&r, 3)),
					    .dst_port = PORT,
					    .flags = SYN,
					    .window = 4000};
			scene_frame(&c, frame_tcp(1, wire_addr(ENEMY), wire_addr(1), &g));
			g.seq = 1;
			g.ack = c.iss + 1;
			g.flags = ACK;
			scene_frame(&c, frame_tcp(1, wire_addr(ENEMY), wire_addr(1), &g));
		}
		fuzz_one(&c, &r);
		fuzz_application(&c, &r);
		if (random_below(&r, 20) == 0)
			scene_pass(&c, random_below(&r, 3 * NSTIME_S));
		/* ten fragments, an out-of-order queue and unread bytes of a few connections, ARP's queues */
		if (buf_outstanding() - c.w.bufs > 20000 || stack_blocks_outstanding() - c.w.blocks > 20000)
			ck_abort_msg("too much is held after %lu packets", i);
	}
	ck_assert_uint_gt(c.icmp[0], 100);
	ck_assert_uint_gt(c.icmp[3], 50);
	ck_assert_uint_gt(c.icmp[11], 10);
	scene_pass(&c, 3600 * NSTIME_S);
	fuzz_application(&c, &r);
	stack_holdings(c.s, &h);
	ck_assert_uint_eq(h.frames + h.time_wait, 0);
	wire_fini(&c.w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("stack_packets");
	TCase *tc = tcase_create("packets");
	tcase_set_timeout(tc, getenv("BATON_FUZZ_STEPS") ? 0 : 60);
	tcase_add_test(tc, only_what_is_needed);
	tcase_add_test(tc, ttl_zero);
	tcase_add_test(tc, empty_fragment);
	tcase_add_test(tc, point_to_point);
	tcase_add_test(tc, proxies);
	tcase_add_loop_test(tc, fuzz, 0, FUZZ_RUNS);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
