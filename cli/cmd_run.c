/* SPDX-License-Identifier: BSD-3-Clause */
/* baton run: simulates a scenario. */
#include "base/err.h"
#include "base/quantity.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/summary.h"
#include "report/page.h"
#include "sim/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX 64U

struct run_words {
	const char *file, *out;
	const char *sets[SETS_MAX];
	size_t sets_count;
	bool seed_given, quiet, save_blobs, save_plain, csv, report, help;
	uint64_t seed, connection; /* connection 0: not said */
};

static void print_help(void)
{
	puts("usage: baton run [OPTION]... FILE\n"
	     "\n"
	     "Simulates the scenario in FILE in virtual time, prints a summary, and checks what the file expects.\n"
	     "The same file, seed and version give the same bytes in result.json, trace.jsonl and the captures;\n"
	     "the fingerprint in the summary is a hash of the trace, which covers every packet.\n"
	     "\n"
	     "options:\n"
	     "  --seed N           take N instead of the file's seed\n"
	     "  --set PATH=VALUE   change a value of the file first; may be given often. PATH is made of keys\n"
	     "                     and list indices, joined by dots; a range's name stands for all its nodes\n"
	     "  --out DIR          where the files go; out/STEM without it, STEM being FILE's name\n"
	     "  --csv              also write tables to DIR: nodes.csv, links.csv, rules.csv, flows.csv,\n"
	     "                     traffic.csv, histograms.csv\n"
	     "  --report           also write DIR/report.html, a page with pictures: topology, time series,\n"
	     "                     latencies, and the steps of one connection\n"
	     "  --connection N     in the page, the N-th connection instead of the first that is handed over\n"
	     "  --save-blobs       also write each hand-off's blob to DIR/blobs, for `baton blob`\n"
	     "  --save-plain       say in the comments of captures what sealed courier frames carry\n"
	     "  --quiet            print failures only\n"
	     "  --help             this text\n"
	     "\n"
	     "examples:\n"
	     "  baton run scenarios/handoff.yaml\n"
	     "  baton run --seed 7 --set 'nodes.backend.on.cluster.loss=10 %' scenarios/handoff.yaml\n"
	     "  baton run --set traffic.0.requests=10 --set 'capture=[ \"*.cluster\" ]' scenarios/handoff.yaml\n"
	     "\n"
	     "exit status: 0 all expectations hold, 1 one failed, 2 the command line or the file is wrong,\n"
	     "3 it broke while running or was interrupted.");
}

/* STATUS_GOOD, or STATUS_USAGE with the mistake printed. */
static int words_read(struct run_words *w, int argc, char **argv)
{
	static const struct option options[] = {{"seed", required_argument, NULL, 's'},
						{"set", required_argument, NULL, 'e'},
						{"out", required_argument, NULL, 'o'},
						{"csv", no_argument, NULL, 'c'},
						{"report", no_argument, NULL, 'r'},
						{"connection", required_argument, NULL, 'n'},
						{"save-blobs", no_argument, NULL, 'b'},
						{"save-plain", no_argument, NULL, 'p'},
						{"quiet", no_argument, NULL, 'q'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char *const names[] = {"seed",       "set",        "out",   "csv",  "report", "connection",
					    "save-blobs", "save-plain", "quiet", "help", NULL};
	const char *why;
	int answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":hq", options, NULL)) != -1) {
		switch (answer) {
		case 's':
			if (units_parse_count(optarg, &w->seed, &why))
				return cli_usage("run", "--seed '%s': %s", optarg, why);
			w->seed_given = true;
			break;
		case 'e':
			if (w->sets_count == SETS_MAX)
				return cli_usage("run", "more than %u times --set", SETS_MAX);
			w->sets[w->sets_count++] = optarg;
			break;
		case 'o':
			if (!*optarg)
				return cli_usage("run", "--out needs a directory");
			w->out = optarg;
			break;
		case 'c':
			w->csv = true;
			break;
		case 'r':
			w->report = true;
			break;
		case 'n':
			if (units_parse_count(optarg, &w->connection, &why))
				return cli_usage("run", "--connection '%s': %s", optarg, why);
			if (!w->connection)
				return cli_usage("run", "--connection counts from 1");
			break;
		case 'b':
			w->save_blobs = true;
			break;
		case 'p':
			w->save_plain = true;
			break;
		case 'q':
			w->quiet = true;
			break;
		case 'h':
			w->help = true;
			return STATUS_GOOD;
		default:
			return cli_option_error("run", answer, argv, names);
		}
	}
	if (w->connection && !w->report)
		return cli_usage("run", "--connection says what --report shows, and needs it");
	if (optind == argc)
		return cli_usage("run", "a scenario file is needed");
	if (optind + 1 < argc)
		return cli_usage("run", "one scenario file at a time: '%s' is another", argv[optind + 1]);
	w->file = argv[optind];
	return STATUS_GOOD;
}

