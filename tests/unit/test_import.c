/* SPDX-License-Identifier: BSD-3-Clause */
/* import/: what a direction tells of the network, bytes in order, and exchanges out of them. */
#include "import/estimate.h"
#include "import/stream.h"
#include "import/talk.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define MS(n) ((int64_t)(n)*1000000)

/* ---- estimate: segments of 1000 bytes, 40 ms there and back, 30 ms of them behind ---- */

static struct estimate est;

static void est_setup(void)
{
	estimate_init(&est);
}

static void data(uint32_t segment, int64_t at_ms)
{
	estimate_data(&est, UINT32_C(0xfffffc00) + segment * 1000, 1000, MS(at_ms), MS(40));
}

/* Everything before the segment is there. */
static void ack(uint32_t segment, int64_t at_ms)
{
	estimate_ack(&est, UINT32_C(0xfffffc00) + segment * 1000, 100, true, MS(at_ms), MS(30));
}

START_TEST(a_clean_direction_tells_of_nothing)
{
	for (uint32_t i = 0; i < 20; i++) {
		data(i, i);
		ack(i + 1, i + 30);
	}
	ck_assert_uint_eq(est.counts.segments, 20);
	ck_assert_uint_eq(estimate_loss_ppb(&est.counts), 0);
	ck_assert_uint_eq(estimate_reorder_ppb(&est.counts), 0);
	ck_assert_int_eq(est.quickest_ns, MS(30));
}
END_TEST

START_TEST(a_hole_that_is_filled_late_was_lost_before)
{
	data(0, 0);
	data(3, 1); /* 1 and 2 are missing */
	data(4, 2);
	data(1, 45);
	data(2, 46);
	ck_assert_uint_eq(est.counts.lost_before, 2);
	ck_assert_uint_eq(est.counts.reordered_before, 0);
	ck_assert_uint_eq(est.counts.segments, 5);
	ck_assert_uint_eq(estimate_loss_ppb(&est.counts), 400000000);
}
END_TEST

START_TEST(a_hole_that_is_filled_soon_was_overtaken)
{
	data(0, 0);
	data(4, 1);
	data(1, 3);
	data(3, 5);
	data(2, 20); /* all of one that ran ahead */
	ck_assert_uint_eq(est.counts.reordered_before, 1);
	ck_assert_uint_eq(est.counts.lost_before, 0);
	ck_assert_uint_eq(estimate_reorder_ppb(&est.counts), 200000000);
}
END_TEST

START_TEST(what_passes_twice_was_lost_behind)
{
	for (uint32_t i = 0; i < 4; i++)
		data(i, i);
	ack(1, 31);
	ack(1, 32);
	ack(1, 33);
	data(1, 50);
	ack(4, 81);
	ck_assert_uint_eq(est.counts.lost_behind, 1);
	ck_assert_uint_eq(est.counts.again, 1);
	ck_assert_uint_eq(est.counts.needless, 0);
	ck_assert_uint_eq(est.counts.reordered_behind, 0);
	ck_assert_uint_eq(estimate_loss_ppb(&est.counts), 200000000); /* of five that passed */
}
END_TEST

START_TEST(what_is_lost_twice_counts_twice)
{
	data(0, 0);
	data(1, 1);
	ack(1, 31);
	data(1, 300);
	data(1, 900);
	ack(2, 931);
	ck_assert_uint_eq(est.counts.lost_behind, 2);
}
END_TEST

START_TEST(what_had_arrived_was_sent_again_needlessly)
{
	for (uint32_t i = 0; i < 6; i++)
		data(i, i);
	ack(1, 31);
	data(0, 60); /* acknowledged before */
	ck_assert_uint_eq(est.counts.needless, 1);
	data(1, 61);
	ack(2, 66); /* too soon for the second copy */
	ck_assert_uint_eq(est.counts.needless, 2);
	data(2, 100); /* lost */
	data(3, 100); /* leapt over with it */
	data(4, 100);
	ack(6, 131);
	ck_assert_uint_eq(est.counts.lost_behind, 1);
	ck_assert_uint_eq(est.counts.needless, 4);
}
END_TEST

