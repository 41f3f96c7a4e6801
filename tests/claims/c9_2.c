/* SPDX-License-Identifier: BSD-3-Clause */
/* C9.2: the second device uses the mapping to identify the source of encapsulated packets. */
#include "tests/claims/claims.h"

#include <string.h>

/* On the link there is no trace of the client, only the flow identifier; behind the driver there is, and it is what the
 * blob's mapping says. */
static void source_is_identified(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *mapping = claims_blob_received(t), *event = claims_only("driver.decapsulate", t);
	unsigned n = 0, flows = 0;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_cluster(h.second)));)
		ck_assert_msg(p->out || !p->ip || memcmp(p->ip + 12, t->remote.bytes, 4) != 0,
			      "the client's address is on the link already");
	ck_assert_uint_eq(claims_u64(mapping, "flow"), h.flow);
	for (const struct claims_step *s = NULL; (s = claims_step(s, "stack_input_ip", NULL));) {
		const struct tuple *seen = claims_tuple(s, "tuple");

		if (strcmp(s->node, h.second) != 0 || seen->remote_port != t->remote_port ||
		    !addr_equal(&seen->remote, &t->remote))
			continue;
		ck_assert(tuple_equal(seen, claims_tuple(mapping, "tuple")));
		ck_assert_uint_gt(s->order, mapping->order);
		n++;
	}
	ck_assert_uint_ge(n, 3);
	for (const struct claims_step *s = NULL; (s = claims_step(s, "driver_packet", NULL));)
		flows += !strcmp(s->node, h.second) && claims_u64(s, "ports") == h.flow;
	ck_assert_uint_ge(flows, n); /* each that went up came under the flow identifier */
	claims_in_order(mapping, event, NULL);
	ck_assert(tuple_equal(claims_tuple(event, "tuple"), claims_tuple(mapping, "tuple")));
}

START_TEST(C9_2)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		source_is_identified(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C9_2)
