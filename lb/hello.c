/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/hello.h"

#include "base/cursor.h"

#include <assert.h>

#define CONTENT_CHANGE_CIPHER_SPEC 20U
#define CONTENT_HANDSHAKE          22U
#define CONTENT_APPLICATION_DATA   23U
#define SSL2_LENGTH_BIT            0x80U /* a two-byte record header of SSLv2 begins with it */
#define VERSION_MAJOR              3U
#define HANDSHAKE_HEADER           4U
#define HANDSHAKE_CLIENT_HELLO     1U
#define RANDOM_BYTES               32U
#define SESSION_ID_MAX             32U
#define EXTENSION_SERVER_NAME      0U
#define NAME_TYPE_HOST_NAME        0U
#define HOST_NAME_MAX_BYTES        255U

static enum hello_result hello_bad(struct hello *h, enum hello_alert alert, const char *reason)
{
	h->result = HELLO_BAD;
	h->alert = (uint8_t)alert;
	h->reason = reason;
	return HELLO_BAD;
}

bool hello_begins(uint8_t first)
{
	return (first >= CONTENT_CHANGE_CIPHER_SPEC && first <= CONTENT_APPLICATION_DATA) || first & SSL2_LENGTH_BIT;
}

void hello_init(struct hello *h, uint32_t bytes_max)
{
	*h = (struct hello){.bytes_max = bytes_max ? bytes_max : HELLO_BYTES_DEFAULT};
	if (h->bytes_max > HELLO_BYTES_LIMIT)
		h->bytes_max = HELLO_BYTES_LIMIT;
}

void hello_fini(struct hello *h)
{
	vec_fini(&h->message);
	*h = (struct hello){.result = HELLO_BAD};
}

/* A vector with a length of `prefix` bytes, as a reader of its own; `r` goes bad where it does not fit. */
static struct reader vector_read(struct reader *r, size_t prefix)
{
	size_t len = (size_t)reader_be(r, prefix);
	const uint8_t *bytes = reader_bytes(r, len);

	return reader_make(bytes, bytes ? len : 0);
}

/* The name replaces the message, of which nothing else is needed. */
static enum hello_result name_keep(struct hello *h, const uint8_t *name, size_t len)
{
	if (len)
		memmove(h->message.data, name, len);
	for (size_t i = 0; i < len; i++) {
		uint8_t *c = &h->message.data[i];

		if (*c <= ' ' || *c >= 0x7f)
			return hello_bad(h, HELLO_ALERT_ILLEGAL_PARAMETER, "a server name that is not printable ASCII");
		if (*c >= 'A' && *c <= 'Z')
			*c = (uint8_t)(*c - 'A' + 'a');
	}
	h->message.data[len] = '\0';
	h->message.len = len + 1;
	h->result = HELLO_COMPLETE;
	return HELLO_COMPLETE;
}

/* RFC 6066 section 3: a list of names, at most one of each type. All types have a 16-bit length before them. */
static enum hello_result server_name_read(struct hello *h, struct reader *extension, struct reader *name)
{
	struct reader list = vector_read(extension, 2);

	if (extension->bad || reader_left(extension) || !reader_left(&list))
		return hello_bad(h, HELLO_ALERT_DECODE_ERROR, "a server_name extension that is no list of names");
	while (reader_left(&list)) {
		uint8_t type = reader_u8(&list);
		struct reader one = vector_read(&list, 2);

		if (list.bad || !reader_left(&one))
			return hello_bad(h, HELLO_ALERT_DECODE_ERROR, "a server name that is empty or cut short");
		if (type != NAME_TYPE_HOST_NAME)
			continue;
		if (reader_left(name))
			return hello_bad(h, HELLO_ALERT_ILLEGAL_PARAMETER, "several server names");
		if (reader_left(&one) > HOST_NAME_MAX_BYTES)
			return hello_bad(h, HELLO_ALERT_ILLEGAL_PARAMETER, "a server name that is too long");
		*name = one;
	}
	return HELLO_COMPLETE;
}

static enum hello_result extensions_read(struct hello *h, struct reader *extensions, struct reader *name)
{
	bool seen = false;

	while (reader_left(extensions)) {
		uint16_t type = reader_u16(extensions);
		struct reader data = vector_read(extensions, 2);

		if (extensions->bad)
			return hello_bad(h, HELLO_ALERT_DECODE_ERROR, "an extension that is cut short");
		if (type != EXTENSION_SERVER_NAME)
			continue;
		if (seen)
			return hello_bad(h, HELLO_ALERT_ILLEGAL_PARAMETER, "several server_name extensions");
		seen = true;
		if (server_name_read(h, &data, name) != HELLO_COMPLETE)
			return HELLO_BAD;
	}
	return HELLO_COMPLETE;
}

/* RFC 8446 section 4.1.2. A hello without extensions ends behind the compression methods (RFC 5246 section 7.4.1.2). */
static enum hello_result message_read(struct hello *h)
{
	struct reader r = reader_make(h->message.data + HANDSHAKE_HEADER, h->message.len - HANDSHAKE_HEADER);
	struct reader session, ciphers, compressions, extensions, name = {0};
	uint8_t major = reader_u8(&r);

