/* SPDX-License-Identifier: BSD-3-Clause */
/* Who looks on while a run goes: connections one by one (sim/flows) and the record for a page (sim/record). */
#include "sim/world_build.h"

#include <string.h>

/* Without series: in the scenario, a page's begin so fine and become coarser as the run goes on. */
#define RECORD_INTERVAL (1 * NSTIME_MS)

void world_watch(struct world_node *wn, nstime now, enum trace_event event, const struct trace_field *fields,
		 size_t count)
{
	struct world *w = wn->world;
	struct record *r = w->record;
	size_t index = wn->device - 1U;
	uint64_t opened = flows_opened(w->flows);
	flows_observe(w->flows, wn->spec->name, now, event, fields, count);
	if (!r)
		return;
	if (event == TRACE_NODE_START)
		r->boots[index] = trace_field_u64(fields, count, "boot");
	if (event == TRACE_REQUEST_START && flows_opened(w->flows) != opened) {
		struct tuple t = tuple_reverse(trace_field_tuple(fields, count, "tuple"));
		steps_open(&r->steps, index, &t, flows_opened(w->flows));
	}
	evidence_observe(&r->evidence, w->scenario, wn->spec->name, now, event, fields, count);
	steps_observe(&r->steps, index, now, event, fields, count);
}

/* The events of the run itself: links and what they drop. */
static void run_emit(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
		     size_t count)
{
	struct world *w = sink->context;
	evidence_observe(&w->record->evidence, w->scenario, NULL, now, event, fields, count);
	w->run_file.emit(&w->run_file, now, event, fields, count);
}

/* The node with this address, which says whose it is; STEPS_NOBODY when there is none. */
static size_t node_of_mac(const struct world *w, const uint8_t *mac)
{
	size_t node = (size_t)mac[2] << 8 | mac[3], attachment = mac[5];
	const struct scenario_node *spec = node < w->scenario->nodes_count ? &w->scenario->nodes[node] : NULL;
	if (!spec || attachment >= spec->attachments_count ||
	    memcmp(spec->attachments[attachment].mac.bytes, mac, 6) != 0)
		return STEPS_NOBODY;
	return node;
}

static void frame_watch(void *context, const struct attachment *a, const struct buf *frame, bool in, nstime now)
{
	struct world *w = context;
	const struct world_node *wn = a->node;
	steps_frame(&w->record->steps,
		    &(const struct steps_frame){
			    .frame = frame,
			    .node = wn->device - 1U,
			    .to = in ? wn->device - 1U : node_of_mac(w, frame->data),
			    .in = in,
			    .boots = w->record->boots,
		    },
		    now);
}

void world_watch_init(struct world *w)
{
	const struct world_options *o = &w->options;
	if (o->csv || o->record)
		w->flows = flows_new(w->scenario, &w->rules, o->seed, o->csv ? o->out : NULL);
	if (!o->record)
		return;
	w->record = record_new(w->scenario);
	steps_init(&w->record->steps, w->scenario, &w->cluster, o->connection);
	w->run_file = w->sink;
	w->sink = (struct trace_sink){.emit = run_emit, .context = w};
}

void world_watch_start(struct world *w)
{
	const struct scenario_series *spec = &w->scenario->series;
	if ((spec->interval && w->options.out) || w->record)
		series_init(&w->series, w,
			    &(const struct series_config){
				    .interval = spec->interval ? spec->interval : RECORD_INTERVAL,
				    .spec = spec,
				    .directory = spec->interval ? w->options.out : NULL,
				    .keep = w->record != NULL,
			    });
	for (size_t n = 0; w->record && n < w->scenario->nodes_count; n++)
		for (size_t a = 0; a < w->nodes[n].spec->attachments_count; a++) {
			w->nodes[n].attachments[a]->tap.watch = frame_watch;
			w->nodes[n].attachments[a]->tap.context = w;
		}
}

struct record *world_record_take(struct world *w)
{
	struct record *r = w->record;
	if (!r)
		return NULL;
	record_collect(r, w);
	w->record = NULL;
	w->sink = w->run_file;
	for (size_t n = 0; n < w->scenario->nodes_count; n++)
		for (size_t a = 0; a < w->nodes[n].spec->attachments_count; a++)
			w->nodes[n].attachments[a]->tap.watch = NULL;
	return r;
}
