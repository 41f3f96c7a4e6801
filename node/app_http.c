/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP server: one request is read to its end, its reply is queued to its end, then the next one is read; so
 * replies keep the order of pipelined requests, and what is not read yet closes the receive window. */
#include "base/cursor.h"
#include "base/err.h"
#include "base/vec.h"
#include "node/app_internal.h"
#include "node/body.h"
#include "node/sender.h"

#include <http_parser.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define HTTP_LINGER_BYTES_MAX (1U << 20) /* thrown away after a 400, so that the client gets to read it */
#define HTTP_SAVED_BYTES      10U        /* of http_save, without the sender's */
#define HTTP_FIELD_BYTES      32U        /* longer names or values are none that are known here */

enum http_state {
	HTTP_READING,
	HTTP_REPLYING,
	HTTP_LINGERING, /* the last reply is sent; what still comes is thrown away until the client closes */
};

/* A header field's name or value as far as it matters. */
struct http_text {
	char bytes[HTTP_FIELD_BYTES];
	size_t len;
	bool cut;
};

struct http_conn {
	struct app_conn base;
	http_parser parser;
	enum http_state state;
	struct http_text name, value;
	struct vec target;

	/* the request being read */
	bool in_value, begun, complete, seeded, chunked, expects, keep_alive, bad, corrupted;
	uint64_t reply_bytes, body_key, body_offset;

	/* the reply being sent */
	struct sender sender;
	char head[192];
	bool interim; /* 100 Continue: the request is read on behind it */
	uint64_t lingered_bytes;
};

static void text_add(struct http_text *t, const char *at, size_t len)
{
	size_t room = HTTP_FIELD_BYTES - 1 - t->len;

	if (len > room) {
		t->cut = true;
		len = room;
	}
	memcpy(t->bytes + t->len, at, len);
	t->len += len;
	t->bytes[t->len] = '\0';
}

static bool text_is(const struct http_text *t, const char *word)
{
	return !t->cut && strcasecmp(t->bytes, word) == 0;
}

/* Unsigned number in base 10 or 16, nothing around it. */
static bool text_number(const struct http_text *t, int base, uint64_t *value)
{
	const char *digits = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";

	if (t->cut || t->len == 0 || t->len > 16 || strspn(t->bytes, digits) != t->len)
		return false;
	*value = strtoull(t->bytes, NULL, base);
	return true;
}

static void field_end(struct http_conn *conn)
{
	struct http_text *name = &conn->name, *value = &conn->value;
	uint64_t number = 0;

	while (value->len > 0 && (value->bytes[value->len - 1] == ' ' || value->bytes[value->len - 1] == '\t'))
		value->bytes[--value->len] = '\0';
	if (text_is(name, "Baton-Reply")) {
		if (text_number(value, 10, &number) && number <= APP_REPLY_BYTES_MAX)
			conn->reply_bytes = number;
		else
			conn->bad = true;
	} else if (text_is(name, "Baton-Chunked")) {
		conn->chunked = text_is(value, "1");
	} else if (text_is(name, "Baton-Body")) {
		if (conn->seeded || value->len != 16 || !text_number(value, 16, &conn->body_key))
			conn->bad = true;
		conn->seeded = true;
	} else if (text_is(name, "Expect")) {
		conn->expects = text_is(value, "100-continue");
	}
	*name = *value = (struct http_text){0};
	conn->in_value = false;
}

static int on_message_begin(http_parser *p)
{
	struct http_conn *conn = p->data;

	vec_clear(&conn->target);
	conn->begun = true;
	conn->complete = conn->seeded = conn->chunked = conn->expects = conn->keep_alive = false;
	conn->reply_bytes = APP_REPLY_BYTES_DEFAULT;
	conn->body_offset = 0;
	return 0;
}

static int on_url(http_parser *p, const char *at, size_t len)
{
	struct http_conn *conn = p->data;

	vec_append(&conn->target, at, len);
	return 0;
}

