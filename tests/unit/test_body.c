/* SPDX-License-Identifier: BSD-3-Clause */
/* node/body: the definition in its header, random access, and that damage is seen. */
#include "node/body.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

#define STREAM_BYTES 1000U

/* The stream by the definition, a byte at a time. */
static uint8_t defined(uint64_t key, uint64_t offset)
{
	uint64_t x = key + (offset / 8 + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 32;
	x += x << 21;
	x ^= x >> 17;
	return (uint8_t)(x >> offset % 8 * 8);
}

static void check_at(uint64_t key, uint64_t start)
{
	uint8_t made[STREAM_BYTES + 1];

	for (size_t offset = 0; offset < 70; offset++)
		for (size_t len = 0; len < 300; len += len < 140 ? 1 : 37) {
			memset(made, 0x5a, sizeof made);
			body_fill(key, start + offset, made, len);
			for (size_t i = 0; i < len; i++)
				ck_assert_uint_eq(made[i], defined(key, start + offset + i));
			ck_assert_uint_eq(made[len], 0x5a);
			ck_assert(body_verify(key, start + offset, made, len));
		}
}

START_TEST(as_defined)
{
	check_at(body_key(1, "/a", 2), 0);
	check_at(0, UINT64_C(1) << 40);
	check_at(UINT64_MAX, 12345);
}
END_TEST

START_TEST(damage_is_seen)
{
	uint64_t key = body_key(1, "x", 1);
	uint8_t made[STREAM_BYTES];

	body_fill(key, 3, made, sizeof made);
	for (size_t i = 0; i < sizeof made; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			made[i] ^= (uint8_t)(1U << bit);
			ck_assert(!body_verify(key, 3, made, sizeof made));
			made[i] ^= (uint8_t)(1U << bit);
		}
	for (uint64_t moved = 0; moved < 200; moved++)
		ck_assert_int_eq(body_verify(key, moved, made, sizeof made), moved == 3);
	ck_assert(!body_verify(key + 1, 3, made, sizeof made));
}
END_TEST

START_TEST(keys_differ)
{
	ck_assert_uint_eq(body_key(1, "/a", 2), body_key(1, "/a", 2));
	ck_assert_uint_ne(body_key(1, "/a", 2), body_key(2, "/a", 2));
	ck_assert_uint_ne(body_key(1, "/a", 2), body_key(1, "/b", 2));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("body");
	TCase *tcase = tcase_create("body");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, as_defined);
	tcase_add_test(tcase, damage_is_seen);
	tcase_add_test(tcase, keys_differ);
	return unit_run(suite);
}
