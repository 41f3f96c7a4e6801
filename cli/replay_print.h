/* SPDX-License-Identifier: BSD-3-Clause */
/* What `baton replay` says of each connection and of all: for people, as JSON lines, and as replay.csv. Memory does not
 * grow with their number: for people the first ones are told, and of the rest those that are not whole. Caller:
 * cmd_replay.c. */
#ifndef BATON_CLI_REPLAY_PRINT_H
#define BATON_CLI_REPLAY_PRINT_H

#include "cli/cli.h"
#include "sim/csv.h"
#include "sim/replay.h"
#include "sim/run.h"

#define REPLAY_ROWS_MAX 100U /* connections told one by one, and as many again that are not whole */

struct replay_row {
	uint64_t number;
	bool bad;
	char *text;
};

struct replay_print {
	bool json, quiet;
	const char *out; /* directory of replay.csv */
	struct csv csv;
	bool csv_open;
	struct replay_row first[REPLAY_ROWS_MAX], bad[REPLAY_ROWS_MAX];
	size_t first_count, bad_count;
};

/* As struct replay_options wants it; the context is the struct replay_print. */
void replay_print_connection(void *context, const struct replay_report *r);

/* The end: what there is to say of all. */
void replay_print_end(struct replay_print *p, const struct scenario *s, uint64_t seed, const struct replay *replay,
		      const struct run_results *r);

/* Closes replay.csv. 0, or E_IO with errno. */
int replay_print_close(struct replay_print *p);

#endif
