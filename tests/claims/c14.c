/* SPDX-License-Identifier: BSD-3-Clause */
/* C14: the data is indicated up the stack toward an application. */
#include "tests/claims/claims.h"

#include <string.h>

/* The bytes of the blob are the first that the application reads, and it need not wait for a packet to get them. */
static void data_is_indicated(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *event = claims_only("indicate", t), *accepted = NULL;
	uint64_t unread = claims_u64(h.encode, "unread");
	size_t sent_len, read_len;
	const uint8_t *sent = claims_sent(t, &sent_len), *read = claims_read(h.second, t, &read_len);

	while ((accepted = claims_step(accepted, "sock_accept", t)))
		if (!strcmp(accepted->node, h.second))
			break;
	ck_assert_ptr_nonnull(accepted);
	ck_assert_str_eq(event->node, h.second);
	ck_assert_uint_gt(unread, 0);
	ck_assert_uint_eq(claims_u64(event, "bytes"), unread);
	claims_in_order(claims_only("infuse_socket", t), claims_only("endpoint.activate", t), event, accepted,
			claims_step(accepted, "sock_consume", t), NULL);
	ck_assert_uint_eq(claims_step(accepted, "sock_consume", t)->at, event->at);
	ck_assert_uint_ge(read_len, unread);
	ck_assert_uint_ge(sent_len, unread);
	ck_assert_mem_eq(read, sent, unread);
}

START_TEST(C14)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		data_is_indicated(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C14)
