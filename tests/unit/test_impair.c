/* SPDX-License-Identifier: BSD-3-Clause */
/* The model of one direction. Seeded: the counts that are bounded here are the same in every run. */
#include "tests/unit/impair_direction.h"

#include "base/err.h"
#include "lb/frame.h"

#include <stdlib.h>

#define HUGE_RUN 100000U

START_TEST(nothing_set_passes_in_order_at_once)
{
	nstime at;

	ck_assert(impair_is_plain(&dir));
	for (uint32_t i = 0; i < 2 * IMPAIR_LIMIT_DEFAULT; i++)
		impair_input(&dir, packet(i), 7);
	ck_assert_uint_eq(impair_in_flight(&dir), 2 * IMPAIR_LIMIT_DEFAULT);
	for (uint32_t i = 0; i < 2 * IMPAIR_LIMIT_DEFAULT; i++) {
		ck_assert_int_eq(take(7, &at), i);
		ck_assert_uint_eq(at, 7);
	}
	ck_assert_uint_eq(dir.counters.delivered, 2 * IMPAIR_LIMIT_DEFAULT);
	ck_assert_uint_eq(dir.counters.delivered_bytes, 2 * IMPAIR_LIMIT_DEFAULT * FRAME_LEN);
}
END_TEST

START_TEST(delay_is_exact)
{
	nstime at;

	set(&(struct impairments){.delay_ns = 20 * NSTIME_MS});
	impair_input(&dir, packet(1), 5);
	impair_input(&dir, packet(2), 6);
	ck_assert_int_eq(take(5 + 20 * NSTIME_MS - 1, &at), -1);
	ck_assert_int_eq(take(5 + 20 * NSTIME_MS, &at), 1);
	ck_assert_int_eq(take(5 + 20 * NSTIME_MS, &at), -1);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 2);
	ck_assert_uint_eq(at, 6 + 20 * NSTIME_MS);
}
END_TEST

/* 1000 packets of 114 bytes at 7 Mbit/s take 912000 bits / 7 Mbit/s = 130285714.28 ns: no rounding may add up. */
START_TEST(rate_is_exact_over_many_packets)
{
	nstime at = 0;

	set(&(struct impairments){.rate_bps = 7000000});
	for (uint32_t i = 0; i < 1000; i++)
		impair_input(&dir, packet(i), 0);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 0);
	ck_assert_uint_eq(at, 130285);
	for (uint32_t i = 1; i < 1000; i++)
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
	ck_assert_uint_eq(at, 130285714);
	/* The serialiser was idle: the next starts when it comes. */
	impair_input(&dir, packet(0), NSTIME_S);
	take(NSTIME_NEVER, &at);
	ck_assert_uint_eq(at, NSTIME_S + 130285);
}
END_TEST

START_TEST(rate_comes_behind_the_delay)
{
	nstime at;

	set(&(struct impairments){.rate_bps = 912000, .delay_ns = NSTIME_MS}); /* 1 ms a packet */
	impair_input(&dir, packet(1), 0);
	impair_input(&dir, packet(2), 0);
	take(NSTIME_NEVER, &at);
	ck_assert_uint_eq(at, 2 * NSTIME_MS);
	take(NSTIME_NEVER, &at);
	ck_assert_uint_eq(at, 3 * NSTIME_MS);
}
END_TEST

/* A delay that is for some does not hold up the others, and they share the rate. */
START_TEST(rate_and_delay_under_only)
{
	nstime at;

	set(&(struct impairments){
		.rate_bps = 912000, .delay_ns = 10 * NSTIME_MS, .only = {.kind = IMPAIR_MATCH_COURIER}});
	impair_input(&dir, courier(1), 0);
	impair_input(&dir, packet(2), 0);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 2);
	ck_assert_uint_eq(at, 2 * NSTIME_MS);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 1);
	ck_assert_uint_eq(at, 11 * NSTIME_MS);
}
END_TEST

START_TEST(jitter_is_uniform_and_reorders)
{
	nstime at, least = NSTIME_NEVER, most = 0, sum = 0, last = 0;
	uint64_t overtaken = 0;

	set(&(struct impairments){.delay_ns = 10000, .jitter_ns = 2000, .limit_packets = HUGE_RUN});
	for (uint32_t i = 0; i < HUGE_RUN; i++)
		impair_input(&dir, packet(i), (nstime)i * 100);
	for (uint32_t i = 0; i < HUGE_RUN; i++) {
		int64_t number = take(NSTIME_NEVER, &at);
		nstime took = at - (nstime)number * 100;

		ck_assert_uint_ge(at, last);
		last = at;
		overtaken += number != i;
		least = nstime_min(least, took);
		most = took > most ? took : most;
		sum += took;
	}
	ck_assert_uint_eq(least, 8000);
	ck_assert_uint_eq(most, 12000);
	ck_assert_uint_gt(sum / HUGE_RUN, 9985);
	ck_assert_uint_lt(sum / HUGE_RUN, 10015);
	ck_assert_uint_gt(overtaken, HUGE_RUN / 2);
}
END_TEST

