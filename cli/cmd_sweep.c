/* SPDX-License-Identifier: BSD-3-Clause */
/* baton sweep: the grid of runs over varied values and seeds, in parallel processes. */
#include "base/err.h"
#include "base/quantity.h"
#include "cli/cli.h"
#include "cli/sweep_share.h"
#include "sim/scenario_doc.h"
#include "sim/units.h"
#include "sweep/collect.h"
#include "sweep/job.h"
#include "sweep/page.h"
#include "sweep/pool.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <math.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define METRICS_MAX    16U
#define STATUS_NOT_RUN 4 /* of a child: it could not run, and said why */
#define REDRAW_NS      (100 * NSTIME_MS)

struct sweep {
	struct sweep_plan plan;
	const char *out;
	const char *metrics[METRICS_MAX];
	size_t metrics_count;
	uint64_t jobs; /* 0: as many as processors */
	struct sweep_share share;
	bool quiet, help;

	/* while it runs */
	char *title;  /* the scenario's name */
	size_t *todo; /* runs of this share that are not there yet */
	size_t todo_count, shared_count, ended, failed, broken, not_run;
	bool terminal, drawn;
	nstime start, drawn_at;
};

static void print_help(void)
{
	puts("usage: baton sweep [OPTION]... FILE\n"
	     "\n"
	     "Simulates the scenario in FILE for every combination of varied values, with every seed, in parallel\n"
	     "processes, and collects the results: tables, 95 % confidence intervals over the seeds, plots.\n"
	     "What is done is kept: the same command goes on where it was ended.\n"
	     "\n"
	     "options:\n"
	     "  --vary PATH=A,B,C  the values of one path, as for `baton run --set`; may be given up to 8 times.\n"
	     "                     The first is the x axis of the plots, the others are lines\n"
	     "  --seeds LIST       1..50, or 1,2,5..9; without it the file's seed\n"
	     "  --jobs J           so many processes at a time; default: as many as there are processors\n"
	     "  --metric PATH      what to plot and print, a path of result.json; may be given up to 16 times\n"
	     "  --out DIR          where the files go; out/STEM-sweep without it, STEM being FILE's name\n"
	     "  --keep             keep each run's trace and captures too, in DIR/runs\n"
	     "  --share I/N        only the I-th of N shares of the runs, from 0; under mpirun and in Slurm's\n"
	     "                     job arrays each process takes its share by itself\n"
	     "  --quiet            print failures only\n"
	     "  --help             this text\n"
	     "\n"
	     "files: DIR/sweep.html (plots), results.csv, results.json, summary.csv, runs/.\n"
	     "\n"
	     "examples:\n"
	     "  baton sweep scenarios/lossy-blob.yaml --vary 'nodes.backend.on.cluster.loss=0 %,20 %,40 %' \\\n"
	     "        --seeds 1..20 --jobs 2\n"
	     "  mpirun -n 16 baton sweep FILE --vary ... --seeds 1..50 --jobs 1 --out DIR\n"
	     "\n"
	     "exit status: 0 all expectations hold in all runs, 1 some failed, 2 the command line or the file is\n"
	     "wrong, 3 a run broke or the sweep was interrupted.");
}

static int option_read(struct sweep *w, int answer, const char *value)
{
	const char *why;

	switch (answer) {
	case 'v':
		if (sweep_grid_vary(&w->plan.grid, value, &why) < 0)
			return cli_usage("sweep", "--vary '%s': %s", value, why);
		return STATUS_GOOD;
	case 's':
		if (sweep_grid_seeds(&w->plan.grid, value, &why) < 0)
			return cli_usage("sweep", "--seeds '%s': %s", value, why);
		return STATUS_GOOD;
	case 'j':
		if (units_parse_count(value, &w->jobs, &why) < 0 || !w->jobs || w->jobs > POOL_JOBS_MAX)
			return cli_usage("sweep", "--jobs '%s': a number from 1 to %u is needed", value, POOL_JOBS_MAX);
		return STATUS_GOOD;
	case 'm':
		if (w->metrics_count == METRICS_MAX)
			return cli_usage("sweep", "more than %u times --metric", METRICS_MAX);
		w->metrics[w->metrics_count++] = value;
		return STATUS_GOOD;
	case 'i':
		if (sweep_share_read(&w->share, value) < 0)
			return cli_usage("sweep", "--share '%s': write I/N, I from 0 and below N", value);
		return STATUS_GOOD;
	case 'o':
		if (!*value)
			return cli_usage("sweep", "--out needs a directory");
		w->out = value;
		return STATUS_GOOD;
	case 'k':
		w->plan.keep = true;
		return STATUS_GOOD;
	case 'q':
		w->quiet = true;
		return STATUS_GOOD;
	default:
		w->help = true;
		return STATUS_GOOD;
	}
}

