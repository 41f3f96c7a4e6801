/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets from an enemy: whatever a peer sends, the stack goes on. Before each attack the library would have ended the
 * process, stalled, or mangled the stream. */
#include "base/err.h"
#include "base/random.h"
#include "tests/unit/stack_frames.h"

#define PORT  80
#define ENEMY 9 /* 10.0.0.9 or 2001:db8::9; answers nothing by itself */

static uint8_t family; /* over which everything below is done */

static struct addr host(unsigned number)
{
	return family == 6 ? wire_addr6(number) : wire_addr(number);
}

static uint32_t tcp_at(void)
{
	return family == 6 ? 54 : 34;
}

static uint32_t mss(void)
{
	return 1514 - tcp_at() - 20;
}

/* A packet of the enemy's, to the server. */
static struct buf *enemy_packet(uint8_t protocol, const void *payload, size_t len)
{
	return family == 6 ? frame_ip6(1, host(ENEMY), host(1), protocol, payload, len)
			   : frame_ip(1, host(ENEMY), host(1), protocol, 0, payload, len);
}

/* A server, and an enemy's connection to it. */
struct attack {
	struct wire w;
	struct stack *s;
	struct sock *listener, *k;
	uint16_t port;     /* the enemy's */
	uint32_t seq, ack; /* next from the enemy, next from the server as the enemy says */
	uint32_t base;     /* sequence number of the server's first byte */
	/* what the server sent since the last look */
	unsigned frames, resets;
	uint8_t text[65536];
	size_t text_len;
	bool fin;
	uint32_t fin_seq;
};

static void attack_collect(struct attack *a)
{
	struct buf *b;
	int netif;
	while ((b = stack_output(a->s, &netif))) {
		const uint8_t *tcp = b->data + tcp_at();
		uint32_t header, seq, at;
		size_t len;
		frame_verify(b);
		if (b->data[13] != 6 && b->data[family == 6 ? 20 : 23] == 6) {
			header = tcp_header_len(tcp);
			seq = packet_u32(tcp + TCP_AT_SEQ);
			len = b->len - tcp_at() - header;
			a->frames++;
			a->resets += !!(tcp[TCP_AT_FLAGS] & RST);
			if (tcp[TCP_AT_FLAGS] & SYN)
				a->base = a->ack = seq + 1;
			at = seq - a->base;
			if (at + len <= sizeof(a->text) && len) {
				memcpy(a->text + at, tcp + header, len);
				a->text_len = at + len > a->text_len ? at + len : a->text_len;
			}
			if (tcp[TCP_AT_FLAGS] & FIN) {
				a->fin = true;
				a->fin_seq = seq + (uint32_t)len;
			}
		}
		buf_free(b);
	}
}

static void attack_frame(struct attack *a, struct buf *b)
{
	stack_input(a->s, 0, b, a->w.now);
	attack_collect(a);
}

static void attack_send(struct attack *a, uint8_t flags, uint16_t window, const char *options, size_t options_len,
			const char *text)
{
	struct segment g = {.src_port = a->port,
			    .dst_port = PORT,
			    .seq = a->seq,
			    .ack = a->ack,
			    .flags = flags,
			    .window = window,
			    .options = options,
			    .options_len = options_len,
			    .text = text,
			    .text_len = strlen(text)};
	attack_frame(a, frame_tcp(1, host(ENEMY), host(1), &g));
	a->seq += (uint32_t)strlen(text) + !!(flags & (SYN | FIN));
}

static void attack_pass(struct attack *a, nstime duration)
{
	nstime until = a->w.now + duration;
	while (stack_expiry(a->s) <= until) {
		a->w.now = stack_expiry(a->s);
		stack_expire(a->s, a->w.now);
		attack_collect(a);
	}
	a->w.now = until;
}

static void attack_init(struct attack *a)
{
	*a = (struct attack){.port = 4000, .seq = 1000};
	wire_init(&a->w);
	a->s = wire_add(&a->w, "server", false);
	a->listener = sock_listen(a->s, (struct addr){0}, PORT, NULL);
	attack_frame(a, family == 6 ? frame_nd(135, ENEMY, host(ENEMY), host(1), host(1), 0)
				    : frame_arp(1, ENEMY, host(ENEMY), host(1), true));
}

