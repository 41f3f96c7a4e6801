/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/control_request.h"

#include "base/err.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

static const struct {
	const char *line;
	struct control_request is;
} good[] = {
	{"{\"command\":\"status\"}", {.command = CONTROL_STATUS}},
	{" { \"command\" : \"backends\" } ", {.command = CONTROL_BACKENDS}},
	{"{\"command\":\"stats\"}", {.command = CONTROL_STATS}},
	{"{\"command\":\"connections\"}", {.command = CONTROL_CONNECTIONS}},
	{"{\"from\":4294967296,\"command\":\"connections\"}", {.command = CONTROL_CONNECTIONS, .from = 1ULL << 32}},
	{"{\"command\":\"drain\",\"name\":\"backend1\"}", {.command = CONTROL_DRAIN, .name = "backend1"}},
	{"{\"command\":\"drain\",\"name\":\"b\",\"within\":\"1.5 s\"}",
	 {.command = CONTROL_DRAIN, .name = "b", .within = 1500 * NSTIME_MS}},
	{"{\"command\":\"undrain\",\"name\":\"b\"}", {.command = CONTROL_UNDRAIN, .name = "b"}},
};

START_TEST(good_requests)
{
	struct control_request r;
	char why[CONTROL_WHY_MAX];

	ck_assert_int_eq(control_request_parse(&r, good[_i].line, strlen(good[_i].line), why), 0);
	ck_assert_int_eq(r.command, good[_i].is.command);
	ck_assert_str_eq(r.name, good[_i].is.name);
	ck_assert_uint_eq(r.within, good[_i].is.within);
	ck_assert_uint_eq(r.from, good[_i].is.from);
}
END_TEST

#define NAME_64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static const struct {
	const char *line, *why; /* the beginning of it */
} bad[] = {
	{"", "not JSON"},
	{"status", "not JSON"},
	{"{\"command\":\"status\"", "not JSON"},
	{"{\"command\":\"status\"} x", "not JSON"},
	{"{\"command\":\"status\",\"command\":\"stats\"}", "not JSON"},
	{"{\"command\":\"\xff\"}", "not JSON"},
	{"[\"status\"]", "a request is an object"},
	{"{}", "'command' is missing"},
	{"{\"command\":1}", "'command' is missing, or no text"},
	{"{\"command\":\"Status\"}", "unknown command 'Status'"},
	{"{\"command\":\"status\",\"name\":\"x\"}", "'status' has no 'name'"},
	{"{\"command\":\"stats\",\"from\":0}", "'stats' has no 'from'"},
	{"{\"command\":\"undrain\",\"name\":\"x\",\"within\":\"1 s\"}", "'undrain' has no 'within'"},
	{"{\"command\":\"drain\"}", "'name' is missing"},
	{"{\"command\":\"drain\",\"name\":\"\"}", "'name' is missing"},
	{"{\"command\":\"drain\",\"name\":[]}", "'name' is missing"},
	{"{\"command\":\"drain\",\"name\":\"" NAME_64 "\"}", "'name' is longer"},
	{"{\"command\":\"drain\",\"name\":\"x\",\"within\":30}", "'within' is no text"},
	{"{\"command\":\"drain\",\"name\":\"x\",\"within\":\"30\"}", "'within': "},
	{"{\"command\":\"drain\",\"name\":\"x\",\"within\":\"0 s\"}", "'within' is from"},
	{"{\"command\":\"drain\",\"name\":\"x\",\"within\":\"25 h\"}", "'within' is from"},
	{"{\"command\":\"connections\",\"from\":-1}", "'from' is no number"},
	{"{\"command\":\"connections\",\"from\":\"0\"}", "'from' is no number"},
};

START_TEST(bad_requests)
{
	struct control_request r;
	char why[CONTROL_WHY_MAX] = "";

	ck_assert_int_eq(control_request_parse(&r, bad[_i].line, strlen(bad[_i].line), why), E_INVAL);
	ck_assert_msg(!strncmp(why, bad[_i].why, strlen(bad[_i].why)), "'%s' is said to be wrong so: %s", bad[_i].line,
		      why);
}
END_TEST

START_TEST(depth_is_no_danger)
{
	char line[4096], why[CONTROL_WHY_MAX];
	struct control_request r;

	memset(line, '[', sizeof line);
	ck_assert_int_eq(control_request_parse(&r, line, sizeof line, why), E_INVAL);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("control_request");
	TCase *c = tcase_create("control_request");

	tcase_add_loop_test(c, good_requests, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(c, bad_requests, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(c, depth_is_no_danger);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
