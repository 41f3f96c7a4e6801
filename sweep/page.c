/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/page.h"

#include "base/err.h"
#include "base/log.h"
#include "report/document.h"
#include "report/plot.h"
#include "sim/units.h"
#include "sweep/collect.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 512U

/* The values of the first varied path as places along x. */
struct scale {
	bool numeric; /* else places are 1, 2, 3... in the order given */
	double *places;
	char title[TEXT_MAX];
};

static void *memory_check(void *p)
{
	if (!p)
		log_fatal("out of memory: the page of a sweep");
	return p;
}

const char *sweep_number(char out[SWEEP_NUMBER_MAX], double value)
{
	if (rint(value) == value && fabs(value) < 1e9)
		snprintf(out, SWEEP_NUMBER_MAX, "%.0f", value);
	else if (fabs(value) >= 1000)
		snprintf(out, SWEEP_NUMBER_MAX, "%.0f", value);
	else
		snprintf(out, SWEEP_NUMBER_MAX, "%.4g", value);
	return out;
}

/* What a base unit is divided by for people, and what it is called then. */
static double dimension_divisor(enum units_dimension dimension, const char **unit)
{
	switch (dimension) {
	case UNITS_DURATION:
		*unit = "ms";
		return (double)NSTIME_MS;
	case UNITS_RATE:
		*unit = "Mbit/s";
		return 1e6;
	case UNITS_SIZE:
		*unit = "KiB";
		return 1024;
	case UNITS_PROBABILITY:
		*unit = "%";
		return UNITS_PPB_ONE / 100.0;
	case UNITS_FREQUENCY:
	case UNITS_COUNT:
		break;
	}
	*unit = NULL;
	return 1;
}

/* Whether all values are numbers of one kind, zero being of every kind; fills the places. */
static bool scale_numbers(struct scale *x, const struct sweep_vary *v)
{
	enum units_dimension dimension = UNITS_COUNT;
	const char *why, *unit;

	for (size_t i = 0; i < v->count; i++) {
		enum units_dimension own;
		uint64_t value;
		if (units_parse_any(v->values[i], &own, &value, &why) < 0)
			return false;
		if (own != dimension && own != UNITS_COUNT && dimension != UNITS_COUNT)
			return false;
		if (own == UNITS_COUNT && value && dimension != UNITS_COUNT)
			return false;
		if (own != UNITS_COUNT)
			dimension = own;
		x->places[i] = (double)value;
	}
	double divisor = dimension_divisor(dimension, &unit);
	for (size_t i = 0; i < v->count; i++)
		x->places[i] /= divisor;
	if (unit)
		snprintf(x->title, sizeof(x->title), "%s (%s)", v->path, unit);
	else
		snprintf(x->title, sizeof(x->title), "%s", v->path);
	return true;
}

static void scale_init(struct scale *x, const struct sweep_vary *v)
{
	*x = (struct scale){.places = memory_check(calloc(v->count, sizeof(*x->places)))};
	x->numeric = scale_numbers(x, v);
	if (x->numeric)
		return;
	size_t used = (size_t)snprintf(x->title, sizeof(x->title), "%s:", v->path);
	for (size_t i = 0; i < v->count; i++) {
		x->places[i] = (double)(i + 1);
		if (used < sizeof(x->title))
			used += (size_t)snprintf(x->title + used, sizeof(x->title) - used, "%s %zu = %s", i ? "," : "",
						 i + 1, v->values[i]);
	}
}

/* The other varied values of a cell, "path value, path value"; empty when there are none. */
static void others_text(const struct sweep_grid *g, size_t cell, char out[TEXT_MAX])
{
	size_t used = 0;

	out[0] = '\0';
	for (size_t i = 1; i < g->varies_count && used < TEXT_MAX; i++)
		used += (size_t)snprintf(out + used, TEXT_MAX - used, "%s%s %s", i > 1 ? ", " : "", g->varies[i].path,
					 sweep_grid_value(g, cell, i));
}

/* A metric as it is shown: microseconds as milliseconds. */
static double metric_divisor(const char *path, char title[TEXT_MAX])
{
	const char *us = strstr(path, "_us");

	if (us && (us[3] == '.' || !us[3])) {
		snprintf(title, TEXT_MAX, "%.*s%s (ms)", (int)(us - path), path, us + 3);
		return 1000;
	}
	snprintf(title, TEXT_MAX, "%s", path);
	return 1;
}

/* Lines of one figure: each goes over the values of the first path, with one combination of the others. */
struct lines {
	struct plot_series series[PLOT_SERIES_MAX];
	struct plot_point *points[PLOT_SERIES_MAX];
	char names[PLOT_SERIES_MAX][TEXT_MAX];
	size_t count;
};

static void line_add(struct lines *l, const struct sweep_table *t, size_t metric, const struct scale *x, size_t first,
		     size_t stride, double divisor)
{
	const struct sweep_vary *v = &t->grid->varies[0];
	struct plot_point *points = memory_check(calloc(v->count, sizeof(*points)));
	size_t count = 0;

	for (size_t i = 0; i < v->count; i++) {
		struct sweep_stats s = sweep_table_cell(t, first + i * stride, metric);
		if (s.count)
			points[count++] = (struct plot_point){.x = x->places[i],
							      .y = s.mean / divisor,
							      /* No number of a result is below 0. */
							      .low = (s.low > 0 ? s.low : 0) / divisor,
							      .high = (s.count > 1 ? s.high : s.mean) / divisor};
	}
	others_text(t->grid, first, l->names[l->count]);
	l->points[l->count] = points;
	l->series[l->count] = (struct plot_series){.name = *l->names[l->count] ? l->names[l->count] : NULL,
						   .kind = PLOT_LINE,
						   .interval = t->grid->seeds_count > 1,
						   .dots = true,
						   .points = points,
						   .count = count};
	l->count++;
}

