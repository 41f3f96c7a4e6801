/* SPDX-License-Identifier: BSD-3-Clause */
/* Sends one message over a socket as its buffer has room: a head, then a seeded body (node/body.h), plain or in HTTP
 * chunks. Keeps no copy of what it sends. Callers: the applications. */
#ifndef BATON_NODE_SENDER_H
#define BATON_NODE_SENDER_H

#include "stack/socket.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENDER_CHUNK_BYTES 8192U /* of an HTTP chunk */

/* The owner sets the first group (the rest zero) and reads `offset`. */
struct sender {
	const void *head; /* borrowed until sent */
	size_t head_bytes;
	uint64_t key, total; /* the body: its stream and length */
	bool chunked;
	bool stops; /* before the body's byte `stop`, until the owner moves that on */
	uint64_t stop;

	uint64_t offset; /* bytes of the body that the stack took */
	size_t head_sent;
	uint64_t chunk_end; /* chunked: where the chunk being sent ends */
	char frame[24];     /* chunked: what stands between chunks */
	uint8_t frame_bytes, frame_sent;
	bool last; /* chunked: the frame is the last one */
};

/* Queues what fits. 0 when all was queued (and again after that), E_AGAIN when more is left: call again when the socket
 * is writable, or `stop` was moved; otherwise the error of sock_send. The caller flushes. */
int sender_run(struct sender *s, struct sock *k);

#endif
