/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/index.h"

#include "base/pages.h"

#include <assert.h>

#define SLOTS_MIN   8U
#define NUMBERS_MAX (1U << 30)

static uint32_t slot_hash(uint64_t slot)
{
	return (uint32_t)(slot >> 32);
}

static uint64_t slot_make(uint32_t hash, uint32_t number)
{
	return (uint64_t)hash << 32 | (number + 1);
}

void index_init(struct index *ix, uint32_t numbers)
{
	size_t slots = SLOTS_MIN;

	assert(numbers <= NUMBERS_MAX);
	while (slots - slots / 4 < numbers)
		slots *= 2;
	*ix = (struct index){.slots = pages_new(slots * sizeof *ix->slots), .mask = (uint32_t)(slots - 1)};
}

void index_fini(struct index *ix)
{
	pages_free(ix->slots, ((size_t)ix->mask + 1) * sizeof *ix->slots);
	*ix = (struct index){0};
}

void index_insert(struct index *ix, uint32_t hash, uint32_t number)
{
	uint32_t at = hash & ix->mask;

	assert(ix->count < ix->mask && number < UINT32_MAX - 1);
	while (ix->slots[at])
		at = (at + 1) & ix->mask;
	ix->slots[at] = slot_make(hash, number);
	ix->count++;
}

void index_remove(struct index *ix, uint32_t hash, uint32_t number)
{
	uint64_t wanted = slot_make(hash, number);
	uint32_t hole = hash & ix->mask;

	while (ix->slots[hole] != wanted) {
		assert(ix->slots[hole]);
		hole = (hole + 1) & ix->mask;
	}
	/* Whoever stands behind the hole and would be found from it or from before it moves into it. */
	for (uint32_t at = (hole + 1) & ix->mask; ix->slots[at]; at = (at + 1) & ix->mask) {
		uint32_t home = slot_hash(ix->slots[at]) & ix->mask;

		if (((at - home) & ix->mask) >= ((at - hole) & ix->mask)) {
			ix->slots[hole] = ix->slots[at];
			hole = at;
		}
	}
	ix->slots[hole] = 0;
	ix->count--;
}