/* The handshake with these windows in SYN and ACK. */
static void attack_connect(struct attack *a, uint16_t syn_window, uint16_t window)
{
	attack_init(a);
	attack_send(a, SYN, syn_window, "\2\4\5\264", 4, "");
	attack_send(a, ACK, window, NULL, 0, "");
	a->k = sock_accept(a->listener);
	ck_assert_ptr_nonnull(a->k);
	a->frames = 0;
}

static long attack_server_writes(struct attack *a, size_t len)
{
	static uint8_t bytes[65536];
	long took;
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = wire_byte(i);
	took = sock_send(a->k, bytes, len);
	sock_flush(a->k, a->w.now);
	attack_collect(a);
	return took;
}

static const uint64_t *dropped(struct attack *a)
{
	return stack_counters(a->s)->dropped;
}

START_TEST(mss_outside_syn)
{
	struct attack a;
	attack_connect(&a, 0x4000, 0x4000);
	ck_assert_int_gt(attack_server_writes(&a, 20000), 0); /* more than the congestion window: some stays unsent */
	attack_send(&a, ACK, 0x4000, "\2\4\0\144", 4, "");    /* MSS 100 */
	attack_send(&a, ACK, 0x4000, "\1\2\4\0\144\3\3\7", 8, ""); /* at an odd place, and a window scale */
	ck_assert_int_gt(attack_server_writes(&a, 20000), 0);
	ck_assert_uint_eq(stack_counters(a.s)->options_blanked, 2);
	/* the segment itself counts */
	attack_send(&a, ACK | PSH, 0x4000, "\2\4\0\144", 4, "counts");
	ck_assert_uint_eq(sock_unread(a.k), 6);
	wire_fini(&a.w);
}
END_TEST

/* A window scale in an ACK of a connection without must not change how windows are read. */
START_TEST(window_scale_outside_syn)
{
	struct attack a;
	attack_connect(&a, 1000, 1000);
	attack_send(&a, ACK, 10, "\1\3\3\16", 4, "");
	attack_send(&a, ACK, 10, NULL, 0, "");
	ck_assert_int_gt(attack_server_writes(&a, 5000), 0);
	ck_assert_uint_le(a.text_len, 1000);
	ck_assert_uint_eq(stack_counters(a.s)->options_blanked, 1);
	wire_fini(&a.w);
}
END_TEST

/* A second SYN with other options while the handshake is on. */
START_TEST(second_syn)
{
	struct attack a;
	attack_init(&a);
	attack_send(&a, SYN, 0x4000, "\2\4\5\264", 4, "");
	a.seq--;
	attack_send(&a, SYN, 0x4000, "\2\4\0\144\1\3\3\7", 8, "");
	ck_assert_uint_eq(stack_counters(a.s)->options_blanked, 1);
	a.seq--;
	attack_send(&a, SYN | ACK, 0x4000, NULL, 0, "text");
	attack_send(&a, SYN | FIN, 0x4000, NULL, 0, "");
	attack_send(&a, SYN | RST, 0x4000, NULL, 0, "");
	ck_assert_uint_eq(dropped(&a)[STACK_DROP_OPTION], 3);
	wire_fini(&a.w);
}
END_TEST

/* Nothing is written while no window was ever announced: segments made for a window unknown are larger than those made
 * for a small one, which the library takes for its own mistake. */
START_TEST(window_never_open)
{
	struct attack a;
	attack_connect(&a, 0, 0);
	ck_assert_int_eq(attack_server_writes(&a, 3000), 0);
	wire_ready(&a.w, a.k);
	attack_send(&a, ACK, 100, NULL, 0, "");
	ck_assert(wire_ready(&a.w, a.k) & SOCK_WRITABLE);
	ck_assert_int_gt(attack_server_writes(&a, 3000), 0);
	ck_assert_int_gt(attack_server_writes(&a, 3000), 0);
	attack_pass(&a, 30 * NSTIME_S);
	wire_fini(&a.w);
}
END_TEST

/* The probe's byte is acknowledged and the window stays shut: the persist timer has nothing left to send. */
START_TEST(probe_acknowledged)
{
	struct attack a;
	attack_connect(&a, 1000, 1000);
	attack_send(&a, ACK, 0, NULL, 0, "x");
	attack_send(&a, ACK, 0, NULL, 0, "x"); /* a newer sequence number, so that the window counts */
	ck_assert_int_eq(attack_server_writes(&a, 1), 1);
	ck_assert_uint_eq(a.text_len, 0);
	attack_pass(&a, 5 * NSTIME_S);
	ck_assert_uint_eq(a.text_len, 1); /* a probe came */
	a.ack++;
	attack_send(&a, ACK, 0, NULL, 0, "");
	attack_pass(&a, 60 * NSTIME_S);
	wire_fini(&a.w);
}
END_TEST

