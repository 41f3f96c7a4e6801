/* SPDX-License-Identifier: BSD-3-Clause */
/* All results of a sweep as one table: a row for each run, a column for each number of result.json.
 *
 * Callers: sweep/collect.h, sweep/page.h, cli/cmd_sweep.c. */
#ifndef BATON_SWEEP_TABLE_H
#define BATON_SWEEP_TABLE_H

#include "sweep/grid.h"
#include "sweep/stats.h"
#include "sweep/store.h"

#include <stdbool.h>

struct sweep_row {
	enum sweep_status status;
	size_t failed; /* expectations */
	char *seed, *fingerprint;
	double *values; /* one a column; NaN where the run has no such number */
	size_t values_count;
};

struct sweep_table {
	const struct sweep_grid *grid; /* borrowed */
	char **metrics;                /* the columns' paths, in order of first appearance */
	size_t metrics_count;
	struct sweep_row *rows; /* as the grid numbers runs */
	size_t rows_count;
};

/* Reads every run of the folder. 0; E_NOENT: a run is missing; E_FORMAT: what a run left cannot be read; E_IO. The
 * run's name is in `bad` then. The table is to be freed in every case. */
int sweep_table_read(struct sweep_table *t, const struct sweep_store *s, const struct sweep_grid *g,
		     char bad[SWEEP_NAME_MAX]);
void sweep_table_fini(struct sweep_table *t);

/* The column of a metric, or SIZE_MAX. */
size_t sweep_table_metric(const struct sweep_table *t, const char *path);

/* The number of a run; NaN when it has none. */
double sweep_table_value(const struct sweep_table *t, size_t run, size_t metric);

/* Statistics of one metric over the runs of a cell that have it; count 0 when none has. */
struct sweep_stats sweep_table_cell(const struct sweep_table *t, size_t cell, size_t metric);

/* Whether any two runs differ in a metric. */
bool sweep_table_varies(const struct sweep_table *t, size_t metric);

#endif
