/* SPDX-License-Identifier: BSD-3-Clause */
/* lb/policy, lb/maglev and lb/sticky: who is chosen, in what order, and how evenly. */
#include "base/err.h"
#include "lb/policy.h"
#include "tests/lib/unit.h"

#include <check.h>

static const uint16_t three[] = {7, 3, 9, 3};
static const uint16_t two[] = {3, 5};

#define KEYS       20000U
#define MEMBERS    16U
#define PRIME      65537U
#define SPREAD_PPM 20000U /* 2 % */

static struct policy_group group(struct policy *p, enum policy_balance balance, const uint16_t *devices,
				 const uint32_t *weights, size_t count)
{
	struct policy_group g;

	policy_group_init(p, &g,
			  &(struct policy_group_config){.balance = balance,
							.devices = devices,
							.weights = weights,
							.count = count,
							.sticky_entries = 4,
							.sticky_expire = 100});
	return g;
}

static uint16_t choose_key(struct policy *p, struct policy_group *g, uint32_t key, nstime now)
{
	uint16_t device = 0;
	size_t candidates;

	ck_assert_int_eq(policy_choose(p, g, &(struct policy_ask){.key = &key, .key_len = sizeof key, .now = now},
				       &device, &candidates),
			 0);
	return device;
}

static uint16_t choose(struct policy *p, struct policy_group *g, const uint16_t *excluded, size_t count)
{
	struct policy_ask ask = {.excluded = excluded, .excluded_count = count};
	uint16_t device = 0;
	size_t candidates;

	if (policy_choose(p, g, &ask, &device, &candidates)) {
		ck_assert_uint_eq(candidates, 0);
		return 0;
	}
	ck_assert_uint_ge(candidates, 1);
	return device;
}

START_TEST(round_robin)
{
	struct policy p = {0};
	struct policy_group a = group(&p, POLICY_ROUND_ROBIN, three, NULL, 4);
	struct policy_group b = group(&p, POLICY_ROUND_ROBIN, two, NULL, 2);
	size_t candidates;
	uint16_t device;

	ck_assert_uint_eq(p.devices_count, 4);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 7);
		ck_assert_uint_eq(choose(&p, &b, NULL, 0), i % 2 ? 5 : 3);
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 3);
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 9);
	}
	policy_health(&p, 3, false);
	ck_assert_int_eq(policy_choose(&p, &a, &(struct policy_ask){0}, &device, &candidates), 0);
	ck_assert_uint_eq(device, 7);
	ck_assert_uint_eq(candidates, 2);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 9);
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 7);
	}
	ck_assert_uint_eq(choose(&p, &a, three, 1), 9);
	policy_health(&p, 3, true);
	ck_assert_uint_eq(choose(&p, &a, three, 1), 3);
	ck_assert_uint_eq(choose(&p, &a, three, 3), 0);
	ck_assert_uint_eq(choose(&p, &b, two, 2), 0);
	policy_group_fini(&a);
	policy_group_fini(&b);
	policy_fini(&p);
}
END_TEST

START_TEST(least_connections)
{
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_LEAST_CONNECTIONS, three, NULL, 3);
	struct policy_group other = group(&p, POLICY_LEAST_CONNECTIONS, two, NULL, 2);

	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 7);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 7);
	policy_connections(&p, 7, 2);
	policy_connections(&p, 3, 1);
	policy_connections(&p, 9, 1);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 3);
	ck_assert_uint_eq(choose(&p, &other, NULL, 0), 5);
	policy_connections(&p, 9, -5);
	ck_assert_uint_eq(policy_device_find(&p, 9)->connections, 0);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 9);
	policy_load(&p, 9, 2); /* two of others' */
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 3);
	policy_connections(&p, 9, 1);
	policy_load(&p, 9, 1); /* only ours */
	policy_connections(&p, 9, -1);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 9);
	policy_load(&p, 100, 3);
	policy_health(&p, 9, false);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 3);
	policy_health(&p, 3, false);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 7);
	ck_assert_uint_eq(choose(&p, &other, NULL, 0), 5);
	policy_health(&p, 7, false);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 0);
	policy_health(&p, 100, true);
	policy_connections(&p, 100, 1);
	ck_assert_ptr_null(policy_device_find(&p, 100));
	policy_group_fini(&g);
	policy_group_fini(&other);
	policy_fini(&p);
}
END_TEST

