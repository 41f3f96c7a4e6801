/* SPDX-License-Identifier: BSD-3-Clause */
/* baton live: runs a scenario in real time, on the machine's network. */
#include "base/err.h"
#include "base/log.h"
#include "cli/cli.h"
#include "cli/summary.h"
#include "live/live.h"
#include "sim/scenario_doc.h"
#include "sim/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX      64U
#define NODES_MAX     64U /* --node */
#define DRAIN_DEFAULT (5 * NSTIME_S)

struct live_words {
	const char *file, *out, *control, *log, *log_level;
	const char *sets[SETS_MAX];
	size_t sets_count;
	char *own_sets[SETS_MAX]; /* of them, those that are to be freed */
	size_t own_sets_count;
	const char *nodes[NODES_MAX];
	size_t nodes_count;
	bool seed_given, quiet, no_trace, csv, save_blobs, save_plain, help;
	uint64_t seed;
	nstime duration, drain;
};

static void print_help(void)
{
	puts("usage: baton live [OPTION]... FILE\n"
	     "\n"
	     "Runs the scenario in FILE in real time. A network with 'tap: NAME' is a TAP device, which is made, or\n"
	     "found if it exists; one with 'veth: NAME' is an interface that exists. Ctrl-C ends it: nothing new is\n"
	     "taken then, open connections may still end, what is left is reset, devices that were made go, and\n"
	     "the files are written. SIGHUP has FILE read again: rules, health and the key may change.\n"
	     "\n"
	     "options:\n"
	     "  --duration T       end after T, such as '10 s'; without it, at Ctrl-C (SIGINT) or SIGTERM\n"
	     "  --drain T          how long open connections may go on at the end; 5 s without it\n"
	     "  --node NAME        run this node only, others being other processes'; may be given often, NAME may\n"
	     "                     hold *. The networks between processes have a tap or veth, and the file a key\n"
	     "  --control PATH     listen on this socket for `baton ctl`, instead of what the file says\n"
	     "  --metrics ADDRESS:PORT\n"
	     "                     serve metrics for Prometheus there, at /metrics, instead of where the file says\n"
	     "  --user NAME        become this user, with no capability, once all is open\n"
	     "  --log FORMAT       the log, on standard error: lines (default) or json\n"
	     "  --log-level LEVEL  how much of it: error, warning, info (default) or connections\n"
	     "  --set PATH=VALUE   change a value of the file first; may be given often, see baton run --help\n"
	     "  --seed N           draw from N; without it from the machine's randomness\n"
	     "  --out DIR          where the files go; out/STEM without it, STEM being FILE's name\n"
	     "  --no-trace         write no trace.jsonl, which grows with every connection, up to 1 GiB\n"
	     "  --csv              also write tables to DIR, as baton run does\n"
	     "  --save-blobs       also write each hand-off's blob to DIR/blobs, for `baton blob`\n"
	     "  --save-plain       say in the comments of captures what sealed courier frames carry\n"
	     "  --quiet            print failures only\n"
	     "  --help             this text\n"
	     "\n"
	     "examples:\n"
	     "  baton live scenarios/live/web.yaml\n"
	     "  baton live --node 'backend*' --set networks.cluster.veth=eth1 scenarios/live/cluster.yaml\n"
	     "\n"
	     "exit status: 0 all expectations hold, also after Ctrl-C; 1 one failed; 2 the command line or the file\n"
	     "is wrong; 3 it broke while running, or could not start.");
}

static int duration_read(const char *option, const char *text, nstime *out)
{
	const char *why;

	if (units_parse_duration(text, out, &why))
		return cli_usage("live", "%s '%s': %s", option, text, why);
	return STATUS_GOOD;
}

/* An option that stands for a key of the file. STATUS_GOOD, or STATUS_USAGE with the mistake printed. */
static int set_add(struct live_words *w, const char *key, const char *value)
{
	if (w->sets_count == SETS_MAX)
		return cli_usage("live", "more than %u times --set", SETS_MAX);
	if (strpbrk(value, "\"\\\n"))
		return cli_usage("live", "--%s '%s': there is no such thing", key, value);
	if (asprintf(&w->own_sets[w->own_sets_count], "%s=\"%s\"", key, value) < 0)
		log_fatal("out of memory for a word");
	w->sets[w->sets_count++] = w->own_sets[w->own_sets_count++];
	return STATUS_GOOD;
}

