/* SPDX-License-Identifier: BSD-3-Clause */
/* The plots of one run: its time series and its histograms. Caller: report/page. */
#ifndef BATON_REPORT_FIGURES_H
#define BATON_REPORT_FIGURES_H

#include "report/markup.h"
#include "sim/record.h"
#include "sim/scenario.h"

/* Whether a figure must be there even if it is empty, because something links to it. */
typedef bool (*figures_needed)(const void *context, const char *id);

/* The time series, with the scenario's faults as marks. Figures with nothing but zeroes are left out. */
void figures_series(struct markup *m, const struct scenario *s, const struct record *r, figures_needed needed,
		    const void *context);

/* The histograms; empty ones are left out. */
void figures_histograms(struct markup *m, const struct record *r, figures_needed needed, const void *context);

#endif
