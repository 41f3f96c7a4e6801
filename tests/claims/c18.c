/* SPDX-License-Identifier: BSD-3-Clause */
/* C18: state and mapping are unbundled below the second protocol stack. */
#include "tests/claims/claims.h"

#include <string.h>

/* The first call of the second device's stack for this connection comes after its blob was unbundled. */
static void unbundled_below_the_stack(const struct tuple *t)
{
	static const char *const calls[] = {"endpoint.infuse", "infuse",         "infuse_socket", "infuse_tcp",
					    "infuse_ip",       "stack_input_ip", "sock_accept",   "sock_consume"};
	const struct claims_step *driver = claims_blob_received(t), *unbundle = claims_only("blob_decode", t);
	const struct claims_step *event = claims_step(driver, "driver.unbundle", NULL);
	const char *second = claims_handoff(t).second;

	ck_assert_str_eq(unbundle->node, second);
	ck_assert_str_eq(event->node, second);
	claims_in_order(driver, unbundle, event, NULL);
	for (size_t i = 0; i < sizeof(calls) / sizeof(*calls); i++) {
		const struct claims_step *s = claims_step(NULL, calls[i], t);

		while (s && strcmp(s->node, second) != 0)
			s = claims_step(s, calls[i], t);
		ck_assert_msg(s && s->order > event->order, "%s before the blob was unbundled, or never", calls[i]);
	}
}

/* The frames that carried it never entered that stack. */
static void courier_is_below_the_stack(void)
{
	for (const struct claims_step *s = NULL; (s = claims_step(s, "stack_input_ip", NULL));)
		ck_assert_msg(s->bytes[9] != 17, "a datagram entered the stack of %s", s->node);
}

START_TEST(C18)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		unbundled_below_the_stack(claims_connection(i));
	courier_is_below_the_stack();
}
END_TEST

CLAIMS_MAIN(C18)
