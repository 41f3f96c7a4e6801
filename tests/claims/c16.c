/* SPDX-License-Identifier: BSD-3-Clause */
/* C16: infusing starts at the highest level of the second stack. */
#include "tests/claims/claims.h"

static void order_is_downward(const struct tuple *t)
{
	const struct claims_step *socket = claims_only("infuse_socket", t), *tcp = claims_only("infuse_tcp", t);
	const struct claims_step *ip = claims_only("infuse_ip", t);

	claims_in_order(claims_only("endpoint.infuse", t), claims_only("infuse", t), socket,
			claims_step(socket, "infuse.socket", NULL), tcp, claims_step(tcp, "infuse.tcp", NULL), ip,
			claims_step(ip, "infuse.ip", NULL), claims_only("endpoint.activate", t), NULL);
	ck_assert_str_eq(claims_step(socket, "infuse.socket", NULL)->node, claims_handoff(t).second);
}

START_TEST(C16)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		order_is_downward(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C16)