/* A window smaller than the last segment, which carries the FIN: it is split, and the FIN stays at the end. */
START_TEST(split_keeps_fin_last)
{
	struct attack a;
	attack_connect(&a, 4000, 4000);
	attack_send(&a, ACK, 10, NULL, 0, "x");
	attack_send(&a, ACK, 10, NULL, 0, "x"); /* a newer sequence number, so that the window counts */
	ck_assert_int_eq(attack_server_writes(&a, 35), 35);
	ck_assert_int_eq(sock_shutdown_write(a.k, a.w.now), 0);
	attack_collect(&a);
	for (unsigned i = 0; i < 40 && !a.fin; i++) {
		attack_pass(&a, 5 * NSTIME_S);
		a.ack = a.base + (uint32_t)a.text_len;
		attack_send(&a, ACK, 10, NULL, 0, "");
	}
	ck_assert(a.fin);
	ck_assert_uint_eq(a.text_len, 35);
	for (size_t i = 0; i < 35; i++)
		ck_assert_uint_eq(a.text[i], wire_byte(i));
	ck_assert_uint_eq(a.fin_seq, a.base + 35);
	wire_fini(&a.w);
}
END_TEST

/* The same when part of the segment is acknowledged already: what is sent again reaches to the window's end. */
START_TEST(split_of_acknowledged)
{
	struct attack a;
	attack_connect(&a, 1000, 1000);
	ck_assert_int_eq(attack_server_writes(&a, 300), 300);
	ck_assert_uint_eq(a.text_len, 300);
	a.ack += 100;
	attack_send(&a, ACK, 10, NULL, 0, "x");
	a.text_len = 0;
	attack_pass(&a, 60 * NSTIME_S);
	ck_assert_uint_eq(a.text_len, 110);
	a.ack += 10;
	attack_send(&a, ACK, 1000, NULL, 0, "");
	attack_pass(&a, 60 * NSTIME_S);
	ck_assert_uint_eq(a.text_len, 300);
	for (size_t i = 0; i < 300; i++)
		ck_assert_uint_eq(a.text[i], wire_byte(i));
	wire_fini(&a.w);
}
END_TEST

START_TEST(malformed_options)
{
	static const struct {
		const char *bytes;
		size_t len;
	} bad[] = {
		{"\10\0\0\0", 4},  /* length 0 */
		{"\10\1\0\0", 4},  /* length 1 */
		{"\1\1\1\10", 4},  /* no length */
		{"\10\12\0\0", 4}, /* longer than the header */
		{"\2\3\0\0", 4},   /* an MSS of three bytes */
		{"\3\4\0\0", 4},   /* a window scale of four */
		{"\1\1\1\2", 4},   /* cut short */
		{"\5\377\0\0\0\0\0\0", 8},
	};
	struct attack a;
	attack_connect(&a, 1000, 1000);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		attack_send(&a, ACK | PSH, 1000, bad[i].bytes, bad[i].len, "x");
		a.seq--;
		ck_assert_uint_eq(dropped(&a)[STACK_DROP_OPTION], i + 1);
	}
	ck_assert_uint_eq(sock_unread(a.k), 0);
	attack_send(&a, ACK | PSH, 1000, "\0\10\0\0", 4, "x"); /* nothing counts behind the end of the list */
	ck_assert_uint_eq(sock_unread(a.k), 1);
	wire_fini(&a.w);
}
END_TEST

START_TEST(bad_offset)
{
	struct attack a;
	struct segment g = {.src_port = 4000, .dst_port = PORT, .flags = ACK};
	const struct addr enemy = host(ENEMY), us = host(1);
	uint8_t tcp[64];
	attack_connect(&a, 1000, 1000);
	for (unsigned offset = 0; offset < 16; offset++) {
		size_t len = frame_tcp_write(tcp, host(ENEMY), host(1), &g);
		uint16_t sum;
		tcp[12] = (uint8_t)(offset << 4);
		memset(tcp + 16, 0, 2);
		sum = (uint16_t)~frame_sum(&enemy, &us, 6, tcp, len);
		memcpy(tcp + 16, &sum, 2);
		attack_frame(&a, enemy_packet(6, tcp, len));
	}
	for (size_t len = 0; len < 20; len++)
		attack_frame(&a, enemy_packet(6, tcp, len));
	ck_assert_uint_eq(dropped(&a)[STACK_DROP_OPTION], 15 + 20);
	wire_fini(&a.w);
}
END_TEST

