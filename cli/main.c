/* SPDX-License-Identifier: BSD-3-Clause */
/* The `baton` command: finds the subcommand, and holds what all of them say in the same way. */
#include "cli/cli.h"
#include "sim/scenario_doc.h"

#include <getopt.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static const struct command commands[] = {
	{"run", "FILE", "simulate a scenario and check what it expects", cmd_run},
	{"live", "FILE", "run a scenario in real time, on TAP devices and interfaces of this machine", cmd_live},
	{"ctl", "SOCKET ...", "ask a live run for its state, or tell it to drain a backend", cmd_ctl},
	{"replay", "FILE", "drive a scenario with a capture's connections, and compare every byte", cmd_replay},
	{"sweep", "FILE", "run a grid of varied values and seeds in parallel, and plot what comes of it", cmd_sweep},
	{"check", "FILE...", "say every mistake in scenario files, without running them", cmd_check},
	{"blob", "FILE", "decode a saved blob, saying what is wrong with a bad one", cmd_blob},
	{"canon", "IN", "print a capture or a run's captures as text without what varies", cmd_canon},
	{"diff", "A B", "show the first packet in which two captures, runs or texts differ", cmd_diff},
	{"import", "IN", "write a scenario that does again what a capture's connections did", cmd_import},
	{"ladder", "DIR", "draw one connection of a run, packet by packet", cmd_ladder},
	{"bench", "[NAME]", "measure how fast this machine simulates and hands off", cmd_bench},
};

#define COMMANDS_COUNT (sizeof(commands) / sizeof(*commands))

static void print_help(void)
{
	puts("Baton passes a live TCP connection from one TCP/IP stack to another.\n"
	     "\n"
	     "A scenario file describes networks, nodes with real TCP/IP stacks, a load balancer that moves\n"
	     "connections to the backends, traffic, faults, and what to expect. `baton run` simulates it in\n"
	     "virtual time: the same file and seed give the same bytes, every time.\n"
	     "\n"
	     "usage: baton COMMAND [OPTION]... ARGUMENT...\n"
	     "\n"
	     "commands:");
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		printf("  %-6s %-8s  %s\n", commands[i].name, commands[i].arguments, commands[i].meaning);
	puts("\n"
	     "`baton COMMAND --help` tells more of one. Start with:\n"
	     "\n"
	     "  baton run scenarios/handoff.yaml\n"
	     "\n"
	     "options:\n"
	     "  --help      this text\n"
	     "  --version   the version\n"
	     "\n"
	     "exit status: 0 good, 1 an expectation failed, 2 the command line or a file is wrong,\n"
	     "3 it broke while running. Manual pages: baton(1), baton-canon(5), baton-scenario(5),\n"
	     "baton-trace(5).");
}

nstime cli_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (nstime)ts.tv_sec * NSTIME_S + (nstime)ts.tv_nsec;
}

void cli_error(const char *format, ...)
{
	va_list ap;

	fputs("baton: ", stderr);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fputc('\n', stderr);
}

int cli_usage(const char *command, const char *format, ...)
{
	va_list ap;

	fprintf(stderr, "baton: %s: ", command);
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	va_end(ap);
	fprintf(stderr, "\n`baton %s --help` shows how it is used.\n", command);
	return STATUS_USAGE;
}

int cli_option_error(const char *command, int answer, char **argv, const char *const *options)
{
	const char *word = argv[optind - 1];
	size_t len = strcspn(word, "=");
	char name[64];

	if (answer == ':')
		return cli_usage(command, "option '%s' needs a value", word);
	if (strncmp(word, "--", 2))
		return cli_usage(command, "unknown option '%s'", word);
	snprintf(name, sizeof(name), "%.*s", (int)len - 2, word + 2);
	for (const char *const *option = options; *option; option++)
		if (!strcmp(name, *option))
			return cli_usage(command, "option '--%s' takes no value", name);
	const char *nearest = mistake_nearest(name, options);

	if (nearest)
		return cli_usage(command, "unknown option '--%s'; did you mean '--%s'?", name, nearest);
	return cli_usage(command, "unknown option '--%s'", name);
}

int cli_json_option(const char *command, int argc, char **argv, void (*help)(void), bool *json)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'}, {"help", no_argument, NULL, 'h'}, {NULL, 0, NULL, 0}};
	static const char *const names[] = {"json", "help", NULL};
	int answer;

	opterr = 0;
	*json = false;
	while ((answer = getopt_long(argc, argv, ":h", options, NULL)) != -1) {
		if (answer == 'h') {
			help();
			return STATUS_GOOD;
		}
		if (answer != 'j')
			return cli_option_error(command, answer, argv, names);
		*json = true;
	}
	return CLI_GO_ON;
}

char *cli_default_out(const char *file, const char *ending)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');
	char *out;

	if (asprintf(&out, "out/%.*s%s", (int)(dot && dot > base ? (size_t)(dot - base) : strlen(base)), base, ending) <
	    0) {
		cli_error("out of memory");
		exit(STATUS_BROKEN);
	}
	return out;
}

void cli_mistakes(const char *file, const struct scenario_mistakes *m)
{
	for (size_t i = 0; i < m->count; i++) {
		const struct scenario_mistake *x = &m->list[i];

		if (x->line)
			fprintf(stderr, "%s:%u:%u: %s\n", file, x->line, x->column, x->text);
		else if (!strncmp(x->text, "--set ", 6))
			cli_error("%s", x->text);
		else
			fprintf(stderr, "%s: %s\n", file, x->text);
	}
	if (m->omitted)
		fprintf(stderr, "%s: and %zu more\n", file, m->omitted);
}

void cli_forgotten(const char *path, uint64_t connections)
{
	if (connections)
		cli_error("%s: %llu connections were forgotten to make room, and are new ones where they went on", path,
			  (unsigned long long)connections);
}

bool cli_colour(FILE *stream)
{
	const char *no_color = getenv("NO_COLOR");

	return isatty(fileno(stream)) && !(no_color && *no_color);
}

static int unknown_command(const char *name)
{
	const char *names[COMMANDS_COUNT + 1] = {NULL};

	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		names[i] = commands[i].name;
	const char *nearest = mistake_nearest(name, names);

	if (nearest)
		cli_error("unknown command '%s'; did you mean '%s'?", name, nearest);
	else
		cli_error("unknown command '%s'", name);
	fputs("`baton --help` lists the commands.\n", stderr);
	return STATUS_USAGE;
}

/* What could not be written (a full disk, a closed pipe) is not a success. */
static int finish(int status)
{
	if (fflush(stdout) || ferror(stdout)) {
		cli_error("standard output could not be written");
		return STATUS_BROKEN;
	}
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		cli_error("a command is needed, such as `baton run FILE`");
		fputs("`baton --help` lists the commands.\n", stderr);
		return STATUS_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		print_help();
		return finish(STATUS_GOOD);
	}
	if (!strcmp(argv[1], "--version")) {
		puts("baton " BATON_VERSION);
		return finish(STATUS_GOOD);
	}
	for (size_t i = 0; i < COMMANDS_COUNT; i++)
		if (!strcmp(argv[1], commands[i].name))
			return finish(commands[i].run(argc - 1, argv + 1));
	return unknown_command(argv[1]);
}
