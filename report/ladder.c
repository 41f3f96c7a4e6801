/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/ladder.h"

#include "report/document.h"
#include "report/ladder_rows.h"

#define LEFT     92.0 /* where times stand */
#define LANE_GAP 190.0
#define FIRST    70.0  /* from LEFT to the first lane */
#define LAST     330.0 /* behind the last lane: what its layers did */
#define TOP      44.0
#define ROW_H    25.0
#define SLANT    7.0
#define HEAD_H   96.0 /* a picture's title, legend and note */
#define LEGEND_W 190.0
#define FOOT_H   26.0

static double lane_x(size_t lane)
{
	return LEFT + FIRST + LANE_GAP * (double)lane;
}

static const char *const kind_classes[] = {
	[STEP_EVENT] = "layer", [STEP_PLAIN] = "s0", [STEP_TUNNEL] = "s2", [STEP_CONTROL] = "s3", [STEP_BLOB] = "s1",
};

/* The head of an arrow whose tip is at x, y. */
static void draw_head(struct markup *m, double x, double y, bool rightwards)
{
	double back = rightwards ? -8 : 8;

	markup_open_class(m, "polygon", "head");
	markup_attribute_format(m, "points", "%.1f %.1f %.1f %.1f %.1f %.1f", x, y, x + back, y - 4.5, x + back,
				y + 3.5);
	markup_close(m);
}

static void draw_cross(struct markup *m, double x, double y)
{
	markup_line(m, "cross", x - 5, y - 5, x + 5, y + 5);
	markup_line(m, "cross", x - 5, y + 5, x + 5, y - 5);
}

static void draw_packet(struct markup *m, const struct ladder *l, size_t row, double y)
{
	const struct step *step = l->rows[row].step;
	size_t from = ladder_lane(l, step->node), to = ladder_lane(l, step->to);
	char text[LADDER_LABEL_MAX];
	double x1, x2, slant = step->arrived > step->at ? SLANT : 0;
	bool lost = step->arrived == NSTIME_NEVER;

	if (from == SIZE_MAX)
		return;
	x1 = lane_x(from);
	x2 = to == SIZE_MAX ? x1 + LANE_GAP / 2 : lane_x(to);
	ladder_label(l, row, text);
	if (lost)
		x2 = x1 + (x2 - x1) * 0.7;
	markup_open_class(m, "g", kind_classes[step->kind]);
	markup_line(m, "arrow", x1, y, x2, y + slant);
	if (!lost)
		draw_head(m, x2, y + slant, x2 > x1);
	if (lost || step->corrupted)
		draw_cross(m, lost ? x2 : x2 - (x2 > x1 ? 14 : -14), y + slant);
	markup_label(m, "tiny halo", (x1 + (to == SIZE_MAX ? x2 : lane_x(to))) / 2, y - 4, "middle", text);
	markup_close(m);
}

static void draw_event(struct markup *m, const struct ladder *l, size_t row, double y)
{
	size_t lane = ladder_lane(l, l->rows[row].step->node);
	char text[LADDER_LABEL_MAX];

	if (lane == SIZE_MAX)
		return;
	ladder_label(l, row, text);
	markup_open_class(m, "g", "layer");
	markup_rect(m, "mark-box", lane_x(lane) - 4, y - 6, 8, 8, 0);
	markup_label(m, "tiny halo", lane_x(lane) + 9, y + 2, "start", text);
	markup_close(m);
}

static void draw_lanes(struct markup *m, const struct ladder *l, double bottom)
{
	for (size_t i = 0; i < l->lanes_count; i++) {
		markup_line(m, "lane", lane_x(i), TOP - 14, lane_x(i), bottom);
		markup_label(m, "strong", lane_x(i), TOP - 22, "middle", l->s->nodes[l->lanes[i]].name);
	}
}

static void draw_rows(struct markup *m, const struct ladder *l, double bottom)
{
	char time[LADDER_TIME_MAX];

	draw_lanes(m, l, bottom);
	for (size_t i = 0; i < l->rows_count; i++) {
		double y = TOP + ROW_H * ((double)i + 0.5);

		if (ladder_time(l, i, time))
			markup_label(m, "tiny soft", LEFT - 6, y + 2, "end", time);
		if (l->rows[i].step->kind == STEP_EVENT)
			draw_event(m, l, i, y);
		else
			draw_packet(m, l, i, y);
	}
}

static double ladder_width(const struct ladder *l)
{
	return LEFT + FIRST + LANE_GAP * (double)(l->lanes_count - 1) + LAST;
}

