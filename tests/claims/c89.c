/* SPDX-License-Identifier: BSD-3-Clause */
/* C89: the second method, end to end: forwarder and classifier are one device. */
#include "tests/claims/claims.h"

static void method(const struct tuple *t)
{
	claims_end_to_end(t);
	ck_assert_str_eq(claims_only("forwarder.accept", t)->node, "balancer");
	ck_assert_str_eq(claims_handoff(t).first, "balancer");
}

START_TEST(C89)
{
	claims_run("one-device.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		method(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C89)
