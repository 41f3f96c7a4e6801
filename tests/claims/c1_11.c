/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.11: the forwarder encapsulates them by its mapping table, inserting the flow identifier. */
#include "tests/claims/claims.h"

#include "base/cursor.h"

/* The packet of the client, as it came to the forwarder, that this encapsulated one is. */
static const struct claims_packet *original(const struct claims_packet *p, const struct tuple *t)
{
	const struct claims_packet *found = NULL;

	for (const struct claims_packet *q = NULL; (q = claims_packet(q, "forwarder.internet"));)
		if (!q->out && claims_from_client(q, t) && q->at <= p->at && q->seq == p->seq && q->ack == p->ack &&
		    q->flags == p->flags && q->ip_len == p->ip_len &&
		    (q->ip_header == 40 || load_be16(q->ip + 4) == load_be16(p->ip + 4)))
			found = q;
	ck_assert_msg(found, "the client sent no such packet");
	return found;
}

/* Every encapsulated packet is one of the client's: its own bytes but for addresses, ports and checksums, and not one
 * more. */
static void packets_are_encapsulated(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *event = claims_only("forwarder.encapsulate", t);
	struct addr second = claims_address(claims_cluster(h.second)), tunnel = claims_tunnel();
	unsigned n = 0;
	size_t tcp;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "forwarder.cluster"));) {
		const struct claims_packet *from;

		ck_assert_msg(!p->out || p->at <= claims_only("forwarder.prepared", t)->at || !claims_from_client(p, t),
			      "a packet that is mapped left the forwarder as it was");
		if (!p->out || !p->encapsulated || p->flow != h.flow)
			continue;
		from = original(p, t);
		ck_assert(addr_equal(&p->source, &tunnel) && addr_equal(&p->destination, &second));
		ck_assert(p->checksums_good);
		ck_assert_uint_eq(p->ip_len, from->ip_len);
		tcp = p->ip_header;
		ck_assert_mem_eq(p->ip, from->ip, tcp == 40 ? 8 : 10);     /* up to the checksum, or addresses */
		ck_assert_mem_eq(p->ip + tcp + 4, from->ip + tcp + 4, 12); /* from sequence number to window */
		ck_assert_mem_eq(p->ip + tcp + 18, from->ip + tcp + 18, p->ip_len - tcp - 18); /* and behind the sum */
		n++;
	}
	ck_assert_uint_ge(n, 3);
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
	ck_assert_uint_eq(claims_u64(event, "device"), claims_device(h.second));
}

START_TEST(C1_11)
{
	claims_run(claims_standard(_i));
	for (size_t i = 0; i < claims_connections(); i++)
		packets_are_encapsulated(claims_connection(i));
}
END_TEST

CLAIMS_MAIN_BOTH(C1_11)
