/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/ladder_rows.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* Clients, then what forwards, then first devices, then second ones. */
static unsigned lane_order(const struct scenario_node *n)
{
	static const unsigned order[] = {ROLE_CLIENT, ROLE_ROUTER, ROLE_FORWARDER, ROLE_CLASSIFIER, ROLE_BACKEND};
	unsigned i = 0;

	while (i < sizeof order / sizeof order[0] && !(n->roles & order[i]))
		i++;
	return i;
}

size_t ladder_lane(const struct ladder *l, size_t node)
{
	for (size_t i = 0; i < l->lanes_count; i++)
		if (l->lanes[i] == node)
			return i;
	return SIZE_MAX;
}

static void lane_add(struct ladder *l, size_t node)
{
	size_t at = l->lanes_count;

	if (node >= l->s->nodes_count || ladder_lane(l, node) != SIZE_MAX || l->lanes_count == LADDER_LANES_MAX)
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
	if (l->rows_count == LADDER_ROWS_MAX) {
		l->left_out++;
		return;
	}
	l->rows[l->rows_count++] = (struct ladder_row){.step = step, .count = 1, .payload = step->payload};
}

void ladder_init(struct ladder *l, const struct scenario *s, const struct steps_connection *c)
{
	size_t run = 0;

	*l = (struct ladder){.s = s, .c = c};
	l->rows = calloc(LADDER_ROWS_MAX, sizeof *l->rows);
	if (!l->rows)
		log_fatal("out of memory: a ladder");
	lane_add(l, l->c->client);
	for (size_t i = 0; i < l->c->count; i++) {
		lane_add(l, l->c->list[i].node);
		if (l->c->list[i].kind != STEP_EVENT)
			lane_add(l, l->c->list[i].to);
		row_add(l, &l->c->list[i], &run);
	}
}

void ladder_fini(struct ladder *l)
{
	free(l->rows);
	*l = (struct ladder){0};
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
	case TRACE_FORWARDER_CLOSED:
		return "entry rests, then goes";
	case TRACE_CONNECTION_CLOSE:
		return "connection closed";
	case TRACE_INDICATE:
		return "data indicated to the application";
	default:
		return trace_name(event);
	}
}

static void packet_label(const struct scenario *s, const struct ladder_row *r, char out[LADDER_LABEL_MAX])
{
	const struct step *step = r->step;
	const char *fate = step->arrived == NSTIME_NEVER ? ", lost" : step->corrupted ? ", corrupted" : "";

	if (r->count > 1 && step->kind == STEP_BLOB)
		snprintf(out, LADDER_LABEL_MAX, "%zu frames, %llu B of the blob", r->count,
			 (unsigned long long)r->payload);
	else if (r->count > 1 && r->payload)
		snprintf(out, LADDER_LABEL_MAX, "%zu segments, %llu B of data", r->count,
			 (unsigned long long)r->payload);
	else if (r->count > 1)
		snprintf(out, LADDER_LABEL_MAX, "%zu acknowledgements", r->count);
	else if (step->kind == STEP_CONTROL && step->receiver != step->to + 1) /* the forwarder passes it on */
		snprintf(out, LADDER_LABEL_MAX, "%s for %s%s%s", step->text, s->nodes[step->receiver - 1].name,
			 step->again ? ", again" : "", fate);
	else
		snprintf(out, LADDER_LABEL_MAX, "%s%s%s", step->text, step->again ? ", again" : "", fate);
}

void ladder_label(const struct ladder *l, size_t row, char out[LADDER_LABEL_MAX])
{
	const struct step *step = l->rows[row].step;

	if (step->kind != STEP_EVENT)
		packet_label(l->s, &l->rows[row], out);
	else
		snprintf(out, LADDER_LABEL_MAX, "%s%s%s", event_label(step->event), *step->text ? ": " : "",
			 step->text);
}

bool ladder_time(const struct ladder *l, size_t row, char out[LADDER_TIME_MAX])
{
	nstime start = l->c->list[0].at, at = l->rows[row].step->at - start;

	if (row && l->rows[row - 1].step->at == l->rows[row].step->at)
		return false;
	snprintf(out, LADDER_TIME_MAX, "%llu.%03llu ms", (unsigned long long)(at / NSTIME_MS),
		 (unsigned long long)(at % NSTIME_MS / NSTIME_US));
	return true;
}

size_t ladder_omitted(const struct ladder *l)
{
	return l->left_out + l->c->omitted;
}
