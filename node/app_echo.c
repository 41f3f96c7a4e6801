/* SPDX-License-Identifier: BSD-3-Clause */
/* The echo server (RFC 862). */
#include "node/app_internal.h"

static void echo_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct app_conn *conn = (struct app_conn *)owner;
	struct app_counters *counters = &conn->app->counters;
	const uint8_t *bytes;
	size_t len;

	if (ready & SOCK_ERROR) {
		counters->errors++;
		app_conn_close(conn, k, now);
		return;
	}
	while ((bytes = sock_peek(k, &len)) && len > 0) {
		long sent = sock_send(k, bytes, len);

		if (sent < 0) {
			counters->errors++;
			app_conn_abort(conn, k, now);
			return;
		}
		if (sent == 0)
			break;
		counters->bytes_in += (uint64_t)sent;
		counters->bytes_out += (uint64_t)sent;
		sock_consume(k, (size_t)sent, now);
	}
	sock_flush(k, now);
	if (sock_eof(k)) {
		counters->requests++;
		app_conn_close(conn, k, now);
	}
}

/* What came and is not sent back yet stays unread: the socket's state is all. */
static bool echo_save(const struct app_conn *conn, struct vec *out)
{
	(void)conn, (void)out;
	return true;
}

static bool echo_restore(struct app_conn *conn, const uint8_t *bytes, size_t len)
{
	(void)conn, (void)bytes;
	return len == 0;
}

const struct app_class app_echo_class = {
	.conn_bytes = sizeof(struct app_conn),
	.ready = echo_ready,
	.save = echo_save,
	.restore = echo_restore,
};
