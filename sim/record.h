/* SPDX-License-Identifier: BSD-3-Clause */
/* What a page about a run shows beyond result.json: histograms, time series, what single nodes, links and rules
 * counted, the first events of each kind, and the steps of one connection. Filled while the run goes and at its end;
 * plain values from then on. Made by sim/run when asked for; read by report/. */
#ifndef BATON_SIM_RECORD_H
#define BATON_SIM_RECORD_H

#include "sim/breakdown.h"
#include "sim/evidence.h"
#include "sim/flows.h"
#include "sim/histogram.h"
#include "sim/series.h"
#include "sim/steps.h"

struct world;

#define RECORD_HISTOGRAMS_MAX 8U

struct record_histogram {
	const char *name; /* "requests.latency_us"; static */
	struct histogram *values;
};

struct record_rule {
	uint64_t chosen;
	struct flows_rule ended; /* its histogram is the record's */
};

struct record {
	struct evidence evidence;
	struct steps steps;
	struct series series; /* its rows */
	struct record_histogram histograms[RECORD_HISTOGRAMS_MAX];
	size_t histograms_count;
	uint64_t (*nodes)[BREAKDOWN_NODE_COUNT];
	uint64_t (*links)[2][BREAKDOWN_LINK_COUNT]; /* by node, then attachment: in, out */
	struct record_rule *rules;                  /* as breakdown_rules.chosen */
	size_t rules_count;
	uint64_t *boots; /* present boot ids by node */
};

struct record *record_new(const struct scenario *s);
void record_free(struct record *r); /* NULL is allowed */

/* The run is over: takes what it left. */
void record_collect(struct record *r, struct world *w);

#endif
