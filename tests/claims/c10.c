/* SPDX-License-Identifier: BSD-3-Clause */
/* C10: the flow identifier sits in the source and destination port fields of the TCP header. */
#include "tests/claims/claims.h"

#include "base/cursor.h"

/* Read from the raw bytes on both links: 14 of Ethernet, 20 or 40 of IP, then the two port fields. */
static void ports_are_the_flow_identifier(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const char *const links[] = {"forwarder.cluster", claims_cluster(h.second)};
	struct addr second = claims_address(claims_cluster(h.second));
	const struct claims_step *event = claims_only("forwarder.encapsulate", t);
	const size_t ports = 14 + (t->remote.family == 6 ? 40 : 20);

	ck_assert_uint_ne(h.flow >> 16, 0);
	ck_assert_uint_ne(h.flow & 0xffff, 0);
	for (size_t i = 0; i < 2; i++) {
		unsigned n = 0;

		for (const struct claims_packet *p = NULL; (p = claims_packet(p, links[i]));) {
			if (p->out != !i || !p->encapsulated || !addr_equal(&p->destination, &second) ||
			    load_be32(p->frame + ports) != h.flow)
				continue;
			ck_assert_uint_eq(p->frame[14], t->remote.family == 6 ? 0x60 : 0x45);
			ck_assert_uint_eq(load_be16(p->frame + ports), h.flow >> 16);
			ck_assert_uint_eq(load_be16(p->frame + ports + 2), h.flow & 0xffff);
			ck_assert(p->checksums_good);
			n++;
		}
		ck_assert_uint_ge(n, 3);
	}
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
}

START_TEST(C10)
{
	claims_run(claims_standard(_i));
	for (size_t i = 0; i < claims_connections(); i++)
		ports_are_the_flow_identifier(claims_connection(i));
}
END_TEST

CLAIMS_MAIN_BOTH(C10)
