/* SPDX-License-Identifier: BSD-3-Clause */
/* Sweeps: how words become a grid, how runs are numbered, and the statistics over seeds against known values. */
#include "base/err.h"
#include "sweep/grid.h"
#include "sweep/pool.h"
#include "sweep/stats.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

static const char *why;

START_TEST(values_stand_between_commas_outside_brackets)
{
	struct sweep_grid g = {.varies_count = 0};

	ck_assert_int_eq(sweep_grid_vary(&g, "a.b= 0 % ,10 %, { x: 1, y: [2, 3] },\"p, q\"", &why), 0);
	ck_assert_str_eq(g.varies[0].path, "a.b");
	ck_assert_uint_eq(g.varies[0].count, 4);
	ck_assert_str_eq(g.varies[0].values[0], "0 %");
	ck_assert_str_eq(g.varies[0].values[1], "10 %");
	ck_assert_str_eq(g.varies[0].values[2], "{ x: 1, y: [2, 3] }");
	ck_assert_str_eq(g.varies[0].values[3], "\"p, q\"");
	sweep_grid_fini(&g);
}
END_TEST

START_TEST(bad_words_are_refused_and_leave_no_trace)
{
	static const char *const bad[] = {"a", "=1", "a=", "a=1,,2", "a=1,1", "a=[1,2", "a=\"x", "good=2", "seed=1,2"};
	static const char *const seeds[] = {"", "x", "5..1", "1,1", "1..3,2", "1..", "0..2000000", "-1"};
	struct sweep_grid g = {.varies_count = 0};

	ck_assert_int_eq(sweep_grid_vary(&g, "good=1,2", &why), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		why = NULL;
		ck_assert_msg(sweep_grid_vary(&g, bad[i], &why) < 0, "%s", bad[i]);
		ck_assert_ptr_nonnull(why);
	}
	ck_assert_uint_eq(g.varies_count, 1);
	ck_assert_uint_eq(g.varies[0].count, 2);
	for (size_t i = 0; i < sizeof(seeds) / sizeof(*seeds); i++) {
		struct sweep_grid s = {.varies_count = 0};
		why = NULL;
		ck_assert_msg(sweep_grid_seeds(&s, seeds[i], &why) < 0, "%s", seeds[i]);
		ck_assert_ptr_nonnull(why);
		sweep_grid_fini(&s);
	}
	sweep_grid_fini(&g);
}
END_TEST

START_TEST(runs_are_numbered_seed_by_seed)
{
	struct sweep_grid g = {.varies_count = 0};
	char name[SWEEP_NAME_MAX], *sets[SWEEP_VARIES_MAX];
	struct sweep_point p;

	ck_assert_uint_eq(sweep_grid_runs(&g), 1);
	sweep_grid_name(&g, 0, name);
	ck_assert_str_eq(name, "cell0");
	ck_assert_int_eq(sweep_grid_vary(&g, "a=1,2", &why), 0);
	ck_assert_int_eq(sweep_grid_vary(&g, "b=x,y,z", &why), 0);
	ck_assert_int_eq(sweep_grid_seeds(&g, "3,7..8", &why), 0);
	ck_assert_uint_eq(sweep_grid_cells(&g), 6);
	ck_assert_uint_eq(sweep_grid_runs(&g), 18);
	p = sweep_grid_point(&g, 6 + 4);
	ck_assert_uint_eq(p.cell, 4);
	ck_assert_uint_eq(p.seed, 7);
	ck_assert_str_eq(sweep_grid_value(&g, p.cell, 0), "2");
	ck_assert_str_eq(sweep_grid_value(&g, p.cell, 1), "y");
	sweep_grid_name(&g, 6 + 4, name);
	ck_assert_str_eq(name, "cell4-seed7");
	sweep_grid_sets(&g, 4, sets);
	ck_assert_str_eq(sets[0], "a=2");
	ck_assert_str_eq(sets[1], "b=y");
	free(sets[0]);
	free(sets[1]);
	sweep_grid_fini(&g);
}
END_TEST

START_TEST(a_grid_that_is_too_large_has_no_runs)
{
	struct sweep_grid g = {.varies_count = 0};

	ck_assert_int_eq(sweep_grid_vary(&g, "a=1,2", &why), 0);
	ck_assert_int_eq(sweep_grid_seeds(&g, "1..500000", &why), 0);
	ck_assert_uint_eq(sweep_grid_runs(&g), 1000000);
	ck_assert_int_eq(sweep_grid_vary(&g, "b=1,2", &why), 0);
	ck_assert_uint_eq(sweep_grid_runs(&g), 0);
	for (size_t i = 2; i < SWEEP_VARIES_MAX; i++) {
		char word[] = {'p', (char)('a' + i), '=', '1', '\0'};
		ck_assert_int_eq(sweep_grid_vary(&g, word, &why), 0);
	}
	ck_assert_int_eq(sweep_grid_vary(&g, "z=1", &why), E_FULL);
	sweep_grid_fini(&g);
}
END_TEST

