/* SPDX-License-Identifier: BSD-3-Clause */
/* baton check: reads scenario files and says every mistake. */
#include "cli/cli.h"

#include <getopt.h>

static void print_help(void)
{
	puts("usage: baton check [--set PATH=VALUE]... FILE...\n"
	     "\n"
	     "Reads each scenario file and says every mistake in it, as FILE:LINE:COLUMN: MESSAGE on standard\n"
	     "error: syntax, unknown and duplicate keys, values without or with the wrong unit, names that do\n"
	     "not exist, addresses that clash, paths that do not lead anywhere. Nothing is run; a file without\n"
	     "a mistake gives no output.\n"
	     "\n"
	     "options:\n"
	     "  --set PATH=VALUE   change a value first, as for `baton run`\n"
	     "  --help             this text\n"
	     "\n"
	     "exit status: 0 no mistake, 2 otherwise.");
}

static bool check_file(const char *file, const char *const *sets, size_t sets_count)
{
	struct scenario *s = NULL;
	struct scenario_mistakes m;
	bool good = !scenario_read(file, sets, sets_count, &s, &m);

	cli_mistakes(file, &m);
	scenario_mistakes_fini(&m);
	scenario_free(s);
	return good;
}

int cmd_check(int argc, char **argv)
{
	static const struct option options[] = {
		{"set", required_argument, NULL, 's'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static const char *const names[] = {"set", "help", NULL};
	const char *sets[64];
	size_t sets_count = 0;
	int status = STATUS_GOOD, answer;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer == 'h') {
			print_help();
			return STATUS_GOOD;
		}
		if (answer != 's')
			return cli_option_error("check", answer, argv, names);
		if (sets_count == sizeof(sets) / sizeof(*sets))
			return cli_usage("check", "more than %zu times --set", sets_count);
		sets[sets_count++] = optarg;
	}
	if (optind == argc)
		return cli_usage("check", "a scenario file is needed");
	for (int i = optind; i < argc; i++)
		if (!check_file(argv[i], sets, sets_count))
			status = STATUS_USAGE;
	return status;
}
