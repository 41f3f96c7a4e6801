/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/sender.h"

#include "base/err.h"
#include "node/body.h"
#include "node/tls.h"

#include <stdio.h>

/* Made at a time: little is made twice when the socket takes less, and it stays in the first-level cache. */
#define PIECE_BYTES 4096U

/* *sent counts what was taken of `bytes`; 0 when that is all. */
static int send_bytes(struct sender *s, struct sock *k, const void *bytes, size_t len, size_t *sent)
{
	while (*sent < len) {
		size_t left = len - *sent;
		long n;

		if (left > s->piece_left)
			left = (size_t)s->piece_left;
		n = left ? sock_send(k, (const uint8_t *)bytes + *sent, left) : 0;
		if (n <= 0)
			return n < 0 ? (int)n : E_AGAIN;
		*sent += (size_t)n;
		s->piece_left -= (uint64_t)n;
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

		if (len > s->piece_left)
			len = (size_t)s->piece_left + 1; /* one more, for send_bytes to see that there is more */
		body_fill(s->key, s->offset, piece, len);
		err = send_bytes(s, k, piece, len, &sent);
		s->offset += sent;
		if (err)
			return err;
	}
	return stops ? E_AGAIN : 0;
}

/* What ends the chunk sent last, if any, and begins the next. */
static void frame_next(struct sender *s)
{
	uint64_t left = s->total - s->offset, most = SENDER_CHUNK_BYTES;

	if (s->framing == SENDER_RECORDS)
		most = TLS_RECORD_MAX;
	s->last = left == 0;
	if (left > most)
		left = most;
	s->frame_sent = 0;
	if (s->framing == SENDER_CHUNKED)
		s->frame_bytes = (uint8_t)snprintf(s->frame, sizeof s->frame, s->last ? "%s%llx\r\n\r\n" : "%s%llx\r\n",
						   s->chunk_end ? "\r\n" : "", (unsigned long long)left);
	else
		s->frame_bytes = s->last ? 0 : (uint8_t)tls_record_header(s->frame, TLS_APPLICATION_DATA, (size_t)left);
	s->chunk_end = s->offset + left;
}

int sender_run(struct sender *s, struct sock *k)
{
	int err;

	s->piece_left = s->piece_bytes ? s->piece_bytes : UINT64_MAX;
	err = send_bytes(s, k, s->head, s->head_bytes, &s->head_sent);
	if (err)
		return err;
	if (s->framing == SENDER_PLAIN)
		return send_body(s, k, s->total);
	for (;;) {
		size_t sent = s->frame_sent;

		err = send_bytes(s, k, s->frame, s->frame_bytes, &sent);
		s->frame_sent = (uint8_t)sent;
		if (!err)
			err = send_body(s, k, s->chunk_end);
		if (err || s->last)
			return err;
		frame_next(s);
	}
}
