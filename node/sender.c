/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/sender.h"

#include "base/err.h"
#include "node/body.h"
#include "node/tls.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

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

#define SAVED_BYTES 34U /* of sender_save, without head and frame */

static void text_save(struct vec *out, const void *text, size_t len)
{
	uint8_t n = (uint8_t)len;

	vec_append(out, &n, 1);
	vec_append(out, text, len);
}

void sender_save(const struct sender *s, struct vec *out)
{
	size_t head_left = s->head_bytes - s->head_sent;
	uint8_t saved[SAVED_BYTES];
	struct writer w = writer_make(saved, sizeof saved);

	assert(head_left <= UINT8_MAX);
	writer_u8(&w, (uint8_t)s->framing);
	writer_u8(&w, s->last);
	writer_u64(&w, s->key);
	writer_u64(&w, s->total);
	writer_u64(&w, s->offset);
	writer_u64(&w, s->chunk_end);
	vec_append(out, saved, sizeof saved);
	text_save(out, head_left ? (const char *)s->head + s->head_sent : "", head_left);
	text_save(out, s->frame + s->frame_sent, (size_t)(s->frame_bytes - s->frame_sent));
}

/* The text that text_save wrote, if it fits into `room` bytes. */
static const uint8_t *text_restore(struct reader *r, size_t room, size_t *len)
{
	*len = reader_u8(r);
	if (*len > room)
		r->bad = true;
	return reader_bytes(r, *len);
}

bool sender_restore(struct sender *s, struct reader *r, void *head, size_t room)
{
	struct sender saved = {.framing = (enum sender_framing)reader_u8(r)};
	uint8_t last = reader_u8(r);
	const uint8_t *head_left, *frame;
	size_t frame_bytes;

	saved.last = last;
	saved.key = reader_u64(r);
	saved.total = reader_u64(r);
	saved.offset = reader_u64(r);
	saved.chunk_end = reader_u64(r);
	head_left = text_restore(r, room, &saved.head_bytes);
	frame = text_restore(r, sizeof saved.frame, &frame_bytes);
	if (r->bad || saved.framing > SENDER_RECORDS || last > 1 || saved.offset > saved.total ||
	    (saved.framing && (saved.chunk_end > saved.total || saved.chunk_end < saved.offset)))
		return false;
	if (!s)
		return true;
	if (saved.head_bytes)
		memcpy(head, head_left, saved.head_bytes);
	saved.head = head;
	memcpy(saved.frame, frame, frame_bytes);
	saved.frame_bytes = (uint8_t)frame_bytes;
	*s = saved;
	return true;
}
