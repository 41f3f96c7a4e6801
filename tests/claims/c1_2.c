/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.2: data is received at the forwarder as a result of the accepted connection. */
#include "tests/claims/claims.h"

#include <string.h>

/* The first bytes of the client arrive at the forwarder from outside, behind the handshake, as the client sent them. */
static void data_is_received(const struct tuple *t)
{
	const struct claims_packet *p = NULL, *syn = NULL;
	const struct claims_step *event = claims_only("forwarder.data", t), *call = NULL;
	size_t sent_len;
	const uint8_t *sent = claims_sent(t, &sent_len);

	while ((p = claims_packet(p, "forwarder.internet"))) {
		if (p->out || !claims_from_client(p, t))
			continue;
		if (p->flags & CLAIMS_SYN)
			syn = p;
		else if (p->payload_len)
			break;
	}
	ck_assert(p && syn);
	ck_assert_uint_eq(p->seq, syn->seq + 1);
	ck_assert_uint_le(p->payload_len, sent_len);
	ck_assert_mem_eq(p->payload, sent, p->payload_len);
	while ((call = claims_step(call, "forwarder_packet", t)))
		if (call->len == p->ip_len && !memcmp(call->bytes, p->ip, p->ip_len))
			break;
	ck_assert_msg(call, "the packet did not reach the forwarder's table");
	ck_assert_str_eq(event->node, "forwarder");
	ck_assert_uint_eq(claims_u64(event, "bytes"), p->payload_len);
	ck_assert_uint_eq(event->at, call->at);
}

START_TEST(C1_2)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		data_is_received(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_2)
