/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.6: the blob goes to the second device for injection into a second stack; the connection is transferred. */
#include "tests/claims/claims.h"

/* From the blob on only the second device speaks for the VIP, and it goes on where the first stack stopped. */
static void connection_is_transferred(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *sent = claims_blob_sent(&h), *received = claims_blob_received(t);
	const struct claims_step *infused = claims_only("endpoint.infuse", t),
				 *committed = claims_only("forwarder.committed", t);
	const struct claims_step *migrated = claims_only("endpoint.migrate", t);
	uint32_t server_next = 0;
	bool replied = false;

	ck_assert_str_eq(received->node, h.second);
	ck_assert_str_eq(infused->node, h.second);
	claims_in_order(migrated, claims_only("blob.send", t), sent, received, infused, committed,
			claims_only("handoff.committed", t), claims_only("endpoint.release", t), NULL);
	claims_in_order(committed, claims_only("endpoint.activate", t), NULL);
	ck_assert_uint_eq(claims_u64(committed, "device"), claims_device(h.second));
	ck_assert_ptr_null(claims_step(NULL, "endpoint.thaw", t));
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "classifier.cluster"));) {
		if (!p->out || !claims_to_client(p, t))
			continue;
		ck_assert_msg(p->at <= migrated->at, "the first stack still sends");
		ck_assert_uint_eq(p->payload_len, 0);
		if (p->flags & CLAIMS_SYN)
			server_next = p->seq + 1;
	}
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_cluster(h.second)));) {
		if (!p->out || !claims_to_client(p, t))
			continue;
		ck_assert_msg(p->at >= committed->at, "the second stack sends before it owns the connection");
		if (!p->payload_len)
			continue;
		if (!replied)
			ck_assert_uint_eq(p->seq, server_next);
		replied = true;
	}
	ck_assert(replied);
}

START_TEST(C1_6)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		connection_is_transferred(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_6)
