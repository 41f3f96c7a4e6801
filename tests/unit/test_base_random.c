/* SPDX-License-Identifier: BSD-3-Clause */
/* Random streams, keyed hashes: known answers, independence, no bias. */
#include "base/hash.h"
#include "base/random.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

/* Random123's published vectors (kat_vectors, philox4x32 10). */
START_TEST(philox_known_answers)
{
	static const struct {
		uint32_t counter[4], key[2], out[4];
	} vectors[] = {
		{{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
		 {0xffffffff, 0xffffffff},
		 {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
		 {0xa4093822, 0x299f31d0},
		 {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	};

	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		struct random_stream r = {.left = 0};

		memcpy(r.counter, vectors[i].counter, sizeof r.counter);
		memcpy(r.key, vectors[i].key, sizeof r.key);
		for (unsigned k = 0; k < 4; k++)
			ck_assert_uint_eq(random_u32(&r), vectors[i].out[k]);
	}
}
END_TEST

START_TEST(counter_carries)
{
	struct random_stream a = {.counter = {0xffffffff, 7, 1, 2}}, b = {.counter = {0, 8, 1, 2}};

	for (unsigned i = 0; i < 4; i++)
		random_u32(&a);
	for (unsigned i = 0; i < 8; i++)
		ck_assert_uint_eq(random_u32(&a), random_u32(&b));
}
END_TEST

/* What one component draws says nothing of, and takes nothing from, what another draws. */
START_TEST(streams_are_independent)
{
	struct random_stream a, again, other, seeded;
	unsigned equal_other = 0, equal_seeded = 0;

	random_init(&a, 1, "link client1.internet out loss");
	random_init(&again, 1, "link client1.internet out loss");
	random_init(&other, 1, "link client2.internet out loss");
	random_init(&seeded, 2, "link client1.internet out loss");
	for (unsigned i = 0; i < 1000; i++) {
		uint32_t v = random_u32(&a);

		ck_assert_uint_eq(v, random_u32(&again));
		equal_other += v == random_u32(&other);
		equal_seeded += v == random_u32(&seeded);
	}
	ck_assert_uint_le(equal_other, 1);
	ck_assert_uint_le(equal_seeded, 1);
}
END_TEST

START_TEST(below_has_no_bias)
{
	enum { FACES = 7, DRAWS = 700000 };
	static const uint64_t limits[] = {1, 2, 3, 0xffffffff, 0x100000000, 0x100000001, UINT64_MAX};
	static const uint64_t steep[] = {0xc0000000, 0xc000000000000000};
	struct random_stream r;
	unsigned seen[FACES] = {0};

	random_init(&r, 1, "below");
	for (unsigned i = 0; i < DRAWS; i++)
		seen[random_below(&r, FACES)]++;
	for (unsigned i = 0; i < FACES; i++) { /* 6 standard deviations of 293 */
		ck_assert_uint_gt(seen[i], DRAWS / FACES - 1760);
		ck_assert_uint_lt(seen[i], DRAWS / FACES + 1760);
	}
	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++)
		for (unsigned k = 0; k < 100; k++)
			ck_assert_uint_lt(random_below(&r, limits[i]), limits[i]);
	for (size_t i = 0; i < sizeof steep / sizeof steep[0]; i++) {
		unsigned thirds[3] = {0};

		/* Multiplication alone gives every third value twice the weight of the others. */
		for (unsigned k = 0; k < 30000; k++)
			thirds[random_below(&r, steep[i]) % 3]++;
		for (unsigned k = 0; k < 3; k++) {
			ck_assert_uint_gt(thirds[k], 9500);
			ck_assert_uint_lt(thirds[k], 10500);
		}
	}
}
END_TEST

START_TEST(chance)
{
	struct random_stream r, drawn, reference;
	unsigned hits = 0;

	random_init(&r, 1, "chance");
	for (unsigned i = 0; i < 1000000; i++)
		hits += random_chance(&r, 50000000);
	ck_assert_uint_gt(hits, 48500);
	ck_assert_uint_lt(hits, 51500);
	/* A chance of nothing and one of everything draw like any other. */
	random_init(&drawn, 1, "chance draws");
	random_init(&reference, 1, "chance draws");
	for (unsigned i = 0; i < 100; i++) {
		ck_assert(!random_chance(&drawn, 0));
		ck_assert(random_chance(&drawn, 1000000000));
		random_below(&reference, 1000000000);
		random_below(&reference, 1000000000);
	}
	ck_assert_uint_eq(random_u64(&drawn), random_u64(&reference));
}
END_TEST

START_TEST(bytes)
{
	struct random_stream a, b;
	uint8_t long_one[11], short_one[9];

	random_init(&a, 1, "bytes");
	random_init(&b, 1, "bytes");
	random_bytes(&a, long_one, sizeof long_one);
	random_bytes(&b, short_one, sizeof short_one);
	ck_assert_mem_eq(long_one, short_one, sizeof short_one);
	ck_assert_uint_eq(random_u32(&a), random_u32(&b));
}
END_TEST

/* The SipHash paper's example: key 00..0f, message 00..0e. */
START_TEST(siphash_known_answer)
{
	struct hash_key key;
	uint8_t message[15];

	for (uint8_t i = 0; i < 16; i++)
		key.bytes[i] = i;
	for (uint8_t i = 0; i < 15; i++)
		message[i] = i;
	ck_assert_uint_eq(hash_bytes(&key, message, sizeof message), UINT64_C(0xa129ca6149be45e5));
	ck_assert_uint_eq(hash_bytes(&key, NULL, 0), UINT64_C(0x726fdb47dd0e0e31));
}
END_TEST

START_TEST(hash_keys_differ)
{
	struct hash_key a, again, other, seeded;
	uint8_t purpose[HASH_KEY_LEN], long_one[HASH_DERIVE_MAX];

	hash_key_init(&a, 1, "mapping");
	hash_key_init(&again, 1, "mapping");
	hash_key_init(&other, 1, "pcbs");
	hash_key_init(&seeded, 2, "mapping");
	hash_derive(purpose, sizeof purpose, "cluster key", 1, "mapping");
	hash_derive(long_one, sizeof long_one, "hash", 1, "mapping");
	ck_assert_mem_eq(&a, &again, sizeof a);
	ck_assert_mem_ne(&a, &other, sizeof a);
	ck_assert_mem_ne(&a, &seeded, sizeof a);
	ck_assert_mem_ne(&a, purpose, sizeof a);
	ck_assert_mem_ne(&a, long_one, sizeof a);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_random");
	TCase *all = tcase_create("base_random");

	tcase_add_test(all, philox_known_answers);
	tcase_add_test(all, counter_carries);
	tcase_add_test(all, streams_are_independent);
	tcase_add_test(all, below_has_no_bias);
	tcase_add_test(all, chance);
	tcase_add_test(all, bytes);
	tcase_add_test(all, siphash_known_answer);
	tcase_add_test(all, hash_keys_differ);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
