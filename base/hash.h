/* SPDX-License-Identifier: BSD-3-Clause */
/* Keyed hashing of small keys (SipHash-2-4 from libsodium): tables keyed by what an enemy chooses must not be
 * attackable, and iteration order must depend on nothing but the run's seed. */
#ifndef BATON_BASE_HASH_H
#define BATON_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_KEY_LEN    16U
#define HASH_DERIVE_MAX 64U

struct hash_key {
	uint8_t bytes[HASH_KEY_LEN];
};

/* A key derived from the seed and a table's name. */
void hash_key_init(struct hash_key *k, uint64_t seed, const char *name);

/* The same bytes on every host for the same bytes in. `p` may be NULL when n is 0. */
uint64_t hash_bytes(const struct hash_key *k, const void *p, size_t n);

/* `n` bytes (16..HASH_DERIVE_MAX) that nobody can guess without the seed: BLAKE2b over purpose, seed and name. One
 * purpose's bytes tell nothing about another's, nor one name's about another's. */
void hash_derive(uint8_t *out, size_t n, const char *purpose, uint64_t seed, const char *name);

#endif