START_TEST(jitter_beyond_the_delay_stops_at_zero)
{
	nstime at, most = 0;

	set(&(struct impairments){.delay_ns = 10, .jitter_ns = 1000, .limit_packets = 2000});
	for (uint32_t i = 0; i < 1000; i++)
		impair_input(&dir, packet(i), 0);
	while (take(NSTIME_NEVER, &at) >= 0)
		most = at;
	ck_assert_uint_le(most, 1010);
	ck_assert_uint_gt(most, 950);
}
END_TEST

START_TEST(loss_has_its_rate)
{
	set(&(struct impairments){.loss_ppb = 50000000}); /* 5 %, sigma 69 */
	for (uint32_t i = 0; i < HUGE_RUN; i++) {
		impair_input(&dir, packet(i), i);
		take(NSTIME_NEVER, NULL);
	}
	ck_assert_uint_gt(dir.counters.dropped[IMPAIR_DROP_LOSS], 5000 - 210);
	ck_assert_uint_lt(dir.counters.dropped[IMPAIR_DROP_LOSS], 5000 + 210);
	ck_assert_uint_eq(dir.counters.sent, HUGE_RUN);
	ck_assert_uint_eq(dir.counters.delivered + dir.counters.dropped[IMPAIR_DROP_LOSS], HUGE_RUN);
}
END_TEST

/* The chain is asked once a packet and keeps its state over a change of something else, not over another model. */
START_TEST(loss_by_a_chain)
{
	struct impairments v = {
		.chain = {.kind = IMPAIR_CHAIN_GEMODEL, .gemodel = {.p_ppb = 1000000000, .bad_ppb = 1000000000}}};

	set(&v);
	for (uint32_t i = 0; i < 3; i++)
		impair_input(&dir, packet(i), 0);
	ck_assert_int_eq(take(0, NULL), 0);
	ck_assert_int_eq(take(0, NULL), -1);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LOSS], 2);
	v.delay_ns = 5;
	set(&v);
	impair_input(&dir, packet(3), 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LOSS], 3);
	v.chain.kind = IMPAIR_CHAIN_STATE;
	set(&v);
	impair_input(&dir, packet(4), 0);
	ck_assert_int_eq(take(5, NULL), 4);
	v.loss_ppb = 1;
	ck_assert_int_eq(impair_set(&dir, &v), E_INVAL);
}
END_TEST

START_TEST(all_or_nothing)
{
	set(&(struct impairments){.loss_ppb = 1000000000});
	for (uint32_t i = 0; i < 1000; i++)
		impair_input(&dir, packet(i), i);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LOSS], 1000);
	set(&(struct impairments){.duplicate_ppb = 1000000000});
	for (uint32_t i = 0; i < 1000; i++) {
		impair_input(&dir, packet(i), i);
		ck_assert_int_eq(take(i, NULL), i);
		ck_assert_int_eq(take(i, NULL), i);
		ck_assert_int_eq(take(i, NULL), -1);
	}
	ck_assert_uint_eq(dir.counters.sent, 3000);
	ck_assert_uint_eq(dir.counters.duplicated, 1000);
	/* One of the two always arrives; both do when neither draw says lost. */
	set(&(struct impairments){.duplicate_ppb = 1000000000, .loss_ppb = 500000000});
	for (uint32_t i = 0; i < 1000; i++)
		impair_input(&dir, packet(i), i);
	ck_assert_uint_gt(impair_in_flight(&dir), 1250 - 45);
	ck_assert_uint_lt(impair_in_flight(&dir), 1250 + 45);
	drain();
	uint64_t lost = dir.counters.dropped[IMPAIR_DROP_LOSS];
	/* netem: what is both lost and duplicated goes once; here the copy is what is lost. */
	set(&(struct impairments){.duplicate_ppb = 1000000000, .loss_ppb = 1000000000});
	for (uint32_t i = 0; i < 100; i++)
		impair_input(&dir, packet(i), i);
	ck_assert_uint_eq(impair_in_flight(&dir), 100);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LOSS], lost + 100);
	drain();
}
END_TEST

/* One bit differs, in the IP packet, padding excluded; every bit gets its turn. */
START_TEST(corrupt_flips_one_bit_of_the_packet)
{
	uint8_t seen[46 * 8] = {0};
	unsigned turns = 0;

	set(&(struct impairments){.corrupt_ppb = 1000000000});
	for (uint32_t i = 0; i < 10000; i++) {
		struct buf *b = frame_make(6, 80, 60, 0), *clean;
		unsigned flipped = 0;

		store_be16(b->data + 16, 40); /* six bytes of padding */
		clean = buf_clone(b);
		impair_input(&dir, b, i);
		b = impair_output(&dir, i);
		for (unsigned bit = 0; bit < 60 * 8; bit++)
			if ((b->data[bit / 8] ^ clean->data[bit / 8]) >> bit % 8 & 1) {
				flipped++;
				ck_assert_uint_ge(bit, 14 * 8);
				ck_assert_uint_lt(bit, 54 * 8);
				turns += !seen[bit - 14 * 8];
				seen[bit - 14 * 8] = 1;
			}
		ck_assert_uint_eq(flipped, 1);
		buf_free(b);
		buf_free(clean);
	}
	ck_assert_uint_eq(turns, 40 * 8);
	ck_assert_uint_eq(dir.counters.corrupted, 10000);
}
END_TEST

