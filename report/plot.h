/* SPDX-License-Identifier: BSD-3-Clause */
/* Draws a plot as a figure of a page: axes with round ticks, lines with confidence intervals, steps or bars, a legend
 * where there are several series, and marks at moments or percentiles.
 *
 * Places come from sums, products and quotients alone (no function of libm), so that the same values give the same
 * bytes everywhere. Colours are classes of report/document's style sheet. Callers: report/page, sweeps. */
#ifndef BATON_REPORT_PLOT_H
#define BATON_REPORT_PLOT_H

#include "report/markup.h"

#include <stddef.h>

#define PLOT_SERIES_MAX 8U /* more would share colours */

enum plot_scale { PLOT_LINEAR, PLOT_LOG };

struct plot_axis {
	const char *title; /* with its unit: "latency (ms)" */
	enum plot_scale scale;
	/* The least that it shows, and the most, whatever the data; both 0: as the data say. A log axis shows values
	 * above 0 alone: what is not lies on its lower end. */
	double lower, upper;
	bool whole; /* no ticks between whole numbers: counts */
	bool tight; /* ends where the data end, not at the next tick */
};

struct plot_point {
	double x, y;
	double low, high; /* with `interval`: the confidence interval of y */
	double x_end;     /* PLOT_BARS: the bar goes from x to here */
};

enum plot_kind {
	PLOT_LINE,
	PLOT_STEP, /* y holds from x on until the next point */
	PLOT_BARS,
};

struct plot_series {
	const char *name; /* for the legend; NULL when it is the only one */
	enum plot_kind kind;
	bool interval, dots; /* draw low and high; a dot at each point */
	const struct plot_point *points;
	size_t count;
};

/* A labelled line across the plot at x. */
struct plot_mark {
	double x;
	const char *label;
};

struct plot {
	const char *id;    /* what links point to */
	const char *title; /* what is plotted, as a caption */
	const char *note;  /* a smaller line below it; may be NULL */
	struct plot_axis x, y;
	const struct plot_series *series;
	size_t series_count; /* up to PLOT_SERIES_MAX */
	const struct plot_mark *marks;
	size_t marks_count;
};

/* Writes the figure. Without a single point it says that there is nothing to show. */
void plot_draw(struct markup *m, const struct plot *p);

#define PLOT_NUMBER_MAX 32U

/* A number as ticks show it: "0.05", "250", "12.5k", "3M"; `step` says how fine. Returns out. */
const char *plot_number(char out[PLOT_NUMBER_MAX], double value, double step);

#endif
