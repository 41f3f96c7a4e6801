/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/heap.h"

#include "base/log.h"

#include <stdlib.h>

#define HEAP_CAPACITY_MIN 64U
#define HEAP_ARITY        4U

void heap_init(struct heap *h)
{
	*h = (struct heap){0};
}

void heap_fini(struct heap *h)
{
	free(h->slots);
	*h = (struct heap){0};
}

static bool slot_before(const struct heap_slot *a, const struct heap_slot *b)
{
	return a->at < b->at || (a->at == b->at && a->order < b->order);
}

static void slot_put(struct heap *h, size_t i, struct heap_slot slot)
{
	h->slots[i] = slot;
	slot.timer->index = i;
}

/* Moves `slot` from the hole at i towards the root as far as it belongs. */
static void heap_rise(struct heap *h, size_t i, struct heap_slot slot)
{
	while (i > 0) {
		size_t parent = (i - 1) / HEAP_ARITY;

		if (!slot_before(&slot, &h->slots[parent]))
			break;
		slot_put(h, i, h->slots[parent]);
		i = parent;
	}
	slot_put(h, i, slot);
}

/* Moves `slot` from the hole at i away from the root as far as it belongs. */
static void heap_sink(struct heap *h, size_t i, struct heap_slot slot)
{
	for (;;) {
		size_t first = i * HEAP_ARITY + 1, least = first;
		size_t end = first + HEAP_ARITY < h->count ? first + HEAP_ARITY : h->count;

		if (first >= h->count)
			break;
		for (size_t child = first + 1; child < end; child++)
			if (slot_before(&h->slots[child], &h->slots[least]))
				least = child;
		if (!slot_before(&h->slots[least], &slot))
			break;
		slot_put(h, i, h->slots[least]);
		i = least;
	}
	slot_put(h, i, slot);
}

/* Puts `slot` where it belongs, starting from the hole at i. */
static void heap_settle(struct heap *h, size_t i, struct heap_slot slot)
{
	if (i > 0 && slot_before(&slot, &h->slots[(i - 1) / HEAP_ARITY]))
		heap_rise(h, i, slot);
	else
		heap_sink(h, i, slot);
}

uint64_t heap_order_next(struct heap *h)
{
	return h->next_order++;
}

void heap_set(struct heap *h, struct timer *t, nstime at)
{
	heap_set_ordered(h, t, at, heap_order_next(h));
}

static void heap_grow(struct heap *h)
{
	h->capacity = h->capacity ? h->capacity * 2 : HEAP_CAPACITY_MIN;
	h->slots = reallocarray(h->slots, h->capacity, sizeof *h->slots);
	if (!h->slots)
		log_fatal("out of memory: an event heap of %zu timers", h->capacity);
}

void heap_set_ordered(struct heap *h, struct timer *t, nstime at, uint64_t order)
{
	size_t i = t->index;

	if (at == NSTIME_NEVER) {
		heap_remove(h, t);
		return;
	}
	if (i == TIMER_IDLE) {
		if (h->count == h->capacity)
			heap_grow(h);
		i = h->count++;
	}
	t->at = at;
	t->order = order;
	heap_settle(h, i, (struct heap_slot){.at = at, .order = order, .timer = t});
}

void heap_remove(struct heap *h, struct timer *t)
{
	size_t i = t->index;

	if (i == TIMER_IDLE)
		return;
	h->count--;
	if (i < h->count)
		heap_settle(h, i, h->slots[h->count]);
	t->at = NSTIME_NEVER;
	t->index = TIMER_IDLE;
}

struct timer *heap_peek(const struct heap *h)
{
	return h->count ? h->slots[0].timer : NULL;
}
