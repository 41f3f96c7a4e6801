/* SPDX-License-Identifier: BSD-3-Clause */
/* Log-linear histogram of 64-bit values, in integers: values below 64 exactly, above with a relative error below 1/64,
 * the largest exactly. It keeps no sample and takes 30 KB, so there is one for each thing measured, not for each node
 * or link. Callers: sim/, and report/ for its pictures. */
#ifndef BATON_SIM_HISTOGRAM_H
#define BATON_SIM_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_BITS    6U
#define HISTOGRAM_BUCKETS ((64U - HISTOGRAM_BITS + 1U) << HISTOGRAM_BITS)

struct histogram {
	uint64_t count, max;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket(uint64_t value)
{
	if (value < (1U << HISTOGRAM_BITS))
		return (unsigned)value;
	unsigned shift = 63U - (unsigned)__builtin_clzll(value) - HISTOGRAM_BITS;
	return ((shift + 1) << HISTOGRAM_BITS) + (unsigned)((value >> shift) & ((1U << HISTOGRAM_BITS) - 1));
}

/* Zero-initialised is empty. */
static inline void histogram_add(struct histogram *h, uint64_t value)
{
	h->count++;
	if (value > h->max)
		h->max = value;
	h->buckets[histogram_bucket(value)]++;
}

/* The least value v such that at least `percent` of all values are in v's bucket or below; the bucket's upper end, and
 * never above max. 0 when empty. percent from 1 to 100. */
uint64_t histogram_percentile(const struct histogram *h, unsigned percent);

/* The values of bucket b: from _low to _high, both included. */
uint64_t histogram_bucket_low(unsigned b);
uint64_t histogram_bucket_high(unsigned b);

#endif
