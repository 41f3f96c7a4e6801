/* SPDX-License-Identifier: BSD-3-Clause */
/* The replayer's parts that know no network: rewriting of TCP headers, segments made into packets, streams put together
 * from captured segments. */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/random.h"
#include "base/ring.h"
#include "base/vec.h"
#include "lb/packet.h"
#include "sim/replay_segment.h"
#include "sim/replay_stream.h"
#include "tests/lib/unit.h"

#include <string.h>

#define ROUNDS 3000U

static struct random_stream rng;

static void setup(void)
{
	random_init(&rng, 1, "test_replay");
}

static uint32_t draw(uint32_t below)
{
	return (uint32_t)random_below(&rng, below);
}

/* A number that is often near where 32 bits wrap. */
static uint32_t draw_seq(void)
{
	return draw(2) ? (uint32_t)random_u64(&rng) : 0U - draw(5000) + draw(5000);
}

/* Random flags and a list of options: known ones, unknown ones, malformed ones. */
static size_t header_draw(uint8_t *tcp)
{
	size_t len = 20 + 4 * draw(11), at = 20;

	random_bytes(&rng, tcp, 60);
	store_be32(tcp + 4, draw_seq());
	store_be32(tcp + 8, draw_seq());
	tcp[12] = (uint8_t)(len / 4 << 4);
	while (at < len) {
		static const uint8_t kinds[] = {0, 1, 1, 2, 3, 4, 5, 5, 8, 8, 254};
		uint8_t kind = kinds[draw(sizeof(kinds))];

		tcp[at] = kind;
		if (kind < 2) {
			at++;
			continue;
		}
		if (at + 1 < len)
			tcp[at + 1] = draw(8) ? kind == 8   ? 10
						: kind == 5 ? (uint8_t)(2 + 8 * (1 + draw(3)))
							    : 4
					      : (uint8_t)draw(45);
		at += at + 1 < len && tcp[at + 1] ? tcp[at + 1] : 1;
	}
	return len;
}

START_TEST(rewriting_is_undone_by_the_negated_numbers)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		uint8_t tcp[60], was[60];
		size_t len = header_draw(tcp);
		uint8_t shift = (uint8_t)draw(15);
		struct replay_rewrite to = {.source = (uint16_t)draw(65536),
					    .destination = (uint16_t)draw(65536),
					    .seq_add = draw_seq(),
					    .ack_add = draw_seq(),
					    .shift_captured = shift,
					    .shift_live = shift};
		struct replay_rewrite back = to;

		memcpy(was, tcp, sizeof(tcp));
		back.source = load_be16(tcp);
		back.destination = load_be16(tcp + 2);
		back.seq_add = 0U - to.seq_add;
		back.ack_add = 0U - to.ack_add;
		replay_rewrite(&to, tcp, len);
		ck_assert_uint_eq(load_be32(tcp + 4), load_be32(was + 4) + to.seq_add);
		if (was[13] & TCP_ACK)
			ck_assert_uint_eq(load_be32(tcp + 8), load_be32(was + 8) + to.ack_add);
		else
			ck_assert_uint_eq(load_be32(tcp + 8), load_be32(was + 8));
		ck_assert_mem_eq(tcp + 12, was + 12, 8);
		replay_rewrite(&back, tcp, len);
		ck_assert_mem_eq(tcp, was, sizeof(tcp));
	}
}
END_TEST

START_TEST(what_the_live_peer_did_not_agree_to_becomes_nothing)
{
	uint8_t tcp[52] = {[12] = 13 << 4, [13] = TCP_ACK};
	static const uint8_t options[] = {1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8,  1, 1, 5, 18,
					  0, 0, 0, 1,  0, 0, 0, 9, 0, 0, 0, 20, 0, 0, 0, 30};
	struct replay_rewrite m = {.ack_add = 100, .echo_set = true, .echo = 0x0a0b0c0d};
	const uint8_t *o;

	memcpy(tcp + 20, options, sizeof(options));
	replay_rewrite(&m, tcp, sizeof(tcp));
	ck_assert_uint_eq(load_be32(tcp + 24), 0x01020304);
	ck_assert_uint_eq(load_be32(tcp + 28), 0x0a0b0c0d);
	o = replay_option_find(tcp + 20, 32, TCP_OPTION_SACK, 10);
	ck_assert_ptr_nonnull(o);
	ck_assert_uint_eq(load_be32(o + 2), 101);
	ck_assert_uint_eq(load_be32(o + 14), 130);
	m.sack_drop = m.timestamps_drop = true;
	replay_rewrite(&m, tcp, sizeof(tcp));
	for (size_t i = 20; i < sizeof(tcp); i++)
		ck_assert_uint_eq(tcp[i], 1);
}
END_TEST

