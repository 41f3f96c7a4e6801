/* SPDX-License-Identifier: BSD-3-Clause */
/* A queue of bytes that grows: put in behind, looked at and taken in front. Zero-initialised is empty. Callers: who
 * keeps a stream until somebody has read it. */
#ifndef BATON_BASE_RING_H
#define BATON_BASE_RING_H

#include <stddef.h>
#include <stdint.h>

struct ring {
	uint8_t *bytes;
	size_t start, len, capacity; /* capacity is a power of two, or 0 */
};

void ring_fini(struct ring *r);

/* Appends n bytes; running out of memory ends the process. `p` NULL: zeroes. */
void ring_put(struct ring *r, const void *p, size_t n);

/* The bytes that lie contiguous from `offset` on; *len 0 when there are none. Good until the next call that changes
 * r. */
const uint8_t *ring_peek(const struct ring *r, size_t offset, size_t *len);

/* Takes n bytes away in front; an empty ring holds no memory. Precondition: n <= r->len. */
void ring_take(struct ring *r, size_t n);

#endif
