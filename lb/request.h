/* SPDX-License-Identifier: BSD-3-Clause */
/* A reader of one HTTP/1.x request head out of the bytes received so far, bounded and incremental.
 *
 * It is given the bytes once each, in pieces of any size (cost stays linear), and says when the head is complete, is no
 * acceptable HTTP, or is too large. Nothing behind the head is looked at, nothing is percent-decoded or normalised:
 * rules compare what the client wrote. It refuses what two parsers could read differently (RFC 9112 section 11.2): both
 * Content-Length and Transfer-Encoding, several or conflicting lengths, a Transfer-Encoding that does not end in
 * chunked or comes with HTTP/1.0, NUL, bare CR, bare LF, folded lines, spaces in field names, a request line that is
 * not three words with one space between them, a target that is not printable ASCII, no or several Host fields in
 * HTTP/1.1, a Host field that is no host and port, a target that names another host or scheme, and CONNECT. It knows no
 * rules and sends nothing. Caller: lb/classifier.h. */
#ifndef BATON_LB_REQUEST_H
#define BATON_LB_REQUEST_H

#include "base/vec.h"

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REQUEST_HEAD_BYTES_DEFAULT 16384U
#define REQUEST_HEAD_BYTES_LIMIT   65536U /* the most that can be configured; http-parser's own bound is 80 KiB */

enum request_result {
	REQUEST_NEED_MORE, /* the head goes on */
	REQUEST_COMPLETE,  /* the accessors below may be called */
	REQUEST_BAD,       /* not HTTP, malformed or ambiguous: request_reason says */
	REQUEST_TOO_LARGE, /* the head exceeds the bound */
};

/* One request head being read. The caller owns it; members are the module's. */
struct request {
	http_parser parser;
	struct vec text; /* target NUL, then name NUL value NUL for each field, then host NUL */
	uint32_t head_bytes_max, head_bytes;
	uint32_t line_bytes;      /* of the line being read, without its end */
	size_t item;              /* where the item being read starts in text */
	size_t fields;            /* where the first field's name starts in text */
	uint8_t result;           /* enum request_result so far; all but NEED_MORE are final */
	uint8_t part;             /* what http-parser delivered last */
	uint8_t last;             /* the byte before, for line ends */
	bool line_seen;           /* a line that was not empty was seen */
	bool name_ended;          /* of the field line being read: the colon was seen */
	uint8_t spaces;           /* in the request line, saturating */
	uint8_t hosts, encodings; /* fields of these names, saturating */
	const char *reason;
	size_t fields_end; /* behind the last field; the host stands there */
	char *path;        /* within text, set when complete; NULL: "/" */
};

/* head_bytes_max 0 means REQUEST_HEAD_BYTES_DEFAULT; above REQUEST_HEAD_BYTES_LIMIT it is cut to that. */
void request_init(struct request *r, uint32_t head_bytes_max);
void request_fini(struct request *r);

/* The next bytes of the connection. A result other than NEED_MORE is final and is returned by every later call. */
enum request_result request_input(struct request *r, const uint8_t *bytes, size_t len);

/* After COMPLETE; all texts live until request_fini. */
const char *request_method(const struct request *r); /* "GET" */
const char *request_path(const struct request *r);   /* without query; "*" of OPTIONS stays */
const char *request_host(const struct request *r);   /* lower case, without port; "" when there is none */

/* The value of the next field with this name (any case), without spaces around it; *cursor starts at 0. NULL when there
 * is none left. */
const char *request_header_next(const struct request *r, const char *name, size_t *cursor);

struct request_cookie_cursor {
	size_t field;     /* cursor of request_header_next */
	const char *rest; /* of the Cookie field being read */
};

/* The value of the next cookie with this name (case counts, RFC 6265 section 4.2), *len bytes, not NUL-terminated,
 * quotes included; the cursor starts zero-initialised. NULL when there is none left. */
const char *request_cookie_next(const struct request *r, const char *name, struct request_cookie_cursor *cursor,
				size_t *len);

/* After BAD: static text; otherwise empty. */
const char *request_reason(const struct request *r);

#endif
