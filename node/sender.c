/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/sender.h"

#include "base/err.h"
#include "node/body.h"

#include <stdio.h>

/* Made at a time: little is made twice when the socket takes less, and it stays in the first-level cache. */
#define PIECE_BYTES 4096U

/* *sent counts what was taken of `bytes`; 0 when that is all. */
static int send_bytes(struct sock *k, const void *bytes, size_t len, size_t *sent)
{
	while (*sent < len) {
		long n = sock_send(k, (const uint8_t *)bytes + *sent, len - *sent);

		if (n <= 0)
			return n < 0 ? (int)n : E_AGAIN;
		*sent += (size_t)n;
	}
	return 0;
}

static int send_body(struct sender *s, struct sock *k, uint64_t end)
{
	uint8_t piece[PIECE_BYTES];
	bool stops = s->stops && s->stop < end;

	if (stops)
		end = s->stop;
	while (s->offset < end) {
		size_t len = end - s->offset < sizeof piece ? (size_t)(end - s->offset) : sizeof piece, sent = 0;
		int err;

		body_fill(s->key, s->offset, piece, len);
		err = send_bytes(k, piece, len, &sent);
		s->offset += sent;
		if (err)
			return err;
	}
	return stops ? E_AGAIN : 0;
}

/* What ends the chunk sent last, if any, and begins the next (RFC 9112 section 7.1). */
static void frame_next(struct sender *s)
{
	const char *end = s->chunk_end ? "\r\n" : "";
	uint64_t left = s->total - s->offset;
	int n;

	s->last = left == 0;
	if (left > SENDER_CHUNK_BYTES)
		left = SENDER_CHUNK_BYTES;
	s->chunk_end = s->offset + left;
	n = snprintf(s->frame, sizeof s->frame, s->last ? "%s%llx\r\n\r\n" : "%s%llx\r\n", end,
		     (unsigned long long)left);
	s->frame_bytes = (uint8_t)n;
	s->frame_sent = 0;
}

int sender_run(struct sender *s, struct sock *k)
{
	int err = send_bytes(k, s->head, s->head_bytes, &s->head_sent);

	if (err)
		return err;
	if (!s->chunked)
		return send_body(s, k, s->total);
	for (;;) {
		size_t sent = s->frame_sent;

		err = send_bytes(k, s->frame, s->frame_bytes, &sent);
		s->frame_sent = (uint8_t)sent;
		if (!err)
			err = send_body(s, k, s->chunk_end);
		if (err || s->last)
			return err;
		frame_next(s);
	}
}
