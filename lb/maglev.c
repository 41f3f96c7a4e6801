/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/maglev.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define FREE_SLOT UINT16_MAX

/* A member's permutation: offset, offset + skip, offset + 2 skip, ... modulo the prime, so every slot once. */
struct turn {
	size_t place; /* in the caller's list */
	uint16_t id;
	uint32_t weight;
	uint32_t next, skip; /* slots */
	uint64_t credit;
};

static void *allocate(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		log_fatal("out of memory: a table of %zu slots", count);
	return p;
}

static int turn_compare(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void turn_init(struct turn *t, const struct hash_key *key, uint32_t slots)
{
	uint8_t text[3] = {(uint8_t)(t->id >> 8), (uint8_t)t->id, 0};

	t->next = (uint32_t)(hash_bytes(key, text, sizeof text) % slots);
	text[2] = 1;
	t->skip = (uint32_t)(hash_bytes(key, text, sizeof text) % (slots - 1)) + 1;
}

/* Takes the first slot of the member's permutation that is still free. */
static void turn_take(struct turn *t, struct maglev *m)
{
	while (m->table[t->next] != FREE_SLOT)
		t->next = (t->next + t->skip) % m->slots;
	m->table[t->next] = (uint16_t)t->place;
}

void maglev_init(struct maglev *m, uint32_t slots, const struct hash_key *key, const struct maglev_member *members,
		 size_t count)
{
	struct turn *turns = allocate(count, sizeof *turns);
	uint32_t weight_max = 0, filled = 0;

	assert(slots > 1 && count && count <= MAGLEV_MEMBERS_MAX && count <= slots);
	*m = (struct maglev){.table = allocate(slots, sizeof *m->table), .slots = slots};
	memset(m->table, 0xff, slots * sizeof *m->table);
	for (size_t i = 0; i < count; i++) {
		turns[i] = (struct turn){.place = i, .id = members[i].id, .weight = members[i].weight};
		turn_init(&turns[i], key, slots);
		assert(members[i].weight);
		if (weight_max < members[i].weight)
			weight_max = members[i].weight;
	}
	qsort(turns, count, sizeof *turns, turn_compare);
	/* Rounds: the heaviest member has a turn in each, the others in as many as their weights are of its. */
	while (filled < slots)
		for (size_t i = 0; i < count && filled < slots; i++) {
			turns[i].credit += turns[i].weight;
			if (turns[i].credit < weight_max)
				continue;
			turns[i].credit -= weight_max;
			turn_take(&turns[i], m);
			filled++;
		}
	free(turns);
}

void maglev_fini(struct maglev *m)
{
	free(m->table);
	*m = (struct maglev){0};
}