/* STATUS_GOOD, or STATUS_USAGE with the mistake printed. */
static int words_read(struct sweep *w, int argc, char **argv)
{
	static const struct option options[] = {
		{"vary", required_argument, NULL, 'v'},  {"seeds", required_argument, NULL, 's'},
		{"jobs", required_argument, NULL, 'j'},  {"metric", required_argument, NULL, 'm'},
		{"share", required_argument, NULL, 'i'}, {"out", required_argument, NULL, 'o'},
		{"keep", no_argument, NULL, 'k'},        {"quiet", no_argument, NULL, 'q'},
		{"help", no_argument, NULL, 'h'},        {NULL, 0, NULL, 0}};
	static const char *const names[] = {"vary", "seeds", "jobs",  "metric", "share",
					    "out",  "keep",  "quiet", "help",   NULL};
	int answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":hq", options, NULL)) != -1) {
		if (answer == ':' || answer == '?')
			return cli_option_error("sweep", answer, argv, names);
		int status = option_read(w, answer, optarg);
		if (status || w->help)
			return status;
	}
	if (optind == argc)
		return cli_usage("sweep", "a scenario file is needed");
	if (optind + 1 < argc)
		return cli_usage("sweep", "one scenario file at a time: '%s' is another", argv[optind + 1]);
	w->plan.file = argv[optind];
	if (!sweep_grid_runs(&w->plan.grid))
		return cli_usage("sweep", "that is more than %u runs", SWEEP_RUNS_MAX);
	return STATUS_GOOD;
}

/* Every cell must be a good scenario before anything runs. */
static int cells_check(struct sweep *w)
{
	const struct sweep_grid *g = &w->plan.grid;

	for (size_t cell = 0; cell < sweep_grid_cells(g); cell++) {
		struct scenario_mistakes mistakes;
		struct scenario *s = NULL;
		int r = sweep_scenario_read(g, w->plan.file, cell, &s, &mistakes);
		if (r < 0 && g->varies_count) {
			fputs("baton: with ", stderr);
			for (size_t i = 0; i < g->varies_count; i++)
				fprintf(stderr, "%s%s=%s", i ? ", " : "", g->varies[i].path,
					sweep_grid_value(g, cell, i));
			fputs(":\n", stderr);
		}
		cli_mistakes(w->plan.file, &mistakes);
		scenario_mistakes_fini(&mistakes);
		if (!r && !w->title)
			w->title = strdup(s->name);
		scenario_free(s);
		if (r < 0)
			return STATUS_USAGE;
	}
	return STATUS_GOOD;
}

/* ---- while it runs ---- */

static void progress_erase(struct sweep *w)
{
	if (w->drawn)
		fputs("\r\033[K", stderr);
	w->drawn = false;
}

static void tick(void *context)
{
	struct sweep *w = context;
	nstime now = cli_clock(), spent = now - w->start;
	char left[QUANTITY_MAX] = "unknown time";

	if (!w->terminal || (w->drawn && now - w->drawn_at < REDRAW_NS))
		return;
	if (w->ended)
		quantity_time(left, (nstime)((double)spent / (double)w->ended * (double)(w->todo_count - w->ended)) /
					    NSTIME_S * NSTIME_S);
	progress_erase(w);
	fprintf(stderr, "%zu of %zu runs   %zu failed   about %s left", w->ended, w->todo_count,
		w->failed + w->broken + w->not_run, left);
	fflush(stderr);
	w->drawn = true;
	w->drawn_at = now;
}

/* In the child. */
static int run_one(void *context, size_t run)
{
	struct sweep *w = context;
	char name[SWEEP_NAME_MAX];
	int r = sweep_job_run(&w->plan, run);

	if (r >= 0)
		return r;
	sweep_grid_name(&w->plan.grid, run, name);
	cli_error("%s: %s", name, r == E_IO ? strerror(errno) : err_text(r));
	return STATUS_NOT_RUN;
}

static bool run_ended(void *context, size_t run, int status)
{
	struct sweep *w = context;
	char name[SWEEP_NAME_MAX];

	w->ended++;
	sweep_grid_name(&w->plan.grid, run, name);
	if (status == SWEEP_FAILED) {
		w->failed++;
	} else if (status == SWEEP_BROKEN) {
		w->broken++;
	} else if (status < 0) {
		progress_erase(w);
		cli_error("%s: ended by signal %d (%s)", name, -status, strsignal(-status));
		w->not_run++;
	} else if (status != SWEEP_HELD) {
		w->not_run++;
	}
	return true;
}

