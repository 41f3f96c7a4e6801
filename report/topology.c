/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/topology.h"

#include "base/log.h"
#include "base/quantity.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define BOX_W      176.0
#define BOX_GAP    16.0
#define BOX_PAD    7.0
#define LINE_H     15.0
#define BUS_GAP    26.0 /* between a box and the network's line: the connector */
#define MARGIN     10.0
#define BUS_LABEL  16.0 /* above a network's line */
#define ROW_BOXES  6U   /* in a row; more groups than that are summed up */
#define LINES_MAX  14U
#define WRAP_CHARS 27U

/* A node, or nodes of a range that are alike. */
struct group {
	size_t first, count; /* nodes */
	size_t row;          /* 0: above the first network; n: below network n - 1 */
	char lines[LINES_MAX][TOPOLOGY_TEXT_MAX];
	unsigned lines_count;
	double x; /* left edge */
};

struct drawing {
	const struct scenario *s;
	struct group *groups;
	size_t groups_count;
	size_t rows;
	double *row_y, *row_h; /* of boxes */
	double *bus_y;         /* by network */
	double width, height;
};

/* ---- texts ---- */

/* Appends one item to a list of them. */
static void add(char *out, const char *before, const char *text, const char *after)
{
	size_t len = strlen(out);

	snprintf(out + len, TOPOLOGY_TEXT_MAX - len, "%s%s%s%s", len ? ", " : "", before, text, after);
}

static const char *percent(char out[QUANTITY_MAX], uint32_t ppb)
{
	size_t len = (size_t)snprintf(out, QUANTITY_MAX, "%u.%07u", ppb / 10000000U, ppb % 10000000U);

	while (out[len - 1] == '0')
		out[--len] = 0;
	if (out[len - 1] == '.')
		out[--len] = 0;
	return strcat(out, " %");
}

static const char *rate(char out[QUANTITY_MAX], uint64_t bps)
{
	static const struct {
		uint64_t from;
		const char *unit;
	} scales[] = {{1000000000, "Gbit/s"}, {1000000, "Mbit/s"}, {1000, "kbit/s"}, {1, "bit/s"}};
	unsigned i = 0;

	while (i < 3 && bps % scales[i].from)
		i++;
	snprintf(out, QUANTITY_MAX, "%llu %s", (unsigned long long)(bps / scales[i].from), scales[i].unit);
	return out;
}

const char *topology_impairments_text(const struct impairments *i, char out[TOPOLOGY_TEXT_MAX])
{
	char q[QUANTITY_MAX];

	*out = 0;
	if (i->delay_ns)
		add(out, "", quantity_time(q, i->delay_ns), "");
	if (i->jitter_ns)
		add(out, "± ", quantity_time(q, i->jitter_ns), "");
	if (i->rate_bps)
		add(out, "", rate(q, i->rate_bps), "");
	if (i->loss_ppb)
		add(out, "", percent(q, i->loss_ppb), " loss");
	if (i->chain.kind)
		add(out, "", "loss in bursts", "");
	if (i->corrupt_ppb)
		add(out, "", percent(q, i->corrupt_ppb), " corrupt");
	if (i->duplicate_ppb)
		add(out, "", percent(q, i->duplicate_ppb), " duplicate");
	if (i->reorder_ppb)
		add(out, "", percent(q, i->reorder_ppb), " reorder");
	if (!*out || i->only.kind == IMPAIR_MATCH_ALL)
		return out;
	add(out, "only ",
	    i->only.kind == IMPAIR_MATCH_COURIER        ? "courier"
	    : i->only.kind == IMPAIR_MATCH_ENCAPSULATED ? "encapsulated"
							: i->only.filter,
	    "");
	return out;
}

/* Adds a text to a box, broken between words. */
static void line_add(struct group *g, const char *text)
{
	while (*text && g->lines_count < LINES_MAX) {
		size_t len = strlen(text), cut = len;

		if (len > WRAP_CHARS) {
			cut = WRAP_CHARS;
			while (cut > 1 && (text[cut] != ' ' || text[cut - 1] != ','))
				cut--;
			if (cut == 1) /* no item ends so early */
				for (cut = WRAP_CHARS; cut > 1 && text[cut] != ' ';)
					cut--;
			if (cut == 1)
				cut = WRAP_CHARS;
		}
		snprintf(g->lines[g->lines_count++], TOPOLOGY_TEXT_MAX, "%.*s", (int)cut, text);
		text += cut;
		text += *text == ' ';
	}
}

