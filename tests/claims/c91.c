/* SPDX-License-Identifier: BSD-3-Clause */
/* C91: the third method, end to end: state with ports and addresses is compiled top-down. */
#include "tests/claims/claims.h"

#include "base/cursor.h"
#include "lb/blob.h"

static void method(const struct tuple *t)
{
	const struct claims_step *received = claims_blob_received(t);
	size_t len;
	const uint8_t *tcp = claims_section(received, BLOB_TCP, &len), *ip = claims_section(received, BLOB_IP, &len);

	claims_end_to_end(t);
	claims_in_order(claims_only("compile_socket", t), claims_only("compile_tcp", t), claims_only("compile_ip", t),
			claims_only("blob_encode", t), NULL);
	/* what the second device gets names the client's addresses and ports, as they are on the client's own link */
	ck_assert_uint_eq(load_be16(tcp), t->local_port);
	ck_assert_uint_eq(load_be16(tcp + 2), t->remote_port);
	ck_assert_mem_eq(ip + 1, t->local.bytes, 4);
	ck_assert_mem_eq(ip + 18, t->remote.bytes, 4);
}

START_TEST(C91)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		method(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C91)
