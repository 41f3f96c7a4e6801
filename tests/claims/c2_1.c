/* SPDX-License-Identifier: BSD-3-Clause */
/* C2.1: before aggregating, the second device is chosen among several. */
#include "tests/claims/claims.h"

#include <string.h>

START_TEST(C2_1)
{
	unsigned chosen[3] = {0};

	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++) {
		const struct tuple *t = claims_connection(i);
		const struct claims_handoff h = claims_handoff(t);
		const struct claims_step *choice = claims_only("classifier.choose", t);

		ck_assert(claims_is(h.second, "backend"));
		chosen[h.second[strlen("backend")] - '1']++;
		ck_assert_uint_eq(claims_u64(choice, "candidates"), strcmp(h.second, "backend3") ? 2 : 1);
		ck_assert_uint_eq(claims_u64(choice, "device"), claims_device(h.second));
		claims_in_order(choice, claims_only("endpoint.migrate", t), h.encode, NULL);
		ck_assert_str_eq(claims_blob_received(t)->node, h.second);
	}
	/* round-robin: four connections for two candidates, each takes two */
	ck_assert_uint_eq(chosen[0], 2);
	ck_assert_uint_eq(chosen[1], 2);
	ck_assert_uint_eq(chosen[2], 2);
}
END_TEST

CLAIMS_MAIN(C2_1)