static void attachment_lines(struct group *g, const struct scenario *s, const struct scenario_attachment *a,
			     bool several)
{
	char in[TOPOLOGY_TEXT_MAX], out[TOPOLOGY_TEXT_MAX], text[2 * TOPOLOGY_TEXT_MAX];
	const char *before = several ? s->networks[a->network].name : "", *colon = several ? ": " : "";

	topology_impairments_text(&a->in, in);
	topology_impairments_text(&a->out, out);
	for (unsigned family = 4; family <= 6 && g->count == 1; family += 2) {
		const struct addr *own = addr_pair_get(&a->address, (uint8_t)family);
		char address[ADDR_TEXT_MAX];

		if (!own->family)
			continue;
		snprintf(text, sizeof text, "%s%s%s", before, colon, addr_text(own, address));
		line_add(g, text);
	}
	if (!strcmp(in, out)) {
		snprintf(text, sizeof text, "%s%s%s", g->count == 1 || !*in ? "" : before,
			 g->count == 1 || !*in ? "" : colon, in);
		line_add(g, text);
		return;
	}
	snprintf(text, sizeof text, "%s%sin: %s", before, several ? " " : "", *in ? in : "nothing");
	line_add(g, text);
	snprintf(text, sizeof text, "%s%sout: %s", before, several ? " " : "", *out ? out : "nothing");
	line_add(g, text);
}

static void roles_line(struct group *g, const struct scenario_node *n)
{
	char text[TOPOLOGY_TEXT_MAX] = "";

	for (unsigned i = 0; scenario_roles[i]; i++)
		if (n->roles & 1U << i)
			add(text, "", scenario_roles[i], "");
	line_add(g, text);
}

static void lines_make(struct group *g, const struct scenario *s)
{
	const struct scenario_node *n = &s->nodes[g->first];

	roles_line(g, n);
	for (size_t a = 0; a < n->attachments_count; a++)
		attachment_lines(g, s, &n->attachments[a], n->attachments_count > 1);
}

/* ---- groups ---- */

/* A name without the digits at its end. */
static size_t stem_len(const char *name)
{
	size_t len = strlen(name);

	while (len && isdigit((unsigned char)name[len - 1]))
		len--;
	return len;
}

static bool attachment_alike(const struct scenario_attachment *a, const struct scenario_attachment *b)
{
	char x[TOPOLOGY_TEXT_MAX], y[TOPOLOGY_TEXT_MAX];

	return a->network == b->network &&
	       !strcmp(topology_impairments_text(&a->in, x), topology_impairments_text(&b->in, y)) &&
	       !strcmp(topology_impairments_text(&a->out, x), topology_impairments_text(&b->out, y));
}

static bool nodes_alike(const struct scenario_node *a, const struct scenario_node *b)
{
	size_t stem = stem_len(a->name);

	if (a->roles != b->roles || a->attachments_count != b->attachments_count || stem != stem_len(b->name) ||
	    strncmp(a->name, b->name, stem) != 0)
		return false;
	for (size_t i = 0; i < a->attachments_count; i++)
		if (!attachment_alike(&a->attachments[i], &b->attachments[i]))
			return false;
	return true;
}

/* Clients stand above the first network; of the rest, each below the first network that it is on. */
static size_t row_of(const struct scenario_node *n)
{
	size_t first = SIZE_MAX;

	for (size_t a = 0; a < n->attachments_count; a++)
		if (n->attachments[a].network < first)
			first = n->attachments[a].network;
	if (first == SIZE_MAX)
		return 0;
	return first == 0 && n->attachments_count == 1 && n->roles & ROLE_CLIENT ? 0 : first + 1;
}