START_TEST(weighted_round)
{
	/* 7 takes five of seven turns and is interleaved with the others; the order is nginx's, by hand. */
	static const uint32_t weights[] = {5, 1, 1};
	static const uint16_t order[] = {7, 7, 3, 7, 9, 7, 7};
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_ROUND_ROBIN, three, weights, 3);

	for (int i = 0; i < 21; i++)
		ck_assert_uint_eq(choose(&p, &g, NULL, 0), order[i % 7]);
	/* Without the heavy one the others take turns, and it does not make up for what it missed. */
	policy_health(&p, 7, false);
	for (int i = 0; i < 10; i++)
		ck_assert_uint_eq(choose(&p, &g, NULL, 0), i % 2 ? 9 : 3);
	policy_health(&p, 7, true);
	for (int i = 0; i < 7; i++)
		ck_assert_uint_eq(choose(&p, &g, NULL, 0), order[i]);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

START_TEST(weighted_least)
{
	static const uint32_t weights[] = {3, 1};
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_LEAST_CONNECTIONS, two, weights, 2);

	for (int i = 0; i < 400; i++)
		policy_connections(&p, choose(&p, &g, NULL, 0), 1);
	ck_assert_uint_eq(policy_device_find(&p, 3)->connections, 300);
	ck_assert_uint_eq(policy_device_find(&p, 5)->connections, 100);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

/* Members 1..count, of weight 1 or as given. */
static void maglev_make(struct maglev *m, uint32_t count, const uint32_t *weights)
{
	struct maglev_member members[MEMBERS];
	struct hash_key key;

	hash_key_init(&key, 1, "test");
	for (uint32_t i = 0; i < count; i++)
		members[i] = (struct maglev_member){(uint16_t)(i + 1), weights ? weights[i] : 1};
	maglev_init(m, PRIME, &key, members, count);
}

START_TEST(maglev_spread)
{
	static const uint32_t weights[MEMBERS] = {1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4};
	uint32_t slots[2][MEMBERS] = {{0}};
	struct maglev even, weighted;

	maglev_make(&even, MEMBERS, NULL);
	maglev_make(&weighted, MEMBERS, weights);
	for (uint32_t i = 0; i < PRIME; i++) {
		slots[0][maglev_lookup(&even, i, 0)]++;
		slots[1][maglev_lookup(&weighted, i, 0)]++;
	}
	for (uint32_t i = 0; i < MEMBERS; i++) {
		uint32_t share = PRIME * weights[i] / 40;

		/* Turns are exact but for the last round. */
		ck_assert_uint_ge(slots[0][i], PRIME / MEMBERS);
		ck_assert_uint_le(slots[0][i], PRIME / MEMBERS + 1);
		ck_assert_uint_ge(slots[1][i] + 4, share);
		ck_assert_uint_le(slots[1][i], share + 4);
	}
	maglev_fini(&even);
	maglev_fini(&weighted);
}
END_TEST

START_TEST(maglev_disruption)
{
	/* With one member less, at most 2 % of the slots of those who stay change hands. */
	uint32_t changed = 0, kept = 0;
	struct maglev all, fewer;

	maglev_make(&all, MEMBERS, NULL);
	maglev_make(&fewer, MEMBERS - 1, NULL);
	for (uint32_t i = 0; i < PRIME; i++) {
		if (maglev_lookup(&all, i, 0) == MEMBERS - 1)
			continue;
		changed += maglev_lookup(&all, i, 0) != maglev_lookup(&fewer, i, 0);
		kept++;
	}
	ck_assert_uint_gt(changed, 0);
	ck_assert_uint_lt((uint64_t)changed * 1000000, (uint64_t)kept * SPREAD_PPM);
	maglev_fini(&all);
	maglev_fini(&fewer);
}
END_TEST

START_TEST(maglev_order)
{
	/* The order in which members are listed does not count. */
	struct maglev_member listed[MEMBERS], reversed[MEMBERS];
	struct maglev a, b;
	struct hash_key key;

	hash_key_init(&key, 1, "test");
	for (uint32_t i = 0; i < MEMBERS; i++)
		listed[i] = reversed[MEMBERS - 1 - i] = (struct maglev_member){(uint16_t)(i + 1), 1 + i % 3};
	maglev_init(&a, PRIME, &key, listed, MEMBERS);
	maglev_init(&b, PRIME, &key, reversed, MEMBERS);
	for (uint32_t i = 0; i < PRIME; i++)
		ck_assert_uint_eq(maglev_lookup(&a, i, 0), MEMBERS - 1 - maglev_lookup(&b, i, 0));
	maglev_fini(&a);
	maglev_fini(&b);
}
END_TEST

