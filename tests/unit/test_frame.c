/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"
#include "base/random.h"
#include "lb/frame.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const struct frame_header good_header = {FRAME_KIND_DATA, 5, 7, 0x1234, UINT64_C(0x0102030405060708), 99};

START_TEST(header_stands_as_documented)
{
	static const uint8_t expected[FRAME_HEADER_LEN] = {0xB7, 1, 2, 5, 0, 7, 0x12, 0x34, 1, 2, 3, 4,
							   5,    6, 7, 8, 0, 0, 0,    0,    0, 0, 0, 99};
	uint8_t frame[FRAME_OVERHEAD] = {0};
	struct frame_header h;

	frame_header_encode(frame, &good_header);
	ck_assert_mem_eq(frame, expected, sizeof(expected));
	ck_assert_int_eq(frame_header_decode(&h, frame, sizeof(frame)), 0);
	ck_assert_uint_eq(h.kind, good_header.kind);
	ck_assert_uint_eq(h.epoch, 5);
	ck_assert_uint_eq(h.from, 7);
	ck_assert_uint_eq(h.to, 0x1234);
	ck_assert_uint_eq(h.boot, good_header.boot);
	ck_assert_uint_eq(h.number, 99);
}
END_TEST

START_TEST(bad_headers_are_refused)
{
	static const struct {
		size_t offset, count;
		uint8_t value;
		int err;
	} cases[] = {
		{0, 1, 0, E_FORMAT}, {1, 1, 2, E_VERSION}, {2, 1, 0, E_FORMAT}, {2, 1, 3, E_FORMAT},  {3, 1, 255, 0},
		{4, 2, 0, E_FORMAT}, {6, 2, 0, E_FORMAT},  {8, 8, 0, E_FORMAT}, {16, 8, 0, E_FORMAT},
	};
	uint8_t frame[FRAME_OVERHEAD] = {0};
	struct frame_header h;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		frame_header_encode(frame, &good_header);
		memset(frame + cases[i].offset, cases[i].value, cases[i].count);
		ck_assert_int_eq(frame_header_decode(&h, frame, sizeof(frame)), cases[i].err);
	}
	frame_header_encode(frame, &good_header);
	for (size_t len = 0; len < FRAME_OVERHEAD; len++)
		ck_assert_int_eq(frame_header_decode(&h, frame, len), E_TRUNCATED);
}
END_TEST

START_TEST(sections_come_back)
{
	uint8_t body[2048], bytes[200];
	struct frame_ack ack = {.delay_us = 123456, .count = 3, .ranges = {{90, 100}, {70, 80}, {1, 68}}};
	struct frame_data d = {.id = 5, .type = 3, .total = 500, .chunk = 200, .index = 2, .len = 100, .bytes = bytes};
	struct writer w = writer_make(body, sizeof(body));
	struct frame_body b;

	memset(bytes, 0x5a, sizeof(bytes));
	frame_ack_encode(&w, &ack);
	ck_assert_uint_eq(writer_len(&w), FRAME_ACK_LEN + 8);
	writer_u8(&w, 200); /* an unknown section */
	writer_u16(&w, 4);
	writer_u32(&w, 0xdeadbeef);
	frame_floor_encode(&w, 4);
	frame_data_encode(&w, &d);
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_DATA, body, writer_len(&w)), 0);
	ck_assert(b.has_ack && b.has_floor && !b.has_hello);
	ck_assert_uint_eq(b.ack.delay_us, 123456);
	ck_assert_uint_eq(b.ack.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(b.ack.ranges[i].low, ack.ranges[i].low);
		ck_assert_uint_eq(b.ack.ranges[i].high, ack.ranges[i].high);
	}
	ck_assert_uint_eq(b.floor, 4);
	ck_assert_uint_eq(b.data_count, 1);
	ck_assert_uint_eq(b.data[0].id, 5);
	ck_assert_uint_eq(b.data[0].type, 3);
	ck_assert_uint_eq(b.data[0].len, 100);
	ck_assert_mem_eq(b.data[0].bytes, bytes, 100);
	/* Cut anywhere inside, it is malformed or lacks what comes after; it never reads past the end. */
	for (size_t len = 0; len < writer_len(&w); len++) {
		uint8_t *copy = malloc(len ? len : 1);

		memcpy(copy, body, len);
		if (!frame_body_decode(&b, FRAME_KIND_DATA, copy, len))
			ck_assert(!b.data_count);
		free(copy);
	}
}
END_TEST

static int data_decodes(struct frame_data d, uint64_t floor)
{
	static const uint8_t bytes[4096];
	uint8_t body[4096 + 64];
	struct writer w = writer_make(body, sizeof(body));
	struct frame_body b;

	d.bytes = bytes;
	if (floor)
		frame_floor_encode(&w, floor);
	frame_data_encode(&w, &d);
	return frame_body_decode(&b, FRAME_KIND_DATA, body, writer_len(&w));
}

