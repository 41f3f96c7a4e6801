/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/run.h"

#include "base/err.h"
#include "base/log.h"
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

/* The engine's loop, in slices: after each the invariants are looked at and the caller is told of progress. */
static void run_loop(struct world *w, const struct run_options *options, struct run_results *results)
{
	nstime stop = w->scenario->stop;
	nstime sweep_at = 0, flush_at = 0;
	while (!w->done && !w->invariants.broken) {
		nstime next = engine_next_at(&w->engine);
		if (next > stop) {
			engine_advance(&w->engine, stop);
			return;
		}
		uint64_t events = world_run(w, nstime_min(stop, nstime_add(next, SLICE_NS)), SLICE_EVENTS);
		if (w->engine.now >= sweep_at) {
			world_sweep(w, SWEEP_CONNECTIONS);
			sweep_at = w->engine.now + SLICE_NS;
		}
		if (w->engine.now >= flush_at) {
			world_captures_flush(w);
			flush_at = w->engine.now + FLUSH_NS;
		}
		if (events && options->progress &&
		    !options->progress(options->context, w->engine.now, stop, w->engine.events)) {
			results->interrupted = true;
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

/* Runs the world and fills everything but the fingerprint. */
static int world_live(const struct scenario *s, const struct run_options *options, uint64_t seed,
		      struct tracefile *trace, struct run_results *results)
{
	struct world w;
	const struct world_options wo = {
		.seed = seed,
		.out = options->out,
		.save_blobs = options->save_blobs,
		.save_plain = options->save_plain,
		.csv = options->csv && options->out,
		.record = options->record,
		.connection = options->connection,
		.trace = trace,
	};
	nstime start = options->clock ? options->clock() : 0;
	int r = world_init(&w, s, &wo, &results->why);
	if (!r) {
		run_loop(&w, options, results);
		world_collect(&w, &results->metrics);
		world_tables_write(&w);
		results->record = world_record_take(&w);
		cost_collect(&w, options->clock ? options->clock() - start : 0, results);
	}
	world_fini(&w);
	if (!r) {
		invariants_check_leaks(&w.invariants);
		results->broken = w.invariants.broken;
		memcpy(results->broken_detail, w.invariants.detail, sizeof(results->broken_detail));
	}
	if (!r && w.write_failed) {
		errno = w.write_errno;
		r = E_IO;
	}
	invariants_fini(&w.invariants);
	return r;
}

int run_scenario(const struct scenario *s, const struct run_options *options, struct run_results *results)
{
	char path[PATH_BYTES_MAX], fingerprint[TRACEFILE_FINGERPRINT_LEN + 1];
	struct tracefile *trace;
	*results = (struct run_results){0};
	metrics_init(&results->metrics);
	metrics_init(&results->perf);
	int r = options->out ? directory_make(options->out) : 0;
	if (!r && options->out)
		r = path_join(path, options->out, "trace.jsonl");
	if (!r)
		r = tracefile_open(&trace, options->out ? path : NULL);
	if (r < 0)
		return r;
	r = world_live(s, options, options->seed_given ? options->seed : s->seed, trace, results);
	int closed = tracefile_close(trace, fingerprint);
	if (!r)
		r = closed;
	if (r < 0)
		return r;
	metrics_set_text(&results->metrics, "fingerprint", fingerprint);
	expectations_judge(s, results);
	r = results_write(options, results);
	return !r && results->broken ? E_STATE : r;
}

void run_results_fini(struct run_results *r)
{
	metrics_fini(&r->metrics);
	metrics_fini(&r->perf);
	record_free(r->record);
	free(r->expectations);
}
