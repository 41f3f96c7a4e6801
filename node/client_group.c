/* SPDX-License-Identifier: BSD-3-Clause */
/* The client's connections that wait for more requests, found by their group. */
#include "base/log.h"
#include "node/client_internal.h"

#include <stdlib.h>

#define LISTS_FIRST 16U

void client_groups_init(struct client_groups *g, uint64_t seed)
{
	*g = (struct client_groups){0};
	hash_key_init(&g->key, seed, "client groups");
}

void client_groups_fini(struct client_groups *g)
{
	free(g->lists);
}

static struct client_group_list *group_list(const struct client_groups *g, uint64_t group)
{
	return &g->lists[hash_bytes(&g->key, &group, sizeof group) & (g->lists_count - 1)];
}

static void groups_grow(struct client_groups *g)
{
	struct client_group_list *old = g->lists;
	size_t old_count = g->lists_count;

	g->lists_count = old_count ? 2 * old_count : LISTS_FIRST;
	g->lists = calloc(g->lists_count, sizeof *g->lists);
	if (!g->lists)
		log_fatal("out of memory: client groups");
	for (size_t i = 0; i < old_count; i++) {
		struct client_conn *conn;

		while ((conn = LIST_FIRST(&old[i]))) {
			LIST_REMOVE(conn, group_link);
			LIST_INSERT_HEAD(group_list(g, conn->group), conn, group_link);
		}
	}
	free(old);
}

void client_groups_add(struct client_groups *g, struct client_conn *conn)
{
	if (!conn->group)
		return;
	if (g->count == g->lists_count)
		groups_grow(g);
	g->count++;
	LIST_INSERT_HEAD(group_list(g, conn->group), conn, group_link);
}

void client_groups_remove(struct client_groups *g, struct client_conn *conn)
{
	if (!conn->group)
		return;
	LIST_REMOVE(conn, group_link);
	g->count--;
	conn->group = 0;
}

struct client_conn *client_groups_find(const struct client_groups *g, uint64_t group)
{
	struct client_conn *conn;

	if (!g->count)
		return NULL;
	LIST_FOREACH (conn, group_list(g, group), group_link)
		if (conn->group == group)
			return conn;
	return NULL;
}
