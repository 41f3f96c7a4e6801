/* SPDX-License-Identifier: BSD-3-Clause */
/* The integer samplers of sizes, think times and arrivals, held against the distributions' formulas: the mean within
 * four standard errors where it is finite, and Kolmogorov-Smirnov. Seeded, so that no statistic here ever flakes. */
#include "sim/distribution.h"

#include "sim/fixed.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>

#define DRAWS  200000U
#define NO_MAX UINT64_MAX

static uint64_t draws[DRAWS];

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Fills draws, sorted; returns their mean. */
static double draw_all(const struct distribution *d, const char *stream)
{
	struct random_stream r;
	double sum = 0;

	random_init(&r, 1, stream);
	for (unsigned n = 0; n < DRAWS; n++) {
		draws[n] = distribution_draw(d, &r);
		sum += (double)draws[n];
	}
	qsort(draws, DRAWS, sizeof(draws[0]), compare);
	return sum / DRAWS;
}

/* The formula's P(X <= x), of a continuous distribution. */
typedef double cdf_fn(const struct distribution *d, double x);

/* sqrt(n) times the largest distance of the sample from the formula, at values below max (where a bound has its own
 * probability). A draw of x stands for [x, x + 1). A right sampler is above 1.95 once in a thousand seeds. */
static double distance(const struct distribution *d, cdf_fn *cdf)
{
	double most = 0;

	for (unsigned n = 0, next; n < DRAWS && draws[n] < d->max; n = next) {
		for (next = n + 1; next < DRAWS && draws[next] == draws[n];)
			next++;
		most = fmax(most, fabs((double)n / DRAWS - cdf(d, (double)draws[n])));
		most = fmax(most, fabs((double)next / DRAWS - cdf(d, (double)draws[n] + 1)));
	}
	return most * sqrt(DRAWS);
}

static void check_formula(const struct distribution *d, cdf_fn *cdf, const char *stream, double mean, double deviation)
{
	double found = draw_all(d, stream), ks = distance(d, cdf);

	ck_assert_msg(ks < 1.95, "%s: distance %f", stream, ks);
	if (mean > 0)
		ck_assert_msg(fabs(found - mean) < 4 * deviation / sqrt(DRAWS) + 1, "%s: mean %f, not %f", stream,
			      found, mean);
}

static double cdf_uniform(const struct distribution *d, double x)
{
	return (x - (double)d->min) / ((double)d->max - (double)d->min + 1);
}

START_TEST(uniform)
{
	struct distribution d = {.kind = DISTRIBUTION_UNIFORM, .min = 1000, .max = 9000000};

	check_formula(&d, cdf_uniform, "uniform", 4500500, 2598000);
	ck_assert_uint_ge(draws[0], 1000);
	ck_assert_uint_le(draws[DRAWS - 1], 9000000);
}
END_TEST

static double cdf_exponential(const struct distribution *d, double x)
{
	return 1 - exp(-x / (double)d->value);
}

START_TEST(exponential)
{
	struct distribution d = {.kind = DISTRIBUTION_EXPONENTIAL, .value = 10000000, .max = NO_MAX};

	check_formula(&d, cdf_exponential, "exponential", 1e7, 1e7);
}
END_TEST

static double cdf_pareto(const struct distribution *d, double x)
{
	return x < (double)d->value ? 0 : 1 - pow((double)d->value / x, d->shape_milli / 1000.0);
}

START_TEST(pareto)
{
	struct distribution d = {.kind = DISTRIBUTION_PARETO, .value = 100000, .min = 100000, .max = NO_MAX};

	/* Mean a m / (a - 1), variance m^2 a / ((a - 1)^2 (a - 2)). */
	d.shape_milli = 3500;
	check_formula(&d, cdf_pareto, "pareto 3.5", 1.4e5, 61101);
	d.shape_milli = 1200; /* its variance is infinite, as of web pages */
	check_formula(&d, cdf_pareto, "pareto 1.2", 0, 0);
}
END_TEST

static double cdf_lognormal(const struct distribution *d, double x)
{
	return 0.5 * erfc(-log(x / (double)d->value) / (d->shape_milli / 1000.0) / sqrt(2));
}

START_TEST(lognormal)
{
	struct distribution d = {.kind = DISTRIBUTION_LOGNORMAL, .value = 1000000, .max = NO_MAX};

	/* Mean m e^(s^2/2), variance (e^(s^2) - 1) times its square. */
	d.shape_milli = 500;
	check_formula(&d, cdf_lognormal, "lognormal 0.5", 1133148.4, 603900);
	d.shape_milli = 1500;
	check_formula(&d, cdf_lognormal, "lognormal 1.5", 3080216.8, 8974000);
}
END_TEST

static double cdf_points(const struct distribution *d, double x)
{
	double share = 0;

	for (size_t i = 0; i < d->points_count; i++) {
		const struct distribution_point *at = &d->points[i];
		double value = (double)at->value, before = i ? (double)at[-1].value : value;

		if (x < value)
			return i ? share + (at->upto_ppb / 1e9 - share) * (x - before) / (value - before) : 0;
		share = at->upto_ppb / 1e9;
	}
	return 1;
}

START_TEST(empirical)
{
	struct distribution_point points[] = {
		{100000, 0}, {200000, 300000000}, {5000000, 900000000}, {50000000, 1000000000}};
	struct distribution d = {.kind = DISTRIBUTION_EMPIRICAL, .max = NO_MAX, .points = points, .points_count = 4};

	/* The means of three uniform parts, weighed. */
	check_formula(&d, cdf_points, "empirical", 0.3 * 150000 + 0.6 * 2600000 + 0.1 * 27500000, 9.4e6);
}
END_TEST

