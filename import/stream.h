/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of one direction of a captured TCP connection, in order and once each: what came twice is dropped, what
 * came early waits, and what the capture lacks (cut by a snap length, or never seen though it was acknowledged) is told
 * as so many missing bytes. At most STREAM_WAITING_MAX bytes of a direction wait, and STREAM_TOTAL_MAX of all that
 * share a count; then what is missing before them is given up. Caller: import/import. */
#ifndef BATON_IMPORT_STREAM_H
#define BATON_IMPORT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_WAITING_MAX (256U << 10)
#define STREAM_TOTAL_MAX   (64U << 20)
#define STREAM_PATIENCE    32U /* packets that come behind an acknowledgement before what it covers is given up */

struct stream_piece;

struct stream {
	struct stream_piece *first; /* by number; none overlaps */
	struct stream_piece *given; /* the one that stream_next gave last */
	size_t waiting;             /* bytes of memory */
	size_t *total;              /* of all streams */
	uint64_t next;              /* number of the next byte, 64 bits wide */
	uint64_t acked;             /* what is below that arrived, whether it was seen or not */
	uint64_t edge;              /* number behind the last byte that was seen or acknowledged */
	uint64_t fin;               /* number behind the last byte; 0: not known */
	uint32_t stale;             /* packets since something below `acked` is missing */
	bool begun, ended;
};

/* Bytes as they come; NULL: `len` that are missing. Good until the next call. */
struct stream_chunk {
	const uint8_t *bytes;
	uint64_t len;
};

/* `total`, which begins as 0, outlives the stream. */
void stream_init(struct stream *s, size_t *total);
void stream_fini(struct stream *s);

/* The number of the first byte, from a SYN. Without it the first segment begins. */
void stream_begin(struct stream *s, uint32_t seq);

/* A segment of `len` bytes, of which `captured` are at `bytes`. */
void stream_data(struct stream *s, uint32_t seq, const uint8_t *bytes, uint32_t captured, uint32_t len);

/* The sender's FIN has this number. */
void stream_fin(struct stream *s, uint32_t seq);

/* The receiver has everything before this number. */
void stream_ack(struct stream *s, uint32_t ack);

/* No more will come: what is missing is given up. */
void stream_end(struct stream *s);

/* The next bytes; false when there are none yet. */
bool stream_next(struct stream *s, struct stream_chunk *c);

#endif
