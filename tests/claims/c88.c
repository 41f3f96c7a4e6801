/* SPDX-License-Identifier: BSD-3-Clause */
/* C88: the first method, end to end: forwarder and classifier are separate devices. */
#include "tests/claims/claims.h"

static void method(const struct tuple *t)
{
	claims_end_to_end(t);
	ck_assert_str_eq(claims_only("forwarder.accept", t)->node, "forwarder");
	ck_assert_str_eq(claims_handoff(t).first, "classifier");
}

START_TEST(C88)
{
	claims_run(claims_standard(_i));
	for (size_t i = 0; i < claims_connections(); i++)
		method(claims_connection(i));
}
END_TEST

CLAIMS_MAIN_BOTH(C88)