START_TEST(maglev_health)
{
	/* A backend that goes takes nobody's keys but its own along, these go to all others alike, and come back. */
	uint16_t devices[MEMBERS], before[KEYS];
	uint32_t count[MEMBERS + 1] = {0}, moved[MEMBERS + 1] = {0}, orphans = 0;
	struct policy p = {0};

	for (uint16_t i = 0; i < MEMBERS; i++)
		devices[i] = (uint16_t)(i + 1);
	struct policy_group g = group(&p, POLICY_MAGLEV, devices, NULL, MEMBERS);

	for (uint32_t key = 0; key < KEYS; key++)
		count[before[key] = choose_key(&p, &g, key, 0)]++;
	for (uint32_t i = 1; i <= MEMBERS; i++) {
		/* Keys fall by chance: four standard deviations, about 34 each. */
		ck_assert_uint_gt(count[i], KEYS / MEMBERS - 140);
		ck_assert_uint_lt(count[i], KEYS / MEMBERS + 140);
	}
	policy_health(&p, 5, false);
	for (uint32_t key = 0; key < KEYS; key++) {
		uint16_t device = choose_key(&p, &g, key, 0);

		ck_assert_uint_ne(device, 5);
		ck_assert_uint_eq(choose_key(&p, &g, key, 0), device);
		if (before[key] != 5)
			ck_assert_uint_eq(device, before[key]);
		else
			moved[device]++, orphans++;
	}
	ck_assert_uint_eq(orphans, count[5]);
	for (uint32_t i = 1; i <= MEMBERS; i++)
		if (i != 5)
			ck_assert_uint_lt(moved[i], 2 * orphans / (MEMBERS - 1));
	policy_health(&p, 5, true);
	for (uint32_t key = 0; key < KEYS; key++)
		ck_assert_uint_eq(choose_key(&p, &g, key, 0), before[key]);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

START_TEST(maglev_excluded)
{
	uint16_t devices[MEMBERS], device = 0;
	struct policy p = {0};
	size_t candidates;

	for (uint16_t i = 0; i < MEMBERS; i++)
		devices[i] = (uint16_t)(i + 1);
	struct policy_group g = group(&p, POLICY_MAGLEV, devices, NULL, MEMBERS);

	for (uint32_t i = 0; i < MEMBERS; i++) {
		struct policy_ask ask = {.excluded = devices, .excluded_count = i};

		ck_assert_int_eq(policy_choose(&p, &g, &ask, &device, &candidates), 0);
		ck_assert_uint_eq(candidates, MEMBERS - i);
		ck_assert_uint_gt(device, i);
	}
	ck_assert_uint_eq(choose(&p, &g, devices, MEMBERS), 0);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

START_TEST(sticky)
{
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_STICKY, three, NULL, 3);

	ck_assert_uint_eq(choose_key(&p, &g, 1, 0), 7);
	ck_assert_uint_eq(choose_key(&p, &g, 2, 0), 3);
	for (nstime now = 1; now < 10; now++) {
		ck_assert_uint_eq(choose_key(&p, &g, 1, now), 7);
		ck_assert_uint_eq(choose_key(&p, &g, 2, now), 3);
	}
	ck_assert_uint_eq(p.sticky.added, 2);
	ck_assert_uint_eq(p.sticky.kept, 18);
	/* Without a key there is nothing to remember: the round goes on. */
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 9);
	ck_assert_uint_eq(sticky_count(&g.sticky), 2);
	/* Who lost its backend moves, and stays where it is when that one is back. */
	policy_health(&p, 7, false);
	ck_assert_uint_eq(choose_key(&p, &g, 1, 10), 3);
	policy_health(&p, 7, true);
	ck_assert_uint_eq(choose_key(&p, &g, 1, 11), 3);
	ck_assert_uint_eq(p.sticky.moved, 1);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

START_TEST(sticky_expires)
{
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_STICKY, three, NULL, 3);

	ck_assert_uint_eq(choose_key(&p, &g, 1, 0), 7);
	ck_assert_uint_eq(choose_key(&p, &g, 2, 50), 3);
	ck_assert_uint_eq(choose_key(&p, &g, 1, 99), 7); /* used again: its time begins anew */
	ck_assert_uint_eq(p.sticky.expired, 0);
	ck_assert_uint_eq(choose_key(&p, &g, 2, 150), 9); /* just over */
	ck_assert_uint_eq(choose_key(&p, &g, 1, 198), 7);
	ck_assert_uint_eq(p.sticky.expired, 1);
	ck_assert_uint_eq(p.sticky.added, 3);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

START_TEST(sticky_full)
{
	/* The table holds 4: the fifth key takes the place of the one used least recently, and so on without end. */
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_STICKY, three, NULL, 3);
	uint16_t first = choose_key(&p, &g, 0, 0);

	for (uint32_t key = 1; key < 4; key++)
		choose_key(&p, &g, key, 0);
	ck_assert_uint_eq(choose_key(&p, &g, 0, 1), first);
	choose_key(&p, &g, 4, 1);
	ck_assert_uint_eq(p.sticky.evicted, 1);
	ck_assert_uint_eq(choose_key(&p, &g, 0, 2), first);
	ck_assert_uint_eq(p.sticky.kept, 2);
	choose_key(&p, &g, 1, 2); /* it was 1 that went */
	ck_assert_uint_eq(p.sticky.added, 6);
	for (uint32_t key = 0; key < 10000; key++)
		choose_key(&p, &g, key % 7 + key, 3);
	ck_assert_uint_eq(sticky_count(&g.sticky), 4);
	ck_assert_uint_eq(p.sticky.added - p.sticky.evicted - p.sticky.expired, 4);
	choose_key(&p, &g, 0, 1000);
	ck_assert_uint_eq(sticky_count(&g.sticky), 1);
	ck_assert_uint_eq(p.sticky.expired, 4);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

START_TEST(empty_group)
{
	struct policy p = {0};
	uint16_t device;
	size_t candidates;

	for (enum policy_balance balance = POLICY_ROUND_ROBIN; balance <= POLICY_STICKY; balance++) {
		struct policy_group g = group(&p, balance, NULL, NULL, 0);

		ck_assert_int_eq(policy_choose(&p, &g, &(struct policy_ask){0}, &device, &candidates), E_NOENT);
		policy_group_fini(&g);
	}
	policy_fini(&p);
}
END_TEST

static void change(struct policy *p, struct policy_group *g, enum policy_balance balance, const uint16_t *devices,
		   const uint32_t *weights, size_t count, uint32_t sticky_entries)
{
	policy_group_change(p, g,
			    &(struct policy_group_config){.balance = balance,
							  .devices = devices,
							  .weights = weights,
							  .count = count,
							  .sticky_entries = sticky_entries,
							  .sticky_expire = 100},
			    true);
}

/* What devices have stays theirs, whatever becomes of the groups; the round goes on where it was. */
START_TEST(changed_members)
{
	static const uint16_t before[] = {1, 2, 3, 4}, after[] = {5, 4, 2};
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_ROUND_ROBIN, before, NULL, 4);

	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 1);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 2);
	policy_connections(&p, 4, 9);
	policy_health(&p, 2, false);
	change(&p, &g, POLICY_ROUND_ROBIN, after, NULL, 3, 0);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 4); /* 3 was next, and is gone */
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 5); /* 2 is not healthy */
	policy_health(&p, 2, true);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 4);
	change(&p, &g, POLICY_LEAST_CONNECTIONS, after, NULL, 3, 0);
	ck_assert_uint_eq(policy_device_find(&p, 4)->connections, 9);
	ck_assert_uint_eq(choose(&p, &g, &after[0], 1), 2);
	change(&p, &g, POLICY_LEAST_CONNECTIONS, &after[1], NULL, 1, 0);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 4);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

