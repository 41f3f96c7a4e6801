/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/pages.h"

#include "base/log.h"

#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25 /* since Linux 6.1 */
#endif

#define LINE_BYTES 64U
#define MAP_MIN    ((size_t)1 << 18) /* below this the allocator does it */
#define HUGE_MIN   ((size_t)1 << 23) /* below this the address cache does well, and a huge page is much of the whole */
#define HUGE_PAGE  ((size_t)1 << 21)

static size_t round_up(size_t n, size_t unit)
{
	return (n + unit - 1) & ~(unit - 1);
}

static void *small_new(size_t bytes)
{
	size_t whole = round_up(bytes, LINE_BYTES);
	void *p = aligned_alloc(LINE_BYTES, whole);

	return p ? memset(p, 0, whole) : NULL;
}

static void *map(size_t bytes)
{
	void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* Whole huge pages: one more is mapped, and what is over at both ends given back. */
static void *huge_new(size_t bytes)
{
	size_t whole = round_up(bytes, HUGE_PAGE), before;
	char *p = map(whole + HUGE_PAGE);

	if (!p)
		return NULL;
	before = round_up((uintptr_t)p, HUGE_PAGE) - (uintptr_t)p;
	if (before)
		munmap(p, before);
	if (before < HUGE_PAGE)
		munmap(p + before + whole, HUGE_PAGE - before);
	madvise(p + before, whole, MADV_HUGEPAGE); /* advice: refused, it is only slower */
	return p + before;
}

void *pages_new(size_t bytes)
{
	void *p = bytes < MAP_MIN ? small_new(bytes) : bytes < HUGE_MIN ? map(bytes) : huge_new(bytes);

	if (!p)
		log_fatal("out of memory: a table of %zu bytes", bytes);
	return p;
}

void pages_free(void *p, size_t bytes)
{
	if (!p)
		return;
	if (bytes < MAP_MIN)
		free(p);
	else
		munmap(p, bytes < HUGE_MIN ? bytes : round_up(bytes, HUGE_PAGE));
}

#define PIECE_BYTES ((size_t)1 << 24) /* more than lies free in one place */
#define MMAP_MIN    (1 << 17)         /* glibc's own value, until anything is set: larger ones are mapped */

void pages_heap_expect(size_t bytes)
{
	void *(*volatile allocate)(size_t) = malloc; /* or the compiler moves the call to where it likes it */
	char *end = sbrk(0), *from = (char *)round_up((uintptr_t)end, HUGE_PAGE);
	void *piece;

	if (bytes < HUGE_MIN || bytes > INT32_MAX / 2)
		return;
	mallopt(M_MMAP_THRESHOLD, 2 * (int)PIECE_BYTES);
	mallopt(M_TOP_PAD, (int)bytes);
	piece = allocate(PIECE_BYTES); /* has it extend the heap, by all of that */
	mallopt(M_TOP_PAD, (int)HUGE_PAGE);
	mallopt(M_TRIM_THRESHOLD, (int)bytes + 2 * (int)PIECE_BYTES); /* and keep that much, but no more */
	if ((char *)sbrk(0) > from)
		madvise(from, (size_t)((char *)sbrk(0) - from), MADV_HUGEPAGE);
	free(piece);
	mallopt(M_MMAP_THRESHOLD, MMAP_MIN);
}

void pages_heap_settle(size_t bytes)
{
	extern char end[]; /* of the program's data: the heap begins somewhere behind */
	char *from = (char *)round_up((uintptr_t)end, HUGE_PAGE);

	if (bytes >= HUGE_MIN && (char *)sbrk(0) > from)
		madvise(from, (size_t)((char *)sbrk(0) - from), MADV_COLLAPSE);
}
