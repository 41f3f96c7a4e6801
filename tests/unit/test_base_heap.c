/* SPDX-License-Identifier: BSD-3-Clause */
/* The event heap against a model that searches all its timers. */
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
		if (t->index != TIMER_IDLE &&
		    (!first || t->at < first->at || (t->at == first->at && t->order < first->order)))
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
			ck_assert_uint_eq(f.timers[i].index, TIMER_IDLE);
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

int main(void)
{
	Suite *suite = suite_create("base_heap");
	TCase *all = tcase_create("base_heap");

	tcase_add_test(all, ties_in_insertion_order);
	tcase_add_test(all, set_again_goes_behind_its_equals);
	tcase_add_test(all, order_settled_before);
	tcase_add_test(all, never_removes);
	tcase_add_test(all, as_the_model);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