START_TEST(a_copy_on_the_heels_of_the_first_is_a_duplicate)
{
	data(0, 0);
	data(0, 1);
	ack(1, 31);
	ck_assert_uint_eq(est.counts.duplicates, 1);
	ck_assert_uint_eq(est.counts.lost_behind, 0);
}
END_TEST

START_TEST(an_acknowledgement_that_goes_on_by_itself_was_reordering_behind)
{
	for (uint32_t i = 0; i < 4; i++)
		data(i, i);
	ack(1, 31);
	ack(1, 32);
	ack(4, 33);
	ck_assert_uint_eq(est.counts.reordered_behind, 1);
	/* Where it stays the same for want of data, or with another window, it is none. */
	ack(4, 40);
	data(4, 50);
	estimate_ack(&est, UINT32_C(0xfffffc00) + 4000, 200, true, MS(51), MS(30));
	ack(5, 81);
	ck_assert_uint_eq(est.counts.reordered_behind, 1);
}
END_TEST

START_TEST(holes_and_copies_without_end_are_bounded)
{
	for (uint32_t i = 0; i < 4 * ESTIMATE_HOLES; i++)
		data(2 * i, i);
	ck_assert_uint_eq(est.holes_count, ESTIMATE_HOLES);
	for (uint32_t i = 0; i < 4 * ESTIMATE_HOLES; i++)
		data(2 * i, 1000 + i);
	ck_assert_uint_eq(est.pending_count, ESTIMATE_HOLES);
	for (uint32_t i = 0; i < 4 * ESTIMATE_HOLES; i++)
		data(2 * i + 1, 2000);
	ck_assert_uint_eq(est.holes_count, 0);
}
END_TEST

/* ---- stream ---- */

static struct stream str;
static size_t total;
static char read_back[64];

static void stream_setup(void)
{
	total = 0;
	stream_init(&str, &total);
	stream_begin(&str, UINT32_C(0xfffffffe));
}

static void stream_teardown(void)
{
	stream_fini(&str);
	ck_assert_uint_eq(total, 0);
}

static void put(uint32_t at, const char *text, uint32_t len)
{
	stream_data(&str, UINT32_C(0xfffffffe) + at, (const uint8_t *)text, (uint32_t)strlen(text), len);
}

/* All that is there, a missing byte as '_'. */
static const char *get(void)
{
	struct stream_chunk c;
	size_t n = 0;

	while (stream_next(&str, &c))
		for (uint64_t i = 0; i < c.len && n < sizeof(read_back) - 1; i++)
			read_back[n++] = c.bytes ? (char)c.bytes[i] : '_';
	read_back[n] = 0;
	return read_back;
}

START_TEST(bytes_come_in_order_and_once)
{
	put(0, "abc", 3);
	ck_assert_str_eq(get(), "abc");
	put(6, "ghi", 3);
	put(1, "bcd", 3);
	ck_assert_str_eq(get(), "d");
	put(5, "fXYZjk", 6); /* what came first counts */
	ck_assert_str_eq(get(), "");
	put(4, "e", 1);
	ck_assert_str_eq(get(), "efghijk");
}
END_TEST

START_TEST(what_the_capture_lacks_is_told)
{
	put(0, "ab", 5); /* cut by a snap length */
	ck_assert_str_eq(get(), "ab___");
	put(7, "hi", 2);
	stream_ack(&str, UINT32_C(0xfffffffe) + 9);
	ck_assert_str_eq(get(), "");
	for (unsigned i = 0; i <= STREAM_PATIENCE; i++)
		stream_ack(&str, UINT32_C(0xfffffffe) + 9);
	ck_assert_str_eq(get(), "__hi");
	put(11, "l", 1); /* missing before the end of it all */
	stream_fin(&str, UINT32_C(0xfffffffe) + 14);
	stream_ack(&str, UINT32_C(0xfffffffe) + 15);
	stream_end(&str);
	ck_assert_str_eq(get(), "__l__");
}
END_TEST

