/* SPDX-License-Identifier: BSD-3-Clause */
/* Named values of a run, by dotted path and in order of insertion ("packets.dropped_by.loss"), and the histogram that
 * gives percentiles. The world fills one at the end of a run; sim/result writes it, sim/expect asks it. */
#ifndef BATON_SIM_METRICS_H
#define BATON_SIM_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_kind { METRIC_NUMBER, METRIC_TEXT, METRIC_REAL };

struct metric {
	char *path;
	enum metric_kind kind;
	uint64_t value;
	double real;
	char *text;
};

struct metrics {
	struct metric *list;
	size_t count, capacity;
};

void metrics_init(struct metrics *m);
void metrics_fini(struct metrics *m);

/* Sets a value, adding it at the end when it is new. A path may not be both a value and a parent of values: writing
 * that is a programmer's error. */
void metrics_set(struct metrics *m, const char *path, uint64_t value);
void metrics_set_text(struct metrics *m, const char *path, const char *text);
void metrics_set_real(struct metrics *m, const char *path, double value); /* only for what measures the machine */

/* Adds to a number, creating it at 0. */
void metrics_add(struct metrics *m, const char *path, uint64_t value);

/* NULL when there is none. Valid until the next value is added. */
const struct metric *metrics_find(const struct metrics *m, const char *path);

/* The name closest to `path`, for "did you mean"; NULL when none is near. */
const char *metrics_suggest(const struct metrics *m, const char *path);

/* Log-linear histogram of 64-bit values, in integers: values below 64 exactly, above with a relative error below 1/64,
 * the largest exactly. */
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

#endif
