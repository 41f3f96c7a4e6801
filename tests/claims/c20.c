/* SPDX-License-Identifier: BSD-3-Clause */
/* C20: encapsulated packets are de-encapsulated through the entry that links flow identifier to source/destination
 * pair. */
#include "tests/claims/claims.h"

#include <string.h>

/* What the second stack gets is, byte for byte, an IP packet that the client sent, checksums included. */
static void packets_are_restored(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	unsigned n = 0;

	for (const struct claims_step *s = NULL; (s = claims_step(s, "stack_input_ip", t));) {
		const struct claims_packet *p = NULL;

		if (strcmp(s->node, h.second) != 0)
			continue;
		while ((p = claims_packet(p, claims_client(t))))
			if (p->out && p->ip && p->ip_len == s->len && !memcmp(p->ip, s->bytes, s->len))
				break;
		ck_assert_msg(p, "the second stack got a packet that the client did not send");
		n++;
	}
	ck_assert_uint_ge(n, 3);
	ck_assert(tuple_equal(claims_tuple(claims_only("driver.decapsulate", t), "tuple"), t));
}

START_TEST(C20)
{
	claims_run(claims_standard(_i));
	for (size_t i = 0; i < claims_connections(); i++)
		packets_are_restored(claims_connection(i));
}
END_TEST

CLAIMS_MAIN_BOTH(C20)
