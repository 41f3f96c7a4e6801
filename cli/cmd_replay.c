/* SPDX-License-Identifier: BSD-3-Clause */
/* baton replay: drives a scenario with a capture's connections. */
#include "base/err.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/replay_print.h"
#include "live/live.h"
#include "sim/units.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#define SETS_MAX        64U
#define SPEED_MILLI_MAX 1000000000U

struct replay_words {
	const char *file, *out;
	const char *sets[SETS_MAX];
	size_t sets_count;
	bool seed_given, live, help;
	uint64_t seed;
	struct replay_options options;
	struct replay_print print;
};

static void print_help(void)
{
	puts("usage: baton replay [OPTION]... FILE --capture IN\n"
	     "\n"
	     "Replays each TCP connection of a capture through the scenario in FILE, in virtual time: the captured\n"
	     "client's segments go to a VIP, from the scenario's client nodes, numbers rewritten against what is\n"
	     "really answered; the captured server's bytes are what the backend says. Every byte is compared both\n"
	     "ways. The scenario's own traffic, stop and expectations are left out.\n"
	     "\n"
	     "options:\n"
	     "  --capture IN             pcap or pcapng, gzipped or not; '-' is standard input\n"
	     "  --speed 1|N|max          N times as fast as captured, such as 0.5 or 10; max: nothing waits for\n"
	     "                           its time, only for what must come before it\n"
	     "  --connections FILTER     only those whose opening packet the pcap filter matches\n"
	     "  --as segments|stream     the captured segments (the default), or their bytes by a client's stack\n"
	     "  --loop N                 replay it N times, one after the other\n"
	     "  --keep-bad-checksums     leave wrong TCP checksums wrong; without this those that a network card\n"
	     "                           was to fill in are made right\n"
	     "  --live                   in real time, with the networks' TAP devices, as `baton live`\n"
	     "  --seed N                 take N instead of the file's seed\n"
	     "  --set PATH=VALUE         change a value of the file first; may be given often\n"
	     "  --out DIR                where the files go; out/STEM without it, STEM being FILE's name\n"
	     "  --json                   print JSON lines: an object for each connection, then one for all\n"
	     "  --quiet                  print connections that are not whole only\n"
	     "  --help                   this text\n"
	     "\n"
	     "examples:\n"
	     "  baton replay scenarios/replay.yaml --capture tests/captures/bro.org.pcap\n"
	     "  baton replay scenarios/replay.yaml --capture in.pcapng.gz --speed max --connections 'port 80'\n"
	     "\n"
	     "exit status: 0 every replayable connection came out whole, 1 one did not, or none was replayable,\n"
	     "2 the command line or the file is wrong or IN is no capture, 3 it broke while running.");
}

/* "1", "2.5", "max". 0, or E_INVAL. */
static int speed_parse(const char *text, uint64_t *milli)
{
	uint64_t value = 0;
	unsigned decimals = 0;
	bool point = false, digits = false;

	if (!strcmp(text, "max")) {
		*milli = REPLAY_SPEED_MAX;
		return 0;
	}
	for (; *text; text++) {
		if (*text == '.' && !point) {
			point = true;
		} else if (*text >= '0' && *text <= '9' && decimals < 3 && value < SPEED_MILLI_MAX) {
			value = 10 * value + (uint64_t)(*text - '0');
			decimals += point;
			digits = true;
		} else {
			return E_INVAL;
		}
	}
	for (; decimals < 3; decimals++)
		value *= 10;
	*milli = value;
	return digits && value && value <= SPEED_MILLI_MAX ? 0 : E_INVAL;
}

static int option_take(struct replay_words *w, int option)
{
	const char *why;

	switch (option) {
	case 'i':
		w->options.capture = optarg;
		break;
	case 'v':
		if (speed_parse(optarg, &w->options.speed_milli))
			return cli_usage("replay", "--speed '%s': a number from 0.001 to 1000000, or max", optarg);
		break;
	case 'f':
		w->options.filter = optarg;
		break;
	case 'a':
		w->options.stream = !strcmp(optarg, "stream");
		if (!w->options.stream && strcmp(optarg, "segments"))
			return cli_usage("replay", "--as '%s': segments or stream", optarg);
		break;
	case 'l':
		if (units_parse_count(optarg, &w->options.loops, &why))
			return cli_usage("replay", "--loop '%s': %s", optarg, why);
		if (!w->options.loops)
			return cli_usage("replay", "--loop counts from 1");
		break;
	case 'L':
		w->live = true;
		break;
	case 'k':
		w->options.keep_bad_checksums = true;
		break;
	case 's':
		if (units_parse_count(optarg, &w->seed, &why))
			return cli_usage("replay", "--seed '%s': %s", optarg, why);
		w->seed_given = true;
		break;
	case 'e':
		if (w->sets_count == SETS_MAX)
			return cli_usage("replay", "more than %u times --set", SETS_MAX);
		w->sets[w->sets_count++] = optarg;
		break;
	case 'o':
		if (!*optarg)
			return cli_usage("replay", "--out needs a directory");
		w->out = optarg;
		break;
	case 'j':
		w->print.json = true;
		break;
	case 'q':
		w->print.quiet = true;
		break;
	}
	return STATUS_GOOD;
}

