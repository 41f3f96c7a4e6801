/* SPDX-License-Identifier: BSD-3-Clause */
/* The echo and bulk clients. */
#include "base/cursor.h"
#include "node/body.h"
#include "node/client_internal.h"

void client_stream_begin(struct client_conn *conn, struct client_work *w)
{
	if (conn->kind == CLIENT_BULK) {
		struct writer out = writer_make(vec_append(&w->head, NULL, SINK_PREAMBLE_BYTES), SINK_PREAMBLE_BYTES);

		writer_bytes(&out, SINK_MAGIC, SINK_MAGIC_BYTES);
		writer_u64(&out, w->body_key);
		writer_u64(&out, w->body_bytes);
	}
	conn->sender = (struct sender){
		.head = w->head.data,
		.head_bytes = w->head.len,
		.key = w->body_key,
		.total = w->body_bytes,
	};
}

enum client_progress client_stream_read(struct client_conn *conn, struct client_work *w, nstime now,
					enum client_failure *failure)
{
	struct client_outcome *o = &w->outcome;
	const uint8_t *bytes;
	size_t len;

	while ((bytes = sock_peek(conn->sock, &len)) && len > 0) {
		client_arrival_note(w, now);
		/* A sink sends nothing. */
		if (conn->kind == CLIENT_BULK || len > w->body_bytes - o->bytes_received ||
		    !body_verify(w->body_key, o->bytes_received, bytes, len)) {
			*failure = CLIENT_CORRUPTED;
			return CLIENT_FAILED;
		}
		o->bytes_received += len;
		sock_consume(conn->sock, len, now);
	}
	if (conn->kind == CLIENT_BULK || !sock_eof(conn->sock))
		return CLIENT_GOES_ON;
	if (o->bytes_received == w->body_bytes && w->sent)
		return CLIENT_DONE;
	*failure = CLIENT_SHORT;
	return CLIENT_FAILED;
}