	reader_bytes(&r, 1 + RANDOM_BYTES);
	session = vector_read(&r, 1);
	ciphers = vector_read(&r, 2);
	compressions = vector_read(&r, 1);
	extensions = reader_left(&r) ? vector_read(&r, 2) : reader_make(NULL, 0);
	if (r.bad || reader_left(&r))
		return hello_bad(h, HELLO_ALERT_DECODE_ERROR, "a ClientHello whose lengths do not add up");
	if (major != VERSION_MAJOR)
		return hello_bad(h, HELLO_ALERT_PROTOCOL_VERSION, "a ClientHello of an unknown version");
	if (reader_left(&session) > SESSION_ID_MAX || !reader_left(&ciphers) || reader_left(&ciphers) % 2 ||
	    !reader_left(&compressions))
		return hello_bad(h, HELLO_ALERT_DECODE_ERROR, "a ClientHello with an impossible vector");
	if (extensions_read(h, &extensions, &name) != HELLO_COMPLETE)
		return HELLO_BAD;
	return name_keep(h, name.p, reader_left(&name));
}

/* Byte `at` of a record's header came. */
static void header_check(struct hello *h, unsigned at)
{
	unsigned byte = h->header[at], length = (unsigned)h->header[3] << 8 | h->header[4];

	if (at == 0 && h->message.len && byte != CONTENT_HANDSHAKE)
		hello_bad(h, HELLO_ALERT_UNEXPECTED_MESSAGE, "another record within the ClientHello");
	else if (at == 0 && byte & SSL2_LENGTH_BIT)
		hello_bad(h, HELLO_ALERT_PROTOCOL_VERSION, "an SSLv2 hello, or no TLS");
	else if (at == 0 && byte != CONTENT_HANDSHAKE)
		hello_bad(h, HELLO_ALERT_UNEXPECTED_MESSAGE,
			  hello_begins((uint8_t)byte) ? "a record that is no handshake" : "no TLS");
	else if (at == 1 && byte != VERSION_MAJOR)
		hello_bad(h, HELLO_ALERT_PROTOCOL_VERSION, "a record of an unknown version");
	else if (at == 4 && length == 0)
		hello_bad(h, HELLO_ALERT_DECODE_ERROR, "an empty handshake record");
	else if (at == 4 && length > HELLO_RECORD_MAX)
		hello_bad(h, HELLO_ALERT_RECORD_OVERFLOW, "a record that is too long");
	else if (at == 4)
		h->fragment_left = length;
}

/* How long the handshake message is, as far as is known: its header first. */
static size_t message_bytes(const struct hello *h)
{
	const uint8_t *m = h->message.data;

	if (h->message.len < HANDSHAKE_HEADER)
		return HANDSHAKE_HEADER;
	return HANDSHAKE_HEADER + ((size_t)m[1] << 16 | (size_t)m[2] << 8 | m[3]);
}

/* Takes bytes of a fragment, no further than the header or the message goes; returns how many. */
static size_t fragment_input(struct hello *h, const uint8_t *bytes, size_t len)
{
	size_t n = message_bytes(h) - h->message.len;

	if (n > h->fragment_left)
		n = h->fragment_left;
	if (n > len)
		n = len;
	vec_append(&h->message, bytes, n);
	h->fragment_left -= (uint32_t)n;
	if (h->message.data[0] != HANDSHAKE_CLIENT_HELLO)
		hello_bad(h, HELLO_ALERT_UNEXPECTED_MESSAGE, "a handshake message that is no ClientHello");
	else if (h->message.len >= HANDSHAKE_HEADER && HELLO_RECORD_HEADER + message_bytes(h) > h->bytes_max)
		h->result = HELLO_TOO_LARGE;
	else if (h->message.len >= HANDSHAKE_HEADER && h->message.len == message_bytes(h))
		message_read(h);
	if (h->fragment_left == 0)
		h->header_bytes = 0;
	return n;
}

enum hello_result hello_input(struct hello *h, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0, n; at < len && h->result == HELLO_NEED_MORE; at += n) {
		size_t room = h->bytes_max - h->bytes;

		n = 1;
		if (room == 0) {
			h->result = HELLO_TOO_LARGE;
		} else if (h->header_bytes < HELLO_RECORD_HEADER) {
			h->header[h->header_bytes] = bytes[at];
			header_check(h, h->header_bytes++);
		} else {
			n = fragment_input(h, bytes + at, len - at < room ? len - at : room);
		}
		h->bytes += (uint32_t)n;
	}
	return (enum hello_result)h->result;
}

const char *hello_server_name(const struct hello *h)
{
	assert(h->result == HELLO_COMPLETE);
	return (const char *)h->message.data;
}

const char *hello_reason(const struct hello *h)
{
	return h->reason ? h->reason : "";
}

enum hello_alert hello_alert(const struct hello *h)
{
	return (enum hello_alert)h->alert;
}
