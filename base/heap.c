/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/heap.h"

#include "base/log.h"

#include <stdlib.h>

#define HEAP_CAPACITY_MIN 16U
#define HEAP_ARITY        4U
#define NEAR_MAX          64U /* near timers before the later ones become far */
#define NEAR_FILL         16U /* timers of a list that become near at once */
#define BYTE_BITS         8U

void heap_init(struct heap *h)
{
	*h = (struct heap){.reach = NSTIME_NEVER, .spread_at = NEAR_MAX};
}

void heap_fini(struct heap *h)
{
	free(h->slots);
	free(h->far);
	*h = (struct heap){0};
}

/* ---- near: a 4-ary heap ---- */

/* Both words in one number, so that comparing takes no branch: which of two timers is earlier cannot be predicted. */
static unsigned __int128 key_of(nstime at, uint64_t order)
{
	return (unsigned __int128)at << 64 | order;
}

static bool slot_before(const struct heap_slot *a, const struct heap_slot *b)
{
	return key_of(a->at, a->order) < key_of(b->at, b->order);
}

static void slot_move(struct heap *h, size_t to, size_t from)
{
	h->slots[to] = h->slots[from];
	h->slots[to].timer->index = to;
}

static void slot_put(struct heap *h, size_t i, struct timer *t)
{
	h->slots[i] = (struct heap_slot){.at = t->at, .order = t->order, .timer = t};
	t->index = i;
}

/* Puts t where it belongs, from the hole at i towards the root. */
static void heap_rise(struct heap *h, size_t i, struct timer *t)
{
	unsigned __int128 key = key_of(t->at, t->order);

	while (i > 0) {
		size_t parent = (i - 1) / HEAP_ARITY;

		if (key > key_of(h->slots[parent].at, h->slots[parent].order))
			break;
		slot_move(h, i, parent);
		i = parent;
	}
	slot_put(h, i, t);
}

/* The earliest of the slots from `first` on that have one parent. Precondition: first < count. */
static size_t heap_least(const struct heap *h, size_t first)
{
	const struct heap_slot *s = &h->slots[first];
	size_t least = 0;

	if (first + HEAP_ARITY <= h->count) {
		size_t left = slot_before(&s[1], &s[0]), right = 2 + (size_t)slot_before(&s[3], &s[2]);

		return first + left + (right - left) * slot_before(&s[right], &s[left]);
	}
	for (size_t i = 1; first + i < h->count; i++)
		least = slot_before(&s[i], &s[least]) ? i : least;
	return first + least;
}

/* Puts t where it belongs, from the hole at i away from the root. */
static void heap_sink(struct heap *h, size_t i, struct timer *t)
{
	unsigned __int128 key = key_of(t->at, t->order);
	size_t first;

	while ((first = i * HEAP_ARITY + 1) < h->count) {
		size_t least = heap_least(h, first);

		if (key < key_of(h->slots[least].at, h->slots[least].order))
			break;
		slot_move(h, i, least);
		i = least;
	}
	slot_put(h, i, t);
}

/* Puts t where it belongs, from the hole at i. */
static void heap_settle(struct heap *h, size_t i, struct timer *t)
{
	const struct heap_slot *parent = &h->slots[(i - (i > 0)) / HEAP_ARITY];

	if (i > 0 && key_of(t->at, t->order) < key_of(parent->at, parent->order))
		heap_rise(h, i, t);
	else
		heap_sink(h, i, t);
}

/* The last timer moves into the place at i. */
static void near_close(struct heap *h, size_t i)
{
	h->count--;
	if (i < h->count)
		heap_settle(h, i, h->slots[h->count].timer);
}

/* Fills the root that heap_pop left vacant. */
static void root_fill(struct heap *h)
{
	if (!h->vacant)
		return;
	h->vacant = false;
	near_close(h, 0);
}

static void near_add(struct heap *h, struct timer *t)
{
	if (h->vacant) {
		h->vacant = false;
		heap_sink(h, 0, t);
		return;
	}
	if (h->count == h->capacity) {
		h->capacity = h->capacity ? h->capacity * 2 : HEAP_CAPACITY_MIN;
		h->slots = reallocarray(h->slots, h->capacity, sizeof *h->slots);
		if (!h->slots)
			log_fatal("out of memory: an event heap of %zu timers", h->capacity);
	}
	heap_rise(h, h->count++, t);
}

/* ---- far: lists by the highest byte that differs ---- */

/* The highest byte in which two different times differ, counted from the lowest. */
static unsigned level_of(nstime a, nstime b)
{
	return (63U - (unsigned)__builtin_clzll(a ^ b)) / BYTE_BITS;
}

static unsigned byte_of(nstime at, unsigned level)
{
	return (unsigned)(at >> level * BYTE_BITS) & (HEAP_LISTS - 1);
}

static void list_push(struct timer **list, struct timer *t)
{
	t->next = *list;
	t->link = list;
	if (t->next)
		t->next->link = &t->next;
	*list = t;
}

