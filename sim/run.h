/* SPDX-License-Identifier: BSD-3-Clause */
/* One simulated run from start to end: builds the world of a scenario, runs it in virtual time, writes its files.
 *
 * It prints nothing: the command prints the summary from the results. Callers: cli/, tests. */
#ifndef BATON_SIM_RUN_H
#define BATON_SIM_RUN_H

#include "sim/expect.h"
#include "sim/metrics.h"
#include "sim/record.h"
#include "sim/scenario.h"

struct run_options {
	const char
		*out; /* directory for the files, made when absent; NULL: no files, the fingerprint is still computed */
	bool seed_given;
	uint64_t seed;   /* instead of the file's */
	bool save_plain; /* captures say what sealed courier frames carry */
	bool save_blobs; /* DIR/blobs/FLOW.blob: each hand-off's opened blob */
	bool csv;        /* DIR/nodes.csv, links.csv, rules.csv, flows.csv, traffic.csv, histograms.csv; with `out` */
	bool record;     /* results->record, for a page */
	uint64_t connection; /* whose steps are recorded; 0: the first that is handed over */
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
	bool interrupted; /* progress said stop */
	const char *why;  /* with E_INVAL, E_IO: what the matter is, static text; may be NULL */
};

/* 0 when the run came to its end, whatever the expectations say; E_STATE when an invariant broke (results->broken says
 * which); E_IO when a file could not be written (errno is set); E_INVAL when the scenario asks for what this machine
 * lacks. results is to be passed to run_results_fini in every case. */
int run_scenario(const struct scenario *s, const struct run_options *options, struct run_results *results);
void run_results_fini(struct run_results *r);

#endif
