/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/steps.h"

#include "base/log.h"
#include "sim/evidence.h"

#include <stdlib.h>
#include <string.h>

void steps_init(struct steps *s, const struct scenario *scenario, const struct node_cluster *cluster, uint64_t wanted)
{
	*s = (struct steps){.scenario = scenario, .cluster = cluster, .wanted = wanted};
	s->at_node = calloc(scenario->nodes_count + 1, sizeof(struct steps_connection *));
	if (!s->at_node)
		log_fatal("out of memory: steps at %zu nodes", scenario->nodes_count);
}

static void connection_free(struct steps_connection *c)
{
	free(c->list);
	free(c->blob_sent);
	free(c);
}

void steps_fini(struct steps *s)
{
	for (size_t i = 0; i < s->followed_count; i++)
		connection_free(s->followed[i]);
	free(s->at_node);
	*s = (struct steps){0};
}

const struct steps_connection *steps_chosen(const struct steps *s)
{
	return s->followed_count ? s->followed[0] : NULL;
}

bool steps_over(const struct steps *s, nstime now)
{
	const struct steps_connection *c = s->settled ? s->followed[0] : NULL;

	return c && (c->omitted || (c->ended && now >= nstime_add(c->ended_at, STEPS_LATE_NS)));
}

bool steps_connection_has_flow(const struct steps_connection *c, uint32_t flow)
{
	for (size_t i = 0; i < c->flows_count; i++)
		if (c->flows[i] == flow)
			return true;
	return false;
}

void steps_add(struct steps_connection *c, const struct step *step)
{
	if (c->count == STEPS_MAX)
		c->omitted++;
	else
		c->list[c->count++] = *step;
}

/* Forgets all that are followed but those with an index below `kept`. */
static void followed_cut(struct steps *s, size_t kept)
{
	while (s->followed_count > kept) {
		struct steps_connection *c = s->followed[--s->followed_count];

		for (size_t n = 0; n < s->scenario->nodes_count; n++)
			if (s->at_node[n] == c)
				s->at_node[n] = NULL;
		connection_free(c);
	}
}

/* The connection is the one: the others are forgotten. */
static void settle(struct steps *s, struct steps_connection *c)
{
	for (size_t i = 0; i < s->followed_count; i++)
		if (s->followed[i] == c) {
			s->followed[i] = s->followed[0];
			s->followed[0] = c;
		}
	followed_cut(s, 1);
	s->settled = true;
}

/* A slot for one more: a free one, or that of one that ended without a hand-off. The first stays, so that there is
 * something to show when none is handed over. False: none. */
static bool slot_free(struct steps *s)
{
	if (s->followed_count < STEPS_FOLLOWED_MAX)
		return true;
	for (size_t i = 1; i < s->followed_count; i++)
		if (s->followed[i]->ended) {
			struct steps_connection *last = s->followed[s->followed_count - 1];

			s->followed[s->followed_count - 1] = s->followed[i];
			s->followed[i] = last;
			followed_cut(s, s->followed_count - 1);
			return true;
		}
	return false;
}

void steps_open(struct steps *s, size_t client, const struct tuple *t, uint64_t number)
{
	struct steps_connection *c;

	if (s->settled || (s->wanted && s->wanted != number) || !slot_free(s))
		return;
	c = calloc(1, sizeof *c);
	if (c)
		c->list = calloc(STEPS_MAX, sizeof *c->list);
	if (!c || !c->list)
		log_fatal("out of memory: the steps of a connection");
	c->tuple = *t;
	c->number = number;
	c->client = client;
	s->followed[s->followed_count++] = c;
	if (s->wanted)
		settle(s, c);
}

static struct steps_connection *connection_of(const struct steps *s, const struct trace_field *fields, size_t count)
{
	const struct tuple *t = trace_field_tuple(fields, count, "tuple");
	uint64_t flow = trace_field_u64(fields, count, "flow");

	for (size_t i = 0; i < s->followed_count; i++) {
		struct steps_connection *c = s->followed[i];

		if (t ? tuple_equal(&c->tuple, t) : steps_connection_has_flow(c, (uint32_t)flow))
			return c;
	}
	return NULL;
}

/* Whether an event tells whose it is: those of compiling and infusing do not, and belong to the connection that the
 * node was last busy with. */
static bool event_is_named(enum trace_event event)
{
	switch (event) {
	case TRACE_COMPILE_SOCKET:
	case TRACE_COMPILE_TCP:
	case TRACE_COMPILE_IP:
	case TRACE_INFUSE_SOCKET:
	case TRACE_INFUSE_TCP:
	case TRACE_INFUSE_IP:
		return false;
	default:
		return true;
	}
}

/* What the courier does is seen from its frames. */
static bool event_is_shown(enum trace_event event)
{
	switch (event) {
	case TRACE_COURIER_RETRANSMIT:
	case TRACE_COURIER_REJECT:
	case TRACE_COURIER_DELIVER:
	case TRACE_DRIVER_BLOB: /* UNBUNDLE and MAPPING say it */
		return false;
	default:
		return true;
	}
}

static void event_note(struct steps *s, struct steps_connection *c, nstime now, enum trace_event event,
		       const struct trace_field *fields, size_t count)
{
	uint32_t flow = (uint32_t)trace_field_u64(fields, count, "flow");

	if (event == TRACE_CLASSIFIER_FLOW && c->flows_count < STEPS_FLOWS_MAX && !steps_connection_has_flow(c, flow))
		c->flows[c->flows_count++] = flow;
	if (event == TRACE_HANDOFF_COMMITTED) {
		c->handed_over = true;
		if (!s->settled)
			settle(s, c);
	}
	if (event == TRACE_CONNECTION_CLOSE) {
		c->ended = true;
		c->ended_at = now;
	}
}

void steps_observe(struct steps *s, size_t node, nstime now, enum trace_event event, const struct trace_field *fields,
		   size_t count)
{
	struct steps_connection *c;
	struct step step = {.kind = STEP_EVENT, .event = event, .at = now, .node = node, .to = STEPS_NOBODY};

	if (event_is_named(event))
		s->at_node[node] = connection_of(s, fields, count);
	c = s->at_node[node];
	if (!c)
		return;
	event_note(s, c, now, event, fields, count);
	if (!event_is_shown(event))
		return;
	if (event == TRACE_CLASSIFIER_FLOW)
		snprintf(step.text, sizeof step.text, "%llu",
			 (unsigned long long)trace_field_u64(fields, count, "flow"));
	else
		evidence_text(s->scenario, fields, count, true, step.text, sizeof step.text);
	steps_add(c, &step);
}
