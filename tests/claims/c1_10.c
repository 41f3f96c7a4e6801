/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.10: later packets of the client are received by the forwarder. */
#include "tests/claims/claims.h"

#include <string.h>

/* Every packet that the client sends after the connection moved, FIN included, comes to the forwarder unencapsulated.
 */
static void later_packets_come_to_the_forwarder(const struct tuple *t)
{
	const struct claims_step *moved = claims_only("endpoint.activate", t);
	const struct claims_step *event = claims_only("forwarder.encapsulate", t);
	struct mac forwarder = claims_mac("forwarder.internet");
	unsigned sent = 0, came = 0, data = 0, seen = 0;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_client(t)));) {
		if (!p->out || !claims_from_client(p, t) || p->at < moved->at)
			continue;
		ck_assert_mem_eq(&p->to, &forwarder, sizeof(forwarder));
		data += p->payload_len > 0;
		sent++;
		for (const struct claims_packet *q = NULL; (q = claims_packet(q, "forwarder.internet"));)
			came += !q->out && q->ip_len == p->ip_len && q->ip && !memcmp(q->ip, p->ip, p->ip_len);
	}
	ck_assert_uint_ge(data, 2);
	ck_assert_uint_eq(came, sent);
	ck_assert_str_eq(event->node, "forwarder");
	for (const struct claims_step *s = moved; (s = claims_step(s, "forwarder_packet", t));) {
		ck_assert_str_eq(s->node, "forwarder");
		seen++;
	}
	ck_assert_uint_ge(seen, sent); /* those on their way when it moved come too */
}

START_TEST(C1_10)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		later_packets_come_to_the_forwarder(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_10)
