/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/talk_http.h"

#include "base/log.h"
#include "base/vec.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define FILLER_BYTES 4096U
#define FIELD_MAX    16U /* bytes of a field's name that are looked at */

/* One direction. */
struct reader {
	http_parser parser;
	struct talk_http *http;
	bool head_read;  /* within a message, behind its head */
	bool ended;      /* cannot be read on */
	size_t exchange; /* requests: the one being read; replies: whose is next or being read */
};

struct talk_http {
	struct talk *talk;
	struct reader side[2];
	int64_t at_ns;
	/* The request's head being read. */
	struct vec target, value, host;
	char field[FIELD_MAX + 1];
	bool in_value, expects;
	size_t requests, replies; /* whole ones; requests: heads */
	bool upgrade;             /* the last request asks for another protocol, or is CONNECT */
	bool switched;            /* and the server agreed */
};

static struct reader *reader_of(http_parser *p)
{
	return p->data;
}

static struct talk_exchange *exchange_of(const struct reader *r)
{
	struct talk_list *l = &r->http->talk->http;

	return r->exchange < l->count ? &l->items[r->exchange] : NULL;
}

/* ---- requests ---- */

static int request_begin(http_parser *p)
{
	struct talk_http *h = reader_of(p)->http;

	vec_clear(&h->target);
	vec_clear(&h->value);
	vec_clear(&h->host);
	h->field[0] = 0;
	h->in_value = h->expects = false;
	return 0;
}

static int request_url(http_parser *p, const char *at, size_t len)
{
	struct talk_http *h = reader_of(p)->http;

	if (h->target.len + len > TALK_TEXT_MAX) {
		h->talk->cut += h->target.len <= TALK_TEXT_MAX;
		len = TALK_TEXT_MAX - (h->target.len < TALK_TEXT_MAX ? h->target.len : TALK_TEXT_MAX);
	}
	vec_append(&h->target, at, len);
	return 0;
}

/* A field is whole. */
static void field_end(struct talk_http *h)
{
	if (!strcasecmp(h->field, "host") && h->value.len && h->value.len <= TALK_HOST_MAX && !h->host.len)
		vec_append(&h->host, h->value.data, h->value.len);
	if (!strcasecmp(h->field, "expect") && h->value.len == 12 &&
	    !strncasecmp((const char *)h->value.data, "100-continue", 12))
		h->expects = true;
	h->field[0] = 0;
	h->in_value = false;
	vec_clear(&h->value);
}

static int request_field(http_parser *p, const char *at, size_t len)
{
	struct talk_http *h = reader_of(p)->http;

	if (h->in_value)
		field_end(h);
	size_t have = strlen(h->field);

	if (len > FIELD_MAX - have)
		len = FIELD_MAX - have;
	memcpy(h->field + have, at, len);
	h->field[have + len] = 0;
	return 0;
}

static int request_value(http_parser *p, const char *at, size_t len)
{
	struct talk_http *h = reader_of(p)->http;

	h->in_value = true;
	if (h->value.len + len <= TALK_HOST_MAX)
		vec_append(&h->value, at, len);
	return 0;
}

static char *text_take(const struct vec *v)
{
	char *text = v->len ? strndup((const char *)v->data, v->len) : NULL;

	if (v->len && !text)
		log_fatal("out of memory: a captured request");
	return text;
}

static int request_head(http_parser *p)
{
	struct reader *r = reader_of(p);
	struct talk_http *h = r->http;
	struct talk_exchange *x;

	field_end(h);
	x = talk_list_add(&h->talk->http, h->at_ns, h->target.len + h->host.len);
	r->head_read = true;
	if (x) {
		r->exchange = h->talk->http.count - 1;
		x->method = http_method_str(p->method);
		x->target = text_take(&h->target);
		x->host = text_take(&h->host);
		x->expects = h->expects;
		x->http_10 = p->http_major == 1 && p->http_minor == 0;
	}
	h->requests++;
	if (h->requests - h->replies > h->talk->pipelined)
		h->talk->pipelined = (uint32_t)(h->requests - h->replies);
	h->upgrade = p->upgrade || p->method == HTTP_CONNECT;
	return 0;
}

static int request_body(http_parser *p, const char *at, size_t len)
{
	struct talk_exchange *x = exchange_of(reader_of(p));

	(void)at;
	if (x)
		x->body += len;
	return 0;
}

static int message_end(http_parser *p)
{
	reader_of(p)->head_read = false;
	return 0;
}

