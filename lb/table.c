/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/table.h"

#include "base/pages.h"

#include <assert.h>
#include <string.h>

/* Of those that rest, a minute each, there are many more than connections where those are short; memory that is not
 * used is not touched. */
#define FLOWS_PER_ENTRY 8U

_Static_assert(sizeof(struct table_entry) == 64, "an entry is one cache line");
_Static_assert(sizeof(struct table_flow) == 64, "a record is one, too");
_Static_assert(sizeof(struct tuple) == 38, "tuples hash as bytes: no padding");

/* An IPv4 tuple is hashed as the 12 bytes that count: half the work. */
uint32_t table_hash(const struct table *t, const struct tuple *tuple)
{
	uint32_t key[3]; /* put together in registers: bytes just written singly are slow to read as words */

	if (tuple->remote.family != 4 || tuple->local.family != 4)
		return (uint32_t)hash_bytes(&t->key, tuple, sizeof *tuple);
	memcpy(&key[0], tuple->remote.bytes, 4);
	memcpy(&key[1], tuple->local.bytes, 4);
	key[2] = (uint32_t)tuple->remote_port << 16 | tuple->local_port;
	return (uint32_t)hash_bytes(&t->key, key, sizeof key);
}

static uint32_t flow_hash(const struct table *t, uint32_t flow)
{
	return (uint32_t)hash_bytes(&t->key, &flow, sizeof flow);
}

void table_init(struct table *t, uint32_t entries, const struct hash_key *key)
{
	uint32_t flows = FLOWS_PER_ENTRY * entries + 64;

	assert(entries && entries <= TABLE_ENTRIES_MAX);
	*t = (struct table){
		.key = *key,
		.entries_max = entries,
		.flows_max = flows,
		.entries_free = TABLE_NONE,
		.flows_free = TABLE_NONE,
	};
	index_init(&t->by_tuple, entries);
	index_init(&t->by_flow, flows);
	t->entries = pages_new(entries * sizeof *t->entries);
	t->flows = pages_new(flows * sizeof *t->flows);
	t->since = pages_new(entries * sizeof *t->since);
	for (unsigned i = 0; i < TABLE_LISTS; i++)
		t->lists[i] = (struct table_list){TABLE_NONE, TABLE_NONE};
}

void table_fini(struct table *t)
{
	index_fini(&t->by_tuple);
	index_fini(&t->by_flow);
	pages_free(t->entries, t->entries_max * sizeof *t->entries);
	pages_free(t->flows, t->flows_max * sizeof *t->flows);
	pages_free(t->since, t->entries_max * sizeof *t->since);
	*t = (struct table){0};
}

uint32_t table_flow_find(const struct table *t, uint32_t flow)
{
	uint32_t hash = flow_hash(t, flow);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&t->by_flow, hash, &cursor)) != INDEX_NONE)
		if (t->flows[number].flow == flow)
			return number;
	return TABLE_NONE;
}

uint32_t table_insert(struct table *t, const struct tuple *tuple)
{
	uint32_t number = t->entries_free;

	if (number != TABLE_NONE)
		t->entries_free = t->entries[number].record;
	else if (t->entries_fresh < t->entries_max)
		number = t->entries_fresh++;
	else
		return TABLE_NONE;
	t->entries[number] = (struct table_entry){.tuple = *tuple, .record = TABLE_NONE};
	index_insert(&t->by_tuple, table_hash(t, tuple), number);
	return number;
}

void table_remove(struct table *t, uint32_t entry)
{
	struct table_entry *e = &t->entries[entry];
	uint32_t older;

	for (uint32_t r = e->record; r != TABLE_NONE; r = older) {
		older = t->flows[r].older;
		t->flows[r].entry = TABLE_NONE;
		t->flows[r].older = TABLE_NONE;
	}
	index_remove(&t->by_tuple, table_hash(t, &e->tuple), entry);
	e->tuple.remote.family = 0;
	e->record = t->entries_free;
	t->entries_free = entry;
}

uint32_t table_flow_insert(struct table *t, uint32_t entry, uint32_t flow)
{
	uint32_t *current = entry == TABLE_NONE ? NULL : &t->entries[entry].record;
	uint32_t number = t->flows_free;

	if (number != TABLE_NONE)
		t->flows_free = t->flows[number].next;
	else if (t->flows_fresh < t->flows_max)
		number = t->flows_fresh++;
	else
		return TABLE_NONE;
	t->flows[number] = (struct table_flow){
		.flow = flow,
		.entry = entry,
		.older = current ? *current : TABLE_NONE,
		.due = NSTIME_NEVER,
		.list = TABLE_LIST_NONE,
	};
	if (current)
		*current = number;
	index_insert(&t->by_flow, flow_hash(t, flow), number);
	return number;
}

/* Takes a record out of its entry's chain. */
static void chain_unlink(struct table *t, struct table_entry *e, uint32_t record)
{
	uint32_t *link = &e->record;

	while (*link != record)
		link = &t->flows[*link].older;
	*link = t->flows[record].older;
}

void table_flow_promote(struct table *t, uint32_t record)
{
	struct table_entry *e = &t->entries[t->flows[record].entry];

	chain_unlink(t, e, record);
	t->flows[record].older = e->record;
	e->record = record;
}

void table_flow_remove(struct table *t, uint32_t record)
{
	struct table_flow *r = &t->flows[record];

	if (r->entry != TABLE_NONE) {
		struct table_entry *e = &t->entries[r->entry];

		assert(e->record != record);
		chain_unlink(t, e, record);
	}
	table_flow_schedule(t, record, TABLE_LIST_NONE, NSTIME_NEVER);
	index_remove(&t->by_flow, flow_hash(t, r->flow), record);
	r->next = t->flows_free;
	t->flows_free = record;
}

static void list_unlink(struct table *t, struct table_flow *r)
{
	struct table_list *list = &t->lists[r->list];

	*(r->prev == TABLE_NONE ? &list->head : &t->flows[r->prev].next) = r->next;
	*(r->next == TABLE_NONE ? &list->tail : &t->flows[r->next].prev) = r->prev;
	r->list = TABLE_LIST_NONE;
}

void table_flow_schedule(struct table *t, uint32_t record, uint8_t list, nstime due)
{
	struct table_flow *r = &t->flows[record];
	struct table_list *l;

	if (r->list != TABLE_LIST_NONE)
		list_unlink(t, r);
	r->due = due;
	if (list == TABLE_LIST_NONE)
		return;
	l = &t->lists[list];
	assert(l->tail == TABLE_NONE || t->flows[l->tail].due <= due);
	r->list = list;
	r->prev = l->tail;
	r->next = TABLE_NONE;
	*(l->tail == TABLE_NONE ? &l->head : &t->flows[l->tail].next) = record;
	l->tail = record;
}
