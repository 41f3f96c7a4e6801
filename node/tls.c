/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/tls.h"

#include "base/cursor.h"
#include "base/err.h"
#include "node/body.h"

#include <string.h>

#define VERSION_1_2           0x0303U
#define VERSION_1_3           0x0304U
#define MESSAGE_CLIENT_HELLO  1U
#define MESSAGE_SERVER_HELLO  2U
#define MESSAGE_HEADER        4U
#define RANDOM_AT             (MESSAGE_HEADER + 2U)
#define SESSION_AT            (RANDOM_AT + TLS_RANDOM_BYTES + 1U)
#define KEY_SHARE_BYTES       32U
#define GROUP_X25519          0x001dU
#define CIPHER_AES_128_GCM    0x1301U
#define CIPHER_CHACHA20       0x1303U
#define SIGNATURE_ECDSA_P256  0x0403U
#define SIGNATURE_RSA_PSS     0x0804U
#define EXTENSION_HEADER      4U
#define SERVER_FINISHED_BYTES 1500U /* of a certificate chain, say */
#define CLIENT_FINISHED_BYTES 53U
#define ALERT_WARNING         1U
#define ALERT_FATAL           2U

enum extension {
	EXTENSION_SERVER_NAME = 0,
	EXTENSION_SUPPORTED_GROUPS = 10,
	EXTENSION_SIGNATURE_ALGORITHMS = 13,
	EXTENSION_PADDING = 21,
	EXTENSION_SUPPORTED_VERSIONS = 43,
	EXTENSION_PSK_MODES = 45,
	EXTENSION_KEY_SHARE = 51,
};

/* ---- records ---- */

long tls_read(struct tls_reader *r, const uint8_t *bytes, size_t len, struct tls_piece *piece)
{
	size_t n = TLS_RECORD_HEADER - r->header_bytes;

	*piece = (struct tls_piece){.bytes = bytes};
	if (n) {
		n = len < n ? len : n;
		memcpy(r->header + r->header_bytes, bytes, n);
		r->header_bytes = (uint8_t)(r->header_bytes + n);
		if (r->header_bytes < TLS_RECORD_HEADER)
			return (long)n;
		r->left = load_be16(r->header + 3);
		if (r->header[0] < TLS_CHANGE_CIPHER_SPEC || r->header[0] > TLS_APPLICATION_DATA || r->header[1] != 3 ||
		    r->left == 0 || r->left > TLS_RECORD_MAX)
			return E_FORMAT;
		return (long)n;
	}
	n = len < r->left ? len : r->left;
	piece->type = (enum tls_content)r->header[0];
	piece->len = n;
	piece->first = r->left == load_be16(r->header + 3);
	r->left = (uint16_t)(r->left - n);
	piece->last = r->left == 0;
	if (piece->last)
		r->header_bytes = 0;
	return (long)n;
}

static void append_be(struct vec *out, uint64_t value, size_t bytes)
{
	uint8_t *p = vec_append(out, NULL, bytes);

	for (size_t i = bytes; i-- > 0; value >>= 8)
		p[i] = (uint8_t)value;
}

size_t tls_record_header(void *out, enum tls_content type, size_t len)
{
	const uint8_t header[TLS_RECORD_HEADER] = {(uint8_t)type, VERSION_1_2 >> 8, VERSION_1_2 & 0xff,
						   (uint8_t)(len >> 8), (uint8_t)len};

	memcpy(out, header, sizeof header);
	return sizeof header;
}

static void append_header(struct vec *out, enum tls_content type, size_t len)
{
	tls_record_header(vec_append(out, NULL, TLS_RECORD_HEADER), type, len);
}

void tls_record(struct vec *out, enum tls_content type, const void *bytes, size_t len)
{
	append_header(out, type, len);
	vec_append(out, bytes, len);
}

void tls_alert(struct vec *out, enum hello_alert alert)
{
	const uint8_t bytes[TLS_ALERT_BYTES] = {alert == HELLO_ALERT_CLOSE_NOTIFY ? ALERT_WARNING : ALERT_FATAL,
						(uint8_t)alert};

	tls_record(out, TLS_ALERT, bytes, sizeof bytes);
}

static void append_seeded(struct vec *out, uint64_t key, size_t len)
{
	body_fill(key, 0, vec_append(out, NULL, len), len);
}

static void record_seeded(struct vec *out, uint64_t key, size_t len)
{
	append_header(out, TLS_APPLICATION_DATA, len);
	append_seeded(out, key, len);
}

/* ---- hellos ---- */

