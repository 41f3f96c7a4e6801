/* SPDX-License-Identifier: BSD-3-Clause */
/* One direction of a captured connection: its segments, in whatever order and however often, become one stream of
 * bytes. Places in it are offsets of 64 bits; 0 is the byte behind the SYN, the SYN itself is -1. Where copies of a
 * byte differ, that counts which was at the edge first. What comes too early is kept, within bounds. It knows no live
 * connection. Caller: sim/replay_conn. */
#ifndef BATON_SIM_REPLAY_STREAM_H
#define BATON_SIM_REPLAY_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_PIECES_MAX      1024U          /* segments that came too early */
#define REPLAY_PIECE_BYTES_MAX (1024U * 1024) /* of them together */
#define REPLAY_GAP_MAX         (1024 * 1024)  /* bytes that a capture may lack in one place */

struct replay_piece {
	struct replay_piece *next;
	uint64_t at, mark;
	size_t len;
	uint8_t bytes[];
};

/* Zero-initialised: nothing is known. */
struct replay_stream {
	bool known;       /* isn is */
	bool fin;         /* a FIN was seen, its place is fin_at */
	bool fin_lacking; /* or only acknowledged */
	uint32_t isn;
	uint64_t edge; /* bytes that are there without a gap */
	uint64_t fin_at, fin_mark;
	uint64_t acked;              /* the highest place that the peer acknowledged; a FIN counts as one */
	uint64_t acked_mark;         /* of the segment that is acknowledged with it, as far as can be told */
	uint64_t window_edge;        /* up to where the peer's window let it send */
	struct replay_piece *pieces; /* beyond the edge, in order */
	unsigned pieces_count;
	size_t pieces_bytes;
	uint64_t mark;      /* of the last bytes taken */
	uint64_t lacking;   /* bytes that the capture lacks */
	uint64_t differing; /* segments whose bytes were there before, and other ones */
};

/* Takes the stream's next bytes; NULL: zeroes, for what the capture lacks. `mark` is that of the segment they came
 * with, or where they did not come, of those before them. */
typedef void (*replay_stream_take)(void *context, const uint8_t *bytes, size_t len, uint64_t mark);

void replay_stream_fini(struct replay_stream *s);

/* The place of a sequence number: the nearest one to the edge. Precondition: s->known. */
int64_t replay_stream_place(const struct replay_stream *s, uint32_t seq);

/* A segment's bytes at a place, which may be before 0. Tells `take` of what follows the edge now. False when they came
 * too early and there was no room. */
bool replay_stream_put(struct replay_stream *s, int64_t at, const uint8_t *bytes, size_t len, uint64_t mark,
		       replay_stream_take take, void *context);

/* The end of the stream is at this place, with the mark of the segment that says so. */
void replay_stream_fin(struct replay_stream *s, int64_t at, uint64_t mark);

/* Nothing follows any more: where one more than the bytes was acknowledged, that was the FIN. True when it was. */
bool replay_stream_fin_find(struct replay_stream *s);

/* Whether all up to and with the FIN is there. */
static inline bool replay_stream_ended(const struct replay_stream *s)
{
	return s->fin && s->edge >= s->fin_at;
}

/* Bytes that the peer acknowledged and the capture lacks so far, up to the first that it has again. */
uint64_t replay_stream_gap(const struct replay_stream *s);

/* Puts zeroes into that gap. False: there is none. */
bool replay_stream_fill(struct replay_stream *s, replay_stream_take take, void *context);

#endif
