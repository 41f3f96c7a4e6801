/* SPDX-License-Identifier: BSD-3-Clause */
/* Statistics over the seeds of one cell: mean, spread and a confidence interval.
 *
 * The interval is Student's for the mean: mean +- t(0.975, n - 1) * s / sqrt(n), s being the sample's standard
 * deviation. It takes the runs as independent, which seeds make them, and the mean as about normal. Callers: sweep/. */
#ifndef BATON_SWEEP_STATS_H
#define BATON_SWEEP_STATS_H

#include <stddef.h>

struct sweep_stats {
	size_t count;
	double mean, deviation; /* deviation: of the sample, n - 1; 0 for one value */
	double low, high;       /* the 95 % confidence interval of the mean; NaN for one value, which tells of none */
	double min, median, max;
};

/* Of `count` values, at least one; they are sorted. */
struct sweep_stats sweep_stats(double *values, size_t count);

/* The 0.975 quantile of Student's t distribution; between tabulated degrees of freedom that of the lower, which makes
 * the interval a little too wide and never too narrow. */
double sweep_student(size_t degrees);

#endif