START_TEST(corrupted_arp_and_nd_are_caught_by_the_link)
{
	struct buf *arp = packet(1), *nd = packet(2), *runt = packet(3), *echo = packet(4);

	set(&(struct impairments){.corrupt_ppb = 1000000000});
	store_be16(arp->data + 12, 0x0806);
	store_be16(nd->data + 12, 0x86dd);
	nd->data[14] = 0x60;
	store_be16(nd->data + 18, 60);
	nd->data[20] = 58;
	nd->data[54] = 135;
	memcpy(echo->data, nd->data, FRAME_LEN - 4);
	echo->data[54] = 128;
	runt->len = 20;
	impair_input(&dir, arp, 0);
	impair_input(&dir, nd, 0);
	impair_input(&dir, runt, 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_FCS], 3);
	impair_input(&dir, echo, 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_FCS], 3);
	ck_assert_uint_eq(impair_in_flight(&dir), 1);
	ck_assert(impair_books_balance(&dir));
}
END_TEST

START_TEST(limit_drops_the_tail)
{
	set(&(struct impairments){.delay_ns = 10, .limit_packets = 3});
	for (uint32_t i = 0; i < 5; i++)
		impair_input(&dir, packet(i), 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LIMIT], 2);
	ck_assert_int_eq(take(10, NULL), 0);
	impair_input(&dir, packet(9), 10);
	ck_assert_int_eq(take(100, NULL), 1);
	ck_assert_int_eq(take(100, NULL), 2);
	ck_assert_int_eq(take(100, NULL), 9);
	ck_assert_int_eq(take(100, NULL), -1);
}
END_TEST

START_TEST(limit_in_bytes)
{
	set(&(struct impairments){.delay_ns = 10, .limit_bytes = 3 * FRAME_LEN + 60});
	for (uint32_t i = 0; i < 4; i++)
		impair_input(&dir, packet(i), 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LIMIT], 1);
	impair_input(&dir, frame_make(6, 80, 60, 4), 0);
	impair_input(&dir, frame_make(6, 80, 60, 5), 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LIMIT], 2);
	ck_assert_int_eq(take(10, NULL), 0);
	impair_input(&dir, packet(6), 10);
	for (uint32_t i = 1; i < 3; i++)
		ck_assert_int_eq(take(10, NULL), i);
	ck_assert_int_eq(take(20, NULL), 4);
	ck_assert_int_eq(take(20, NULL), 6);
	ck_assert_int_eq(take(20, NULL), -1);
	ck_assert_uint_eq(dir.ring_bytes, 0);
}
END_TEST

START_TEST(limit_is_for_what_waits)
{
	set(&(struct impairments){.loss_ppb = 1, .limit_packets = 3});
	for (uint32_t i = 0; i < 100; i++)
		impair_input(&dir, packet(i), 0);
	ck_assert_uint_eq(impair_in_flight(&dir), 100);
}
END_TEST

START_TEST(reorder_sends_without_the_delay)
{
	uint64_t early = 0;
	nstime at;

	set(&(struct impairments){.delay_ns = NSTIME_MS, .reorder_ppb = 250000000});
	for (uint32_t i = 0; i < 1000; i++)
		impair_input(&dir, packet(i), 0);
	while (take(0, NULL) >= 0)
		early++;
	ck_assert_uint_eq(early, dir.counters.reordered);
	ck_assert_uint_gt(early, 200);
	ck_assert_uint_lt(early, 300);
	while (take(NSTIME_NEVER, &at) >= 0)
		ck_assert_uint_eq(at, NSTIME_MS);
}
END_TEST

/* gap: so many less one are delayed, then one may go at once; a sure draw makes it every n-th. */
START_TEST(reorder_with_a_gap)
{
	set(&(struct impairments){.delay_ns = NSTIME_MS, .reorder_ppb = 1000000000, .reorder_gap = 5});
	for (uint32_t i = 0; i < 100; i++)
		impair_input(&dir, packet(i), 0);
	for (uint32_t i = 0; i < 20; i++)
		ck_assert_int_eq(take(0, NULL), 5 * i + 4);
	ck_assert_int_eq(take(0, NULL), -1);
	ck_assert_uint_eq(dir.counters.reordered, 20);
}
END_TEST

