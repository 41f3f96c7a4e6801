/* SPDX-License-Identifier: BSD-3-Clause */
/* C11.1: forwarder and classifier on one first device: the second device receives the state and data intact,
 * asynchronously, and recognises the blob as one for connection migration. */
#include "tests/claims/claims.h"

#include <string.h>

static bool worked_on; /* the first device did something else while a blob was on its way */

static void blob_is_recognised(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *sent = claims_blob_sent(&h), *received = claims_blob_received(t);
	const struct claims_step *event = claims_step(received, "driver.blob", NULL);

	ck_assert_str_eq(h.first, "balancer");
	ck_assert_str_eq(claims_only("forwarder.accept", t)->node, "balancer");
	ck_assert_str_eq(received->node, h.second);
	ck_assert_uint_eq(sent->len, received->len);
	ck_assert_mem_eq(sent->bytes, received->bytes, sent->len);
	ck_assert_uint_eq(claims_u64(received, "flow"), h.flow);
	ck_assert_uint_ge(claims_u64(received, "flows"), 1);
	claims_in_order(received, claims_only("endpoint.infuse", t), claims_only("migrator.ready", t), NULL);
	ck_assert_uint_gt(received->at, sent->at);
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
	ck_assert_uint_eq(claims_u64(event, "bytes"), sent->len);
	for (const struct claims_step *s = sent;
	     (s = claims_step(s, "forwarder_packet", NULL)) && s->order < received->order;)
		worked_on |= !strcmp(s->node, "balancer");
	/* neither handshake nor request crossed the cluster's network */
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "balancer.cluster"));)
		ck_assert(!claims_from_client(p, t));
}

START_TEST(C11_1)
{
	claims_run("one-device.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		blob_is_recognised(claims_connection(i));
	ck_assert(worked_on);
}
END_TEST

CLAIMS_MAIN(C11_1)
