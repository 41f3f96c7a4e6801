/* SPDX-License-Identifier: BSD-3-Clause */
/* C3: a connection migrator at the second device receives the blob as a bundle, reassembles the state, infuses it. */
#include "tests/claims/claims.h"

#include <string.h>

static void migrator_takes_the_bundle(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *driver = claims_blob_received(t), *migrator = NULL,
				 *infused = claims_only("endpoint.infuse", t);
	const struct claims_step *event = claims_only("migrator.reassemble", t);
	size_t sent_len;
	const uint8_t *sent = claims_sent(t, &sent_len);

	while ((migrator = claims_step(migrator, "migrator_message", NULL)))
		if (migrator->len == h.encode->len && !memcmp(migrator->bytes, h.encode->bytes, h.encode->len))
			break;
	ck_assert_ptr_nonnull(migrator);
	ck_assert_str_eq(migrator->node, h.second);
	ck_assert_uint_eq(claims_u64(migrator, "type"), MESSAGE_BLOB);
	ck_assert_str_eq(infused->node, h.second);
	ck_assert_uint_eq(claims_u64(infused, "failed"), 0);
	claims_in_order(migrator, driver, event, infused, claims_only("infuse", t), NULL);
	/* the reassembled state carries the client's first bytes, as many as were compiled */
	ck_assert_uint_eq(infused->len, claims_u64(h.encode, "data"));
	ck_assert_uint_le(infused->len, sent_len);
	ck_assert_mem_eq(infused->bytes, sent, infused->len);
	ck_assert_uint_eq(claims_u64(event, "data"), infused->len);
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
}

START_TEST(C3)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		migrator_takes_the_bundle(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C3)
