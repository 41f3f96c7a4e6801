/* SPDX-License-Identifier: BSD-3-Clause */
/* Distributions of sizes and durations, drawn by inverse transform in integers.
 *
 * A value is bytes or nanoseconds; the distribution does not care. Draws below `min` are `min`, draws above `max` are
 * `max`: bounds move probability to themselves and change the mean, they do not draw again. Where a distribution's
 * points lie is written at its kind. Callers: sim/scenario (which fills one from a file), sim/traffic (which draws). */
#ifndef BATON_SIM_DISTRIBUTION_H
#define BATON_SIM_DISTRIBUTION_H

#include "base/random.h"

#include <stddef.h>
#include <stdint.h>

enum distribution_kind {
	DISTRIBUTION_CONSTANT,    /* value; draws nothing from the stream */
	DISTRIBUTION_UNIFORM,     /* every whole number of min..max */
	DISTRIBUTION_EXPONENTIAL, /* mean value */
	DISTRIBUTION_PARETO,      /* P(X > x) = (value / x)^shape for x >= value */
	DISTRIBUTION_LOGNORMAL,   /* value * e^(shape * Z), Z standard normal: the median is value */
	DISTRIBUTION_BIMODAL,     /* `large` with probability share, else value */
	DISTRIBUTION_EMPIRICAL /* through the points, straight between two; the first has its probability for itself */
};

struct distribution_point {
	uint64_t value;
	uint32_t upto_ppb; /* P(X <= value), parts in a billion */
};

/* Zero-initialised is the constant 0. */
struct distribution {
	enum distribution_kind kind;
	uint64_t value;
	uint64_t large;
	uint32_t share_ppb;
	uint32_t shape_milli;              /* of Pareto, or sigma of the lognormal, in thousandths; not 0 there */
	uint64_t min, max;                 /* not for the constant; min <= max */
	struct distribution_point *points; /* rising in both members, the last up to 1e9; owned by the scenario */
	size_t points_count;
};

/* The next draw. */
uint64_t distribution_draw(const struct distribution *d, struct random_stream *r);

/* An exponentially distributed value with this mean, unbounded: -ln(u) in 32 bits of fraction. */
uint64_t distribution_exponential(struct random_stream *r, uint64_t mean);

#endif
