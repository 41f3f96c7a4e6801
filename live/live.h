/* SPDX-License-Identifier: BSD-3-Clause */
/* A scenario in real time: the same world as of a simulated run, with devices of the machine joined to its networks.
 *
 * One engine, one queue of events; only the waiting differs: until the next event is due the process sleeps, or until a
 * descriptor is ready. How late events were is measured and told (struct live_lag): a run that did not keep up says so.
 *
 * It ends by a signal (SIGINT, SIGTERM), after `duration`, or, when it has no device, as a simulated run does. Then no
 * connection is taken any more, those that are open may end for `drain`, and what is left is reset; a second signal, or
 * nothing left to wait for, ends that at once. Backends whose peers run in other processes hand their connections on
 * meanwhile. A process that has only the forwarder has no connections: it goes at once, and its mapping table is learnt
 * again by the one that follows it.
 *
 * It prints nothing. Caller: cli/cmd_live.c. */
#ifndef BATON_LIVE_LIVE_H
#define BATON_LIVE_LIVE_H

#include "live/device.h"
#include "live/events.h"
#include "live/loop.h"
#include "live/port.h"
#include "live/privileges.h"
#include "live/relay.h"
#include "live/service.h"
#include "sim/run.h"

#define LIVE_WHY_MAX 384U

/* Later than this, and a run did not keep real time. */
#define LIVE_LATE_P99 (1 * NSTIME_MS)  /* of 99 % of all wake-ups */
#define LIVE_LATE_MAX (50 * NSTIME_MS) /* of any */

struct live;

struct live_options {
	struct run_options run;
	nstime duration;  /* 0: not limited */
	nstime drain;     /* how long open connections may go on at the end */
	const bool *here; /* by node: whether it runs in this process; NULL: all do */
};

/* How late the first event due was begun, by wake-up. */
struct live_lag {
	nstime p50, p99, max;
	uint64_t wakeups;
	bool kept; /* real time */
};

struct live_results {
	struct run_results run;
	uint64_t seed; /* that it had */
	struct live_lag lag;
	uint64_t reset;         /* connections, at the end */
	char why[LIVE_WHY_MAX]; /* what went wrong, with an error; empty: see run.why */
};

enum live_phase {
	LIVE_RUNNING,
	LIVE_DRAINING, /* ending: what is open may still end */
	LIVE_ENDED,
};

struct live {
	struct scenario *scenario;
	const struct live_options *options;
	struct loop loop;
	struct run run;
	struct run_checks checks;
	struct port *ports; /* one a device that is open */
	size_t ports_count;
	struct relays relays;
	struct world_live world; /* the run's */
	struct events events;
	uint8_t key[SEAL_KEY_LEN]; /* drawn; of the cluster, if the scenario has none */
	struct loop_watch signals;
	struct service service;
	struct privileges privileges;
	enum live_phase phase;
	nstime phase_ends; /* when the next phase begins at the latest */
	struct histogram lag_us;
	uint64_t reset; /* connections, at the end */
	struct {
		uint64_t taken, refused;
	} reloads;
};

/* Runs until it ends. The scenario changes with its file at SIGHUP. Returns as run_scenario; also errors of
 * device_open, with results->why. The results are to be passed to live_results_fini in every case. */
int live_run(struct scenario *s, const struct live_options *options, struct live_results *results);
void live_results_fini(struct live_results *r);

/* Moves the world's time to now; what is due fires late. It is now already when a watch's function is called. */
void live_advance(struct live *l);

/* The run begins to end, for a reason that is told. The second call ends it at once. */
void live_end(struct live *l, const char *why);

struct live_lag live_lag_of(const struct live *l);

/* Everything counted so far, as the results would have it. */
void live_tally(struct live *l, struct metrics *m);

#endif
