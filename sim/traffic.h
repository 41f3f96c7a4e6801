/* SPDX-License-Identifier: BSD-3-Clause */
/* Traffic: starts the scenario's requests at their times on their clients, and counts what becomes of them.
 *
 * Arrivals of an entry are even, Poisson (integers only) or in bursts, dealt round-robin over the entry's clients.
 * Caller: sim/world, which takes outcomes from the nodes and hands them here. */
#ifndef BATON_SIM_TRAFFIC_H
#define BATON_SIM_TRAFFIC_H

#include "base/heap.h"
#include "base/random.h"
#include "node/client.h"
#include "sim/histogram.h"
#include "sim/scenario.h"

struct world;

struct traffic_entry {
	struct world *world;
	const struct scenario_traffic *spec;
	struct timer timer; /* the next arrival */
	struct random_stream arrivals;
	uint64_t started;
};

struct traffic {
	struct traffic_entry *entries;
	size_t count;
	uint64_t started, completed, failed; /* requests */
	uint64_t failed_by[CLIENT_FAILURE_COUNT];
	uint64_t bytes;     /* verified by clients */
	uint64_t corrupted; /* streams */
	struct histogram latency_us, first_byte_us;
	struct histogram stall_us; /* of replies that came in more than one piece */
};

void traffic_init(struct traffic *t, struct world *w);
void traffic_fini(struct traffic *t);

/* One outcome, as a client reports it. */
void traffic_outcome(struct traffic *t, const struct client_outcome *o);

/* A client crashed with so many requests pending. */
void traffic_lost(struct traffic *t, uint64_t pending);

/* Whether every request was started and has an outcome. */
bool traffic_done(const struct traffic *t);

/* Draws an exponentially distributed interval with this mean, by integers: -ln(u) in 32.32 fixed point. */
nstime traffic_exponential_ns(struct random_stream *r, nstime mean_ns);

#endif