/* What two ends derive from a random, each for a purpose of its own. */
static uint64_t session_key(uint64_t seed, const struct tls_session *session, char purpose)
{
	uint8_t name[TLS_RANDOM_BYTES + 1];

	memcpy(name, session->random, TLS_RANDOM_BYTES);
	name[TLS_RANDOM_BYTES] = (uint8_t)purpose;
	return body_key(seed, name, sizeof name);
}

static void extension_name(struct vec *out, const char *name)
{
	size_t len = strlen(name);

	append_be(out, EXTENSION_SERVER_NAME, 2);
	append_be(out, len + 5, 2);
	append_be(out, len + 3, 2);
	append_be(out, 0, 1);
	append_be(out, len, 2);
	vec_append(out, name, len);
}

/* An extension that is a list of two-byte words behind a length of `prefix` bytes. */
static void extension_words(struct vec *out, enum extension type, size_t prefix, const uint16_t *words, size_t count)
{
	append_be(out, type, 2);
	append_be(out, prefix + 2 * count, 2);
	append_be(out, 2 * count, prefix);
	for (size_t i = 0; i < count; i++)
		append_be(out, words[i], 2);
}

static void extensions_client(struct vec *out, uint64_t key, const char *server_name)
{
	static const uint16_t groups[] = {GROUP_X25519}, versions[] = {VERSION_1_3, VERSION_1_2};
	static const uint16_t signatures[] = {SIGNATURE_ECDSA_P256, SIGNATURE_RSA_PSS};

	if (server_name)
		extension_name(out, server_name);
	extension_words(out, EXTENSION_SUPPORTED_GROUPS, 2, groups, 1);
	extension_words(out, EXTENSION_SIGNATURE_ALGORITHMS, 2, signatures, 2);
	extension_words(out, EXTENSION_SUPPORTED_VERSIONS, 1, versions, 2);
	append_be(out, EXTENSION_PSK_MODES, 2);
	append_be(out, 2, 2);
	append_be(out, 0x0101, 2); /* one: psk_dhe_ke */
	append_be(out, EXTENSION_KEY_SHARE, 2);
	append_be(out, KEY_SHARE_BYTES + 6, 2);
	append_be(out, KEY_SHARE_BYTES + 4, 2);
	append_be(out, GROUP_X25519, 2);
	append_be(out, KEY_SHARE_BYTES, 2);
	append_seeded(out, key, KEY_SHARE_BYTES);
}

static void length_set(struct vec *v, size_t at, size_t bytes)
{
	size_t len = v->len - at - bytes;

	for (size_t i = bytes; i-- > 0; len >>= 8)
		v->data[at + i] = (uint8_t)len;
}

/* The session id that belongs to a message: over all of it but itself. */
static void session_fill(const uint8_t *message, size_t len, uint8_t id[TLS_SESSION_BYTES])
{
	size_t behind = SESSION_AT + TLS_SESSION_BYTES;
	uint64_t key = body_key(body_key(0, message, SESSION_AT), message + behind, len - behind);

	body_fill(key, 0, id, TLS_SESSION_BYTES);
}

static void client_hello_message(struct vec *m, uint64_t key, const char *server_name, uint32_t message_bytes)
{
	size_t extensions;

	append_be(m, MESSAGE_CLIENT_HELLO, 1);
	append_be(m, 0, 3);
	append_be(m, VERSION_1_2, 2);
	vec_append(m, TLS_MARK, TLS_MARK_BYTES);
	append_seeded(m, key, TLS_RANDOM_BYTES - TLS_MARK_BYTES);
	append_be(m, TLS_SESSION_BYTES, 1);
	vec_append(m, NULL, TLS_SESSION_BYTES);
	append_be(m, 4, 2);
	append_be(m, CIPHER_AES_128_GCM, 2);
	append_be(m, CIPHER_CHACHA20, 2);
	append_be(m, 0x0100, 2); /* one compression method: none */
	extensions = m->len;
	append_be(m, 0, 2);
	extensions_client(m, key, server_name);
	if (m->len + EXTENSION_HEADER <= message_bytes) {
		size_t padding = message_bytes - m->len - EXTENSION_HEADER;

		append_be(m, EXTENSION_PADDING, 2);
		append_be(m, padding, 2);
		memset(vec_append(m, NULL, padding), 0, padding);
	}
	length_set(m, extensions, 2);
	length_set(m, 1, 3);
	session_fill(m->data, m->len, m->data + SESSION_AT);
}

static void session_take(struct tls_session *session, const uint8_t *message)
{
	memcpy(session->random, message + RANDOM_AT, TLS_RANDOM_BYTES);
	memcpy(session->id, message + SESSION_AT, TLS_SESSION_BYTES);
}