static void groups_make(struct drawing *d)
{
	const struct scenario *s = d->s;

	d->groups = calloc(s->nodes_count + 1, sizeof *d->groups);
	if (!d->groups)
		log_fatal("out of memory: a picture of %zu nodes", s->nodes_count);
	for (size_t n = 0; n < s->nodes_count; n++) {
		struct group *last = d->groups_count ? &d->groups[d->groups_count - 1] : NULL;

		if (last && nodes_alike(&s->nodes[last->first], &s->nodes[n])) {
			last->count++;
			continue;
		}
		d->groups[d->groups_count++] = (struct group){.first = n, .count = 1, .row = row_of(&s->nodes[n])};
	}
	for (size_t i = 0; i < d->groups_count; i++)
		lines_make(&d->groups[i], s);
}

/* ---- layout ---- */

static size_t row_count(const struct drawing *d, size_t row)
{
	size_t count = 0;

	for (size_t i = 0; i < d->groups_count; i++)
		count += d->groups[i].row == row;
	return count;
}

/* Places the boxes of a row, all centred; those beyond ROW_BOXES are left out. Returns the row's height. */
static double row_place(struct drawing *d, size_t row)
{
	size_t count = row_count(d, row), shown = count > ROW_BOXES ? ROW_BOXES : count, at = 0;
	double height = 0, x = (d->width - (double)shown * (BOX_W + BOX_GAP) + BOX_GAP) / 2;

	for (size_t i = 0; i < d->groups_count; i++) {
		struct group *g = &d->groups[i];
		double h = 2 * BOX_PAD + (g->lines_count + 1) * LINE_H;

		if (g->row != row)
			continue;
		g->x = at < ROW_BOXES ? x + (double)at * (BOX_W + BOX_GAP) : -1;
		if (at++ < ROW_BOXES && h > height)
			height = h;
	}
	return height;
}

static void layout(struct drawing *d)
{
	size_t networks = d->s->networks_count, widest = 3;
	double y = MARGIN;

	d->rows = networks + 1;
	d->row_y = calloc(d->rows, sizeof *d->row_y);
	d->row_h = calloc(d->rows, sizeof *d->row_h);
	d->bus_y = calloc(networks + 1, sizeof *d->bus_y);
	if (!d->row_y || !d->row_h || !d->bus_y)
		log_fatal("out of memory: a picture of %zu networks", networks);
	for (size_t r = 0; r < d->rows; r++)
		if (row_count(d, r) > widest)
			widest = row_count(d, r);
	if (widest > ROW_BOXES)
		widest = ROW_BOXES;
	d->width = 2 * MARGIN + (double)widest * (BOX_W + BOX_GAP) - BOX_GAP;
	for (size_t r = 0; r < d->rows; r++) {
		d->row_h[r] = row_place(d, r);
		d->row_y[r] = y;
		if (d->row_h[r] > 0)
			y += d->row_h[r] + BUS_GAP;
		if (row_count(d, r) > ROW_BOXES)
			y += LINE_H;
		if (r < networks) {
			d->bus_y[r] = y + BUS_LABEL;
			y += BUS_LABEL + BUS_GAP;
		}
	}
	d->height = y + MARGIN - (d->row_h[networks] > 0 ? BUS_GAP : 0);
}

/* ---- drawing ---- */

static void draw_bus(struct markup *m, const struct drawing *d, size_t network)
{
	double y = d->bus_y[network];

	markup_line(m, "bus", MARGIN, y, d->width - MARGIN, y);
}

static void draw_bus_label(struct markup *m, const struct drawing *d, size_t network)
{
	const struct scenario_network *n = &d->s->networks[network];
	double y = d->bus_y[network];
	char text[2 * TOPOLOGY_TEXT_MAX];
	size_t len = (size_t)snprintf(text, sizeof text, "%s", n->name);

	for (unsigned family = 4; family <= 6; family += 2) {
		const struct scenario_subnet *subnet = scenario_subnet(n, (uint8_t)family);
		char address[ADDR_TEXT_MAX];

		if (subnet->address.family)
			len += (size_t)snprintf(text + len, sizeof text - len, "  %s/%u",
						addr_text(&subnet->address, address), subnet->prefix_len);
	}
	markup_label(m, "strong halo", MARGIN, y - 6, "start", text);
}

