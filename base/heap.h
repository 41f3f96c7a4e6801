/* SPDX-License-Identifier: BSD-3-Clause */
/* An event queue: intrusive timers ordered by time, ties in the order of a number that each is given.
 *
 * Timers that are due up to `reach` are `near`: in a 4-ary heap, in one array. As long as they are few that is all of
 * them. Beyond NEAR_MAX the later ones are `far`: in unsorted lists, one for each value of the highest byte in which a
 * time differs from `reach`, so that setting and removing one is a few stores, however many there are. When no near
 * timer is left, the first list's become near or, if they are many, are spread over the lists of the byte below. What
 * is earliest depends on times and orders alone, never on where a timer stands.
 *
 * It fires nothing itself: the engine takes the earliest and calls its function. */
#ifndef BATON_BASE_HEAP_H
#define BATON_BASE_HEAP_H

#include "base/nstime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEAP_LEVELS 8U   /* bytes of a time */
#define HEAP_LISTS  256U /* values of a byte */

struct timer {
	nstime at;           /* NSTIME_NEVER when not set */
	uint64_t order;      /* breaks ties: lower fires first */
	struct timer *next;  /* far: in its list */
	struct timer **link; /* far: what points at it; NULL when it is not far */
	size_t index;        /* near: place in the heap */
	void (*fire)(struct timer *t, nstime now);
};

/* The far timers of a heap, by the highest byte in which their times differ from `reach`, and by its value. */
struct heap_far {
	size_t count;
	uint64_t used[HEAP_LEVELS][HEAP_LISTS / 64]; /* a bit for each list that may not be empty */
	struct timer *lists[HEAP_LEVELS][HEAP_LISTS];
};

struct heap {
	struct heap_slot {
		nstime at;
		uint64_t order;
		struct timer *timer;
	} * slots;
	size_t count;         /* near, the vacated root included */
	size_t capacity;      /* of slots */
	size_t spread_at;     /* so many near timers are too many */
	bool vacant;          /* the root was taken by heap_pop: nobody stands in slots[0] */
	nstime reach;         /* timers due up to here are near */
	struct heap_far *far; /* NULL until it is needed first */
	uint64_t next_order;
};

void heap_init(struct heap *h);
void heap_fini(struct heap *h); /* does not touch the timers that are still in it */

static inline void timer_init(struct timer *t, void (*fire)(struct timer *, nstime))
{
	*t = (struct timer){.at = NSTIME_NEVER, .fire = fire};
}

static inline bool timer_is_set(const struct timer *t)
{
	return t->at != NSTIME_NEVER;
}

/* A fresh tie-breaker, for an event whose order is settled before it is scheduled (a frame put on a link). */
static inline uint64_t heap_order_next(struct heap *h)
{
	return h->next_order++;
}

/* (Re)schedules t for `at`, behind everything already due at that time. NSTIME_NEVER removes it. */
void heap_set(struct heap *h, struct timer *t, nstime at);

/* The same with a tie-breaker from heap_order_next. */
void heap_set_ordered(struct heap *h, struct timer *t, nstime at, uint64_t order);

void heap_remove(struct heap *h, struct timer *t); /* no effect when not in the heap */

/* heap_peek while the root is vacant. */
struct timer *heap_peek_vacant(const struct heap *h);

/* The earliest, left in the heap; NULL when empty. */
static inline struct timer *heap_peek(const struct heap *h)
{
	if (h->vacant)
		return heap_peek_vacant(h);
	return h->count ? h->slots[0].timer : NULL;
}

/* Removes the earliest and returns it; NULL when empty. Its place stays vacant for the next timer that is set, so that
 * an event which sets one costs one walk through the heap and not two. */
struct timer *heap_pop(struct heap *h);

#endif
