/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.5: the classifier aggregates the protocol state of a first stack and the data into a binary blob. */
#include "tests/claims/claims.h"

#include "lb/blob.h"

#include <string.h>

/* Whether a number stands somewhere in a section, in network order. */
static bool holds(const uint8_t *section, size_t len, uint32_t value)
{
	const uint8_t bytes[4] = {(uint8_t)(value >> 24), (uint8_t)(value >> 16), (uint8_t)(value >> 8),
				  (uint8_t)value};

	for (size_t i = 0; i + 4 <= len; i++)
		if (!memcmp(section + i, bytes, 4))
			return true;
	return false;
}

/* The sequence numbers that the state must hold are known from the link: the client's next, and the server's next. */
static void blob_holds_state_and_data(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *event = claims_only("blob.aggregate", t);
	uint32_t client_next = 0, server_next = 0;
	size_t tcp_len, data_len, sent_len;
	const uint8_t *tcp = claims_section(h.encode, BLOB_TCP, &tcp_len);
	const uint8_t *data = claims_section(h.encode, BLOB_DATA, &data_len);
	const uint8_t *sent = claims_sent(t, &sent_len);

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_client(t)));) {
		if (p->out && claims_from_client(p, t) && p->flags & CLAIMS_SYN)
			client_next = p->seq + 1;
		if (!p->out && claims_to_client(p, t) && p->flags & CLAIMS_SYN)
			server_next = p->seq + 1;
	}
	ck_assert_str_eq(h.encode->node, "classifier");
	ck_assert_uint_gt(data_len, 0);
	ck_assert_uint_le(data_len, sent_len);
	ck_assert_mem_eq(data, sent, data_len);
	ck_assert_msg(holds(tcp, tcp_len, client_next + (uint32_t)data_len),
		      "the next byte expected is not in the state");
	ck_assert_msg(holds(tcp, tcp_len, server_next), "the next byte to send is not in the state");
	ck_assert_uint_eq(claims_u64(event, "data"), data_len);
	ck_assert_uint_eq(claims_u64(event, "bytes"), h.encode->len);
}

START_TEST(C1_5)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		blob_holds_state_and_data(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_5)