static void far_add(struct heap *h, struct timer *t)
{
	unsigned level = level_of(t->at, h->reach), byte = byte_of(t->at, level);

	list_push(&h->far->lists[level][byte], t);
	h->far->used[level][byte / 64] |= UINT64_C(1) << byte % 64;
	h->far->count++;
}

static void far_remove(struct heap *h, struct timer *t)
{
	*t->link = t->next;
	if (t->next)
		t->next->link = t->link;
	t->link = NULL;
	h->far->count--;
}

static void timer_place(struct heap *h, struct timer *t)
{
	if (t->at <= h->reach)
		near_add(h, t);
	else
		far_add(h, t);
}

/* Takes a list's timers and gives each its place by the present `reach`. */
static void list_place(struct heap *h, struct timer **list)
{
	struct timer *t;

	while ((t = *list)) {
		far_remove(h, t);
		timer_place(h, t);
	}
}

/* The first list of the lowest level that has one: no far timer is earlier than those in it. Precondition: there are
 * far timers. */
static struct timer **far_first(struct heap *h, unsigned *level)
{
	struct heap_far *far = h->far;

	for (*level = 0;; ++*level)
		for (unsigned word = 0; word < HEAP_LISTS / 64; word++)
			while (far->used[*level][word]) {
				unsigned bit = (unsigned)__builtin_ctzll(far->used[*level][word]);

				if (far->lists[*level][word * 64 + bit])
					return &far->lists[*level][word * 64 + bit];
				far->used[*level][word] &= ~(UINT64_C(1) << bit);
			}
}

/* Brings the earliest far timers near, now that no other is. When none is left far, all that is set is near again. */
static void near_refill(struct heap *h)
{
	h->spread_at = NEAR_MAX;
	while (!h->count && h->far->count) {
		unsigned level, few = 0;
		struct timer **list = far_first(h, &level), *t;
		nstime first = (*list)->at, last = first;

		for (t = *list; t && few < NEAR_FILL; t = t->next, few++) {
			first = nstime_min(first, t->at);
			last = t->at > last ? t->at : last;
		}
		/* Few: all of them are near, up to the last. Many: those of the range's first instant at most, the
		 * others go to the lists of lower bytes. */
		h->reach = t && level ? first >> level * BYTE_BITS << level * BYTE_BITS : last;
		list_place(h, list);
	}
	if (!h->far->count)
		h->reach = NSTIME_NEVER;
}

/* There are too many near timers: all but those due first become far. */
static void near_spread(struct heap *h)
{
	size_t count = h->count;
	nstime reach = h->reach;
	struct heap_slot *slots = h->slots;

	if (!h->far)
		h->far = calloc(1, sizeof *h->far);
	if (!h->far)
		log_fatal("out of memory: an event heap of %zu timers", count);
	h->reach = slots[0].at;
	/* Far timers that differ from the old reach in a lower byte only differ from the new one in a higher. */
	if (h->far->count && reach != h->reach)
		for (unsigned level = 0, end = level_of(reach, h->reach); level < end; level++)
			for (unsigned byte = 0; byte < HEAP_LISTS; byte++)
				list_place(h, &h->far->lists[level][byte]);
	h->slots = NULL;
	h->count = h->capacity = 0;
	for (size_t i = 0; i < count; i++)
		timer_place(h, slots[i].timer);
	free(slots);
	h->spread_at = 2 * h->count > NEAR_MAX ? 2 * h->count : NEAR_MAX;
}

/* ---- both ---- */

void heap_set(struct heap *h, struct timer *t, nstime at)
{
	heap_set_ordered(h, t, at, heap_order_next(h));
}

void heap_set_ordered(struct heap *h, struct timer *t, nstime at, uint64_t order)
{
	bool set = timer_is_set(t);

	if (at == NSTIME_NEVER) {
		heap_remove(h, t);
		return;
	}
	if (set && !t->link && at <= h->reach) { /* near, and stays so */
		root_fill(h);
		t->at = at;
		t->order = order;
		heap_settle(h, t->index, t);
		return;
	}
	if (set)
		heap_remove(h, t);
	t->at = at;
	t->order = order;
	timer_place(h, t);
	if (h->count > h->spread_at && !h->vacant)
		near_spread(h);
}

void heap_remove(struct heap *h, struct timer *t)
{
	if (!timer_is_set(t))
		return;
	if (t->link) {
		far_remove(h, t);
		t->at = NSTIME_NEVER;
		return;
	}
	root_fill(h);
	near_close(h, t->index);
	t->at = NSTIME_NEVER;
	if (!h->count && h->far)
		near_refill(h);
}

struct timer *heap_peek_vacant(const struct heap *h)
{
	return h->slots[heap_least(h, 1)].timer;
}

struct timer *heap_pop(struct heap *h)
{
	struct timer *t;

	root_fill(h);
	if (!h->count)
		return NULL;
	t = h->slots[0].timer;
	t->at = NSTIME_NEVER;
	if (h->count > 1) {
		h->vacant = true;
	} else {
		h->count = 0;
		if (h->far)
			near_refill(h);
	}
	return t;
}
