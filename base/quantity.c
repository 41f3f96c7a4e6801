/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/quantity.h"

#include <inttypes.h>
#include <stdio.h>

#define COUNT_EXACT_BELOW 10000000U

struct scale {
	uint64_t from; /* the unit's size */
	const char *unit;
};

/* The largest unit that fits; at least three digits. Whole numbers stay whole. */
static const char *scaled(char *out, uint64_t value, const struct scale *scales)
{
	while (scales[1].unit && value < scales->from)
		scales++;
	double x = (double)value / (double)scales->from;

	if (value % scales->from == 0)
		snprintf(out, QUANTITY_MAX, "%" PRIu64 " %s", value / scales->from, scales->unit);
	else
		snprintf(out, QUANTITY_MAX, "%.*f %s", x < 10 ? 2 : x < 100 ? 1 : 0, x, scales->unit);
	return out;
}

const char *quantity_time(char *out, nstime ns)
{
	static const struct scale scales[] = {{3600 * NSTIME_S, "h"},
					      {60 * NSTIME_S, "min"},
					      {NSTIME_S, "s"},
					      {NSTIME_MS, "ms"},
					      {NSTIME_US, "us"},
					      {1, "ns"},
					      {0, NULL}};

	if (!ns)
		return snprintf(out, QUANTITY_MAX, "0 us"), out;
	return scaled(out, ns, scales);
}

const char *quantity_bytes(char *out, uint64_t bytes)
{
	static const struct scale scales[] = {{1000000000, "GB"}, {1000000, "MB"}, {1000, "kB"}, {1, "B"}, {0, NULL}};

	return scaled(out, bytes, scales);
}

const char *quantity_count(char *out, uint64_t n)
{
	static const struct scale scales[] = {
		{1000000000, "billion"}, {1000000, "million"}, {1000, "thousand"}, {0, NULL}};

	if (n < COUNT_EXACT_BELOW)
		return snprintf(out, QUANTITY_MAX, "%" PRIu64, n), out;
	return scaled(out, n, scales);
}