START_TEST(what_waits_is_bounded)
{
	static char big[1000];
	struct stream_chunk c;
	uint64_t lost = 0, got = 0;

	memset(big, 'x', sizeof(big) - 1);
	for (uint32_t i = 1; i < 1000; i++) {
		put(i * 1000, big, 999);
		while (stream_next(&str, &c))
			*(c.bytes ? &got : &lost) += c.len;
		ck_assert_uint_le(str.waiting, STREAM_WAITING_MAX + 2 * sizeof(big));
	}
	ck_assert_uint_gt(got, 700000);
	ck_assert_uint_ge(lost, 1000);
	put(UINT32_C(0x60000000), "far away", 8);
	ck_assert_uint_le(str.waiting, STREAM_WAITING_MAX + 2 * sizeof(big));
}
END_TEST

/* ---- talk ---- */

static struct talk talk;
static uint64_t room;

static void talk_setup(void)
{
	room = 1 << 20;
	talk_init(&talk, &room);
}

static void talk_teardown(void)
{
	talk_fini(&talk);
}

static void says(unsigned side, const char *text, int64_t at_ms)
{
	talk_bytes(&talk, side, (const uint8_t *)text, strlen(text), MS(at_ms));
}

static void is(size_t i, const char *method, const char *target, uint64_t body, uint64_t reply)
{
	const struct talk_list *l = talk_exchanges(&talk);

	ck_assert_uint_lt(i, l->count);
	ck_assert_pstr_eq(l->items[i].method, method);
	ck_assert_pstr_eq(l->items[i].target, target);
	ck_assert_uint_eq(l->items[i].body, body);
	ck_assert_uint_eq(l->items[i].reply, reply);
}

