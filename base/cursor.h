/* SPDX-License-Identifier: BSD-3-Clause */
/* Bounded reading and writing of wire formats, network byte order, with a sticky error checked once at the end.
 *
 * A read past the end returns zeroes and sets `bad`; a write past the end writes nothing and sets `bad`. */
#ifndef BATON_BASE_CURSOR_H
#define BATON_BASE_CURSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct reader {
	const uint8_t *p, *end;
	bool bad;
};

struct writer {
	uint8_t *start, *p, *end;
	bool bad;
};

/* `p` may be NULL when n is 0 (an empty vector). */
static inline struct reader reader_make(const void *p, size_t n)
{
	const uint8_t *start = p ? p : (const uint8_t *)"";

	return (struct reader){.p = start, .end = start + n};
}

static inline size_t reader_left(const struct reader *r)
{
	return (size_t)(r->end - r->p);
}

/* The next n bytes, or NULL (and bad) when there are fewer. */
static inline const uint8_t *reader_bytes(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;
	if (r->bad || reader_left(r) < n) {
		r->bad = true;
		return NULL;
	}
	r->p += n;
	return p;
}

static inline uint64_t reader_be(struct reader *r, size_t n)
{
	const uint8_t *p = reader_bytes(r, n);
	uint64_t v = 0;
	if (p)
		for (size_t i = 0; i < n; i++)
			v = v << 8 | p[i];
	return v;
}

static inline uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_be(r, 1);
}
static inline uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_be(r, 2);
}
static inline uint32_t reader_u32(struct reader *r)
{
	return (uint32_t)reader_be(r, 4);
}
static inline uint64_t reader_u64(struct reader *r)
{
	return reader_be(r, 8);
}

static inline struct writer writer_make(void *p, size_t n)
{
	return (struct writer){.start = p, .p = p, .end = (uint8_t *)p + n};
}

static inline size_t writer_len(const struct writer *w)
{
	return (size_t)(w->p - w->start);
}

/* Room for n bytes, to be filled by the caller; NULL (and bad) when there is not enough. */
static inline uint8_t *writer_room(struct writer *w, size_t n)
{
	uint8_t *p = w->p;
	if (w->bad || (size_t)(w->end - w->p) < n) {
		w->bad = true;
		return NULL;
	}
	w->p += n;
	return p;
}

static inline void writer_bytes(struct writer *w, const void *src, size_t n)
{
	uint8_t *p = writer_room(w, n);
	if (p && n)
		memcpy(p, src, n);
}

static inline void writer_be(struct writer *w, uint64_t v, size_t n)
{
	uint8_t *p = writer_room(w, n);
	if (p)
		for (size_t i = n; i-- > 0; v >>= 8)
			p[i] = (uint8_t)v;
}

static inline void writer_u8(struct writer *w, uint8_t v)
{
	writer_be(w, v, 1);
}
static inline void writer_u16(struct writer *w, uint16_t v)
{
	writer_be(w, v, 2);
}
static inline void writer_u32(struct writer *w, uint32_t v)
{
	writer_be(w, v, 4);
}
static inline void writer_u64(struct writer *w, uint64_t v)
{
	writer_be(w, v, 8);
}

/* Unaligned loads and stores in network byte order, for packets whose bounds are already checked. */
static inline uint16_t load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t load_be32(const uint8_t *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline void store_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}
static inline void store_be32(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 24);
	p[1] = (uint8_t)(v >> 16);
	p[2] = (uint8_t)(v >> 8);
	p[3] = (uint8_t)v;
}

#endif
