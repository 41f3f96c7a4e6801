/* SPDX-License-Identifier: BSD-3-Clause */
/* series: an interval, or a mapping of interval and nodes. */
#include "sim/scenario_parse.h"

static void interval_parse(struct parse *p, const struct doc *d)
{
	struct scenario_series *series = &p->s->series;
	nstime interval;

	if (!parse_duration(p, d, &interval))
		return;
	if (!interval)
		MISTAKE(p, d, "a series needs an interval above 0");
	else if (p->s->stop / interval > SCENARIO_SAMPLES_MAX)
		MISTAKE(p, d, "that makes %llu samples until stop, and %u are the most",
			(unsigned long long)(p->s->stop / interval), SCENARIO_SAMPLES_MAX);
	else if (p->s->stop && interval > p->s->stop)
		MISTAKE(p, d, "the run stops before the first sample");
	else
		series->interval = interval;
}

/* Without being asked: classifiers and backends, where they are few. */
static void nodes_choose(struct parse *p)
{
	struct scenario_series *series = &p->s->series;
	size_t count = 0;

	for (size_t i = 0; i < p->s->nodes_count; i++)
		count += (p->s->nodes[i].roles & (ROLE_CLASSIFIER | ROLE_BACKEND)) != 0;
	if (!count || count > SCENARIO_SERIES_NODES)
		return;
	series->nodes = scenario_grow(NULL, 0, count * sizeof(*series->nodes));
	for (size_t i = 0; i < p->s->nodes_count; i++)
		if (p->s->nodes[i].roles & (ROLE_CLASSIFIER | ROLE_BACKEND))
			series->nodes[series->nodes_count++] = i;
}

static void links_parse(struct parse *p, const struct doc *d)
{
	struct scenario_series *series = &p->s->series;

	if (!parse_list(p, d, "links"))
		return;
	for (size_t i = 0; i < d->count; i++) {
		struct scenario_capture at;
		bool twice = false;

		if (!parse_attachment_ref(p, d->items[i], &at.node, &at.attachment))
			continue;
		for (size_t n = 0; n < series->links_count; n++)
			twice |= series->links[n].node == at.node && series->links[n].attachment == at.attachment;
		if (twice)
			MISTAKE(p, d->items[i], "'%s' stands in this list already", d->items[i]->text);
		else if (series->links_count == SCENARIO_SERIES_LINKS)
			MISTAKE(p, d->items[i], "more than %u links in a series", SCENARIO_SERIES_LINKS);
		if (twice || series->links_count == SCENARIO_SERIES_LINKS)
			continue;
		series->links = scenario_grow(series->links, series->links_count, sizeof(*series->links));
		series->links[series->links_count++] = at;
	}
}

void parse_series(struct parse *p)
{
	static const char *const keys[] = {"interval", "nodes", "links", NULL};
	struct doc *d = doc_get(p->root, "series"), *interval, *nodes, *links;
	struct scenario_series *series = &p->s->series;

	if (!d)
		return;
	if (d->kind != DOC_MAP) {
		interval_parse(p, d);
		nodes_choose(p);
		return;
	}
	if (!parse_map(p, d, "series", keys, NULL))
		return;
	interval = doc_get(d, "interval");
	nodes = doc_get(d, "nodes");
	links = doc_get(d, "links");
	if (interval)
		interval_parse(p, interval);
	else
		MISTAKE_KEY(p, d, "series needs an interval");
	if (links)
		links_parse(p, links);
	if (nodes)
		parse_node_list(p, nodes, ~0U, "node", &series->nodes, &series->nodes_count);
	else
		nodes_choose(p);
}