/* STATUS_GOOD, or STATUS_USAGE with the mistake printed. */
static int words_read(struct live_words *w, int argc, char **argv)
{
	static const struct option options[] = {{"duration", required_argument, NULL, 'd'},
						{"drain", required_argument, NULL, 'D'},
						{"node", required_argument, NULL, 'n'},
						{"control", required_argument, NULL, 'C'},
						{"metrics", required_argument, NULL, 'm'},
						{"user", required_argument, NULL, 'u'},
						{"log", required_argument, NULL, 'l'},
						{"log-level", required_argument, NULL, 'L'},
						{"set", required_argument, NULL, 'e'},
						{"seed", required_argument, NULL, 's'},
						{"out", required_argument, NULL, 'o'},
						{"no-trace", no_argument, NULL, 't'},
						{"csv", no_argument, NULL, 'c'},
						{"save-blobs", no_argument, NULL, 'b'},
						{"save-plain", no_argument, NULL, 'p'},
						{"quiet", no_argument, NULL, 'q'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char *const names[] = {"duration", "drain",      "node",       "control", "metrics", "user",
					    "log",      "log-level",  "set",        "seed",    "out",     "no-trace",
					    "csv",      "save-blobs", "save-plain", "quiet",   "help",    NULL};
	const char *why;
	int answer, status = STATUS_GOOD;

	opterr = 0;
	while (!status && (answer = getopt_long(argc, argv, ":hq", options, NULL)) != -1) {
		switch (answer) {
		case 'd':
			status = duration_read("--duration", optarg, &w->duration);
			if (!status && !w->duration)
				status = cli_usage("live", "--duration: a run of no time shows nothing");
			break;
		case 'D':
			status = duration_read("--drain", optarg, &w->drain);
			break;
		case 'n':
			if (w->nodes_count == NODES_MAX)
				return cli_usage("live", "more than %u times --node", NODES_MAX);
			w->nodes[w->nodes_count++] = optarg;
			break;
		case 'C':
			w->control = optarg;
			break;
		case 'm':
			status = set_add(w, "metrics", optarg);
			break;
		case 'u':
			status = set_add(w, "user", optarg);
			break;
		case 'l':
			w->log = optarg;
			break;
		case 'L':
			w->log_level = optarg;
			break;
		case 'e':
			if (w->sets_count == SETS_MAX)
				return cli_usage("live", "more than %u times --set", SETS_MAX);
			w->sets[w->sets_count++] = optarg;
			break;
		case 's':
			if (units_parse_count(optarg, &w->seed, &why))
				return cli_usage("live", "--seed '%s': %s", optarg, why);
			w->seed_given = true;
			break;
		case 'o':
			if (!*optarg)
				return cli_usage("live", "--out needs a directory");
			w->out = optarg;
			break;
		case 't':
			w->no_trace = true;
			break;
		case 'c':
			w->csv = true;
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
			return cli_option_error("live", answer, argv, names);
		}
	}
	if (status)
		return status;
	if (optind == argc)
		return cli_usage("live", "a scenario file is needed");
	if (optind + 1 < argc)
		return cli_usage("live", "one scenario file at a time: '%s' is another", argv[optind + 1]);
	w->file = argv[optind];
	return STATUS_GOOD;
}

/* Which nodes --node names: by node, to be freed; NULL: all, since there is no --node. STATUS_USAGE with the mistake
 * printed. */
static int nodes_choose(const struct live_words *w, const struct scenario *s, bool **out)
{
	bool *here = w->nodes_count ? calloc(s->nodes_count, sizeof(*here)) : NULL;

	*out = here;
	if (w->nodes_count && !here)
		log_fatal("out of memory for %zu nodes", s->nodes_count);
	for (size_t i = 0; i < w->nodes_count; i++) {
		bool some = false;

		for (size_t n = 0; n < s->nodes_count; n++)
			if (!(s->nodes[n].roles & ROLE_OUTSIDE) && scenario_glob(w->nodes[i], s->nodes[n].name))
				some = here[n] = true;
		if (some)
			continue;
		free(here);
		*out = NULL;
		return cli_usage("live", "--node '%s': no node of '%s' is called so", w->nodes[i], w->file);
	}
	return STATUS_GOOD;
}

static int live_report(const struct scenario *s, const struct live_words *w, const struct live_results *r, int err,
		       int err_number, const char *out)
{
	const struct run_results *run = &r->run;

	if (err && err != E_STATE) {
		if (*r->why || run->why)
			cli_error("%s: %s", w->file, *r->why ? r->why : run->why);
		else
			cli_error("%s: %s", out, err == E_IO ? strerror(err_number) : err_text(err));
		return err == E_INVAL ? STATUS_USAGE : STATUS_BROKEN;
	}
	if (w->quiet)
		summary_failures(s, run);
	else
		summary_live_print(s, r, out, !w->no_trace);
	fflush(stdout);
	if (run->broken) {
		cli_error("an invariant broke: %s: %s", run->broken, run->broken_detail);
		return STATUS_BROKEN;
	}
	return run->expectations_failed ? STATUS_EXPECTATION : STATUS_GOOD;
}

/* The place of a word in a list, or -1. */
static int word_find(const char *word, const char *const *list)
{
	for (int i = 0; list[i]; i++)
		if (!strcmp(word, list[i]))
			return i;
	return -1;
}

static int log_words(const struct live_words *w, struct scenario *s)
{
	static const char *const formats[] = {"lines", "json", NULL};
	int format = w->log ? word_find(w->log, formats) : s->live.log_json;
	int level = w->log_level ? word_find(w->log_level, scenario_log_levels) : (int)s->live.log_level;

	if (format < 0)
		return cli_usage("live", "--log '%s': it is lines or json", w->log);
	if (level < 0)
		return cli_usage("live", "--log-level '%s': it is error, warning, info or connections", w->log_level);
	s->live.log_json = format == 1;
	s->live.log_level = w->quiet && !w->log_level ? LOG_LEVEL_WARNING : (enum log_level)level;
	return STATUS_GOOD;
}

/* What the command line says of the run as a service goes before what the file says. */
static int service_words(const struct live_words *w, struct scenario *s)
{
	int status = log_words(w, s);

	if (status || !w->control)
		return status;
	if (!*w->control || strlen(w->control) > SCENARIO_SOCKET_PATH_MAX)
		return cli_usage("live", "--control needs a path of 1 to %u characters", SCENARIO_SOCKET_PATH_MAX);
	free(s->live.control);
	s->live.control = strdup(w->control);
	if (!s->live.control)
		log_fatal("out of memory for a path");
	return STATUS_GOOD;
}

static int live_scenario(struct scenario *s, struct live_words *w, const char *out)
{
	struct live_results results;
	bool *here = NULL;
	int status = service_words(w, s);

	if (!status)
		status = nodes_choose(w, s, &here);

	if (status)
		return status;
	const struct live_options options = {
		.run = {.out = out,
			.seed_given = w->seed_given,
			.seed = w->seed,
			.no_trace = w->no_trace,
			.csv = w->csv,
			.save_blobs = w->save_blobs,
			.save_plain = w->save_plain,
			.clock = cli_clock},
		.duration = w->duration,
		.drain = w->drain,
		.here = here,
	};
	int err = live_run(s, &options, &results), err_number = errno;

	status = live_report(s, w, &results, err, err_number, out);
	live_results_fini(&results);
	free(here);
	return status;
}

static int live_words_run(struct live_words *w)
{
	struct scenario *s = NULL;
	struct scenario_mistakes mistakes;
	int err = scenario_read(w->file, w->sets, w->sets_count, &s, &mistakes);

	cli_mistakes(w->file, &mistakes);
	scenario_mistakes_fini(&mistakes);
	if (err)
		return STATUS_USAGE;
	char *out = w->out ? NULL : cli_default_out(w->file, "");
	int status = live_scenario(s, w, w->out ? w->out : out);

	free(out);
	scenario_free(s);
	return status;
}

int cmd_live(int argc, char **argv)
{
	struct live_words w = {.drain = DRAIN_DEFAULT};
	int status = words_read(&w, argc, argv);

	if (!status && w.help)
		print_help();
	else if (!status)
		status = live_words_run(&w);
	for (size_t i = 0; i < w.own_sets_count; i++)
		free(w.own_sets[i]);
	return status;
}
