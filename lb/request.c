/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

/* What http-parser delivered last: its callbacks come many times for one item. */
enum part { PART_NONE, PART_TARGET, PART_NAME, PART_VALUE };

static enum request_result request_bad(struct request *r, const char *reason)
{
	r->result = REQUEST_BAD;
	r->reason = reason;
	return REQUEST_BAD;
}

/* RFC 9110 section 5.6.2. */
static bool token_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && strchr("!#$%&'*+-.^_`|~", c));
}

static void count_field(uint8_t *count)
{
	if (*count < UINT8_MAX)
		(*count)++;
}

/* Ends the item that was being received: terminates it, and looks at a field's name. */
static void item_end(struct request *r)
{
	switch ((enum part)r->part) {
	case PART_NONE:
		return;
	case PART_TARGET:
		vec_append(&r->text, "", 1);
		r->fields = r->text.len;
		break;
	case PART_NAME: {
		const char *name;

		vec_append(&r->text, "", 1);
		name = (const char *)r->text.data + r->item;
		if (strcasecmp(name, "host") == 0)
			count_field(&r->hosts);
		else if (strcasecmp(name, "transfer-encoding") == 0)
			count_field(&r->encodings);
		break;
	}
	case PART_VALUE:
		while (r->text.len > r->item &&
		       (r->text.data[r->text.len - 1] == ' ' || r->text.data[r->text.len - 1] == '\t'))
			r->text.len--;
		vec_append(&r->text, "", 1);
		break;
	}
	r->item = r->text.len;
	r->part = PART_NONE;
}

static int item_add(struct request *r, enum part part, const char *at, size_t len)
{
	if (r->part != part) {
		item_end(r);
		r->part = (uint8_t)part;
		r->item = r->text.len;
	}
	vec_append(&r->text, at, len);
	return 0;
}

static int on_url(http_parser *p, const char *at, size_t len)
{
	return item_add(p->data, PART_TARGET, at, len);
}

static int on_name(http_parser *p, const char *at, size_t len)
{
	return item_add(p->data, PART_NAME, at, len);
}

static int on_value(http_parser *p, const char *at, size_t len)
{
	return item_add(p->data, PART_VALUE, at, len);
}

/* Keeps a copy of the host, which stands at an offset in the texts, behind them, in lower case. */
static void host_keep(struct request *r, size_t offset, size_t len)
{
	uint8_t *copy = vec_append(&r->text, NULL, len + 1);

	for (size_t i = 0; i < len; i++) {
		uint8_t c = r->text.data[offset + i];

		copy[i] = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
	}
	copy[len] = '\0';
}

/* The host of a Host field (RFC 9110 section 7.2: a host, and a port if need be), as its length; -1 when it is none. */
static long host_length(const char *field)
{
	bool bracket = *field == '[';
	size_t len = bracket ? strspn(field + 1, "0123456789abcdefABCDEF:.") + 1
			     : strspn(field,
				      "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~%!$&'()*+;=");
	const char *rest;

	if (bracket && field[len++] != ']')
		return -1;
	rest = field + len;
	if (*rest == ':')
		rest += 1 + strspn(rest + 1, "0123456789");
	return *rest ? -1 : (long)len;
}

/* A URL as target (RFC 9112 section 3.2.2): http, and the host that the Host field names too. The bytes travel as they
 * are, so that a server which looks at the one must not see another than is seen here. */
static enum request_result target_split_url(struct request *r, const char *field, size_t field_len)
{
	const char *target = (const char *)r->text.data, *host;
	struct http_parser_url url;
	size_t len;

	http_parser_url_init(&url);
	if (http_parser_parse_url(target, strlen(target), 0, &url) || !(url.field_set & (1U << UF_HOST)))
		return request_bad(r, "a target that is neither a path nor a URL");
	if (url.field_set & (1U << UF_USERINFO) || url.field_data[UF_SCHEMA].len != 4 ||
	    strncasecmp(target, "http", 4) != 0)
		return request_bad(r, "a target of another scheme than http, or with a user");
	host = target + url.field_data[UF_HOST].off;
	len = url.field_data[UF_HOST].len;
	if (host[-1] == '[') {
		host--;
		len += 2;
	}
	if (field && (len != field_len || strncasecmp(host, field, len) != 0))
		return request_bad(r, "a target with another host than the Host field");
	host_keep(r, (size_t)(host - target), len);
	if (url.field_set & (1U << UF_PATH))
		r->path = (char *)r->text.data + url.field_data[UF_PATH].off;
	return REQUEST_COMPLETE;
}

