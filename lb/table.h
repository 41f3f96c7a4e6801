/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarder's mapping table: connections by tuple, their flow identifiers, and lists ordered by time (C1.8).
 *
 * Storage only: what the states mean and when they change is lb/forwarder's, its one caller. An entry is one cache
 * line, all that a packet needs; a flow record is one generation of an entry: the hand-off, its devices and boots. The
 * newest record of an entry is its current one; older ones rest, so that their late packets are still understood and
 * their identifiers are not used again too soon. Both indexes are keyed by a hash that a client cannot foresee
 * (base/hash.h). Nothing is ever evicted. Capacity is fixed, memory not used is not touched, no call is longer than an
 * entry has records. Order of iteration is that of the lists: order of insertion. */
#ifndef BATON_LB_TABLE_H
#define BATON_LB_TABLE_H

#include "base/addr.h"
#include "base/hash.h"
#include "base/nstime.h"
#include "lb/index.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE        INDEX_NONE
#define TABLE_ENTRIES_MAX (1U << 25)
#define TABLE_LISTS       6U /* lists ordered by time, numbered from 0 */
#define TABLE_LIST_NONE   UINT8_MAX

/* Where packets of a connection go. */
struct table_entry {
	_Alignas(64) struct tuple tuple;
	uint16_t device;     /* packets go there, or to the classifier when `flow` is 0 */
	uint32_t flow;       /* inserted into packets; 0: they go unchanged */
	uint32_t record;     /* current flow record */
	uint32_t generation; /* highest ever seen: what is not above it comes too late */
	uint8_t state;       /* the forwarder's */
	uint8_t flags;       /* the forwarder's */
	nstime last;         /* when the last packet came */
};

/* One generation of a connection. */
struct table_flow {
	uint32_t flow, generation;
	uint64_t handoff;
	uint64_t first_boot, second_boot;
	nstime due;          /* on its list */
	uint32_t entry;      /* TABLE_NONE once the entry is gone */
	uint32_t older;      /* next record of the same entry, TABLE_NONE at the end */
	uint32_t next, prev; /* on its list */
	uint16_t first, second;
	uint8_t state; /* the forwarder's */
	uint8_t list;  /* TABLE_LIST_NONE when on none */
	uint8_t asked; /* the forwarder's: queries sent */
};

struct table {
	struct hash_key key;
	struct index by_tuple, by_flow;
	struct table_entry *entries;
	struct table_flow *flows;
	nstime *since;                   /* by entry: the forwarder's; apart from the entry, as no packet needs it */
	uint32_t entries_max, flows_max; /* capacity */
	uint32_t entries_fresh, flows_fresh; /* numbers from here on were never used */
	uint32_t entries_free, flows_free;   /* chains of numbers given back */
	struct table_list {
		uint32_t head, tail;
	} lists[TABLE_LISTS];
};

/* An empty table for `entries` connections and eight times as many flow records, and 64. Precondition:
 * 1 <= entries <= TABLE_ENTRIES_MAX. */
void table_init(struct table *t, uint32_t entries, const struct hash_key *key);
void table_fini(struct table *t);

static inline uint32_t table_entry_count(const struct table *t)
{
	return t->by_tuple.count;
}
static inline uint32_t table_flow_count(const struct table *t)
{
	return t->by_flow.count;
}

static inline struct table_entry *table_entry(const struct table *t, uint32_t number)
{
	return &t->entries[number];
}
static inline struct table_flow *table_flow(const struct table *t, uint32_t number)
{
	return &t->flows[number];
}

/* Whether there is an entry of this number, which is below entries_fresh. */
static inline bool table_entry_used(const struct table *t, uint32_t number)
{
	return t->entries[number].tuple.remote.family != 0;
}

/* What finds a tuple: for table_find and the prefetches. */
uint32_t table_hash(const struct table *t, const struct tuple *tuple);

/* Ahead of a table_find, for many packets at a time: the index's line first and, once that has come, the entry's. They
 * change nothing, and what they foresee may be wrong. */
static inline void table_prefetch_index(const struct table *t, uint32_t hash)
{
	index_prefetch(&t->by_tuple, hash);
}
static inline void table_prefetch_entry(const struct table *t, uint32_t hash)
{
	uint32_t cursor = 0, number = index_next(&t->by_tuple, hash, &cursor);

	if (number != INDEX_NONE)
		__builtin_prefetch(&t->entries[number], 1);
}

/* Numbers, or TABLE_NONE. */
static inline uint32_t table_find(const struct table *t, const struct tuple *tuple, uint32_t hash)
{
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&t->by_tuple, hash, &cursor)) != INDEX_NONE)
		if (tuple_equal(&t->entries[number].tuple, tuple))
			return number;
	return TABLE_NONE;
}
uint32_t table_flow_find(const struct table *t, uint32_t flow);

/* A new entry, zero but for its tuple, without a record; TABLE_NONE when full. Precondition: the tuple is not there. */
uint32_t table_insert(struct table *t, const struct tuple *tuple);

/* Removes an entry; its records stay, on their lists, belonging to none. */
void table_remove(struct table *t, uint32_t entry);

/* A new record of `entry` (it becomes the current one), or of none (TABLE_NONE), zero but for flow and entry, on no
 * list; TABLE_NONE when there is no room. Precondition: the flow identifier has no record. */
uint32_t table_flow_insert(struct table *t, uint32_t entry, uint32_t flow);

/* Makes an older record of its entry the current one again. */
void table_flow_promote(struct table *t, uint32_t record);

/* Removes a record from its list, its entry and the index. Precondition: it is no entry's current one. */
void table_flow_remove(struct table *t, uint32_t record);

/* Moves a record to the end of a list (TABLE_LIST_NONE: to none). Precondition: `due` is not before that of the list's
 * last. */
void table_flow_schedule(struct table *t, uint32_t record, uint8_t list, nstime due);

#endif