/* Normal jitter: 68.3 % within one deviation, sigma 147; and neighbours of correlated jitter are near each other. */
START_TEST(jitter_has_a_distribution_and_a_correlation)
{
	uint64_t within = 0;
	nstime at, near = 0;

	set(&(struct impairments){.delay_ns = 10000,
				  .jitter_ns = 1000,
				  .distribution = IMPAIR_DISTRIBUTION_NORMAL,
				  .limit_packets = HUGE_RUN});
	for (uint32_t i = 0; i < HUGE_RUN; i++)
		impair_input(&dir, packet(i), (nstime)i * 100);
	for (int64_t number; (number = take(NSTIME_NEVER, &at)) >= 0;) {
		nstime took = at - (nstime)number * 100;

		within += took >= 9000 && took <= 11000;
	}
	ck_assert_uint_gt(within, 68269 - 450);
	ck_assert_uint_lt(within, 68269 + 450);
	set(&(struct impairments){.delay_ns = 10000, .jitter_ns = 1000, .jitter_rho_ppb = 999000000});
	for (uint32_t i = 0; i < 1000; i++) {
		nstime before = near;

		impair_input(&dir, packet(i), 0);
		take(NSTIME_NEVER, &near);
		ck_assert(!i || (near + 4 > before && before + 4 > near));
	}
}
END_TEST

START_TEST(down_drops_what_comes_and_what_waits)
{
	set(&(struct impairments){.delay_ns = 10});
	impair_input(&dir, packet(1), 0);
	impair_set_down(&dir, true, 5);
	impair_input(&dir, packet(2), 6);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_DOWN], 2);
	ck_assert_uint_eq(impair_expiry(&dir), NSTIME_NEVER);
	impair_set_down(&dir, false, 7);
	impair_input(&dir, packet(3), 8);
	ck_assert_int_eq(take(18, NULL), 3);
}
END_TEST

/* A queue of a second is gone with the link; what comes when it is up again does not wait for it. */
START_TEST(down_frees_the_serialiser)
{
	nstime at;

	set(&(struct impairments){.rate_bps = 912000}); /* 1 ms a packet */
	for (uint32_t i = 0; i < 1000; i++)
		impair_input(&dir, packet(i), 0);
	impair_set_down(&dir, true, 5);
	impair_set_down(&dir, false, 10);
	impair_input(&dir, packet(1), 10);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 1);
	ck_assert_uint_eq(at, 10 + NSTIME_MS);
}
END_TEST

/* What is carried of a nanosecond at one rate is not taken for that of another. */
START_TEST(a_new_rate_starts_exact)
{
	nstime at, free_at;

	set(&(struct impairments){.rate_bps = 9999999967});
	impair_input(&dir, packet(1), 0);
	take(NSTIME_NEVER, &free_at);
	set(&(struct impairments){.rate_bps = 912000});
	impair_input(&dir, packet(2), 0);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 2);
	ck_assert_uint_eq(at, free_at + NSTIME_MS);
}
END_TEST

START_TEST(only_limits_to_what_matches)
{
	const struct {
		struct impair_match only;
		bool tcp, courier;
	} cases[] = {
		{{.kind = IMPAIR_MATCH_COURIER}, false, true},
		{{.kind = IMPAIR_MATCH_ENCAPSULATED}, false, false},
		{{.filter = "tcp port 80"}, true, false},
		{{.filter = "ip host 10.0.0.2"}, true, true},
		{{.kind = IMPAIR_MATCH_COURIER, .filter = "tcp"}, false, false},
		{{.kind = IMPAIR_MATCH_COURIER, .filter = "ip"}, false, true},
		{{.kind = IMPAIR_MATCH_ALL}, true, true},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		uint64_t lost = dir.counters.dropped[IMPAIR_DROP_LOSS];

		set(&(struct impairments){.loss_ppb = 1000000000, .only = cases[i].only});
		impair_input(&dir, packet(1), 0);
		ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LOSS], lost + cases[i].tcp);
		impair_input(&dir, courier(2), 0);
		ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LOSS], lost + cases[i].tcp + cases[i].courier);
		drain();
	}
}
END_TEST

START_TEST(encapsulated_is_by_tunnel_source)
{
	struct impair_predicate p;
	struct impair_match match = {.kind = IMPAIR_MATCH_ENCAPSULATED};
	struct buf *b = packet(1);

	ck_assert_int_eq(impair_predicate_init(&p, &match, tunnels, 2), 0);
	ck_assert(!impair_predicate_frame(&p, b->data, b->len));
	memcpy(b->data + 26, (const uint8_t[]){10, 0, 1, 9}, 4);
	ck_assert(impair_predicate_frame(&p, b->data, b->len));
	ck_assert(!impair_predicate_frame(&p, b->data, 37));
	b->data[23] = 17;
	ck_assert(!impair_predicate_frame(&p, b->data, b->len));
	impair_predicate_fini(&p);
	buf_free(b);
}
END_TEST

