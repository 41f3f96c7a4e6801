/* SPDX-License-Identifier: BSD-3-Clause */
/* Finding connections: by the endpoints of the capture, either way round, and by those of the live network. */
#include "base/log.h"
#include "sim/replay_internal.h"

#include <stdlib.h>

#define LISTS_FIRST 256U

static struct replay_conn_list *lists_new(size_t count)
{
	struct replay_conn_list *lists = calloc(count, sizeof(*lists));

	if (!lists)
		log_fatal("out of memory: connections");
	return lists;
}

void replay_table_init(struct replay_table *t)
{
	*t = (struct replay_table){.lists = lists_new(LISTS_FIRST), .lists_count = LISTS_FIRST};
}

void replay_table_fini(struct replay_table *t)
{
	free(t->lists);
	*t = (struct replay_table){0};
}

static struct replay_conn_list *list_of(const struct replay *r, const struct replay_table *t, const struct tuple *key)
{
	return &t->lists[hash_bytes(&r->key, key, sizeof(*key)) & (t->lists_count - 1)];
}

/* Both ways' packets have one key: the lesser endpoint is remote. */
static struct tuple key_of(const struct tuple *t)
{
	int order = memcmp(&t->remote, &t->local, sizeof(t->remote));

	return order > 0 || (!order && t->remote_port > t->local_port) ? tuple_reverse(t) : *t;
}

struct replay_conn *replay_captured_find(const struct replay *r, const struct tuple *t, unsigned *side)
{
	struct tuple key = key_of(t), reverse = tuple_reverse(t);
	struct replay_conn *c;

	LIST_FOREACH (c, list_of(r, &r->captured, &key), by_captured) {
		*side = !tuple_equal(&c->captured, t);
		if (!*side || tuple_equal(&c->captured, &reverse))
			return c;
	}
	return NULL;
}

struct replay_conn *replay_live_find(const struct replay *r, const struct tuple *t)
{
	struct replay_conn *c;

	LIST_FOREACH (c, list_of(r, &r->live, t), by_live)
		if (tuple_equal(&c->live, t))
			return c;
	return NULL;
}

void replay_captured_add(struct replay_conn *c)
{
	struct replay *r = c->replay;
	struct replay_table *t = &r->captured;
	struct tuple key = key_of(&c->captured);

	if (t->count >= t->lists_count) {
		struct replay_table wider = {.lists = lists_new(2 * t->lists_count), .lists_count = 2 * t->lists_count};

		for (size_t i = 0; i < t->lists_count; i++) {
			struct replay_conn *moved;

			while ((moved = LIST_FIRST(&t->lists[i]))) {
				struct tuple k = key_of(&moved->captured);

				LIST_REMOVE(moved, by_captured);
				LIST_INSERT_HEAD(list_of(r, &wider, &k), moved, by_captured);
			}
		}
		free(t->lists);
		wider.count = t->count;
		*t = wider;
	}
	LIST_INSERT_HEAD(list_of(r, t, &key), c, by_captured);
	c->is_captured = true;
	t->count++;
}

void replay_captured_remove(struct replay_conn *c)
{
	if (!c->is_captured)
		return;
	LIST_REMOVE(c, by_captured);
	c->is_captured = false;
	c->replay->captured.count--;
}

void replay_live_add(struct replay_conn *c)
{
	struct replay *r = c->replay;
	struct replay_table *t = &r->live;

	if (t->count >= t->lists_count) {
		struct replay_table wider = {.lists = lists_new(2 * t->lists_count), .lists_count = 2 * t->lists_count};

		for (size_t i = 0; i < t->lists_count; i++) {
			struct replay_conn *moved;

			while ((moved = LIST_FIRST(&t->lists[i]))) {
				LIST_REMOVE(moved, by_live);
				LIST_INSERT_HEAD(list_of(r, &wider, &moved->live), moved, by_live);
			}
		}
		free(t->lists);
		wider.count = t->count;
		*t = wider;
	}
	LIST_INSERT_HEAD(list_of(r, t, &c->live), c, by_live);
	c->is_live = true;
	t->count++;
}

void replay_live_remove(struct replay_conn *c)
{
	if (!c->is_live)
		return;
	LIST_REMOVE(c, by_live);
	c->is_live = false;
	c->replay->live.count--;
}
