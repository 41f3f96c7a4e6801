/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/ladder.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define LEFT      92.0 /* where times stand */
#define LANE_GAP  190.0
#define FIRST     70.0  /* from LEFT to the first lane */
#define LAST      330.0 /* behind the last lane: what its layers did */
#define TOP       44.0
#define ROW_H     25.0
#define SLANT     7.0
#define ROWS_MAX  240U
#define LANES_MAX 12U

/* A step, or a run of them. */
struct row {
	const struct step *step; /* the first */
	size_t count;
	uint64_t payload; /* bytes of all */
};

struct ladder {
	const struct scenario *s;
	const struct steps_connection *c;
	size_t lanes[LANES_MAX]; /* nodes */
	size_t lanes_count;
	struct row *rows;
	size_t rows_count;
	size_t left_out; /* rows */
	double width;
};

/* ---- what is drawn ---- */

/* Clients, then what forwards, then first devices, then second ones. */
static unsigned lane_order(const struct scenario_node *n)
{
	static const unsigned order[] = {ROLE_CLIENT, ROLE_ROUTER, ROLE_FORWARDER, ROLE_CLASSIFIER, ROLE_BACKEND};
	unsigned i = 0;

	while (i < sizeof order / sizeof order[0] && !(n->roles & order[i]))
		i++;
	return i;
}

static size_t lane_of(const struct ladder *l, size_t node)
{
	for (size_t i = 0; i < l->lanes_count; i++)
		if (l->lanes[i] == node)
			return i;
	return SIZE_MAX;
}

static void lane_add(struct ladder *l, size_t node)
{
	size_t at = l->lanes_count;

	if (node >= l->s->nodes_count || lane_of(l, node) != SIZE_MAX || l->lanes_count == LANES_MAX)
		return;
	while (at && lane_order(&l->s->nodes[l->lanes[at - 1]]) > lane_order(&l->s->nodes[node])) {
		l->lanes[at] = l->lanes[at - 1];
		at--;
	}
	l->lanes[at] = node;
	l->lanes_count++;
}

static bool step_is_plain(const struct step *step)
{
	return step->bulk && !step->again && !step->corrupted && step->arrived != NSTIME_NEVER;
}

static bool steps_alike(const struct step *a, const struct step *b)
{
	return step_is_plain(a) && a->kind == b->kind && a->node == b->node && a->to == b->to &&
	       !a->payload == !b->payload;
}

/* Adds a step: to a row of its kind since the last that stood for itself, or as a row of its own. */
static void row_add(struct ladder *l, const struct step *step, size_t *run)
{
	if (!step_is_plain(step)) {
		*run = l->rows_count + 1;
	} else {
		for (size_t i = *run; i < l->rows_count; i++) {
			if (!steps_alike(l->rows[i].step, step))
				continue;
			l->rows[i].count++;
			l->rows[i].payload += step->payload;
			return;
		}
	}
	if (l->rows_count == ROWS_MAX) {
		l->left_out++;
		return;
	}
	l->rows[l->rows_count++] = (struct row){.step = step, .count = 1, .payload = step->payload};
}

static void ladder_make(struct ladder *l)
{
	size_t run = 0;

	l->rows = calloc(ROWS_MAX, sizeof *l->rows);
	if (!l->rows)
		log_fatal("out of memory: a ladder");
	lane_add(l, l->c->client);
	for (size_t i = 0; i < l->c->count; i++) {
		lane_add(l, l->c->list[i].node);
		if (l->c->list[i].kind != STEP_EVENT)
			lane_add(l, l->c->list[i].to);
		row_add(l, &l->c->list[i], &run);
	}
	l->width = LEFT + FIRST + LANE_GAP * (double)(l->lanes_count - 1) + LAST;
}

/* ---- texts ---- */