START_TEST(ipv6_is_matched_alike)
{
	static const struct addr tunnel = {6, {0x20, 0x01, 0x0d, 0xb8, [15] = 9}};
	uint8_t frame[14 + 40 + 20] = {[12] = 0x86, [13] = 0xdd, [14] = 0x60, [20] = 6};
	struct impair_match match = {.kind = IMPAIR_MATCH_ENCAPSULATED};
	struct impair_predicate p;

	ck_assert_int_eq(impair_predicate_init(&p, &match, &tunnel, 1), 0);
	ck_assert(!impair_predicate_frame(&p, frame, sizeof frame));
	memcpy(frame + 22, tunnel.bytes, 16);
	ck_assert(impair_predicate_frame(&p, frame, sizeof frame));
	ck_assert(!impair_predicate_frame(&p, frame, 57));
	impair_predicate_fini(&p);
	match.kind = IMPAIR_MATCH_COURIER;
	ck_assert_int_eq(impair_predicate_init(&p, &match, &tunnel, 1), 0);
	ck_assert(!impair_predicate_frame(&p, frame, sizeof frame));
	frame[20] = 17;
	store_be16(frame + 56, 7433);
	ck_assert(impair_predicate_frame(&p, frame, sizeof frame));
	impair_predicate_fini(&p);
}
END_TEST

START_TEST(courier_is_by_port)
{
	struct impair_predicate p;
	struct impair_match match;
	char why[256];
	struct buf *b = courier(1);

	ck_assert_int_eq(impair_match_parse(&match, "courier", why, sizeof why), 0);
	ck_assert_int_eq(impair_predicate_init(&p, &match, NULL, 0), 0);
	for (uint32_t len = 0; len <= b->len; len++)
		ck_assert(impair_predicate_frame(&p, b->data, len) == (len >= 42));
	b->data[21] = 1; /* a later fragment has no ports */
	ck_assert(!impair_predicate_frame(&p, b->data, b->len));
	b->data[21] = 0;
	b->data[14] = 0x41; /* a header shorter than a header */
	store_be16(b->data + 18, COURIER_PORT);
	ck_assert(!impair_predicate_frame(&p, b->data, b->len));
	impair_predicate_fini(&p);
	buf_free(b);
}
END_TEST

START_TEST(match_words_and_bad_filters)
{
	struct impair_match match;
	char why[256] = "";
	const char *filter = "udp and greater 500";

	ck_assert_int_eq(impair_match_parse(&match, "encapsulated", why, sizeof why), 0);
	ck_assert_int_eq(match.kind, IMPAIR_MATCH_ENCAPSULATED);
	ck_assert_int_eq(impair_match_parse(&match, filter, why, sizeof why), 0);
	ck_assert_int_eq(match.kind, IMPAIR_MATCH_ALL);
	ck_assert_ptr_eq(match.filter, filter);
	ck_assert_int_eq(impair_match_parse(&match, "tcp prot 80", why, sizeof why), E_FORMAT);
	ck_assert_uint_gt(strlen(why), 0);
	ck_assert_int_eq(impair_match_parse(&match, " ", why, sizeof why), E_FORMAT);
}
END_TEST

/* A filter must not depend on what names stand for on this machine, nor ask its network. */
START_TEST(filters_have_no_names)
{
	static const char *const good[] = {
		"host 10.0.0.1",
		"ip6 host 2001:db8::1",
		"net fe80::/64",
		"ether src aa:bb:cc:dd:ee:ff",
		"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
		"tcp[13:1] & 0x12 == 0x12 and not port 80",
		"src net 10.0.0.0/8 and (udp or icmp) and len > 100",
		"ip proto 89",
	};
	static const char *const bad[] = {"backend1", "host example.org", "port http", "ip proto ospf",
					  "dead",     "tcp port 80 fin"};
	struct impair_match match;
	char why[256];

	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
		ck_assert_msg(!impair_match_parse(&match, good[i], why, sizeof why), "%s: %s", good[i], why);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		ck_assert_msg(impair_match_parse(&match, bad[i], why, sizeof why) == E_FORMAT, "%s", bad[i]);
		ck_assert_msg(strstr(why, "is no word of it") != NULL, "%s: %s", bad[i], why);
	}
}
END_TEST

