/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/record.h"

#include "base/log.h"
#include "sim/world.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static void *memory_get(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		log_fatal("out of memory: the record of a run");
	return p;
}

struct record *record_new(const struct scenario *s)
{
	struct record *r = memory_get(1, sizeof *r);

	r->boots = memory_get(s->nodes_count, sizeof *r->boots);
	return r;
}

void record_free(struct record *r)
{
	if (!r)
		return;
	evidence_fini(&r->evidence);
	steps_fini(&r->steps);
	series_fini(&r->series);
	for (size_t i = 0; i < r->histograms_count; i++)
		free(r->histograms[i].values);
	for (size_t i = 0; i < r->rules_count; i++)
		free(r->rules[i].ended.handoff_us);
	free(r->nodes);
	free(r->links);
	free(r->rules);
	free(r->boots);
	free(r);
}

static struct histogram *histogram_copy(const struct histogram *h)
{
	struct histogram *copy = memory_get(1, sizeof *copy);

	*copy = *h;
	return copy;
}

static void nodes_collect(struct record *r, const struct world *w)
{
	const struct scenario *s = w->scenario;
	size_t attachments = 0, at = 0;

	for (size_t n = 0; n < s->nodes_count; n++)
		attachments += s->nodes[n].attachments_count;
	r->nodes = memory_get(s->nodes_count, sizeof *r->nodes);
	r->links = memory_get(attachments, sizeof *r->links);
	for (size_t n = 0; n < s->nodes_count; n++) {
		breakdown_node_read(&w->nodes[n], r->nodes[n]);
		for (size_t a = 0; a < s->nodes[n].attachments_count; a++, at++) {
			breakdown_link_read(&w->nodes[n].attachments[a]->in, r->links[at][0]);
			breakdown_link_read(&w->nodes[n].attachments[a]->out, r->links[at][1]);
		}
	}
}

static void rules_collect(struct record *r, const struct world *w)
{
	const struct scenario *s = w->scenario;

	for (size_t i = 0; i < s->services_count; i++)
		r->rules_count += s->services[i].rules_count;
	r->rules = memory_get(r->rules_count, sizeof *r->rules);
	for (size_t i = 0; i < r->rules_count; i++) {
		const struct flows_rule *ended = flows_rule(w->flows, i);

		r->rules[i] = (struct record_rule){.chosen = w->rules.chosen[i], .ended = *ended};
		if (ended->handoff_us)
			r->rules[i].ended.handoff_us = histogram_copy(ended->handoff_us);
	}
}

void record_collect(struct record *r, struct world *w)
{
	for (const struct world_histogram *h = world_histograms; h->name; h++) {
		assert(r->histograms_count < RECORD_HISTOGRAMS_MAX);
		r->histograms[r->histograms_count++] =
			(struct record_histogram){h->name, histogram_copy(world_histogram_of(w, h))};
	}
	nodes_collect(r, w);
	rules_collect(r, w);
	/* The steps stay; the cluster that they looked frames up in does not. */
	r->steps.cluster = NULL;
	r->series = w->series;
	r->series.world = NULL;
	r->series.to_file = false;
	w->series = (struct series){0};
}
