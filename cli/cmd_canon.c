/* SPDX-License-Identifier: BSD-3-Clause */
/* baton canon: prints captures in the canonical text form. */
#include "cli/cli.h"
#include "pcap/canon_source.h"

#include <getopt.h>

#define OUTPUT_BUFFER_LEN 65536U

static void print_help(void)
{
	puts("usage: baton canon IN\n"
	     "\n"
	     "Prints packets in the canonical text form, a line each: time since the first packet, connection and\n"
	     "direction, TCP flags, relative sequence numbers, length, window, options, hash of the payload.\n"
	     "Addresses, ports, initial sequence numbers and the date are left out: two captures of the same\n"
	     "conversation give the same text.\n"
	     "\n"
	     "IN is a capture (pcap or pcapng, gzipped or not; '-' is standard input), the directory of a run,\n"
	     "whose captures are merged by time with their names, or canonical text, which is checked.\n"
	     "\n"
	     "options:\n"
	     "  --help   this text\n"
	     "\n"
	     "exit status: 0 all was read, 2 it is not a capture, or damaged from somewhere on (what came before\n"
	     "that is printed). The form is described in baton-canon(5).");
}

static int lines_print(const char *path, struct canon_source *s)
{
	struct canon_line line;
	int r;

	setvbuf(stdout, NULL, _IOFBF, OUTPUT_BUFFER_LEN);
	puts(CANON_HEADER);
	while ((r = canon_source_next(s, &line)) == 1) {
		fwrite_unlocked(line.text, 1, line.len, stdout);
		putchar_unlocked('\n');
	}
	cli_forgotten(path, canon_source_forgotten(s));
	if (!r)
		return STATUS_GOOD;
	fflush(stdout);
	fprintf(stderr, "%s\n", canon_source_why(s));
	return STATUS_USAGE;
}

int cmd_canon(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static const char *const names[] = {"help", NULL};
	char why[CANON_MISTAKE_MAX];
	int answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer != 'h')
			return cli_option_error("canon", answer, argv, names);
		print_help();
		return STATUS_GOOD;
	}
	if (optind + 1 != argc)
		return cli_usage("canon", "one capture, directory or canonical text is needed");
	struct canon_source *s = canon_source_open(argv[optind], CANON_CONNECTIONS_MAX, why);

	if (!s) {
		fprintf(stderr, "%s\n", why);
		return STATUS_USAGE;
	}
	int status = lines_print(argv[optind], s);

	canon_source_close(s);
	return status;
}
