/* SPDX-License-Identifier: BSD-3-Clause */
/* The files in which a sweep is collected, all of them in its folder and the same bytes for the same runs:
 *
 *     results.csv    a row for each run: the varied values, the seed, how it ended, every number of result.json
 *     results.json   an array of the runs: run.json with result.json as its "result"
 *     summary.csv    a row for each cell and number: runs, mean, deviation, 95 % confidence interval, least, median,
 * most
 *
 * CSV is that of RFC 4180, with a line of names first; units are in the names, as everywhere. Caller: cli/cmd_sweep.c.
 */
#ifndef BATON_SWEEP_COLLECT_H
#define BATON_SWEEP_COLLECT_H

#include "sweep/table.h"

#include <stdio.h>

/* Writes all three. 0, or E_IO with errno set. */
int sweep_collect(const struct sweep_table *t, const struct sweep_store *s);

/* Opens a file of the folder for writing under a name that collides with no other process's, and gives it its name at
 * the end. NULL, or E_IO, with errno set. */
FILE *sweep_file_open(const struct sweep_store *s, const char *name);
int sweep_file_close(const struct sweep_store *s, const char *name, FILE *file);

#endif