/* STATUS_GOOD, or STATUS_USAGE with the mistake printed. */
static int words_read(struct replay_words *w, int argc, char **argv)
{
	static const struct option options[] = {{"capture", required_argument, NULL, 'i'},
						{"speed", required_argument, NULL, 'v'},
						{"connections", required_argument, NULL, 'f'},
						{"as", required_argument, NULL, 'a'},
						{"loop", required_argument, NULL, 'l'},
						{"keep-bad-checksums", no_argument, NULL, 'k'},
						{"live", no_argument, NULL, 'L'},
						{"seed", required_argument, NULL, 's'},
						{"set", required_argument, NULL, 'e'},
						{"out", required_argument, NULL, 'o'},
						{"json", no_argument, NULL, 'j'},
						{"quiet", no_argument, NULL, 'q'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char *const names[] = {"capture", "speed", "connections", "as",   "loop",  "keep-bad-checksums",
					    "seed",    "set",   "out",         "json", "quiet", "help",
					    NULL};
	int answer, status;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":hq", options, NULL)) != -1) {
		if (answer == '?' || answer == ':')
			return cli_option_error("replay", answer, argv, names);
		if (answer == 'h') {
			w->help = true;
			return STATUS_GOOD;
		}
		if ((status = option_take(w, answer)))
			return status;
	}
	if (optind == argc)
		return cli_usage("replay", "a scenario file is needed");
	if (optind + 1 < argc)
		return cli_usage("replay", "one scenario file at a time: '%s' is another", argv[optind + 1]);
	if (!w->options.capture)
		return cli_usage("replay", "a capture is needed: --capture IN");
	if (w->options.loops > 1 && !strcmp(w->options.capture, "-"))
		return cli_usage("replay", "standard input can be read only once: --loop needs a file");
	w->file = argv[optind];
	return STATUS_GOOD;
}

static int outcome_status(const struct replay_totals *t)
{
	return t->broken || !t->whole ? STATUS_EXPECTATION : STATUS_GOOD;
}

static int run_report(const struct scenario *s, struct replay_words *w, const struct replay *replay,
		      const struct run_results *r, int err, int err_number)
{
	if (err == E_IO) {
		cli_error("%s: %s", r->why ? r->why : w->print.out, strerror(err_number));
		return STATUS_BROKEN;
	}
	if (err && err != E_STATE) {
		cli_error("%s: %s", w->file, r->why ? r->why : err_text(err));
		return err == E_INVAL ? STATUS_USAGE : STATUS_BROKEN;
	}
	if (replay_damage(replay))
		cli_error("%s: %s; what came before that was replayed", w->options.capture, replay_damage(replay));
	replay_print_end(&w->print, s, w->seed_given ? w->seed : s->seed, replay, r);
	fflush(stdout);
	if (r->broken) {
		cli_error("an invariant broke: %s: %s", r->broken, r->broken_detail);
		return STATUS_BROKEN;
	}
	if (r->interrupted || !replay_is_finished(replay)) {
		cli_error("interrupted: the replay did not come to its end");
		return STATUS_BROKEN;
	}
	return outcome_status(replay_totals(replay));
}

/* In real time. */
static int replay_live(struct scenario *s, struct replay_words *w, struct replay *replay)
{
	struct live_results results;
	const struct live_options options = {
		.run = {.out = w->print.out,
			.seed_given = w->seed_given,
			.seed = w->seed,
			.replay = replay,
			.clock = cli_clock},
	};
	int err = live_run(s, &options, &results), err_number = errno, status;

	w->seed = results.seed;
	w->seed_given = true;
	if (err && results.why[0]) {
		cli_error("%s", results.why);
		status = err == E_INVAL ? STATUS_USAGE : STATUS_BROKEN;
	} else {
		status = run_report(s, w, replay, &results.run, err, err_number);
	}
	live_results_fini(&results);
	return status;
}

static int replay_run(const struct scenario *s, struct replay_words *w, struct replay *replay)
{
	struct run_results results;
	struct progress progress;
	const struct run_options options = {
		.out = w->print.out,
		.seed_given = w->seed_given,
		.seed = w->seed,
		.replay = replay,
		.clock = cli_clock,
		.progress = progress_show,
		.context = &progress,
	};

	progress_init(&progress, w->print.quiet);
	int err = run_scenario(s, &options, &results), err_number = errno;

	progress_fini(&progress);
	int status = run_report(s, w, replay, &results, err, err_number);

	run_results_fini(&results);
	return status;
}

static int replay_file(struct scenario *s, struct replay_words *w)
{
	char why[REPLAY_WHY_MAX];
	bool is_filter;
	struct replay *replay = replay_open(&w->options, why, &is_filter);

	if (!replay && is_filter)
		return cli_usage("replay", "--connections '%s': %s", w->options.filter, why);
	if (!replay) {
		cli_error("%s: %s", w->options.capture, why);
		return STATUS_USAGE;
	}
	int status = w->live ? replay_live(s, w, replay) : replay_run(s, w, replay);

	replay_close(replay);
	if (replay_print_close(&w->print) < 0 && (status == STATUS_GOOD || status == STATUS_EXPECTATION)) {
		cli_error("%s/replay.csv: %s", w->print.out, strerror(errno));
		status = STATUS_BROKEN;
	}
	return status;
}

int cmd_replay(int argc, char **argv)
{
	struct replay_words w = {.options = {.speed_milli = 1000, .loops = 1, .ended = replay_print_connection}};
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
	char *out = w.out ? NULL : cli_default_out(w.file, "");

	w.print.out = w.out ? w.out : out;
	w.options.context = &w.print;
	status = replay_file(s, &w);
	free(out);
	scenario_free(s);
	return status;
}
