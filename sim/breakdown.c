/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/breakdown.h"

#include "base/log.h"
#include "sim/csv.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

static const char *const node_names[] = {
#define NODE_NAME(id, name) [BREAKDOWN_NODE_##id] = (name),
	BREAKDOWN_NODE_LIST(NODE_NAME)
#undef NODE_NAME
};

static const char *const link_names[] = {
#define LINK_NAME(id, name) [BREAKDOWN_LINK_##id] = (name),
	BREAKDOWN_LINK_LIST(LINK_NAME)
#undef LINK_NAME
#define LINK_REASON(id, text) [BREAKDOWN_LINK_REASONS + IMPAIR_DROP_##id] = "dropped_by_" text,
		IMPAIR_DROP_LIST(LINK_REASON)
#undef LINK_REASON
};

const char *breakdown_node_name(unsigned what)
{
	return node_names[what];
}

const char *breakdown_link_name(unsigned what)
{
	return link_names[what];
}

/* ---- values ---- */

static void node_add_roles(const struct node *n, uint64_t v[BREAKDOWN_NODE_COUNT])
{
	const struct classifier_counters *c = node_classifier_counters(n);
	const struct handoff_counters *h = node_handoff_counters(n);
	const struct migrator_counters *g = node_migrator_counters(n);
	const struct forwarder_counters *f = node_forwarder_counters(n);
	const struct driver_counters *d = node_driver_counters(n);
	const struct courier_counters *k = node_courier_counters(n);

	v[BREAKDOWN_NODE_CLASSIFIED] += c ? c->opened : 0;
	v[BREAKDOWN_NODE_HANDOFFS_STARTED] += h ? h->started + h->retried : 0;
	v[BREAKDOWN_NODE_HANDOFFS_COMPLETED] += h ? h->committed : 0;
	v[BREAKDOWN_NODE_HANDOFFS_ROLLED_BACK] += h ? h->rejected + h->rolled_back : 0;
	v[BREAKDOWN_NODE_HANDOFFS_FAILED] += h ? h->failed : 0;
	v[BREAKDOWN_NODE_ACTIVATED] += g ? g->activated : 0;
	v[BREAKDOWN_NODE_ENCAPSULATED] += f ? f->encapsulated : 0;
	v[BREAKDOWN_NODE_BUFFERED] += d ? d->buffered : 0;
	v[BREAKDOWN_NODE_OVERFLOWED] += d ? d->overflowed : 0;
	v[BREAKDOWN_NODE_COURIER_FRAMES] += k ? k->frames_sent : 0;
	v[BREAKDOWN_NODE_COURIER_RETRANSMITTED] += k ? k->retransmitted : 0;
	for (unsigned i = 0; k && i < COURIER_REJECT_COUNT; i++)
		v[BREAKDOWN_NODE_COURIER_REJECTED] += k->rejected[i];
}

static void node_add_stack(const struct world_node *wn, uint64_t v[BREAKDOWN_NODE_COUNT])
{
	const struct app *app;

	v[BREAKDOWN_NODE_RETRANSMISSIONS] += stack_counters(node_stack(wn->node))->retransmissions;
	for (size_t i = 0; (app = node_app(wn->node, i)); i++) {
		v[BREAKDOWN_NODE_CONNECTIONS] += app_counters(app)->connections;
		v[BREAKDOWN_NODE_RECEIVED] += app_counters(app)->bytes_in;
		v[BREAKDOWN_NODE_SENT] += app_counters(app)->bytes_out;
		v[BREAKDOWN_NODE_COPIED] += app_counters(app)->copied;
	}
	if (wn->spec->roles & ROLE_CLIENT)
		v[BREAKDOWN_NODE_CONNECTIONS] += client_connections_opened(node_client(wn->node));
}

void breakdown_node_read(const struct world_node *wn, uint64_t values[BREAKDOWN_NODE_COUNT])
{
	memset(values, 0, BREAKDOWN_NODE_COUNT * sizeof *values);
	for (unsigned i = 0; wn->before && i < BREAKDOWN_NODE_COUNT; i++)
		values[i] = wn->before[i];
	/* What the world counts of a node outlives its incarnations. */
	values[BREAKDOWN_NODE_REQUESTS_COMPLETED] = wn->completed;
	values[BREAKDOWN_NODE_REQUESTS_FAILED] = wn->failed;
	values[BREAKDOWN_NODE_RECEIVED] += wn->received_bytes;
	values[BREAKDOWN_NODE_SENT] += wn->sent_bytes;
	if (!wn->node)
		return;
	node_add_roles(wn->node, values);
	node_add_stack(wn, values);
}

void breakdown_node_keep(struct world_node *wn)
{
	uint64_t values[BREAKDOWN_NODE_COUNT];

	breakdown_node_read(wn, values);
	values[BREAKDOWN_NODE_RECEIVED] -= wn->received_bytes;
	values[BREAKDOWN_NODE_SENT] -= wn->sent_bytes;
	if (!wn->before)
		wn->before = malloc(sizeof values);
	if (!wn->before)
		log_fatal("out of memory for the counters of a node that crashed");
	memcpy(wn->before, values, sizeof values);
}

