/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/replay_stream.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

void replay_stream_fini(struct replay_stream *s)
{
	struct replay_piece *p;

	while ((p = s->pieces)) {
		s->pieces = p->next;
		free(p);
	}
	s->pieces_count = 0;
	s->pieces_bytes = 0;
}

int64_t replay_stream_place(const struct replay_stream *s, uint32_t seq)
{
	return (int64_t)s->edge + (int32_t)(seq - (s->isn + 1 + (uint32_t)s->edge));
}

static void edge_move(struct replay_stream *s, const uint8_t *bytes, size_t len, replay_stream_take take, void *context)
{
	s->edge += len;
	take(context, bytes, len, s->mark);
}

/* Whether bytes at a place are not those of pieces that are there. */
static bool pieces_differ(const struct replay_stream *s, uint64_t at, const uint8_t *bytes, size_t len)
{
	for (const struct replay_piece *p = s->pieces; p && p->at < at + len; p = p->next) {
		uint64_t from = p->at > at ? p->at : at, to = p->at + p->len < at + len ? p->at + p->len : at + len;

		if (from < to && memcmp(p->bytes + (from - p->at), bytes + (from - at), (size_t)(to - from)))
			return true;
	}
	return false;
}

/* Pieces that the edge has reached. */
static void pieces_join(struct replay_stream *s, replay_stream_take take, void *context)
{
	struct replay_piece *p;

	while ((p = s->pieces) && p->at <= s->edge) {
		uint64_t known = s->edge - p->at;

		s->pieces = p->next;
		s->pieces_count--;
		s->pieces_bytes -= p->len;
		if (known < p->len) {
			s->mark = p->mark;
			edge_move(s, p->bytes + known, p->len - (size_t)known, take, context);
		}
		free(p);
	}
}

static bool piece_keep(struct replay_stream *s, uint64_t at, const uint8_t *bytes, size_t len, uint64_t mark)
{
	struct replay_piece **link = &s->pieces, *p;

	if (s->pieces_count == REPLAY_PIECES_MAX || len > REPLAY_PIECE_BYTES_MAX - s->pieces_bytes)
		return false;
	while (*link && (*link)->at <= at) {
		if ((*link)->at + (*link)->len >= at + len)
			return true; /* it is there */
		link = &(*link)->next;
	}
	p = malloc(sizeof(*p) + len);
	if (!p)
		log_fatal("out of memory: a captured segment");
	*p = (struct replay_piece){.next = *link, .at = at, .mark = mark, .len = len};
	memcpy(p->bytes, bytes, len);
	*link = p;
	s->pieces_count++;
	s->pieces_bytes += len;
	return true;
}

bool replay_stream_put(struct replay_stream *s, int64_t at, const uint8_t *bytes, size_t len, uint64_t mark,
		       replay_stream_take take, void *context)
{
	int64_t known = (int64_t)s->edge - at;

	if (!len || known >= (int64_t)len)
		return true;
	if (s->pieces)
		s->differing += pieces_differ(s, at < 0 ? 0 : (uint64_t)at, bytes + (at < 0 ? -at : 0),
					      len - (size_t)(at < 0 ? -at : 0));
	if (known < 0)
		return piece_keep(s, (uint64_t)at, bytes, len, mark);
	s->mark = mark;
	edge_move(s, bytes + known, len - (size_t)known, take, context);
	pieces_join(s, take, context);
	return true;
}

void replay_stream_fin(struct replay_stream *s, int64_t at, uint64_t mark)
{
	if (s->fin || at < 0)
		return;
	s->fin = true;
	s->fin_at = (uint64_t)at;
	s->fin_mark = mark;
}

bool replay_stream_fin_find(struct replay_stream *s)
{
	if (s->fin || s->pieces || s->acked != s->edge + 1)
		return false;
	replay_stream_fin(s, (int64_t)s->edge, s->acked_mark);
	s->fin_lacking = true;
	return true;
}

uint64_t replay_stream_gap(const struct replay_stream *s)
{
	uint64_t end = s->acked;

	if (s->fin && end > s->fin_at)
		end = s->fin_at;
	if (s->pieces && s->pieces->at < end)
		end = s->pieces->at;
	return end > s->edge ? end - s->edge : 0;
}

bool replay_stream_fill(struct replay_stream *s, replay_stream_take take, void *context)
{
	uint64_t gap = replay_stream_gap(s);

	if (!gap)
		return false;
	s->lacking += gap;
	edge_move(s, NULL, (size_t)gap, take, context);
	pieces_join(s, take, context);
	return true;
}
