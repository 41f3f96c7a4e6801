/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/vec.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define VEC_CAPACITY_MIN 64U

void vec_fini(struct vec *v)
{
	free(v->data);
	*v = (struct vec){0};
}

void vec_reserve(struct vec *v, size_t n)
{
	size_t capacity = v->capacity ? v->capacity : VEC_CAPACITY_MIN;

	if (v->data && v->capacity - v->len >= n)
		return;
	if (n > SIZE_MAX / 4 || v->len > SIZE_MAX / 4)
		log_fatal("out of memory: a vector of %zu + %zu bytes", v->len, n);
	while (capacity - v->len < n)
		capacity *= 2;
	v->data = realloc(v->data, capacity);
	if (!v->data)
		log_fatal("out of memory: a vector of %zu bytes", capacity);
	v->capacity = capacity;
}

uint8_t *vec_append(struct vec *v, const void *p, size_t n)
{
	uint8_t *place;

	vec_reserve(v, n);
	place = v->data + v->len;
	if (p && n)
		memcpy(place, p, n);
	v->len += n;
	return place;
}
