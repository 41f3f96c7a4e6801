/* SPDX-License-Identifier: BSD-3-Clause */
/* C6: state is compiled at a TCP portion and an IP portion. */
#include "tests/claims/claims.h"

/* What only TCP knows appears with the TCP portion, what only IP knows with the IP portion: neither was there before.
 */
static void both_portions_are_compiled(const struct tuple *t)
{
	const struct claims_step *tcp = claims_only("compile_tcp", t), *ip = claims_only("compile_ip", t), *event;
	const struct claims_step *unread = claims_only("compile_socket", t);
	uint32_t client_next = 0, server_next = 0;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_client(t)));) {
		if (p->out && claims_from_client(p, t) && p->flags & CLAIMS_SYN)
			client_next = p->seq + 1;
		if (!p->out && claims_to_client(p, t) && p->flags & CLAIMS_SYN)
			server_next = p->seq + 1;
	}
	ck_assert_uint_eq(claims_u64(tcp, "before"), 0);
	ck_assert_uint_eq(claims_u64(tcp, "rcv_nxt"), client_next + (uint32_t)claims_u64(unread, "unread"));
	ck_assert_uint_eq(claims_u64(tcp, "snd_nxt"), server_next);
	ck_assert_uint_eq(claims_u64(ip, "before"), 0);
	ck_assert(addr_equal(claims_addr(ip, "remote"), &t->remote));
	ck_assert(addr_equal(claims_addr(ip, "local"), &t->local));
	event = claims_step(tcp, "compile.tcp", NULL);
	ck_assert_uint_eq(claims_u64(event, "local_port"), t->local_port);
	event = claims_step(ip, "compile.ip", NULL);
	ck_assert(addr_equal(claims_addr(event, "local"), &t->local));
}

START_TEST(C6)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		both_portions_are_compiled(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C6)