/* TCP by flags and payload, over both versions of IP. */
START_TEST(tcp_is_by_flags_and_data)
{
	static const struct {
		const char *word;
		uint8_t flags;
		bool data;
	} frames[] = {{"syn", 0x02, false}, {"syn-ack", 0x12, false}, {"ack", 0x10, false},
		      {"fin", 0x11, false}, {"rst", 0x04, false},     {"data", 0x18, true}};
	char why[256];

	for (size_t w = 0; w < 6; w++)
		for (size_t i = 0; i < 12; i++) {
			uint32_t ip_len = i < 6 ? 20 : 40, headers = 14 + ip_len + 20;
			uint32_t len = headers + (frames[i % 6].data ? 5 : 0);
			struct impair_match match;
			struct impair_predicate p;
			struct buf *b = frame_make(6, 80, 140, 0);

			if (i >= 6) {
				store_be16(b->data + 12, 0x86dd);
				memset(b->data + 14, 0, 60);
				b->data[14] = 0x60;
				b->data[20] = 6;
			}
			/* Padding behind the packet is no data. */
			store_be16(b->data + (i < 6 ? 16 : 18), (uint16_t)(len - 14 - (i < 6 ? 0 : 40)));
			b->data[14 + ip_len + 12] = 0x50;
			b->data[14 + ip_len + 13] = frames[i % 6].flags;
			ck_assert_int_eq(impair_match_parse(&match, frames[w].word, why, sizeof why), 0);
			ck_assert_int_eq(impair_predicate_init(&p, &match, NULL, 0), 0);
			ck_assert_int_eq(impair_predicate_frame(&p, b->data, b->len), i % 6 == w);
			for (uint32_t cut = 0; cut < headers; cut++)
				ck_assert(!impair_predicate_frame(&p, b->data, cut));
			impair_predicate_fini(&p);
			buf_free(b);
		}
}
END_TEST

START_TEST(courier_kinds_are_of_its_frames)
{
	struct frame_header header = {.kind = FRAME_KIND_HELLO, .from = 1, .to = 2, .boot = 3, .number = 4};
	struct impair_match match;
	struct impair_predicate p[2];
	char why[256];
	struct buf *b = courier(0);

	for (unsigned i = 0; i < 2; i++) {
		ck_assert_int_eq(impair_match_parse(&match, i ? "courier data" : "courier hello", why, sizeof why), 0);
		ck_assert_int_eq(impair_predicate_init(&p[i], &match, NULL, 0), 0);
		ck_assert(!impair_predicate_frame(&p[i], b->data, b->len));
	}
	for (unsigned i = 0; i < 2; i++) {
		header.kind = i ? FRAME_KIND_DATA : FRAME_KIND_HELLO;
		frame_header_encode(b->data + 42, &header);
		ck_assert_int_eq(impair_predicate_frame(&p[0], b->data, b->len), !i);
		ck_assert_int_eq(impair_predicate_frame(&p[1], b->data, b->len), i);
		ck_assert(!impair_predicate_frame(&p[i], b->data, 42 + FRAME_OVERHEAD - 1));
	}
	b->data[36] = 0; /* another port */
	ck_assert(!impair_predicate_frame(&p[1], b->data, b->len));
	for (unsigned i = 0; i < 2; i++)
		impair_predicate_fini(&p[i]);
	buf_free(b);
}
END_TEST

/* A node is known by its link address, or by IP's where a router is between. */
START_TEST(parties_are_by_either_address)
{
	struct mac mac = {{2, 0, 0, 0, 0, 1}};
	struct addr addresses[2] = {{4, {10, 0, 0, 7}}, {6, {0x20, 1, 0xd, 0xb8}}};
	const struct impair_party party = {&mac, 1, addresses, 2};
	struct impair_predicate from, to;
	struct buf *b = packet(0);

	ck_assert_int_eq(impair_predicate_init(&from, &(struct impair_match){.from = &party}, NULL, 0), 0);
	ck_assert_int_eq(impair_predicate_init(&to, &(struct impair_match){.to = &party}, NULL, 0), 0);
	ck_assert(!impair_predicate_frame(&from, b->data, b->len));
	ck_assert(!impair_predicate_frame(&to, b->data, b->len));
	memcpy(b->data + 6, mac.bytes, 6);
	ck_assert(impair_predicate_frame(&from, b->data, b->len));
	ck_assert(!impair_predicate_frame(&to, b->data, b->len));
	memcpy(b->data, mac.bytes, 6);
	ck_assert(impair_predicate_frame(&to, b->data, b->len));
	memset(b->data, 0, 12);
	memcpy(b->data + 26, addresses[0].bytes, 4);
	ck_assert(impair_predicate_frame(&from, b->data, b->len));
	ck_assert(!impair_predicate_frame(&from, b->data, 33));
	ck_assert(!impair_predicate_frame(&to, b->data, b->len));
	memcpy(b->data + 30, addresses[0].bytes, 4);
	ck_assert(impair_predicate_frame(&to, b->data, b->len));
	store_be16(b->data + 12, 0x86dd);
	ck_assert(!impair_predicate_frame(&to, b->data, b->len));
	memcpy(b->data + 38, addresses[1].bytes, 16);
	ck_assert(impair_predicate_frame(&to, b->data, b->len));
	ck_assert(!impair_predicate_frame(&from, b->data, b->len));
	ck_assert(!impair_predicate_frame(&to, b->data, 13));
	impair_predicate_fini(&from);
	impair_predicate_fini(&to);
	buf_free(b);
}
END_TEST

static int fault_add(enum impair_fault_kind kind, unsigned directions, uint64_t nth, enum impair_match_kind match)
{
	return impair_faults_add(&faults,
				 &(struct impair_fault){.kind = kind,
							.directions = directions,
							.nth = nth,
							.delay_ns = kind == IMPAIR_FAULT_DELAY ? 5000 : 0,
							.match = {.kind = match}},
				 tunnels, 2);
}

