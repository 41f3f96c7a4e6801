/* SPDX-License-Identifier: BSD-3-Clause */
/* C17: the second device receives one blob that holds state and flow-identifier mapping together. */
#include "tests/claims/claims.h"

#include "base/cursor.h"
#include "lb/blob.h"

#include <string.h>

static void one_blob_is_received(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *received = claims_blob_received(t),
				 *event = claims_step(received, "driver.blob", NULL);
	size_t len;
	const uint8_t *mapping = claims_section(received, BLOB_HANDOFF, &len);

	ck_assert_str_eq(received->node, h.second);
	ck_assert_ptr_nonnull(mapping);
	ck_assert_uint_eq(load_be32(mapping), h.flow);
	ck_assert_ptr_nonnull(claims_section(received, BLOB_TCP, &len));
	ck_assert_ptr_nonnull(claims_section(received, BLOB_IP, &len));
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
	ck_assert_uint_eq(claims_u64(event, "bytes"), received->len);
}

/* No message before or beside it: all that comes from the first device is one blob a connection. */
static void nothing_else_is_received(void)
{
	unsigned blobs = 0;

	for (const struct claims_step *s = NULL; (s = claims_step(s, "migrator_message", NULL));) {
		if (claims_u64(s, "from") != claims_device("classifier"))
			continue;
		ck_assert_uint_eq(claims_u64(s, "type"), MESSAGE_BLOB);
		blobs++;
	}
	ck_assert_uint_eq(blobs, claims_connections());
}

START_TEST(C17)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		one_blob_is_received(claims_connection(i));
	nothing_else_is_received();
}
END_TEST

CLAIMS_MAIN(C17)