/* The same weights again do not begin the round anew; others do. */
START_TEST(changed_weights)
{
	static const uint32_t weights[] = {5, 1, 1}, others[] = {1, 1, 5};
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_ROUND_ROBIN, three, weights, 3),
			    untouched = group(&p, POLICY_ROUND_ROBIN, three, weights, 3);
	unsigned times = 0;

	for (unsigned i = 0; i < 50; i++) {
		if (i % 3 == 0)
			change(&p, &g, POLICY_ROUND_ROBIN, three, weights, 3, 0);
		ck_assert_uint_eq(choose(&p, &g, NULL, 0), choose(&p, &untouched, NULL, 0));
	}
	change(&p, &g, POLICY_ROUND_ROBIN, three, others, 3, 0);
	for (unsigned i = 0; i < 70; i++)
		times += choose(&p, &g, NULL, 0) == 9;
	ck_assert_uint_eq(times, 50);
	policy_group_fini(&g);
	policy_group_fini(&untouched);
	policy_fini(&p);
}
END_TEST

/* Keys stay with members that stay, those of others find new ones; a smaller table keeps those used last. */
START_TEST(changed_sticky)
{
	static const uint16_t before[] = {1, 2, 3, 4}, after[] = {2, 4, 6};
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_STICKY, before, NULL, 4);

	for (uint32_t key = 1; key <= 4; key++)
		ck_assert_uint_eq(choose_key(&p, &g, key, key), key);
	change(&p, &g, POLICY_STICKY, after, NULL, 3, 3); /* key 1 has no room any more */
	ck_assert_uint_eq(choose_key(&p, &g, 2, 10), 2);
	ck_assert_uint_eq(choose_key(&p, &g, 4, 10), 4);
	ck_assert_uint_eq(choose_key(&p, &g, 3, 10), 2); /* moved, and stays there */
	ck_assert_uint_eq(choose_key(&p, &g, 3, 11), 2);
	ck_assert_uint_eq(p.sticky.moved, 1);
	ck_assert_uint_eq(p.sticky.added, 4);
	choose_key(&p, &g, 1, 12);
	ck_assert_uint_eq(p.sticky.added, 5);
	ck_assert_uint_eq(p.sticky.evicted, 1);
	change(&p, &g, POLICY_STICKY, after, NULL, 3, 8); /* a larger one has all */
	ck_assert_uint_eq(choose_key(&p, &g, 4, 13), 4);
	ck_assert_uint_eq(choose_key(&p, &g, 3, 13), 2);
	ck_assert_uint_eq(p.sticky.added, 5);
	policy_group_change(&p, &g, /* keys are made of something else: none is known */
			    &(struct policy_group_config){
				    .balance = POLICY_STICKY, .devices = after, .count = 3, .sticky_entries = 8},
			    false);
	choose_key(&p, &g, 4, 14);
	ck_assert_uint_eq(p.sticky.added, 6);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

