/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/histogram.h"

#include <assert.h>

#define ROW (1U << HISTOGRAM_BITS)

uint64_t histogram_bucket_low(unsigned b)
{
	if (b < ROW)
		return b;
	return (uint64_t)((b & (ROW - 1)) + ROW) << ((b >> HISTOGRAM_BITS) - 1);
}

uint64_t histogram_bucket_high(unsigned b)
{
	return b + 1 < HISTOGRAM_BUCKETS ? histogram_bucket_low(b + 1) - 1 : UINT64_MAX;
}

uint64_t histogram_percentile(const struct histogram *h, unsigned percent)
{
	unsigned __int128 scaled = (unsigned __int128)h->count * percent + 99;
	uint64_t rank = (uint64_t)(scaled / 100), seen = 0;

	assert(percent >= 1 && percent <= 100);
	for (unsigned b = 0; b < HISTOGRAM_BUCKETS && rank; b++) {
		seen += h->buckets[b];
		if (seen >= rank)
			return histogram_bucket_high(b) < h->max ? histogram_bucket_high(b) : h->max;
	}
	return 0;
}
