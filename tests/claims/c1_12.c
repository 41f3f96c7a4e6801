/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.12: at the second device the flow identifier identifies the flow as that client's connection. */
#include "tests/claims/claims.h"

#include <string.h>

/* Each encapsulated packet that comes to the second device goes up to its stack as the client's whose flow it is. */
static void flow_is_identified(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *event = claims_only("driver.decapsulate", t);
	unsigned n = 0;

	for (const struct claims_step *s = NULL; (s = claims_step(s, "driver_packet", NULL));) {
		const struct claims_step *up = claims_step(s, "stack_input_ip", NULL);

		if (claims_u64(s, "ports") != h.flow || strcmp(s->node, h.second) != 0)
			continue;
		ck_assert_ptr_nonnull(up);
		ck_assert_str_eq(up->node, h.second);
		ck_assert(tuple_equal(claims_tuple(up, "tuple"), t));
		n++;
	}
	ck_assert_uint_ge(n, 3);
	ck_assert_str_eq(event->node, h.second);
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
}

/* Two clients' connections live at one backend at once, and their packets cross each other there. */
static void two_clients_at_once(void)
{
	const struct claims_step *last = NULL;
	unsigned crossings = 0;

	for (const struct claims_step *s = NULL; (s = claims_step(s, "driver_packet", NULL));) {
		if (strcmp(s->node, "backend3") != 0)
			continue;
		if (last && claims_u64(last, "ports") != claims_u64(s, "ports"))
			crossings++;
		last = s;
	}
	ck_assert_uint_ge(crossings, 3);
}

START_TEST(C1_12)
{
	claims_run(claims_standard(_i));
	for (size_t i = 0; i < claims_connections(); i++)
		flow_is_identified(claims_connection(i));
	two_clients_at_once();
}
END_TEST

CLAIMS_MAIN_BOTH(C1_12)
