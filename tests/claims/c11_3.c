/* SPDX-License-Identifier: BSD-3-Clause */
/* C11.3: the connection continues at the second device. */
#include "tests/claims/claims.h"

/* One SYN, no reset, and the rest of the client's packets, FIN included, are answered by the second device. */
static void connection_continues(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *event = claims_only("migrator.activate", t),
				 *moved = claims_only("endpoint.activate", t);
	unsigned syns = 0, data = 0, replies = 0, fins = 0;

	ck_assert_str_eq(moved->node, h.second);
	ck_assert_str_eq(event->node, h.second);
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_client(t)));) {
		if (!claims_from_client(p, t) && !claims_to_client(p, t))
			continue;
		ck_assert_uint_eq(p->flags & CLAIMS_RST, 0);
		syns += p->out && p->flags & CLAIMS_SYN;
		data += p->out && p->payload_len && p->at > moved->at;
	}
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_cluster(h.second)));) {
		if (!p->out || !claims_to_client(p, t))
			continue;
		ck_assert_uint_ge(p->at, moved->at);
		replies += p->payload_len > 0;
		fins += p->flags & CLAIMS_FIN;
	}
	ck_assert_uint_eq(syns, 1);
	ck_assert_uint_ge(data, 2);
	ck_assert_uint_ge(replies, 2);
	ck_assert_uint_eq(fins, 1);
}

START_TEST(C11_3)
{
	claims_run("one-device.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		connection_continues(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C11_3)
