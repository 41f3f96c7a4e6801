/* SPDX-License-Identifier: BSD-3-Clause */
/* limits: of a node. */
#include "lb/courier.h"
#include "lb/forwarder.h"
#include "node/limits.h"
#include "sim/scenario_parse.h"

#include <stddef.h>

#define COUNT_MAX       (1U << 24)
#define BYTES_MAX       (UINT64_C(1) << 31)
#define HEAD_BYTES_MIN  64U
#define HEAD_BYTES_MAX  65535U /* what a stack keeps unread */
#define QUEUE_BYTES_MIN 1024U  /* room for a few messages without data */
#define MOVES_MAX       4096U
#define READ_MAX        (3600 * NSTIME_S)
#define ROLE_DEVICE     (ROLE_FORWARDER | ROLE_CLASSIFIER | ROLE_BACKEND)
#define ANY_ROLE        UINT32_MAX

/* One key: a count, or bytes, and who has such a thing. */
struct limit {
	const char *key;
	unsigned roles;
	const char *whose;
	bool bytes;
	uint64_t min, max;
	size_t offset; /* within struct node_limits */
};

#define LIMIT(key, roles, whose, bytes, min, max)                                                                      \
	{                                                                                                              \
#key, roles, whose, bytes, min, max, offsetof(struct node_limits, key)                                 \
	}

static const struct limit limits_known[] = {
	LIMIT(half_open, ANY_ROLE, NULL, false, 1, COUNT_MAX),
	LIMIT(sockets, ANY_ROLE, NULL, false, 1, COUNT_MAX),
	LIMIT(courier_queue, ROLE_DEVICE, "a forwarder, classifier or backend", true, QUEUE_BYTES_MIN, BYTES_MAX),
	LIMIT(courier_inbox, ROLE_DEVICE, "a forwarder, classifier or backend", true, QUEUE_BYTES_MIN, BYTES_MAX),
	LIMIT(table, ROLE_FORWARDER, "a forwarder", false, 1, COUNT_MAX),
	LIMIT(connections, ROLE_CLASSIFIER | ROLE_BACKEND, "a classifier or backend", false, 1, COUNT_MAX),
	LIMIT(per_client, ROLE_CLASSIFIER, "a classifier", false, 1, COUNT_MAX),
	LIMIT(header, ROLE_CLASSIFIER, "a classifier", true, HEAD_BYTES_MIN, HEAD_BYTES_MAX),
	LIMIT(hello, ROLE_CLASSIFIER, "a classifier", true, HEAD_BYTES_MIN, HEAD_BYTES_MAX),
	LIMIT(identifiers, ROLE_CLASSIFIER | ROLE_BACKEND, "a classifier or backend", false, 1, UINT32_MAX),
	LIMIT(handoffs, ROLE_CLASSIFIER | ROLE_BACKEND, "a classifier or backend", false, 1, COUNT_MAX),
	LIMIT(held, ROLE_CLASSIFIER | ROLE_BACKEND, "a classifier or backend", true, 1, BYTES_MAX),
	LIMIT(tombstones, ROLE_CLASSIFIER | ROLE_BACKEND, "a classifier or backend", false, 1, COUNT_MAX),
	LIMIT(moves, ROLE_BACKEND, "a backend", false, 1, MOVES_MAX),
	LIMIT(flows, ROLE_BACKEND, "a backend", false, 1, COUNT_MAX),
	LIMIT(flow_buffer, ROLE_BACKEND, "a backend", true, 1, BYTES_MAX),
	LIMIT(buffer, ROLE_BACKEND, "a backend", true, 1, BYTES_MAX),
};

#define LIMITS_COUNT (sizeof(limits_known) / sizeof(*limits_known))