/* The first point has its share for itself, and so has a value that stands twice. */
START_TEST(empirical_steps)
{
	struct distribution_point points[] = {{10, 250000000}, {20, 500000000}, {20, 1000000000}};
	struct distribution d = {.kind = DISTRIBUTION_EMPIRICAL, .max = NO_MAX, .points = points, .points_count = 3};
	unsigned tens = 0, twenties = 0;

	draw_all(&d, "empirical steps");
	for (unsigned n = 0; n < DRAWS; n++) {
		tens += draws[n] == 10;
		twenties += draws[n] == 20;
		ck_assert_uint_ge(draws[n], 10);
		ck_assert_uint_le(draws[n], 20);
	}
	/* 10: 0.25 and a tenth of what leads to 20; four deviations of a share of 0.5 are 0.45 %. */
	ck_assert_uint_ge(tens, DRAWS * 27 / 100);
	ck_assert_uint_le(tens, DRAWS * 28 / 100);
	ck_assert_uint_ge(twenties, DRAWS * 49 / 100);
	ck_assert_uint_le(twenties, DRAWS * 51 / 100);
}
END_TEST

START_TEST(bimodal)
{
	struct distribution d = {
		.kind = DISTRIBUTION_BIMODAL, .value = 1000, .large = 1000000, .share_ppb = 100000000, .max = NO_MAX};
	unsigned large = 0;

	draw_all(&d, "bimodal");
	for (unsigned n = 0; n < DRAWS; n++) {
		ck_assert(draws[n] == 1000 || draws[n] == 1000000);
		large += draws[n] == 1000000;
	}
	/* deviation: sqrt(n p q) = 134 */
	ck_assert_uint_ge(large, DRAWS / 10 - 536);
	ck_assert_uint_le(large, DRAWS / 10 + 536);
}
END_TEST

/* What lies beyond a bound is the bound, and nothing within is changed. */
START_TEST(bounds_keep_the_rest)
{
	struct distribution d = {.kind = DISTRIBUTION_EXPONENTIAL, .value = 1000000, .min = 100000, .max = 2000000};
	unsigned least = 0, most = 0;

	draw_all(&d, "bounds");
	ck_assert_uint_eq(draws[0], d.min);
	ck_assert_uint_eq(draws[DRAWS - 1], d.max);
	for (unsigned n = 0; n < DRAWS; n++) {
		least += draws[n] == d.min;
		most += draws[n] == d.max;
	}
	ck_assert_uint_ge(least, (unsigned)(DRAWS * 0.0927)); /* 1 - e^-0.1 = 0.0952 */
	ck_assert_uint_le(least, (unsigned)(DRAWS * 0.0977));
	ck_assert_uint_ge(most, (unsigned)(DRAWS * 0.1322)); /* e^-2 = 0.1353 */
	ck_assert_uint_le(most, (unsigned)(DRAWS * 0.1384));
}
END_TEST

START_TEST(a_constant_draws_nothing)
{
	struct distribution d = {.value = 77};
	struct random_stream r, fresh;

	random_init(&r, 1, "constant");
	random_init(&fresh, 1, "constant");
	ck_assert_uint_eq(distribution_draw(&d, &r), 77);
	ck_assert_uint_eq(random_u32(&r), random_u32(&fresh));
	ck_assert_uint_eq(distribution_exponential(&r, 0), 0);
}
END_TEST

START_TEST(fixed_point_is_precise)
{
	for (uint64_t u = 1; u <= UINT64_C(1) << 32; u = u * 3 / 2 + 1) {
		double found = (double)fixed_minus_log2_q32(u) / 4294967296.0;

		ck_assert_double_eq_tol(found, 32 - log2((double)u), 1e-9);
	}
	for (double x = -20; x < 20; x += 0.37) {
		double found = (double)fixed_scale(UINT64_C(1) << 40, (int64_t)(x * 4294967296.0)),
		       right = exp2(40 + x);

		ck_assert_double_eq_tol(found / right, 1, 2e-6);
	}
	ck_assert_uint_eq(fixed_scale(1, INT64_C(10) << 32), 1024);
	ck_assert_uint_eq(fixed_scale(1, (INT64_C(10) << 32) + (INT64_C(1) << 31)), 1448);
	ck_assert_uint_eq(fixed_scale(1, INT64_C(64) << 32), UINT64_MAX);
	ck_assert_uint_eq(fixed_scale(3, INT64_C(63) << 32), UINT64_MAX);
	ck_assert_uint_eq(fixed_scale(0, INT64_C(100) << 32), 0);
	ck_assert_uint_eq(fixed_scale(UINT64_MAX, INT64_C(-100) * (INT64_C(1) << 32)), 0);
	ck_assert_uint_eq(fixed_scale(UINT64_MAX, INT64_C(-64) * (INT64_C(1) << 32)), 0);
	for (uint32_t u = 0; u < UINT32_MAX - 9999991; u += 9999991) {
		double z = fixed_normal_q16(u) / 65536.0;

		ck_assert_double_eq_tol(0.5 * erfc(-z / sqrt(2)), (u + 0.5) / 4294967296.0, 1e-5);
		ck_assert_int_eq(fixed_normal_q16(u), -fixed_normal_q16(~u));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("distribution");
	TCase *t = tcase_create("draws");

	tcase_add_test(t, uniform);
	tcase_add_test(t, exponential);
	tcase_add_test(t, pareto);
	tcase_add_test(t, lognormal);
	tcase_add_test(t, empirical);
	tcase_add_test(t, empirical_steps);
	tcase_add_test(t, bimodal);
	tcase_add_test(t, bounds_keep_the_rest);
	tcase_add_test(t, a_constant_draws_nothing);
	tcase_add_test(t, fixed_point_is_precise);
	suite_add_tcase(s, t);
	return unit_run(s);
}
