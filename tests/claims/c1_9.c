/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.9: a mapping for a flow identifier, based on that entry, is sent to the second device. */
#include "tests/claims/claims.h"

#include "base/cursor.h"
#include "lb/blob.h"

/* The mapping arrives in the blob; flow identifier and generation are those of the forwarder's entry. */
static void mapping_is_sent(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *entry = claims_only("forwarder.prepared", t), *received = claims_blob_received(t);
	const struct claims_step *stored = claims_only("driver.mapping", t);
	size_t len;
	const uint8_t *mapping = claims_section(received, BLOB_HANDOFF, &len);

	ck_assert_ptr_nonnull(mapping);
	ck_assert_uint_ge(len, 8);
	ck_assert_uint_eq(load_be32(mapping), claims_u64(entry, "flow"));
	ck_assert_uint_eq(load_be32(mapping + 4), claims_u64(entry, "generation"));
	ck_assert_str_eq(received->node, h.second);
	ck_assert_uint_eq(claims_u64(received, "flow"), claims_u64(entry, "flow"));
	ck_assert(tuple_equal(claims_tuple(received, "tuple"), t));
	ck_assert_str_eq(stored->node, h.second);
	ck_assert_uint_eq(claims_u64(stored, "flow"), claims_u64(entry, "flow"));
	claims_in_order(claims_blob_sent(&h), received, claims_step(received, "driver.unbundle", NULL), stored, NULL);
}

START_TEST(C1_9)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		mapping_is_sent(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_9)
