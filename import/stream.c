/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/stream.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define AHEAD_MAX (16U << 20) /* bytes; what is further ahead of all before is no byte of this connection */

struct stream_piece {
	struct stream_piece *next;
	uint64_t start, end;
	uint32_t captured; /* bytes at the begin */
	uint8_t bytes[];
};

void stream_init(struct stream *s, size_t *total)
{
	*s = (struct stream){.total = total};
}

static void waiting_add(struct stream *s, size_t bytes)
{
	s->waiting += bytes;
	*s->total += bytes;
}

static void waiting_subtract(struct stream *s, size_t bytes)
{
	s->waiting -= bytes;
	*s->total -= bytes;
}

void stream_fini(struct stream *s)
{
	while (s->first) {
		struct stream_piece *p = s->first;

		s->first = p->next;
		free(p);
	}
	free(s->given);
	if (s->total)
		waiting_subtract(s, s->waiting);
	*s = (struct stream){0};
}

void stream_begin(struct stream *s, uint32_t seq)
{
	if (s->begun)
		return;
	s->begun = true;
	s->next = s->acked = s->edge = (UINT64_C(1) << 32) + seq;
}

static uint64_t widen(const struct stream *s, uint32_t seq)
{
	return s->next + (uint64_t)(int64_t)(int32_t)(seq - (uint32_t)s->next);
}

/* Something of the connection reaches to `end`. False: not of this one, by its number. */
static bool edge_move(struct stream *s, uint64_t end)
{
	if (end > s->edge + AHEAD_MAX)
		return false;
	if (end > s->edge)
		s->edge = end;
	return true;
}

/* Puts bytes [start, end) of a segment that began at `seq` into the list behind *link. */
static void piece_add(struct stream *s, struct stream_piece **link, uint64_t start, uint64_t end, uint64_t seq,
		      const uint8_t *bytes, uint32_t captured)
{
	uint64_t skipped = start - seq, len = end - start;
	uint64_t there = captured > skipped ? captured - skipped : 0;
	struct stream_piece *p;

	if (there > len)
		there = len;
	p = malloc(sizeof(*p) + there);
	if (!p)
		log_fatal("out of memory: the bytes of a captured connection");
	*p = (struct stream_piece){.next = *link, .start = start, .end = end, .captured = (uint32_t)there};
	if (there)
		memcpy(p->bytes, bytes + skipped, there);
	*link = p;
	waiting_add(s, sizeof(*p) + there);
}

void stream_data(struct stream *s, uint32_t seq32, const uint8_t *bytes, uint32_t captured, uint32_t len)
{
	struct stream_piece **link = &s->first;
	uint64_t seq, at, end;

	if (!s->begun)
		stream_begin(s, seq32);
	seq = widen(s, seq32);
	end = seq + len;
	if (!edge_move(s, end))
		return;
	at = seq > s->next ? seq : s->next;
	/* Into each gap of the list that the segment covers a part of. */
	while (at < end) {
		while (*link && (*link)->end <= at)
			link = &(*link)->next;
		uint64_t stop = *link && (*link)->start < end ? (*link)->start : end;

		if (at < stop)
			piece_add(s, link, at, stop, seq, bytes, captured);
		at = *link && (*link)->end > stop ? (*link)->end : stop;
	}
	s->stale += s->next < s->acked;
}

void stream_ack(struct stream *s, uint32_t ack32)
{
	uint64_t ack;

	if (!s->begun)
		return;
	ack = widen(s, ack32);
	if (!edge_move(s, ack))
		return;
	if (s->fin && ack > s->fin)
		ack = s->fin;
	if (ack > s->acked)
		s->acked = ack;
	s->stale += s->next < s->acked;
}

void stream_fin(struct stream *s, uint32_t seq)
{
	if (!s->begun || s->fin)
		return;
	s->fin = widen(s, seq);
	if (s->acked > s->fin)
		s->acked = s->fin;
}

void stream_end(struct stream *s)
{
	s->ended = true;
}

/* How many bytes to give up, 0: none. */
static uint64_t missing(const struct stream *s)
{
	const struct stream_piece *p = s->first;

	if (p && p->start == s->next)
		return 0;
	if (p && (s->waiting > STREAM_WAITING_MAX || *s->total > STREAM_TOTAL_MAX))
		return p->start - s->next;
	if (!s->ended && s->stale <= STREAM_PATIENCE)
		return 0;
	if (p)
		return p->start - s->next;
	/* One number may be that of a FIN that was not seen. */
	return s->acked > s->next + !s->fin ? s->acked - s->next : 0;
}

bool stream_next(struct stream *s, struct stream_chunk *c)
{
	struct stream_piece *p = s->first;
	uint64_t lost;

	free(s->given);
	s->given = NULL;
	if (!s->begun)
		return false;
	lost = missing(s);
	if (lost) {
		*c = (struct stream_chunk){.len = lost};
		s->next += lost;
		s->stale = 0;
		return true;
	}
	if (!p || p->start != s->next) {
		if (s->next >= s->acked)
			s->stale = 0;
		return false;
	}
	if (!p->captured) {
		*c = (struct stream_chunk){.len = p->end - p->start};
		s->next = p->end;
		s->first = p->next;
		s->given = p;
		waiting_subtract(s, sizeof(*p));
		return true;
	}
	*c = (struct stream_chunk){.bytes = p->bytes, .len = p->captured};
	s->next += p->captured;
	waiting_subtract(s, p->captured);
	if (s->next < p->end) { /* the rest was cut off: a piece without bytes */
		p->start = s->next;
		p->captured = 0;
		return true;
	}
	s->first = p->next;
	s->given = p;
	waiting_subtract(s, sizeof(*p));
	return true;
}