/* ---- replies ---- */

/* 1: no body follows; 2: nor is what follows HTTP. */
static int reply_head(http_parser *p)
{
	struct reader *r = reader_of(p);
	const struct talk_exchange *x = exchange_of(r);

	r->head_read = true;
	if (r->http->upgrade &&
	    (p->status_code == 101 || (x && x->method && !strcmp(x->method, "CONNECT") && p->status_code / 100 == 2))) {
		r->http->switched = true;
		return 2;
	}
	return x && x->method && !strcmp(x->method, "HEAD") ? 1 : 0;
}

static int reply_body(http_parser *p, const char *at, size_t len)
{
	struct talk_exchange *x = exchange_of(reader_of(p));

	(void)at;
	if (x)
		x->reply += len;
	return 0;
}

static int reply_end(http_parser *p)
{
	struct reader *r = reader_of(p);

	r->head_read = false;
	if (p->status_code / 100 == 1 && p->status_code != 101)
		return 0;
	r->http->replies++;
	r->exchange++;
	return 0;
}

/* ---- both ---- */

static const http_parser_settings settings[2] = {
	{
		.on_message_begin = request_begin,
		.on_url = request_url,
		.on_header_field = request_field,
		.on_header_value = request_value,
		.on_headers_complete = request_head,
		.on_body = request_body,
		.on_message_complete = message_end,
	},
	{
		.on_headers_complete = reply_head,
		.on_body = reply_body,
		.on_message_complete = reply_end,
	},
};

struct talk_http *talk_http_new(struct talk *t)
{
	struct talk_http *h = calloc(1, sizeof(*h));

	if (!h)
		log_fatal("out of memory: a captured connection");
	h->talk = t;
	for (unsigned i = 0; i < 2; i++) {
		http_parser_init(&h->side[i].parser, i ? HTTP_RESPONSE : HTTP_REQUEST);
		h->side[i].parser.data = &h->side[i];
		h->side[i].http = h;
	}
	return h;
}

void talk_http_free(struct talk_http *h)
{
	if (!h)
		return;
	vec_fini(&h->target);
	vec_fini(&h->value);
	vec_fini(&h->host);
	free(h);
}

/* Reads bytes; how many were HTTP. */
static uint64_t reader_run(struct reader *r, unsigned side, const char *bytes, size_t len)
{
	size_t done = 0;

	while (done < len && !r->ended) {
		size_t n = http_parser_execute(&r->parser, &settings[side], bytes + done, len - done);

		done += n < len - done ? n : len - done;
		if (HTTP_PARSER_ERRNO(&r->parser) != HPE_OK)
			r->ended = true;
		else if (r->parser.upgrade && (side == 1 || r->http->switched))
			r->ended = true;
		else if (r->parser.upgrade) /* a request may ask for another protocol, and the server go on in this one
					     */
			http_parser_init(&r->parser, HTTP_REQUEST);
		else if (done < len)
			r->ended = true;
	}
	return done;
}

/* Missing bytes do no harm within a body whose length is known. */
static uint64_t reader_fill(struct reader *r, unsigned side, uint64_t len)
{
	static const char filler[FILLER_BYTES];
	uint64_t left = r->head_read && !(r->parser.flags & F_CHUNKED) ? len : 0, done = 0;

	if (left && r->parser.content_length != UINT64_MAX && left > r->parser.content_length)
		left = r->parser.content_length;
	while (done < left && !r->ended) {
		size_t n = left - done < FILLER_BYTES ? (size_t)(left - done) : FILLER_BYTES;

		done += reader_run(r, side, filler, n);
	}
	r->ended |= done < len;
	return done;
}

uint64_t talk_http_input(struct talk_http *h, unsigned side, const uint8_t *bytes, uint64_t len, int64_t at_ns)
{
	struct reader *r = &h->side[side];

	h->at_ns = at_ns;
	if (h->side[0].ended || h->side[1].ended || (side == 0 && h->switched))
		return 0;
	return bytes ? reader_run(r, side, (const char *)bytes, len) : reader_fill(r, side, len);
}

void talk_http_end(struct talk_http *h, unsigned side)
{
	struct reader *r = &h->side[side];

	if (!r->ended && !r->parser.upgrade)
		http_parser_execute(&r->parser, &settings[side], "", 0);
	r->ended = true;
}

bool talk_http_is_good(const struct talk_http *h)
{
	return h->requests && (h->replies || h->side[1].head_read || !h->talk->bytes[1] || h->switched);
}
