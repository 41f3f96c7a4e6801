/* SPDX-License-Identifier: BSD-3-Clause */
/* The event queue against a model that searches all its timers. There are more of them than are near at a time. */
#include "base/heap.h"
#include "base/random.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>

#define TIMERS 300U

struct fixture {
	struct heap heap;
	struct random_stream random;
	struct timer timers[TIMERS];
};

static void fixture_init(struct fixture *f, const char *name)
{
	heap_init(&f->heap);
	random_init(&f->random, 1, name);
	for (unsigned i = 0; i < TIMERS; i++)
		timer_init(&f->timers[i], NULL);
}

static struct timer *model_first(struct fixture *f)
{
	struct timer *first = NULL;

	for (struct timer *t = f->timers; t < f->timers + TIMERS; t++)
		if (timer_is_set(t) && (!first || t->at < first->at || (t->at == first->at && t->order < first->order)))
			first = t;
	return first;
}

START_TEST(ties_in_insertion_order)
{
	struct fixture f;

	fixture_init(&f, "ties");
	for (unsigned i = 0; i < TIMERS; i++)
		heap_set(&f.heap, &f.timers[i], i % 3 * 10);
	for (unsigned at = 0; at < 3; at++)
		for (unsigned i = at; i < TIMERS; i += 3) {
			ck_assert_ptr_eq(heap_peek(&f.heap), &f.timers[i]);
			ck_assert_uint_eq(f.timers[i].at, at * 10);
			heap_remove(&f.heap, &f.timers[i]);
			ck_assert(!timer_is_set(&f.timers[i]));
		}
	ck_assert_ptr_null(heap_peek(&f.heap));
	heap_fini(&f.heap);
}
END_TEST

START_TEST(set_again_goes_behind_its_equals)
{
	struct fixture f;

	fixture_init(&f, "again");
	heap_set(&f.heap, &f.timers[0], 5);
	heap_set(&f.heap, &f.timers[1], 5);
	heap_set(&f.heap, &f.timers[0], 5);
	ck_assert_ptr_eq(heap_peek(&f.heap), &f.timers[1]);
	heap_fini(&f.heap);
}
END_TEST

START_TEST(order_settled_before)
{
	struct fixture f;
	uint64_t early;

	fixture_init(&f, "order");
	early = heap_order_next(&f.heap);
	heap_set(&f.heap, &f.timers[0], 5);
	heap_set_ordered(&f.heap, &f.timers[1], 5, early);
	ck_assert_ptr_eq(heap_peek(&f.heap), &f.timers[1]);
	heap_fini(&f.heap);
}
END_TEST

START_TEST(never_removes)
{
	struct fixture f;

	fixture_init(&f, "never");
	heap_set(&f.heap, &f.timers[0], NSTIME_NEVER);
	ck_assert_ptr_null(heap_peek(&f.heap));
	heap_set(&f.heap, &f.timers[0], NSTIME_NEVER - 1);
	ck_assert_ptr_eq(heap_peek(&f.heap), &f.timers[0]);
	heap_set(&f.heap, &f.timers[0], NSTIME_NEVER);
	ck_assert_ptr_null(heap_peek(&f.heap));
	heap_remove(&f.heap, &f.timers[0]);
	heap_fini(&f.heap);
}
END_TEST

START_TEST(as_the_model)
{
	struct fixture f;

	fixture_init(&f, "model");
	for (unsigned step = 0; step < 60000; step++) {
		struct timer *t = &f.timers[random_below(&f.random, TIMERS)];

		switch (random_below(&f.random, 5)) {
		case 0:
			heap_remove(&f.heap, t);
			break;
		case 1:
			if (heap_peek(&f.heap))
				heap_remove(&f.heap, heap_peek(&f.heap));
			break;
		default: /* few different times, so that ties are common */
			heap_set(&f.heap, t, random_below(&f.random, 40));
		}
		ck_assert_ptr_eq(heap_peek(&f.heap), model_first(&f));
	}
	heap_fini(&f.heap);
}
END_TEST

/* What is set while the place of the popped one is vacant, and what is not. */
START_TEST(pop_leaves_the_rest)
{
	struct fixture f;

	fixture_init(&f, "pop");
	ck_assert_ptr_null(heap_pop(&f.heap));
	for (unsigned i = 0; i < 3; i++)
		heap_set(&f.heap, &f.timers[i], i);
	ck_assert_ptr_eq(heap_pop(&f.heap), &f.timers[0]);
	ck_assert(!timer_is_set(&f.timers[0]));
	ck_assert_ptr_eq(heap_peek(&f.heap), &f.timers[1]);
	heap_set(&f.heap, &f.timers[0], 1);
	ck_assert_ptr_eq(heap_pop(&f.heap), &f.timers[1]);
	heap_remove(&f.heap, &f.timers[0]);
	ck_assert_ptr_eq(heap_pop(&f.heap), &f.timers[2]);
	ck_assert_ptr_null(heap_peek(&f.heap));
	heap_fini(&f.heap);
}
END_TEST