START_TEST(windows_say_what_they_said_under_another_scale)
{
	uint8_t tcp[20] = {[12] = 5 << 4, [13] = TCP_ACK, [14] = 0x01, [15] = 0x00};
	struct replay_rewrite m = {.shift_captured = 7, .shift_live = 0};

	replay_rewrite(&m, tcp, sizeof(tcp));
	ck_assert_uint_eq(load_be16(tcp + 14), 0x8000);
	m = (struct replay_rewrite){.shift_captured = 0, .shift_live = 7};
	replay_rewrite(&m, tcp, sizeof(tcp));
	ck_assert_uint_eq(load_be16(tcp + 14), 0x100);
	tcp[13] = TCP_SYN; /* never scaled */
	replay_rewrite(&m, tcp, sizeof(tcp));
	ck_assert_uint_eq(load_be16(tcp + 14), 0x100);
	ck_assert_uint_eq(replay_window_field(UINT32_MAX, 7), UINT16_MAX);
	ck_assert_uint_eq(replay_window_field(3, 7), 1);
	ck_assert_uint_eq(replay_window_field(0, 7), 0);
}
END_TEST

/* A captured packet of IPv4 with a payload of `len` bytes, its checksum right. */
static void captured_make(uint8_t *ip, uint32_t len, uint8_t flags, uint32_t seq)
{
	uint16_t sum;
	uint8_t pseudo[12] = {0};

	random_bytes(&rng, ip, 40 + len);
	ip[0] = 0x45;
	store_be16(ip + 2, (uint16_t)(40 + len));
	store_be16(ip + 6, 0x4000);
	ip[9] = 6;
	ip[32] = 5 << 4;
	ip[33] = flags;
	store_be32(ip + 24, seq);
	memset(ip + 36, 0, 2);
	memcpy(pseudo, ip + 12, 8);
	pseudo[9] = 6;
	store_be16(pseudo + 10, (uint16_t)(20 + len));
	sum = (uint16_t)~checksum_add(checksum_sum(pseudo, 12), checksum_sum(ip + 20, 20 + len));
	memcpy(ip + 36, &sum, 2);
}

static struct capture_packet packet_of(const uint8_t *ip, uint32_t len)
{
	return (struct capture_packet){
		.ether_type = 0x800, .ip = ip, .ip_captured = len, .ip_available = len, .frame_len = len};
}

START_TEST(checksums_tell_what_a_network_card_was_to_do)
{
	uint8_t ip[2000];
	struct dissection d;
	struct capture_packet p;
	uint16_t error, sum = 0;

	captured_make(ip, 100, TCP_ACK, 1);
	p = packet_of(ip, 140);
	dissect(&d, &p);
	ck_assert_int_eq(replay_checksum_judge(&d, &error), REPLAY_CHECKSUM_GOOD);
	ck_assert_uint_eq(error, 0);
	ip[50] ^= 1;
	ck_assert_int_eq(replay_checksum_judge(&d, &error), REPLAY_CHECKSUM_WRONG);
	ck_assert_uint_ne(error, 0);
	memcpy(ip + 36, &sum, 2);
	ck_assert_int_eq(replay_checksum_judge(&d, &error), REPLAY_CHECKSUM_UNSET);
	uint8_t pseudo[12] = {0};

	memcpy(pseudo, ip + 12, 8);
	pseudo[9] = 6;
	store_be16(pseudo + 10, 120);
	sum = checksum_sum(pseudo, 12);
	memcpy(ip + 36, &sum, 2);
	ck_assert_int_eq(replay_checksum_judge(&d, &error), REPLAY_CHECKSUM_UNSET);
	p.ip_captured = 100; /* snapped: it cannot be told */
	dissect(&d, &p);
	ck_assert_int_eq(replay_checksum_judge(&d, &error), REPLAY_CHECKSUM_GOOD);
}
END_TEST

