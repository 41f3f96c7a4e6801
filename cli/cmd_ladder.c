/* SPDX-License-Identifier: BSD-3-Clause */
/* baton ladder: draws one connection of a run. The run is made again from what its directory says of it, and its trace
 * compared on the way: so there is every packet of whichever connection, and the picture is of that very run. */
#include "base/err.h"
#include "cli/cli.h"
#include "report/document.h"
#include "report/ladder.h"
#include "sim/rerun.h"
#include "sim/run.h"
#include "sim/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct ladder_words {
	const char *directory, *out;
	uint64_t connection; /* 0: not said */
	bool text, help;
};

static void print_help(void)
{
	puts("usage: baton ladder DIR [--connection N] [-o FILE.svg | --text]\n"
	     "\n"
	     "Draws one connection of the run in DIR as a ladder: a line down for each node that took part, an arrow\n"
	     "for each packet and courier frame on each link, lost, corrupted and repeated ones marked, and what the\n"
	     "layers did. The picture is SVG that stands alone, light or dark as the reader's system is, and goes to\n"
	     "standard output.\n"
	     "\n"
	     "DIR/scenario.json says what was run. It is run again, up to that connection's end, and has to give the\n"
	     "same trace.jsonl again.\n"
	     "\n"
	     "options:\n"
	     "  --connection N      the N-th connection instead of the first that is handed over\n"
	     "  -o, --output FILE   write to FILE\n"
	     "  --text              lines of text for a terminal instead of SVG\n"
	     "  --help              this text\n"
	     "\n"
	     "examples:\n"
	     "  baton run scenarios/handoff.yaml && baton ladder out/handoff -o ladder.svg\n"
	     "  baton ladder out/handoff --connection 7 --text | less\n"
	     "\n"
	     "exit status: 0 it is drawn, 2 the command line or DIR is wrong or there is no such connection,\n"
	     "3 it broke while drawing.");
}

/* STATUS_GOOD, or STATUS_USAGE with the mistake printed. */
static int words_read(struct ladder_words *w, int argc, char **argv)
{
	static const struct option options[] = {{"connection", required_argument, NULL, 'n'},
						{"output", required_argument, NULL, 'o'},
						{"text", no_argument, NULL, 't'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char *const names[] = {"connection", "output", "text", "help", NULL};
	const char *why;
	int answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":ho:", options, NULL)) != -1) {
		switch (answer) {
		case 'n':
			if (units_parse_count(optarg, &w->connection, &why))
				return cli_usage("ladder", "--connection '%s': %s", optarg, why);
			if (!w->connection)
				return cli_usage("ladder", "--connection counts from 1");
			break;
		case 'o':
			w->out = optarg;
			break;
		case 't':
			w->text = true;
			break;
		case 'h':
			w->help = true;
			return STATUS_GOOD;
		default:
			return cli_option_error("ladder", answer, argv, names);
		}
	}
	if (optind + 1 != argc)
		return cli_usage("ladder", "the directory of one run is needed");
	w->directory = argv[optind];
	return STATUS_GOOD;
}

static int directory_error(const struct ladder_words *w, const char *why)
{
	cli_error("%s: %s", w->directory, why);
	return STATUS_USAGE;
}

/* ---- drawing ---- */

static int drawing_write(const struct ladder_words *w, const char *bytes, size_t len)
{
	FILE *f = w->out ? fopen(w->out, "we") : stdout;
	bool whole = f && fwrite(bytes, 1, len, f) == len && !fflush(f);
	int error = errno;

	if (f && w->out && fclose(f) && whole) {
		whole = false;
		error = errno;
	}
	if (whole)
		return STATUS_GOOD;
	cli_error("%s: %s", w->out ? w->out : "standard output", strerror(error));
	return STATUS_BROKEN;
}

static int connection_draw(const struct ladder_words *w, const struct scenario *s, const struct steps_connection *c)
{
	struct markup m = {0};
	int status;

	if (w->text) {
		char *text = ladder_text(s, c);

		status = drawing_write(w, text, strlen(text));
		free(text);
		return status;
	}
	ladder_picture(&m, s, c);
	status = drawing_write(w, (const char *)m.text.data, m.text.len);
	markup_fini(&m);
	return status;
}

