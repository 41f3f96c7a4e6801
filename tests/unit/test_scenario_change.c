/* SPDX-License-Identifier: BSD-3-Clause */
/* Which versions of a scenario may take the place of one that runs, and what they change. */
#include "sim/scenario_change.h"

#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define BEFORE                                                                                                         \
	"baton: 1\n"                                                                                                   \
	"stop: 10 s\n"                                                                                                 \
	"networks: { a: { subnet: 10.0.0.0/24 }, b: { subnet: 10.0.1.0/24 } }\n"                                       \
	"nodes:\n"                                                                                                     \
	"  client: { role: client, on: { a: {} } }\n"                                                                  \
	"  forwarder: { role: forwarder, on: { a: {}, b: {} } }\n"                                                     \
	"  classifier: { role: classifier, on: { b: {} } }\n"                                                          \
	"  backend[1..3]: { role: backend, on: { b: {} } }\n"                                                          \
	"services:\n"                                                                                                  \
	"  web:\n"                                                                                                     \
	"    vip: 10.0.0.80:80\n"                                                                                      \
	"    rules:\n"                                                                                                 \
	"      - { path: /img/*, to: [backend1, backend2] }\n"                                                         \
	"      - { to: backend3 }\n"                                                                                   \
	"capture: [ client.a ]\n"

static struct scenario *read_text(const char *text, const char *const *sets, size_t sets_count)
{
	struct scenario_mistakes m;
	struct scenario *s = NULL;

	scenario_read_text("f.yaml", text, strlen(text), sets, sets_count, &s, &m);
	ck_assert_msg(s, "%s", m.count ? m.list[0].text : "");
	scenario_mistakes_fini(&m);
	return s;
}

/* BEFORE with the first `was` in it replaced. */
static char *replaced(const char *was, const char *is)
{
	const char *at = strstr(BEFORE, was);
	char *text;

	ck_assert_ptr_nonnull(at);
	ck_assert_int_gt(asprintf(&text, "%.*s%s%s", (int)(at - BEFORE), BEFORE, is, at + strlen(was)), 0);
	return text;
}

static const struct {
	const char *was, *is;
	size_t rules, gone;
	bool health;
} good[] = {
	{"stop", "# a comment\nstop", 0, 0, false},
	{"[backend1, backend2]", "\"backend[1..2]\"", 0, 0, false},
	{"[backend1, backend2]", "[backend2, backend1]", 1, 0, false},
	{"[backend1, backend2]", "[backend1, backend2], balance: least-connections", 1, 0, false},
	{"[backend1, backend2]", "[backend1, backend2], weights: { backend1: 2, backend2: 1 }", 1, 0, false},
	{"[backend1, backend2]", "[backend1, backend2], weights: { backend1: 1, backend2: 1 }", 0, 0, false},
	{"      - { to: backend3 }\n", "", 0, 1, false},
	{"path: /img/*", "path: /pics/*", 1, 1, false},
	{"      - { to: backend3 }\n", "      - { host: x, to: backend1 }\n      - { to: backend3 }\n", 1, 0, false},
	{"services:", "health: { interval: 1 s }\nservices:", 0, 0, true},
};

START_TEST(what_may_change)
{
	char *text = replaced(good[_i].was, good[_i].is);
	struct scenario *s = read_text(BEFORE, NULL, 0), *fresh = read_text(text, NULL, 0);
	struct scenario_mistakes m;
	struct scenario_change change, none;

	ck_assert_msg(scenario_change_check(s, fresh, &m), "%s", m.count ? m.list[0].text : "");
	scenario_mistakes_fini(&m);
	scenario_change_count(s, fresh, &change);
	ck_assert_uint_eq(change.rules, good[_i].rules);
	ck_assert_uint_eq(change.gone, good[_i].gone);
	ck_assert(change.health == good[_i].health);
	ck_assert(!change.key);
	scenario_change_swap(s, fresh);
	scenario_free(fresh);
	fresh = read_text(text, NULL, 0); /* which is the same as what it is now */
	ck_assert(scenario_change_check(s, fresh, &m));
	scenario_mistakes_fini(&m);
	scenario_change_count(s, fresh, &none);
	ck_assert(!none.rules && !none.gone && !none.health);
	scenario_free(fresh);
	fresh = read_text(BEFORE, NULL, 0); /* and the way back */
	ck_assert(scenario_change_check(s, fresh, &m));
	scenario_mistakes_fini(&m);
	scenario_free(fresh);
	scenario_free(s);
	free(text);
}
END_TEST

