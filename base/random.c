/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/random.h"

#include "base/cursor.h"
#include "base/hash.h"

#include <Random123/philox.h>
#include <assert.h>

#define BILLION 1000000000U

void random_init(struct random_stream *r, uint64_t seed, const char *component)
{
	uint8_t digest[16];

	hash_derive(digest, sizeof digest, "random", seed, component);
	/* The key and the counter's upper half are the component's: 128 bits that no two names share, and 2^64 blocks
	 * for each. */
	*r = (struct random_stream){
		.key = {load_be32(digest), load_be32(digest + 4)},
		.counter = {0, 0, load_be32(digest + 8), load_be32(digest + 12)},
	};
}

static void random_refill(struct random_stream *r)
{
	philox4x32_ctr_t counter = {{r->counter[0], r->counter[1], r->counter[2], r->counter[3]}};
	philox4x32_key_t key = {{r->key[0], r->key[1]}};
	philox4x32_ctr_t block = philox4x32(counter, key);

	memcpy(r->block, block.v, sizeof r->block);
	if (++r->counter[0] == 0)
		r->counter[1]++;
	r->left = 4;
}

uint32_t random_u32(struct random_stream *r)
{
	if (r->left == 0)
		random_refill(r);
	return r->block[4 - r->left--];
}

uint64_t random_u64(struct random_stream *r)
{
	uint64_t high = random_u32(r);

	return high << 32 | random_u32(r);
}

/* Both by multiplication with rejection (Lemire, "Fast Random Integer Generation in an Interval", 2019). */
static uint32_t random_below_u32(struct random_stream *r, uint32_t n)
{
	uint64_t product = (uint64_t)random_u32(r) * n;

	if ((uint32_t)product < n) {
		uint32_t threshold = -n % n;

		while ((uint32_t)product < threshold)
			product = (uint64_t)random_u32(r) * n;
	}
	return (uint32_t)(product >> 32);
}

uint64_t random_below(struct random_stream *r, uint64_t n)
{
	unsigned __int128 product;
	uint64_t threshold;

	assert(n > 0);
	if (n <= UINT32_MAX)
		return random_below_u32(r, (uint32_t)n);
	threshold = -n % n;
	do
		product = (unsigned __int128)random_u64(r) * n;
	while ((uint64_t)product < threshold);
	return (uint64_t)(product >> 64);
}

bool random_chance(struct random_stream *r, uint32_t ppb)
{
	return random_below_u32(r, BILLION) < ppb;
}

void random_bytes(struct random_stream *r, void *out, size_t n)
{
	uint8_t *p = out;

	for (; n >= 4; n -= 4, p += 4)
		store_be32(p, random_u32(r));
	if (n > 0) {
		uint8_t last[4];

		store_be32(last, random_u32(r));
		memcpy(p, last, n);
	}
}