/* A fragment of what the enemy sends, at a multiple of 8. */
static struct buf *enemy_fragment(uint8_t protocol, unsigned offset, bool more, const void *bytes, size_t len)
{
	uint8_t with[1500] = {protocol, 0, (uint8_t)(offset >> 8), (uint8_t)(offset | more)};
	if (family == 4)
		return frame_ip(1, host(ENEMY), host(1), protocol, (uint16_t)(offset / 8 | (more ? 0x2000 : 0)), bytes,
				len);
	memcpy(with + 8, bytes, len);
	return frame_ip6(1, host(ENEMY), host(1), 44, with, 8 + len);
}

/* The trap in fragments: the defence sees the segment put together. */
START_TEST(fragmented_options)
{
	struct attack a;
	struct segment g = {.src_port = 4000, .dst_port = PORT, .flags = ACK | PSH, .window = 0x4000};
	uint8_t tcp[64];
	size_t len;
	attack_connect(&a, 0x4000, 0x4000);
	ck_assert_int_gt(attack_server_writes(&a, 20000), 0);
	g.seq = a.seq;
	g.ack = a.ack;
	g.options = "\2\4\0\144";
	g.options_len = 4;
	g.text = "fragmented";
	g.text_len = 10;
	len = frame_tcp_write(tcp, host(ENEMY), host(1), &g);
	attack_frame(&a, enemy_fragment(6, 0, true, tcp, 8));
	attack_frame(&a, enemy_fragment(6, 8, true, tcp + 8, 8));
	attack_frame(&a, enemy_fragment(6, 16, false, tcp + 16, len - 16));
	ck_assert_uint_eq(sock_unread(a.k), 10);
	ck_assert_uint_eq(stack_counters(a.s)->options_blanked, 1);
	ck_assert_int_gt(attack_server_writes(&a, 20000), 0);
	wire_fini(&a.w);
}
END_TEST

/* A byte here and a byte there, never the first: the queue of what is out of order stays bounded. */
START_TEST(out_of_order_flood)
{
	struct attack a;
	uint64_t before;
	attack_connect(&a, 1000, 1000);
	before = buf_outstanding();
	a.seq += 2;
	for (unsigned i = 0; i < 5000; i++, a.seq++)
		attack_send(&a, ACK, 1000, NULL, 0, "x");
	ck_assert_uint_le(buf_outstanding() - before, 256);
	wire_fini(&a.w);
}
END_TEST

/* Byte by byte in order costs bytes, not buffers. */
START_TEST(tiny_segments)
{
	struct attack a;
	uint64_t before;
	attack_connect(&a, 1000, 1000);
	before = buf_outstanding();
	for (unsigned i = 0; i < 20000; i++)
		attack_send(&a, ACK, 1000, NULL, 0, i % 2 ? "xy" : "z");
	ck_assert_uint_eq(sock_unread(a.k), 30000);
	ck_assert_uint_eq(buf_outstanding(), before);
	wire_fini(&a.w);
}
END_TEST

START_TEST(tiny_mss)
{
	struct attack a;
	attack_init(&a);
	attack_send(&a, SYN, 0x7000, "\2\4\0\1", 4, "");
	attack_send(&a, ACK, 0x7000, NULL, 0, "");
	a.k = sock_accept(a.listener);
	a.frames = 0;
	ck_assert_int_gt(attack_server_writes(&a, 65535), 0);
	ck_assert_uint_eq(a.text_len, 4 * 64); /* four segments, not four bytes */
	attack_pass(&a, 60 * NSTIME_S);
	wire_fini(&a.w);
}
END_TEST

/* `len` bytes of text at an offset in the stream, which only moves on by what is in order. */
static void attack_text(struct attack *a, uint32_t offset, size_t len, uint8_t flags)
{
	static char text[1401];
	uint32_t seq = a->seq;
	memset(text, 'x', len);
	text[len] = '\0';
	a->seq += offset;
	attack_send(a, ACK | flags, 1000, NULL, 0, text);
	a->seq = offset ? seq : seq + (uint32_t)len;
}