static const char *event_label(enum trace_event event)
{
	switch (event) {
	case TRACE_REQUEST_START:
		return "request";
	case TRACE_FORWARDER_ACCEPT:
		return "new connection, goes to";
	case TRACE_FORWARDER_DATA:
		return "first data, goes to";
	case TRACE_FORWARDER_PREPARED:
		return "entry PREPARED";
	case TRACE_FORWARDER_COMMITTED:
		return "entry COMMITTED";
	case TRACE_FORWARDER_ABORTED:
		return "entry ABORTED";
	case TRACE_FORWARDER_ENCAPSULATE:
		return "first encapsulated packet";
	case TRACE_CLASSIFIER_OPEN:
		return "accepted in the first stack";
	case TRACE_CLASSIFIER_CHOOSE:
		return "choose";
	case TRACE_CLASSIFIER_FLOW:
		return "flow identifier";
	case TRACE_MIGRATE_CALL:
		return "migrate connection";
	case TRACE_COMPILE_SOCKET:
		return "compile socket layer";
	case TRACE_COMPILE_TCP:
		return "compile TCP layer";
	case TRACE_COMPILE_IP:
		return "compile IP layer";
	case TRACE_BLOB_AGGREGATE:
		return "aggregate into a blob";
	case TRACE_BLOB_SEND:
		return "blob to the courier";
	case TRACE_HANDOFF_PREPARE:
		return "ask the forwarder to prepare";
	case TRACE_HANDOFF_COMMITTED:
		return "frozen copy freed, tombstone left";
	case TRACE_DRIVER_UNBUNDLE:
		return "state and mapping unbundled";
	case TRACE_DRIVER_MAPPING:
		return "mapping stored";
	case TRACE_DRIVER_BUFFER:
		return "packet buffered";
	case TRACE_DRIVER_DRAIN:
		return "buffered packets go up";
	case TRACE_DRIVER_DECAPSULATE:
		return "first packet de-encapsulated";
	case TRACE_MIGRATOR_REASSEMBLE:
		return "state reassembled";
	case TRACE_MIGRATOR_READY:
		return "READY, held";
	case TRACE_MIGRATOR_ACTIVATE:
		return "active";
	case TRACE_INFUSE_SOCKET:
		return "infuse socket layer";
	case TRACE_INFUSE_TCP:
		return "infuse TCP layer";
	case TRACE_INFUSE_IP:
		return "infuse IP layer";
	case TRACE_INDICATE:
		return "data indicated to the application";
	default:
		return trace_name(event);
	}
}

static void packet_label(const struct scenario *s, const struct row *r, char out[2 * STEPS_TEXT_MAX])
{
	const struct step *step = r->step;
	const char *fate = step->arrived == NSTIME_NEVER ? ", lost" : step->corrupted ? ", corrupted" : "";

	if (r->count > 1 && step->kind == STEP_BLOB)
		snprintf(out, 2 * STEPS_TEXT_MAX, "%zu frames, %llu B of the blob", r->count,
			 (unsigned long long)r->payload);
	else if (r->count > 1 && r->payload)
		snprintf(out, 2 * STEPS_TEXT_MAX, "%zu segments, %llu B of data", r->count,
			 (unsigned long long)r->payload);
	else if (r->count > 1)
		snprintf(out, 2 * STEPS_TEXT_MAX, "%zu acknowledgements", r->count);
	else if (step->kind == STEP_CONTROL && step->receiver != step->to + 1) /* the forwarder passes it on */
		snprintf(out, 2 * STEPS_TEXT_MAX, "%s for %s%s%s", step->text, s->nodes[step->receiver - 1].name,
			 step->again ? ", again" : "", fate);
	else
		snprintf(out, 2 * STEPS_TEXT_MAX, "%s%s%s", step->text, step->again ? ", again" : "", fate);
}

/* ---- drawing ---- */

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

