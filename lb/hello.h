/* SPDX-License-Identifier: BSD-3-Clause */
/* A reader of one TLS ClientHello out of the bytes received so far, bounded and incremental.
 *
 * It is given the bytes once each, in pieces of any size, cut anywhere: in a record's header, in a fragment, between
 * records. It gathers the handshake message out of its records (RFC 8446 section 5.1) and says when the server's name
 * (RFC 6066 section 3) is known, or why this is no hello, with the alert that tells the client so. What it does not
 * know it skips: GREASE values, unknown extensions, an encrypted hello (the name is then that of the outer one).
 * Versions are only looked at as far as they tell TLS from something else. Nothing behind the hello is looked at. It
 * decrypts nothing, knows no rules and sends nothing. Caller: lb/classifier.h. */
#ifndef BATON_LB_HELLO_H
#define BATON_LB_HELLO_H

#include "base/vec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HELLO_BYTES_DEFAULT 16384U
#define HELLO_BYTES_LIMIT   65535U /* the most that can be configured: what a stack keeps unread */

#define HELLO_RECORD_HEADER 5U
#define HELLO_RECORD_MAX    16384U /* bytes of a fragment: RFC 8446 section 5.1 */

/* Alert descriptions (RFC 8446 section 6): name, number. */
#define HELLO_ALERT_LIST(X)                                                                                            \
	X(CLOSE_NOTIFY, 0)                                                                                             \
	X(UNEXPECTED_MESSAGE, 10)                                                                                      \
	X(RECORD_OVERFLOW, 22)                                                                                         \
	X(HANDSHAKE_FAILURE, 40)                                                                                       \
	X(ILLEGAL_PARAMETER, 47)                                                                                       \
	X(DECODE_ERROR, 50)                                                                                            \
	X(PROTOCOL_VERSION, 70)                                                                                        \
	X(INTERNAL_ERROR, 80)                                                                                          \
	X(UNRECOGNIZED_NAME, 112)

enum hello_alert {
#define HELLO_ALERT_ENUM(name, number) HELLO_ALERT_##name = (number),
	HELLO_ALERT_LIST(HELLO_ALERT_ENUM)
#undef HELLO_ALERT_ENUM
};

enum hello_result {
	HELLO_NEED_MORE, /* the message goes on */
	HELLO_COMPLETE,  /* hello_server_name may be called */
	HELLO_BAD,       /* no ClientHello, or a malformed one: hello_reason and hello_alert say */
	HELLO_TOO_LARGE, /* it exceeds the bound */
};

/* One hello being read. The caller owns it; members are the module's. */
struct hello {
	struct vec message;        /* the handshake message so far; when complete: the name, NUL */
	uint32_t bytes_max, bytes; /* of the connection, records' headers included */
	uint32_t fragment_left;    /* of the record being read */
	uint8_t header[HELLO_RECORD_HEADER];
	uint8_t header_bytes;
	uint8_t result; /* enum hello_result so far; all but NEED_MORE are final */
	uint8_t alert;  /* BAD: enum hello_alert */
	const char *reason;
};

/* Whether a connection that begins with this byte speaks TLS, as against HTTP: the first byte of a record, or of an
 * SSLv2 hello, neither of which begins a request. */
bool hello_begins(uint8_t first);

/* bytes_max 0 means HELLO_BYTES_DEFAULT; above HELLO_BYTES_LIMIT it is cut to that. */
void hello_init(struct hello *h, uint32_t bytes_max);
void hello_fini(struct hello *h);

/* The next bytes of the connection. A result other than NEED_MORE is final and is returned by every later call. */
enum hello_result hello_input(struct hello *h, const uint8_t *bytes, size_t len);

/* After COMPLETE: the server's name in lower case, as the client wrote it otherwise; "" when it sent none. Lives until
 * hello_fini. */
const char *hello_server_name(const struct hello *h);

/* After BAD: static text, and what to tell the client; otherwise empty and meaningless. */
const char *hello_reason(const struct hello *h);
enum hello_alert hello_alert(const struct hello *h);

#endif
