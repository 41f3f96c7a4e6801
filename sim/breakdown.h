/* SPDX-License-Identifier: BSD-3-Clause */
/* What single nodes, links and rules counted: the parts of which result.json has the sums.
 *
 * A metric of one is per_node.NODE.WHAT, per_link.NODE.NETWORK.in.WHAT (or .out., as seen from the node), or
 * per_rule.SERVICE.N.WHAT, N counting from 0. result.json holds those that the scenario's expectations name, so that it
 * stays small with ten thousand nodes; nodes.csv, links.csv and rules.csv hold them all.
 *
 * Callers: sim/world, the scenario parser (which names exist), report/ by way of sim/record. */
#ifndef BATON_SIM_BREAKDOWN_H
#define BATON_SIM_BREAKDOWN_H

#include "base/trace.h"
#include "sim/impair.h"
#include "sim/metrics.h"
#include "sim/scenario.h"

struct world;
struct world_node;

/* WHAT of a node: constant, name. All of its incarnations together. */
#define BREAKDOWN_NODE_LIST(X)                                                                                         \
	X(CONNECTIONS, "connections")               /* opened by its clients, accepted by its applications */          \
	X(REQUESTS_COMPLETED, "requests_completed") /* of its clients */                                               \
	X(REQUESTS_FAILED, "requests_failed")                                                                          \
	X(RECEIVED, "received_bytes") /* of bodies and streams, by its applications */                                 \
	X(SENT, "sent_bytes")                                                                                          \
	X(COPIED, "copied_bytes")               /* by its proxies */                                                   \
	X(RETRANSMISSIONS, "retransmissions")   /* of its TCP */                                                       \
	X(CLASSIFIED, "classified")             /* connections that its classifier read */                             \
	X(HANDOFFS_STARTED, "handoffs_started") /* away from it */                                                     \
	X(HANDOFFS_COMPLETED, "handoffs_completed")                                                                    \
	X(HANDOFFS_ROLLED_BACK, "handoffs_rolled_back")                                                                \
	X(HANDOFFS_FAILED, "handoffs_failed")                                                                          \
	X(ACTIVATED, "activated")       /* connections handed over to it */                                            \
	X(ENCAPSULATED, "encapsulated") /* packets, by its forwarder */                                                \
	X(BUFFERED, "buffered")         /* packets, by its driver */                                                   \
	X(OVERFLOWED, "overflowed")                                                                                    \
	X(COURIER_FRAMES, "courier_frames") /* sent */                                                                 \
	X(COURIER_RETRANSMITTED, "courier_retransmitted")                                                              \
	X(COURIER_REJECTED, "courier_rejected")

enum breakdown_node {
#define BREAKDOWN_NODE_ENUM(id, name) BREAKDOWN_NODE_##id,
	BREAKDOWN_NODE_LIST(BREAKDOWN_NODE_ENUM)
#undef BREAKDOWN_NODE_ENUM
		BREAKDOWN_NODE_COUNT
};

/* WHAT of one direction of a link, without the reasons of its drops: dropped_by_REASON follow. */
#define BREAKDOWN_LINK_LIST(X)                                                                                         \
	X(SENT, "sent")                                                                                                \
	X(DELIVERED, "delivered")                                                                                      \
	X(DROPPED, "dropped")                                                                                          \
	X(IN_FLIGHT, "in_flight")                                                                                      \
	X(SENT_BYTES, "sent_bytes")                                                                                    \
	X(DELIVERED_BYTES, "delivered_bytes")                                                                          \
	X(CORRUPTED, "corrupted")                                                                                      \
	X(DUPLICATED, "duplicated")                                                                                    \
	X(REORDERED, "reordered")                                                                                      \
	X(HELD_MAX, "held_max") /* packets at a time, queued or delayed */                                             \
	X(QUEUE_MAX, "queue_max_us")

enum breakdown_link {
#define BREAKDOWN_LINK_ENUM(id, name) BREAKDOWN_LINK_##id,
	BREAKDOWN_LINK_LIST(BREAKDOWN_LINK_ENUM)
#undef BREAKDOWN_LINK_ENUM
		BREAKDOWN_LINK_REASONS, /* the first of IMPAIR_DROP_COUNT */
	BREAKDOWN_LINK_COUNT = BREAKDOWN_LINK_REASONS + IMPAIR_DROP_COUNT
};

const char *breakdown_node_name(unsigned what);
const char *breakdown_link_name(unsigned what); /* static */

/* Adds to *known, as 0, the metrics of single nodes, links and rules that an expectation names. Where it names one that
 * is not there, adds some that are, for expect_parse to suggest. */
void breakdown_declare(const struct scenario *s, const char *expectation, struct metrics *known);

/* Sets those that the scenario's expectations name. */
void breakdown_collect(const struct world *w, struct metrics *m);

void breakdown_node_read(const struct world_node *wn, uint64_t values[BREAKDOWN_NODE_COUNT]);
void breakdown_link_read(const struct impair *i, uint64_t values[BREAKDOWN_LINK_COUNT]);

/* The node is about to lose its counters: keeps them. */
void breakdown_node_keep(struct world_node *wn);

/* nodes.csv and links.csv into a directory. 0, or E_IO with errno set. */
int breakdown_write(const struct world *w, const char *directory);

/* How often each rule chose a backend. */
struct breakdown_rules {
	uint64_t *chosen; /* by service and rule, one behind the other */
	size_t *first;    /* by service: where its rules begin */
};

void breakdown_rules_init(struct breakdown_rules *r, const struct scenario *s);
void breakdown_rules_fini(struct breakdown_rules *r);

/* The place in r->chosen of what a classifier.choose event names; SIZE_MAX when it is none of the scenario's. */
size_t breakdown_rule_of(const struct breakdown_rules *r, const struct scenario *s, const struct trace_field *fields,
			 size_t count);

#endif
