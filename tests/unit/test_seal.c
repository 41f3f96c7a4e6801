/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/err.h"
#include "lb/seal.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define HEADER 24U
#define BODY   100U

static const uint8_t cluster_key[SEAL_KEY_LEN] = {1, 2, 3, 4, 5, 6, 7, 8};
static const struct seal_path base_path = {SEAL_PURPOSE_DATA, 7, 9, 1000, 2000};

static bool usable(int cipher)
{
	return !seal_cipher_check((enum seal_cipher)cipher);
}

static void frame_fill(uint8_t *frame)
{
	for (unsigned i = 0; i < HEADER + BODY; i++)
		frame[i] = (uint8_t)(i * 7);
}

START_TEST(opens_what_it_sealed)
{
	uint8_t frame[HEADER + BODY + SEAL_TAG_LEN], plain[HEADER + BODY + SEAL_TAG_LEN];
	struct seal_key key;

	if (!usable(_i))
		return;
	seal_key_derive(&key, (enum seal_cipher)_i, cluster_key, &base_path);
	for (unsigned body = 0; body <= BODY; body++) {
		frame_fill(frame);
		memcpy(plain, frame, sizeof(plain));
		seal_frame(&key, body + 1, frame, HEADER, body);
		ck_assert_mem_eq(frame, plain, HEADER);
		if (body >= 8)
			ck_assert_mem_ne(frame + HEADER, plain + HEADER, body);
		ck_assert_int_eq(seal_open(&key, body + 1, frame, HEADER, HEADER + body + SEAL_TAG_LEN), 0);
		ck_assert_mem_eq(frame, plain, HEADER + body);
	}
	seal_key_wipe(&key);
}
END_TEST

START_TEST(refuses_any_flipped_bit_and_other_numbers)
{
	uint8_t sealed[HEADER + BODY + SEAL_TAG_LEN], frame[sizeof(sealed)];
	struct seal_key key;

	if (!usable(_i))
		return;
	seal_key_derive(&key, (enum seal_cipher)_i, cluster_key, &base_path);
	frame_fill(sealed);
	seal_frame(&key, 5, sealed, HEADER, BODY);
	for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
		memcpy(frame, sealed, sizeof(frame));
		frame[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		ck_assert_int_eq(seal_open(&key, 5, frame, HEADER, sizeof(frame)), E_AUTH);
	}
	for (uint64_t number = 0; number < 64; number++) {
		memcpy(frame, sealed, sizeof(frame));
		ck_assert_int_eq(seal_open(&key, UINT64_C(1) << number, frame, HEADER, sizeof(frame)), E_AUTH);
	}
	for (size_t len = 0; len < sizeof(frame); len++) {
		memcpy(frame, sealed, sizeof(frame));
		ck_assert_int_eq(seal_open(&key, 5, frame, HEADER, len),
				 len < HEADER + SEAL_TAG_LEN ? E_TRUNCATED : E_AUTH);
	}
}
END_TEST

/* Every part of the path, the cluster key and the cipher make another key. */
START_TEST(every_part_of_the_path_makes_another_key)
{
	struct seal_path paths[6];
	uint8_t sealed[HEADER + BODY + SEAL_TAG_LEN], frame[sizeof(sealed)], other_key[SEAL_KEY_LEN];
	struct seal_key key, other;
	enum seal_cipher cipher = (enum seal_cipher)_i;

	if (!usable(_i))
		return;
	for (unsigned i = 0; i < 6; i++)
		paths[i] = base_path;
	paths[0].purpose = SEAL_PURPOSE_HELLO;
	paths[1].sender = 8;
	paths[2].receiver = 8;
	paths[3].sender_boot++;
	paths[4].receiver_boot++;
	paths[5].sender = base_path.receiver; /* the other direction */
	paths[5].receiver = base_path.sender;
	seal_key_derive(&key, cipher, cluster_key, &base_path);
	frame_fill(sealed);
	seal_frame(&key, 1, sealed, HEADER, BODY);
	for (unsigned i = 0; i < 6; i++) {
		seal_key_derive(&other, cipher, cluster_key, &paths[i]);
		memcpy(frame, sealed, sizeof(frame));
		ck_assert_int_eq(seal_open(&other, 1, frame, HEADER, sizeof(frame)), E_AUTH);
	}
	memcpy(other_key, cluster_key, sizeof(other_key));
	other_key[31] ^= 1;
	seal_key_derive(&other, cipher, other_key, &base_path);
	memcpy(frame, sealed, sizeof(frame));
	ck_assert_int_eq(seal_open(&other, 1, frame, HEADER, sizeof(frame)), E_AUTH);
	seal_key_derive(&other, cipher, cluster_key, &base_path);
	ck_assert_int_eq(seal_open(&other, 1, sealed, HEADER, sizeof(sealed)), 0);
}
END_TEST

START_TEST(ciphers_have_names)
{
	ck_assert_str_eq(seal_cipher_name(SEAL_CHACHA20_POLY1305), "chacha20-poly1305");
	ck_assert_str_eq(seal_cipher_name(SEAL_AES256_GCM), "aes256-gcm");
	ck_assert_int_eq(seal_cipher_check(SEAL_CHACHA20_POLY1305), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("seal");
	TCase *t = tcase_create("seal");

	tcase_add_loop_test(t, opens_what_it_sealed, 0, 2);
	tcase_add_loop_test(t, refuses_any_flipped_bit_and_other_numbers, 0, 2);
	tcase_add_loop_test(t, every_part_of_the_path_makes_another_key, 0, 2);
	tcase_add_test(t, ciphers_have_names);
	suite_add_tcase(s, t);
	return unit_run(s);
}
