/* SPDX-License-Identifier: BSD-3-Clause */
/* Goodness of fit. Every bound is what a right model exceeds once in a thousand seeds; the tests' seeds are fixed, so
 * that none is flaky. */
#ifndef BATON_TESTS_UNIT_STATISTICS_H
#define BATON_TESTS_UNIT_STATISTICS_H

#include <check.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#define STATISTICS_Z  3.0902 /* of the normal distribution, one side: once in a thousand */
#define STATISTICS_KS 1.9495 /* of Kolmogorov's distribution, times the square root of how many */

/* Chi-square of counts against expected shares of `total`; classes whose share is 0 must be empty. */
static inline double chi_square(const uint64_t *counts, const double *shares, unsigned classes, uint64_t total)
{
	double sum = 0;

	for (unsigned i = 0; i < classes; i++) {
		double expected = shares[i] * (double)total, difference = (double)counts[i] - expected;

		if (expected > 0)
			sum += difference * difference / expected;
		else
			ck_assert_uint_eq(counts[i], 0);
	}
	return sum;
}

/* What chi-square exceeds once in a thousand (Wilson and Hilferty). */
static inline double chi_square_most(unsigned freedom)
{
	double part = 2.0 / (9.0 * freedom), root = 1 - part + STATISTICS_Z * sqrt(part);

	return freedom * root * root * root;
}

static inline void assert_shares(const char *what, const uint64_t *counts, const double *shares, unsigned classes)
{
	uint64_t total = 0;
	double chi;

	for (unsigned i = 0; i < classes; i++)
		total += counts[i];
	chi = chi_square(counts, shares, classes, total);
	ck_assert_msg(chi < chi_square_most(classes - 1), "%s: chi-square %f with %u degrees of freedom", what, chi,
		      classes - 1);
}

/* That `hits` of `total` independent draws have a probability of `share`, to either side. */
static inline void assert_share(const char *what, uint64_t hits, uint64_t total, double share)
{
	double expected = share * (double)total, sigma = sqrt(expected * (1 - share));

	ck_assert_msg(fabs((double)hits - expected) < 3.2905 * sigma, "%s: %llu of %llu, not %f", what,
		      (unsigned long long)hits, (unsigned long long)total, expected);
}

static inline int double_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov: sorts the samples and holds them against a distribution, up to `until`; `grain` is how far the
 * model is from it by design. */
static inline void assert_distribution(const char *what, double *x, unsigned count, double (*cdf)(double), double until,
				       double grain)
{
	double most = 0;

	qsort(x, count, sizeof(*x), double_compare);
	for (unsigned i = 0; i < count && x[i] < until; i++) {
		double share = cdf(x[i]), above = (i + 1.0) / count - share, below = share - (double)i / count;

		most = fmax(most, fmax(above, below));
	}
	ck_assert_msg(most < STATISTICS_KS / sqrt(count) + grain, "%s: Kolmogorov-Smirnov %f of %u", what, most, count);
}

#endif