void tls_client_hello(struct vec *out, uint64_t key, const char *server_name, uint32_t records, uint32_t message_bytes,
		      struct tls_session *session)
{
	struct vec m = {0};
	size_t piece, least;

	client_hello_message(&m, key, server_name, message_bytes);
	session_take(session, m.data);
	least = (m.len + TLS_RECORD_MAX - 1) / TLS_RECORD_MAX;
	if (records < least)
		records = (uint32_t)least;
	piece = (m.len + records - 1) / records;
	for (size_t at = 0, n; at < m.len; at += n) {
		n = m.len - at < piece ? m.len - at : piece;
		tls_record(out, TLS_HANDSHAKE, m.data + at, n);
	}
	vec_fini(&m);
}

enum tls_hello_origin tls_hello_check(const uint8_t *message, size_t len, struct tls_session *session)
{
	uint8_t id[TLS_SESSION_BYTES];

	if (len < SESSION_AT + TLS_SESSION_BYTES || message[SESSION_AT - 1] != TLS_SESSION_BYTES ||
	    memcmp(message + RANDOM_AT, TLS_MARK, TLS_MARK_BYTES) != 0)
		return TLS_HELLO_FOREIGN;
	session_take(session, message);
	session_fill(message, len, id);
	return memcmp(id, session->id, TLS_SESSION_BYTES) ? TLS_HELLO_CORRUPTED : TLS_HELLO_OURS;
}

static void server_hello_message(struct vec *m, uint64_t key, const struct tls_session *session)
{
	size_t extensions;

	append_be(m, MESSAGE_SERVER_HELLO, 1);
	append_be(m, 0, 3);
	append_be(m, VERSION_1_2, 2);
	append_seeded(m, key, TLS_RANDOM_BYTES);
	append_be(m, TLS_SESSION_BYTES, 1);
	vec_append(m, session->id, TLS_SESSION_BYTES);
	append_be(m, CIPHER_AES_128_GCM, 2);
	append_be(m, 0, 1);
	extensions = m->len;
	append_be(m, 0, 2);
	append_be(m, EXTENSION_SUPPORTED_VERSIONS, 2);
	append_be(m, 2, 2);
	append_be(m, VERSION_1_3, 2);
	append_be(m, EXTENSION_KEY_SHARE, 2);
	append_be(m, KEY_SHARE_BYTES + 4, 2);
	append_be(m, GROUP_X25519, 2);
	append_be(m, KEY_SHARE_BYTES, 2);
	append_seeded(m, key, KEY_SHARE_BYTES);
	length_set(m, extensions, 2);
	length_set(m, 1, 3);
}

void tls_server_flight(struct vec *out, uint64_t seed, const struct tls_session *session)
{
	uint64_t key = session_key(seed, session, 's');
	struct vec m = {0};

	server_hello_message(&m, key, session);
	tls_record(out, TLS_HANDSHAKE, m.data, m.len);
	vec_fini(&m);
	tls_record(out, TLS_CHANGE_CIPHER_SPEC, "\1", 1);
	record_seeded(out, key, SERVER_FINISHED_BYTES);
}

void tls_client_flight(struct vec *out, uint64_t seed, const struct tls_session *session)
{
	tls_record(out, TLS_CHANGE_CIPHER_SPEC, "\1", 1);
	record_seeded(out, session_key(seed, session, 'c'), CLIENT_FINISHED_BYTES);
}

/* ---- requests ---- */

void tls_request_write(struct vec *out, const struct tls_request *q)
{
	append_header(out, TLS_APPLICATION_DATA, TLS_REQUEST_BYTES);
	vec_append(out, TLS_MARK, TLS_MARK_BYTES);
	append_be(out, q->key, 8);
	append_be(out, q->body_bytes, 8);
	append_be(out, q->reply_bytes, 8);
}

bool tls_request_read(const uint8_t bytes[TLS_REQUEST_BYTES], struct tls_request *q)
{
	struct reader r = reader_make(bytes + TLS_MARK_BYTES, TLS_REQUEST_BYTES - TLS_MARK_BYTES);

	q->key = reader_u64(&r);
	q->body_bytes = reader_u64(&r);
	q->reply_bytes = reader_u64(&r);
	return memcmp(bytes, TLS_MARK, TLS_MARK_BYTES) == 0;
}

uint64_t tls_reply_key(uint64_t seed, const struct tls_request *q)
{
	uint8_t name[sizeof q->key + 1];

	memcpy(name, &q->key, sizeof q->key);
	name[sizeof q->key] = 'r'; /* another than the body's */
	return body_key(seed, name, sizeof name);
}
