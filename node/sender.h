/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends one message over a socket as its buffer has room: a head, then a seeded body (node/body.h), plain, in HTTP
 * chunks or in TLS records. Keeps no copy of what it sends. Callers: the applications. */
#ifndef BATON_NODE_SENDER_H
#define BATON_NODE_SENDER_H

#include "base/cursor.h"
#include "stack/socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENDER_CHUNK_BYTES 8192U /* of an HTTP chunk */

enum sender_framing {
	SENDER_PLAIN,
	SENDER_CHUNKED, /* RFC 9112 section 7.1 */
	SENDER_RECORDS, /* of TLS application data, node/tls.h */
};

/* The owner sets the first group (the rest zero) and reads `offset`. */
struct sender {
	const void *head; /* borrowed until sent */
	size_t head_bytes;
	uint64_t key, total; /* the body: its stream and length */
	enum sender_framing framing;
	uint64_t piece_bytes; /* that a call sends at most; 0: what fits */
	bool stops;           /* before the body's byte `stop`, until the owner moves that on */
	uint64_t stop;

	uint64_t offset;     /* bytes of the body that the stack took */
	uint64_t piece_left; /* of the last call: 0 when it sent a whole piece */
	size_t head_sent;
	uint64_t chunk_end; /* framed: where the chunk or record being sent ends */
	char frame[24];     /* framed: what stands between them */
	uint8_t frame_bytes, frame_sent;
	bool last; /* framed: the frame is the last one */
};

/* Queues what fits. 0 when all was queued (and again after that), E_AGAIN when more is left: call again when the socket
 * is writable, or `stop` was moved; otherwise the error of sock_send. The caller flushes. */
int sender_run(struct sender *s, struct sock *k);

/* How far it is, for another that goes on with the same message: what is left of the head and of a frame, and the
 * body's place. sender_restore takes it out of `r` and copies the head to `head`, of `room` bytes (borrowed, as above);
 * false when it is malformed. With `s` NULL it is only looked at. */
void sender_save(const struct sender *s, struct vec *out);
bool sender_restore(struct sender *s, struct reader *r, void *head, size_t room);

#endif
