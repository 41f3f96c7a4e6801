/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/plot.h"

#include "report/plot_axis.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define WIDTH        520.0
#define HEIGHT       280.0
#define LEFT         58.0
#define RIGHT        16.0
#define TOP          34.0 /* the y axis's title stands above it */
#define BOTTOM       44.0
#define DOT_RADIUS   3.0
#define CAP          3.5 /* half the width of a whisker's end */
#define WHISKERS_MAX 40U /* with more points, the band alone is readable */
#define LEGEND_W     32.0
#define LEGEND_H     12.0

struct range {
	double least, most;
	bool any;
};

static void range_add(struct range *r, enum plot_scale scale, double v)
{
	if (scale == PLOT_LOG && v <= 0)
		return;
	if (!r->any || v < r->least)
		r->least = v;
	if (!r->any || v > r->most)
		r->most = v;
	r->any = true;
}

static void ranges_of(const struct plot *p, struct range *x, struct range *y)
{
	for (size_t s = 0; s < p->series_count; s++)
		for (size_t i = 0; i < p->series[s].count; i++) {
			const struct plot_point *at = &p->series[s].points[i];

			range_add(x, p->x.scale, at->x);
			range_add(y, p->y.scale, at->y);
			if (p->series[s].kind == PLOT_BARS) {
				range_add(x, p->x.scale, at->x_end);
				range_add(y, p->y.scale, 0);
			}
			if (p->series[s].interval) {
				range_add(y, p->y.scale, at->low);
				range_add(y, p->y.scale, at->high);
			}
		}
}

static void draw_axes(struct markup *m, const struct axis *x, const struct axis *y)
{
	char text[PLOT_NUMBER_MAX];

	for (size_t i = 0; i < y->ticks_count; i++) {
		double at = axis_place(y, y->ticks[i]);

		markup_line(m, "grid", LEFT, at, WIDTH - RIGHT, at);
		markup_label(m, "soft", LEFT - 6, at + 4, "end", axis_tick_text(y, i, text));
	}
	for (size_t i = 0; i < x->ticks_count; i++) {
		double at = axis_place(x, x->ticks[i]);

		markup_line(m, "axis", at, HEIGHT - BOTTOM, at, HEIGHT - BOTTOM + 4);
		markup_label(m, "soft", at, HEIGHT - BOTTOM + 17, "middle", axis_tick_text(x, i, text));
	}
	markup_line(m, "axis", LEFT, HEIGHT - BOTTOM, WIDTH - RIGHT, HEIGHT - BOTTOM);
	markup_label(m, NULL, 4, 12, "start", y->spec->title);
	markup_label(m, NULL, WIDTH - RIGHT, HEIGHT - 6, "end", x->spec->title);
}

static void point_append(struct markup *path, double x, double y)
{
	char text[64];

	snprintf(text, sizeof text, "%s%.1f %.1f", path->text.len ? " " : "", x, y);
	markup_raw(path, text);
}

/* Hands a path that was gathered to the element just opened. */
static void path_attribute(struct markup *m, const char *name, const char *before, struct markup *path)
{
	vec_append(&path->text, "", 1);
	markup_attribute_format(m, name, "%s%s", before, (const char *)path->text.data);
	markup_fini(path);
}

static void draw_band(struct markup *m, const struct plot_series *s, const struct axis *x, const struct axis *y)
{
	struct markup path = {0};

	for (size_t i = 0; i < s->count; i++)
		point_append(&path, axis_place(x, s->points[i].x), axis_place(y, s->points[i].high));
	for (size_t i = s->count; i-- > 0;)
		point_append(&path, axis_place(x, s->points[i].x), axis_place(y, s->points[i].low));
	markup_open_class(m, "polygon", "band");
	path_attribute(m, "points", "", &path);
	markup_close(m);
}

static void draw_whiskers(struct markup *m, const struct plot_series *s, const struct axis *x, const struct axis *y)
{
	for (size_t i = 0; i < s->count; i++) {
		double at = axis_place(x, s->points[i].x);
		double low = axis_place(y, s->points[i].low), high = axis_place(y, s->points[i].high);

		markup_line(m, "whisker", at, low, at, high);
		markup_line(m, "whisker", at - CAP, low, at + CAP, low);
		markup_line(m, "whisker", at - CAP, high, at + CAP, high);
	}
}

static void draw_curve(struct markup *m, const struct plot_series *s, const struct axis *x, const struct axis *y)
{
	struct markup path = {0};
	double before = 0;

	for (size_t i = 0; i < s->count; i++) {
		double at = axis_place(x, s->points[i].x), value = axis_place(y, s->points[i].y);

		if (i && s->kind == PLOT_STEP)
			point_append(&path, at, before);
		point_append(&path, at, value);
		before = value;
	}
	markup_open_class(m, "path", "curve");
	path_attribute(m, "d", "M", &path);
	markup_close(m);
}

