/* SPDX-License-Identifier: BSD-3-Clause */
/* What the parts of the `baton` command share: exit statuses, messages, options. Only cli/ prints. */
#ifndef BATON_CLI_CLI_H
#define BATON_CLI_CLI_H

#include "base/nstime.h"
#include "sim/scenario.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Exit statuses, see baton(1). */
enum cli_status {
	STATUS_GOOD = 0,
	STATUS_EXPECTATION = 1, /* an expectation failed; a blob is bad */
	STATUS_USAGE = 2,       /* the command line or a file is wrong */
	STATUS_BROKEN = 3,      /* it broke while running, or was interrupted */
};

/* One subcommand; argv[0] is its name. */
struct command {
	const char *name, *arguments, *meaning; /* meaning: one line */
	int (*run)(int argc, char **argv);
};

int cmd_live(int argc, char **argv);
int cmd_ctl(int argc, char **argv);
int cmd_run(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_blob(int argc, char **argv);
int cmd_canon(int argc, char **argv);
int cmd_diff(int argc, char **argv);
int cmd_import(int argc, char **argv);
int cmd_ladder(int argc, char **argv);
int cmd_replay(int argc, char **argv);
int cmd_sweep(int argc, char **argv);
int cmd_bench(int argc, char **argv);

/* Monotonic, in nanoseconds: for what is measured and for the progress line. */
nstime cli_clock(void);

/* "baton: message" to standard error. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same with the command named, and where to find help; returns STATUS_USAGE. */
int cli_usage(const char *command, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What getopt_long answered '?' or ':' to. `options` are the long names that the command has, NULL at the end. */
int cli_option_error(const char *command, int answer, char **argv, const char *const *options);

/* The options of a command that has only --json and --help. CLI_GO_ON, with optind at the first argument, or the status
 * to end with. */
#define CLI_GO_ON (-1)
int cli_json_option(const char *command, int argc, char **argv, void (*help)(void), bool *json);

/* Where the files of a run go without --out: out/STEM and the ending, STEM being the name of `file` without its own. To
 * be freed. */
char *cli_default_out(const char *file, const char *ending);

/* The mistakes of a file to standard error, as FILE:LINE:COLUMN: MESSAGE. */
void cli_mistakes(const char *file, const struct scenario_mistakes *m);

/* Says to standard error how many connections of a capture were forgotten to make room, when there were any. */
void cli_forgotten(const char *path, uint64_t connections);

/* Whether to colour what goes to `stream`: a terminal, and NO_COLOR is not set. */
bool cli_colour(FILE *stream);

#endif
