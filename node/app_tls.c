/* SPDX-License-Identifier: BSD-3-Clause */
/* The server that looks like TLS (node/tls.h): a ClientHello, its own flight, then one request after the other. */
#include "base/cursor.h"
#include "base/err.h"
#include "base/vec.h"
#include "node/app_internal.h"
#include "node/body.h"
#include "node/sender.h"
#include "node/tls.h"

#define TLS_LINGER_BYTES_MAX (1U << 20) /* thrown away after an alert, so that the client gets to read it */
#define MESSAGE_HEADER       4U

enum tls_state {
	TLS_HELLO,    /* reading the ClientHello */
	TLS_FLIGHT,   /* sending what answers it */
	TLS_FINISHED, /* reading the client's second flight */
	TLS_REQUEST,  /* reading a request, or close_notify */
	TLS_BODY,     /* reading its body */
	TLS_REPLY,    /* sending its reply */
	TLS_LINGERING /* an alert is sent; what still comes is thrown away until the client closes */
};

struct tls_conn {
	struct app_conn base;
	enum tls_state state;
	struct tls_reader reader;
	struct tls_session session;
	struct vec bytes; /* HELLO: of the message; FLIGHT: to be sent; FINISHED: expected; REQUEST: so far */
	size_t at;        /* FINISHED: how far it came */
	struct tls_request request;
	uint64_t body_offset;
	struct sender sender;
	uint64_t lingered_bytes;
};

static void flight_send(struct tls_conn *conn, enum tls_state state)
{
	conn->sender = (struct sender){.head = conn->bytes.data, .head_bytes = conn->bytes.len};
	conn->state = state;
}

/* Ends the conversation by an alert, counted as what it was. */
static void refuse(struct tls_conn *conn, enum hello_alert alert, uint64_t *counter)
{
	(*counter)++;
	vec_clear(&conn->bytes);
	tls_alert(&conn->bytes, alert);
	flight_send(conn, TLS_LINGERING);
}

static void refuse_bad(struct tls_conn *conn, enum hello_alert alert)
{
	refuse(conn, alert, &conn->base.app->counters.bad_requests);
}

static void refuse_corrupted(struct tls_conn *conn)
{
	refuse(conn, HELLO_ALERT_DECODE_ERROR, &conn->base.app->counters.corrupted);
}

