/* SPDX-License-Identifier: BSD-3-Clause */
/* lb/rules: globs and conditions. */
#include "lb/rules.h"
#include "node/tls.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

struct glob_case {
	const char *pattern, *text;
	bool matches, matches_nocase;
};

static const struct glob_case glob_cases[] = {
	{"", "", true, true},
	{"", "a", false, false},
	{"*", "", true, true},
	{"*", "/a/b", true, true},
	{"**", "x", true, true},
	{"/img/*", "/img/", true, true},
	{"/img/*", "/img/a/b.png", true, true},
	{"/img/*", "/IMG/a", false, true},
	{"/img/*", "/img", false, false},
	{"*.png", "/a.png", true, true},
	{"*.png", "/a.png.png", true, true},
	{"*.png", "/a.pngx", false, false},
	{"/a*b*c", "/abbbc", true, true},
	{"/a*b*c", "/abbbcd", false, false},
	{"a*bc*bcd", "abcbcbcd", true, true},
	{"?", "x", false, false},
	{"?", "?", true, true},
	{"[a]", "a", false, false},
	{"[a]", "[A]", false, true},
	{"*.example.org", "www.Example.ORG", false, true},
	{"*.example.org", "example.org", false, false},
};

START_TEST(globs)
{
	const struct glob_case *g = &glob_cases[_i];

	ck_assert_int_eq(glob_match(g->pattern, g->text, strlen(g->text)), g->matches);
	ck_assert_int_eq(glob_match_nocase(g->pattern, g->text, strlen(g->text)), g->matches_nocase);
}
END_TEST

/* Would not end in this universe with a matcher that backtracks over every star. */
START_TEST(many_stars)
{
	char text[8192];

	memset(text, 'a', sizeof text);
	ck_assert(!glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*b", text, sizeof text));
	ck_assert(glob_match("*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*a*", text, sizeof text));
}
END_TEST

struct rule_case {
	struct rule_match rule;
	bool matches;
};

static const char rule_request[] =
	"GET /img/a.png?x=/css/ HTTP/1.1\r\nHost: WWW.example.org:81\r\nAccept: text/html\r\n"
	"accept: image/png\r\nCookie: tier=gold; tier=Silver\r\n\r\n";

static const struct rule_case rule_cases[] = {
	{{0}, true},
	{{.method = "GET"}, true},
	{{.method = "get"}, false},
	{{.method = "POST"}, false},
	{{.host = "www.EXAMPLE.org"}, true},
	{{.host = "*.org:81"}, false},
	{{.host = "example.org"}, false},
	{{.path = "/img/*"}, true},
	{{.path = "/Img/*"}, false},
	{{.path = "*css*"}, false},
	{{.path = "/img/a.png"}, true},
	{{.header_name = "ACCEPT", .header_value = "image/*"}, true},
	{{.header_name = "Accept", .header_value = "IMAGE/*"}, false},
	{{.header_name = "Accept"}, true},
	{{.header_name = "X-None"}, false},
	{{.header_name = "X-None", .header_value = "*"}, false},
	{{.cookie_name = "tier", .cookie_value = "Sil*"}, true},
	{{.cookie_name = "tier", .cookie_value = "gold"}, true},
	{{.cookie_name = "tier", .cookie_value = "silver"}, false},
	{{.cookie_name = "Tier", .cookie_value = "*"}, false},
	{{.cookie_name = "tier"}, true},
	{{.method = "GET", .path = "/img/*", .host = "*"}, true},
	{{.method = "GET", .path = "/img/*", .host = "other"}, false},
	{{.method = "GET", .path = "/css/*", .host = "*"}, false},
	{{.path = "/img/*", .header_name = "Accept", .cookie_name = "none"}, false},
	{{.server_name = "*"}, false},
};

START_TEST(rules)
{
	const struct rule_case *c = &rule_cases[_i];
	struct request r;

	request_init(&r, 0);
	ck_assert_int_eq(request_input(&r, (const uint8_t *)rule_request, sizeof rule_request - 1), REQUEST_COMPLETE);
	ck_assert_int_eq(rule_matches(&c->rule, &r), c->matches);
	ck_assert_int_eq(rule_matches_anything(&c->rule), _i == 0);
	request_fini(&r);
}
END_TEST

static const struct {
	struct rule_match rule;
	const char *name; /* NULL: none is sent */
	bool matches;
} hello_cases[] = {
	{{0}, "a.example", true},
	{{0}, NULL, true},
	{{.server_name = "a.example"}, "A.EXAMPLE", true},
	{{.server_name = "A.*"}, "a.example", true},
	{{.server_name = "*.example"}, "example", false},
	{{.server_name = "*"}, "x", true},
	{{.server_name = "*"}, NULL, false},
	{{.host = "*"}, "a.example", false},
	{{.path = "/*", .server_name = "*"}, "a.example", false},
};

START_TEST(hello_rules)
{
	struct tls_session session;
	struct vec wire = {0};
	struct hello h;

	tls_client_hello(&wire, 1, hello_cases[_i].name, 1, 0, &session);
	hello_init(&h, 0);
	ck_assert_int_eq(hello_input(&h, wire.data, wire.len), HELLO_COMPLETE);
	ck_assert_int_eq(rule_matches_hello(&hello_cases[_i].rule, &h), hello_cases[_i].matches);
	ck_assert_int_eq(rule_matches_anything(&hello_cases[_i].rule), _i < 2);
	hello_fini(&h);
	vec_fini(&wire);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("rules");
	TCase *tcase = tcase_create("rules");

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, globs, 0, sizeof glob_cases / sizeof *glob_cases);
	tcase_add_test(tcase, many_stars);
	tcase_add_loop_test(tcase, rules, 0, sizeof rule_cases / sizeof *rule_cases);
	tcase_add_loop_test(tcase, hello_rules, 0, sizeof hello_cases / sizeof *hello_cases);
	return unit_run(suite);
}