static int on_name(http_parser *p, const char *at, size_t len)
{
	struct http_conn *conn = p->data;

	if (conn->in_value)
		field_end(conn);
	text_add(&conn->name, at, len);
	return 0;
}

static int on_value(http_parser *p, const char *at, size_t len)
{
	struct http_conn *conn = p->data;

	conn->in_value = true;
	text_add(&conn->value, at, len);
	return 0;
}

static int on_headers_complete(http_parser *p)
{
	struct http_conn *conn = p->data;

	field_end(conn);
	if (conn->bad || p->http_major != 1 || p->method == HTTP_CONNECT)
		return -1;
	conn->interim = conn->expects && p->http_minor >= 1;
	return 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
	struct http_conn *conn = p->data;

	if (conn->seeded && !body_verify(conn->body_key, conn->body_offset, at, len)) {
		conn->corrupted = true;
		return -1;
	}
	conn->body_offset += len;
	conn->base.app->counters.bytes_in += len;
	return 0;
}

static int on_message_complete(http_parser *p)
{
	struct http_conn *conn = p->data;

	conn->complete = true;
	conn->begun = false;
	conn->keep_alive = http_should_keep_alive(p) != 0;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings http_settings = {
	.on_message_begin = on_message_begin,
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static void head_send(struct http_conn *conn, int head_bytes)
{
	conn->sender = (struct sender){.head = conn->head, .head_bytes = (size_t)head_bytes};
	conn->state = HTTP_REPLYING;
}

static void reply_start(struct http_conn *conn)
{
	bool v11 = conn->parser.http_minor >= 1, chunked = conn->chunked && v11;
	uint64_t key = body_key(conn->base.app->seed, conn->target.data, conn->target.len);
	const char *connection = !conn->keep_alive ? "Connection: close\r\n" : v11 ? "" : "Connection: keep-alive\r\n";
	char length[48];

	if (chunked)
		snprintf(length, sizeof length, "Transfer-Encoding: chunked");
	else
		snprintf(length, sizeof length, "Content-Length: %llu", (unsigned long long)conn->reply_bytes);
	conn->base.app->counters.requests++;
	head_send(conn, snprintf(conn->head, sizeof conn->head, "HTTP/1.1 200 OK\r\n%s\r\nBaton-Key: %016llx\r\n%s\r\n",
				 length, (unsigned long long)key, connection));
	if (conn->parser.method == HTTP_HEAD)
		return;
	conn->sender.key = key;
	conn->sender.total = conn->reply_bytes;
	conn->sender.framing = chunked ? SENDER_CHUNKED : SENDER_PLAIN;
}

static void reply_bad(struct http_conn *conn)
{
	struct app_counters *counters = &conn->base.app->counters;

	if (conn->corrupted)
		counters->corrupted++;
	else
		counters->bad_requests++;
	conn->bad = true;
	conn->begun = conn->interim = conn->keep_alive = false;
	head_send(conn, snprintf(conn->head, sizeof conn->head,
				 "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"));
}

static void read_on(struct http_conn *conn, struct sock *k, const uint8_t *bytes, size_t len, nstime now)
{
	size_t n = http_parser_execute(&conn->parser, &http_settings, (const char *)bytes, len);
	enum http_errno err = HTTP_PARSER_ERRNO(&conn->parser);

	if (err != HPE_OK && err != HPE_PAUSED) {
		reply_bad(conn);
		return;
	}
	sock_consume(k, n, now);
	if (conn->complete) {
		http_parser_pause(&conn->parser, 0);
		conn->complete = conn->interim = false;
		reply_start(conn);
	} else if (conn->interim) {
		head_send(conn, snprintf(conn->head, sizeof conn->head, "HTTP/1.1 100 Continue\r\n\r\n"));
	}
}

/* Queues more of the reply; false when the socket takes no more for now. *err says what broke, or 0. */
static bool reply_on(struct http_conn *conn, struct sock *k, nstime now, int *err)
{
	uint64_t before = conn->sender.offset;

	*err = sender_run(&conn->sender, k);
	conn->base.app->counters.bytes_out += conn->sender.offset - before;
	if (*err == E_AGAIN)
		*err = 0;
	else if (!*err) {
		conn->state = HTTP_READING;
		if (conn->interim) {
			conn->interim = false;
		} else if (!conn->keep_alive) {
			conn->state = HTTP_LINGERING;
			*err = sock_shutdown_write(k, now);
		}
		return !*err;
	}
	return false;
}

/* Does what can be done now. False when the connection is over; *abort says how. */
static bool http_run(struct http_conn *conn, struct sock *k, nstime now, bool *abort)
{
	for (;;) {
		const uint8_t *bytes;
		size_t len;
		int err = 0;

		if (conn->state == HTTP_REPLYING) {
			if (reply_on(conn, k, now, &err))
				continue;
			*abort = err != 0;
			return !err;
		}
		bytes = sock_peek(k, &len);
		if (!bytes || len == 0) {
			if (sock_eof(k) && conn->begun)
				conn->base.app->counters.errors++;
			return !sock_eof(k);
		}
		if (conn->state == HTTP_READING) {
			read_on(conn, k, bytes, len, now);
			continue;
		}
		conn->lingered_bytes += len;
		sock_consume(k, len, now);
		*abort = conn->lingered_bytes > HTTP_LINGER_BYTES_MAX;
		if (*abort)
			return false;
	}
}

static void http_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct http_conn *conn = (struct http_conn *)owner;
	bool abort = false;

	if (ready & SOCK_ERROR) {
		conn->base.app->counters.errors++;
		app_conn_close(&conn->base, k, now);
		return;
	}
	if (http_run(conn, k, now, &abort))
		sock_flush(k, now);
	else if (abort)
		app_conn_abort(&conn->base, k, now);
	else
		app_conn_close(&conn->base, k, now);
}

static void http_open(struct app_conn *base)
{
	struct http_conn *conn = (struct http_conn *)base;

	http_parser_init(&conn->parser, HTTP_REQUEST);
	conn->parser.data = conn;
}

static void http_fini(struct app_conn *base)
{
	vec_fini(&((struct http_conn *)base)->target);
}

/* Between requests and in the middle of a reply: then the next server sends the rest. Not within a request, of which
 * the parser has a part. */
static bool http_save(const struct app_conn *base, struct vec *out)
{
	const struct http_conn *conn = (const struct http_conn *)base;
	uint8_t saved[HTTP_SAVED_BYTES];
	struct writer w = writer_make(saved, sizeof saved);

	writer_u8(&w, (uint8_t)conn->state);
	writer_u8(&w, conn->keep_alive);
	writer_u64(&w, conn->lingered_bytes);
	vec_append(out, saved, sizeof saved);
	sender_save(&conn->sender, out);
	return !conn->begun && !conn->interim;
}

static bool http_restore(struct app_conn *base, const uint8_t *bytes, size_t len)
{
	struct http_conn *conn = (struct http_conn *)base;
	struct reader r = reader_make(bytes, len);
	enum http_state state = (enum http_state)reader_u8(&r);
	uint8_t keep_alive = reader_u8(&r);
	uint64_t lingered_bytes = reader_u64(&r);

	if (!sender_restore(conn ? &conn->sender : NULL, &r, conn ? conn->head : NULL, sizeof conn->head) ||
	    reader_left(&r) || state > HTTP_LINGERING || keep_alive > 1)
		return false;
	if (!conn)
		return true;
	conn->state = state;
	conn->keep_alive = keep_alive;
	conn->lingered_bytes = lingered_bytes;
	return true;
}

const struct app_class app_http_class = {
	.conn_bytes = sizeof(struct http_conn),
	.ready = http_ready,
	.open = http_open,
	.fini = http_fini,
	.save = http_save,
	.restore = http_restore,
};