/* ---- the run, again ---- */

static int absent_error(const struct ladder_words *w, const struct rerun_trace *trace)
{
	char why[128];
	const char *until = trace->ended ? "" : " before it broke off";

	if (w->connection)
		snprintf(why, sizeof why, "there was no connection %llu%s", (unsigned long long)w->connection, until);
	else
		snprintf(why, sizeof why, "there was no connection%s", until);
	return directory_error(w, why);
}

static int results_draw(const struct ladder_words *w, const struct scenario *s, const struct rerun *again,
			const struct rerun_trace *trace, const struct run_results *r)
{
	const struct steps_connection *c = r->record ? steps_chosen(&r->record->steps) : NULL;
	char why[256];

	if (r->likeness == TRACEFILE_OTHER || (r->likeness == TRACEFILE_SHORTER && trace->ended)) {
		bool same = !strcmp(again->version, BATON_VERSION);

		snprintf(why, sizeof why,
			 "run again it gives another trace; trace.jsonl is %s, or a file that the scenario reads "
			 "changed",
			 same ? "changed" : "another version's");
		return directory_error(w, why);
	}
	if (!c || !c->count)
		return absent_error(w, trace);
	if (!trace->ended)
		cli_error(
			"%s: the run broke off, and so does the ladder: trace.jsonl ends %llu.%06llu s after the start",
			w->directory, (unsigned long long)(trace->last / NSTIME_S),
			(unsigned long long)(trace->last % NSTIME_S / NSTIME_US));
	return connection_draw(w, s, c);
}

static int scenario_rerun(const struct ladder_words *w, const struct scenario *s, const struct rerun *again,
			  const struct rerun_trace *trace)
{
	struct run_results results;
	char *path;

	if (asprintf(&path, "%s/trace.jsonl", w->directory) < 0) {
		cli_error("out of memory");
		return STATUS_BROKEN;
	}
	const struct run_options options = {
		.record = true,
		.connection = w->connection,
		.like = path,
		.until = trace->ended ? 0 : trace->last,
		.steps_alone = true,
	};
	int err = run_scenario(s, &options, &results), status;

	if (err && err != E_STATE) /* a broken invariant is no matter here: that of a part of a run may */
		status = directory_error(w, results.why ? results.why : err_text(err));
	else
		status = results_draw(w, s, again, trace, &results);
	run_results_fini(&results);
	free(path);
	return status;
}

static int directory_draw(const struct ladder_words *w, const struct rerun *again)
{
	struct scenario_mistakes mistakes;
	struct rerun_trace trace;
	struct scenario *s = NULL;
	char why[RERUN_WHY_MAX];

	if (rerun_trace_look(&trace, w->directory, why))
		return directory_error(w, why);
	int err = scenario_read_text(again->file, again->text, strlen(again->text), (const char *const *)again->sets,
				     again->sets_count, &s, &mistakes);

	cli_mistakes(again->file, &mistakes);
	scenario_mistakes_fini(&mistakes);
	if (err)
		return directory_error(w, "what was run is no scenario any more");
	int status = scenario_rerun(w, s, again, &trace);

	scenario_free(s);
	return status;
}

int cmd_ladder(int argc, char **argv)
{
	struct ladder_words w = {0};
	struct rerun again;
	char why[RERUN_WHY_MAX];
	struct stat st;
	int status = words_read(&w, argc, argv);

	if (status)
		return status;
	if (w.help) {
		print_help();
		return STATUS_GOOD;
	}
	if (stat(w.directory, &st) < 0)
		return directory_error(&w, strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return directory_error(&w, "not a directory; a run writes out/STEM or --out DIR");
	if (rerun_read(&again, w.directory, why))
		status = directory_error(&w, why);
	else
		status = directory_draw(&w, &again);
	rerun_fini(&again);
	return status;
}
