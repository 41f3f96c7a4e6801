/* SPDX-License-Identifier: BSD-3-Clause */
/* baton canon: prints captures in the canonical text form, and keeps suites of it. */
#include "cli/canon_print.h"
#include "cli/cli.h"
#include "cli/suite.h"

#include <ctype.h>
#include <getopt.h>
#include <string.h>

struct words {
	const char *bless, *reason;
	bool check, help;
};

static void print_help(void)
{
	puts("usage: baton canon IN\n"
	     "       baton canon --check DIR...\n"
	     "       baton canon --bless DIR --reason TEXT\n"
	     "\n"
	     "Prints packets in the canonical text form, a line each: time since the first packet, connection and\n"
	     "direction, TCP flags, relative sequence numbers, length, window, options, hash of the payload.\n"
	     "Addresses, ports, initial sequence numbers and the date are left out: two captures of the same\n"
	     "conversation give the same text.\n"
	     "\n"
	     "IN is a capture (pcap or pcapng, gzipped or not; '-' is standard input), the directory of a run,\n"
	     "whose captures are merged by time with their names, or canonical text, which is checked.\n"
	     "\n"
	     "A suite is a directory with capture.pcap or capture.pcapng, expected.txt, outcomes.txt and, when the\n"
	     "capture is to be replayed and what comes of that is expected, scenario.yaml.\n"
	     "\n"
	     "options:\n"
	     "  --check         compare suites with what comes out now, and show the first difference of each\n"
	     "  --bless DIR     record a suite's expected.txt and outcomes.txt anew\n"
	     "  --reason TEXT   why: a line for the suite's REASONS\n"
	     "  --help          this text\n"
	     "\n"
	     "exit status: 0 all was read, or suites are as expected; 1 a suite is not; 2 it is not a capture, or\n"
	     "damaged from somewhere on (what came before that is printed), or not a suite; 3 a replay broke. The\n"
	     "form is described in baton-canon(5).");
}

static int words_read(struct words *w, int argc, char **argv)
{
	static const struct option options[] = {{"check", no_argument, NULL, 'c'},
						{"bless", required_argument, NULL, 'b'},
						{"reason", required_argument, NULL, 'r'},
						{"help", no_argument, NULL, 'h'},
						{NULL, 0, NULL, 0}};
	static const char *const names[] = {"check", "bless", "reason", "help", NULL};
	int answer;

	*w = (struct words){0};
	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer == 'h')
			w->help = true;
		else if (answer == 'c')
			w->check = true;
		else if (answer == 'b')
			w->bless = optarg;
		else if (answer == 'r')
			w->reason = optarg;
		else
			return cli_option_error("canon", answer, argv, names);
	}
	return STATUS_GOOD;
}

/* One line, and not empty. */
static bool reason_good(const char *reason)
{
	size_t len = strlen(reason);

	for (size_t i = 0; i < len; i++)
		if (iscntrl((unsigned char)reason[i]))
			return false;
	return len > strspn(reason, " ") && len <= SUITE_REASON_MAX;
}

static int bless(const struct words *w, int arguments)
{
	if (arguments || w->check)
		return cli_usage("canon", "--bless names the only suite");
	if (!w->reason)
		return cli_usage("canon", "--bless needs a --reason");
	if (!reason_good(w->reason))
		return cli_usage("canon", "--reason: a line of 1 to %u bytes", SUITE_REASON_MAX);
	return suite_bless(w->bless, w->reason);
}

static int check(char *const *dirs)
{
	int status = STATUS_GOOD;

	for (; *dirs; dirs++) {
		int r = suite_check(*dirs);

		status = r > status ? r : status;
	}
	return status;
}

static int print(const char *path)
{
	struct canon_printed printed;

	canon_print(stdout, path, &printed);
	fflush(stdout);
	if (!*printed.why)
		return STATUS_GOOD;
	fprintf(stderr, "%s\n", printed.why);
	return STATUS_USAGE;
}

int cmd_canon(int argc, char **argv)
{
	struct words w;
	int status = words_read(&w, argc, argv);

	if (status)
		return status;
	if (w.help) {
		print_help();
		return STATUS_GOOD;
	}
	if (w.bless)
		return bless(&w, argc - optind);
	if (w.reason)
		return cli_usage("canon", "--reason is for --bless");
	if (w.check && optind == argc)
		return cli_usage("canon", "a suite's directory is needed");
	if (w.check)
		return check(argv + optind);
	if (optind + 1 != argc)
		return cli_usage("canon", "one capture, directory or canonical text is needed");
	return print(argv[optind]);
}