/* Finds path and host. */
static enum request_result target_split(struct request *r)
{
	const char *target = (const char *)r->text.data, *field;
	size_t cursor = 0;
	long len = 0;
	bool rooted = target[0] == '/' || (strcmp(target, "*") == 0 && r->parser.method == HTTP_OPTIONS);

	for (const char *c = target; *c; c++)
		if (*c <= ' ' || *c > '~')
			return request_bad(r, "a target that is not printable ASCII");
	r->fields_end = r->text.len;
	field = request_header_next(r, "host", &cursor);
	if (field)
		len = host_length(field);
	if (len < 0)
		return request_bad(r, "a Host field that is no host and port");
	if (!rooted && target_split_url(r, field, (size_t)len) != REQUEST_COMPLETE)
		return REQUEST_BAD;
	if (rooted) {
		host_keep(r, field ? (size_t)(field - (const char *)r->text.data) : 0, (size_t)len);
		r->path = (char *)r->text.data;
	}
	if (r->path)
		r->path[strcspn(r->path, "?#")] = '\0';
	return REQUEST_COMPLETE;
}

/* What http-parser lets pass, or would refuse only in the body. It does refuse several lengths, and a length together
 * with chunks. */
static enum request_result head_check(struct request *r)
{
	const http_parser *p = &r->parser;

	if (p->http_major != 1)
		return request_bad(r, "not HTTP/1.x");
	if (p->method == HTTP_CONNECT)
		return request_bad(r, "CONNECT");
	if (p->method == HTTP_SOURCE)
		return request_bad(r, "SOURCE, which is ICE and not HTTP");
	if (r->hosts > 1 || (r->hosts == 0 && p->http_minor >= 1))
		return request_bad(r, "not exactly one Host field");
	if (r->encodings > 1 || (r->encodings == 1 && !(p->flags & F_CHUNKED)))
		return request_bad(r, "a Transfer-Encoding that does not end in chunked");
	if (r->encodings && p->http_minor == 0)
		return request_bad(r, "Transfer-Encoding in HTTP/1.0");
	return target_split(r);
}

static int on_headers_complete(http_parser *p)
{
	struct request *r = p->data;

	item_end(r);
	r->result = (uint8_t)head_check(r);
	return 1;
}

static const http_parser_settings request_settings = {
	.on_url = on_url,
	.on_header_field = on_name,
	.on_header_value = on_value,
	.on_headers_complete = on_headers_complete,
};

void request_init(struct request *r, uint32_t head_bytes_max)
{
	*r = (struct request){.head_bytes_max = head_bytes_max ? head_bytes_max : REQUEST_HEAD_BYTES_DEFAULT};
	if (r->head_bytes_max > REQUEST_HEAD_BYTES_LIMIT)
		r->head_bytes_max = REQUEST_HEAD_BYTES_LIMIT;
	http_parser_init(&r->parser, HTTP_REQUEST);
	r->parser.data = r;
}

void request_fini(struct request *r)
{
	vec_fini(&r->text);
	*r = (struct request){.result = REQUEST_BAD};
}

/* What the line ends and fields' names in some bytes say. */
struct head_scan {
	size_t len;      /* bytes that are good and belong to the head, the empty line that ends it included */
	bool end;        /* it ends there */
	bool too_large;  /* or it would go on beyond its bound */
	const char *bad; /* or the next byte is wrong: why */
};

/* Why this byte cannot come next; NULL when it can. */
static const char *byte_check(const struct request *r, uint8_t byte)
{
	if (byte == '\0')
		return "a NUL byte";
	if ((r->last == '\r') != (byte == '\n'))
		return "a line that does not end in CR LF";
	if (byte == '\n' && !r->line_seen && r->line_bytes > 0 && r->spaces != 2)
		return "a request line that is not three words";
	if (r->line_bytes == 0 && (byte == ' ' || byte == '\t'))
		return "a line that begins with white space";
	if (r->line_seen && !r->name_ended && byte != '\r' && byte != '\n' &&
	    (byte == ':' ? r->line_bytes == 0 : !token_byte(byte)))
		return "a field name that is not a token";
	return NULL;
}