START_TEST(faults_strike_the_nth_that_matches)
{
	ck_assert_int_eq(fault_add(IMPAIR_FAULT_DROP, 3, 3, IMPAIR_MATCH_ALL), 0);
	ck_assert_int_eq(fault_add(IMPAIR_FAULT_DUPLICATE, 3, 2, IMPAIR_MATCH_COURIER), 0);
	ck_assert_int_eq(fault_add(IMPAIR_FAULT_CORRUPT, IMPAIR_DIRECTION_IN, 1, IMPAIR_MATCH_ALL), 0);
	ck_assert_int_eq(fault_add(IMPAIR_FAULT_DROP, 3, 0, IMPAIR_MATCH_ALL), E_INVAL);
	impair_input(&dir, packet(1), 0);
	impair_input(&dir, courier(2), 0);
	impair_input(&dir, packet(3), 0);
	impair_input(&dir, courier(4), 0);
	impair_input(&dir, courier(5), 0);
	ck_assert_int_eq(take(0, NULL), 1);
	ck_assert_int_eq(take(0, NULL), 2);
	ck_assert_int_eq(take(0, NULL), 4);
	ck_assert_int_eq(take(0, NULL), 4);
	ck_assert_int_eq(take(0, NULL), 5);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_FAULT], 1);
	ck_assert_uint_eq(dir.counters.corrupted, 0);
	ck_assert_uint_eq(faults.count, 1);
}
END_TEST

/* One packet takes longer, wherever the others are held; those behind it overtake. Its copy is not delayed. */
START_TEST(faults_delay_one)
{
	const struct {
		struct impairments set;
		nstime first, second; /* when they come */
	} cases[] = {
		{{0}, 5000, 0},
		{{.delay_ns = 1000}, 6000, 1000},
		{{.rate_bps = 912000}, NSTIME_MS + 5000, 2 * NSTIME_MS},
		{{.rate_bps = 912000, .queue = IMPAIR_QUEUE_CODEL, .codel = {NSTIME_MS, NSTIME_S}},
		 NSTIME_MS + 5000,
		 2 * NSTIME_MS},
		{{.delay_ns = 1000, .reorder_ppb = 1000000000}, 5000, 0},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		nstime base = i * NSTIME_S, at;

		set(&cases[i].set);
		ck_assert_int_eq(fault_add(IMPAIR_FAULT_DELAY, 3, 1, IMPAIR_MATCH_ALL), 0);
		impair_input(&dir, packet(1), base);
		impair_input(&dir, packet(2), base);
		for (unsigned k = 0; k < 2; k++) {
			int64_t number = take(NSTIME_NEVER, &at);

			ck_assert_uint_eq(at - base, number == 1 ? cases[i].first : cases[i].second);
		}
		ck_assert_uint_eq(impair_in_flight(&dir), 0);
	}
	nstime at;

	set(&(struct impairments){0});
	ck_assert_int_eq(fault_add(IMPAIR_FAULT_DELAY, 3, 1, IMPAIR_MATCH_ALL), 0);
	ck_assert_int_eq(fault_add(IMPAIR_FAULT_DELAY, 3, 1, IMPAIR_MATCH_ALL), 0);
	ck_assert_int_eq(fault_add(IMPAIR_FAULT_DUPLICATE, 3, 1, IMPAIR_MATCH_ALL), 0);
	impair_input(&dir, packet(1), 0);
	ck_assert_int_eq(take(0, NULL), 1);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 1);
	ck_assert_uint_eq(at, 10000);
	ck_assert_int_eq(impair_faults_add(&faults,
					   &(struct impair_fault){.kind = IMPAIR_FAULT_DELAY,
								  .directions = 3,
								  .nth = 1,
								  .delay_ns = IMPAIR_DELAY_MAX + 1},
					   NULL, 0),
			 E_INVAL);
}
END_TEST

/* Which packets are lost, as bits. */
static uint64_t losses(struct impair *i, const struct impairments *v)
{
	uint64_t lost = 0;

	ck_assert_int_eq(impair_set(i, v), 0);
	for (uint32_t n = 0; n < 64; n++) {
		uint64_t before = i->counters.dropped[IMPAIR_DROP_LOSS];

		impair_input(i, packet(n), n);
		lost |= (uint64_t)(i->counters.dropped[IMPAIR_DROP_LOSS] > before) << n;
	}
	return lost;
}

