/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/compile.h"

int compile(const struct sock *k, struct conn_state *out, nstime now)
{
	int err;

	conn_state_clear(out);
	err = compile_socket(k, out, now);
	if (!err)
		err = compile_tcp(k, out, now);
	if (!err)
		compile_ip(k, out, now);
	return err;
}
