/* SPDX-License-Identifier: BSD-3-Clause */
/* What a node's parts counted, as metrics of result.json. Callers: sim/world_collect.c, sim/result.c. */
#ifndef BATON_SIM_COUNT_H
#define BATON_SIM_COUNT_H

#include "node/node.h"
#include "sim/metrics.h"
#include "sim/scenario.h"
#include "sim/traffic.h"

/* Adds everything that the node counted; `client`: its stack is a client's. */
void count_node(struct node *n, bool client, struct metrics *m);

/* Adds every metric that count_node may add, as zero. */
void count_declare(struct metrics *m);

/* Sets NAME.p50, .p90, .p99 and .max; zeroes where there is no histogram (NULL). */
void count_percentiles(const char *name, const struct histogram *h, struct metrics *m);

/* Sets traffic.NAME.* of an entry that has a name. */
void count_traffic(const struct traffic_entry *e, struct metrics *m);

/* The metrics that only some scenarios have: backends.NAME.connections where scenario_backends_counted says so,
 * sticky.* where a rule is sticky, health.*, backends.NAME.falls and .rises where backends report, traffic.NAME.* where
 * an entry has a name, drain.* where a backend is drained, relay.* where a node relays. Declares them as zero. */
void count_declare_scenario(const struct scenario *s, struct metrics *m);

/* Adds those of one node; `spec` is the node's. */
void count_node_scenario(const struct scenario *s, const struct scenario_node *spec, const struct node *n,
			 struct metrics *m);

#endif