/* Each kind, direction and attachment draws for itself. */
START_TEST(streams_are_independent)
{
	struct impair same, in, other, busy;
	uint64_t lost = losses(&dir, &(struct impairments){.loss_ppb = 300000000});

	direction_make(&same, "a.lan", IMPAIR_DIRECTION_OUT);
	direction_make(&in, "a.lan", IMPAIR_DIRECTION_IN);
	direction_make(&other, "b.lan", IMPAIR_DIRECTION_OUT);
	direction_make(&busy, "a.lan", IMPAIR_DIRECTION_OUT);
	ck_assert_uint_eq(losses(&same, &(struct impairments){.loss_ppb = 300000000}), lost);
	ck_assert_uint_ne(losses(&in, &(struct impairments){.loss_ppb = 300000000}), lost);
	ck_assert_uint_ne(losses(&other, &(struct impairments){.loss_ppb = 300000000}), lost);
	ck_assert_uint_eq(losses(&busy, &(struct impairments){.loss_ppb = 300000000,
							      .corrupt_ppb = 500000000,
							      .reorder_ppb = 200000000,
							      .delay_ns = 1000,
							      .jitter_ns = 500}),
			  lost);
	impair_fini(&same);
	impair_fini(&in);
	impair_fini(&other);
	impair_fini(&busy);
}
END_TEST

START_TEST(the_digest_sees_time_length_bytes_and_fate)
{
	struct impair i;
	uint64_t digests[5];

	for (unsigned variant = 0; variant < 5; variant++) {
		struct buf *b = packet(0);

		direction_make(&i, "a.lan", IMPAIR_DIRECTION_OUT);
		if (variant == 1)
			b->data[63] ^= 1;
		if (variant == 2)
			b->len--;
		if (variant == 4)
			impair_set_down(&i, true, 0);
		impair_input(&i, b, variant == 3 ? 6 : 5);
		buf_free(impair_output(&i, variant == 3 ? 6 : 5));
		digests[variant] = i.digest;
		for (unsigned k = 0; k < variant; k++)
			ck_assert_uint_ne(digests[variant], digests[k]);
		impair_fini(&i);
	}
}
END_TEST

START_TEST(values_out_of_range_change_nothing)
{
	const struct impairments bad[] = {
		{.loss_ppb = 1000000001},
		{.delay_ns = IMPAIR_DELAY_MAX + 1},
		{.jitter_ns = IMPAIR_DELAY_MAX + 1},
		{.rate_bps = IMPAIR_RATE_MAX + 1},
		{.limit_packets = IMPAIR_LIMIT_MAX + 1},
		{.limit_bytes = IMPAIR_LIMIT_BYTES_MAX + 1},
	};

	set(&(struct impairments){.delay_ns = 77});
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		ck_assert_int_eq(impair_set(&dir, &bad[i]), E_INVAL);
	ck_assert_int_eq(impair_set(&dir, &(struct impairments){.only = {.filter = "nonsense("}}), E_FORMAT);
	ck_assert_uint_eq(dir.set.delay_ns, 77);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("impair");
	TCase *c = tcase_create("impair");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, nothing_set_passes_in_order_at_once);
	tcase_add_test(c, delay_is_exact);
	tcase_add_test(c, rate_is_exact_over_many_packets);
	tcase_add_test(c, rate_comes_behind_the_delay);
	tcase_add_test(c, rate_and_delay_under_only);
	tcase_add_test(c, jitter_is_uniform_and_reorders);
	tcase_add_test(c, jitter_beyond_the_delay_stops_at_zero);
	tcase_add_test(c, loss_has_its_rate);
	tcase_add_test(c, loss_by_a_chain);
	tcase_add_test(c, all_or_nothing);
	tcase_add_test(c, corrupt_flips_one_bit_of_the_packet);
	tcase_add_test(c, corrupted_arp_and_nd_are_caught_by_the_link);
	tcase_add_test(c, limit_drops_the_tail);
	tcase_add_test(c, limit_in_bytes);
	tcase_add_test(c, limit_is_for_what_waits);
	tcase_add_test(c, reorder_sends_without_the_delay);
	tcase_add_test(c, reorder_with_a_gap);
	tcase_add_test(c, jitter_has_a_distribution_and_a_correlation);
	tcase_add_test(c, down_drops_what_comes_and_what_waits);
	tcase_add_test(c, down_frees_the_serialiser);
	tcase_add_test(c, a_new_rate_starts_exact);
	tcase_add_test(c, only_limits_to_what_matches);
	tcase_add_test(c, encapsulated_is_by_tunnel_source);
	tcase_add_test(c, ipv6_is_matched_alike);
	tcase_add_test(c, courier_is_by_port);
	tcase_add_test(c, match_words_and_bad_filters);
	tcase_add_test(c, filters_have_no_names);
	tcase_add_test(c, tcp_is_by_flags_and_data);
	tcase_add_test(c, courier_kinds_are_of_its_frames);
	tcase_add_test(c, parties_are_by_either_address);
	tcase_add_test(c, faults_strike_the_nth_that_matches);
	tcase_add_test(c, faults_delay_one);
	tcase_add_test(c, streams_are_independent);
	tcase_add_test(c, the_digest_sees_time_length_bytes_and_fate);
	tcase_add_test(c, values_out_of_range_change_nothing);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
