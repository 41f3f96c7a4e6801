/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/series.h"

#include "base/log.h"
#include "sim/breakdown.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

static const char *const column_names[] = {
#define SERIES_NAME(id, name, gauge) [SERIES_##id] = (name),
	SERIES_LIST(SERIES_NAME)
#undef SERIES_NAME
};

static const bool column_gauges[] = {
#define SERIES_GAUGE(id, name, gauge) [SERIES_##id] = (gauge),
	SERIES_LIST(SERIES_GAUGE)
#undef SERIES_GAUGE
};

bool series_is_gauge(size_t column)
{
	return column >= SERIES_COLUMN_COUNT || column_gauges[column];
}

static void *memory_get(size_t count, size_t size)
{
	void *p = calloc(count, size);

	if (!p)
		log_fatal("out of memory: a time series");
	return p;
}

/* ---- sampling ---- */

static void links_sample(const struct world_node *wn, uint64_t *v)
{
	for (size_t a = 0; a < wn->spec->attachments_count; a++) {
		const struct impair *in = &wn->attachments[a]->in, *out = &wn->attachments[a]->out;

		v[SERIES_PACKETS_SENT] += in->counters.sent + out->counters.sent;
		v[SERIES_PACKETS_DROPPED] += in->dropped_total + out->dropped_total;
		v[SERIES_IN_FLIGHT] += impair_in_flight(in) + impair_in_flight(out);
		if (!(wn->spec->roles & ROLE_CLIENT))
			continue;
		v[SERIES_CLIENT_RECEIVED] += in->counters.delivered_bytes;
		v[SERIES_CLIENT_SENT] += out->counters.sent_bytes;
	}
}

static uint64_t connections_open(const struct world_node *wn)
{
	struct stack_holdings h;

	if (!wn->node)
		return 0;
	stack_holdings(node_stack(wn->node), &h);
	return h.pcbs;
}

static void node_sample(const struct world_node *wn, uint64_t *v)
{
	uint64_t node[BREAKDOWN_NODE_COUNT];

	breakdown_node_read(wn, node);
	v[SERIES_HANDOFFS_STARTED] += node[BREAKDOWN_NODE_HANDOFFS_STARTED];
	v[SERIES_HANDOFFS_COMPLETED] += node[BREAKDOWN_NODE_HANDOFFS_COMPLETED];
	v[SERIES_COURIER_FRAMES] += node[BREAKDOWN_NODE_COURIER_FRAMES];
	v[SERIES_COURIER_RETRANSMITTED] += node[BREAKDOWN_NODE_COURIER_RETRANSMITTED];
	v[SERIES_DRIVER_BUFFERED] += node[BREAKDOWN_NODE_BUFFERED];
	v[SERIES_RETRANSMISSIONS] += node[BREAKDOWN_NODE_RETRANSMISSIONS];
	if (wn->spec->roles & ROLE_CLIENT)
		v[SERIES_CONNECTIONS] += connections_open(wn);
	links_sample(wn, v);
}

static void world_sample(const struct series *s, uint64_t *v)
{
	const struct world *w = s->world;

	memset(v, 0, s->columns * sizeof *v);
	v[SERIES_REQUESTS_STARTED] = w->traffic.started;
	v[SERIES_REQUESTS_COMPLETED] = w->traffic.completed;
	v[SERIES_REQUESTS_FAILED] = w->traffic.failed;
	for (size_t n = 0; n < w->scenario->nodes_count; n++)
		node_sample(&w->nodes[n], v);
	for (size_t i = 0; i < s->spec->nodes_count; i++)
		v[series_node_column(i)] = connections_open(&w->nodes[s->spec->nodes[i]]);
	for (size_t i = 0; i < s->spec->links_count; i++) {
		const struct scenario_capture *at = &s->spec->links[i];
		const struct attachment *a = w->nodes[at->node].attachments[at->attachment];

		v[series_link_column(s, i)] = impair_in_flight(&a->in);
		v[series_link_column(s, i) + 1] = impair_in_flight(&a->out);
	}
}

/* ---- rows ---- */