/* The value of a key that the node's roles have a use for, or NULL. */
static struct doc *limit_get(struct parse *p, struct doc *d, const char *key, unsigned roles, unsigned wanted,
			     const char *whose)
{
	struct doc *limit = doc_get(d, key);

	if (!limit || roles & wanted)
		return limit;
	MISTAKE_KEY(p, limit, "'%s' is never applied: it is a limit of %s", key, whose);
	return NULL;
}

static void parse_limit(struct parse *p, struct doc *d, const struct limit *known, unsigned roles,
			struct node_limits *limits)
{
	struct doc *l = limit_get(p, d, known->key, roles, known->roles, known->whose);
	uint64_t value = 0;

	if (!l)
		return;
	if (!known->bytes) {
		if (!parse_count(p, l, known->min, known->max, &value))
			return;
	} else {
		if (!parse_size(p, l, known->max, &value))
			return;
		if (value < known->min)
			MISTAKE(p, l, "'%s' is less than %llu B, the least for '%s'", l->text,
				(unsigned long long)known->min, known->key);
	}
	*(uint32_t *)(void *)((char *)limits + known->offset) = (uint32_t)value;
}

void parse_limits(struct parse *p, struct doc *node, unsigned roles, struct node_limits *limits)
{
	static const char *const known[] = {
		"half_open", "sockets",     "courier_queue", "courier_inbox", "table",    "connections", "per_client",
		"read",      "header",      "hello",         "identifiers",   "handoffs", "held",        "tombstones",
		"flows",     "flow_buffer", "buffer",        "moves",         NULL};
	struct doc *d = doc_get(node, "limits"), *read;

	_Static_assert(sizeof(known) / sizeof(*known) == LIMITS_COUNT + 2, "every limit, read and the NULL");
	if (!d || !parse_map(p, d, "limits", known, NULL))
		return;
	for (size_t i = 0; i < LIMITS_COUNT; i++)
		parse_limit(p, d, &limits_known[i], roles, limits);
	read = limit_get(p, d, "read", roles, ROLE_CLASSIFIER, "a classifier");
	if (read && parse_duration(p, read, &limits->read) && (!limits->read || limits->read > READ_MAX))
		MISTAKE(p, read, "'%s' is not between 1 ns and 1 h", read->text);
}

/* A stack's listeners are among its sockets: an application's each, and one at each VIP on a node that serves them. */
static void check_sockets(struct parse *p, size_t node)
{
	const struct scenario_node *n = &p->s->nodes[node];
	size_t listeners = n->apps_count;
	const struct doc *limits;

	if (n->roles & (ROLE_CLASSIFIER | ROLE_BACKEND))
		listeners += p->s->services_count;
	if (!n->limits.sockets || n->limits.sockets > listeners)
		return;
	limits = doc_get(p->node_docs[node], "limits");
	MISTAKE(p, doc_get(limits, "sockets"), "no connection finds room: node '%s' listens on %zu ports", n->name,
		listeners);
}

void parse_limits_check(struct parse *p)
{
	const struct scenario *s = p->s;
	const struct doc *nodes = doc_get(p->root, "nodes");
	size_t devices = 0, classifiers = 0;

	for (size_t i = 0; i < s->nodes_count; i++) {
		bool first = i == 0 || p->node_docs[i] != p->node_docs[i - 1];

		devices += (s->nodes[i].roles & ROLE_DEVICE) != 0;
		classifiers += (s->nodes[i].roles & ROLE_CLASSIFIER) != 0;
		if (first)
			check_sockets(p, i);
	}
	if (!s->services_count)
		return;
	if (classifiers > FORWARDER_CLASSIFIERS_MAX)
		MISTAKE_KEY(p, nodes, "%zu classifiers: a forwarder knows %u", classifiers, FORWARDER_CLASSIFIERS_MAX);
	if (devices > COURIER_PEERS_MAX + 1)
		MISTAKE_KEY(p, nodes, "%zu forwarders, classifiers and backends: a courier knows %u others", devices,
			    COURIER_PEERS_MAX);
}