static void draw_packet(struct markup *m, const struct ladder *l, const struct row *r, double y)
{
	const struct step *step = r->step;
	size_t from = lane_of(l, step->node), to = lane_of(l, step->to);
	char text[2 * STEPS_TEXT_MAX];
	double x1, x2, slant = step->arrived > step->at ? SLANT : 0;
	bool lost = step->arrived == NSTIME_NEVER;

	if (from == SIZE_MAX)
		return;
	x1 = lane_x(from);
	x2 = to == SIZE_MAX ? x1 + LANE_GAP / 2 : lane_x(to);
	packet_label(l->s, r, text);
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

static void draw_event(struct markup *m, const struct ladder *l, const struct step *step, double y)
{
	size_t lane = lane_of(l, step->node);
	char text[2 * STEPS_TEXT_MAX + 8];

	if (lane == SIZE_MAX)
		return;
	snprintf(text, sizeof text, "%s%s%s", event_label(step->event), *step->text ? ": " : "", step->text);
	markup_open_class(m, "g", "layer");
	markup_rect(m, "mark-box", lane_x(lane) - 4, y - 6, 8, 8, 0);
	markup_label(m, "tiny halo", lane_x(lane) + 9, y + 2, "start", text);
	markup_close(m);
}

static void draw_time(struct markup *m, const struct ladder *l, size_t row, double y)
{
	nstime start = l->c->list[0].at, at = l->rows[row].step->at - start;
	char text[48];

	if (row && l->rows[row - 1].step->at == l->rows[row].step->at)
		return;
	snprintf(text, sizeof text, "%llu.%03llu ms", (unsigned long long)(at / NSTIME_MS),
		 (unsigned long long)(at % NSTIME_MS / NSTIME_US));
	markup_label(m, "tiny soft", LEFT - 6, y + 2, "end", text);
}

static void draw_lanes(struct markup *m, const struct ladder *l, double bottom)
{
	for (size_t i = 0; i < l->lanes_count; i++) {
		markup_line(m, "lane", lane_x(i), TOP - 14, lane_x(i), bottom);
		markup_label(m, "strong", lane_x(i), TOP - 22, "middle", l->s->nodes[l->lanes[i]].name);
	}
}

static void draw_legend(struct markup *m)
{
	static const struct {
		enum step_kind kind;
		const char *text;
	} entries[] = {{STEP_PLAIN, "the client's packets"},
		       {STEP_TUNNEL, "encapsulated packets"},
		       {STEP_BLOB, "courier: the blob"},
		       {STEP_CONTROL, "courier: control messages"}};

	markup_open_class(m, "div", "legend");
	for (size_t i = 0; i < sizeof entries / sizeof entries[0]; i++) {
		markup_open(m, "span");
		markup_picture_open(m, 32, 12, "");
		markup_open_class(m, "g", kind_classes[entries[i].kind]);
		markup_line(m, "arrow", 0, 6, 24, 6);
		draw_head(m, 31, 6, true);
		markup_close(m);
		markup_close(m);
		markup_text(m, entries[i].text);
		markup_close(m);
	}
	markup_close(m);
}

static void draw_note(struct markup *m, const struct ladder *l)
{
	char text[TUPLE_TEXT_MAX];
	size_t omitted = l->left_out + l->c->omitted;

	markup_open_class(m, "figcaption", NULL);
	markup_format(m, "Connection %llu, %s", (unsigned long long)l->c->number, tuple_text(&l->c->tuple, text));
	markup_close(m);
	markup_element_format(
		m, "div", "note",
		"Time runs down, from the first step; rows stand for steps, not for equal times. Each link "
		"on the way has an arrow of its own.%s",
		omitted ? " The last steps are left out." : "");
}

void ladder_draw(struct markup *m, const struct scenario *s, const struct steps_connection *c, const char *id)
{
	struct ladder l = {.s = s, .c = c};
	double height;

	ladder_make(&l);
	height = TOP + ROW_H * (double)l.rows_count + 12;
	markup_open(m, "figure");
	markup_attribute(m, "id", id);
	draw_note(m, &l);
	draw_legend(m);
	markup_open_class(m, "div", "scroll");
	markup_picture_open(m, l.width, height, "The steps of one connection");
	markup_attribute_format(m, "style", "min-width:%.0fpx;max-width:%.0fpx", l.width * 0.8, l.width * 1.15);
	draw_lanes(m, &l, height - 6);
	for (size_t i = 0; i < l.rows_count; i++) {
		double y = TOP + ROW_H * ((double)i + 0.5);

		draw_time(m, &l, i, y);
		if (l.rows[i].step->kind == STEP_EVENT)
			draw_event(m, &l, l.rows[i].step, y);
		else
			draw_packet(m, &l, &l.rows[i], y);
	}
	markup_close(m);
	markup_close(m);
	markup_close(m);
	free(l.rows);
}