static double ladder_height(const struct ladder *l)
{
	return TOP + ROW_H * (double)l->rows_count + 12;
}

/* ---- what stands around ---- */

#define NOTE                                                                                                           \
	"Time runs down, from the first step; rows stand for steps, not for equal times. Each link on the way has an " \
	"arrow of its own."
#define NOTE_OMITTED " The last steps are left out."

static const struct {
	enum step_kind kind;
	const char *text;
} legend[] = {{STEP_PLAIN, "the client's packets"},
	      {STEP_TUNNEL, "encapsulated packets"},
	      {STEP_BLOB, "courier: the blob"},
	      {STEP_CONTROL, "courier: control messages"}};

#define LEGEND_COUNT (sizeof legend / sizeof legend[0])

static void legend_arrow(struct markup *m, size_t entry, double x, double y)
{
	markup_open_class(m, "g", kind_classes[legend[entry].kind]);
	markup_line(m, "arrow", x, y, x + 24, y);
	draw_head(m, x + 31, y, true);
	markup_close(m);
}

static void draw_legend(struct markup *m)
{
	markup_open_class(m, "div", "legend");
	for (size_t i = 0; i < LEGEND_COUNT; i++) {
		markup_open(m, "span");
		markup_picture_open(m, 32, 12, "");
		legend_arrow(m, i, 0, 6);
		markup_close(m);
		markup_text(m, legend[i].text);
		markup_close(m);
	}
	markup_close(m);
}

void ladder_draw(struct markup *m, const struct scenario *s, const struct steps_connection *c, const char *id)
{
	char text[TUPLE_TEXT_MAX];
	struct ladder l;

	ladder_init(&l, s, c);
	markup_open(m, "figure");
	markup_attribute(m, "id", id);
	markup_element_format(m, "figcaption", NULL, "Connection %llu, %s", (unsigned long long)c->number,
			      tuple_text(&c->tuple, text));
	markup_element_format(m, "div", "note", "%s%s", NOTE, ladder_omitted(&l) ? NOTE_OMITTED : "");
	draw_legend(m);
	markup_open_class(m, "div", "scroll");
	markup_picture_open(m, ladder_width(&l), ladder_height(&l), "The steps of one connection");
	markup_attribute_format(m, "style", "min-width:%.0fpx;max-width:%.0fpx", ladder_width(&l) * 0.8,
				ladder_width(&l) * 1.15);
	draw_rows(m, &l, ladder_height(&l) - 6);
	markup_close(m);
	markup_close(m);
	markup_close(m);
	ladder_fini(&l);
}

static void picture_head(struct markup *m, const struct ladder *l)
{
	char text[TUPLE_TEXT_MAX], title[TUPLE_TEXT_MAX + 64];

	snprintf(title, sizeof title, "Connection %llu, %s", (unsigned long long)l->c->number,
		 tuple_text(&l->c->tuple, text));
	markup_label(m, "title", 24, 32, "start", l->s->name);
	markup_label(m, NULL, 24, 52, "start", title);
	for (size_t i = 0; i < LEGEND_COUNT; i++) {
		legend_arrow(m, i, 24 + LEGEND_W * (double)i, 72);
		markup_label(m, "soft", 62 + LEGEND_W * (double)i, 76, "start", legend[i].text);
	}
}

void ladder_picture(struct markup *m, const struct scenario *s, const struct steps_connection *c)
{
	struct ladder l;
	double width, height;

	ladder_init(&l, s, c);
	width = ladder_width(&l);
	height = HEAD_H + ladder_height(&l) + FOOT_H;
	markup_picture_open(m, width, height, "The steps of one connection");
	markup_attribute(m, "xmlns", "http://www.w3.org/2000/svg");
	markup_attribute_place(m, "width", width);
	markup_attribute_place(m, "height", height);
	markup_open(m, "style");
	document_style_picture(m);
	markup_close(m);
	markup_rect(m, "page", 0, 0, width, height, 0);
	picture_head(m, &l);
	markup_open(m, "g");
	markup_attribute_format(m, "transform", "translate(0 %.0f)", HEAD_H);
	draw_rows(m, &l, ladder_height(&l) - 6);
	markup_close(m);
	markup_open_class(m, "text", "tiny soft");
	markup_attribute_place(m, "x", 24);
	markup_attribute_place(m, "y", height - 14);
	markup_format(m, "%s%s", NOTE, ladder_omitted(&l) ? NOTE_OMITTED : "");
	markup_close(m);
	markup_close(m);
	ladder_fini(&l);
}
