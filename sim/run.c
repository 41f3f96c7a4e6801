/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/run.h"

#include "base/err.h"
#include "base/log.h"
#include "sim/rerun.h"
#include "sim/result.h"
#include "sim/world.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define SLICE_NS          (10 * NSTIME_MS)  /* virtual time between sweeps of the invariants */
#define SWEEP_CONNECTIONS 64U               /* looked at in each of them */
#define FLUSH_NS          (100 * NSTIME_MS) /* virtual time of captures that a killed run may lack */
#define SLICE_EVENTS      20000U            /* events in a slice at most: how long a signal may wait */
#define PATH_BYTES_MAX    4096U
#define TRACE_LIVE_MAX    (1ULL << 30) /* bytes: a run that goes on for weeks must not fill the disk */

/* Makes a directory with its parents. 0 or E_IO. */
static int directory_make(const char *path)
{
	char part[PATH_BYTES_MAX];
	size_t len = strlen(path);
	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return E_IO;
	}
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) < 0 && errno != EEXIST)
			return E_IO;
	}
	return 0;
}

static int path_join(char out[PATH_BYTES_MAX], const char *directory, const char *name)
{
	if (snprintf(out, PATH_BYTES_MAX, "%s/%s", directory, name) < (int)PATH_BYTES_MAX)
		return 0;
	errno = ENAMETOOLONG;
	return E_IO;
}

void run_check(struct run *r, struct run_checks *c)
{
	struct world *w = &r->world;

	if (w->engine.now >= c->sweep_at) {
		world_sweep(w, SWEEP_CONNECTIONS);
		c->sweep_at = w->engine.now + SLICE_NS;
		if (r->options->live)
			world_boots_correct(w);
	}
	if (w->engine.now >= c->flush_at) {
		world_captures_flush(w);
		c->flush_at = w->engine.now + FLUSH_NS;
		if (r->options->live && !c->trace_told && tracefile_error(r->trace)) {
			c->trace_told = true;
			if (tracefile_error(r->trace) == EFBIG)
				log_warning("the trace has its 1 GiB, and ends here; the run goes on without it");
			else
				log_warning("the trace cannot be written: %s; the run goes on without it",
					    strerror(tracefile_error(r->trace)));
		}
	}
}

/* The engine's loop, in slices: after each the invariants are looked at and the caller is told of progress. */
static void run_loop(struct run *r)
{
	const struct run_options *options = r->options;
	struct world *w = &r->world;
	nstime stop = options->until ? nstime_min(options->until, r->scenario->stop) : r->scenario->stop;
	if (options->replay)
		stop = NSTIME_NEVER;
	struct run_checks checks = {0};

	while (!w->done && !w->invariants.broken) {
		nstime next = engine_next_at(&w->engine);

		if (next > stop) {
			engine_advance(&w->engine, stop);
			return;
		}
		uint64_t events = world_run(w, nstime_min(stop, nstime_add(next, SLICE_NS)), SLICE_EVENTS);

		run_check(r, &checks);
		if (options->steps_alone && steps_over(&w->record->steps, w->engine.now))
			return;
		if (events && options->progress &&
		    !options->progress(options->context, w->engine.now, stop, w->engine.events)) {
			r->results->interrupted = true;
			return;
		}
	}
}

static void expectations_judge(const struct scenario *s, struct run_results *r)
{
	r->expectations = calloc(s->expects_count ? s->expects_count : 1, sizeof(*r->expectations));
	if (!r->expectations)
		log_fatal("out of memory for %zu expectations", s->expects_count);
	r->expectations_count = s->expects_count;
	for (size_t n = 0; n < s->expects_count; n++) {
		struct run_expectation *e = &r->expectations[n];
		struct expect_result result = {0};
		struct expect x;
		char why[EXPECT_WHY_MAX];
		size_t column;
		e->source = &s->expects[n];
		if (!expect_parse(&x, e->source->text, &r->metrics, why, &column))
			expect_evaluate(&x, &r->metrics, &result);
		else
			snprintf(result.actual, sizeof(result.actual), "%s", why);
		e->held = result.pass;
		memcpy(e->actual, result.actual, sizeof(e->actual));
		if (!e->held)
			r->expectations_failed++;
	}
}

static int results_write(const struct run_options *options, const struct run_results *r)
{
	char path[PATH_BYTES_MAX];
	if (!options->out)
		return 0;
	int e = path_join(path, options->out, "result.json");
	if (!e)
		e = result_write(&r->metrics, path);
	if (!e)
		e = path_join(path, options->out, "perf.json");
	if (!e)
		e = result_write(&r->perf, path);
	return e;
}

