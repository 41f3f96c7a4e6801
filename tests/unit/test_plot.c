/* SPDX-License-Identifier: BSD-3-Clause */
/* Plots: where ticks and values lie on an axis, how numbers are written, and what of the data is drawn. */
#include "report/plot.h"

#include "report/plot_axis.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

static void ticks_are(const struct plot_axis *spec, double least, double most, const char *expected)
{
	char all[512] = "", text[PLOT_NUMBER_MAX];
	struct axis a;

	axis_init(&a, spec, least, most, 0, 100);
	for (size_t i = 0; i < a.ticks_count; i++)
		strcat(strcat(all, i ? " " : ""), axis_tick_text(&a, i, text));
	ck_assert_str_eq(all, expected);
}

START_TEST(ticks_are_round)
{
	const struct plot_axis linear = {.title = "t"}, logarithmic = {.title = "t", .scale = PLOT_LOG};
	const struct plot_axis whole = {.title = "t", .whole = true}, wide = {.title = "t", .lower = 0, .upper = 100};

	ticks_are(&linear, 0, 10, "0 2 4 6 8 10");
	ticks_are(&linear, 3, 9.3, "0 2 4 6 8 10");
	ticks_are(&linear, 9, 10, "9.0 9.2 9.4 9.6 9.8 10.0");
	ticks_are(&linear, 0, 0.04, "0.00 0.01 0.02 0.03 0.04");
	ticks_are(&linear, -1, 1, "-1.0 -0.5 0.0 0.5 1.0");
	ticks_are(&linear, 0, 1234567, "0 500k 1M 1.5M");
	ticks_are(&linear, 0, 0, "0.0 0.2 0.4 0.6 0.8 1.0");
	ticks_are(&linear, 7, 7, "7.0 7.2 7.4 7.6 7.8");
	ticks_are(&whole, 0, 2, "0 1 2");
	ticks_are(&wide, 20, 30, "0 20 40 60 80 100");
	ticks_are(&logarithmic, 1, 100, "1 2 5 10 20 50 100");
	ticks_are(&logarithmic, 1, 1000, "1 10 100 1000");
	ticks_are(&logarithmic, 0.03, 0.4, "0.02 0.05 0.1 0.2 0.5");
	ticks_are(&logarithmic, 3, 5e7, "10 100 1000 10k 100k 1M 10M");
	ticks_are(&logarithmic, 8, 8, "5 10");
}
END_TEST

START_TEST(values_lie_where_they_should)
{
	const struct plot_axis linear = {.title = "t"}, logarithmic = {.title = "t", .scale = PLOT_LOG};
	struct axis a;

	axis_init(&a, &linear, 0, 10, 200, 100);
	ck_assert_double_eq_tol(axis_place(&a, 0), 200, 1e-9);
	ck_assert_double_eq_tol(axis_place(&a, 2.5), 175, 1e-9);
	ck_assert_double_eq_tol(axis_place(&a, 99), 100, 1e-9);
	axis_init(&a, &logarithmic, 1, 10000, 0, 400);
	ck_assert_double_eq_tol(axis_place(&a, 100), 200, 1e-5);
	ck_assert_double_eq_tol(axis_place(&a, 2), 30.1029996, 1e-5); /* log10(2) of a hundred */
	ck_assert_double_eq_tol(axis_place(&a, 7000), 384.5098040, 1e-5);
	ck_assert_double_eq_tol(axis_place(&a, 0), 0, 1e-9);
}
END_TEST

static unsigned occurrences(const char *text, const char *word)
{
	unsigned n = 0;

	for (const char *at = text; (at = strstr(at, word)); at += strlen(word))
		n++;
	return n;
}

START_TEST(series_intervals_and_marks_are_drawn)
{
	static const struct plot_point line[] = {{.x = 0, .y = 5, .low = 4, .high = 6},
						 {.x = 10, .y = 10, .low = 0, .high = 20}};
	static const struct plot_point bars[] = {{.x = 0, .x_end = 5, .y = 20}, {.x = 5, .x_end = 10, .y = 10}};
	const struct plot_series series[] = {
		{.name = "a < b", .kind = PLOT_LINE, .interval = true, .points = line, .count = 2},
		{.name = "bars", .kind = PLOT_BARS, .points = bars, .count = 2},
		{.name = "empty", .kind = PLOT_STEP},
	};
	const struct plot_mark mark = {.x = 5, .label = "p50 & more"};
	const struct plot p = {.id = "f",
			       .title = "T",
			       .x.title = "x (s)",
			       .y.title = "y (B)",
			       .series = series,
			       .series_count = 3,
			       .marks = &mark,
			       .marks_count = 1};
	struct markup m = {0};
	const char *text;

	plot_draw(&m, &p);
	vec_append(&m.text, "", 1);
	text = (const char *)m.text.data;
	/* The plot's ground is at 236, its top at 34; x goes from 58 to 504. */
	ck_assert_ptr_nonnull(strstr(text, "<path class=\"curve\" d=\"M58.0 185.5 504.0 135.0\"/>"));
	ck_assert_ptr_nonnull(strstr(text, "points=\"58.0 175.4 504.0 34.0 504.0 236.0 58.0 195.6\""));
	ck_assert_uint_eq(occurrences(text, "class=\"whisker\""), 6);
	ck_assert_ptr_nonnull(strstr(text, "x=\"58\" y=\"34\" width=\"222.5\" height=\"202\""));
	ck_assert_ptr_nonnull(strstr(text, "a &lt; b</span>"));
	ck_assert_ptr_nonnull(strstr(text, ">p50 &amp; more</text>"));
	ck_assert_ptr_nonnull(strstr(text, "<line class=\"mark\" x1=\"281\""));
	ck_assert_uint_eq(m.depth, 0);
	markup_fini(&m);
}
END_TEST

START_TEST(nothing_is_said_to_be_nothing)
{
	static const struct plot_point zero[] = {{.x = 0, .y = 0}};
	const struct plot_series series = {.points = zero, .count = 1};
	struct plot p = {.id = "f", .title = "T", .x.title = "x", .y.title = "y", .series_count = 0};
	struct markup m = {0};

	plot_draw(&m, &p);
	p.x.scale = PLOT_LOG; /* which has no place for the only point */
	p.series = &series;
	p.series_count = 1;
	plot_draw(&m, &p);
	vec_append(&m.text, "", 1);
	ck_assert_uint_eq(occurrences((const char *)m.text.data, "nothing to show"), 2);
	ck_assert_ptr_null(strstr((const char *)m.text.data, "<svg"));
	markup_fini(&m);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("plot");
	TCase *c = tcase_create("plot");

	tcase_add_test(c, ticks_are_round);
	tcase_add_test(c, values_lie_where_they_should);
	tcase_add_test(c, series_intervals_and_marks_are_drawn);
	tcase_add_test(c, nothing_is_said_to_be_nothing);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
