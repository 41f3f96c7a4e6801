/* SPDX-License-Identifier: BSD-3-Clause */
/* Traffic: starts the scenario's requests at their times on their clients, and counts what becomes of them.
 *
 * An open-loop entry's requests arrive evenly, by Poisson or in bursts, whatever becomes of those before; a closed-loop
 * one has users, each of whom asks, waits for what becomes of it, thinks and asks again. Either are dealt round-robin
 * over the entry's clients. An entry ends after so many requests or so long. An event costs the same however many
 * requests, users and clients there are; memory goes by users and by what is open, not by requests. Caller: sim/world,
 * which takes outcomes from the nodes and hands them here. */
#ifndef BATON_SIM_TRAFFIC_H
#define BATON_SIM_TRAFFIC_H

#include "base/heap.h"
#include "base/random.h"
#include "base/vec.h"
#include "node/client.h"
#include "sim/histogram.h"
#include "sim/scenario.h"

struct world;

struct traffic_entry;

struct traffic_user {
	struct traffic_entry *entry;
	struct timer timer;   /* thinks until then */
	uint64_t group;       /* of its connection; 0: it has none open */
	uint64_t group_asked; /* requests on that */
	bool leaves;          /* the timer is for closing it, not for asking */
};

struct traffic_entry {
	struct world *world;
	const struct scenario_traffic *spec;
	struct timer timer; /* open loop: the next arrival */
	nstime until;       /* no request starts from then on */
	bool over;          /* no request starts any more */
	struct traffic_user *users;
	uint64_t groups;                                                       /* connections of users so far */
	struct random_stream arrivals, bodies, replies, thinks, idles, aborts; /* one for each thing that is drawn */
	uint64_t started, completed, failed, aborted;
	uint64_t bytes;               /* of bodies and streams of completed requests, both ways */
	struct histogram *latency_us; /* of completed requests; only where the entry has a name, from the first on */
	nstime started_first, ended_last; /* of requests; NSTIME_NEVER and 0 when there is none */
};

struct traffic {
	struct traffic_entry *entries;
	size_t count, over;                           /* entries, and those of them that are over */
	uint64_t started, completed, failed, aborted; /* requests; what is not of the last three is under way */
	uint64_t failed_by[CLIENT_FAILURE_COUNT];
	uint64_t bytes;               /* verified by clients */
	uint64_t corrupted;           /* streams */
	struct vec path, server_name; /* of the request that is being started */
	struct histogram latency_us, first_byte_us;
	struct histogram stall_us; /* of replies that came in more than one piece */
};

void traffic_init(struct traffic *t, struct world *w);
void traffic_fini(struct traffic *t);

/* One outcome, as a client reports it. */
void traffic_outcome(struct traffic *t, const struct client_outcome *o);

/* Whether every request was started and has an outcome. */
bool traffic_done(const struct traffic *t);

/* Writes DIR/traffic.csv, a line for each entry. 0, or E_IO with errno set. */
int traffic_write(const struct traffic *t, const char *directory);

/* What an entry's completed requests carried, in bits a second, from its first request's start to its last one's end.
 */
uint64_t traffic_goodput_bps(const struct traffic_entry *e);

#endif