START_TEST(requests_and_replies_are_told_apart)
{
	says(0, "POST /a HTTP/1.1\r\nHost: x.example\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 1);
	says(1, "HTTP/1.1 100 Continue\r\n\r\n", 2);
	says(0, "abcHEAD /b HTTP/1.1\r\nHost: x.example\r\n\r\nGET /c", 3);
	says(1, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 4);
	says(0, " HTTP/1.1\r\nHost: x.example\r\n\r\n", 5);
	says(1, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", 6);
	says(1, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n0\r\n\r\n", 7);
	ck_assert_int_eq(talk_kind(&talk), TALK_HTTP);
	ck_assert_uint_eq(talk_exchanges(&talk)->count, 3);
	is(0, "POST", "/a", 3, 5);
	is(1, "HEAD", "/b", 0, 0);
	is(2, "GET", "/c", 0, 4);
	ck_assert(talk.http.items[0].expects && !talk.http.items[1].expects);
	ck_assert_str_eq(talk.http.items[2].host, "x.example");
	ck_assert_int_eq(talk.http.items[2].at_ns, MS(5));
	ck_assert_uint_eq(talk.pipelined, 2);
}
END_TEST

START_TEST(a_reply_may_last_until_the_end)
{
	says(0, "GET / HTTP/1.0\r\n\r\n", 1);
	says(1, "HTTP/1.0 200 OK\r\n\r\nabcdef", 2);
	talk_bytes(&talk, 1, NULL, 1000, MS(3)); /* not in the capture, but in the body */
	talk_end(&talk, 1);
	is(0, "GET", "/", 0, 1006);
	ck_assert(talk.http.items[0].http_10);
}
END_TEST

START_TEST(what_cannot_be_read_on_takes_turns)
{
	says(0, "GET /ws HTTP/1.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", 1);
	says(1, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nXY", 2);
	says(0, "12345", 3);
	says(1, "678", 4);
	ck_assert_uint_eq(talk_exchanges(&talk)->count, 3);
	is(0, "GET", "/ws", 0, 0);
	is(1, NULL, NULL, 0, 2);
	is(2, NULL, NULL, 5, 3);
}
END_TEST

START_TEST(a_refused_upgrade_goes_on_as_http)
{
	says(0, "GET /1 HTTP/1.1\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", 1);
	says(1, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 2);
	says(0, "GET /2 HTTP/1.1\r\n\r\n", 3);
	says(1, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nxy", 4);
	ck_assert_uint_eq(talk_exchanges(&talk)->count, 2);
	is(1, "GET", "/2", 0, 2);
}
END_TEST

START_TEST(missing_heads_end_http)
{
	says(0, "GET /1 HTTP/1.1\r\n\r\n", 1);
	says(1, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx", 2);
	talk_bytes(&talk, 0, NULL, 70, MS(3));
	says(1, "HTTP/1.1 200 OK\r\n\r\n", 4);
	ck_assert_uint_eq(talk_exchanges(&talk)->count, 2);
	is(1, NULL, NULL, 70, 19);
	ck_assert_uint_eq(talk.missing, 70);
}
END_TEST

START_TEST(other_protocols_take_turns)
{
	says(1, "220 mail.example\r\n", 1);
	says(0, "HELO me\r\n", 2);
	says(0, "more\r\n", 3);
	says(1, "250 ok\r\n", 4);
	ck_assert_int_eq(talk_kind(&talk), TALK_PLAIN);
	ck_assert_uint_eq(talk_exchanges(&talk)->count, 2);
	is(0, NULL, NULL, 0, 18);
	is(1, NULL, NULL, 15, 8);
	ck_assert_int_eq(talk.turns.items[1].at_ns, MS(2));
}
END_TEST

START_TEST(exchanges_are_bounded)
{
	for (unsigned i = 0; i < 2 * TALK_EXCHANGES_MAX; i++) {
		says(0, "?", i);
		says(1, "!", i);
	}
	ck_assert_uint_eq(talk.turns.count, TALK_EXCHANGES_MAX);
	is(TALK_EXCHANGES_MAX - 1, NULL, NULL, TALK_EXCHANGES_MAX + 1, TALK_EXCHANGES_MAX + 1);
	talk_fini(&talk);
	room = 3 * sizeof(struct talk_exchange); /* of turns and of HTTP */
	talk_init(&talk, &room);
	for (unsigned i = 0; i < 10; i++)
		says(0, "GET / HTTP/1.1\r\n\r\n", i);
	ck_assert_uint_lt(talk.http.count, 3);
	ck_assert_int_eq(talk_kind(&talk), TALK_HTTP);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("import");
	TCase *e = tcase_create("estimate"), *s = tcase_create("stream"), *t = tcase_create("talk");

	tcase_add_checked_fixture(e, est_setup, NULL);
	tcase_add_test(e, a_clean_direction_tells_of_nothing);
	tcase_add_test(e, a_hole_that_is_filled_late_was_lost_before);
	tcase_add_test(e, a_hole_that_is_filled_soon_was_overtaken);
	tcase_add_test(e, what_passes_twice_was_lost_behind);
	tcase_add_test(e, what_is_lost_twice_counts_twice);
	tcase_add_test(e, what_had_arrived_was_sent_again_needlessly);
	tcase_add_test(e, a_copy_on_the_heels_of_the_first_is_a_duplicate);
	tcase_add_test(e, an_acknowledgement_that_goes_on_by_itself_was_reordering_behind);
	tcase_add_test(e, holes_and_copies_without_end_are_bounded);
	suite_add_tcase(suite, e);
	tcase_add_checked_fixture(s, stream_setup, stream_teardown);
	tcase_add_test(s, bytes_come_in_order_and_once);
	tcase_add_test(s, what_the_capture_lacks_is_told);
	tcase_add_test(s, what_waits_is_bounded);
	suite_add_tcase(suite, s);
	tcase_add_checked_fixture(t, talk_setup, talk_teardown);
	tcase_add_test(t, requests_and_replies_are_told_apart);
	tcase_add_test(t, a_reply_may_last_until_the_end);
	tcase_add_test(t, what_cannot_be_read_on_takes_turns);
	tcase_add_test(t, a_refused_upgrade_goes_on_as_http);
	tcase_add_test(t, missing_heads_end_http);
	tcase_add_test(t, other_protocols_take_turns);
	tcase_add_test(t, exchanges_are_bounded);
	suite_add_tcase(suite, t);
	return unit_run(suite);
}
