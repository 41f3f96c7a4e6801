/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/body.h"

#include "base/hash.h"

#include <string.h>

#define BODY_STEP  UINT64_C(0x9e3779b97f4a7c15)
#define BODY_BLOCK 64U /* bytes made at a time: eight words */

typedef uint64_t words2 __attribute__((vector_size(16)));

struct block {
	words2 w[BODY_BLOCK / 16];
};

uint64_t body_key(uint64_t seed, const void *name, size_t name_len)
{
	struct hash_key key;

	hash_key_init(&key, seed, "body");
	return hash_bytes(&key, name, name_len);
}

static inline words2 words2_mix(words2 x)
{
	x ^= x >> 32;
	x += x << 21;
	x ^= x >> 17;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = (words2){__builtin_bswap64(x[0]), __builtin_bswap64(x[1])};
#endif
	return x;
}

/* The counters of the words from `word` on. */
static inline struct block block_start(uint64_t key, uint64_t word)
{
	uint64_t first = key + (word + 1) * BODY_STEP;
	struct block c;

	for (uint64_t i = 0; i < BODY_BLOCK / 16; i++)
		c.w[i] = (words2){first + 2 * i * BODY_STEP, first + (2 * i + 1) * BODY_STEP};
	return c;
}

/* The bytes that belong to the counters, which move on to the block behind. */
static inline struct block block_next(struct block *c)
{
	struct block made = {.w = {words2_mix(c->w[0]), words2_mix(c->w[1]), words2_mix(c->w[2]), words2_mix(c->w[3])}};

	for (size_t i = 0; i < BODY_BLOCK / 16; i++)
		c->w[i] += BODY_BLOCK / 8 * BODY_STEP;
	return made;
}

/* Bytes of the stream around `offset`: the block whose first word holds it; *skip is where offset stands in it. */
static void block_around(uint64_t key, uint64_t offset, uint8_t *out, size_t *skip)
{
	struct block c = block_start(key, offset / 8);
	struct block made = block_next(&c);

	memcpy(out, &made, BODY_BLOCK);
	*skip = offset % 8;
}

void body_fill(uint64_t key, uint64_t offset, void *out, size_t len)
{
	uint8_t *p = out, piece[BODY_BLOCK];
	size_t skip, n;
	struct block c;

	block_around(key, offset, piece, &skip);
	if (skip || len < BODY_BLOCK) {
		n = BODY_BLOCK - skip < len ? BODY_BLOCK - skip : len;
		memcpy(p, piece + skip, n);
		p += n;
		offset += n;
		len -= n;
	}
	c = block_start(key, offset / 8);
	for (; len >= BODY_BLOCK; len -= BODY_BLOCK, p += BODY_BLOCK, offset += BODY_BLOCK) {
		struct block made = block_next(&c);

		memcpy(p, &made, BODY_BLOCK);
	}
	if (len) {
		block_around(key, offset, piece, &skip);
		memcpy(p, piece, len);
	}
}

bool body_verify(uint64_t key, uint64_t offset, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint8_t piece[BODY_BLOCK];
	words2 wrong = {0, 0};
	size_t skip, n;
	struct block c;

	block_around(key, offset, piece, &skip);
	if (skip || len < BODY_BLOCK) {
		n = BODY_BLOCK - skip < len ? BODY_BLOCK - skip : len;
		if (n && memcmp(p, piece + skip, n) != 0)
			return false;
		p += n;
		offset += n;
		len -= n;
	}
	c = block_start(key, offset / 8);
	for (; len >= BODY_BLOCK; len -= BODY_BLOCK, p += BODY_BLOCK, offset += BODY_BLOCK) {
		struct block made = block_next(&c), got;

		memcpy(&got, p, BODY_BLOCK);
		wrong |= ((got.w[0] ^ made.w[0]) | (got.w[1] ^ made.w[1])) |
			 ((got.w[2] ^ made.w[2]) | (got.w[3] ^ made.w[3]));
	}
	if (wrong[0] | wrong[1])
		return false;
	if (len == 0)
		return true;
	block_around(key, offset, piece, &skip);
	return memcmp(p, piece, len) == 0;
}
