/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/look.h"

#include "node/internal.h"

#include <assert.h>

static_assert(NODE_LOOK_END == FORWARDER_LOOK_END && NODE_LOOK_END == MIGRATOR_LOOK_END, "one end of a look");

#define CHUNK 64U

bool node_has_role(const struct node *n, enum node_role role)
{
	switch (role) {
	case NODE_FORWARDER:
		return n->forwarder;
	case NODE_CLASSIFIER:
		return n->classifier;
	case NODE_BACKEND:
		return n->migrator;
	case NODE_ROLES:
		break;
	}
	return false;
}

/* A mapping says where packets go: for one that is a classifier's (again) that is no backend. */
static void mapping_look(const struct forwarder_mapping *m, struct node_connection *out)
{
	*out = (struct node_connection){
		.tuple = m->tuple,
		.state = m->state,
		.device = m->flow ? m->device : 0,
		.flow = m->flow,
		.service = SIZE_MAX,
		.rule = NODE_RULE_NONE,
		.since = m->since,
	};
}

static void backend_look(const struct node *n, const struct migrator_connection *c, struct node_connection *out)
{
	*out = (struct node_connection){
		.tuple = c->mapping.tuple,
		.state = c->active ? "active" : "held",
		.device = n->config.device,
		.flow = c->mapping.flow,
		.service = c->mapping.service,
		.rule = c->mapping.rule,
		.since = c->active ? c->since : NSTIME_NEVER,
	};
}

static size_t forwarder_connections(const struct node *n, uint32_t *cursor, struct node_connection *out, size_t max)
{
	struct forwarder_mapping some[CHUNK];
	size_t count = forwarder_mappings(n->forwarder, cursor, some, max < CHUNK ? max : CHUNK);

	for (size_t i = 0; i < count; i++)
		mapping_look(&some[i], &out[i]);
	return count;
}

static size_t backend_connections(const struct node *n, uint32_t *cursor, struct node_connection *out, size_t max)
{
	struct migrator_connection some[CHUNK];
	size_t count = migrator_connections(n->migrator, cursor, some, max < CHUNK ? max : CHUNK);

	for (size_t i = 0; i < count; i++)
		backend_look(n, &some[i], &out[i]);
	return count;
}

size_t node_connections(const struct node *n, enum node_role role, uint32_t *cursor, struct node_connection *out,
			size_t max)
{
	switch (role) {
	case NODE_FORWARDER:
		return forwarder_connections(n, cursor, out, max);
	case NODE_CLASSIFIER:
		return role_classifier_connections(n->classifier, cursor, out, max);
	case NODE_BACKEND:
		return backend_connections(n, cursor, out, max);
	case NODE_ROLES:
		break;
	}
	*cursor = NODE_LOOK_END;
	return 0;
}

bool node_connection_find(const struct node *n, enum node_role role, const struct tuple *t, struct node_connection *out)
{
	struct forwarder_mapping mapping;
	struct migrator_connection connection;

	if (role == NODE_FORWARDER && forwarder_mapping_find(n->forwarder, t, &mapping)) {
		mapping_look(&mapping, out);
		return true;
	}
	if (role == NODE_BACKEND && migrator_connection_find(n->migrator, t, &connection)) {
		backend_look(n, &connection, out);
		return true;
	}
	return false;
}

size_t node_rule_index(const struct node *n, size_t service, size_t number)
{
	return number > UINT16_MAX
		       ? NODE_RULE_NONE
		       : classifier_rule_index(role_classifier_mind(n->classifier), service, (uint16_t)number);
}

uint32_t node_connections_count(const struct node *n, enum node_role role)
{
	struct migrator_holdings holdings;

	switch (role) {
	case NODE_FORWARDER:
		return forwarder_live(n->forwarder);
	case NODE_CLASSIFIER:
		return (uint32_t)classifier_connections(role_classifier_mind(n->classifier));
	case NODE_BACKEND:
		migrator_holdings(n->migrator, &holdings);
		return holdings.held + holdings.active;
	case NODE_ROLES:
		break;
	}
	return 0;
}

bool node_draining(const struct node *n)
{
	return n->drain && drain_active(role_drain_mind(n->drain));
}

const struct policy_device *node_policy_device(const struct node *n, uint16_t device)
{
	return n->classifier ? classifier_backend(role_classifier_mind(n->classifier), device) : NULL;
}
