/* SPDX-License-Identifier: BSD-3-Clause */
/* A server of HTTP and TLS on one port: the first byte says which of the two has the connection. */
#include "lb/hello.h"
#include "node/app_internal.h"

static void auto_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct app_conn *conn = (struct app_conn *)owner;
	size_t len;
	const uint8_t *bytes = sock_peek(k, &len);

	if (bytes && len > 0)
		app_conn_become(conn, k, hello_begins(bytes[0]) ? &app_tls_class : &app_http_class, now);
	else if (sock_eof(k) || ready & SOCK_ERROR)
		app_conn_close(conn, k, now);
}

/* As long as nothing came there is nothing to go on with: a connection moves as what it becomes. */
const struct app_class app_auto_class = {
	.conn_bytes = sizeof(struct app_conn),
	.ready = auto_ready,
};
