/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/route.h"

#include "base/err.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

void route_table_fini(struct route_table *t)
{
	free(t->routes);
	*t = (struct route_table){0};
}

int route_add(struct route_table *t, const struct route *r)
{
	size_t at = 0;
	if (r->prefix_len > 8U * addr_len(&r->prefix) || !addr_len(&r->prefix) ||
	    (r->next_hop.family && r->next_hop.family != r->prefix.family))
		return E_INVAL;
	if (t->count == ROUTES_MAX)
		return E_FULL;
	if (t->count == t->capacity) {
		t->capacity = t->capacity ? t->capacity * 2 : 8;
		t->routes = realloc(t->routes, t->capacity * sizeof(*t->routes));
		if (!t->routes)
			log_fatal("out of memory");
	}
	while (at < t->count && t->routes[at].prefix_len >= r->prefix_len)
		at++;
	memmove(&t->routes[at + 1], &t->routes[at], (t->count - at) * sizeof(*t->routes));
	t->routes[at] = *r;
	t->count++;
	t->last = NULL;
	return 0;
}

const struct route *route_find(struct route_table *t, const struct addr *dst)
{
	if (t->last && addr_equal(&t->last_dst, dst))
		return t->last;
	for (size_t i = 0; i < t->count; i++)
		if (addr_in_prefix(dst, &t->routes[i].prefix, t->routes[i].prefix_len)) {
			t->last_dst = *dst;
			t->last = &t->routes[i];
			return t->last;
		}
	return NULL;
}
