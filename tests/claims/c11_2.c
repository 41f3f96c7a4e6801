/* SPDX-License-Identifier: BSD-3-Clause */
/* C11.2: the data goes to the application as if the connection had been terminated locally. */
#include "tests/claims/claims.h"

#include <string.h>

/* The application of the second device accepts the connection from its own listener, with the client's tuple, and finds
 * the data there; it reads the client's whole stream. */
static void application_reads_it(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *accepted = NULL, *event = claims_only("indicate", t);
	size_t sent_len, read_len;
	const uint8_t *sent = claims_sent(t, &sent_len), *read = claims_read(h.second, t, &read_len);

	while ((accepted = claims_step(accepted, "sock_accept", t)))
		if (!strcmp(accepted->node, h.second))
			break;
	ck_assert_ptr_nonnull(accepted);
	ck_assert_uint_gt(claims_u64(accepted, "unread"), 0);
	ck_assert_uint_ge(claims_u64(accepted, "unread"), claims_u64(h.encode, "unread"));
	ck_assert_str_eq(event->node, h.second);
	ck_assert_uint_eq(claims_u64(event, "bytes"), claims_u64(h.encode, "unread"));
	claims_in_order(claims_only("endpoint.activate", t), event, accepted, NULL);
	ck_assert_uint_eq(read_len, sent_len);
	ck_assert_mem_eq(read, sent, sent_len);
}

START_TEST(C11_2)
{
	claims_run("one-device.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		application_reads_it(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C11_2)
