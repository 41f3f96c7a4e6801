/* SPDX-License-Identifier: BSD-3-Clause */
/* One run from start to end: builds the world of a scenario, runs it in virtual time, writes its files. Who runs it in
 * another time (live/) takes the parts: run_open, the engine's events, run_close.
 *
 * It prints nothing: the command prints the summary from the results. Callers: cli/, live/, tests. */
#ifndef BATON_SIM_RUN_H
#define BATON_SIM_RUN_H

#include "sim/expect.h"
#include "sim/metrics.h"
#include "sim/record.h"
#include "sim/replay.h"
#include "sim/scenario.h"
#include "sim/tracefile.h"
#include "sim/world.h"

struct run_options {
	const char
		*out; /* directory for the files, made when absent; NULL: no files, the fingerprint is still computed */
	bool seed_given;
	uint64_t seed;   /* instead of the file's */
	bool save_plain; /* captures say what sealed courier frames carry */
	bool save_blobs; /* DIR/blobs/FLOW.blob: each hand-off's opened blob */
	bool csv;        /* DIR/nodes.csv, links.csv, rules.csv, flows.csv, traffic.csv, histograms.csv; with `out` */
	bool record;     /* results->record, for a page */
	uint64_t connection;   /* whose steps are recorded; 0: the first that is handed over */
	bool no_trace;         /* no DIR/trace.jsonl */
	struct replay *replay; /* the traffic, instead of the scenario's, whose `stop` and `expect` do not count then */
	const struct world_live *live; /* see struct world_options; NULL: simulated */
	/* To see again what was recorded of a run (with `record`, without `out`): */
	const char *like; /* the run's trace, which this one's is compared with; NULL: none */
	nstime until;     /* no later; 0: until the end */
	bool steps_alone; /* no longer than there is something to see of the connection whose steps are recorded */
	/* A monotonic clock of the machine, for perf.json alone: sim/ reads none itself. NULL: no time is measured. */
	nstime (*clock)(void);
	/* Called every few ten thousand events with what a progress line shows; NULL: never. False stops the run. */
	bool (*progress)(void *context, nstime now, nstime stop, uint64_t events);
	void *context;
};

struct run_expectation {
	const struct scenario_expect *source;
	bool held;
	char actual[EXPECT_ACTUAL_MAX]; /* "requests.completed is 998" */
};

struct run_results {
	struct metrics metrics; /* what result.json holds */
	struct metrics perf;    /* what perf.json holds */
	struct record *record;  /* NULL: none was asked for, or the run did not come to its end */
	struct run_expectation *expectations;
	size_t expectations_count, expectations_failed;
	const char *broken; /* an invariant that did not hold (I1..I5), static text; NULL: all held */
	char broken_detail[200];
	bool interrupted;                 /* progress said stop */
	enum tracefile_likeness likeness; /* with options.like */
	const char *why;                  /* with E_INVAL, E_IO: what the matter is, static text; may be NULL */
};

/* 0 when the run came to its end, whatever the expectations say; E_STATE when an invariant broke (results->broken says
 * which); E_IO when a file could not be written (errno is set); E_INVAL when the scenario asks for what this machine
 * lacks. results is to be passed to run_results_fini in every case. */
int run_scenario(const struct scenario *s, const struct run_options *options, struct run_results *results);
void run_results_fini(struct run_results *r);

/* A run whose events another loop fires. */
struct run {
	const struct scenario *scenario;
	const struct run_options *options;
	struct run_results *results;
	struct tracefile *trace;
	struct world world;
	nstime wall_start;
};

/* Makes the directory and builds the world. All three are borrowed until run_close, results being for
 * run_results_fini in every case. Errors as those of run_scenario; then nothing is to be closed. */
int run_open(struct run *r, const struct scenario *s, const struct run_options *options, struct run_results *results);

/* The checks that go along with a run, after some of its events: the invariants and what captures hold back. `sweep_at`
 * and `flush_at` begin as 0. */
struct run_checks {
	nstime sweep_at, flush_at;
	bool trace_told; /* that the trace cannot be written; only in real time does a run go on without its end saying
			    so */
};
void run_check(struct run *r, struct run_checks *c);

/* Collects the results and ends the world, which holds nothing of the caller's any more. Between the two calls results
 * may be added to. */
void run_collect(struct run *r);

/* Judges what the scenario expects and writes the files. Returns as run_scenario. */
int run_close(struct run *r);

#endif