/* Checks line ends and fields' names, where http-parser is more generous than RFC 9112 sections 2.2, 5.1 and 5.2. */
static struct head_scan head_scan(struct request *r, const uint8_t *bytes, size_t len)
{
	struct head_scan s = {0};

	while (s.len < len && !s.end) {
		uint8_t byte = bytes[s.len];

		s.too_large = r->head_bytes == r->head_bytes_max;
		s.bad = s.too_large ? NULL : byte_check(r, byte);
		if (s.too_large || s.bad)
			break;
		s.len++;
		r->head_bytes++;
		if (byte == '\n') {
			s.end = r->line_seen && r->line_bytes == 0;
			r->line_seen = r->line_seen || r->line_bytes > 0;
			r->line_bytes = 0;
			r->name_ended = false;
		} else if (byte != '\r') {
			if (!r->line_seen && byte == ' ' && r->spaces < UINT8_MAX)
				r->spaces++;
			r->name_ended = r->name_ended || byte == ':';
			r->line_bytes++;
		}
		r->last = byte;
	}
	return s;
}

/* What is wrong first is what counts, so that the verdict does not depend on how the bytes were cut into pieces. */
enum request_result request_input(struct request *r, const uint8_t *bytes, size_t len)
{
	struct head_scan s;

	if (r->result != REQUEST_NEED_MORE || len == 0)
		return (enum request_result)r->result;
	s = head_scan(r, bytes, len);
	if (s.len)
		http_parser_execute(&r->parser, &request_settings, (const char *)bytes, s.len);
	if (r->result != REQUEST_NEED_MORE)
		return (enum request_result)r->result;
	if (HTTP_PARSER_ERRNO(&r->parser) != HPE_OK)
		return request_bad(r, http_errno_description(HTTP_PARSER_ERRNO(&r->parser)));
	if (s.too_large)
		r->result = REQUEST_TOO_LARGE;
	else if (s.bad)
		request_bad(r, s.bad);
	else if (s.end)
		request_bad(r, "no request line");
	return (enum request_result)r->result;
}

const char *request_method(const struct request *r)
{
	return http_method_str((enum http_method)r->parser.method);
}

const char *request_path(const struct request *r)
{
	assert(r->result == REQUEST_COMPLETE);
	return r->path ? r->path : "/";
}

const char *request_host(const struct request *r)
{
	assert(r->result == REQUEST_COMPLETE);
	return (const char *)r->text.data + r->fields_end;
}

const char *request_header_next(const struct request *r, const char *name, size_t *cursor)
{
	size_t at = *cursor > r->fields ? *cursor : r->fields;

	while (at < r->fields_end) {
		const char *field = (const char *)r->text.data + at;
		const char *value = field + strlen(field) + 1;

		at = (size_t)(value - (const char *)r->text.data) + strlen(value) + 1;
		if (strcasecmp(field, name) == 0) {
			*cursor = at;
			return value;
		}
	}
	*cursor = at;
	return NULL;
}

const char *request_cookie_next(const struct request *r, const char *name, struct request_cookie_cursor *cursor,
				size_t *len)
{
	size_t name_len = strlen(name);

	for (;;) {
		const char *pair, *end;

		if (!cursor->rest || *cursor->rest == '\0') {
			cursor->rest = request_header_next(r, "cookie", &cursor->field);
			if (!cursor->rest)
				return NULL;
		}
		pair = cursor->rest + strspn(cursor->rest, " \t;");
		end = pair + strcspn(pair, ";");
		cursor->rest = end;
		if (strncmp(pair, name, name_len) == 0 && pair[name_len] == '=') {
			while (end > pair && (end[-1] == ' ' || end[-1] == '\t'))
				end--;
			*len = (size_t)(end - pair) - name_len - 1;
			return pair + name_len + 1;
		}
	}
}

const char *request_reason(const struct request *r)
{
	return r->reason ? r->reason : "";
}
