/* SPDX-License-Identifier: BSD-3-Clause */
/* C2.2: a migrate connection call, naming the determined second device, into the topmost layer of the first stack
 * starts the aggregation. */
#include "tests/claims/claims.h"

static void call_starts_the_aggregation(const struct tuple *t)
{
	const struct claims_step *choice = claims_only("classifier.choose", t),
				 *call = claims_only("endpoint.migrate", t);
	const struct claims_step *event = claims_only("migrate.call", t);

	ck_assert_str_eq(call->node, "classifier");
	ck_assert_uint_eq(claims_u64(call, "device"), claims_u64(choice, "device"));
	ck_assert_uint_eq(claims_u64(call, "failed"), 0);
	ck_assert_uint_eq(claims_u64(event, "device"), claims_u64(choice, "device"));
	ck_assert_str_eq(event->node, "classifier");
	/* nothing of the aggregation happens before the call, and the highest layer is the first that it enters */
	claims_in_order(choice, call, event, claims_only("compile", t), claims_only("compile_socket", t),
			claims_only("compile_tcp", t), claims_only("compile_ip", t), claims_only("blob_encode", t),
			NULL);
}

START_TEST(C2_2)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		call_starts_the_aggregation(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C2_2)
