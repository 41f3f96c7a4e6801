/* SPDX-License-Identifier: BSD-3-Clause */
/* The log-linear histogram: its buckets meet without gap or overlap, and its percentiles are as exact as it says. */
#include "sim/histogram.h"

#include "base/random.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

static struct histogram h;

START_TEST(small_values_are_exact)
{
	memset(&h, 0, sizeof h);
	ck_assert_uint_eq(histogram_percentile(&h, 50), 0);
	for (uint64_t v = 1; v <= 50; v++)
		histogram_add(&h, v);
	ck_assert_uint_eq(histogram_percentile(&h, 1), 1);
	ck_assert_uint_eq(histogram_percentile(&h, 50), 25);
	ck_assert_uint_eq(histogram_percentile(&h, 99), 50);
	ck_assert_uint_eq(histogram_percentile(&h, 100), 50);
	ck_assert_uint_eq(h.max, 50);
}
END_TEST

/* For one value alone, every percentile is the value itself, because none is above the largest. With a larger one
 * behind it, it is off by less than 1/64, and upwards. */
START_TEST(error_is_bounded)
{
	struct random_stream r;

	random_init(&r, 1, "histogram");
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t v = random_u64(&r) >> random_below(&r, 64), got;

		memset(&h, 0, sizeof h);
		histogram_add(&h, v);
		ck_assert_uint_eq(histogram_percentile(&h, 50), v);
		histogram_add(&h, UINT64_MAX);
		got = histogram_percentile(&h, 50);
		ck_assert_uint_ge(got, v);
		ck_assert_uint_le(got - v, v / 64);
		ck_assert_uint_eq(histogram_percentile(&h, 100), UINT64_MAX);
	}
}
END_TEST

START_TEST(buckets_are_in_order_and_in_range)
{
	unsigned last = 0;

	for (unsigned shift = 0; shift < 64; shift++) {
		unsigned b = histogram_bucket(UINT64_C(1) << shift);

		ck_assert(!shift || b > last);
		ck_assert(!shift || histogram_bucket((UINT64_C(1) << shift) - 1) < b);
		last = b;
	}
	ck_assert_uint_eq(histogram_bucket(UINT64_MAX), HISTOGRAM_BUCKETS - 1);
	for (unsigned b = 0; b < HISTOGRAM_BUCKETS; b++) {
		ck_assert_uint_eq(histogram_bucket(histogram_bucket_low(b)), b);
		ck_assert_uint_eq(histogram_bucket(histogram_bucket_high(b)), b);
		ck_assert(b == 0 || histogram_bucket_low(b) == histogram_bucket_high(b - 1) + 1);
	}
	ck_assert_uint_eq(histogram_bucket_high(HISTOGRAM_BUCKETS - 1), UINT64_MAX);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("histogram");
	TCase *c = tcase_create("histogram");

	tcase_add_test(c, small_values_are_exact);
	tcase_add_test(c, error_is_bounded);
	tcase_add_test(c, buckets_are_in_order_and_in_range);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
