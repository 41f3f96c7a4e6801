/* SPDX-License-Identifier: BSD-3-Clause */
/* The summary of a run, for a person; what programs want is in result.json. Callers: cmd_run.c, cmd_live.c. */
#ifndef BATON_CLI_SUMMARY_H
#define BATON_CLI_SUMMARY_H

#include "live/live.h"

/* What happened, as summary_print says it; to be freed. Nothing in it depends on the machine. */
char *summary_text(const struct scenario *s, const struct metrics *m);

/* To standard output: what happened, what was expected, where the files are. `out` may be NULL: no files; `also` names
 * those that the options asked for, NULL: none. */
void summary_print(const struct scenario *s, uint64_t seed, const struct run_results *r, const char *out,
		   const char *also);

/* The same of a live run; `trace`: there is one. */
void summary_live_print(const struct scenario *s, const struct live_results *r, const char *out, bool trace);

/* To standard error: the expectations that did not hold, as FILE:LINE:COLUMN: MESSAGE. */
void summary_failures(const struct scenario *s, const struct run_results *r);

#endif
