/* SPDX-License-Identifier: BSD-3-Clause */
/* A routing table: longest prefix wins, among equals the first added. Sans-IO; callers: stack/. */
#ifndef BATON_STACK_ROUTE_H
#define BATON_STACK_ROUTE_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>

#define ROUTES_MAX 4096U /* of one stack */

struct route {
	struct addr prefix;
	uint8_t prefix_len;
	int netif;
	struct addr next_hop; /* family 0: the destination is on the link */
};

/* Kept in order of falling prefix length, so that the first that matches is the longest. Zero-initialised is empty. */
struct route_table {
	struct route *routes;
	size_t count, capacity;
	struct addr last_dst; /* asked for last, and what was found: a packet asks twice, a train of packets again */
	const struct route *last;
};

void route_table_fini(struct route_table *t);

/* 0, E_FULL, or E_INVAL (prefix_len beyond the family's, next hop of another family). */
int route_add(struct route_table *t, const struct route *r);

/* The route to dst, or NULL. */
const struct route *route_find(struct route_table *t, const struct addr *dst);

#endif
