/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/engine.h"

void engine_init(struct engine *e)
{
	*e = (struct engine){0};
	heap_init(&e->heap);
}

void engine_fini(struct engine *e)
{
	heap_fini(&e->heap);
}

void engine_timer_set(struct engine *e, struct timer *t, nstime at)
{
	heap_set(&e->heap, t, at < e->now ? e->now : at);
}

void engine_timer_set_ordered(struct engine *e, struct timer *t, nstime at, uint64_t order)
{
	heap_set_ordered(&e->heap, t, at < e->now ? e->now : at, order);
}

void engine_timer_cancel(struct engine *e, struct timer *t)
{
	heap_remove(&e->heap, t);
}

nstime engine_next_at(const struct engine *e)
{
	const struct timer *t = heap_peek(&e->heap);

	return t ? t->at : NSTIME_NEVER;
}

bool engine_step(struct engine *e, nstime until)
{
	struct timer *t = heap_peek(&e->heap);

	if (!t || t->at > until || e->stopped)
		return false;
	if (t->at > e->now) /* what real time left behind is late, and does not turn time back */
		e->now = t->at;
	e->events++;
	heap_pop(&e->heap);
	t->fire(t, e->now);
	return true;
}

void engine_advance(struct engine *e, nstime to)
{
	if (to > e->now)
		e->now = to;
}

void engine_stop(struct engine *e)
{
	e->stopped = true;
}
