/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/engine.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>

/* Steps until nothing is due by `until`; the number of events. */
static uint64_t run_until(struct engine *e, nstime until)
{
	uint64_t before = e->events;

	while (engine_step(e, until))
		;
	return e->events - before;
}

#define LOG_MAX 16

/* A timer that writes its name to a log, and may set itself again or another. */
struct probe {
	struct timer timer;
	char name;
	nstime again;          /* set itself again this much later, once; 0: no */
	struct probe *set_now; /* set at the same time, when this one fires */
	struct engine *stops;  /* engine_stop it */
};

static struct engine engine;
static char fired[LOG_MAX + 1];
static nstime fired_at[LOG_MAX];
static size_t fired_count;

static void probe_fire(struct timer *t, nstime now)
{
	struct probe *p = (struct probe *)t;

	ck_assert_uint_lt(fired_count, LOG_MAX);
	fired[fired_count] = p->name;
	fired_at[fired_count++] = now;
	ck_assert_uint_eq(now, engine.now);
	ck_assert(!timer_is_set(t));
	if (p->again)
		engine_timer_set(&engine, t, now + p->again);
	p->again = 0;
	if (p->set_now)
		engine_timer_set(&engine, &p->set_now->timer, now);
	if (p->stops)
		engine_stop(p->stops);
}

static struct probe probe_make(char name)
{
	struct probe p = {.name = name};

	timer_init(&p.timer, probe_fire);
	return p;
}

static void setup(void)
{
	engine_init(&engine);
	fired_count = 0;
	for (size_t i = 0; i <= LOG_MAX; i++)
		fired[i] = 0;
}

static void teardown(void)
{
	engine_fini(&engine);
}

START_TEST(time_jumps_and_ties_keep_their_order)
{
	struct probe a = probe_make('a'), b = probe_make('b'), c = probe_make('c'), d = probe_make('d');

	engine_timer_set(&engine, &d.timer, 30);
	engine_timer_set(&engine, &b.timer, 20);
	engine_timer_set(&engine, &c.timer, 20);
	engine_timer_set(&engine, &a.timer, 10);
	ck_assert_uint_eq(engine_next_at(&engine), 10);
	ck_assert_uint_eq(run_until(&engine, NSTIME_NEVER), 4);
	ck_assert_str_eq(fired, "abcd");
	ck_assert_uint_eq(fired_at[1], 20);
	ck_assert_uint_eq(engine.now, 30);
	ck_assert_uint_eq(engine.events, 4);
	ck_assert_uint_eq(engine_next_at(&engine), NSTIME_NEVER);
}
END_TEST

START_TEST(setting_again_goes_behind_its_equals)
{
	struct probe a = probe_make('a'), b = probe_make('b'), c = probe_make('c');

	engine_timer_set(&engine, &a.timer, 20);
	engine_timer_set(&engine, &b.timer, 20);
	engine_timer_set(&engine, &c.timer, 20);
	engine_timer_set(&engine, &a.timer, 20);
	run_until(&engine, NSTIME_NEVER);
	ck_assert_str_eq(fired, "bca");
}
END_TEST

START_TEST(a_drawn_order_holds)
{
	struct probe a = probe_make('a'), b = probe_make('b');
	uint64_t early = heap_order_next(&engine.heap);

	engine_timer_set(&engine, &a.timer, 20);
	engine_timer_set_ordered(&engine, &b.timer, 20, early);
	run_until(&engine, NSTIME_NEVER);
	ck_assert_str_eq(fired, "ba");
}
END_TEST

START_TEST(until_is_included_and_the_rest_waits)
{
	struct probe a = probe_make('a'), b = probe_make('b');

	engine_timer_set(&engine, &a.timer, 20);
	engine_timer_set(&engine, &b.timer, 21);
	ck_assert_uint_eq(run_until(&engine, 20), 1);
	ck_assert_uint_eq(engine.now, 20);
	ck_assert(!engine_step(&engine, 20));
	ck_assert(engine_step(&engine, 21));
	ck_assert_str_eq(fired, "ab");
	engine_advance(&engine, 50);
	ck_assert_uint_eq(engine.now, 50);
	engine_advance(&engine, 40);
	ck_assert_uint_eq(engine.now, 50);
}
END_TEST

START_TEST(what_a_firing_sets_fires_too)
{
	struct probe a = probe_make('a'), b = probe_make('b'), c = probe_make('c');

	a.again = 5;
	a.set_now = &c;
	engine_timer_set(&engine, &a.timer, 10);
	engine_timer_set(&engine, &b.timer, 10);
	run_until(&engine, 10);
	ck_assert_str_eq(fired, "abc");
	run_until(&engine, NSTIME_NEVER);
	ck_assert_str_eq(fired, "abcac");
	ck_assert_uint_eq(engine.now, 15);
}
END_TEST

START_TEST(the_past_is_now_and_never_cancels)
{
	struct probe a = probe_make('a'), b = probe_make('b'), c = probe_make('c');

	engine_advance(&engine, 100);
	engine_timer_set(&engine, &a.timer, 100);
	engine_timer_set(&engine, &b.timer, 7);
	engine_timer_set(&engine, &c.timer, 100);
	engine_timer_set(&engine, &c.timer, NSTIME_NEVER);
	run_until(&engine, NSTIME_NEVER);
	ck_assert_str_eq(fired, "ab");
	ck_assert_uint_eq(fired_at[1], 100);
	engine_timer_set(&engine, &c.timer, 200);
	engine_timer_cancel(&engine, &c.timer);
	engine_timer_cancel(&engine, &c.timer);
	ck_assert_uint_eq(run_until(&engine, NSTIME_NEVER), 0);
}
END_TEST

START_TEST(stop_ends_the_run)
{
	struct probe a = probe_make('a'), b = probe_make('b');

	a.stops = &engine;
	engine_timer_set(&engine, &a.timer, 10);
	engine_timer_set(&engine, &b.timer, 20);
	ck_assert_uint_eq(run_until(&engine, NSTIME_NEVER), 1);
	ck_assert_str_eq(fired, "a");
	ck_assert(!engine_step(&engine, NSTIME_NEVER));
	ck_assert(!engine_continue(&engine, 10, 99));
}
END_TEST

/* A link goes on within a firing only where nothing else would fire first. */
START_TEST(continue_respects_what_is_due_before)
{
	struct probe a = probe_make('a');
	uint64_t before = heap_order_next(&engine.heap), after;

	engine_timer_set(&engine, &a.timer, 10);
	after = heap_order_next(&engine.heap);
	ck_assert(!engine_continue(&engine, 10, before)); /* not due yet */
	engine.now = 10;
	ck_assert_uint_eq(engine.events, 0);
	ck_assert(engine_continue(&engine, 10, before));
	ck_assert_uint_eq(engine.events, 1);
	ck_assert(!engine_continue(&engine, 10, after));
	ck_assert(engine_continue(&engine, 9, after));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("engine");
	TCase *c = tcase_create("engine");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, time_jumps_and_ties_keep_their_order);
	tcase_add_test(c, setting_again_goes_behind_its_equals);
	tcase_add_test(c, a_drawn_order_holds);
	tcase_add_test(c, until_is_included_and_the_rest_waits);
	tcase_add_test(c, what_a_firing_sets_fires_too);
	tcase_add_test(c, the_past_is_now_and_never_cancels);
	tcase_add_test(c, stop_ends_the_run);
	tcase_add_test(c, continue_respects_what_is_due_before);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
