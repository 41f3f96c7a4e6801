/* SPDX-License-Identifier: BSD-3-Clause */
/* lb/census: against a plain table of counts. */
#include "base/random.h"
#include "lb/census.h"
#include "tests/lib/unit.h"

#include <check.h>

#define CLIENTS    40U
#define ALL_MAX    100U
#define CLIENT_MAX 5U

static struct addr client(uint32_t n)
{
	return addr_v4(0xc6336400U + n);
}

START_TEST(counts)
{
	struct random_stream random;
	struct census c;
	uint32_t model[CLIENTS] = {0}, all = 0, full = 0;

	random_init(&random, 1, "test census");
	census_init(&c, 1, ALL_MAX, CLIENT_MAX);
	for (int round = 0; round < 20000; round++) {
		uint32_t n = (uint32_t)random_below(&random, CLIENTS);
		struct addr a = client(n);

		if (random_u32(&random) & 1 && model[n] > 0) {
			census_remove(&c, &a);
			model[n]--;
			all--;
		} else if (all < ALL_MAX) {
			bool room = model[n] < CLIENT_MAX;

			ck_assert_int_eq(census_add(&c, &a), room);
			model[n] += room;
			all += room;
			full += !room;
		}
	}
	ck_assert_uint_gt(full, 100);
	/* Records are used again: there never were more than addresses at a time. */
	ck_assert_uint_le(c.clients_used, CLIENTS);
	for (uint32_t n = 0; n < CLIENTS; n++)
		for (; model[n] > 0; model[n]--) {
			struct addr a = client(n);

			census_remove(&c, &a);
		}
	ck_assert_uint_eq(c.index.count, 0);
	census_fini(&c);
}
END_TEST

/* As many addresses as there may be connections. */
START_TEST(all_different)
{
	struct census c;

	census_init(&c, 1, ALL_MAX, 1);
	for (int round = 0; round < 2; round++) {
		for (uint32_t n = 0; n < ALL_MAX; n++) {
			struct addr a = client(n);

			ck_assert(census_add(&c, &a));
		}
		for (uint32_t n = 0; n < ALL_MAX; n++) {
			struct addr a = client(n);

			census_remove(&c, &a);
		}
	}
	ck_assert_uint_eq(c.clients_used, ALL_MAX);
	census_fini(&c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("census");
	TCase *tcase = tcase_create("census");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, counts);
	tcase_add_test(tcase, all_different);
	return unit_run(suite);
}