/* A part of the ClientHello, which ends where a record does. */
static void message_input(struct tls_conn *conn, const struct tls_piece *piece)
{
	struct vec *m = &conn->bytes;
	size_t whole;

	if (piece->type != TLS_HANDSHAKE) {
		refuse_bad(conn, HELLO_ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	vec_append(m, piece->bytes, piece->len);
	if (m->len < MESSAGE_HEADER)
		return;
	whole = MESSAGE_HEADER + ((size_t)m->data[1] << 16 | (size_t)m->data[2] << 8 | m->data[3]);
	if (whole > TLS_HELLO_BYTES_MAX || m->len > whole || (m->len == whole && !piece->last)) {
		refuse_bad(conn, HELLO_ALERT_DECODE_ERROR);
		return;
	}
	if (m->len < whole)
		return;
	switch (tls_hello_check(m->data, m->len, &conn->session)) {
	case TLS_HELLO_FOREIGN: /* no key could be agreed upon */
		refuse_bad(conn, HELLO_ALERT_HANDSHAKE_FAILURE);
		break;
	case TLS_HELLO_CORRUPTED:
		refuse_corrupted(conn);
		break;
	case TLS_HELLO_OURS:
		vec_clear(m);
		tls_server_flight(m, conn->base.app->seed, &conn->session);
		flight_send(conn, TLS_FLIGHT);
		break;
	}
}

static void request_begin(struct tls_conn *conn)
{
	vec_clear(&conn->bytes);
	conn->state = TLS_REQUEST;
}

static void reply_begin(struct tls_conn *conn)
{
	struct app *app = conn->base.app;

	app->counters.requests++;
	conn->sender = (struct sender){
		.key = tls_reply_key(app->seed, &conn->request),
		.total = conn->request.reply_bytes,
		.framing = SENDER_RECORDS,
	};
	conn->state = TLS_REPLY;
}

static void request_input(struct tls_conn *conn, const struct tls_piece *piece)
{
	if (piece->type != TLS_APPLICATION_DATA || conn->bytes.len + piece->len > TLS_REQUEST_BYTES) {
		refuse_bad(conn, HELLO_ALERT_UNEXPECTED_MESSAGE);
		return;
	}
	vec_append(&conn->bytes, piece->bytes, piece->len);
	if (conn->bytes.len < TLS_REQUEST_BYTES) {
		if (piece->last)
			refuse_bad(conn, HELLO_ALERT_DECODE_ERROR);
		return;
	}
	if (!tls_request_read(conn->bytes.data, &conn->request) || conn->request.reply_bytes > APP_REPLY_BYTES_MAX) {
		refuse_corrupted(conn);
		return;
	}
	conn->body_offset = 0;
	conn->state = TLS_BODY;
	if (conn->request.body_bytes == 0)
		reply_begin(conn);
}

static void body_input(struct tls_conn *conn, const struct tls_piece *piece)
{
	const struct tls_request *q = &conn->request;

	if (piece->type != TLS_APPLICATION_DATA || piece->len > q->body_bytes - conn->body_offset ||
	    !body_verify(q->key, conn->body_offset, piece->bytes, piece->len)) {
		refuse_corrupted(conn);
		return;
	}
	conn->body_offset += piece->len;
	conn->base.app->counters.bytes_in += piece->len;
	if (conn->body_offset == q->body_bytes)
		reply_begin(conn);
}

/* Reads from the front of what is there; returns how much it took. */
static size_t record_input(struct tls_conn *conn, const uint8_t *bytes, size_t len)
{
	struct tls_piece piece;
	long n = tls_read(&conn->reader, bytes, len, &piece);

	if (n < 0) {
		refuse_bad(conn, HELLO_ALERT_DECODE_ERROR);
		return 0;
	}
	if (piece.len == 0)
		return (size_t)n;
	if (conn->state == TLS_HELLO)
		message_input(conn, &piece);
	else if (conn->state == TLS_BODY)
		body_input(conn, &piece);
	else if (piece.type != TLS_ALERT) /* close_notify, which the end follows, between requests */
		request_input(conn, &piece);
	return (size_t)n;
}

/* The client's second flight is known to the byte. */
static size_t finished_input(struct tls_conn *conn, const uint8_t *bytes, size_t len)
{
	size_t left = conn->bytes.len - conn->at;

	if (len > left)
		len = left;
	if (memcmp(bytes, conn->bytes.data + conn->at, len) != 0) {
		refuse_corrupted(conn);
		return 0;
	}
	conn->at += len;
	if (conn->at == conn->bytes.len)
		request_begin(conn);
	return len;
}

/* All that was to be sent is queued. Negative: the socket broke. */
static int sent_all(struct tls_conn *conn, struct sock *k, nstime now)
{
	conn->sender.head_bytes = conn->sender.head_sent = 0;
	if (conn->state == TLS_LINGERING)
		return sock_shutdown_write(k, now);
	if (conn->state == TLS_FLIGHT) {
		vec_clear(&conn->bytes);
		tls_client_flight(&conn->bytes, conn->base.app->seed, &conn->session);
		conn->at = 0;
		conn->state = TLS_FINISHED;
	} else {
		request_begin(conn);
	}
	return 0;
}

static bool is_sending(const struct tls_conn *conn)
{
	return conn->state == TLS_FLIGHT || conn->state == TLS_REPLY ||
	       (conn->state == TLS_LINGERING && conn->sender.head_bytes);
}

/* Queues more. 1: all of it, 0: the socket takes no more for now, negative: it broke. */
static int send_on(struct tls_conn *conn, struct sock *k, nstime now)
{
	uint64_t before = conn->sender.offset;
	int err = sender_run(&conn->sender, k);

	conn->base.app->counters.bytes_out += conn->sender.offset - before;
	if (!err)
		err = sent_all(conn, k, now);
	return err == E_AGAIN ? 0 : err ? err : 1;
}

/* Whether the client may end here: between requests. */
static bool is_between(const struct tls_conn *conn)
{
	return conn->state == TLS_LINGERING || (conn->state == TLS_REQUEST && conn->bytes.len == 0);
}

/* Does what can be done now. False when the connection is over; *abort says how. */
static bool tls_run(struct tls_conn *conn, struct sock *k, nstime now, bool *abort)
{
	for (;;) {
		const uint8_t *bytes;
		size_t len;

		if (is_sending(conn)) {
			int sent = send_on(conn, k, now);

			if (sent > 0)
				continue;
			*abort = sent < 0;
			return !*abort;
		}
		bytes = sock_peek(k, &len);
		if (!bytes || len == 0) {
			if (sock_eof(k) && !is_between(conn))
				conn->base.app->counters.errors++;
			return !sock_eof(k);
		}
		if (conn->state == TLS_FINISHED)
			len = finished_input(conn, bytes, len);
		else if (conn->state != TLS_LINGERING)
			len = record_input(conn, bytes, len);
		else
			conn->lingered_bytes += len;
		sock_consume(k, len, now);
		*abort = conn->lingered_bytes > TLS_LINGER_BYTES_MAX;
		if (*abort)
			return false;
	}
}

static void tls_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct tls_conn *conn = (struct tls_conn *)owner;
	bool abort = false;

	if (ready & SOCK_ERROR) {
		conn->base.app->counters.errors++;
		app_conn_close(&conn->base, k, now);
		return;
	}
	if (tls_run(conn, k, now, &abort))
		sock_flush(k, now);
	else if (abort)
		app_conn_abort(&conn->base, k, now);
	else
		app_conn_close(&conn->base, k, now);
}

static void tls_fini(struct app_conn *base)
{
	vec_fini(&((struct tls_conn *)base)->bytes);
}

/* Between requests and in the middle of a reply, and between records. */
static bool tls_save(const struct app_conn *base, struct vec *out)
{
	const struct tls_conn *conn = (const struct tls_conn *)base;
	uint8_t state = (uint8_t)conn->state;

	if ((conn->state != TLS_REPLY && !(conn->state == TLS_REQUEST && conn->bytes.len == 0)) ||
	    conn->reader.header_bytes || conn->reader.left)
		return false;
	vec_append(out, &state, 1);
	sender_save(&conn->sender, out);
	return true;
}

static bool tls_restore(struct app_conn *base, const uint8_t *bytes, size_t len)
{
	struct tls_conn *conn = (struct tls_conn *)base;
	struct reader r = reader_make(bytes, len);
	enum tls_state state = (enum tls_state)reader_u8(&r);

	if (!sender_restore(conn ? &conn->sender : NULL, &r, NULL, 0) || reader_left(&r) ||
	    (state != TLS_REQUEST && state != TLS_REPLY))
		return false;
	if (conn)
		conn->state = state;
	return true;
}

const struct app_class app_tls_class = {
	.conn_bytes = sizeof(struct tls_conn),
	.ready = tls_ready,
	.fini = tls_fini,
	.save = tls_save,
	.restore = tls_restore,
};
