/* SPDX-License-Identifier: BSD-3-Clause */
/* The writer of pages: what comes from a file cannot become markup, and what XML cannot hold is replaced. */
#include "report/markup.h"

#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

static struct markup m;

static void teardown(void)
{
	markup_fini(&m);
}

static const char *written(void)
{
	vec_append(&m.text, "", 1);
	return (const char *)m.text.data;
}

START_TEST(elements_nest_and_close)
{
	markup_open_class(&m, "p", "c");
	markup_attribute_format(&m, "id", "n%d", 7);
	markup_text(&m, "a");
	markup_element(&m, "b", NULL, "");
	markup_open(&m, "br");
	markup_close(&m);
	markup_close(&m);
	ck_assert_str_eq(written(), "<p class=\"c\" id=\"n7\">a<b></b>\n<br/>\n</p>\n");
	ck_assert_uint_eq(m.depth, 0);
}
END_TEST

START_TEST(text_and_attributes_are_escaped)
{
	markup_open(&m, "a");
	markup_attribute(&m, "title", "\"/><script>&'");
	markup_format(&m, "%s", "</a><b> & \"q\"");
	markup_close(&m);
	ck_assert_str_eq(written(), "<a title=\"&quot;/&gt;&lt;script&gt;&amp;'\">"
				    "&lt;/a&gt;&lt;b&gt; &amp; &quot;q&quot;</a>\n");
}
END_TEST

/* Each of these is one bad byte or more; what stands around it stays. */
START_TEST(what_xml_cannot_hold_is_replaced)
{
	static const struct {
		const char *in, *out;
	} cases[] = {
		{"caf\xc3\xa9 \xe2\x9c\x93 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xe2\x9c\x93 \xf0\x9f\x98\x80"},
		{"a\x01z\x7f", "a\xef\xbf\xbdz\xef\xbf\xbd"},
		{"\ttab\nline", "\ttab\nline"},
		{"\xc3", "\xef\xbf\xbd"},                                                 /* cut short */
		{"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* overlong */
		{"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* a surrogate */
		{"\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* U+FFFF */
		{"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above U+10FFFF */
		{"\x80<", "\xef\xbf\xbd&lt;"},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		markup_text(&m, cases[i].in);
		ck_assert_str_eq(written(), cases[i].out);
		vec_clear(&m.text);
	}
}
END_TEST

START_TEST(places_have_no_needless_digits)
{
	static const struct {
		double in;
		const char *out;
	} cases[] = {{0, "0"}, {-0.001, "0"}, {12, "12"}, {12.5, "12.5"}, {-3.456, "-3.46"}, {100, "100"}};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char expected[64] = "<g x=\"";

		markup_open(&m, "g");
		markup_attribute_place(&m, "x", cases[i].in);
		markup_close(&m);
		strcat(strcat(expected, cases[i].out), "\"/>\n");
		ck_assert_str_eq(written(), expected);
		vec_clear(&m.text);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("markup");
	TCase *c = tcase_create("markup");

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_test(c, elements_nest_and_close);
	tcase_add_test(c, text_and_attributes_are_escaped);
	tcase_add_test(c, what_xml_cannot_hold_is_replaced);
	tcase_add_test(c, places_have_no_needless_digits);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
