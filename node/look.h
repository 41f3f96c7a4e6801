/* SPDX-License-Identifier: BSD-3-Clause */
/* A look at the connections of a node, for people: what its forwarder, classifier or backend knows of each. It changes
 * nothing, and what it says holds until the next call on the node. Caller: live/ctl_connections.c. */
#ifndef BATON_NODE_LOOK_H
#define BATON_NODE_LOOK_H

#include "base/addr.h"
#include "base/nstime.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct node;

#define NODE_RULE_NONE SIZE_MAX
#define NODE_LOOK_END  UINT32_MAX

enum node_role { NODE_FORWARDER, NODE_CLASSIFIER, NODE_BACKEND, NODE_ROLES };

struct node_connection {
	struct tuple tuple; /* as the VIP's side sees it: local is the VIP */
	/* Forwarder: "prepared", "committed", "returned", "closing". Classifier: "reading", "waiting" (for the courier
	 * to meet the backend), "handing". Backend: "held", "active". */
	const char *state;
	uint16_t device; /* the backend that has or is to have it; 0: none yet */
	uint32_t flow;   /* 0: none, or not known here */
	size_t service;  /* index; SIZE_MAX: not known here */
	size_t rule;     /* its number (lb/classifier.h); NODE_RULE_NONE: none yet, or not known here */
	nstime since;    /* when the backend got it; NSTIME_NEVER: it has not */
};

/* Whether the node has the role. */
bool node_has_role(const struct node *n, enum node_role role);

/* What a role knows of the connections from *cursor on (0: the first): at most `max`, fewer where few are left or many
 * places were empty; *cursor moves on, past the last to NODE_LOOK_END. Those that come and go between calls may be
 * missed, or be there twice. Precondition: node_has_role. */
size_t node_connections(const struct node *n, enum node_role role, uint32_t *cursor, struct node_connection *out,
			size_t max);

/* What a forwarder or backend knows of one connection. False: nothing. Precondition: node_has_role. */
bool node_connection_find(const struct node *n, enum node_role role, const struct tuple *t,
			  struct node_connection *out);

/* The index of the rule with a number, among those of a service that the classifier has now; NODE_RULE_NONE: it is
 * gone. Precondition: node_has_role, a classifier. */
size_t node_rule_index(const struct node *n, size_t service, size_t number);

/* How many connections a role has: at a forwarder those that it sends to backends, at a classifier those being read and
 * handed over, at a backend those that it has. Precondition: node_has_role. */
uint32_t node_connections_count(const struct node *n, enum node_role role);

#endif