/* Fills the window of 65,535 up to `left` bytes before its end. */
static void attack_fill(struct attack *a, uint32_t left)
{
	for (uint32_t room = 65535 - left; room;) {
		uint32_t len = room < 1400 ? room : 1400;
		attack_text(a, 0, len, 0);
		room -= len;
	}
}

/* The first segment out of order reaches past the window; it is believed when the rest comes. */
START_TEST(overrun_out_of_order)
{
	struct attack a;
	attack_connect(&a, 1000, 1000);
	attack_text(&a, 65535 - 10, 100, _i ? FIN : 0);
	attack_fill(&a, 10);
	ck_assert_uint_eq(sock_unread(a.k), 65535);
	ck_assert(!sock_peer_closed(a.k));
	ck_assert_uint_eq(stack_counters(a.s)->segments_cut, 1);
	wire_fini(&a.w);
}
END_TEST

/* Text that ends with the window goes over a FIN in the middle of it: the FIN would move behind the window. */
START_TEST(text_over_fin)
{
	struct attack a;
	attack_connect(&a, 1000, 1000);
	attack_text(&a, 65535 - 500, 10, FIN);
	if (_i)
		attack_text(&a, 65535 - 600, 600, 0); /* out of order, and believed later */
	attack_fill(&a, 600);
	attack_text(&a, 0, 600, 0);
	ck_assert(sock_peer_closed(a.k));
	ck_assert_uint_eq(sock_unread(a.k), 65535 - 490);
	wire_fini(&a.w);
}
END_TEST

/* Numbers out of the blue, with a window of 1: what the real peer says afterwards still counts. */
START_TEST(unrelated_numbers)
{
	static const struct {
		uint32_t seq, ack;
	} wild[] = {{0x40000000, 0}, {200000, 0}, {0, 0x40000000}, {0, 5000}, {0, 0xc0000000}, {0, 0xfff00000}};
	struct attack a;
	attack_connect(&a, 2000, 2000);
	for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
		a.seq += wild[i].seq;
		a.ack += wild[i].ack;
		a.frames = 0;
		attack_send(&a, ACK, 1, NULL, 0, "");
		ck_assert_uint_eq(a.frames, 1); /* an acknowledgement */
		a.seq -= wild[i].seq;
		a.ack -= wild[i].ack;
		ck_assert_uint_eq(dropped(&a)[STACK_DROP_SEQUENCE], i + 1);
	}
	ck_assert_int_eq(attack_server_writes(&a, 1000), 1000);
	ck_assert_uint_eq(a.text_len, 1000);
	ck_assert_uint_eq(a.resets, 0);
	wire_fini(&a.w);
}
END_TEST

/* A segment sent again that the window now holds back is in nobody's way: not in that of new text, of the FIN, or of a
 * time-out. */
START_TEST(retransmission_held_back)
{
	struct attack a;
	attack_connect(&a, 10000, 10000);
	ck_assert_int_eq(attack_server_writes(&a, 3 * mss()), 3 * mss());
	ck_assert_uint_eq(a.text_len, 3 * mss());
	attack_send(&a, ACK, 10, NULL, 0, "x");
	attack_send(&a, ACK, 10, NULL, 0, "x");
	for (unsigned i = 0; i < 5; i++)
		attack_send(&a, ACK, 10, NULL, 0, ""); /* the first was lost */
	if (_i == 0)
		ck_assert_int_gt(sock_send(a.k, "new", 3), 0);
	sock_shutdown_write(a.k, a.w.now);
	attack_pass(&a, 10 * NSTIME_S);
	attack_send(&a, ACK, 10000, NULL, 0, "");
	attack_pass(&a, 30 * NSTIME_S);
	a.ack += 3 * mss();
	attack_send(&a, ACK, 10000, NULL, 0, "");
	attack_pass(&a, 30 * NSTIME_S);
	ck_assert(a.fin);
	ck_assert_uint_eq(a.fin_seq, a.base + 3 * mss() + (_i ? 0 : 3));
	for (size_t i = 0; i < 3 * mss(); i++)
		if (a.text[i] != wire_byte(i))
			ck_abort_msg("byte %zu is wrong", i);
	ck_assert(_i || !memcmp(a.text + 3 * mss(), "new", 3));
	wire_fini(&a.w);
}
END_TEST