/* Costs of the run, measured by the machine. */
static void cost_collect(const struct world *w, nstime wall, struct run_results *r)
{
	struct rusage usage;
	getrusage(RUSAGE_SELF, &usage);
	const struct metric *delivered = metrics_find(&r->metrics, "packets.delivered");
	result_cost_set(&r->perf, &(struct result_cost){
					  .wall = wall,
					  .simulated = w->engine.now,
					  .events = w->engine.events,
					  .packets = delivered ? delivered->value : 0,
					  .peak_memory_bytes = (uint64_t)usage.ru_maxrss * 1024,
				  });
}

static struct world_options world_options_of(const struct run *r)
{
	const struct run_options *o = r->options;

	return (struct world_options){
		.seed = o->seed_given ? o->seed : r->scenario->seed,
		.live = o->live,
		.out = o->out,
		.save_blobs = o->save_blobs,
		.save_plain = o->save_plain,
		.csv = o->csv && o->out,
		.record = o->record,
		.connection = o->connection,
		.trace = r->trace,
		.replay = o->replay,
	};
}

int run_open(struct run *r, const struct scenario *s, const struct run_options *options, struct run_results *results)
{
	char path[PATH_BYTES_MAX], fingerprint[TRACEFILE_FINGERPRINT_LEN + 1];
	bool traced = options->out && !options->no_trace;
	int e;

	*results = (struct run_results){0};
	metrics_init(&results->metrics);
	metrics_init(&results->perf);
	*r = (struct run){.scenario = s, .options = options, .results = results};
	e = options->out ? directory_make(options->out) : 0;
	if (!e && options->out && !options->replay)
		e = rerun_write(options->out, s, options->seed_given ? &options->seed : NULL, options->live);
	if (!e && traced)
		e = path_join(path, options->out, "trace.jsonl");
	/* in real time a fingerprint says nothing that a trace does not */
	if (!e && (traced || options->like || !options->live))
		e = options->like ? tracefile_open_like(&r->trace, options->like)
				  : tracefile_open(&r->trace, traced ? path : NULL);
	if (e < 0)
		return e;
	if (r->trace && options->live)
		tracefile_limit(r->trace, TRACE_LIVE_MAX);
	r->wall_start = options->clock ? options->clock() : 0;
	const struct world_options wo = world_options_of(r);

	e = world_init(&r->world, s, &wo, &results->why);
	if (!e)
		return 0;
	int number = errno;

	world_fini(&r->world);
	invariants_fini(&r->world.invariants);
	tracefile_close(r->trace, fingerprint);
	errno = number;
	return e;
}

void run_collect(struct run *r)
{
	struct run_results *results = r->results;
	struct world *w = &r->world;

	world_collect(w, &results->metrics);
	if (r->options->replay)
		replay_collect(r->options->replay, &results->metrics);
	world_tables_write(w);
	results->record = world_record_take(w);
	cost_collect(w, r->options->clock ? r->options->clock() - r->wall_start : 0, results);
	world_fini(w);
	invariants_check_leaks(&w->invariants);
	results->broken = w->invariants.broken;
	memcpy(results->broken_detail, w->invariants.detail, sizeof(results->broken_detail));
	invariants_fini(&w->invariants);
}

int run_close(struct run *r)
{
	struct run_results *results = r->results;
	char fingerprint[TRACEFILE_FINGERPRINT_LEN + 1];
	int e = tracefile_close(r->trace, fingerprint);

	if (r->world.write_failed &&
	    !r->options->live) { /* in real time, where it was told of, what else there is counts */
		errno = r->world.write_errno;
		return E_IO;
	}
	if (e < 0 && !r->options->live)
		return e;
	metrics_set_text(&results->metrics, "fingerprint", fingerprint);
	if (!r->options->replay)
		expectations_judge(r->scenario, results);
	e = results_write(r->options, results);
	return !e && results->broken ? E_STATE : e;
}

int run_scenario(const struct scenario *s, const struct run_options *options, struct run_results *results)
{
	struct run r;
	int e = run_open(&r, s, options, results);

	if (e < 0)
		return e;
	run_loop(&r);
	results->likeness = tracefile_compared(r.trace);
	run_collect(&r);
	return run_close(&r);
}

void run_results_fini(struct run_results *r)
{
	metrics_fini(&r->metrics);
	metrics_fini(&r->perf);
	record_free(r->record);
	free(r->expectations);
}
