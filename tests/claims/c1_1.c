/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.1: a connection from a connecting device is accepted at a forwarder: it owns the VIP, the whole handshake passes
 * it. */
#include "tests/claims/claims.h"

/* Whoever asks for the VIP is answered by the forwarder, and by nobody else. */
static void vip_is_the_forwarders(const char *asks)
{
	struct addr vip = claims_vip();
	struct mac forwarder = claims_mac("forwarder.internet");
	unsigned answers = 0;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, asks));)
		if (p->kind == CLAIMS_ARP && !p->out && p->arp_operation == 2 && addr_equal(&p->arp_sender, &vip)) {
			ck_assert_mem_eq(&p->from, &forwarder, sizeof(forwarder));
			answers++;
		}
	ck_assert_uint_gt(answers, 0);
}

START_TEST(C1_1)
{
	struct mac forwarder;

	claims_run(claims_standard(_i));
	forwarder = claims_mac("forwarder.internet");
	vip_is_the_forwarders("client1.internet");
	vip_is_the_forwarders("client2.internet");
	for (size_t i = 0; i < claims_connections(); i++) {
		const struct tuple *t = claims_connection(i);
		const struct claims_packet *syn = NULL, *answer = NULL, *ack = NULL;

		for (const struct claims_packet *p = NULL; (p = claims_packet(p, "forwarder.internet")) && !ack;) {
			if (!p->out && claims_from_client(p, t)) {
				ck_assert_mem_eq(&p->to, &forwarder, sizeof(forwarder));
				if (!syn)
					syn = p;
				else if (answer)
					ack = p;
			} else if (p->out && claims_to_client(p, t) && !answer) {
				answer = p;
			}
		}
		ck_assert(syn && answer && ack);
		ck_assert_uint_eq(syn->flags, CLAIMS_SYN);
		ck_assert_uint_eq(answer->flags, CLAIMS_SYN | CLAIMS_ACK);
		ck_assert_uint_eq(answer->ack, syn->seq + 1);
		ck_assert_uint_eq(ack->flags & (CLAIMS_SYN | CLAIMS_ACK), CLAIMS_ACK);
		ck_assert_uint_eq(ack->ack, answer->seq + 1);
		ck_assert_str_eq(claims_only("forwarder.accept", t)->node, "forwarder");
	}
}
END_TEST

CLAIMS_MAIN_BOTH(C1_1)