/* The runs of this share that are not there yet. */
static void todo_find(struct sweep *w)
{
	size_t runs = sweep_grid_runs(&w->plan.grid);
	char name[SWEEP_NAME_MAX];

	w->todo = calloc(runs, sizeof(*w->todo));
	if (!w->todo) {
		cli_error("out of memory");
		exit(STATUS_BROKEN);
	}
	for (size_t run = w->share.index; run < runs; run += w->share.count) {
		sweep_grid_name(&w->plan.grid, run, name);
		w->shared_count++;
		if (!sweep_store_done(&w->plan.store, name))
			w->todo[w->todo_count++] = run;
	}
}

static size_t processors(void)
{
	cpu_set_t set;

	return sched_getaffinity(0, sizeof(set), &set) ? 1 : (size_t)CPU_COUNT(&set);
}

static int runs_run(struct sweep *w)
{
	const struct pool pool = {.jobs = w->jobs ? (size_t)w->jobs : processors(),
				  .run = run_one,
				  .ended = run_ended,
				  .tick = tick,
				  .context = w};

	todo_find(w);
	w->terminal = !w->quiet && isatty(STDERR_FILENO);
	w->start = cli_clock();
	int r = pool_run(&pool, w->todo, w->todo_count), saved = errno;
	progress_erase(w);
	if (r == E_CLOSED) {
		cli_error("interrupted with %zu of %zu runs done; the same command goes on from here",
			  w->shared_count - w->todo_count + w->ended, w->shared_count);
		return STATUS_BROKEN;
	}
	if (r < 0) {
		cli_error("a process could not be started: %s", strerror(saved));
		return STATUS_BROKEN;
	}
	return w->not_run ? STATUS_BROKEN : STATUS_GOOD;
}

/* ---- what came of it ---- */

/* What is plotted when nobody says: what of these differs between runs. */
static size_t metrics_default(const struct sweep_table *t, size_t out[METRICS_MAX])
{
	static const char *const likely[] = {"handoffs.latency_us.mean", "handoffs.latency_us.p50",
					     "handoffs.latency_us.p99",  "requests.latency_us.p50",
					     "requests.latency_us.p99",  "requests.failed",
					     "handoffs.rolled_back",     "courier.retransmitted",
					     "client.retransmissions",   "packets.dropped"};
	size_t count = 0;

	for (size_t i = 0; i < sizeof(likely) / sizeof(*likely); i++) {
		size_t column = sweep_table_metric(t, likely[i]);
		if (column != SIZE_MAX && sweep_table_varies(t, column))
			out[count++] = column;
	}
	return count;
}

/* The columns to show. STATUS_GOOD, or STATUS_USAGE for a metric that no run has. */
static int metrics_find_all(const struct sweep *w, const struct sweep_table *t, size_t out[METRICS_MAX], size_t *count)
{
	*count = w->metrics_count ? w->metrics_count : metrics_default(t, out);
	for (size_t i = 0; i < w->metrics_count; i++) {
		out[i] = sweep_table_metric(t, w->metrics[i]);
		if (out[i] != SIZE_MAX)
			continue;
		const char **names = calloc(t->metrics_count + 1, sizeof(*names));
		for (size_t k = 0; names && k < t->metrics_count; k++)
			names[k] = t->metrics[k];
		const char *nearest = names ? mistake_nearest(w->metrics[i], names) : NULL;
		free(names);
		return nearest ? cli_usage("sweep", "no run has a number '%s'; did you mean '%s'?", w->metrics[i],
					   nearest)
			       : cli_usage("sweep", "no run has a number '%s'", w->metrics[i]);
	}
	return STATUS_GOOD;
}

static void print_cell(const struct sweep *w, const struct sweep_table *t, size_t cell, size_t metric)
{
	struct sweep_stats s = sweep_table_cell(t, cell, metric);
	char mean[SWEEP_NUMBER_MAX], half[SWEEP_NUMBER_MAX], low[SWEEP_NUMBER_MAX], high[SWEEP_NUMBER_MAX];

	fputs("  ", stdout);
	for (size_t i = 0; i < w->plan.grid.varies_count; i++)
		printf("%-10s ", sweep_grid_value(&w->plan.grid, cell, i));
	if (s.count == 1)
		printf("%12s\n", sweep_number(mean, s.mean));
	else if (s.count)
		printf("%12s ± %-10s from %s to %s\n", sweep_number(mean, s.mean), sweep_number(half, s.high - s.mean),
		       sweep_number(low, s.min), sweep_number(high, s.max));
	else
		puts("        none");
}

