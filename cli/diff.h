/* SPDX-License-Identifier: BSD-3-Clause */
/* Compares two captures, directories of runs or canonical texts: prints the first packet that differs, both side by
 * side, with what came before, b by the name given. The status that `baton diff` ends with; mistakes are printed.
 * Called by cmd_diff.c and suite.c. */
#ifndef BATON_CLI_DIFF_H
#define BATON_CLI_DIFF_H

int diff_run(const char *a, const char *b, const char *name_b);

#endif
