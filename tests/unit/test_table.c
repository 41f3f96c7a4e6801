/* SPDX-License-Identifier: BSD-3-Clause */
/* The hash index and the mapping table against naive models, under random operations, full, and wrapping. */
#include "base/random.h"
#include "lb/table.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define NUMBERS 48U

/* Hashes of few values, so that runs are long and wrap round the end. */
START_TEST(index_against_model)
{
	uint32_t hashes[NUMBERS];
	bool used[NUMBERS] = {false};
	struct random_stream r;
	struct index ix;

	random_init(&r, (uint64_t)_i, "index");
	index_init(&ix, NUMBERS);
	for (unsigned step = 0; step < 20000; step++) {
		uint32_t n = (uint32_t)random_below(&r, NUMBERS);
		uint32_t count = 0;

		if (used[n]) {
			index_remove(&ix, hashes[n], n);
			used[n] = false;
		} else {
			hashes[n] =
				(uint32_t)(random_below(&r, 4) * 61 + 58); /* near the last of 64 slots, and after */
			index_insert(&ix, hashes[n], n);
			used[n] = true;
		}
		for (uint32_t i = 0; i < NUMBERS; i++) {
			uint32_t cursor = 0, got;
			bool found = false;

			if (!used[i])
				continue;
			count++;
			while ((got = index_next(&ix, hashes[i], &cursor)) != INDEX_NONE) {
				ck_assert(used[got] && hashes[got] == hashes[i]);
				found |= got == i;
			}
			ck_assert(found);
		}
		ck_assert_uint_eq(count, ix.count);
	}
	for (uint32_t i = 0; i < NUMBERS; i++)
		if (used[i])
			index_remove(&ix, hashes[i], i);
	for (uint32_t i = 0; i <= ix.mask; i++)
		ck_assert_uint_eq(ix.slots[i], 0); /* no tombstone is left */
	index_fini(&ix);
}
END_TEST

#define TUPLES  96U
#define ENTRIES 40U
#define FLOWS   (8 * ENTRIES + 64)

struct model_flow {
	bool used;
	int entry; /* tuple number, -1 for none */
	uint64_t order;
	uint8_t list;
	nstime due;
};

static struct tuple tuple_of(uint32_t n)
{
	/* Two VIPs: the local side is part of the key. */
	return (struct tuple){.remote = addr_v4(0x0a000000 + n / 2),
			      .local = addr_v4(0xc0000201 + n % 2),
			      .remote_port = 1000,
			      .local_port = 80};
}

static void lists_check(const struct table *t, const struct model_flow *flows, uint32_t count)
{
	for (uint8_t list = 0; list < TABLE_LISTS; list++) {
		uint32_t n = 0, expected = 0, prev = TABLE_NONE;

		for (uint32_t r = t->lists[list].head; r != TABLE_NONE; r = t->flows[r].next, n++) {
			const struct model_flow *f = &flows[t->flows[r].flow];

			ck_assert(f->used && f->list == list);
			ck_assert_uint_eq(t->flows[r].prev, prev);
			if (prev != TABLE_NONE)
				ck_assert_uint_gt(f->order, flows[t->flows[prev].flow].order);
			prev = r;
		}
		ck_assert_uint_eq(t->lists[list].tail, prev);
		for (uint32_t i = 1; i < count; i++)
			expected += flows[i].used && flows[i].list == list;
		ck_assert_uint_eq(n, expected);
	}
}