/* Maglev's table is made of the members: with others few keys move. */
START_TEST(changed_maglev)
{
	static const uint16_t before[] = {1, 2, 3, 4}, after[] = {4, 2, 1};
	struct policy p = {0};
	struct policy_group g = group(&p, POLICY_MAGLEV, before, NULL, 4);
	uint16_t was[256];
	unsigned moved = 0;

	hash_key_init(&p.key, 1, "balance");
	for (uint32_t key = 0; key < 256; key++)
		was[key] = choose_key(&p, &g, key, 0);
	change(&p, &g, POLICY_MAGLEV, before, NULL, 4, 0);
	for (uint32_t key = 0; key < 256; key++)
		ck_assert_uint_eq(choose_key(&p, &g, key, 0), was[key]);
	change(&p, &g, POLICY_MAGLEV, after, NULL, 3, 0);
	for (uint32_t key = 0; key < 256; key++) {
		uint16_t is = choose_key(&p, &g, key, 0);

		ck_assert_uint_ne(is, 3);
		moved += was[key] != 3 && is != was[key];
	}
	ck_assert_uint_lt(moved, 256 / 8);
	policy_group_fini(&g);
	policy_fini(&p);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("policy");
	TCase *tcase = tcase_create("policy");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, round_robin);
	tcase_add_test(tcase, least_connections);
	tcase_add_test(tcase, weighted_round);
	tcase_add_test(tcase, weighted_least);
	tcase_add_test(tcase, maglev_spread);
	tcase_add_test(tcase, maglev_disruption);
	tcase_add_test(tcase, maglev_order);
	tcase_add_test(tcase, maglev_health);
	tcase_add_test(tcase, maglev_excluded);
	tcase_add_test(tcase, sticky);
	tcase_add_test(tcase, sticky_expires);
	tcase_add_test(tcase, sticky_full);
	tcase_add_test(tcase, empty_group);
	tcase_add_test(tcase, changed_members);
	tcase_add_test(tcase, changed_weights);
	tcase_add_test(tcase, changed_sticky);
	tcase_add_test(tcase, changed_maglev);
	return unit_run(suite);
}