static void print_summary(const struct sweep *w, const struct sweep_table *t, const size_t *metrics, size_t count)
{
	size_t cells = sweep_grid_cells(&w->plan.grid), held = 0;
	size_t seeds = w->plan.grid.seeds_count ? w->plan.grid.seeds_count : 1;
	char wall[QUANTITY_MAX];

	for (size_t run = 0; run < t->rows_count; run++)
		held += t->rows[run].status == SWEEP_HELD;
	printf("%s: %zu cell%s, %zu seed%s, %zu run%s, %zu of them now, in %s\n\n", w->title, cells,
	       cells == 1 ? "" : "s", seeds, seeds == 1 ? "" : "s", t->rows_count, t->rows_count == 1 ? "" : "s",
	       w->ended, quantity_time(wall, cli_clock() - w->start));
	for (size_t i = 0; i < count; i++) {
		printf("%s%s, by", t->metrics[metrics[i]], seeds > 1 ? ", mean ± 95 % confidence" : "");
		for (size_t k = 0; k < w->plan.grid.varies_count; k++)
			printf("%s %s", k ? "," : "", w->plan.grid.varies[k].path);
		putchar('\n');
		for (size_t cell = 0; cell < cells; cell++)
			print_cell(w, t, cell, metrics[i]);
		putchar('\n');
	}
	printf("all expectations hold in %zu of %zu runs\n", held, t->rows_count);
	printf("files       %s/: sweep.html, results.csv, results.json, summary.csv\n", w->plan.store.dir);
}

static void print_failures(const struct sweep *w, const struct sweep_table *t)
{
	for (size_t run = 0; run < t->rows_count; run++) {
		char name[SWEEP_NAME_MAX];
		sweep_grid_name(&w->plan.grid, run, name);
		if (t->rows[run].status == SWEEP_BROKEN)
			cli_error("%s/runs/%s: an invariant broke; run.json says which", w->plan.store.dir, name);
		else if (t->rows[run].status == SWEEP_FAILED)
			cli_error("%s/runs/%s: %zu expectation%s failed; run.json says which", w->plan.store.dir, name,
				  t->rows[run].failed, t->rows[run].failed == 1 ? "" : "s");
	}
}

static int table_status(const struct sweep_table *t)
{
	int status = STATUS_GOOD;

	for (size_t run = 0; run < t->rows_count; run++)
		if ((int)t->rows[run].status > status)
			status = (int)t->rows[run].status;
	return status;
}

static int collect_table(struct sweep *w, const struct sweep_table *t)
{
	size_t metrics[METRICS_MAX], count;
	int status = metrics_find_all(w, t, metrics, &count);

	if (status)
		return status;
	if (sweep_collect(t, &w->plan.store) < 0 || sweep_page_write(t, &w->plan.store, w->title, metrics, count) < 0) {
		cli_error("%s: %s", w->plan.store.dir, strerror(errno));
		return STATUS_BROKEN;
	}
	if (!w->quiet)
		print_summary(w, t, metrics, count);
	print_failures(w, t);
	return table_status(t);
}

/* The last of several processes to finish collects: until then runs of the others are missing. */
static int collect(struct sweep *w)
{
	struct sweep_table t;
	char bad[SWEEP_NAME_MAX];
	int r = sweep_table_read(&t, &w->plan.store, &w->plan.grid, bad), status;

	if (!r) {
		status = collect_table(w, &t);
	} else if (r == E_NOENT && w->share.count > 1) {
		if (!w->quiet)
			printf("share %zu of %zu: %zu runs done; the share that ends last collects\n", w->share.index,
			       w->share.count, w->shared_count);
		status = w->broken ? STATUS_BROKEN : w->failed ? STATUS_EXPECTATION : STATUS_GOOD;
	} else {
		cli_error("%s/runs/%s: %s", w->plan.store.dir, bad, err_text(r));
		status = STATUS_BROKEN;
	}
	sweep_table_fini(&t);
	return status;
}

static int sweep_run(struct sweep *w)
{
	int status = cells_check(w);

	if (status)
		return status;
	int r = sweep_store_open(&w->plan.store, w->out, w->plan.file, &w->plan.grid);
	if (r == E_EXISTS) {
		cli_error(
			"%s holds another sweep (of another file, version, or grid): name another --out, or remove it",
			w->out);
		return STATUS_USAGE;
	}
	if (r < 0) {
		cli_error("%s: %s", w->out, strerror(errno));
		return STATUS_BROKEN;
	}
	status = runs_run(w);
	return status ? status : collect(w);
}

int cmd_sweep(int argc, char **argv)
{
	struct sweep w = {.share = sweep_share_environment()};
	char *out = NULL;
	int status = words_read(&w, argc, argv);

	if (!status && w.help) {
		print_help();
	} else if (!status) {
		if (!w.out)
			w.out = out = cli_default_out(w.plan.file, "-sweep");
		status = sweep_run(&w);
	}
	sweep_grid_fini(&w.plan.grid);
	free(w.title);
	free(w.todo);
	free(out);
	return status;
}
