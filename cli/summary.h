/* SPDX-License-Identifier: BSD-3-Clause */
/* The summary of a run, for a person; what programs want is in result.json. Caller: cmd_run.c. */
#ifndef BATON_CLI_SUMMARY_H
#define BATON_CLI_SUMMARY_H

#include "sim/run.h"

/* To standard output: what happened, what was expected, where the files are. `out` may be NULL: no files. */
void summary_print(const struct scenario *s, uint64_t seed, const struct run_results *r, const char *out);

/* To standard error: the expectations that did not hold, as FILE:LINE:COLUMN: MESSAGE. */
void summary_failures(const struct scenario *s, const struct run_results *r);

#endif