/* Takes the queue's packets to pieces again: their bytes are the captured ones, one behind the other. */
static void pieces_check(struct buf_queue *q, const uint8_t *payload, uint32_t len, uint8_t family, uint32_t seq,
			 uint8_t flags, bool good)
{
	struct addr from = {.family = family, .bytes = {1, 2, 3, 4}}, to = {.family = family, .bytes = {5, 6, 7, 8}};
	const struct replay_rewrite m = {.source = 1111, .destination = 2222, .seq_add = 7};
	uint32_t done = 0;
	struct buf *b;

	while ((b = buf_queue_get(q))) {
		struct packet v;

		replay_segment_finish(b, &m, &from, &to);
		ck_assert_uint_le(b->len, 1500);
		ck_assert_int_eq(packet_parse(&v, b), PACKET_TCP);
		ck_assert(packet_tcp_checksum_ok(&v, b) == good);
		ck_assert(addr_equal(&v.tuple.remote, &from) && addr_equal(&v.tuple.local, &to));
		ck_assert_uint_eq(v.tuple.remote_port, 1111);
		ck_assert_uint_eq(v.seq, seq + 7 + done);
		ck_assert_uint_le(v.payload_len, len - done);
		ck_assert_mem_eq(b->data + v.payload_offset, payload + done, v.payload_len);
		done += v.payload_len;
		ck_assert_uint_eq(v.flags, done == len ? flags : flags & ~(TCP_FIN | TCP_PSH));
		buf_free(b);
	}
	ck_assert_uint_eq(done, len);
}

START_TEST(segments_become_packets_that_the_network_carries)
{
	static uint8_t ip[66000];

	for (unsigned round = 0; round < 200; round++) {
		uint32_t len = draw(2) ? draw(1461) : draw(60000), seq = draw_seq();
		uint8_t flags = TCP_ACK | TCP_PSH | (draw(2) ? TCP_FIN : 0), family = draw(2) ? 6 : 4;
		struct replay_segment as = {.at = 0};
		struct buf_queue q = {0};
		struct dissection d;
		struct capture_packet p;

		captured_make(ip, len, flags, seq);
		p = packet_of(ip, 40 + len);
		dissect(&d, &p);
		ck_assert_int_eq(d.kind, DISSECT_TCP);
		replay_segment_copy(&d, &p, &as, family, 1500, &q);
		pieces_check(&q, ip + 40, len, family, seq, flags, true);
		if (len > 1400)
			continue;
		as.checksum_error = (uint16_t)(1 + draw(0xfffe));
		replay_segment_copy(&d, &p, &as, family, 1500, &q);
		pieces_check(&q, ip + 40, len, family, seq, flags, false);
	}
}
END_TEST

static void take(void *context, const uint8_t *bytes, size_t len, uint64_t mark)
{
	(void)mark;
	ring_put(context, bytes, len);
}

static void ring_is(const struct ring *r, const uint8_t *bytes, size_t len)
{
	size_t at = 0, part;
	const uint8_t *p;

	ck_assert_uint_eq(r->len, len);
	while ((p = ring_peek(r, at, &part))) {
		ck_assert_mem_eq(p, bytes + at, part);
		at += part;
	}
	ck_assert_uint_eq(at, len);
}

/* Segments of a stream, each once at least, some more often, out of order, overlapping, near the wrap of numbers. */
START_TEST(streams_come_together_in_any_order)
{
	static uint8_t bytes[20000];

	random_bytes(&rng, bytes, sizeof(bytes));
	for (unsigned round = 0; round < 200; round++) {
		struct replay_stream s = {.known = true, .isn = draw_seq()};
		struct ring r = {0};
		uint32_t len = 1 + draw(sizeof(bytes)), first = 0;

		while (s.edge < len) {
			uint32_t at = draw(3) ? first : first + draw(8000), n = 1 + draw(1460);

			if (!draw(4) && at > 700)
				at -= draw(700);
			if (at >= len)
				at = len - 1;
			if (n > len - at)
				n = len - at;
			ck_assert_int_eq(replay_stream_place(&s, s.isn + 1 + at), at);
			replay_stream_put(&s, at, bytes + at, n, 0, take, &r);
			first = (uint32_t)s.edge;
		}
		ring_is(&r, bytes, len);
		ck_assert_uint_eq(s.differing, 0);
		replay_stream_fini(&s);
		ring_fini(&r);
	}
}
END_TEST

