/* SPDX-License-Identifier: BSD-3-Clause */
/* lb/policy: who is chosen, in what order. */
#include "base/err.h"
#include "lb/policy.h"
#include "tests/lib/unit.h"

#include <check.h>

static const uint16_t three[] = {7, 3, 9, 3};
static const uint16_t two[] = {3, 5};

static uint16_t choose(struct policy *p, struct policy_group *g, const uint16_t *excluded, size_t count)
{
	uint16_t device = 0;
	size_t candidates;

	if (policy_choose(p, g, excluded, count, &device, &candidates)) {
		ck_assert_uint_eq(candidates, 0);
		return 0;
	}
	ck_assert_uint_ge(candidates, 1);
	return device;
}

START_TEST(round_robin)
{
	struct policy p = {0};
	struct policy_group a, b;
	size_t candidates;
	uint16_t device;

	policy_group_init(&p, &a, POLICY_ROUND_ROBIN, three, 4);
	policy_group_init(&p, &b, POLICY_ROUND_ROBIN, two, 2);
	ck_assert_uint_eq(p.devices_count, 4);
	for (int i = 0; i < 3; i++) {
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 7);
		ck_assert_uint_eq(choose(&p, &b, NULL, 0), i % 2 ? 5 : 3);
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 3);
		ck_assert_uint_eq(choose(&p, &a, NULL, 0), 9);
	}
	policy_health(&p, 3, false);
	ck_assert_int_eq(policy_choose(&p, &a, NULL, 0, &device, &candidates), 0);
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

static const struct policy_device *device_find(const struct policy *p, uint16_t device)
{
	for (size_t i = 0; i < p->devices_count; i++)
		if (p->devices[i].device == device)
			return &p->devices[i];
	return NULL;
}

START_TEST(least_connections)
{
	struct policy p = {0};
	struct policy_group g, other;

	policy_group_init(&p, &g, POLICY_LEAST_CONNECTIONS, three, 3);
	policy_group_init(&p, &other, POLICY_LEAST_CONNECTIONS, two, 2);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 7);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 7);
	policy_connections(&p, 7, 2);
	policy_connections(&p, 3, 1);
	policy_connections(&p, 9, 1);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 3);
	ck_assert_uint_eq(choose(&p, &other, NULL, 0), 5);
	policy_connections(&p, 9, -5);
	ck_assert_uint_eq(device_find(&p, 9)->connections, 0);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 9);
	policy_health(&p, 9, false);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 3);
	policy_health(&p, 3, false);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 7);
	ck_assert_uint_eq(choose(&p, &other, NULL, 0), 5);
	policy_health(&p, 7, false);
	ck_assert_uint_eq(choose(&p, &g, NULL, 0), 0);
	policy_health(&p, 100, true);
	policy_connections(&p, 100, 1);
	ck_assert_ptr_null(device_find(&p, 100));
	policy_group_fini(&g);
	policy_group_fini(&other);
	policy_fini(&p);
}
END_TEST

START_TEST(empty_group)
{
	struct policy p = {0};
	struct policy_group g;
	uint16_t device;
	size_t candidates;

	policy_group_init(&p, &g, POLICY_ROUND_ROBIN, NULL, 0);
	ck_assert_int_eq(policy_choose(&p, &g, NULL, 0, &device, &candidates), E_NOENT);
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
	tcase_add_test(tcase, empty_group);
	return unit_run(suite);
}