/* A line from a box to a network's, with a dot where it joins. */
static void draw_connector(struct markup *m, const struct drawing *d, const struct group *g, size_t network, double x)
{
	double top = d->row_y[g->row], h = 2 * BOX_PAD + (g->lines_count + 1) * LINE_H;
	bool below = g->row > network; /* the box */
	double y = d->bus_y[network];

	markup_line(m, "wire", x, below ? top : top + h, x, y);
	markup_open_class(m, "circle", "joint");
	markup_attribute_place(m, "cx", x);
	markup_attribute_place(m, "cy", y);
	markup_attribute_place(m, "r", 3.5);
	markup_close(m);
}

static void draw_connectors(struct markup *m, const struct drawing *d, const struct group *g)
{
	const struct scenario_node *n = &d->s->nodes[g->first];

	for (size_t a = 0; a < n->attachments_count; a++)
		draw_connector(m, d, g, n->attachments[a].network,
			       g->x + BOX_W * (double)(a + 1) / (double)(n->attachments_count + 1));
}

static void draw_group(struct markup *m, const struct drawing *d, const struct group *g)
{
	const struct scenario_node *n = &d->s->nodes[g->first];
	double y = d->row_y[g->row], h = 2 * BOX_PAD + (g->lines_count + 1) * LINE_H;
	char name[2 * TOPOLOGY_TEXT_MAX];

	if (g->count > 1) {
		markup_rect(m, "box", g->x + 6, y + 6, BOX_W, h, 5);
		markup_rect(m, "box", g->x + 3, y + 3, BOX_W, h, 5);
	}
	markup_rect(m, "box", g->x, y, BOX_W, h, 5);
	if (g->count > 1)
		snprintf(name, sizeof name, "%.*s[%s..%s]", (int)stem_len(n->name), n->name,
			 n->name + stem_len(n->name), d->s->nodes[g->first + g->count - 1].name + stem_len(n->name));
	else
		snprintf(name, sizeof name, "%s", n->name);
	markup_label(m, "strong", g->x + BOX_PAD, y + BOX_PAD + 11, "start", name);
	for (unsigned i = 0; i < g->lines_count; i++)
		markup_label(m, i ? "tiny" : "tiny soft", g->x + BOX_PAD, y + BOX_PAD + 11 + (i + 1) * LINE_H, "start",
			     g->lines[i]);
}

static void draw_more(struct markup *m, const struct drawing *d, size_t row)
{
	char text[TOPOLOGY_TEXT_MAX];
	size_t nodes = 0;

	for (size_t i = 0; i < d->groups_count; i++)
		if (d->groups[i].row == row && d->groups[i].x < 0)
			nodes += d->groups[i].count;
	if (!nodes)
		return;
	snprintf(text, sizeof text, "and %zu more node%s", nodes, nodes == 1 ? "" : "s");
	markup_label(m, "soft", d->width - MARGIN, d->row_y[row] + d->row_h[row] + LINE_H, "end", text);
}

void topology_draw(struct markup *m, const struct scenario *s, const char *id)
{
	struct drawing d = {.s = s};

	groups_make(&d);
	layout(&d);
	markup_open(m, "figure");
	markup_attribute(m, "id", id);
	markup_open_class(m, "div", "scroll");
	markup_picture_open(m, d.width, d.height, "Networks and nodes");
	markup_attribute_format(m, "style", "min-width:%.0fpx;max-width:%.0fpx;margin:0 auto", d.width * 0.75,
				d.width * 1.2);
	for (size_t n = 0; n < s->networks_count; n++)
		draw_bus(m, &d, n);
	/* A way to a far network goes behind the boxes between. */
	for (size_t i = 0; i < d.groups_count; i++)
		if (d.groups[i].x >= 0)
			draw_connectors(m, &d, &d.groups[i]);
	for (size_t n = 0; n < s->networks_count; n++)
		draw_bus_label(m, &d, n);
	for (size_t i = 0; i < d.groups_count; i++)
		if (d.groups[i].x >= 0)
			draw_group(m, &d, &d.groups[i]);
	for (size_t r = 0; r < d.rows; r++)
		draw_more(m, &d, r);
	markup_close(m);
	markup_close(m);
	markup_close(m);
	free(d.groups);
	free(d.row_y);
	free(d.row_h);
	free(d.bus_y);
}
