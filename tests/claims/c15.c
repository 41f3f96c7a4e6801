/* SPDX-License-Identifier: BSD-3-Clause */
/* C15: the protocol state from the blob is infused into a second protocol stack that is part of the second device's
 * network stack. */
#include "tests/claims/claims.h"

/* The second stack behaves as the state says: it goes on with the first one's sequence numbers, under the VIP. */
static void state_is_infused(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *tcp = claims_only("compile_tcp", t), *infused = claims_only("infuse_tcp", t);
	const struct claims_packet *p = NULL;

	ck_assert_str_eq(claims_only("infuse_socket", t)->node, h.second);
	ck_assert_str_eq(infused->node, h.second);
	ck_assert_str_eq(claims_only("infuse_ip", t)->node, h.second);
	claims_in_order(claims_blob_received(t), claims_only("endpoint.infuse", t), infused, NULL);
	ck_assert_str_eq(claims_step(infused, "infuse.tcp", NULL)->node, h.second);
	while ((p = claims_packet(p, claims_cluster(h.second))))
		if (p->out && claims_to_client(p, t))
			break;
	ck_assert_msg(p, "the second stack sent nothing on the connection");
	ck_assert_uint_gt(p->at, infused->at);
	ck_assert_uint_eq(p->flags & CLAIMS_SYN, 0);
	ck_assert_uint_eq(p->seq, claims_u64(tcp, "snd_nxt"));
	ck_assert_int_ge((int32_t)(p->ack - (uint32_t)claims_u64(tcp, "rcv_nxt")), 0);
	ck_assert_int_lt((int32_t)(p->ack - (uint32_t)claims_u64(tcp, "rcv_nxt")), 1 << 16);
}

START_TEST(C15)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		state_is_infused(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C15)