START_TEST(pieces_that_make_no_sense_are_refused)
{
	struct frame_data d = {.id = 5, .type = 1, .total = 1000, .chunk = 300, .index = 3, .len = 100};
	struct frame_data e;

	ck_assert_int_eq(data_decodes(d, 5), 0);
	ck_assert_int_eq(data_decodes(d, 1), 0);
	ck_assert_int_eq(data_decodes(d, 0), E_FORMAT); /* no FLOOR */
	ck_assert_int_eq(data_decodes(d, 6), E_FORMAT); /* below it */
#define REFUSED(field, value)                                                                                          \
	do {                                                                                                           \
		e = d;                                                                                                 \
		e.field = (value);                                                                                     \
		ck_assert_int_eq(data_decodes(e, 1), E_FORMAT);                                                        \
	} while (0)
	REFUSED(id, 0);
	REFUSED(total, FRAME_MESSAGE_MAX + 1);
	REFUSED(total, UINT32_MAX);
	REFUSED(chunk, 0);
	REFUSED(chunk, 1);
	REFUSED(index, 4);
	REFUSED(index, 65535);
	REFUSED(len, 99);
	REFUSED(len, 101);
	REFUSED(len, 0);
#undef REFUSED
	d = (struct frame_data){.id = 1, .total = 0, .chunk = 300, .index = 0, .len = 0};
	ck_assert_int_eq(data_decodes(d, 1), 0);
	d.index = 1;
	ck_assert_int_eq(data_decodes(d, 1), E_FORMAT);
}
END_TEST

START_TEST(acknowledgements_below_one_are_refused)
{
	uint8_t body[64];
	struct frame_body b;
	struct writer w = writer_make(body, sizeof(body));

	writer_u8(&w, 2);
	writer_u16(&w, 18);
	writer_u32(&w, 0);
	writer_u64(&w, 10);
	writer_u16(&w, 3); /* 7..10 */
	writer_u16(&w, 1); /* not 6, 5 */
	writer_u16(&w, 3); /* 1..4 */
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_DATA, body, writer_len(&w)), 0);
	ck_assert_uint_eq(b.ack.ranges[1].low, 1);
	ck_assert_uint_eq(b.ack.ranges[1].high, 4);
	body[writer_len(&w) - 1] = 4; /* 0..4 */
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_DATA, body, writer_len(&w)), E_FORMAT);
	body[writer_len(&w) - 1] = 3;
	body[writer_len(&w) - 3] = 6; /* a gap below 0 */
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_DATA, body, writer_len(&w)), E_FORMAT);
}
END_TEST

START_TEST(kinds_hold_what_is_theirs)
{
	uint8_t body[128];
	struct frame_body b;
	struct writer w = writer_make(body, sizeof(body));
	struct frame_hello hello = {.echo = 77, .answers = 3, .answer_wanted = true};

	frame_hello_encode(&w, &hello);
	ck_assert_uint_eq(writer_len(&w), FRAME_HELLO_LEN);
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_HELLO, body, writer_len(&w)), 0);
	ck_assert_uint_eq(b.hello.echo, 77);
	ck_assert_uint_eq(b.hello.answers, 3);
	ck_assert(b.hello.answer_wanted);
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_DATA, body, writer_len(&w)), E_FORMAT);
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_HELLO, body, 0), E_FORMAT);
	frame_floor_encode(&w, 1);
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_HELLO, body, writer_len(&w)), E_FORMAT);
	w = writer_make(body, sizeof(body));
	frame_hello_encode(&w, &hello);
	frame_hello_encode(&w, &hello);
	ck_assert_int_eq(frame_body_decode(&b, FRAME_KIND_HELLO, body, writer_len(&w)), E_FORMAT);
}
END_TEST

/* Whatever comes, what decodes is consistent; the sanitizers see to the rest. */
START_TEST(random_bodies_decode_to_sense_or_not_at_all)
{
	struct random_stream r;
	struct frame_body b;

	random_init(&r, 1, "test_frame");
	for (unsigned i = 0; i < 200000; i++) {
		size_t len = random_below(&r, 80);
		uint8_t *body = malloc(len + 1);

		random_bytes(&r, body, len);
		if (len > 2) {
			body[0] = (uint8_t)(1 + random_below(&r, 5));
			body[1] = 0;
			body[2] = (uint8_t)random_below(&r, len);
		}
		if (!frame_body_decode(&b, FRAME_KIND_DATA, body, len)) {
			for (uint32_t k = 0; k < b.data_count; k++)
				ck_assert(b.data[k].bytes >= body && b.data[k].bytes + b.data[k].len <= body + len);
			for (uint32_t k = 1; b.has_ack && k < b.ack.count; k++)
				ck_assert(b.ack.ranges[k].high < b.ack.ranges[k - 1].low - 1 &&
					  b.ack.ranges[k].low > 0);
		}
		free(body);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("frame");
	TCase *t = tcase_create("frame");

	tcase_add_test(t, header_stands_as_documented);
	tcase_add_test(t, bad_headers_are_refused);
	tcase_add_test(t, sections_come_back);
	tcase_add_test(t, pieces_that_make_no_sense_are_refused);
	tcase_add_test(t, acknowledgements_below_one_are_refused);
	tcase_add_test(t, kinds_hold_what_is_theirs);
	tcase_add_test(t, random_bodies_decode_to_sense_or_not_at_all);
	suite_add_tcase(s, t);
	return unit_run(s);
}