/* Our own address as the source would make the stack answer itself by way of a thread that is not there. */
START_TEST(spoofed_source)
{
	struct attack a;
	struct segment g = {.src_port = 1, .dst_port = PORT, .flags = SYN, .window = 100};
	attack_connect(&a, 1000, 1000);
	attack_frame(&a, frame_tcp(1, host(1), host(1), &g));
	ck_assert_uint_eq(dropped(&a)[STACK_DROP_HEADER], 1);
	wire_fini(&a.w);
}
END_TEST

/* A server that closed first holds TIME_WAIT. The same client may open the same tuple again by a SYN beyond what was
 * received (RFC 1122 4.2.2.13); an old SYN is only answered. */
START_TEST(time_wait_reuse)
{
	struct attack a;
	attack_connect(&a, 1000, 1000);
	sock_close(a.k, a.w.now);
	attack_collect(&a);
	ck_assert(a.fin);
	a.ack++;
	attack_send(&a, ACK | FIN, 1000, NULL, 0, "");
	ck_assert_uint_eq(wire_holdings(&a.w, 0).time_wait, 1);
	a.seq -= 500;
	attack_send(&a, SYN, 1000, NULL, 0, "");
	ck_assert_uint_eq(wire_holdings(&a.w, 0).time_wait, 1);
	ck_assert_uint_eq(stack_counters(a.s)->time_wait_recycled, 0);
	a.seq += 1000;
	a.resets = 0;
	attack_pass(&a, 10 * NSTIME_S);
	attack_send(&a, SYN, 1000, NULL, 0, "");
	attack_send(&a, ACK, 1000, NULL, 0, "");
	ck_assert_ptr_nonnull(sock_accept(a.listener));
	ck_assert_uint_eq(a.resets, 0);
	ck_assert_uint_eq(wire_holdings(&a.w, 0).time_wait, 0);
	ck_assert_uint_eq(stack_counters(a.s)->time_wait_recycled, 1);
	wire_fini(&a.w);
}
END_TEST

/* ---- at random ---- */

static uint8_t fuzz_flags(struct random_stream *r)
{
	static const uint8_t flags[] = {ACK, ACK, ACK, ACK | PSH, ACK | FIN, SYN, SYN | ACK, RST, RST | ACK, FIN, 0};
	return random_below(r, 20) ? flags[random_below(r, sizeof(flags))] : (uint8_t)random_u32(r);
}

/* A segment near the truth, or not. */
static struct buf *fuzz_segment(struct attack *a, struct random_stream *r)
{
	static uint8_t text[1400], options[40];
	struct segment g = {.src_port = (uint16_t)(4000 + random_below(r, 4)),
			    .dst_port = PORT,
			    .seq = a->seq + (uint32_t)random_below(r, 3000) - 100,
			    .ack = a->ack + (uint32_t)random_below(r, 3000) - 100,
			    .flags = fuzz_flags(r),
			    .window = (uint16_t)(random_below(r, 3) ? random_u32(r) : random_below(r, 20)),
			    .text = text};
	if (random_below(r, 3) == 0)
		g.seq = a->seq;
	if (random_below(r, 3) == 0)
		g.ack = a->base + (uint32_t)a->text_len;
	if (random_below(r, 2))
		g.text_len = random_below(r, random_below(r, 2) ? 8 : sizeof(text));
	if (random_below(r, 2)) {
		g.options_len = 4 * random_below(r, 11);
		g.options = options;
		random_bytes(r, options, sizeof(options));
		for (size_t i = 0; i + 4 <= g.options_len && random_below(r, 4); i += 4)
			memcpy(options + i, random_below(r, 2) ? "\2\4\0\144" : "\1\3\3\10", 4);
	}
	return frame_tcp(1, host(ENEMY), host(1), &g);
}

/* Lengths that fit again, and sums. */
static void fuzz_mend(struct buf *b, struct random_stream *r)
{
	uint8_t *ip = b->data + 14;
	ip[0] = (uint8_t)(16U * (family == 6 ? 6 : 4) + (random_below(r, 4) ? 5 : random_below(r, 16)));
	if (random_below(r, 2))
		packet_u16_put(ip + (family == 6 ? IP6_AT_LENGTH : IP4_AT_LENGTH),
			       (uint16_t)(b->len - (family == 6 ? 54 : 14)));
	if (family == 4 && ip4_header_len(ip) <= b->len - 14)
		frame_ip_sum(ip);
}