static void draw_dots(struct markup *m, const struct plot_series *s, const struct axis *x, const struct axis *y)
{
	for (size_t i = 0; i < s->count; i++) {
		markup_open_class(m, "circle", "dot");
		markup_attribute_place(m, "cx", axis_place(x, s->points[i].x));
		markup_attribute_place(m, "cy", axis_place(y, s->points[i].y));
		markup_attribute_place(m, "r", DOT_RADIUS);
		markup_close(m);
	}
}

static void draw_bars(struct markup *m, const struct plot_series *s, const struct axis *x, const struct axis *y)
{
	double ground = axis_place(y, y->lower);

	for (size_t i = 0; i < s->count; i++) {
		double from = axis_place(x, s->points[i].x), to = axis_place(x, s->points[i].x_end);
		double top = axis_place(y, s->points[i].y), width = to - from > 2 ? to - from - 0.5 : 1.5;

		markup_rect(m, "bar", from, top, width, ground - top, 0);
	}
}

static void draw_series(struct markup *m, const struct plot_series *s, unsigned index, const struct axis *x,
			const struct axis *y)
{
	markup_open(m, "g");
	markup_attribute_format(m, "class", "s%u", index);
	if (s->kind == PLOT_BARS) {
		draw_bars(m, s, x, y);
	} else {
		if (s->interval)
			draw_band(m, s, x, y);
		draw_curve(m, s, x, y);
		if (s->interval && s->count <= WHISKERS_MAX)
			draw_whiskers(m, s, x, y);
		if (s->dots || s->count == 1)
			draw_dots(m, s, x, y);
	}
	markup_close(m);
}

/* Marks whose labels would lie over each other are lifted by turns. */
static void draw_marks(struct markup *m, const struct plot *p, const struct axis *x)
{
	for (size_t i = 0; i < p->marks_count; i++) {
		double at = axis_place(x, p->marks[i].x);

		markup_line(m, "mark", at, TOP, at, HEIGHT - BOTTOM);
	}
	for (size_t i = 0; i < p->marks_count; i++) {
		double at = axis_place(x, p->marks[i].x);
		bool left = at + 6.5 * (double)strlen(p->marks[i].label) > WIDTH - RIGHT;

		markup_label(m, "tiny mark-text halo", left ? at - 4 : at + 4, TOP + 11 + 13 * (double)(i % 3),
			     left ? "end" : "start", p->marks[i].label);
	}
}

static void draw_legend(struct markup *m, const struct plot *p)
{
	if (p->series_count < 2)
		return;
	markup_open_class(m, "div", "legend");
	for (size_t s = 0; s < p->series_count; s++) {
		markup_open_class(m, "span", NULL);
		markup_picture_open(m, LEGEND_W, LEGEND_H, "");
		markup_open(m, "g");
		markup_attribute_format(m, "class", "s%zu", s);
		if (p->series[s].kind == PLOT_BARS)
			markup_rect(m, "bar", 4, 1, LEGEND_W - 8, LEGEND_H - 2, 0);
		else
			markup_line(m, "curve", 0, LEGEND_H / 2, LEGEND_W, LEGEND_H / 2);
		markup_close(m);
		markup_close(m);
		markup_text(m, p->series[s].name);
		markup_close(m);
	}
	markup_close(m);
}

static void draw_picture(struct markup *m, const struct plot *p, const struct range *of_x, const struct range *of_y)
{
	struct axis x, y;

	axis_init(&x, &p->x, of_x->least, of_x->most, LEFT, WIDTH - RIGHT);
	axis_init(&y, &p->y, of_y->least, of_y->most, HEIGHT - BOTTOM, TOP);
	markup_picture_open(m, WIDTH, HEIGHT, p->title);
	draw_axes(m, &x, &y);
	for (size_t s = 0; s < p->series_count; s++)
		if (p->series[s].count)
			draw_series(m, &p->series[s], (unsigned)s, &x, &y);
	draw_marks(m, p, &x);
	markup_close(m);
}

void plot_draw(struct markup *m, const struct plot *p)
{
	struct range x = {0}, y = {0};

	assert(p->series_count <= PLOT_SERIES_MAX);
	ranges_of(p, &x, &y);
	markup_open(m, "figure");
	markup_attribute(m, "id", p->id);
	markup_element(m, "figcaption", NULL, p->title);
	if (p->note)
		markup_element(m, "div", "note", p->note);
	if (x.any && y.any) {
		draw_legend(m, p);
		draw_picture(m, p, &x, &y);
	} else {
		markup_element(m, "p", "soft", "There is nothing to show.");
	}
	markup_close(m);
}
