/* SPDX-License-Identifier: BSD-3-Clause */
/* The client that looks like TLS (node/tls.h): a ClientHello, the server's flight verified, then a request, its reply
 * verified; the next request on the connection needs no hello. */
#include "base/log.h"
#include "node/body.h"
#include "node/client_internal.h"
#include "node/tls.h"

#include <stdlib.h>
#include <string.h>

enum tls_state {
	TLS_FLIGHT, /* the hello goes out; the server's flight is read */
	TLS_REPLY,  /* the request goes out; the reply is read */
};

struct client_tls {
	enum tls_state state;
	struct tls_session session;
	struct tls_reader reader;
	struct vec flight; /* FLIGHT: what is expected */
	size_t flight_at;  /* how far it came */
	uint8_t alert[TLS_ALERT_BYTES];
	uint8_t alert_bytes;
};

bool client_tls_compose(struct client_work *w, const struct client_spec *spec)
{
	if (spec->server_name && strlen(spec->server_name) > CLIENT_SERVER_NAME_MAX)
		return false;
	w->server_name = spec->server_name ? strdup(spec->server_name) : NULL;
	if (spec->server_name && !w->server_name)
		log_fatal("out of memory: client work");
	w->hello_records = spec->hello_records ? spec->hello_records : 1;
	w->hello_bytes = spec->hello_bytes;
	w->reply_bytes = spec->reply_bytes ? spec->reply_bytes : APP_REPLY_BYTES_DEFAULT;
	return true;
}

void client_tls_end(struct client_conn *conn)
{
	if (!conn->tls)
		return;
	vec_fini(&conn->tls->flight);
	free(conn->tls);
	conn->tls = NULL;
}

static struct tls_request request_of(const struct client_work *w)
{
	return (struct tls_request){.key = w->body_key, .body_bytes = w->body_bytes, .reply_bytes = w->reply_bytes};
}

/* Sends the request, behind what else stands in the head. */
static void request_send(struct client_conn *conn, struct client_work *w)
{
	struct tls_request q = request_of(w);

	tls_request_write(&w->head, &q);
	w->reply_key = tls_reply_key(conn->client->seed, &q);
	conn->sender = (struct sender){
		.head = w->head.data,
		.head_bytes = w->head.len,
		.key = w->body_key,
		.total = w->body_bytes,
		.framing = SENDER_RECORDS,
	};
	conn->sending = w;
	w->sent = false;
	conn->tls->state = TLS_REPLY;
}

void client_tls_begin(struct client_conn *conn, struct client_work *w)
{
	if (conn->tls) {
		request_send(conn, w);
		return;
	}
	conn->tls = calloc(1, sizeof *conn->tls);
	if (!conn->tls)
		log_fatal("out of memory: client connection");
	tls_client_hello(&w->head, w->body_key, w->server_name, w->hello_records, w->hello_bytes, &conn->tls->session);
	tls_server_flight(&conn->tls->flight, conn->client->seed, &conn->tls->session);
	conn->sender = (struct sender){.head = w->head.data, .head_bytes = w->head.len};
}

static enum client_progress fail(enum client_failure *failure, enum client_failure why)
{
	*failure = why;
	return CLIENT_FAILED;
}

/* An alert: fatal ones say why, close_notify that the server ends. */
static enum client_progress alert_input(struct client_tls *tls, struct client_work *w, const struct tls_piece *piece,
					enum client_failure *failure)
{
	for (size_t i = 0; i < piece->len; i++) {
		if (tls->alert_bytes == TLS_ALERT_BYTES)
			return fail(failure, CLIENT_MALFORMED);
		tls->alert[tls->alert_bytes++] = piece->bytes[i];
	}
	if (tls->alert_bytes < TLS_ALERT_BYTES)
		return CLIENT_GOES_ON;
	w->outcome.status = tls->alert[1];
	return fail(failure, CLIENT_ALERT);
}

static enum client_progress reply_input(struct client_work *w, const struct tls_piece *piece,
					enum client_failure *failure)
{
	struct client_outcome *o = &w->outcome;

	if (piece->type != TLS_APPLICATION_DATA)
		return fail(failure, CLIENT_MALFORMED);
	if (piece->len > w->reply_bytes - o->bytes_received ||
	    !body_verify(w->reply_key, o->bytes_received, piece->bytes, piece->len))
		return fail(failure, CLIENT_CORRUPTED);
	o->bytes_received += piece->len;
	return o->bytes_received == w->reply_bytes ? CLIENT_DONE : CLIENT_GOES_ON;
}

/* Reads from the front of what is there, *taken bytes of it. */
static enum client_progress record_input(struct client_conn *conn, struct client_work *w, const uint8_t *bytes,
					 size_t len, size_t *taken, enum client_failure *failure)
{
	struct client_tls *tls = conn->tls;
	struct tls_piece piece;
	long n = tls_read(&tls->reader, bytes, len, &piece);

	*taken = n < 0 ? 0 : (size_t)n;
	if (n < 0)
		return fail(failure, CLIENT_MALFORMED);
	if (piece.len == 0)
		return CLIENT_GOES_ON;
	if (piece.type == TLS_ALERT)
		return alert_input(tls, w, &piece, failure);
	return reply_input(w, &piece, failure);
}

/* The server's flight is known to the byte; what begins otherwise is an alert, or no TLS. */
static enum client_progress flight_input(struct client_conn *conn, struct client_work *w, const uint8_t *bytes,
					 size_t len, size_t *taken, enum client_failure *failure)
{
	struct client_tls *tls = conn->tls;
	size_t left = tls->flight.len - tls->flight_at;

	if (tls->flight_at == 0 && (tls->reader.header_bytes || bytes[0] != TLS_HANDSHAKE))
		return record_input(conn, w, bytes, len, taken, failure);
	*taken = len < left ? len : left;
	if (memcmp(bytes, tls->flight.data + tls->flight_at, *taken) != 0)
		return fail(failure, CLIENT_CORRUPTED);
	tls->flight_at += *taken;
	if (tls->flight_at < tls->flight.len)
		return CLIENT_GOES_ON;
	vec_clear(&w->head);
	tls_client_flight(&w->head, conn->client->seed, &tls->session);
	request_send(conn, w);
	return CLIENT_SENDS;
}

/* The last reply came: the server is told so before the connection ends. */
static void close_notify(struct client_conn *conn)
{
	struct vec alert = {0};

	tls_alert(&alert, HELLO_ALERT_CLOSE_NOTIFY);
	sock_send(conn->sock, alert.data, alert.len);
	vec_fini(&alert);
}

enum client_progress client_tls_read(struct client_conn *conn, struct client_work *w, nstime now,
				     enum client_failure *failure, bool *keep_alive)
{
	enum client_progress progress = CLIENT_GOES_ON;
	const uint8_t *bytes;
	size_t len, taken;

	while (progress == CLIENT_GOES_ON && (bytes = sock_peek(conn->sock, &len)) && len > 0) {
		client_arrival_note(w, now);
		if (conn->tls->state == TLS_FLIGHT)
			progress = flight_input(conn, w, bytes, len, &taken, failure);
		else
			progress = record_input(conn, w, bytes, len, &taken, failure);
		sock_consume(conn->sock, taken, now);
	}
	if (progress == CLIENT_GOES_ON && sock_eof(conn->sock))
		return fail(failure, CLIENT_SHORT);
	*keep_alive = progress == CLIENT_DONE;
	if (progress == CLIENT_DONE && w->last)
		close_notify(conn);
	return progress;
}
