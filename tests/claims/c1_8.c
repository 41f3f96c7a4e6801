/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.8: in conjunction with sending, an entry is added to the forwarder's mapping table naming the second device. */
#include "tests/claims/claims.h"

/* PREPARE leaves with the blob. Before it takes effect the client's packets go to the classifier, after it to the
 * second device, encapsulated, long before that one has the blob. */
static void entry_names_the_second_device(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *event = claims_only("forwarder.prepared", t), *prepare = NULL;
	const struct claims_step *blob = claims_blob_sent(&h);
	const struct claims_step *committed = claims_only("forwarder.committed", t);
	unsigned before = 0, between = 0, after = 0;

	while ((prepare = claims_step(prepare, "forwarder_message", t)))
		if (claims_u64(prepare, "type") == MESSAGE_PREPARE)
			break;
	ck_assert_ptr_nonnull(prepare);
	ck_assert_uint_eq(claims_u64(prepare, "second"), claims_device(h.second));
	ck_assert_uint_eq(claims_u64(prepare, "flow"), h.flow);
	ck_assert_uint_eq(claims_only("handoff.prepare", t)->at, blob->at);
	ck_assert_uint_eq(claims_u64(event, "device"), claims_device(h.second));
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
	claims_in_order(claims_only("handoff.prepare", t), prepare, event, claims_blob_received(t), NULL);
	for (const struct claims_step *s = NULL; (s = claims_step(s, "forwarder_packet", t));) {
		bool mapped = s->order > event->order;

		ck_assert_uint_eq(claims_u64(s, "encapsulated"), mapped);
		ck_assert_uint_eq(claims_u64(s, "device"), claims_device(mapped ? h.second : "classifier"));
		*(!mapped ? &before : s->order < committed->order ? &between : &after) += 1;
	}
	ck_assert_uint_ge(before, 3);
	ck_assert_uint_ge(between, 2);
	ck_assert_uint_ge(after, 3);
}

START_TEST(C1_8)
{
	claims_run("early.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		entry_names_the_second_device(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_8)