/* A time that may lie on any scale: many far timers differ from one another in every byte. */
static nstime time_draw(struct fixture *f, nstime now)
{
	static const unsigned bits[] = {1, 4, 9, 17, 20, 33, 62};
	unsigned scale = bits[random_below(&f->random, sizeof bits / sizeof *bits)];

	return now + (random_u64(&f->random) & ((UINT64_C(1) << scale) - 1));
}

/* Time goes forward with what is popped, as in the engine; the number of timers rises and falls. */
START_TEST(far_as_the_model)
{
	struct fixture f;
	nstime now = 1000;
	unsigned spread = 0;
	uint64_t early;

	fixture_init(&f, "far");
	early = heap_order_next(&f.heap);
	for (unsigned step = 0; step < 60000; step++) {
		struct timer *t = &f.timers[random_below(&f.random, TIMERS)], *first;
		unsigned action = (unsigned)random_below(&f.random, 8), emptying = step / 5000 % 2;

		if (action < 2) {
			heap_remove(&f.heap, t);
		} else if (action < 4 + 2 * emptying) {
			first = model_first(&f);
			now = first && first->at < NSTIME_NEVER / 4 ? first->at : now;
			ck_assert_ptr_eq(heap_pop(&f.heap), first);
		} else {
			uint64_t order = heap_order_next(&f.heap);

			if (action == 7) { /* as a link does: the order is older than the setting */
				heap_set_ordered(&f.heap, t, time_draw(&f, now), early);
				early = order;
			} else {
				heap_set(&f.heap, t, time_draw(&f, now));
			}
		}
		spread += f.heap.far && f.heap.far->count;
		ck_assert_ptr_eq(heap_peek(&f.heap), model_first(&f));
	}
	ck_assert_uint_gt(spread, 10000);
	heap_fini(&f.heap);
}
END_TEST

/* More than may be near are set within reach while others are far: the later of them become far. */
START_TEST(spread_while_others_are_far)
{
	struct fixture f;

	fixture_init(&f, "spread");
	for (unsigned round = 0; round < 60; round++) {
		unsigned scale = 10 + round / 2;
		struct timer *first;

		for (unsigned i = 0; i < 200; i++)
			heap_set(&f.heap, &f.timers[i], random_u64(&f.random) >> (63 - scale));
		first = heap_pop(&f.heap);
		ck_assert_ptr_nonnull(first);
		ck_assert_uint_ne(f.heap.reach, NSTIME_NEVER);
		for (unsigned i = 200; i < TIMERS; i++)
			heap_set(&f.heap, &f.timers[i], random_below(&f.random, f.heap.reach + 1));
		while ((first = model_first(&f)))
			ck_assert_ptr_eq(heap_pop(&f.heap), first);
		ck_assert_ptr_null(heap_peek(&f.heap));
	}
	heap_fini(&f.heap);
}
END_TEST

/* Many at one time, more than are near at once: the order alone decides. */
START_TEST(many_at_one_time)
{
	struct fixture f;

	fixture_init(&f, "one time");
	for (unsigned i = 0; i < TIMERS; i++)
		heap_set(&f.heap, &f.timers[i], i % 2 ? 1000000 : 70);
	for (unsigned i = 0; i < TIMERS; i++)
		ck_assert_ptr_eq(heap_pop(&f.heap), &f.timers[i < TIMERS / 2 ? 2 * i : 2 * i - TIMERS + 1]);
	ck_assert_ptr_null(heap_peek(&f.heap));
	heap_fini(&f.heap);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_heap");
	TCase *all = tcase_create("base_heap");

	tcase_add_test(all, ties_in_insertion_order);
	tcase_add_test(all, set_again_goes_behind_its_equals);
	tcase_add_test(all, order_settled_before);
	tcase_add_test(all, never_removes);
	tcase_add_test(all, as_the_model);
	tcase_add_test(all, pop_leaves_the_rest);
	tcase_add_test(all, far_as_the_model);
	tcase_add_test(all, spread_while_others_are_far);
	tcase_add_test(all, many_at_one_time);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