START_TEST(what_a_capture_lacks_is_zeroes)
{
	struct replay_stream s = {.known = true, .isn = 0xfffffff0};
	struct ring r = {0};
	static const uint8_t expected[] = "ab\0\0\0fg\0\0j";

	ck_assert(replay_stream_put(&s, 0, (const uint8_t *)"ab", 2, 1, take, &r));
	ck_assert(replay_stream_put(&s, 5, (const uint8_t *)"fg", 2, 2, take, &r));
	ck_assert(replay_stream_put(&s, 9, (const uint8_t *)"j", 1, 3, take, &r));
	ck_assert_uint_eq(replay_stream_gap(&s), 0); /* nobody said that it was there */
	s.acked = 10;
	ck_assert_uint_eq(replay_stream_gap(&s), 3);
	replay_stream_fill(&s, take, &r);
	ck_assert_uint_eq(s.edge, 7);
	replay_stream_fill(&s, take, &r);
	ck_assert_uint_eq(s.lacking, 5);
	ck_assert_uint_eq(replay_stream_gap(&s), 0);
	ring_is(&r, expected, 10);
	ck_assert(replay_stream_put(&s, 12, (const uint8_t *)"mn", 2, 3, take, &r));
	ck_assert(replay_stream_put(&s, 12, (const uint8_t *)"mN", 2, 3, take, &r));
	ck_assert_uint_eq(s.differing, 1);
	replay_stream_fini(&s);
	ring_fini(&r);
}
END_TEST

START_TEST(an_end_that_was_only_acknowledged)
{
	struct replay_stream s = {.known = true, .isn = 7};
	struct ring r = {0};

	ck_assert(replay_stream_put(&s, 0, (const uint8_t *)"ab", 2, 1, take, &r));
	s.acked = 2;
	ck_assert(!replay_stream_fin_find(&s));
	s.acked = 3;
	s.acked_mark = 9;
	ck_assert(replay_stream_put(&s, 3, (const uint8_t *)"d", 1, 1, take, &r));
	ck_assert(!replay_stream_fin_find(&s)); /* something follows: it was a byte */
	ck_assert(replay_stream_fill(&s, take, &r));
	ck_assert(!replay_stream_fill(&s, take, &r));
	s.acked = 5;
	ck_assert(replay_stream_fin_find(&s));
	ck_assert(replay_stream_ended(&s) && s.fin_lacking);
	ck_assert_uint_eq(s.fin_at, 4);
	ck_assert_uint_eq(s.fin_mark, 9);
	ck_assert(!replay_stream_fin_find(&s));
	ck_assert_uint_eq(replay_stream_gap(&s), 0);
	ck_assert_uint_eq(s.lacking, 1);
	replay_stream_fini(&s);
	ring_fini(&r);
}
END_TEST

START_TEST(rings_keep_what_was_put_in)
{
	struct ring r = {0};
	struct vec all = {0};
	size_t taken = 0;

	for (unsigned round = 0; round < 2000; round++) {
		uint8_t bytes[900];
		size_t n = draw(sizeof(bytes)), out = draw(1000), len;

		random_bytes(&rng, bytes, n);
		ring_put(&r, bytes, n);
		vec_append(&all, bytes, n);
		for (out = out < r.len ? out : r.len; out;) {
			const uint8_t *p = ring_peek(&r, 0, &len);

			len = len < out ? len : out;
			ck_assert_mem_eq(p, all.data + taken, len);
			ring_take(&r, len);
			taken += len;
			out -= len;
		}
		ring_is(&r, all.data + taken, all.len - taken);
	}
	vec_fini(&all);
	ring_fini(&r);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("replay");
	TCase *tc = tcase_create("parts");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, rewriting_is_undone_by_the_negated_numbers);
	tcase_add_test(tc, what_the_live_peer_did_not_agree_to_becomes_nothing);
	tcase_add_test(tc, windows_say_what_they_said_under_another_scale);
	tcase_add_test(tc, checksums_tell_what_a_network_card_was_to_do);
	tcase_add_test(tc, segments_become_packets_that_the_network_carries);
	tcase_add_test(tc, streams_come_together_in_any_order);
	tcase_add_test(tc, what_a_capture_lacks_is_zeroes);
	tcase_add_test(tc, an_end_that_was_only_acknowledged);
	tcase_add_test(tc, rings_keep_what_was_put_in);
	suite_add_tcase(suite, tc);
	return unit_run(suite);
}
