/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/ring.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define RING_FIRST 4096U /* bytes of the first growth */

void ring_fini(struct ring *r)
{
	free(r->bytes);
	*r = (struct ring){0};
}

static void ring_grow(struct ring *r, size_t n)
{
	size_t capacity = r->capacity ? r->capacity : RING_FIRST, first;
	uint8_t *bytes;

	while (capacity - r->len < n)
		capacity *= 2;
	if (capacity == r->capacity)
		return;
	bytes = malloc(capacity);
	if (!bytes)
		log_fatal("out of memory: %zu bytes of a stream", capacity);
	first = r->capacity - r->start < r->len ? r->capacity - r->start : r->len;
	if (r->len) {
		memcpy(bytes, r->bytes + r->start, first);
		memcpy(bytes + first, r->bytes, r->len - first);
	}
	free(r->bytes);
	r->bytes = bytes;
	r->capacity = capacity;
	r->start = 0;
}

void ring_put(struct ring *r, const void *p, size_t n)
{
	if (!n)
		return;
	ring_grow(r, n);
	size_t at = (r->start + r->len) & (r->capacity - 1), first = r->capacity - at < n ? r->capacity - at : n;

	if (p) {
		memcpy(r->bytes + at, p, first);
		memcpy(r->bytes, (const uint8_t *)p + first, n - first);
	} else {
		memset(r->bytes + at, 0, first);
		memset(r->bytes, 0, n - first);
	}
	r->len += n;
}

const uint8_t *ring_peek(const struct ring *r, size_t offset, size_t *len)
{
	*len = 0;
	if (offset >= r->len)
		return NULL;
	size_t at = (r->start + offset) & (r->capacity - 1), left = r->len - offset;

	*len = r->capacity - at < left ? r->capacity - at : left;
	return r->bytes + at;
}

void ring_take(struct ring *r, size_t n)
{
	assert(n <= r->len);
	if (!n)
		return;
	r->len -= n;
	r->start = (r->start + n) & (r->capacity - 1);
	if (!r->len)
		ring_fini(r);
}