static void fuzz_damage(struct buf *b, struct random_stream *r)
{
	for (uint64_t i = random_below(r, 4); i; i--)
		b->data[random_below(r, b->len)] = (uint8_t)random_u32(r);
	if (random_below(r, 4) == 0)
		b->len = (uint32_t)random_below(r, b->len) + 1;
	memcpy(b->data, wire_mac(1).bytes, 6);
	if (b->len >= tcp_at() && random_below(r, 2))
		fuzz_mend(b, r);
}

/* A chain of IPv6 extension headers, some of them sound, before a segment or none. */
static struct buf *fuzz_extensions(struct attack *a, struct random_stream *r)
{
	static const uint8_t kinds[] = {0, 60, 60, 43, 44, 58, 6, 59};
	struct buf *segment = fuzz_segment(a, r), *b;
	uint8_t bytes[1600], next = kinds[random_below(r, sizeof(kinds))];
	size_t len = 0;
	for (uint64_t i = random_below(r, 12); i; i--, len += 8) {
		random_bytes(r, bytes + len, 8);
		bytes[len] = i == 1 ? 6 : kinds[random_below(r, sizeof(kinds))];
		bytes[len + 1] = random_below(r, 4) ? 0 : (uint8_t)random_below(r, 4);
		if (random_below(r, 4))
			memcpy(bytes + len + 2, "\1\4\0\0\0\0", 6);
	}
	if (len && random_below(r, 2))
		next = 60;
	memcpy(bytes + len, segment->data + tcp_at(), segment->len - tcp_at());
	len += segment->len - tcp_at();
	buf_free(segment);
	b = frame_ip6(1, host(ENEMY), host(1), len ? next : 6, bytes, len > 1460 ? 1460 : len);
	return b;
}

/* An IPv6 fragment of nothing much, or of a segment that others may complete. */
static struct buf *fuzz_fragment(struct attack *a, struct random_stream *r)
{
	static const uint8_t protocols[] = {6, 6, 6, 17, 58, 44, 60};
	unsigned offset = 8 * (unsigned)random_below(r, 6);
	uint8_t junk[64];
	struct buf *segment, *b;
	size_t len;
	if (random_below(r, 2)) {
		random_bytes(r, junk, sizeof(junk));
		return enemy_fragment(protocols[random_below(r, sizeof(protocols))],
				      random_below(r, 8) ? offset : (unsigned)random_below(r, 65536) & ~7U,
				      random_below(r, 3), junk,
				      8 * random_below(r, 6) + (random_below(r, 3) ? 0 : random_below(r, 8)));
	}
	segment = fuzz_segment(a, r);
	len = segment->len - tcp_at();
	if (offset > len)
		offset = 0;
	len = len - offset > 1440 ? 1440 : len - offset;
	b = enemy_fragment(6, offset, random_below(r, 3), segment->data + tcp_at() + offset, len);
	buf_free(segment);
	return b;
}

/* Requests and replies of neighbours about themselves, us and others. */
static struct buf *fuzz_neighbour(struct random_stream *r)
{
	unsigned who = (unsigned)random_below(r, 200), whom = (unsigned)random_below(r, 3);
	struct buf *b;
	if (family == 4)
		return frame_arp((unsigned)random_below(r, 4), ENEMY, host(who), host(whom), random_below(r, 2));
	b = frame_nd((uint8_t)(133 + random_below(r, 5)), ENEMY, host(who), random_below(r, 4) ? host(1) : host(whom),
		     host(random_below(r, 2) ? whom : who), (uint8_t)random_u32(r));
	if (random_below(r, 4) == 0)
		b->data[14 + IP6_AT_HOPS] = 64;
	return b;
}

static struct buf *fuzz_frame(struct attack *a, struct random_stream *r)
{
	uint8_t junk[1480];
	struct buf *b;
	switch (random_below(r, 8)) {
	case 0:
		random_bytes(r, junk, sizeof(junk));
		if (family == 6)
			return frame_ip6(1, host(ENEMY), host(1), (uint8_t)random_below(r, 64), junk,
					 random_below(r, 1460));
		return frame_ip(1, host(ENEMY), host(1), (uint8_t)random_below(r, 20),
				(uint16_t)(random_below(r, 2) ? random_u32(r) : 0), junk,
				random_below(r, sizeof(junk)));
	case 1:
		if (family == 6)
			return random_below(r, 2) ? fuzz_extensions(a, r) : fuzz_fragment(a, r);
		random_bytes(r, junk, sizeof(junk)); /* fragments that may belong together */
		return frame_ip(1, host(ENEMY), host(1), 6,
				(uint16_t)(random_below(r, 8) | (random_below(r, 3) ? 0x2000 : 0)), junk,
				8 * random_below(r, 6) + (random_below(r, 3) ? 0 : random_below(r, 8)));
	case 2:
		b = fuzz_neighbour(r);
		if (random_below(r, 2))
			fuzz_damage(b, r);
		return b;
	case 3:
		b = fuzz_segment(a, r);
		fuzz_damage(b, r);
		return b;
	default:
		return fuzz_segment(a, r);
	}
}

