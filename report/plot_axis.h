/* SPDX-License-Identifier: BSD-3-Clause */
/* An axis of a plot: what range it shows, where its ticks are and where a value lies on it. Caller: report/plot. */
#ifndef BATON_REPORT_PLOT_AXIS_H
#define BATON_REPORT_PLOT_AXIS_H

#include "report/plot.h"

#define AXIS_TICKS_MAX 32U

struct axis {
	const struct plot_axis *spec;
	double lower, upper; /* what it shows; lower < upper, both above 0 when it is logarithmic */
	double from, to;     /* where those lie in the picture */
	double ticks[AXIS_TICKS_MAX];
	size_t ticks_count;
	double step; /* between ticks of a linear axis; 0 on a logarithmic one */
};

/* Chooses range and ticks for data from `least` to `most` (least <= most; of a logarithmic axis, above 0). */
void axis_init(struct axis *a, const struct plot_axis *spec, double least, double most, double from, double to);

/* Where a value lies in the picture; what is beyond an end lies on it. */
double axis_place(const struct axis *a, double value);

/* The tick's text. Returns out. */
const char *axis_tick_text(const struct axis *a, size_t tick, char out[PLOT_NUMBER_MAX]);

#endif