static void header_write(struct series *s)
{
	const struct world *w = s->world;
	char name[200];

	csv_text(&s->csv, "time_us");
	csv_texts(&s->csv, column_names, SERIES_COLUMN_COUNT);
	for (size_t i = 0; i < s->spec->nodes_count; i++) {
		snprintf(name, sizeof name, "connections_open_%s", w->nodes[s->spec->nodes[i]].spec->name);
		csv_text(&s->csv, name);
	}
	for (size_t i = 0; i < s->spec->links_count; i++)
		for (unsigned out = 0; out < 2; out++) {
			const struct scenario_capture *at = &s->spec->links[i];

			snprintf(name, sizeof name, "packets_on_%s_%s",
				 w->nodes[at->node].attachments[at->attachment]->name, out ? "out" : "in");
			csv_text(&s->csv, name);
		}
	csv_end(&s->csv);
}

/* Joins each row with its neighbour. */
static void rows_halve(struct series *s)
{
	for (size_t r = 0; r < s->rows / 2; r++) {
		const uint64_t *first = s->values + 2 * r * s->columns, *second = first + s->columns;

		for (size_t i = 0; i < s->columns; i++)
			s->values[r * s->columns + i] = (series_is_gauge(i) ? 0 : first[i]) + second[i];
		s->times[r] = s->times[2 * r + 1];
	}
	s->rows /= 2;
}

/* Adds a row to the last one in memory, or behind it when that stands for its share of the rows already. */
static void row_keep(struct series *s, const uint64_t *row, nstime now)
{
	bool begins = s->joined == 0;
	uint64_t *kept;

	s->rows += begins;
	kept = s->values + (s->rows - 1) * s->columns;
	for (size_t i = 0; i < s->columns; i++)
		kept[i] = (begins || series_is_gauge(i) ? 0 : kept[i]) + row[i];
	s->times[s->rows - 1] = now;
	s->joined = (s->joined + 1) % s->join;
	if (s->joined || s->rows < SERIES_ROWS_MAX)
		return;
	rows_halve(s);
	if (s->to_file)
		s->join *= 2;
	else
		s->interval *= 2;
}

static void row_add(struct series *s, nstime now)
{
	uint64_t *row = s->present;

	world_sample(s, row);
	for (size_t i = 0; i < SERIES_COLUMN_COUNT; i++)
		if (!series_is_gauge(i)) {
			uint64_t total = row[i];

			row[i] -= s->before[i];
			s->before[i] = total;
		}
	s->last_at = now;
	if (s->to_file) {
		csv_number(&s->csv, now / NSTIME_US);
		for (size_t i = 0; i < s->columns; i++)
			csv_number(&s->csv, row[i]);
		csv_end(&s->csv);
	}
	if (s->times)
		row_keep(s, row, now);
}

static void series_fire(struct timer *timer, nstime now)
{
	struct series *s = (struct series *)((char *)timer - offsetof(struct series, timer));

	row_add(s, now);
	engine_timer_set(&s->world->engine, &s->timer, nstime_add(now, s->interval));
}

void series_init(struct series *s, struct world *w, const struct series_config *config)
{
	*s = (struct series){
		.world = w,
		.interval = config->interval,
		.last_at = w->engine.now,
		.started = w->engine.now,
		.spec = config->spec,
		.columns = SERIES_COLUMN_COUNT + config->spec->nodes_count + 2 * config->spec->links_count,
		.to_file = config->directory,
		.join = 1,
	};
	s->before = memory_get(s->columns, sizeof *s->before);
	s->present = memory_get(s->columns, sizeof *s->present);
	if (config->keep) {
		s->times = memory_get(SERIES_ROWS_MAX, sizeof *s->times);
		s->values = memory_get(SERIES_ROWS_MAX * s->columns, sizeof *s->values);
	}
	if (config->directory) {
		csv_open(&s->csv, config->directory, "series.csv");
		header_write(s);
	}
	timer_init(&s->timer, series_fire);
	engine_timer_set(&w->engine, &s->timer, nstime_add(w->engine.now, s->interval));
}

int series_close(struct series *s)
{
	engine_timer_cancel(&s->world->engine, &s->timer);
	if (s->world->engine.now > s->last_at)
		row_add(s, s->world->engine.now);
	return s->to_file ? csv_close(&s->csv) : 0;
}

void series_fini(struct series *s)
{
	if (s->world)
		engine_timer_cancel(&s->world->engine, &s->timer);
	if (s->to_file)
		csv_close(&s->csv);
	free(s->before);
	free(s->present);
	free(s->times);
	free(s->values);
	*s = (struct series){0};
}
