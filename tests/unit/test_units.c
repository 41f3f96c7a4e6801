/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/units.h"

#include "base/err.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>

enum kind { DURATION, RATE, SIZE, PROBABILITY, COUNT, ANY };

static int parse(enum kind kind, const char *text, uint64_t *out)
{
	enum units_dimension dimension;
	const char *why = NULL;
	uint32_t ppb = 0;
	int err;

	switch (kind) {
	case DURATION:
		err = units_parse_duration(text, out, &why);
		break;
	case RATE:
		err = units_parse_rate(text, out, &why);
		break;
	case SIZE:
		err = units_parse_size(text, out, &why);
		break;
	case PROBABILITY:
		err = units_parse_probability(text, &ppb, &why);
		*out = ppb;
		break;
	case COUNT:
		err = units_parse_count(text, out, &why);
		break;
	default:
		err = units_parse_any(text, &dimension, out, &why);
	}
	if (err)
		ck_assert_ptr_nonnull(why);
	return err;
}

static const struct {
	enum kind kind;
	const char *text;
	uint64_t value;
} good[] = {
	{DURATION, "10 ms", 10000000},
	{DURATION, "10ms", 10000000},
	{DURATION, "0.5 us", 500},
	{DURATION, "1.500 us", 1500},
	{DURATION, "007 ns", 7},
	{DURATION, "0", 0},
	{DURATION, "0.0 s", 0},
	{DURATION, "2 min", 120 * NSTIME_S},
	{DURATION, "5124095 h", UINT64_C(5124095) * 3600 * NSTIME_S},
	{RATE, "100 Mbit", 100000000},
	{RATE, "1.5Gbit/s", 1500000000},
	{RATE, "8 bit", 8},
	{RATE, "3 Kbit", 3000},
	{RATE, "3 kbit", 3000},
	{SIZE, "64 KiB", 65536},
	{SIZE, "0.5 KiB", 512},
	{SIZE, "1 kB", 1000},
	{SIZE, "3 GiB", UINT64_C(3) << 30},
	{SIZE, "7 B", 7},
	{PROBABILITY, "5 %", 50000000},
	{PROBABILITY, "0.0000001%", 1},
	{PROBABILITY, "100 %", 1000000000},
	{PROBABILITY, "0", 0},
	{COUNT, "1000", 1000},
	{COUNT, "18446744073709551615", UINT64_MAX},
	{COUNT, "3.0", 3},
	{ANY, "42", 42},
	{ANY, "50 ms", 50000000},
	{ANY, "1 %", 10000000},
};

static const struct {
	enum kind kind;
	const char *text;
	int err;
} bad[] = {
	{DURATION, "10", E_INVAL},
	{DURATION, "10 Mbit", E_INVAL},
	{DURATION, "10 m", E_INVAL},
	{DURATION, "10 MS", E_INVAL},
	{DURATION, "", E_FORMAT},
	{DURATION, "ms", E_FORMAT},
	{DURATION, "-1 ms", E_FORMAT},
	{DURATION, "1. ms", E_FORMAT},
	{DURATION, ".5 ms", E_FORMAT},
	{DURATION, "1e3 ms", E_INVAL},
	{DURATION, "0x10 ms", E_INVAL},
	{DURATION, "0.5 ns", E_UNSUPPORTED},
	{DURATION, "0.0001 us", E_UNSUPPORTED},
	{DURATION, "5124096 h", E_TOOBIG},
	{DURATION, "18446744073709551615 ns", E_TOOBIG},
	{DURATION, "99999999999999999999999999999 ns", E_TOOBIG},
	{DURATION, "1.00000000000000000000000000001 s", E_UNSUPPORTED},
	{RATE, "100 MB", E_INVAL},
	{RATE, "100", E_INVAL},
	{SIZE, "64 kib", E_INVAL},
	{SIZE, "0.3 KiB", E_UNSUPPORTED},
	{SIZE, "20000000000 GiB", E_TOOBIG},
	{PROBABILITY, "0.05", E_INVAL},
	{PROBABILITY, "100.1 %", E_TOOBIG},
	{PROBABILITY, "0.00000001 %", E_UNSUPPORTED},
	{COUNT, "3 s", E_INVAL},
	{COUNT, "3.5", E_UNSUPPORTED},
	{COUNT, "18446744073709551616", E_TOOBIG},
	{ANY, "10 parsecs", E_INVAL},
	{ANY, "200 /s", E_INVAL},
	{ANY, "many", E_FORMAT},
};

START_TEST(good_values)
{
	uint64_t value = 12345;

	ck_assert_msg(!parse(good[_i].kind, good[_i].text, &value), "'%s' was refused", good[_i].text);
	ck_assert_msg(value == good[_i].value, "'%s' is %llu", good[_i].text, (unsigned long long)value);
}
END_TEST

START_TEST(bad_values)
{
	uint64_t value;
	int err = parse(bad[_i].kind, bad[_i].text, &value);

	ck_assert_msg(err == bad[_i].err, "'%s' gave %d, not %d", bad[_i].text, err, bad[_i].err);
}
END_TEST

START_TEST(frequencies_are_exact)
{
	static const struct {
		const char *text;
		uint64_t events, period_ns;
	} cases[] = {
		{"200 /s", 1, 5000000},       {"200/s", 1, 5000000},   {"3 /s", 3, NSTIME_S},
		{"0.5 /s", 1, 2 * NSTIME_S},  {"2.5 /ms", 1, 400000},  {"7 /min", 7, 60 * NSTIME_S},
		{"1 /min", 1, 60 * NSTIME_S}, {"5000000000 /s", 5, 1},
	};
	static const char *const refused[] = {"200", "0 /s", "0", "200 Hz", "-1 /s", "200 s", "/s"};
	struct units_frequency f;
	const char *why;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		ck_assert_msg(!units_parse_frequency(cases[i].text, &f, &why), "%s: %s", cases[i].text, why);
		ck_assert_uint_eq(f.events, cases[i].events);
		ck_assert_uint_eq(f.period_ns, cases[i].period_ns);
	}
	for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
		ck_assert_msg(units_parse_frequency(refused[i], &f, &why), "%s was taken", refused[i]);
}
END_TEST

START_TEST(any_tells_the_dimension)
{
	enum units_dimension d;
	const char *why;
	uint64_t value;

	ck_assert_int_eq(units_parse_any("50 ms", &d, &value, &why), 0);
	ck_assert_int_eq(d, UNITS_DURATION);
	ck_assert_int_eq(units_parse_any("50", &d, &value, &why), 0);
	ck_assert_int_eq(d, UNITS_COUNT);
	ck_assert_int_eq(units_parse_any("1 MiB", &d, &value, &why), 0);
	ck_assert_int_eq(d, UNITS_SIZE);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("units");
	TCase *c = tcase_create("units");

	tcase_add_loop_test(c, good_values, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(c, bad_values, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(c, frequencies_are_exact);
	tcase_add_test(c, any_tells_the_dimension);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