void breakdown_link_read(const struct impair *i, uint64_t values[BREAKDOWN_LINK_COUNT])
{
	const struct impair_counters *c = &i->counters;

	values[BREAKDOWN_LINK_SENT] = c->sent;
	values[BREAKDOWN_LINK_DELIVERED] = c->delivered;
	values[BREAKDOWN_LINK_DROPPED] = i->dropped_total;
	values[BREAKDOWN_LINK_IN_FLIGHT] = impair_in_flight(i);
	values[BREAKDOWN_LINK_SENT_BYTES] = c->sent_bytes;
	values[BREAKDOWN_LINK_DELIVERED_BYTES] = c->delivered_bytes;
	values[BREAKDOWN_LINK_CORRUPTED] = c->corrupted;
	values[BREAKDOWN_LINK_DUPLICATED] = c->duplicated;
	values[BREAKDOWN_LINK_REORDERED] = c->reordered;
	values[BREAKDOWN_LINK_HELD_MAX] = c->held_max;
	values[BREAKDOWN_LINK_QUEUE_MAX] = c->queue_max / NSTIME_US;
	for (unsigned reason = 0; reason < IMPAIR_DROP_COUNT; reason++)
		values[BREAKDOWN_LINK_REASONS + reason] = c->dropped[reason];
}

/* ---- rules ---- */

void breakdown_rules_init(struct breakdown_rules *r, const struct scenario *s)
{
	size_t count = 0;

	r->first = calloc(s->services_count + 1, sizeof *r->first);
	for (size_t i = 0; r->first && i < s->services_count; i++) {
		r->first[i] = count;
		count += s->services[i].rules_count;
	}
	r->chosen = calloc(count + 1, sizeof *r->chosen);
	if (!r->first || !r->chosen)
		log_fatal("out of memory for the counters of %zu services", s->services_count);
}

void breakdown_rules_fini(struct breakdown_rules *r)
{
	free(r->chosen);
	free(r->first);
	*r = (struct breakdown_rules){0};
}

size_t breakdown_rule_of(const struct breakdown_rules *r, const struct scenario *s, const struct trace_field *fields,
			 size_t count)
{
	const char *service = trace_field_text(fields, count, "service");
	uint64_t rule = trace_field_u64(fields, count, "rule");
	size_t i = service ? scenario_service_find(s, service) : SIZE_MAX;

	if (i == SIZE_MAX || rule >= s->services[i].rules_count)
		return SIZE_MAX;
	return r->first[i] + (size_t)rule;
}

/* ---- tables ---- */

static void role_names(const struct scenario_node *n, char out[64])
{
	*out = 0;
	for (unsigned i = 0; scenario_roles[i]; i++)
		if (n->roles & 1U << i)
			strcat(strcat(out, *out ? " " : ""), scenario_roles[i]);
}

static int nodes_write(const struct world *w, const char *directory)
{
	struct csv c;

	csv_open(&c, directory, "nodes.csv");
	csv_texts(&c, (const char *const[]){"node", "roles"}, 2);
	csv_texts(&c, node_names, BREAKDOWN_NODE_COUNT);
	csv_end(&c);
	for (size_t n = 0; n < w->scenario->nodes_count; n++) {
		uint64_t values[BREAKDOWN_NODE_COUNT];
		char roles[64];

		role_names(w->nodes[n].spec, roles);
		breakdown_node_read(&w->nodes[n], values);
		csv_text(&c, w->nodes[n].spec->name);
		csv_text(&c, roles);
		for (unsigned i = 0; i < BREAKDOWN_NODE_COUNT; i++)
			csv_number(&c, values[i]);
		csv_end(&c);
	}
	return csv_close(&c);
}

static void link_row(struct csv *c, const char *node, const char *network, const char *direction,
		     const struct impair *i)
{
	uint64_t values[BREAKDOWN_LINK_COUNT];

	breakdown_link_read(i, values);
	csv_texts(c, (const char *const[]){node, network, direction}, 3);
	for (unsigned what = 0; what < BREAKDOWN_LINK_COUNT; what++)
		csv_number(c, values[what]);
	csv_end(c);
}

static int links_write(const struct world *w, const char *directory)
{
	struct csv c;

	csv_open(&c, directory, "links.csv");
	csv_texts(&c, (const char *const[]){"node", "network", "direction"}, 3);
	csv_texts(&c, link_names, BREAKDOWN_LINK_COUNT);
	csv_end(&c);
	for (size_t n = 0; n < w->scenario->nodes_count; n++)
		for (size_t a = 0; a < w->nodes[n].spec->attachments_count; a++) {
			const struct scenario_node *spec = w->nodes[n].spec;
			const char *network = w->scenario->networks[spec->attachments[a].network].name;

			link_row(&c, spec->name, network, "in", &w->nodes[n].attachments[a]->in);
			link_row(&c, spec->name, network, "out", &w->nodes[n].attachments[a]->out);
		}
	return csv_close(&c);
}

int breakdown_write(const struct world *w, const char *directory)
{
	int r = nodes_write(w, directory);

	return r ? r : links_write(w, directory);
}
