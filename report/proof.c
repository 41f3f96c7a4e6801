/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/proof.h"

#include <stdio.h>
#include <string.h>

/* What shows a metric whose path begins so; the first that fits counts. */
static const struct entry {
	const char *begins;
	enum trace_event events[2]; /* TRACE_EVENT_COUNT: none */
	const char *anchor, *text;  /* another place; NULL: none */
} entries[] = {
	{"requests.latency_us", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "histogram-requests-latency_us", "latencies"},
	{"requests.first_byte_us",
	 {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT},
	 "histogram-requests-first_byte_us",
	 "times to the first byte"},
	{"requests.stall_us", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "histogram-requests-stall_us", "stalls"},
	{"requests.", {TRACE_REQUEST_FAIL, TRACE_EVENT_COUNT}, "series-requests", "requests over time"},
	{"streams.", {TRACE_REQUEST_FAIL, TRACE_EVENT_COUNT}, NULL, NULL},
	{"client.retransmissions",
	 {TRACE_PACKET_DROP, TRACE_EVENT_COUNT},
	 "series-losses",
	 "retransmissions over time"},
	{"client.", {TRACE_REQUEST_FAIL, TRACE_EVENT_COUNT}, NULL, NULL},
	{"handoffs.latency_us",
	 {TRACE_COURIER_RETRANSMIT, TRACE_EVENT_COUNT},
	 "histogram-handoffs-latency_us",
	 "hand-off times"},
	{"handoffs.failed", {TRACE_HANDOFF_FAILED, TRACE_EVENT_COUNT}, NULL, NULL},
	{"handoffs.", {TRACE_HANDOFF_ROLLBACK, TRACE_MIGRATOR_REJECT}, "series-handoffs", "hand-offs over time"},
	{"packets.queue_us", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "histogram-packets-queue_us", "times in queues"},
	{"packets.", {TRACE_PACKET_DROP, TRACE_EVENT_COUNT}, "links", "links"},
	{"courier.retransmitted",
	 {TRACE_COURIER_RETRANSMIT, TRACE_EVENT_COUNT},
	 "series-courier",
	 "the courier over time"},
	{"courier.rejected", {TRACE_COURIER_REJECT, TRACE_EVENT_COUNT}, NULL, NULL},
	{"courier.", {TRACE_COURIER_GIVEUP, TRACE_EVENT_COUNT}, "series-courier", "the courier over time"},
	{"driver.", {TRACE_DRIVER_BUFFER, TRACE_EVENT_COUNT}, "nodes", "nodes"},
	{"migrator.", {TRACE_MIGRATOR_REJECT, TRACE_EVENT_COUNT}, "nodes", "nodes"},
	{"classifier.", {TRACE_CLASSIFIER_ANSWER, TRACE_EVENT_COUNT}, NULL, NULL},
	{"forwarder.", {TRACE_FORWARDER_REFUSED, TRACE_EVENT_COUNT}, "nodes", "nodes"},
	{"backends.", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "nodes", "nodes"},
	{"sticky.", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "rules", "rules"},
	{"per_rule.", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "rules", "rules"},
	{"per_link.", {TRACE_PACKET_DROP, TRACE_EVENT_COUNT}, "links", "links"},
	{"nodes.", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "nodes", "nodes"},
	{"", {TRACE_EVENT_COUNT, TRACE_EVENT_COUNT}, "summary", "summary"},
};

/* `prefix` and a name as an id: dots become dashes. */
static const char *anchor_make(const char *prefix, const char *name, char out[PROOF_ANCHOR_MAX])
{
	snprintf(out, PROOF_ANCHOR_MAX, "%s-%s", prefix, name);
	for (char *c = out; *c; c++)
		if (*c == '.')
			*c = '-';
	return out;
}

const char *proof_event_anchor(enum trace_event event, char out[PROOF_ANCHOR_MAX])
{
	return anchor_make("event", trace_name(event), out);
}

const char *proof_histogram_anchor(const char *name, char out[PROOF_ANCHOR_MAX])
{
	return anchor_make("histogram", name, out);
}

const char *proof_node_anchor(const struct scenario *s, size_t node, char out[PROOF_ANCHOR_MAX])
{
	return anchor_make("node", s->nodes[node].name, out);
}

static void event_proof(struct proof *p, enum trace_event event)
{
	p->event = event;
	p->text = trace_name(event);
	proof_event_anchor(event, p->anchor);
}

/* per_node.NAME.WHAT: the node's row, when it has one. */
static bool node_proof(const struct scenario *s, const char *metric, struct proof *p)
{
	char name[PROOF_ANCHOR_MAX];
	size_t node;

	if (strncmp(metric, "per_node.", 9) != 0)
		return false;
	snprintf(name, sizeof name, "%.*s", (int)strcspn(metric + 9, "."), metric + 9);
	node = scenario_node_find(s, name);
	*p = (struct proof){.text = "the node", .event = TRACE_EVENT_COUNT};
	if (node < PROOF_ROWS_MAX)
		proof_node_anchor(s, node, p->anchor);
	else
		strcpy(p->anchor, "nodes");
	return true;
}

size_t proof_find(const struct scenario *s, const char *metric, struct proof out[PROOF_MAX])
{
	const struct entry *e = entries;
	size_t count = 0;

	if (node_proof(s, metric, &out[0]))
		return 1;
	while (strncmp(metric, e->begins, strlen(e->begins)) != 0)
		e++;
	for (unsigned i = 0; i < 2; i++)
		if (e->events[i] != TRACE_EVENT_COUNT)
			event_proof(&out[count++], e->events[i]);
	if (e->anchor) {
		out[count] = (struct proof){.text = e->text, .event = TRACE_EVENT_COUNT};
		snprintf(out[count++].anchor, PROOF_ANCHOR_MAX, "%s", e->anchor);
	}
	return count;
}
