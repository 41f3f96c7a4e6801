/* SPDX-License-Identifier: BSD-3-Clause */
/* The sink: reads a stream to its end and verifies it, when it says what it is. */
#include "base/cursor.h"
#include "node/app_internal.h"
#include "node/body.h"

#define SINK_SAVED_BYTES 25U /* of sink_save */

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

/* Not within the preamble, of which a part is counted already. */
static bool sink_save(const struct app_conn *base, struct vec *out)
{
	const struct sink_conn *conn = (const struct sink_conn *)base;
	uint8_t saved[SINK_SAVED_BYTES];
	struct writer w = writer_make(saved, sizeof saved);

	writer_u8(&w, (uint8_t)conn->state);
	writer_u64(&w, conn->key);
	writer_u64(&w, conn->offset);
	writer_u64(&w, conn->total);
	vec_append(out, saved, sizeof saved);
	return conn->state != SINK_START || !conn->preamble_bytes;
}

static bool sink_restore(struct app_conn *base, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_make(bytes, len);
	struct sink_conn saved = {.state = (enum sink_state)reader_u8(&r)}, *conn = (struct sink_conn *)base;

	saved.key = reader_u64(&r);
	saved.offset = reader_u64(&r);
	saved.total = reader_u64(&r);
	if (r.bad || reader_left(&r) || saved.state > SINK_UNKNOWN || (saved.state == SINK_START && saved.offset) ||
	    (saved.state == SINK_SEEDED && saved.offset > saved.total))
		return false;
	if (!conn)
		return true;
	conn->state = saved.state;
	conn->key = saved.key;
	conn->offset = saved.offset;
	conn->total = saved.total;
	return true;
}

const struct app_class app_sink_class = {
	.conn_bytes = sizeof(struct sink_conn),
	.ready = sink_ready,
	.save = sink_save,
	.restore = sink_restore,
};
