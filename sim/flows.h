/* SPDX-License-Identifier: BSD-3-Clause */
/* The connections of a run, one by one: flows.csv gets a line as each ends, and rules.csv what came of those of each
 * rule. What is kept in memory is the connections that are open.
 *
 * A connection begins with the first request on it, its hand-offs are known by trace events, and it ends when the
 * client's application gives it up. Caller: sim/world, only when asked for. */
#ifndef BATON_SIM_FLOWS_H
#define BATON_SIM_FLOWS_H

#include "base/trace.h"
#include "node/client.h"
#include "sim/breakdown.h"
#include "sim/histogram.h"

struct flows;

/* What came of the connections that a rule chose a backend for. */
struct flows_rule {
	uint64_t handed_over; /* hand-offs completed */
	uint64_t received_bytes;
	struct histogram *handoff_us; /* NULL: none was handed over */
};

/* Writes DIR/flows.csv; directory NULL: only the rules' sums are kept. All are borrowed. */
struct flows *flows_new(const struct scenario *s, const struct breakdown_rules *rules, uint64_t seed,
			const char *directory);
void flows_free(struct flows *f); /* NULL is allowed */

/* An event of a node's parts; `node` is the node's name. */
void flows_observe(struct flows *f, const char *node, nstime now, enum trace_event event,
		   const struct trace_field *fields, size_t count);

/* Connections so far: the number of the one opened last. */
uint64_t flows_opened(const struct flows *f);

/* A connection ended at its client. */
void flows_end(struct flows *f, const struct client_connection *c);

/* The run is over: writes what is open still, and rules.csv. 0, or E_IO with errno set.
 */
int flows_close(struct flows *f);

/* By the places of breakdown_rules.chosen. */
const struct flows_rule *flows_rule(const struct flows *f, size_t place);

/* What a rule matches, in words: "GET path /img", "everything". Returns out. */
#define FLOWS_MATCH_MAX 256U
const char *flows_rule_text(const struct scenario_rule *r, char out[FLOWS_MATCH_MAX]);

#endif
