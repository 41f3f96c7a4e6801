/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/expect.h"

#include "base/err.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct metrics m;

static void setup(void)
{
	metrics_init(&m);
	metrics_set(&m, "requests.completed", 998);
	metrics_set(&m, "requests.started", 1000);
	metrics_set(&m, "handoffs.latency_us.p99", 49999);
	metrics_set(&m, "handoffs.latency_us.max", UINT64_MAX);
	metrics_set(&m, "handoffs.wait_ms", 50);
	metrics_set(&m, "streams.bytes", 65536);
	metrics_set(&m, "link.rate_bps", 100000000);
	metrics_set(&m, "link.loss_ppb", 50000000);
	metrics_set(&m, "driver.overflowed", 0);
	metrics_set_text(&m, "fingerprint", "abc");
}

static void teardown(void)
{
	metrics_fini(&m);
}

static const struct {
	const char *text;
	bool pass;
} cases[] = {
	{"requests.completed == 998", true},
	{"requests.completed==998", true},
	{"  requests.completed \t== 998 ", true},
	{"requests.completed != 998", false},
	{"requests.completed == 997", false},
	{"requests.completed < 998", false},
	{"requests.completed <= 998", true},
	{"requests.completed > 997", true},
	{"requests.completed >= 998", true},
	{"requests.completed > 998", false},
	{"requests.completed < requests.started", true},
	{"requests.completed == requests.started", false},
	{"handoffs.latency_us.p99 < 50 ms", true},
	{"handoffs.latency_us.p99 < 49999 us", false},
	{"handoffs.latency_us.p99 <= 49999us", true},
	{"handoffs.latency_us.p99 < 49999001 ns", true},
	{"handoffs.latency_us.p99 < 50000", true},
	{"handoffs.latency_us.p99 == 49999", true},
	{"handoffs.latency_us.p99 < 0.05 s", true},
	{"handoffs.latency_us.p99 < handoffs.wait_ms", true},
	{"handoffs.latency_us.p99 == handoffs.wait_ms", false},
	{"handoffs.latency_us.max > 500 h", true},
	{"streams.bytes == 64 KiB", true},
	{"streams.bytes < 65.536 kB", false},
	{"link.rate_bps == 100 Mbit", true},
	{"link.loss_ppb <= 5 %", true},
	{"link.loss_ppb < 5 %", false},
	{"driver.overflowed == 0", true},
};

START_TEST(holds_or_not)
{
	char why[EXPECT_WHY_MAX];
	struct expect x;
	struct expect_result result;
	size_t column;

	ck_assert_msg(!expect_parse(&x, cases[_i].text, &m, why, &column), "%s: %s", cases[_i].text, why);
	ck_assert_int_eq(expect_evaluate(&x, &m, &result), 0);
	ck_assert_msg(result.pass == cases[_i].pass, "%s: %s", cases[_i].text, result.actual);
}
END_TEST

static const struct {
	const char *text;
	int err;
	size_t column;
	const char *why; /* part of the message */
} bad[] = {
	{"", E_FORMAT, 0, "a metric is expected"},
	{"== 3", E_FORMAT, 0, "a metric is expected"},
	{"requests.completed", E_FORMAT, 18, "== != < <= > >="},
	{"requests.completed = 3", E_FORMAT, 19, "== != < <= > >="},
	{"requests.completed ==", E_FORMAT, 21, "a number or a metric"},
	{"requests.completed == -3", E_FORMAT, 22, "below zero"},
	{"requests.completed == 3 4", E_INVAL, 22, "no such unit"},
	{"requests.completed == requests.started now", E_FORMAT, 22, "a number or a metric"},
	{"requests.complete == 3", E_NOENT, 0, "did you mean requests.completed?"},
	{"sunshine == 3", E_NOENT, 0, "no metric sunshine"},
	{"requests.completed == requests.start", E_NOENT, 22, "did you mean requests.started?"},
	{"requests == 3", E_NOENT, 0, "no metric requests"},
	{"fingerprint == 3", E_INVAL, 0, "not a number"},
	{"requests.completed < 50 ms", E_INVAL, 21, "50 ms is a duration"},
	{"handoffs.latency_us.p99 < 64 KiB", E_INVAL, 26, "a size"},
	{"handoffs.latency_us.p99 < requests.started", E_INVAL, 26, "without a unit"},
	{"streams.bytes < 5 parsecs", E_INVAL, 16, "no such unit"},
	{"requests.completed < 1.5", E_UNSUPPORTED, 21, "too fine"},
	{"requests.completed < 99999999999999999999999", E_TOOBIG, 21, "too large"},
	{"requests.completed < 1"
	 "                                                                                 1",
	 E_FORMAT, 21, "too long"},
};

START_TEST(mistakes_have_positions)
{
	char why[EXPECT_WHY_MAX] = "";
	struct expect x;
	size_t column = 99;
	int err = expect_parse(&x, bad[_i].text, &m, why, &column);

	ck_assert_msg(err == bad[_i].err, "'%s' gave %d: %s", bad[_i].text, err, why);
	ck_assert_msg(column == bad[_i].column, "'%s': column %zu", bad[_i].text, column);
	if (bad[_i].why)
		ck_assert_msg(strstr(why, bad[_i].why), "'%s': %s", bad[_i].text, why);
}
END_TEST

START_TEST(long_names_are_refused)
{
	char why[EXPECT_WHY_MAX], text[400];
	struct expect x;
	size_t column;

	memset(text, 'a', sizeof text);
	strcpy(text + 300, " == 1");
	ck_assert_int_eq(expect_parse(&x, text, NULL, why, &column), E_FORMAT);
	memcpy(text, "b == ", 5);
	ck_assert_int_eq(expect_parse(&x, text, NULL, why, &column), E_FORMAT);
}
END_TEST

START_TEST(what_the_run_lacks_fails)
{
	char why[EXPECT_WHY_MAX];
	struct expect x;
	struct expect_result result = {.pass = true};
	size_t column;

	ck_assert_int_eq(expect_parse(&x, "no.such >= 0", NULL, why, &column), 0);
	ck_assert_int_eq(expect_evaluate(&x, &m, &result), E_NOENT);
	ck_assert(!result.pass);
	ck_assert_str_eq(result.actual, "no.such is unknown");
	ck_assert_int_eq(expect_parse(&x, "requests.completed >= fingerprint", NULL, why, &column), 0);
	ck_assert_int_eq(expect_evaluate(&x, &m, &result), E_NOENT);
	ck_assert_str_eq(result.actual, "fingerprint is not a number");
}
END_TEST

START_TEST(actual_values_are_told)
{
	char why[EXPECT_WHY_MAX];
	struct expect x;
	struct expect_result result;
	size_t column;

	expect_parse(&x, "requests.completed == 1000", &m, why, &column);
	expect_evaluate(&x, &m, &result);
	ck_assert_str_eq(result.actual, "requests.completed is 998");
	expect_parse(&x, "requests.completed == requests.started", &m, why, &column);
	expect_evaluate(&x, &m, &result);
	ck_assert_str_eq(result.actual, "requests.completed is 998, requests.started is 1000");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("expect");
	TCase *c = tcase_create("expect");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_loop_test(c, holds_or_not, 0, sizeof cases / sizeof cases[0]);
	tcase_add_loop_test(c, mistakes_have_positions, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(c, long_names_are_refused);
	tcase_add_test(c, what_the_run_lacks_fails);
	tcase_add_test(c, actual_values_are_told);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
