/* SPDX-License-Identifier: BSD-3-Clause */
/* A growable byte vector, for what has no fixed size: blobs, messages, bodies. Zero-initialised is empty. */
#ifndef BATON_BASE_VEC_H
#define BATON_BASE_VEC_H

#include <stddef.h>
#include <stdint.h>

struct vec {
	uint8_t *data;
	size_t len, capacity; /* bytes */
};

void vec_fini(struct vec *v);

/* Makes room for `n` more bytes behind len; running out of memory ends the process. */
void vec_reserve(struct vec *v, size_t n);

/* Appends n bytes; returns where they stand (valid until the next growth). `p` may be NULL: left uninitialised. */
uint8_t *vec_append(struct vec *v, const void *p, size_t n);

static inline void vec_clear(struct vec *v)
{
	v->len = 0;
}

#endif