/* DIR/report.html. STATUS_GOOD, or STATUS_BROKEN with the reason printed. */
static int page_make(const struct scenario *s, const struct run_words *w, const struct run_results *r, const char *out)
{
	char *summary = summary_text(s, &r->metrics), *path;
	const struct page_input in = {
		.scenario = s,
		.seed = w->seed_given ? w->seed : s->seed,
		.results = r,
		.summary = summary,
	};
	int status = STATUS_GOOD;

	if (asprintf(&path, "%s/report.html", out) < 0) {
		cli_error("out of memory");
		exit(STATUS_BROKEN);
	}
	if (page_write(&in, path)) {
		cli_error("%s: %s", path, strerror(errno));
		status = STATUS_BROKEN;
	}
	free(path);
	free(summary);
	return status;
}

static int run_report(const struct scenario *s, const struct run_words *w, const struct run_results *r, int err,
		      int err_number, const char *out)
{
	if (err == E_IO) {
		cli_error("%s: %s", r->why ? r->why : out, strerror(err_number));
		return STATUS_BROKEN;
	}
	if (err && err != E_STATE) {
		cli_error("%s: %s", w->file, r->why ? r->why : err_text(err));
		return err == E_INVAL ? STATUS_USAGE : STATUS_BROKEN;
	}
	if (w->quiet)
		summary_failures(s, r);
	else
		summary_print(s, w->seed_given ? w->seed : s->seed, r, out, w->report ? "report.html" : NULL);
	fflush(stdout);
	if (r->broken) {
		cli_error("an invariant broke: %s: %s", r->broken, r->broken_detail);
		cli_error("this is a defect of Baton, not of the scenario; seed and file reproduce it");
		return STATUS_BROKEN;
	}
	if (r->interrupted) {
		cli_error("interrupted: the run did not come to its end, so that its expectations mean nothing");
		return STATUS_BROKEN;
	}
	return r->expectations_failed ? STATUS_EXPECTATION : STATUS_GOOD;
}

static int run_file(const struct scenario *s, const struct run_words *w, const char *out)
{
	struct run_results results;
	struct progress progress;
	const struct run_options options = {
		.out = out,
		.seed_given = w->seed_given,
		.seed = w->seed,
		.save_blobs = w->save_blobs,
		.save_plain = w->save_plain,
		.csv = w->csv,
		.record = w->report,
		.connection = w->connection,
		.clock = cli_clock,
		.progress = progress_show,
		.context = &progress,
	};

	progress_init(&progress, w->quiet);
	int err = run_scenario(s, &options, &results), err_number = errno;

	progress_fini(&progress);
	int page = results.record ? page_make(s, w, &results, out) : STATUS_GOOD;
	int status = run_report(s, w, &results, err, err_number, out);

	if (page)
		status = page;

	run_results_fini(&results);
	return status;
}

int cmd_run(int argc, char **argv)
{
	struct run_words w = {0};
	struct scenario *s = NULL;
	struct scenario_mistakes mistakes;
	int status = words_read(&w, argc, argv);

	if (status)
		return status;
	if (w.help) {
		print_help();
		return STATUS_GOOD;
	}
	int err = scenario_read(w.file, w.sets, w.sets_count, &s, &mistakes);

	cli_mistakes(w.file, &mistakes);
	scenario_mistakes_fini(&mistakes);
	if (err)
		return STATUS_USAGE;
	if (w.save_plain && !s->captures_count) {
		scenario_free(s);
		return cli_usage("run", "--save-plain is about captures, and '%s' has none", w.file);
	}
	char *out = w.out ? NULL : cli_default_out(w.file, "");

	status = run_file(s, &w, w.out ? w.out : out);
	free(out);
	scenario_free(s);
	return status;
}
