/* SPDX-License-Identifier: BSD-3-Clause */
/* A hash index: from the hash of a key to the number of a record that the caller keeps elsewhere.
 *
 * Open addressing with linear probing over 8-byte slots (32 bits of hash beside the number, so that most strangers are
 * told apart without touching a record); deletion shifts back, so there are no tombstones to rot. Capacity is fixed:
 * memory that is never used is never touched. It never sees keys: the caller compares. Iteration has no place here:
 * whoever needs an order keeps a list. Callers: lb/table, lb/driver, lb/migrator, lb/handoff. */
#ifndef BATON_LB_INDEX_H
#define BATON_LB_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE UINT32_MAX /* no number */

struct index {
	uint64_t *slots; /* hash << 32 | number + 1; 0 is free */
	uint32_t mask;   /* slots - 1 */
	uint32_t count;  /* in use */
};

/* Room for `numbers` (at most 2^30) numbers at a load of at most 3/4: slots are the next power of two. */
void index_init(struct index *ix, uint32_t numbers);
void index_fini(struct index *ix);

/* Walks the numbers stored under `hash`, a true match and accidental ones alike: start with *cursor = 0, which the call
 * advances; INDEX_NONE at the end. Do not change the index on the way. */
static inline uint32_t index_next(const struct index *ix, uint32_t hash, uint32_t *cursor)
{
	while (*cursor <= ix->mask) {
		uint64_t slot = ix->slots[(hash + *cursor) & ix->mask];

		if (!slot)
			return INDEX_NONE;
		++*cursor;
		if (slot >> 32 == hash)
			return (uint32_t)slot - 1;
	}
	return INDEX_NONE;
}

/* Says that a walk from `hash` on will follow, so that memory is on its way until then. */
static inline void index_prefetch(const struct index *ix, uint32_t hash)
{
	__builtin_prefetch(&ix->slots[hash & ix->mask]);
}

/* Preconditions: number < UINT32_MAX - 1, not stored under this hash, and fewer than `numbers` are stored. */
void index_insert(struct index *ix, uint32_t hash, uint32_t number);

/* Precondition: it is stored. */
void index_remove(struct index *ix, uint32_t hash, uint32_t number);

#endif
