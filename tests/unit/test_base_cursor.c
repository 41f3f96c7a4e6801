/* SPDX-License-Identifier: BSD-3-Clause */
/* The cursor's bounds and byte order, and the growing vector it writes to. */
#include "base/cursor.h"
#include "base/vec.h"
#include "tests/lib/unit.h"

#include <check.h>

START_TEST(round_trip)
{
	uint8_t bytes[18];
	struct writer w = writer_make(bytes, sizeof bytes);
	struct reader r = reader_make(bytes, sizeof bytes);

	writer_u8(&w, 0x01);
	writer_u16(&w, 0x0203);
	writer_u32(&w, 0x04050607);
	writer_u64(&w, UINT64_C(0x08090a0b0c0d0e0f));
	writer_bytes(&w, "\x10\x11\x12", 3);
	ck_assert(!w.bad);
	ck_assert_uint_eq(writer_len(&w), 18);
	for (size_t i = 0; i < sizeof bytes; i++)
		ck_assert_uint_eq(bytes[i], i + 1);
	ck_assert_uint_eq(reader_u8(&r), 0x01);
	ck_assert_uint_eq(reader_u16(&r), 0x0203);
	ck_assert_uint_eq(reader_u32(&r), 0x04050607);
	ck_assert_uint_eq(reader_u64(&r), UINT64_C(0x08090a0b0c0d0e0f));
	ck_assert_uint_eq(reader_left(&r), 3);
	ck_assert_mem_eq(reader_bytes(&r, 3), "\x10\x11\x12", 3);
	ck_assert(!r.bad);
}
END_TEST

START_TEST(reading_past_the_end)
{
	static const uint8_t bytes[3] = {1, 2, 3};
	struct reader r = reader_make(bytes, sizeof bytes);

	ck_assert_uint_eq(reader_u16(&r), 0x0102);
	ck_assert_uint_eq(reader_u16(&r), 0);
	ck_assert(r.bad);
	/* It stays bad, though one byte is left. */
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert_ptr_null(reader_bytes(&r, 1));
	r = reader_make(bytes, sizeof bytes);
	ck_assert_ptr_null(reader_bytes(&r, SIZE_MAX));
	r = reader_make(NULL, 0);
	ck_assert_ptr_nonnull(reader_bytes(&r, 0));
	ck_assert_uint_eq(reader_u8(&r), 0);
	ck_assert(r.bad);
}
END_TEST

START_TEST(writing_past_the_end)
{
	uint8_t bytes[4] = {9, 9, 9, 9};
	struct writer w = writer_make(bytes, 3);

	writer_u16(&w, 0x0102);
	writer_u16(&w, 0x0304);
	writer_u8(&w, 5);
	ck_assert(w.bad);
	ck_assert_uint_eq(writer_len(&w), 2);
	ck_assert_uint_eq(bytes[2], 9);
	ck_assert_ptr_null(writer_room(&w, 0));
	w = writer_make(bytes, 3);
	ck_assert_ptr_null(writer_room(&w, SIZE_MAX));
	ck_assert_uint_eq(bytes[3], 9);
}
END_TEST

START_TEST(loads_and_stores)
{
	uint8_t bytes[7] = {0};

	store_be16(bytes + 1, 0xfedc);
	store_be32(bytes + 3, 0xba987654);
	ck_assert_mem_eq(bytes, "\x00\xfe\xdc\xba\x98\x76\x54", 7);
	ck_assert_uint_eq(load_be16(bytes + 1), 0xfedc);
	ck_assert_uint_eq(load_be32(bytes + 3), 0xba987654);
}
END_TEST

START_TEST(vector_grows)
{
	struct vec v = {0};

	ck_assert_ptr_nonnull(vec_append(&v, NULL, 0));
	ck_assert_uint_eq(v.len, 0);
	for (unsigned i = 0; i < 5000; i++) {
		uint8_t pair[2] = {(uint8_t)i, (uint8_t)(i >> 8)};

		vec_append(&v, pair, sizeof pair);
	}
	memset(vec_append(&v, NULL, 70000), 7, 70000);
	ck_assert_uint_eq(v.len, 80000);
	for (unsigned i = 0; i < 5000; i++)
		ck_assert_uint_eq(v.data[2 * i] + 256U * v.data[2 * i + 1], i);
	ck_assert_uint_eq(v.data[79999], 7);
	vec_clear(&v);
	ck_assert_uint_eq(v.len, 0);
	vec_fini(&v);
	ck_assert_ptr_null(v.data);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_cursor");
	TCase *all = tcase_create("base_cursor");

	tcase_add_test(all, round_trip);
	tcase_add_test(all, reading_past_the_end);
	tcase_add_test(all, writing_past_the_end);
	tcase_add_test(all, loads_and_stores);
	tcase_add_test(all, vector_grows);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
