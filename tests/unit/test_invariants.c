/* SPDX-License-Identifier: BSD-3-Clause */
/* The invariants' own tests: each must be seen to break. */
#include "base/buf.h"
#include "sim/invariants.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 1000U

static struct invariants inv;

static void setup(void)
{
	invariants_init(&inv, 1);
}

static void teardown(void)
{
	invariants_fini(&inv);
}

static struct tuple tuple_of(unsigned n)
{
	return (struct tuple){.remote = addr_v4(0xc6336401U + n),
			      .local = addr_v4(0xc6336450U),
			      .remote_port = 4000,
			      .local_port = 80};
}

static void observe(uint16_t device, enum trace_event event, unsigned connection)
{
	struct tuple t = tuple_of(connection);
	struct trace_field f[] = {TF_U64("flow", 1), TF_TUPLE("tuple", &t)};
	invariants_observe(&inv, device, event, f, 2);
}

START_TEST(ownership_moves)
{
	for (unsigned n = 0; n < CONNECTIONS; n++)
		observe(1, TRACE_CLASSIFIER_OPEN, n);
	for (unsigned n = 0; n < CONNECTIONS; n++) {
		observe(1, TRACE_MIGRATE_CALL, n);
		observe(2, TRACE_INDICATE, n);
	}
	for (unsigned n = 0; n < CONNECTIONS; n++)
		observe(2, TRACE_CONNECTION_CLOSE, n);
	ck_assert_uint_eq(inv.owners_count, 0);
	for (unsigned n = 0; n < CONNECTIONS; n++)
		observe(1, TRACE_CLASSIFIER_OPEN, n);
	ck_assert_ptr_null(inv.broken);
}
END_TEST

START_TEST(two_owners_break_it)
{
	observe(1, TRACE_CLASSIFIER_OPEN, 7);
	observe(2, TRACE_INDICATE, 7);
	ck_assert_ptr_nonnull(inv.broken);
	ck_assert_int_eq(strncmp(inv.broken, "I2", 2), 0);
	ck_assert_ptr_nonnull(strstr(inv.detail, "198.51.100.8"));
}
END_TEST

START_TEST(rollback_after_activation_breaks_it)
{
	observe(1, TRACE_CLASSIFIER_OPEN, 7);
	observe(1, TRACE_MIGRATE_CALL, 7);
	observe(2, TRACE_INDICATE, 7);
	ck_assert_ptr_null(inv.broken);
	observe(1, TRACE_HANDOFF_ROLLBACK, 7);
	ck_assert_ptr_nonnull(inv.broken);
}
END_TEST

START_TEST(a_crash_owns_nothing)
{
	for (unsigned n = 0; n < CONNECTIONS; n++)
		observe((uint16_t)(1 + n % 3), TRACE_CLASSIFIER_OPEN, n);
	invariants_crash(&inv, 2);
	ck_assert_uint_eq(inv.owners_count, CONNECTIONS - CONNECTIONS / 3);
	observe(3, TRACE_INDICATE, 1); /* was device 2's */
	ck_assert_ptr_null(inv.broken);
	observe(3, TRACE_INDICATE, 3); /* is device 1's */
	ck_assert_ptr_nonnull(inv.broken);
}
END_TEST

START_TEST(the_first_is_kept)
{
	invariants_break(&inv, "I4: one", "a");
	invariants_break(&inv, "I1: two", "b");
	ck_assert_str_eq(inv.broken, "I4: one");
	ck_assert_str_eq(inv.detail, "a");
}
END_TEST

START_TEST(a_leaked_buffer_breaks_it)
{
	struct buf *b = buf_alloc(100);
	invariants_check_leaks(&inv);
	ck_assert_ptr_nonnull(inv.broken);
	ck_assert_int_eq(strncmp(inv.broken, "I5", 2), 0);
	buf_free(b);
}
END_TEST

START_TEST(nothing_leaked_is_well)
{
	buf_free(buf_alloc(100));
	invariants_check_leaks(&inv);
	ck_assert_ptr_null(inv.broken);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("invariants");
	TCase *t = tcase_create("invariants");
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, ownership_moves);
	tcase_add_test(t, two_owners_break_it);
	tcase_add_test(t, rollback_after_activation_breaks_it);
	tcase_add_test(t, a_crash_owns_nothing);
	tcase_add_test(t, the_first_is_kept);
	tcase_add_test(t, a_leaked_buffer_breaks_it);
	tcase_add_test(t, nothing_leaked_is_well);
	suite_add_tcase(s, t);
	return unit_run(s);
}
