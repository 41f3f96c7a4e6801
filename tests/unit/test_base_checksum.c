/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum against RFC 1071's plain definition, both ways of computing it.
 *
 * The source is included, so that the portable way is tested on processors that would never take it. Buffers are of
 * exactly the length summed: a read or write beyond them is the address sanitizer's to see. */
#include "base/checksum.c"

#include "base/random.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>

#define ALIGNMENTS 64U
#define LEN_ALL    2100U

/* RFC 1071, section 4.1, word by word in memory order. */
static uint16_t sum_plain(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2) {
		uint8_t pair[2] = {p[i], i + 1 < n ? p[i + 1] : 0};
		uint16_t word;

		memcpy(&word, pair, 2);
		sum += word;
		sum = (sum & 0xffff) + (sum >> 16);
	}
	return (uint16_t)sum;
}

static void fill(uint8_t *p, size_t n, unsigned kind, struct random_stream *r)
{
	if (kind == 0)
		memset(p, 0, n);
	else if (kind == 1)
		memset(p, 0xff, n);
	else
		random_bytes(r, p, n);
}

/* Source and destination begin at their own offsets from 64-byte alignment and end where their storage ends. */
static void check_at(size_t src_offset, size_t dst_offset, size_t n, unsigned kind, struct random_stream *r)
{
	uint8_t *src_storage = aligned_alloc(64, (src_offset + n + 63) / 64 * 64 + 64);
	uint8_t *dst_storage = aligned_alloc(64, (dst_offset + n + 64 + 63) / 64 * 64 + 64);
	uint8_t *src = src_storage + src_offset, *dst = dst_storage + dst_offset;
	uint16_t expected;

	fill(src, n, kind, r);
	expected = sum_plain(src, n);
	ck_assert_uint_eq(checksum_sum(src, n), expected);
	ck_assert_uint_eq(fold(sum_scalar(0, NULL, src, n, false)), expected);
	memset(dst, 0x5a, n + 64);
	ck_assert_uint_eq(checksum_copy(dst, src, n), expected);
	ck_assert_mem_eq(dst, src, n);
	memset(dst, 0x5a, n + 64);
	ck_assert_uint_eq(fold(sum_scalar(0, dst, src, n, true)), expected);
	ck_assert_mem_eq(dst, src, n);
	for (size_t i = 0; i < 64; i++)
		ck_assert_uint_eq(dst[n + i], 0x5a);
	free(src_storage);
	free(dst_storage);
}

START_TEST(every_length)
{
	struct random_stream r;

	random_init(&r, 1, "checksum lengths");
	for (size_t n = 0; n <= LEN_ALL; n++) {
		check_at(0, n % ALIGNMENTS, n, 2, &r);
		check_at(n % ALIGNMENTS, 0, n, (unsigned)(n % 3), &r);
	}
}
END_TEST

START_TEST(every_alignment_and_length)
{
	struct random_stream r;
	uint8_t *bytes = malloc(ALIGNMENTS + LEN_ALL + 64), *copy = malloc(ALIGNMENTS + LEN_ALL + 64);

	random_init(&r, 1, "checksum alignments");
	random_bytes(&r, bytes, ALIGNMENTS + LEN_ALL + 64);
	for (size_t at = 0; at < ALIGNMENTS; at++) {
		uint32_t sum = 0;

		for (size_t n = 0; n <= LEN_ALL; n++) {
			uint8_t *p = bytes + at;
			uint16_t word;

			/* The definition, carried on from n - 1: the new byte is the word's first or second. */
			if (n > 0) {
				uint8_t pair[2] = {n % 2 ? p[n - 1] : 0, n % 2 ? 0 : p[n - 1]};

				memcpy(&word, pair, 2);
				sum += word;
				sum = (sum & 0xffff) + (sum >> 16);
			}
			if (checksum_sum(p, n) != sum || fold(sum_scalar(0, NULL, p, n, false)) != sum ||
			    checksum_copy(copy + at * 7 % ALIGNMENTS, p, n) != sum)
				ck_abort_msg("alignment %zu, length %zu", at, n);
		}
	}
	free(bytes);
	free(copy);
}
END_TEST

