/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/hash.h"

#include "base/cursor.h"

#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

_Static_assert(HASH_KEY_LEN == crypto_shorthash_KEYBYTES, "HASH_KEY_LEN");
_Static_assert(HASH_DERIVE_MAX == crypto_generichash_BYTES_MAX, "HASH_DERIVE_MAX");

void hash_key_init(struct hash_key *k, uint64_t seed, const char *name)
{
	hash_derive(k->bytes, sizeof k->bytes, "hash", seed, name);
}

uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t n)
{
	uint8_t out[crypto_shorthash_BYTES];
	uint64_t v;

	crypto_shorthash(out, p, n, k->bytes);
	memcpy(&v, out, sizeof v);
	return le64toh(v); /* SipHash's result is little-endian */
}

void hash_derive(uint8_t *out, size_t n, const char *purpose, uint64_t seed, const char *name)
{
	crypto_generichash_state state;
	uint8_t seed_bytes[8];

	assert(n >= crypto_generichash_BYTES_MIN && n <= HASH_DERIVE_MAX);
	store_be32(seed_bytes, (uint32_t)(seed >> 32));
	store_be32(seed_bytes + 4, (uint32_t)seed);
	/* The purpose goes in with its NUL, so that where it ends is part of what is hashed. */
	crypto_generichash_init(&state, NULL, 0, n);
	crypto_generichash_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1);
	crypto_generichash_update(&state, seed_bytes, sizeof seed_bytes);
	crypto_generichash_update(&state, (const uint8_t *)name, strlen(name));
	crypto_generichash_final(&state, out, n);
}
