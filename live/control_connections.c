/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/control_connections.h"

#include "base/log.h"
#include "live/control_answer.h"
#include "node/look.h"

#include <jansson.h>
#include <stdio.h>

/* A place among all connections: of which role (the forwarder's first), at which node, and where there. As a number it
 * is what `from` and `next` are. */
struct place {
	enum node_role role;
	size_t node;
	uint32_t at;
};

#define PLACE_NODE_BITS 24U

static uint64_t place_number(const struct place *p)
{
	return (uint64_t)p->role << (32 + PLACE_NODE_BITS) | (uint64_t)p->node << 32 | p->at;
}

static bool place_read(const struct live *l, uint64_t number, struct place *p)
{
	*p = (struct place){
		.role = (enum node_role)(number >> (32 + PLACE_NODE_BITS)),
		.node = (number >> 32) & ((1U << PLACE_NODE_BITS) - 1),
		.at = (uint32_t)number,
	};
	return number >> (32 + PLACE_NODE_BITS) < NODE_ROLES && p->node < l->scenario->nodes_count;
}

static const struct node *node_at(const struct live *l, size_t n)
{
	return l->run.world.nodes[n].node;
}

/* The forwarder, or NULL when it runs elsewhere. */
static const struct node *forwarder_of(const struct live *l)
{
	for (size_t n = 0; n < l->scenario->nodes_count; n++)
		if ((l->scenario->nodes[n].roles & ROLE_FORWARDER) && node_at(l, n))
			return node_at(l, n);
	return NULL;
}

struct live_connections live_connections_of(const struct live *l)
{
	const struct node *forwarder = forwarder_of(l);
	struct live_connections c = {0};
	bool backends = false;

	for (size_t n = 0; n < l->scenario->nodes_count; n++) {
		const struct node *node = node_at(l, n);

		if (node && node_has_role(node, NODE_CLASSIFIER))
			c.classifying += node_connections_count(node, NODE_CLASSIFIER);
		if (!node || !node_has_role(node, NODE_BACKEND))
			continue;
		c.open += node_connections_count(node, NODE_BACKEND);
		backends = true;
	}
	if (!backends && forwarder)
		c.open = node_connections_count(forwarder, NODE_FORWARDER);
	return c;
}

/* ---- rows ---- */

/* What the forwarder does not know of a connection, its backend may, if it is here. */
static void complete(const struct live *l, struct node_connection *c)
{
	const struct node *node =
		c->device && c->device <= l->scenario->nodes_count ? node_at(l, c->device - 1U) : NULL;
	struct node_connection b;

	if (!node || !node_has_role(node, NODE_BACKEND) || !node_connection_find(node, NODE_BACKEND, &c->tuple, &b))
		return;
	c->service = b.service;
	c->rule = b.rule;
	if (b.flow == c->flow)
		c->state = b.state;
}

static size_t service_of(const struct scenario *s, const struct tuple *t)
{
	for (size_t i = 0; i < s->services_count; i++)
		if (s->services[i].port == t->local_port && addr_equal(&s->services[i].vip, &t->local))
			return i;
	return SIZE_MAX;
}

static json_t *end_json(const struct addr *a, uint16_t port)
{
	char address[ADDR_TEXT_MAX], text[ADDR_TEXT_MAX + 16];

	snprintf(text, sizeof text, a->family == 6 ? "[%s]:%u" : "%s:%u", addr_text(a, address), port);
	return json_string(text);
}

/* Which of the rules that the file has now: where a classifier is here, it knows; elsewhere no other process's file can
 * be known. */
static size_t rule_now(const struct live *l, const struct node_connection *c)
{
	if (c->rule == NODE_RULE_NONE)
		return NODE_RULE_NONE;
	for (size_t n = 0; n < l->scenario->nodes_count; n++)
		if (node_at(l, n) && node_has_role(node_at(l, n), NODE_CLASSIFIER))
			return node_rule_index(node_at(l, n), c->service, c->rule);
	return c->rule;
}

static json_t *row(const struct live *l, const struct node_connection *c)
{
	const struct scenario *s = l->scenario;
	size_t service = c->service < s->services_count ? c->service : service_of(s, &c->tuple);
	size_t rule = rule_now(l, c);
	bool backend = c->device && c->device <= s->nodes_count;
	json_t *o = json_pack(
		"{s:o, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "client", end_json(&c->tuple.remote, c->tuple.remote_port),
		"vip", end_json(&c->tuple.local, c->tuple.local_port), "service",
		service == SIZE_MAX ? json_null() : json_string(s->services[service].name), "rule",
		rule == NODE_RULE_NONE ? json_null() : json_integer((json_int_t)rule), "backend",
		backend ? json_string(s->nodes[c->device - 1].name) : json_null(), "state", c->state, "flow",
		c->flow ? json_integer(c->flow) : json_null(), "handed_over_us",
		c->since == NSTIME_NEVER ? json_null() : json_integer((json_int_t)(c->since / NSTIME_US)));

	if (!o)
		log_fatal("out of memory: an answer");
	return o;
}

/* Whether another role of this process tells of the connection. */
static bool told_elsewhere(const struct node *forwarder, enum node_role role, const struct tuple *t)
{
	struct node_connection ignored;

	return role != NODE_FORWARDER && forwarder && node_connection_find(forwarder, NODE_FORWARDER, t, &ignored);
}

/* ---- pages ---- */

/* To the first place that is there, from *p on. False: there is none. */
static bool place_settle(const struct live *l, struct place *p)
{
	for (; p->role < NODE_ROLES; p->role++, p->node = 0, p->at = 0)
		for (; p->node < l->scenario->nodes_count; p->node++, p->at = 0)
			if (node_at(l, p->node) && node_has_role(node_at(l, p->node), p->role) &&
			    p->at != NODE_LOOK_END)
				return true;
	return false;
}

struct json_t *control_connections(const struct live *l, uint64_t from, char why[CONTROL_WHY_MAX])
{
	const struct node *forwarder = forwarder_of(l);
	struct node_connection some[CONTROL_PAGE];
	json_t *list = json_array();
	struct place p;
	bool more;

	if (!place_read(l, from, &p)) {
		json_decref(list);
		snprintf(why, CONTROL_WHY_MAX, "'from' is no number that a page before gave");
		return NULL;
	}
	more = place_settle(l, &p);
	if (more) {
		size_t count = node_connections(node_at(l, p.node), p.role, &p.at, some, CONTROL_PAGE);

		for (size_t i = 0; i < count; i++) {
			if (told_elsewhere(forwarder, p.role, &some[i].tuple))
				continue;
			if (p.role == NODE_FORWARDER)
				complete(l, &some[i]);
			json_array_append_new(list, row(l, &some[i]));
		}
		more = place_settle(l, &p);
	}
	return json_pack("{s:o, s:I, s:o}", "connections", list, "uptime_us",
			 (json_int_t)(loop_now(&l->loop) / NSTIME_US), "next",
			 more ? json_integer((json_int_t)place_number(&p)) : json_null());
}
