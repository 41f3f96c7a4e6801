/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses and tuples: parsing, text, prefixes, comparison; and the lists of error codes and trace events. */
#include "base/addr.h"
#include "base/err.h"
#include "base/trace.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

static struct addr parsed(const char *text)
{
	struct addr a;

	ck_assert_int_eq(addr_parse(&a, text), 0);
	return a;
}

START_TEST(text_round_trip)
{
	static const char *const texts[][2] = {
		{"198.51.100.80", "198.51.100.80"},
		{"0.0.0.0", "0.0.0.0"},
		{"255.255.255.255", "255.255.255.255"},
		{"::", "::"},
		{"2001:DB8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},    /* RFC 5952, section 4.2.3: the first of equals */
		{"2001:db8:0:1:1:1:1:1", "2001:db8:0:1:1:1:1:1"}, /* 4.2.2: one field is not shortened */
		{"2001:0db8::0001", "2001:db8::1"},
		{"ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"},
	};
	char out[ADDR_TEXT_MAX];

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct addr a = parsed(texts[i][0]);

		ck_assert_str_eq(addr_text(&a, out), texts[i][1]);
	}
	ck_assert_str_eq(addr_text(&(struct addr){0}, out), "none");
}
END_TEST

START_TEST(malformed)
{
	static const char *const texts[] = {
		"",         "1.2.3", "1.2.3.4.5", "1.2.3.256", "1.2.3.4:80",        " 1.2.3.4", "1.2.3.4 ",
		"01.2.3.4", "[::1]", "::1%lo",    ":::",       "1:2:3:4:5:6:7:8:9", "g::",      "::1.2.3.256"};
	struct addr a;

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		ck_assert_msg(addr_parse(&a, texts[i]) == E_FORMAT, "%s", texts[i]);
}
END_TEST

START_TEST(bytes_and_equality)
{
	struct addr a = addr_v4(0xc6336450), b = parsed("198.51.100.80"), c = parsed("c633:6450::");

	ck_assert_uint_eq(addr_len(&a), 4);
	ck_assert_uint_eq(addr_len(&c), 16);
	ck_assert(addr_equal(&a, &b));
	ck_assert(!addr_equal(&a, &c)); /* the same bytes of another family */
	b = addr_from_bytes(6, c.bytes);
	ck_assert(addr_equal(&b, &c));
	b.bytes[15] ^= 1;
	ck_assert(!addr_equal(&b, &c));
}
END_TEST

START_TEST(prefixes)
{
	static const struct {
		const char *addr, *prefix;
		uint8_t len;
		bool inside;
	} rows[] = {
		{"10.0.0.255", "10.0.0.0", 24, true},
		{"10.0.1.0", "10.0.0.0", 24, false},
		{"10.0.0.129", "10.0.0.128", 25, true},
		{"10.0.0.127", "10.0.0.128", 25, false},
		{"255.1.2.3", "0.0.0.0", 0, true},
		{"10.0.0.1", "10.0.0.1", 32, true},
		{"10.0.0.0", "10.0.0.1", 32, false},
		{"10.0.0.1", "10.0.0.1", 33, false},
		{"2001:db8::1", "2001:db8::", 64, true},
		{"2001:db8:0:1::", "2001:db8::", 64, false},
		{"::1", "::", 127, true},
		{"::1", "::1", 128, true},
		{"::1", "::1", 129, false},
		{"10.0.0.1", "::", 0, false},
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct addr a = parsed(rows[i].addr), p = parsed(rows[i].prefix);

		ck_assert_msg(addr_in_prefix(&a, &p, rows[i].len) == rows[i].inside, "%s in %s/%u", rows[i].addr,
			      rows[i].prefix, rows[i].len);
	}
}
END_TEST

START_TEST(tuples)
{
	struct tuple t = {parsed("198.51.100.1"), parsed("198.51.100.80"), 4000, 80}, u = t;
	char out[TUPLE_TEXT_MAX];

	ck_assert_str_eq(tuple_text(&t, out), "198.51.100.1:4000 > 198.51.100.80:80");
	ck_assert(tuple_equal(&t, &u));
	u.local_port = 81;
	ck_assert(!tuple_equal(&t, &u));
	u.remote = u.local = parsed("ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255");
	u.remote_port = u.local_port = 65535;
	ck_assert_str_eq(tuple_text(&u, out), "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535 > "
					      "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535");
}
END_TEST

START_TEST(error_texts)
{
	ck_assert_str_eq(err_text(0), "success");
	ck_assert_str_eq(err_text(E_IO), "input or output failed");
	ck_assert_str_eq(err_text(1), "unknown error");
	ck_assert_str_eq(err_text(-1000), "unknown error");
}
END_TEST

START_TEST(trace_vocabulary)
{
	for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++) {
		ck_assert_str_ne(trace_name(i), "");
		for (unsigned k = 0; k < i; k++)
			ck_assert_str_ne(trace_name(i), trace_name(k));
	}
	ck_assert_str_eq(trace_name(TRACE_INDICATE), "indicate");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_addr");
	TCase *all = tcase_create("base_addr");

	tcase_add_test(all, text_round_trip);
	tcase_add_test(all, malformed);
	tcase_add_test(all, bytes_and_equality);
	tcase_add_test(all, prefixes);
	tcase_add_test(all, tuples);
	tcase_add_test(all, error_texts);
	tcase_add_test(all, trace_vocabulary);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