#define ONLY ": only the rules of services, health and the key can change while it runs"

static const struct {
	const char *was, *is;
	unsigned line, column;
	const char *text;
} bad[] = {
	{"stop: 10 s", "stop: 11 s", 2, 1, "'stop' is another than before" ONLY},
	{"10.0.1.0/24", "10.0.2.0/24", 3, 46, "'networks.b.subnet' is another than before" ONLY},
	{"backend[1..3]", "backend[1..4]", 4, 1, "'nodes.backend[1..3]' is gone" ONLY},
	{"  client: { role: client, on: { a: {} } }\n",
	 "  client: { role: client, on: { a: {} } }\n  more: { role: host, on: { a: {} } }\n", 6, 3,
	 "'nodes.more' is new" ONLY},
	{"vip: 10.0.0.80:80", "vip: 10.0.0.80:81", 11, 5, "'services.web.vip' is another than before" ONLY},
	{"    rules:", "    protocol: auto\n    rules:", 12, 5, "'services.web.protocol' is new" ONLY},
	{"capture: [ client.a ]", "capture: [ client.a, forwarder.b ]", 15, 22, "'capture.1' is new" ONLY},
	{"capture: [ client.a ]", "", 1, 1, "'capture' is gone" ONLY},
	{"{ a: { subnet: 10.0.0.0/24 }, b: { subnet: 10.0.1.0/24 } }",
	 "{ b: { subnet: 10.0.1.0/24 }, a: { subnet: 10.0.0.0/24 } }", 3, 13,
	 "'networks.b' is in another place of the order" ONLY},
	{"on: { b: {} } }\n  backend", "on: { b: { delay: 1 ms } } }\n  backend", 7, 46,
	 "'nodes.classifier.on.b.delay' is new" ONLY},
};

START_TEST(what_may_not)
{
	char *text = replaced(bad[_i].was, bad[_i].is);
	struct scenario *s = read_text(BEFORE, NULL, 0), *fresh = read_text(text, NULL, 0);
	struct scenario_mistakes m;

	ck_assert(!scenario_change_check(s, fresh, &m));
	ck_assert_str_eq(m.list[0].text, bad[_i].text);
	ck_assert_uint_eq(m.list[0].line, bad[_i].line);
	ck_assert_uint_eq(m.list[0].column, bad[_i].column);
	scenario_mistakes_fini(&m);
	scenario_free(fresh);
	scenario_free(s);
	free(text);
}
END_TEST

/* What --set changed is as it was, since the same words change it again. */
START_TEST(words_of_set)
{
	static const char *const sets[] = {"stop=20 s", "services.web.rules.1.to=backend1"};
	char *text = replaced("stop: 10 s", "stop: 30 s");
	struct scenario *s = read_text(BEFORE, sets, 2), *fresh = read_text(text, sets, 2);
	struct scenario_change change;
	struct scenario_mistakes m;

	ck_assert(scenario_change_check(s, fresh, &m));
	scenario_change_count(s, fresh, &change);
	ck_assert_uint_eq(change.rules, 0);
	scenario_mistakes_fini(&m);
	scenario_free(fresh);
	scenario_free(s);
	free(text);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("scenario_change");
	TCase *c = tcase_create("scenario_change");

	tcase_add_loop_test(c, what_may_change, 0, sizeof good / sizeof good[0]);
	tcase_add_loop_test(c, what_may_not, 0, sizeof bad / sizeof bad[0]);
	tcase_add_test(c, words_of_set);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
