/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/sticky.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

static uint32_t index_hash(uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 32);
}

void sticky_init(struct sticky *s, uint32_t entries_max, nstime expire)
{
	assert(entries_max && entries_max <= STICKY_ENTRIES_MAX);
	*s = (struct sticky){
		.entries = calloc(entries_max, sizeof *s->entries),
		.entries_max = entries_max,
		.unused = INDEX_NONE,
		.newest = INDEX_NONE,
		.oldest = INDEX_NONE,
		.expire = expire,
	};
	if (!s->entries)
		log_fatal("out of memory: %u sticky entries", entries_max);
	index_init(&s->index, entries_max);
}

void sticky_fini(struct sticky *s)
{
	free(s->entries);
	index_fini(&s->index);
	*s = (struct sticky){0};
}

static uint32_t entry_find(const struct sticky *s, uint64_t hash)
{
	uint32_t cursor = 0, number;

	while ((number = index_next(&s->index, index_hash(hash), &cursor)) != INDEX_NONE)
		if (s->entries[number].hash == hash)
			return number;
	return INDEX_NONE;
}

static void entry_unlink(struct sticky *s, struct sticky_entry *e)
{
	if (e->newer == INDEX_NONE)
		s->newest = e->older;
	else
		s->entries[e->newer].older = e->older;
	if (e->older == INDEX_NONE)
		s->oldest = e->newer;
	else
		s->entries[e->older].newer = e->newer;
}

static void entry_link_newest(struct sticky *s, uint32_t number)
{
	struct sticky_entry *e = &s->entries[number];

	e->newer = INDEX_NONE;
	e->older = s->newest;
	if (s->newest == INDEX_NONE)
		s->oldest = number;
	else
		s->entries[s->newest].newer = number;
	s->newest = number;
}

static void oldest_remove(struct sticky *s)
{
	uint32_t number = s->oldest;
	struct sticky_entry *e = &s->entries[number];

	entry_unlink(s, e);
	index_remove(&s->index, index_hash(e->hash), number);
	e->older = s->unused;
	s->unused = number;
}

static uint32_t entry_new(struct sticky *s)
{
	uint32_t number = s->unused;

	if (number == INDEX_NONE)
		return s->fresh++;
	s->unused = s->entries[number].older;
	return number;
}

void sticky_resize(struct sticky *s, uint32_t entries_max, nstime expire)
{
	struct sticky_counters ignored = {0};
	struct sticky old = *s;
	uint32_t skip = sticky_count(s) > entries_max ? sticky_count(s) - entries_max : 0;

	s->expire = expire;
	if (entries_max == old.entries_max)
		return;
	sticky_init(s, entries_max, expire);
	for (uint32_t n = old.oldest; n != INDEX_NONE; n = old.entries[n].newer) {
		const struct sticky_entry *e = &old.entries[n];

		if (skip)
			skip--;
		else
			sticky_put(s, e->hash, e->device, e->used, &ignored);
	}
	sticky_fini(&old);
}

bool sticky_find(struct sticky *s, uint64_t hash, nstime now, uint16_t *device, struct sticky_counters *c)
{
	uint32_t number;

	while (s->oldest != INDEX_NONE && nstime_add(s->entries[s->oldest].used, s->expire) <= now) {
		oldest_remove(s);
		c->expired++;
	}
	number = entry_find(s, hash);
	if (number == INDEX_NONE)
		return false;
	*device = s->entries[number].device;
	return true;
}

void sticky_put(struct sticky *s, uint64_t hash, uint16_t device, nstime now, struct sticky_counters *c)
{
	uint32_t number = entry_find(s, hash);

	if (number != INDEX_NONE) {
		if (s->entries[number].device == device)
			c->kept++;
		else
			c->moved++;
		entry_unlink(s, &s->entries[number]);
	} else {
		if (s->index.count == s->entries_max) {
			oldest_remove(s);
			c->evicted++;
		}
		number = entry_new(s);
		index_insert(&s->index, index_hash(hash), number);
		c->added++;
	}
	s->entries[number].hash = hash;
	s->entries[number].device = device;
	s->entries[number].used = now;
	entry_link_newest(s, number);
}
