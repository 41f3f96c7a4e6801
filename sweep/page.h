/* SPDX-License-Identifier: BSD-3-Clause */
/* The plots of a sweep: DIR/sweep.html, one page that needs no network.
 *
 * A figure for each metric: the first varied path along x, the mean over the seeds with its 95 % confidence interval
 * along y, a line for each combination of the other varied paths; below it the numbers as a table. Caller:
 * cli/cmd_sweep.c. */
#ifndef BATON_SWEEP_PAGE_H
#define BATON_SWEEP_PAGE_H

#include "sweep/table.h"

/* Writes the page. `title` is the scenario's name; `metrics` are columns of the table. 0, or E_IO with errno set. */
int sweep_page_write(const struct sweep_table *t, const struct sweep_store *s, const char *title, const size_t *metrics,
		     size_t metrics_count);

/* A number to show people, of about four digits: "4.25", "12800". Returns out. */
#define SWEEP_NUMBER_MAX 32U
const char *sweep_number(char out[SWEEP_NUMBER_MAX], double value);

#endif