START_TEST(no_read_beyond_the_end)
{
	struct random_stream r;

	random_init(&r, 1, "checksum ends");
	for (size_t n = 1; n <= 400; n++) {
		uint8_t *src = malloc(n), *dst = malloc(n);
		uint16_t expected;

		random_bytes(&r, src, n);
		expected = sum_plain(src, n);
		ck_assert_uint_eq(checksum_sum(src, n), expected);
		ck_assert_uint_eq(checksum_copy(dst, src, n), expected);
		free(src);
		free(dst);
	}
}
END_TEST

START_TEST(large)
{
	static const size_t sizes[] = {4096, 9001, 65535, 65536, 262144 + 17, (1 << 20) + 3};
	struct random_stream r;

	random_init(&r, 1, "checksum large");
	for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
		for (unsigned kind = 0; kind < 3; kind++)
			check_at(i * 13 % ALIGNMENTS, i * 29 % ALIGNMENTS, sizes[i], kind, &r);
}
END_TEST

START_TEST(rfc1071_example)
{
	static const uint8_t bytes[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
	uint16_t sum = checksum_sum(bytes, sizeof bytes);
	uint8_t in_memory[2];

	memcpy(in_memory, &sum, 2);
	ck_assert_uint_eq(in_memory[0], 0xdd);
	ck_assert_uint_eq(in_memory[1], 0xf2);
}
END_TEST

/* RFC 1624, section 4: a field 0x5555 becomes 0x3285 under checksum 0xdd2f: 0x0000, where equation 4 says 0xffff. */
START_TEST(rfc1624_example)
{
	static const uint8_t old_field[] = {0x55, 0x55}, new_field[] = {0x32, 0x85}, check[] = {0xdd, 0x2f};
	uint16_t value;

	memcpy(&value, check, 2);
	ck_assert_uint_eq(checksum_update(value, old_field, new_field, 2), 0x0000);
}
END_TEST

/* Every change of some bytes of a packet gives the checksum that computing it anew gives. Bytes that are mostly 00 and
 * ff bring about the two zeros of one's complement. */
START_TEST(update_is_recomputation)
{
	struct random_stream r;
	unsigned zero = 0;

	random_init(&r, 1, "checksum update");
	for (unsigned round = 0; round < 200000; round++) {
		uint8_t packet[40], old[12];
		size_t n = 2 * (1 + random_below(&r, 6));
		size_t at = 2 * random_below(&r, (sizeof packet - n) / 2);
		uint16_t before, after;

		for (size_t i = 0; i < sizeof packet; i++)
			packet[i] = random_below(&r, 4) ? (random_below(&r, 2) ? 0xff : 0) : (uint8_t)random_u32(&r);
		packet[38] = 6; /* as the protocol in a pseudo-header: a packet is never all zeros */
		before = (uint16_t)~sum_plain(packet, sizeof packet);
		memcpy(old, packet + at, n);
		for (size_t i = 0; i < n; i++)
			packet[at + i] =
				random_below(&r, 3) ? (random_below(&r, 2) ? 0xff : 0) : (uint8_t)random_u32(&r);
		after = (uint16_t)~sum_plain(packet, sizeof packet);
		ck_assert_uint_eq(checksum_update(before, old, packet + at, n), after);
		zero += after == 0;
	}
	ck_assert_uint_gt(zero, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_checksum");
	TCase *all = tcase_create("base_checksum");

	tcase_add_test(all, every_length);
	tcase_add_test(all, every_alignment_and_length);
	tcase_add_test(all, no_read_beyond_the_end);
	tcase_add_test(all, large);
	tcase_add_test(all, rfc1071_example);
	tcase_add_test(all, rfc1624_example);
	tcase_add_test(all, update_is_recomputation);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