START_TEST(table_against_model)
{
	static struct model_flow flows[FLOWS + 40];
	const uint32_t flow_ids = sizeof flows / sizeof *flows;
	bool present[TUPLES] = {false};
	struct random_stream r;
	struct hash_key key;
	struct table t;
	uint64_t order = 0;
	unsigned full = 0;

	memset(flows, 0, sizeof flows);
	random_init(&r, (uint64_t)_i, "table");
	hash_key_init(&key, 7, "table");
	table_init(&t, ENTRIES, &key);
	ck_assert_uint_eq((uintptr_t)t.entries % 64, 0);
	for (unsigned step = 0; step < 30000; step++) {
		uint32_t n = (uint32_t)random_below(&r, TUPLES);
		uint32_t flow = 1 + (uint32_t)random_below(&r, flow_ids - 1);
		struct tuple tuple = tuple_of(n);
		uint32_t entry = table_find(&t, &tuple, table_hash(&t, &tuple));
		uint32_t record = table_flow_find(&t, flow);
		struct model_flow *f = &flows[flow];

		ck_assert_int_eq(entry != TABLE_NONE, present[n]);
		ck_assert_int_eq(record != TABLE_NONE, f->used);
		if (f->used)
			ck_assert_int_eq(f->entry >= 0, t.flows[record].entry != TABLE_NONE);
		switch (random_below(&r, 6)) {
		case 0:
			if (entry == TABLE_NONE) {
				bool room = table_entry_count(&t) < ENTRIES;

				entry = table_insert(&t, &tuple);
				ck_assert_int_eq(entry != TABLE_NONE, room);
				present[n] = room;
				full += !room;
			}
			break;
		case 1:
			if (entry != TABLE_NONE && random_below(&r, 3) == 0) {
				table_remove(&t, entry);
				present[n] = false;
				for (uint32_t i = 1; i < flow_ids; i++)
					if (flows[i].used && flows[i].entry == (int)n)
						flows[i].entry = -1;
			}
			break;
		case 2:
		case 3:
			if (record == TABLE_NONE) {
				bool room = table_flow_count(&t) < FLOWS;

				record = table_flow_insert(&t, entry, flow);
				ck_assert_int_eq(record != TABLE_NONE, room);
				if (room)
					*f = (struct model_flow){true, present[n] ? (int)n : -1, 0, TABLE_LIST_NONE, 0};
			}
			break;
		case 4:
			if (record != TABLE_NONE) {
				f->list = (uint8_t)random_below(&r, TABLE_LISTS + 1);
				if (f->list == TABLE_LISTS)
					f->list = TABLE_LIST_NONE;
				f->order = ++order;
				table_flow_schedule(&t, record, f->list, step);
			}
			break;
		case 5:
			if (record == TABLE_NONE)
				break;
			if (f->entry >= 0) {
				struct tuple owner = tuple_of((uint32_t)f->entry);
				uint32_t e = table_find(&t, &owner, table_hash(&t, &owner));

				ck_assert_uint_eq(t.flows[record].entry, e);
				if (t.entries[e].record == record && t.flows[record].older == TABLE_NONE)
					break; /* its entry's only one */
				if (t.entries[e].record == record) {
					table_flow_promote(&t, t.flows[record].older);
					ck_assert_uint_ne(t.entries[e].record, record);
				}
			}
			table_flow_remove(&t, record);
			f->used = false;
			break;
		}
		if (step % 64 == 0)
			lists_check(&t, flows, flow_ids);
	}
	ck_assert_uint_gt(full, 10);
	table_fini(&t);
}
END_TEST

START_TEST(large_table_is_lazy)
{
	struct hash_key key;
	struct tuple t = tuple_of(1);
	struct table table;

	hash_key_init(&key, 7, "large");
	table_init(&table, 1U << 20, &key); /* a few hundred MB of address space, none of it touched */
	for (uint32_t n = 0; n < 5000; n++) {
		uint32_t e;

		t.remote_port = (uint16_t)(n + 1);
		e = table_insert(&table, &t);
		ck_assert_uint_ne(table_flow_insert(&table, e, 0x10001 + n), TABLE_NONE);
	}
	for (uint32_t n = 0; n < 5000; n++) {
		t.remote_port = (uint16_t)(n + 1);
		ck_assert_uint_eq(table.flows[table_flow_find(&table, 0x10001 + n)].entry,
				  table_find(&table, &t, table_hash(&table, &t)));
	}
	table_fini(&table);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("table");
	TCase *t = tcase_create("table");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, index_against_model, 0, 3);
	tcase_add_loop_test(t, table_against_model, 0, 3);
	tcase_add_test(t, large_table_is_lazy);
	suite_add_tcase(s, t);
	return unit_run(s);
}
