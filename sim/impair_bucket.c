/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/impair_bucket.h"

#define BYTE (8 * UINT64_C(1000000000))

void impair_bucket_fill(struct impair_bucket *b, uint64_t rate_bps, uint64_t depth_bytes)
{
	*b = (struct impair_bucket){.rate_bps = rate_bps, .depth = depth_bytes * BYTE};
}

/* To a full bucket, after so long. */
static uint64_t missing_after(const struct impair_bucket *b, nstime elapsed)
{
	unsigned __int128 came = (unsigned __int128)elapsed * b->rate_bps;

	return came < b->missing ? b->missing - (uint64_t)came : 0;
}

nstime impair_bucket_wait(const struct impair_bucket *b, nstime elapsed, uint32_t len)
{
	uint64_t missing;

	if (!b->rate_bps)
		return 0;
	missing = missing_after(b, elapsed) + len * BYTE;
	return missing <= b->depth ? 0 : (missing - b->depth + b->rate_bps - 1) / b->rate_bps;
}

void impair_bucket_take(struct impair_bucket *b, nstime elapsed, uint32_t len)
{
	if (b->rate_bps)
		b->missing = missing_after(b, elapsed) + len * BYTE;
}
