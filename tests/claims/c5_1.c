/* SPDX-License-Identifier: BSD-3-Clause */
/* C5.1: the compiled state includes source and destination ports and IP addresses. */
#include "tests/claims/claims.h"

#include "base/cursor.h"
#include "lb/blob.h"

/* They are compared with the client's SYN on its own link, and looked for in the blob's bytes. */
static void ports_and_addresses_are_compiled(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *tcp = claims_only("compile_tcp", t), *ip = claims_only("compile_ip", t);
	size_t tcp_len, ip_len;
	const uint8_t *tcp_bytes = claims_section(h.encode, BLOB_TCP, &tcp_len);
	const uint8_t *ip_bytes = claims_section(h.encode, BLOB_IP, &ip_len);
	const struct claims_packet *p = NULL;

	while ((p = claims_packet(p, claims_client(t))))
		if (p->out && claims_from_client(p, t) && p->flags & CLAIMS_SYN)
			break;
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(claims_u64(tcp, "remote_port"), p->source_port);
	ck_assert_uint_eq(claims_u64(tcp, "local_port"), p->destination_port);
	ck_assert(addr_equal(claims_addr(ip, "remote"), &p->source));
	ck_assert(addr_equal(claims_addr(ip, "local"), &p->destination));
	ck_assert_uint_eq(load_be16(tcp_bytes), p->destination_port);
	ck_assert_uint_eq(load_be16(tcp_bytes + 2), p->source_port);
	ck_assert_uint_eq(ip_bytes[0], 4);
	ck_assert_mem_eq(ip_bytes + 1, p->destination.bytes, 4);
	ck_assert_uint_eq(ip_bytes[17], 4);
	ck_assert_mem_eq(ip_bytes + 18, p->source.bytes, 4);

	tcp = claims_step(tcp, "compile.tcp", NULL);
	ip = claims_step(ip, "compile.ip", NULL);
	ck_assert(tcp && ip);
	ck_assert_uint_eq(claims_u64(tcp, "remote_port"), p->source_port);
	ck_assert(addr_equal(claims_addr(ip, "remote"), &p->source));
}

START_TEST(C5_1)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		ports_and_addresses_are_compiled(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C5_1)
