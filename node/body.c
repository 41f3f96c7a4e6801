/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/body.h"

#include "base/hash.h"

#include <string.h>

#define BODY_STEP  UINT64_C(0x9e3779b97f4a7c15)
#define BODY_BLOCK 64U /* bytes made at a time: eight words */

typedef uint64_t words4 __attribute__((vector_size(32)));

struct block {
	words4 w[BODY_BLOCK / 32];
};

/* The loops below are compiled twice, for AVX2 and for any processor of the architecture; the bytes are the same. */
#if defined(__x86_64__)
#define BODY_AVX2 1
#else
#define BODY_AVX2 0
#endif
#define ALWAYS_INLINE static inline __attribute__((always_inline))

uint64_t body_key(uint64_t seed, const void *name, size_t name_len)
{
	struct hash_key key;

	hash_key_init(&key, seed, "body");
	return hash_bytes(&key, name, name_len);
}

/* Makes *out from the counters in *in. By pointer: a vector as an argument would depend on the processor's ABI. */
ALWAYS_INLINE void words4_mix(words4 *out, const words4 *in)
{
	words4 x = *in;

	x ^= x >> 32;
	x += x << 21;
	x ^= x >> 17;
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	x = (words4){__builtin_bswap64(x[0]), __builtin_bswap64(x[1]), __builtin_bswap64(x[2]),
		     __builtin_bswap64(x[3])};
#endif
	*out = x;
}

/* The counters of the words from `word` on. */
ALWAYS_INLINE void block_start(struct block *c, uint64_t key, uint64_t word)
{
	uint64_t first = key + (word + 1) * BODY_STEP;

	for (uint64_t i = 0; i < BODY_BLOCK / 32; i++)
		c->w[i] = first + (words4){4 * i * BODY_STEP, (4 * i + 1) * BODY_STEP, (4 * i + 2) * BODY_STEP,
					   (4 * i + 3) * BODY_STEP};
}

/* Whole blocks from the word `word` on. Vectors are stored and loaded one by one: a block in between would go through
 * memory in pieces of another size. */
ALWAYS_INLINE void blocks_fill(uint64_t key, uint64_t word, uint8_t *out, size_t blocks)
{
	struct block c;

	block_start(&c, key, word);
	for (; blocks > 0; blocks--)
		for (size_t i = 0; i < BODY_BLOCK / 32; i++, out += 32) {
			words4 made;

			words4_mix(&made, &c.w[i]);
			c.w[i] += BODY_BLOCK / 8 * BODY_STEP;
			memcpy(out, &made, 32);
		}
}

ALWAYS_INLINE bool blocks_verify(uint64_t key, uint64_t word, const uint8_t *bytes, size_t blocks)
{
	words4 wrong = {0, 0, 0, 0};
	struct block c;

	block_start(&c, key, word);
	for (; blocks > 0; blocks--)
		for (size_t i = 0; i < BODY_BLOCK / 32; i++, bytes += 32) {
			words4 made, got;

			words4_mix(&made, &c.w[i]);
			c.w[i] += BODY_BLOCK / 8 * BODY_STEP;
			memcpy(&got, bytes, 32);
			wrong |= got ^ made;
		}
	return !(wrong[0] | wrong[1] | wrong[2] | wrong[3]);
}

#if BODY_AVX2
__attribute__((target("avx2"))) static void fill_avx2(uint64_t key, uint64_t word, uint8_t *out, size_t blocks)
{
	blocks_fill(key, word, out, blocks);
}

__attribute__((target("avx2"))) static bool verify_avx2(uint64_t key, uint64_t word, const uint8_t *bytes,
							size_t blocks)
{
	return blocks_verify(key, word, bytes, blocks);
}
#endif

static void fill_run(uint64_t key, uint64_t word, uint8_t *out, size_t blocks)
{
#if BODY_AVX2
	if (__builtin_cpu_supports("avx2")) {
		fill_avx2(key, word, out, blocks);
		return;
	}
#endif
	blocks_fill(key, word, out, blocks);
}

static bool verify_run(uint64_t key, uint64_t word, const uint8_t *bytes, size_t blocks)
{
#if BODY_AVX2
	if (__builtin_cpu_supports("avx2"))
		return verify_avx2(key, word, bytes, blocks);
#endif
	return blocks_verify(key, word, bytes, blocks);
}

/* Bytes of the stream around `offset`: the block whose first word holds it; *skip is where offset stands in it. */
static void block_around(uint64_t key, uint64_t offset, uint8_t *out, size_t *skip)
{
	fill_run(key, offset / 8, out, 1);
	*skip = offset % 8;
}

void body_fill(uint64_t key, uint64_t offset, void *out, size_t len)
{
	uint8_t *p = out, piece[BODY_BLOCK];
	size_t skip = offset % 8, n;

	if (skip || len < BODY_BLOCK) {
		block_around(key, offset, piece, &skip);
		n = BODY_BLOCK - skip < len ? BODY_BLOCK - skip : len;
		memcpy(p, piece + skip, n);
		p += n;
		offset += n;
		len -= n;
	}
	n = len / BODY_BLOCK;
	fill_run(key, offset / 8, p, n);
	if (len % BODY_BLOCK) {
		block_around(key, offset + n * BODY_BLOCK, piece, &skip);
		memcpy(p + n * BODY_BLOCK, piece, len % BODY_BLOCK);
	}
}

bool body_verify(uint64_t key, uint64_t offset, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	uint8_t piece[BODY_BLOCK];
	size_t skip = offset % 8, n;

	if (skip || len < BODY_BLOCK) {
		block_around(key, offset, piece, &skip);
		n = BODY_BLOCK - skip < len ? BODY_BLOCK - skip : len;
		if (n && memcmp(p, piece + skip, n) != 0)
			return false;
		p += n;
		offset += n;
		len -= n;
	}
	n = len / BODY_BLOCK;
	if (!verify_run(key, offset / 8, p, n))
		return false;
	if (len % BODY_BLOCK == 0)
		return true;
	block_around(key, offset + n * BODY_BLOCK, piece, &skip);
	return memcmp(p + n * BODY_BLOCK, piece, len % BODY_BLOCK) == 0;
}
