/* SPDX-License-Identifier: BSD-3-Clause */
/* C7: state and flow-identifier mapping are bundled into one blob and sent together. */
#include "tests/claims/claims.h"

#include "base/cursor.h"
#include "lb/blob.h"

#include <string.h>

static void one_blob_is_sent(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *sent = claims_blob_sent(&h), *event = claims_only("blob.aggregate", t);
	size_t len;
	const uint8_t *mapping = claims_section(sent, BLOB_HANDOFF, &len);

	ck_assert_ptr_nonnull(mapping);
	ck_assert_uint_eq(load_be32(mapping), h.flow);
	ck_assert_ptr_nonnull(claims_section(sent, BLOB_SOCKET, &len));
	ck_assert_ptr_nonnull(claims_section(sent, BLOB_TCP, &len));
	ck_assert_ptr_nonnull(claims_section(sent, BLOB_IP, &len));
	ck_assert_ptr_nonnull(claims_section(sent, BLOB_DATA, &len));
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
	ck_assert_uint_eq(claims_u64(event, "bytes"), sent->len);
}

/* The first device tells the second nothing else: one message a connection, and each is a blob. */
static void nothing_else_is_sent(void)
{
	unsigned messages = 0;

	for (const struct claims_step *s = NULL; (s = claims_step(s, "courier_send", NULL));) {
		if (strcmp(s->node, "classifier") != 0 ||
		    !claims_is(claims_node((uint16_t)claims_u64(s, "to")), "backend"))
			continue;
		ck_assert_uint_eq(claims_u64(s, "type"), MESSAGE_BLOB);
		messages++;
	}
	ck_assert_uint_eq(messages, claims_connections());
}

START_TEST(C7)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		one_blob_is_sent(claims_connection(i));
	nothing_else_is_sent();
}
END_TEST

CLAIMS_MAIN(C7)