/* What the application does meanwhile: accepts, reads, writes, closes. */
static void fuzz_application(struct attack *a, struct random_stream *r)
{
	struct sock *k;
	unsigned ready;
	while ((k = sock_accept(a->listener)))
		sock_set_user(k, a);
	while ((k = sock_next_ready(a->s, &ready))) {
		if (k == a->listener)
			continue;
		if (ready & SOCK_ERROR || random_below(r, 200) == 0) {
			sock_close(k, a->w.now);
			continue;
		}
		if (random_below(r, 2))
			sock_consume(k, random_below(r, sock_unread(k) + 1), a->w.now);
		sock_send(k, a->text, random_below(r, 3000));
		sock_flush(k, a->w.now);
		if (random_below(r, 50) == 0)
			sock_shutdown_write(k, a->w.now);
	}
}

/* The enemy keeps up a real connection on one of its ports while it sends the rest. */
START_TEST(fuzz)
{
	struct attack a;
	struct random_stream r;
	random_init(&r, (uint64_t)_i, "fuzz");
	attack_init(&a);
	for (unsigned i = 0; i < 12500; i++) {
		if (i % 100 == 0) {
			a.port = (uint16_t)(4000 + random_below(&r, 4));
			a.text_len = 0;
			a.seq += 100000;
			attack_send(&a, SYN, (uint16_t)random_u32(&r), "\2\4\5\264\1\3\3\7", 8, "");
			attack_send(&a, ACK, (uint16_t)random_u32(&r), NULL, 0, "");
		}
		attack_frame(&a, fuzz_frame(&a, &r));
		fuzz_application(&a, &r);
		attack_collect(&a);
		if (random_below(&r, 20) == 0)
			attack_pass(&a, random_below(&r, 3 * NSTIME_S));
	}
	ck_assert_uint_gt(stack_counters(a.s)->options_blanked, 50);
	ck_assert_uint_gt(dropped(&a)[STACK_DROP_OPTION], 50);
	wire_fini(&a.w);
}
END_TEST

static void over_ip4(void)
{
	family = 4;
}

static void over_ip6(void)
{
	family = 6;
}

static TCase *enemy_case(const char *name, void (*setup)(void))
{
	TCase *tc = tcase_create(name);
	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, mss_outside_syn);
	tcase_add_test(tc, window_scale_outside_syn);
	tcase_add_test(tc, second_syn);
	tcase_add_test(tc, window_never_open);
	tcase_add_test(tc, probe_acknowledged);
	tcase_add_test(tc, split_keeps_fin_last);
	tcase_add_test(tc, split_of_acknowledged);
	tcase_add_test(tc, malformed_options);
	tcase_add_test(tc, bad_offset);
	tcase_add_test(tc, fragmented_options);
	tcase_add_test(tc, out_of_order_flood);
	tcase_add_test(tc, tiny_segments);
	tcase_add_test(tc, tiny_mss);
	tcase_add_loop_test(tc, overrun_out_of_order, 0, 2);
	tcase_add_loop_test(tc, text_over_fin, 0, 2);
	tcase_add_test(tc, unrelated_numbers);
	tcase_add_loop_test(tc, retransmission_held_back, 0, 2);
	tcase_add_test(tc, spoofed_source);
	tcase_add_test(tc, time_wait_reuse);
	return tc;
}

int main(void)
{
	Suite *suite = suite_create("stack_enemy");
	TCase *ip4 = enemy_case("over IPv4", over_ip4), *ip6 = enemy_case("over IPv6", over_ip6);
	tcase_add_loop_test(ip4, fuzz, 0, 4);
	tcase_add_loop_test(ip6, fuzz, 0, 2);
	suite_add_tcase(suite, ip4);
	suite_add_tcase(suite, ip6);
	return unit_run(suite);
}
