/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/buf.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BUF_POISON 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define BUF_POISON 1
#endif

#ifdef BUF_POISON
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(p, n)   ((void)(p), (void)(n))
#define ASAN_UNPOISON_MEMORY_REGION(p, n) ((void)(p), (void)(n))
#endif

#define POOLED_CAPACITY (BUF_HEADROOM + BUF_ROOM)
#define LARGE_CAPACITY  (BUF_HEADROOM + BUF_LARGE_ROOM)

/* Buffers of POOLED_CAPACITY that nobody holds, linked by `next`, the one member that is not poisoned. */
static struct buf *pool;
static struct buf *pool_large; /* the same of LARGE_CAPACITY */
static unsigned pool_large_count;
static uint64_t outstanding;

static void buf_poison(struct buf *b, uint32_t capacity)
{
	ASAN_POISON_MEMORY_REGION(&b->data, sizeof *b - sizeof b->next + capacity);
}

static void buf_unpoison(struct buf *b, uint32_t capacity)
{
	ASAN_UNPOISON_MEMORY_REGION(&b->data, sizeof *b - sizeof b->next + capacity);
}

static struct buf *buf_memory(uint32_t capacity)
{
	struct buf *b = malloc(sizeof *b + capacity);

	if (!b)
		log_fatal("out of memory: a buffer of %u bytes", capacity);
	return b;
}

/* Of any buffer, new or from a pool. */
static struct buf *buf_begin(struct buf *b, uint32_t capacity)
{
	b->next = NULL;
	b->data = b->storage + BUF_HEADROOM;
	b->len = 0;
	b->capacity = capacity;
	b->mark = 0;
	b->mark2 = 0;
	b->corrupted = 0;
	b->segment_bytes = 0;
	b->alone = false;
	b->checksum_good = false;
	outstanding++;
	return b;
}

struct buf *buf_alloc(uint32_t room)
{
	uint32_t capacity = POOLED_CAPACITY;
	struct buf *b = pool;

	if (__builtin_expect(room <= BUF_ROOM && b, 1)) {
		pool = b->next;
		buf_unpoison(b, POOLED_CAPACITY);
		return buf_begin(b, POOLED_CAPACITY);
	}
	if (room > BUF_ROOM && __builtin_add_overflow(room, BUF_HEADROOM, &capacity))
		log_fatal("out of memory: a buffer of %u bytes", room);
	return buf_begin(buf_memory(capacity), capacity);
}

struct buf *buf_alloc_large(void)
{
	struct buf *b = pool_large;

	if (!b)
		return buf_begin(buf_memory(LARGE_CAPACITY), LARGE_CAPACITY);
	pool_large = b->next;
	pool_large_count--;
	buf_unpoison(b, LARGE_CAPACITY);
	return buf_begin(b, LARGE_CAPACITY);
}

struct buf *buf_clone(const struct buf *b)
{
	struct buf *copy = buf_alloc(b->len);

	memcpy(copy->data, b->data, b->len);
	copy->len = b->len;
	copy->mark = b->mark;
	copy->mark2 = b->mark2;
	copy->corrupted = b->corrupted;
	copy->segment_bytes = b->segment_bytes;
	copy->alone = b->alone;
	copy->checksum_good = b->checksum_good;
	return copy;
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	outstanding--;
	if (b->capacity == POOLED_CAPACITY) {
		b->next = pool;
		pool = b;
	} else if (b->capacity == LARGE_CAPACITY && pool_large_count < BUF_LARGE_KEPT) {
		b->next = pool_large;
		pool_large = b;
		pool_large_count++;
	} else {
		free(b);
		return;
	}
	buf_poison(b, b->capacity);
}

void buf_queue_clear(struct buf_queue *q)
{
	struct buf *b;

	while ((b = buf_queue_get(q)))
		buf_free(b);
}

uint64_t buf_outstanding(void)
{
	return outstanding;
}
