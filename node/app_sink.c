/* SPDX-License-Identifier: BSD-3-Clause */
/* The sink: reads a stream to its end and verifies it, when it says what it is. */
#include "base/cursor.h"
#include "node/app_internal.h"
#include "node/body.h"

enum sink_state { SINK_START, SINK_SEEDED, SINK_UNKNOWN };

struct sink_conn {
	struct app_conn base;
	enum sink_state state;
	uint8_t preamble[SINK_PREAMBLE_BYTES];
	size_t preamble_bytes;
	uint64_t key, offset, total;
};

/* Takes bytes for the preamble; settles the state when it is there, or cannot be one. */
static void sink_start(struct sink_conn *conn, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_make(conn->preamble + SINK_MAGIC_BYTES, SINK_PREAMBLE_BYTES - SINK_MAGIC_BYTES);
	size_t magic;

	memcpy(conn->preamble + conn->preamble_bytes, bytes, len);
	conn->preamble_bytes += len;
	magic = conn->preamble_bytes < SINK_MAGIC_BYTES ? conn->preamble_bytes : SINK_MAGIC_BYTES;
	if (memcmp(conn->preamble, SINK_MAGIC, magic) != 0) {
		conn->state = SINK_UNKNOWN;
	} else if (conn->preamble_bytes == SINK_PREAMBLE_BYTES) {
		conn->key = reader_u64(&r);
		conn->total = reader_u64(&r);
		conn->state = SINK_SEEDED;
		conn->base.app->counters.bytes_in -= SINK_PREAMBLE_BYTES;
	}
}

/* False when a byte is wrong. */
static bool sink_read(struct sink_conn *conn, struct sock *k, nstime now)
{
	const uint8_t *bytes;
	size_t len;

	while ((bytes = sock_peek(k, &len)) && len > 0) {
		if (conn->state == SINK_START) {
			size_t missing = SINK_PREAMBLE_BYTES - conn->preamble_bytes;

			len = len < missing ? len : missing;
			conn->base.app->counters.bytes_in += len;
			sink_start(conn, bytes, len);
		} else {
			if (conn->state == SINK_SEEDED &&
			    (len > conn->total - conn->offset || !body_verify(conn->key, conn->offset, bytes, len)))
				return false;
			conn->offset += len;
			conn->base.app->counters.bytes_in += len;
		}
		sock_consume(k, len, now);
	}
	return true;
}

static void sink_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct sink_conn *conn = (struct sink_conn *)owner;
	struct app_counters *counters = &conn->base.app->counters;

	if (ready & SOCK_ERROR) {
		counters->errors++;
		app_conn_close(&conn->base, k, now);
		return;
	}
	if (!sink_read(conn, k, now)) {
		counters->corrupted++;
		app_conn_abort(&conn->base, k, now);
		return;
	}
	sock_flush(k, now);
	if (!sock_eof(k))
		return;
	if (conn->state == SINK_SEEDED && conn->offset < conn->total)
		counters->errors++;
	else
		counters->requests++;
	app_conn_close(&conn->base, k, now);
}

const struct app_class app_sink_class = {
	.conn_bytes = sizeof(struct sink_conn),
	.ready = sink_ready,
};
