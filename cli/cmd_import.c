/* SPDX-License-Identifier: BSD-3-Clause */
/* baton import: a capture as a scenario. */
#include "base/err.h"
#include "cli/cli.h"
#include "import/write.h"

#include <errno.h>
#include <getopt.h>
#include <string.h>

static void print_help(void)
{
	puts("usage: baton import IN > scenario.yaml\n"
	     "\n"
	     "Writes a scenario that does again what the TCP connections of a capture did: clients and when they "
	     "asked,\n"
	     "targets and sizes of requests and replies, server names, and of each path the round-trip time, the loss "
	     "and\n"
	     "the reordering in each direction, as far as the capture tells. Comments say what was measured and what "
	     "is\n"
	     "assumed. What speaks neither HTTP nor TLS becomes plain traffic of the same sizes.\n"
	     "\n"
	     "IN is a capture: pcap or pcapng, gzipped or not; '-' is standard input.\n"
	     "\n"
	     "options:\n"
	     "  --help   this text\n"
	     "\n"
	     "examples:\n"
	     "  baton import traffic.pcapng > traffic.yaml && baton run traffic.yaml\n"
	     "  tcpdump -w - -c 10000 tcp | baton import - > now.yaml\n"
	     "\n"
	     "exit status: 0 a scenario was written; 2 IN is no capture, has no TCP connection, or is damaged from\n"
	     "somewhere on (what came before that is written).");
}

/* What people call the capture. */
static const char *name_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return !strcmp(path, "-") ? "standard input" : slash ? slash + 1 : path;
}

static int plan_write(const struct import *im, const char *path)
{
	struct plan plan;
	int status = STATUS_GOOD;

	plan_init(&plan, im);
	if (!plan.connections_count) {
		cli_error("%s: no TCP connection in it that anybody answered", path);
		status = STATUS_USAGE;
	} else {
		write_scenario(stdout, &plan, name_of(path));
		if (fflush(stdout) || ferror(stdout)) {
			cli_error("standard output: %s", strerror(errno));
			status = STATUS_BROKEN;
		}
	}
	if (im->connections_left_out + plan.no_room)
		cli_error("%s: %llu connections are left out: a scenario has no room for them", path,
			  (unsigned long long)(im->connections_left_out + plan.no_room));
	plan_fini(&plan);
	return status;
}

int cmd_import(int argc, char **argv)
{
	static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static const char *const names[] = {"help", NULL};
	char why[IMPORT_WHY_MAX];
	struct import im;
	int answer, r, status;

	opterr = 0;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer != 'h')
			return cli_option_error("import", answer, argv, names);
		print_help();
		return STATUS_GOOD;
	}
	if (optind + 1 != argc)
		return cli_usage("import", "one capture is needed");
	const char *path = argv[optind];

	import_init(&im);
	r = import_read(&im, path, why);
	status = r == E_INVAL ? STATUS_USAGE : plan_write(&im, path);
	if (r < 0)
		cli_error("%s: %s", path, why);
	if (r < 0 && status == STATUS_GOOD)
		status = STATUS_USAGE;
	import_fini(&im);
	return status;
}
