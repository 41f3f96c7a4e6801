/* SPDX-License-Identifier: BSD-3-Clause */
/* TLS framing with seeded content, for the applications that look like TLS. No cryptography: what would be encrypted is
 * a seeded stream instead (node/body.h), so that both ends can verify every byte and a dissector still sees records,
 * a ClientHello with its server name, and a handshake that looks like TLS 1.3. Not for secrets.
 *
 *   client  ClientHello: random = TLS_MARK and 24 seeded bytes, session id = a digest of the rest of the message
 *   server  ServerHello, change_cipher_spec, one record of application data (for EncryptedExtensions to Finished), all
 *           of it a function of the run's seed and the client's random
 *   client  change_cipher_spec, one record of application data (for Finished), likewise
 *   then for each request, in records of application data:
 *   client  32 bytes in a record of their own: TLS_MARK, key, length of the body and of the reply, network byte order;
 *           then the body, the stream of that key
 *   server  the reply, the stream of tls_reply_key
 *   client  close_notify, then its FIN
 *
 * Callers: node/client_tls.c, node/app_tls.c. */
#ifndef BATON_NODE_TLS_H
#define BATON_NODE_TLS_H

#include "base/vec.h"
#include "lb/hello.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TLS_MARK          "baton-t1"
#define TLS_MARK_BYTES    8U
#define TLS_RANDOM_BYTES  32U
#define TLS_SESSION_BYTES 32U
#define TLS_REQUEST_BYTES 32U
#define TLS_ALERT_BYTES   2U
#define TLS_RECORD_HEADER HELLO_RECORD_HEADER
#define TLS_RECORD_MAX    HELLO_RECORD_MAX

#define TLS_HELLO_BYTES_MAX   49152U /* of a ClientHello message; fits any window */
#define TLS_HELLO_RECORDS_MAX 1024U

enum tls_content { TLS_CHANGE_CIPHER_SPEC = 20, TLS_ALERT, TLS_HANDSHAKE, TLS_APPLICATION_DATA };

/* Reads records off a stream. Zero-initialised is at the start. */
struct tls_reader {
	uint8_t header[TLS_RECORD_HEADER];
	uint8_t header_bytes;
	uint16_t left; /* bytes of the fragment still to come */
};

/* A part of a fragment. */
struct tls_piece {
	enum tls_content type;
	const uint8_t *bytes;
	size_t len; /* 0: only a header was read */
	bool first; /* the fragment begins here */
	bool last;  /* and ends here */
};

/* Takes the front of the bytes: (part of) a header, or what is there of one fragment. Returns how many bytes it took
 * (at least one when there are any), or E_FORMAT for what is no record. */
long tls_read(struct tls_reader *r, const uint8_t *bytes, size_t len, struct tls_piece *piece);

/* Writes a record's header; returns its length. */
size_t tls_record_header(void *out, enum tls_content type, size_t len);

/* Appends a record; at most TLS_RECORD_MAX bytes. */
void tls_record(struct vec *out, enum tls_content type, const void *bytes, size_t len);

/* Appends an alert record: fatal, but for close_notify. */
void tls_alert(struct vec *out, enum hello_alert alert);

/* What names a connection to both ends; out of its ClientHello. */
struct tls_session {
	uint8_t random[TLS_RANDOM_BYTES], id[TLS_SESSION_BYTES];
};

/* Appends a ClientHello in so many records (cut evenly; fewer when it has fewer bytes). `message_bytes` is what the
 * message is padded to at least (RFC 7685; 0: no padding). `server_name` may be NULL. */
void tls_client_hello(struct vec *out, uint64_t key, const char *server_name, uint32_t records, uint32_t message_bytes,
		      struct tls_session *session);

enum tls_hello_origin {
	TLS_HELLO_OURS,    /* whole, and made by tls_client_hello */
	TLS_HELLO_FOREIGN, /* not made by it */
	TLS_HELLO_CORRUPTED
};

/* Looks at a whole ClientHello message, its handshake header included. */
enum tls_hello_origin tls_hello_check(const uint8_t *message, size_t len, struct tls_session *session);

/* Appends what server and client send behind the ClientHello. */
void tls_server_flight(struct vec *out, uint64_t seed, const struct tls_session *session);
void tls_client_flight(struct vec *out, uint64_t seed, const struct tls_session *session);

struct tls_request {
	uint64_t key, body_bytes, reply_bytes;
};

/* Appends a request's record; reads the 32 bytes in it (false: it is none). */
void tls_request_write(struct vec *out, const struct tls_request *q);
bool tls_request_read(const uint8_t bytes[TLS_REQUEST_BYTES], struct tls_request *q);

/* The stream that the reply to a request is. */
uint64_t tls_reply_key(uint64_t seed, const struct tls_request *q);

#endif
