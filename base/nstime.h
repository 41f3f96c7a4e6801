/* SPDX-License-Identifier: BSD-3-Clause */
/* Virtual or real time, in nanoseconds since the start of the run.
 *
 * Every timed module takes the current time as an argument of each call; none reads a clock.
 * Sums saturate at NSTIME_NEVER, so an expiry can be computed without an overflow check. */
#ifndef BATON_BASE_NSTIME_H
#define BATON_BASE_NSTIME_H

#include <stdint.h>

typedef uint64_t nstime;

#define NSTIME_NEVER UINT64_MAX
#define NSTIME_US    UINT64_C(1000)
#define NSTIME_MS    UINT64_C(1000000)
#define NSTIME_S     UINT64_C(1000000000)

/* a + b, or NSTIME_NEVER where that would not fit. */
static inline nstime nstime_add(nstime a, nstime b)
{
	return b > NSTIME_NEVER - a ? NSTIME_NEVER : a + b;
}

static inline nstime nstime_min(nstime a, nstime b)
{
	return a < b ? a : b;
}

#endif
