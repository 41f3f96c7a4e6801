/* SPDX-License-Identifier: BSD-3-Clause */
/* An event heap: intrusive timers ordered by time, ties in insertion order. A 4-ary heap in one array.
 *
 * It fires nothing itself: the engine takes the earliest and calls its function. */
#ifndef BATON_BASE_HEAP_H
#define BATON_BASE_HEAP_H

#include "base/nstime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TIMER_IDLE SIZE_MAX

struct timer {
	nstime at;
	uint64_t order; /* breaks ties: lower fires first */
	size_t index;   /* place in the heap, TIMER_IDLE when not in it */
	void (*fire)(struct timer *t, nstime now);
};

struct heap {
	struct heap_slot {
		nstime at;
		uint64_t order;
		struct timer *timer;
	} * slots;
	size_t count, capacity;
	uint64_t next_order;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); /* does not touch the timers that are still in it */

static inline void timer_init(struct timer *t, void (*fire)(struct timer *, nstime))
{
	*t = (struct timer){.at = NSTIME_NEVER, .index = TIMER_IDLE, .fire = fire};
}

/* A fresh tie-breaker, for an event whose order is settled before it is scheduled (a frame put on a link). */
uint64_t heap_order_next(struct heap *h);

/* (Re)schedules t for `at`, behind everything already due at that time. NSTIME_NEVER removes it. */
void heap_set(struct heap *h, struct timer *t, nstime at);

/* The same with a tie-breaker from heap_order_next. */
void heap_set_ordered(struct heap *h, struct timer *t, nstime at, uint64_t order);

void heap_remove(struct heap *h, struct timer *t); /* no effect when not in the heap */

/* The earliest, left in the heap; NULL when empty. */
struct timer *heap_peek(const struct heap *h);

#endif