static void figure_draw(struct markup *m, const struct sweep_table *t, size_t metric, const struct scale *x)
{
	struct lines lines = {.count = 0};
	char id[TEXT_MAX], y_title[TEXT_MAX], note[TEXT_MAX];
	size_t stride = sweep_grid_cells(t->grid) / t->grid->varies[0].count;
	double divisor = metric_divisor(t->metrics[metric], y_title);
	size_t seeds = t->grid->seeds_count ? t->grid->seeds_count : 1;

	for (size_t first = 0; first < stride && first < PLOT_SERIES_MAX; first++)
		line_add(&lines, t, metric, x, first, stride, divisor);
	snprintf(id, sizeof(id), "metric-%s", t->metrics[metric]);
	snprintf(note, sizeof(note), "Mean of %zu seed%s a point%s.%s", seeds, seeds == 1 ? "" : "s",
		 seeds > 1 ? ", with its 95 % confidence interval (Student's t, cut at 0)" : "",
		 stride > PLOT_SERIES_MAX ? " The first 8 combinations are drawn; summary.csv has all." : "");
	plot_draw(m, &(struct plot){.id = id,
				    .title = t->metrics[metric],
				    .note = note,
				    .x = {.title = x->title, .whole = !x->numeric},
				    .y = {.title = y_title},
				    .series = lines.series,
				    .series_count = lines.count});
	for (size_t i = 0; i < lines.count; i++)
		free(lines.points[i]);
}

static void table_head(struct markup *m, const struct sweep_table *t, const size_t *metrics, size_t metrics_count)
{
	markup_open(m, "tr");
	for (size_t i = 0; i < t->grid->varies_count; i++)
		markup_element(m, "th", NULL, t->grid->varies[i].path);
	markup_element(m, "th", NULL, "expectations");
	for (size_t i = 0; i < metrics_count; i++) {
		char title[TEXT_MAX];
		metric_divisor(t->metrics[metrics[i]], title);
		markup_element(m, "th", NULL, title);
	}
	markup_close(m);
}

static void table_row(struct markup *m, const struct sweep_table *t, size_t cell, const size_t *metrics,
		      size_t metrics_count)
{
	size_t cells = sweep_grid_cells(t->grid), held = 0, runs = 0;

	for (size_t run = cell; run < t->rows_count; run += cells, runs++)
		held += t->rows[run].status == SWEEP_HELD;
	markup_open(m, "tr");
	for (size_t i = 0; i < t->grid->varies_count; i++)
		markup_element(m, "td", NULL, sweep_grid_value(t->grid, cell, i));
	markup_element_format(m, "td", NULL, "hold in %zu of %zu runs", held, runs);
	for (size_t i = 0; i < metrics_count; i++) {
		struct sweep_stats s = sweep_table_cell(t, cell, metrics[i]);
		char title[TEXT_MAX], mean[SWEEP_NUMBER_MAX], half[SWEEP_NUMBER_MAX];
		double divisor = metric_divisor(t->metrics[metrics[i]], title);
		if (!s.count)
			markup_element(m, "td", NULL, "none");
		else if (s.count == 1)
			markup_element(m, "td", NULL, sweep_number(mean, s.mean / divisor));
		else
			markup_element_format(m, "td", NULL, "%s ± %s", sweep_number(mean, s.mean / divisor),
					      sweep_number(half, (s.high - s.mean) / divisor));
	}
	markup_close(m);
}

static void page_content(struct markup *m, const struct sweep_table *t, const size_t *metrics, size_t metrics_count)
{
	struct scale x;

	markup_element_format(
		m, "p", NULL,
		"%zu cells, %zu runs. All numbers are in results.csv and results.json, their statistics in "
		"summary.csv.",
		sweep_grid_cells(t->grid), t->rows_count);
	if (t->grid->varies_count && t->grid->varies[0].count > 1) {
		scale_init(&x, &t->grid->varies[0]);
		document_section_open(m, "plots", "Plots");
		document_figures_open(m);
		for (size_t i = 0; i < metrics_count; i++)
			figure_draw(m, t, metrics[i], &x);
		document_figures_close(m);
		document_section_close(m);
		free(x.places);
	}
	document_section_open(m, "numbers", "Numbers");
	markup_open_class(m, "div", "scroll");
	markup_open(m, "table");
	table_head(m, t, metrics, metrics_count);
	for (size_t cell = 0; cell < sweep_grid_cells(t->grid); cell++)
		table_row(m, t, cell, metrics, metrics_count);
	markup_close(m);
	markup_close(m);
	document_section_close(m);
}

int sweep_page_write(const struct sweep_table *t, const struct sweep_store *s, const char *title, const size_t *metrics,
		     size_t metrics_count)
{
	struct markup m = {0};
	char heading[TEXT_MAX];

	snprintf(heading, sizeof(heading), "%s: a sweep", title);
	document_open(&m, heading);
	page_content(&m, t, metrics, metrics_count);
	document_close(&m);
	FILE *f = sweep_file_open(s, "sweep.html");
	int r = E_IO;
	if (f) {
		fwrite(m.text.data, 1, m.text.len, f);
		r = sweep_file_close(s, "sweep.html", f);
	}
	markup_fini(&m);
	return r;
}
