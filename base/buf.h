/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers: what travels between stacks, balancer and links.
 *
 * A buffer has one owner; passing a pointer to an `_input` call passes ownership. `data` points at the first
 * byte that counts (an Ethernet frame on a link, an IP packet inside the balancer), with headroom before it, so that
 * a header is added or taken off by moving a pointer. Buffers of up to BUF_ROOM bytes come from a free list.
 * The process is single-threaded; so is this. */
#ifndef BATON_BASE_BUF_H
#define BATON_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUF_HEADROOM 64U   /* bytes before data in a new buffer */
#define BUF_ROOM     1984U /* bytes from data on that a pooled buffer has */

#define BUF_LARGE_ROOM 65568U /* the same of a large buffer: a frame of the longest IP packet, and a little */
#define BUF_LARGE_KEPT 64U    /* large buffers that nobody holds and that are kept for the next (4 MB) */

struct buf {
	struct buf *next;       /* the owner's queue */
	uint8_t *data;          /* first byte that counts */
	uint32_t len;           /* bytes that count */
	uint32_t capacity;      /* bytes of storage in all */
	uint64_t mark;          /* the owner's: the engine stores a frame's due time or order here */
	uint64_t mark2;         /* the owner's */
	uint32_t corrupted;     /* 1 + the bit of its IP packet that a link flipped last; 0: none did */
	uint16_t segment_bytes; /* of a TCP packet that stands for several: text of each but the last; else 0 */
	bool alone;             /* not to be joined with others: of those that went with it, some may have been lost */
	bool checksum_good;     /* its TCP checksum is known to be good, but for what `corrupted` says */
	_Alignas(16) uint8_t opaque[64]; /* room for the header a stack wraps round the buffer (a pbuf_custom) */
	_Alignas(16) uint8_t storage[];
};

/* FIFO of buffers; owns what it holds. Zero-initialised is empty. */
struct buf_queue {
	struct buf *head, *tail;
	uint32_t count; /* buffers */
	uint32_t bytes; /* sum of their len */
};

/* A buffer with BUF_HEADROOM before data and at least `room` bytes from data on; len is 0. Memory is not cleared.
 * Never NULL: running out of memory ends the process (every queue above is bounded, so it means a bug or a tiny
 * machine). */
struct buf *buf_alloc(uint32_t room);

/* The same with room for BUF_LARGE_ROOM bytes, from a small pool of such buffers. */
struct buf *buf_alloc_large(void);

/* A copy with the same data bytes, marks, corruption, segments and headroom of at least BUF_HEADROOM. */
struct buf *buf_clone(const struct buf *b);

/* Gives the buffer back. NULL is allowed. */
void buf_free(struct buf *b);

/* Bytes free before data. */
static inline uint32_t buf_headroom(const struct buf *b)
{
	return (uint32_t)(b->data - b->storage);
}

/* Moves data `n` bytes forward (drop a header). Precondition: n <= len. */
static inline void buf_pull(struct buf *b, uint32_t n)
{
	b->data += n;
	b->len -= n;
}

/* Moves data `n` bytes back (room for a header). Precondition: n <= buf_headroom(b). */
static inline uint8_t *buf_push(struct buf *b, uint32_t n)
{
	b->data -= n;
	b->len += n;
	return b->data;
}

/* Adds to the tail; takes ownership. */
static inline void buf_queue_put(struct buf_queue *q, struct buf *b)
{
	b->next = NULL;
	if (q->tail)
		q->tail->next = b;
	else
		q->head = b;
	q->tail = b;
	q->count++;
	q->bytes += b->len;
}

/* Takes from the head and gives ownership; NULL when empty. A queued buffer's len must not change. */
static inline struct buf *buf_queue_get(struct buf_queue *q)
{
	struct buf *b = q->head;
	if (!b)
		return NULL;
	q->head = b->next;
	if (!q->head)
		q->tail = NULL;
	q->count--;
	q->bytes -= b->len;
	b->next = NULL;
	return b;
}

/* Frees all that is queued. */
void buf_queue_clear(struct buf_queue *q);

/* Buffers allocated and not yet freed in this process (invariant I5). */
uint64_t buf_outstanding(void);

#endif
