/* SPDX-License-Identifier: BSD-3-Clause */
/* The integer exponential sampler of Poisson arrivals, held against the distribution's formulas. */
#include "sim/traffic.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>

#define DRAWS   200000U
#define MEAN_NS (10 * NSTIME_MS)

START_TEST(mean_is_right)
{
	struct random_stream r;
	uint64_t sum = 0;
	random_init(&r, 1, "exponential mean");
	for (unsigned n = 0; n < DRAWS; n++)
		sum += traffic_exponential_ns(&r, MEAN_NS);
	uint64_t mean = sum / DRAWS;
	/* the mean's standard error is MEAN / sqrt(DRAWS) = 0.22 %; the seed is fixed, so this never flakes */
	ck_assert_uint_ge(mean, MEAN_NS * 99 / 100);
	ck_assert_uint_le(mean, MEAN_NS * 101 / 100);
}
END_TEST

START_TEST(quantiles_are_right)
{
	/* P(X > k ln 2 mean) = 2^-k */
	static const uint64_t ln2_ppm = 693147;
	struct random_stream r;
	unsigned above[6] = {0};
	random_init(&r, 1, "exponential quantiles");
	for (unsigned n = 0; n < DRAWS; n++) {
		uint64_t x = traffic_exponential_ns(&r, MEAN_NS);
		for (unsigned k = 1; k < 6; k++)
			above[k] += x > k * ln2_ppm * MEAN_NS / 1000000;
	}
	for (unsigned k = 1; k < 6; k++) {
		unsigned expected = DRAWS >> k;
		ck_assert_uint_ge(above[k], expected - expected / 20);
		ck_assert_uint_le(above[k], expected + expected / 20);
	}
}
END_TEST

START_TEST(a_mean_of_zero_is_zero)
{
	struct random_stream r;
	random_init(&r, 1, "exponential zero");
	for (unsigned n = 0; n < 100; n++)
		ck_assert_uint_eq(traffic_exponential_ns(&r, 0), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("traffic");
	TCase *t = tcase_create("exponential");
	tcase_add_test(t, mean_is_right);
	tcase_add_test(t, quantiles_are_right);
	tcase_add_test(t, a_mean_of_zero_is_zero);
	suite_add_tcase(s, t);
	return unit_run(s);
}
