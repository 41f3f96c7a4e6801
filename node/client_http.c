/* SPDX-License-Identifier: BSD-3-Clause */
/* The HTTP client: requests composed, replies read and verified. */
#include "node/body.h"
#include "node/client_internal.h"

#include <stdio.h>
#include <string.h>

static void head_text(struct vec *head, const char *text)
{
	vec_append(head, text, strlen(text));
}

static void head_line(struct vec *head, const char *name, const char *value)
{
	head_text(head, name);
	head_text(head, value);
	head_text(head, "\r\n");
}

static void head_number(struct vec *head, const char *name, uint64_t value)
{
	char text[24];

	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	head_line(head, name, text);
}

/* Neither a line end nor another control byte, nor in a word a space. */
static bool text_valid(const char *text, bool word)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 127 || (word && *text == ' '))
			return false;
	return true;
}

static bool spec_valid(const struct client_spec *spec, const char *method, const char *path)
{
	size_t bytes = strlen(method) + strlen(path) + (spec->host ? strlen(spec->host) : 0);

	if (*method == '\0' || !text_valid(method, true) || *path == '\0' || !text_valid(path, true))
		return false;
	if (spec->host && !text_valid(spec->host, true))
		return false;
	for (size_t i = 0; i < spec->headers_count; i++) {
		if (!text_valid(spec->headers[i], false))
			return false;
		bytes += strlen(spec->headers[i]) + 2;
	}
	return bytes < CLIENT_HEAD_BYTES_MAX;
}

bool client_http_compose(struct client *c, struct client_work *w, const struct client_spec *spec)
{
	const char *method = spec->method ? spec->method : spec->body_bytes ? "POST" : "GET";
	const char *path = spec->path ? spec->path : "/";
	bool last = w->last || spec->half_close;
	char address[ADDR_TEXT_MAX], host[ADDR_TEXT_MAX + 2];

	if (!spec_valid(spec, method, path))
		return false;
	snprintf(host, sizeof host, spec->address.family == 6 ? "[%s]" : "%s", addr_text(&spec->address, address));
	head_text(&w->head, method);
	head_text(&w->head, " ");
	head_text(&w->head, path);
	head_text(&w->head, spec->http_10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n");
	head_line(&w->head, "Host: ", spec->host ? spec->host : host);
	for (size_t i = 0; i < spec->headers_count; i++)
		head_line(&w->head, spec->headers[i], "");
	if (spec->reply_bytes)
		head_number(&w->head, "Baton-Reply: ", spec->reply_bytes);
	if (spec->reply_chunked)
		head_line(&w->head, "Baton-Chunked: 1", "");
	if (spec->http_10 ? !last : last) /* which each version would not do by itself */
		head_line(&w->head, "Connection: ", last ? "close" : "keep-alive");
	if (spec->expect_continue)
		head_line(&w->head, "Expect: 100-continue", "");
	if (spec->chunked)
		head_line(&w->head, "Transfer-Encoding: chunked", "");
	else if (spec->body_bytes)
		head_number(&w->head, "Content-Length: ", spec->body_bytes);
	w->chunked = spec->chunked;
	w->expects = spec->expect_continue;
	w->half_close = spec->half_close;
	w->head_only = strcmp(method, "HEAD") == 0;
	w->reply_bytes = spec->reply_bytes ? spec->reply_bytes : APP_REPLY_BYTES_DEFAULT;
	w->reply_key = body_key(c->seed, path, strlen(path));
	return true;
}

void client_http_begin(struct client_conn *conn, struct client_work *w)
{
	char text[48];

	if (w->body_bytes) {
		snprintf(text, sizeof text, "Baton-Body: %016llx\r\n\r\n", (unsigned long long)w->body_key);
		head_text(&w->head, text);
	} else {
		head_text(&w->head, "\r\n");
	}
	conn->sender = (struct sender){
		.head = w->head.data,
		.head_bytes = w->head.len,
		.key = w->body_key,
		.total = w->body_bytes,
		.framing = w->chunked ? SENDER_CHUNKED : SENDER_PLAIN,
	};
}

void client_http_expect(struct client_conn *conn)
{
	http_parser_init(&conn->parser, HTTP_RESPONSE);
	conn->parser.data = conn;
	conn->replied = false;
}

static struct client_work *parser_work(const http_parser *p)
{
	return STAILQ_FIRST(&((struct client_conn *)p->data)->queue);
}

static int on_headers_complete(http_parser *p)
{
	struct client_work *w = parser_work(p);

	if (p->status_code == 100)
		((struct client_conn *)p->data)->continued = true;
	if (p->status_code >= 200)
		w->outcome.status = (uint16_t)p->status_code;
	return w->head_only ? 1 : 0;
}

static int on_body(http_parser *p, const char *at, size_t len)
{
	struct client_work *w = parser_work(p);
	struct client_outcome *o = &w->outcome;

	if (o->status != 200)
		return 0;
	if (len > w->reply_bytes - o->bytes_received || !body_verify(w->reply_key, o->bytes_received, at, len)) {
		o->failure = CLIENT_CORRUPTED;
		return -1;
	}
	o->bytes_received += len;
	return 0;
}

static int on_message_complete(http_parser *p)
{
	struct client_conn *conn = p->data;

	if (p->status_code < 200)
		return 0;
	conn->replied = true;
	http_parser_pause(p, 1);
	return 0;
}

static const http_parser_settings reply_settings = {
	.on_headers_complete = on_headers_complete,
	.on_body = on_body,
	.on_message_complete = on_message_complete,
};

static enum client_progress reply_end(struct client_conn *conn, struct client_work *w, enum client_failure *failure,
				      bool *keep_alive)
{
	http_parser_pause(&conn->parser, 0);
	*keep_alive = http_should_keep_alive(&conn->parser) && w->sent && !conn->shut;
	if (w->outcome.status != 200)
		*failure = CLIENT_BAD_STATUS;
	else if (!w->head_only && w->outcome.bytes_received != w->reply_bytes)
		*failure = CLIENT_SHORT;
	else
		return CLIENT_DONE;
	return CLIENT_FAILED;
}

enum client_progress client_http_read(struct client_conn *conn, struct client_work *w, nstime now,
				      enum client_failure *failure, bool *keep_alive)
{
	for (;;) {
		size_t len, n;
		const uint8_t *bytes = sock_peek(conn->sock, &len);
		bool eof = !bytes || len == 0;

		if (eof && !sock_eof(conn->sock))
			return CLIENT_GOES_ON;
		if (!eof)
			client_arrival_note(w, now);
		/* The end of the stream may be the end of a body without length; the parser is told by 0 bytes. */
		n = http_parser_execute(&conn->parser, &reply_settings, eof ? "" : (const char *)bytes, eof ? 0 : len);
		if (!eof)
			sock_consume(conn->sock, n < len ? n : len, now);
		if (conn->replied)
			return reply_end(conn, w, failure, keep_alive);
		if (eof || HTTP_PARSER_ERRNO(&conn->parser) != HPE_OK) {
			if (w->outcome.failure != CLIENT_COMPLETED)
				*failure = w->outcome.failure;
			else
				*failure = eof ? CLIENT_SHORT : CLIENT_MALFORMED;
			return CLIENT_FAILED;
		}
	}
}
