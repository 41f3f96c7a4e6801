/* SPDX-License-Identifier: BSD-3-Clause */
/* C5.2: compiling starts at the highest level and proceeds down; then the data is aggregated with it. */
#include "tests/claims/claims.h"

static void order_is_downward(const struct tuple *t)
{
	const struct claims_step *socket = claims_only("compile_socket", t), *tcp = claims_only("compile_tcp", t);
	const struct claims_step *ip = claims_only("compile_ip", t), *encode = claims_only("blob_encode", t);

	claims_in_order(claims_only("endpoint.migrate", t), claims_only("compile", t), socket, tcp, ip, encode, NULL);
	claims_in_order(socket, claims_step(socket, "compile.socket", NULL), tcp, claims_step(tcp, "compile.tcp", NULL),
			ip, claims_step(ip, "compile.ip", NULL), encode, claims_only("blob.aggregate", t), NULL);
	/* no layer was touched before its turn */
	ck_assert_uint_eq(claims_u64(tcp, "before"), 0);
	ck_assert_uint_eq(claims_u64(ip, "before"), 0);
	/* the data joins the state: as many bytes as the highest level had */
	ck_assert_uint_gt(claims_u64(socket, "unread"), 0);
	ck_assert_uint_eq(claims_u64(encode, "unread"), claims_u64(socket, "unread"));
	ck_assert_uint_ge(claims_u64(encode, "data"), claims_u64(socket, "unread"));
}

START_TEST(C5_2)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		order_is_downward(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C5_2)
