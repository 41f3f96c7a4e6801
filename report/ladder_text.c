/* SPDX-License-Identifier: BSD-3-Clause */
/* A ladder in UTF-8: one cell of LANES is one column on the screen. */
#include "base/log.h"
#include "report/ladder.h"
#include "report/ladder_rows.h"

#include <stdlib.h>
#include <string.h>

#define TIME_COLUMNS 13U
#define GAP_MIN      11U /* columns between lanes */
#define GAP_MAX      24U
#define CELLS_MAX    (LADDER_LANES_MAX * (GAP_MAX + 1))

struct sheet {
	const struct ladder *l;
	FILE *out;
	size_t gap, cells_count;
	const char *cells[CELLS_MAX]; /* one column each, in UTF-8 */
};

/* Along an arrow, and where it crosses a lane. */
static const char *const bars[][2] = {
	[STEP_PLAIN] = {"─", "┼"},
	[STEP_TUNNEL] = {"═", "╪"},
	[STEP_CONTROL] = {"╌", "┼"},
	[STEP_BLOB] = {"━", "┿"},
};

static size_t lane_cell(const struct sheet *t, size_t lane)
{
	return t->gap / 2 + lane * t->gap;
}

static void cells_clear(struct sheet *t)
{
	for (size_t i = 0; i < t->cells_count; i++)
		t->cells[i] = " ";
	for (size_t i = 0; i < t->l->lanes_count; i++)
		t->cells[lane_cell(t, i)] = "│";
}

/* An arrow from lane to lane; lost ones end in a cross before the other lane. */
static void arrow_set(struct sheet *t, const struct step *step)
{
	size_t lanes[2] = {ladder_lane(t->l, step->node), ladder_lane(t->l, step->to)};
	bool lost = step->arrived == NSTIME_NEVER;

	if (lanes[0] == SIZE_MAX)
		return;
	if (lanes[1] == SIZE_MAX) /* to nobody that is known: half a gap */
		lanes[1] = lanes[0];
	size_t from = lane_cell(t, lanes[0]), to = lane_cell(t, lanes[1]);

	if (from == to)
		to = from - t->gap / 2;
	size_t step_right = to > from ? 1 : SIZE_MAX, tip = to - step_right;

	t->cells[from] = to > from ? "├" : "┤";
	for (size_t i = from + step_right; i != to; i += step_right)
		t->cells[i] = bars[step->kind][!strcmp(t->cells[i], "│")];
	if (lost) {
		t->cells[tip] = " ";
		t->cells[tip - step_right] = "✗";
	} else {
		t->cells[tip] = to > from ? "▶" : "◀";
		if (step->corrupted)
			t->cells[tip - step_right] = "✗";
	}
}

static void row_put(struct sheet *t, size_t row)
{
	const struct step *step = t->l->rows[row].step;
	char time[LADDER_TIME_MAX] = "", label[LADDER_LABEL_MAX];
	size_t lane = ladder_lane(t->l, step->node);

	cells_clear(t);
	if (step->kind != STEP_EVENT)
		arrow_set(t, step);
	else if (lane != SIZE_MAX)
		t->cells[lane_cell(t, lane)] = "■";
	ladder_time(t->l, row, time);
	ladder_label(t->l, row, label);
	fprintf(t->out, "%*s ", (int)TIME_COLUMNS - 1, time);
	for (size_t i = 0; i < t->cells_count; i++)
		fputs(t->cells[i], t->out);
	fprintf(t->out, "  %s\n", label);
}

/* Names of nodes, which are ASCII, centred on their lanes. */
static void names_put(struct sheet *t)
{
	size_t at = 0;

	fprintf(t->out, "%*s", (int)TIME_COLUMNS, "");
	for (size_t i = 0; i < t->l->lanes_count; i++) {
		const char *name = t->l->s->nodes[t->l->lanes[i]].name;
		size_t len = strnlen(name, t->gap - 1), start = lane_cell(t, i) - len / 2;

		fprintf(t->out, "%*s%.*s", (int)(start - at), "", (int)len, name);
		at = start + len;
	}
	fputc('\n', t->out);
}

static void sheet_init(struct sheet *t, const struct ladder *l, FILE *out)
{
	*t = (struct sheet){.l = l, .out = out, .gap = GAP_MIN};
	for (size_t i = 0; i < l->lanes_count; i++) {
		size_t needed = strlen(l->s->nodes[l->lanes[i]].name) + 2;

		if (needed > t->gap)
			t->gap = needed < GAP_MAX ? needed : GAP_MAX;
	}
	t->cells_count = lane_cell(t, l->lanes_count - 1) + 1;
}

char *ladder_text(const struct scenario *s, const struct steps_connection *c)
{
	char tuple[TUPLE_TEXT_MAX], *text = NULL;
	struct ladder l;
	struct sheet t;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		log_fatal("out of memory: a ladder");
	ladder_init(&l, s, c);
	sheet_init(&t, &l, out);
	fprintf(out, "%s\nConnection %llu, %s\n", s->name, (unsigned long long)c->number, tuple_text(&c->tuple, tuple));
	fputs("─ the client's packets  ═ encapsulated  ━ courier: the blob  ╌ courier: control messages  ■ a layer\n\n",
	      out);
	names_put(&t);
	for (size_t i = 0; i < l.rows_count; i++)
		row_put(&t, i);
	if (ladder_omitted(&l))
		fputs("The last steps are left out.\n", out);
	ladder_fini(&l);
	if (fclose(out))
		log_fatal("out of memory: a ladder");
	return text;
}