/* NIST/SEMATECH's handbook gives t(0.975, 9) = 2.262: the mean of 1..10 is 5.5 +- 2.262 * 3.0277 / sqrt(10). */
START_TEST(statistics_are_those_of_the_textbook)
{
	double ten[] = {10, 1, 9, 2, 8, 3, 7, 4, 6, 5}, one[] = {3}, odd[] = {9, 1, 5};
	struct sweep_stats s = sweep_stats(ten, 10);

	ck_assert_double_eq(s.mean, 5.5);
	ck_assert_double_eq_tol(s.deviation, 3.0276503540974917, 1e-12);
	ck_assert_double_eq_tol(s.high - s.mean, 2.262 * 3.0276503540974917 / sqrt(10), 1e-12);
	ck_assert_double_eq_tol(s.mean - s.low, s.high - s.mean, 1e-12);
	ck_assert_double_eq(s.min, 1);
	ck_assert_double_eq(s.max, 10);
	ck_assert_double_eq(s.median, 5.5);
	s = sweep_stats(one, 1);
	ck_assert_double_nan(s.low);
	ck_assert_double_nan(s.high);
	ck_assert_double_eq(s.deviation, 0);
	ck_assert_double_eq(sweep_stats(odd, 3).median, 5);
}
END_TEST

/* Between tabulated degrees the interval may be too wide, and never narrower than that of more degrees. */
START_TEST(the_quantile_never_rises_with_the_degrees)
{
	ck_assert_double_eq(sweep_student(1), 12.706);
	ck_assert_double_eq(sweep_student(30), 2.042);
	ck_assert_double_eq(sweep_student(39), 2.042);
	ck_assert_double_eq(sweep_student(40), 2.021);
	for (size_t d = 1; d < 2000; d++) {
		ck_assert(sweep_student(d) >= sweep_student(d + 1));
		ck_assert(sweep_student(d) > 1.95);
	}
}
END_TEST

/* ---- processes ---- */

struct jobs {
	int status[64];
	size_t ended;
};

static int job(void *context, size_t index)
{
	(void)context;
	if (index == 7)
		raise(SIGKILL);
	return (int)index % 5;
}

static bool job_ended(void *context, size_t index, int status)
{
	struct jobs *j = context;

	j->status[index] = status;
	j->ended++;
	return true;
}

static void nothing(void *context)
{
	(void)context;
}

START_TEST(every_job_runs_once_and_its_end_is_told)
{
	struct jobs j = {.ended = 0};
	size_t indices[40];
	const struct pool pool = {.jobs = 3, .run = job, .ended = job_ended, .tick = nothing, .context = &j};

	for (size_t i = 0; i < 40; i++)
		indices[i] = i;
	ck_assert_int_eq(pool_run(&pool, indices, 40), 0);
	ck_assert_uint_eq(j.ended, 40);
	for (size_t i = 0; i < 40; i++)
		ck_assert_int_eq(j.status[i], i == 7 ? -SIGKILL : (int)i % 5);
	ck_assert_int_eq(pool_run(&pool, indices, 0), 0);
}
END_TEST

static _Noreturn int job_for_ever(void *context, size_t index)
{
	(void)context;
	/* One signal: a second could come when pool_run no longer waits for any. */
	if (index == 0)
		kill(getppid(), SIGTERM);
	for (;;)
		pause();
}

START_TEST(a_signal_ends_all_of_them)
{
	struct jobs j = {.ended = 0};
	const size_t indices[] = {0, 1, 2, 3, 4, 5};
	const struct pool pool = {.jobs = 2, .run = job_for_ever, .ended = job_ended, .tick = nothing, .context = &j};

	ck_assert_int_eq(pool_run(&pool, indices, 6), E_CLOSED);
	ck_assert_uint_ge(j.ended, 1);
	ck_assert_uint_le(j.ended, 2);
	ck_assert_int_eq(j.status[0], -SIGTERM);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("sweep");
	TCase *grid = tcase_create("grid"), *stats = tcase_create("statistics"), *pool = tcase_create("processes");

	tcase_add_test(grid, values_stand_between_commas_outside_brackets);
	tcase_add_test(grid, bad_words_are_refused_and_leave_no_trace);
	tcase_add_test(grid, runs_are_numbered_seed_by_seed);
	tcase_add_test(grid, a_grid_that_is_too_large_has_no_runs);
	tcase_add_test(stats, statistics_are_those_of_the_textbook);
	tcase_add_test(stats, the_quantile_never_rises_with_the_degrees);
	tcase_add_test(pool, every_job_runs_once_and_its_end_is_told);
	tcase_add_test(pool, a_signal_ends_all_of_them);
	suite_add_tcase(suite, grid);
	suite_add_tcase(suite, stats);
	suite_add_tcase(suite, pool);
	return unit_run(suite);
}
