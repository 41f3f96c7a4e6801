/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/exporter_metrics.h"

#include "live/control_answer.h"
#include "live/control_connections.h"
#include "live/logger.h"
#include "node/look.h"
#include "sim/breakdown.h"
#include "stack/stack.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define COUNTER EXPOSITION_COUNTER
#define GAUGE   EXPOSITION_GAUGE

static void counter(struct exposition *e, const char *name, const char *help, uint64_t value)
{
	exposition_family(e, name, COUNTER, help);
	exposition_number(e, NULL, value);
}

static void gauge(struct exposition *e, const char *name, const char *help, uint64_t value)
{
	exposition_family(e, name, GAUGE, help);
	exposition_number(e, NULL, value);
}

static void gauge_time(struct exposition *e, const char *name, const char *help, nstime value)
{
	exposition_family(e, name, GAUGE, help);
	exposition_time(e, NULL, value);
}

/* ---- the run ---- */

static void run_metrics(const struct live *l, struct exposition *e)
{
	const struct histogram *handoffs = &l->run.world.handoff_latency_us;
	const struct live_lag lag = live_lag_of(l);

	exposition_family(e, "baton_build_info", GAUGE, "Which version runs.");
	exposition_number(e, LABELS({"version", BATON_VERSION}), 1);
	gauge_time(e, "baton_uptime_seconds", "Since the run began.", loop_now(&l->loop));
	gauge(e, "baton_ending", "Whether the run ends, and takes no connection any more.", l->phase != LIVE_RUNNING);
	counter(e, "baton_wakeups_total", "Times that something was due.", lag.wakeups);
	gauge_time(e, "baton_lag_median_seconds", "How late half of all wake-ups were at most.", lag.p50);
	gauge_time(e, "baton_lag_p99_seconds", "How late 99 % of all wake-ups were at most.", lag.p99);
	gauge_time(e, "baton_lag_max_seconds", "How late any wake-up was at most.", lag.max);
	gauge(e, "baton_kept_real_time", "Whether the run was never late so far.", lag.kept);
	counter(e, "baton_handoff_latencies_total", "Hand-offs whose latency was measured.", handoffs->count);
	gauge_time(e, "baton_handoff_latency_median_seconds", "How long half of all hand-offs took at most.",
		   histogram_percentile(handoffs, 50) * NSTIME_US);
	gauge_time(e, "baton_handoff_latency_p99_seconds", "How long 99 % of all hand-offs took at most.",
		   histogram_percentile(handoffs, 99) * NSTIME_US);
	gauge_time(e, "baton_handoff_latency_max_seconds", "How long any hand-off took at most.",
		   handoffs->max * NSTIME_US);
	exposition_family(e, "baton_reloads_total", COUNTER, "SIGHUPs, by what became of the file.");
	exposition_number(e, LABELS({"result", "taken"}), l->reloads.taken);
	exposition_number(e, LABELS({"result", "refused"}), l->reloads.refused);
	counter(e, "baton_log_dropped_total", "Lines of the log for which there was no room.", logger_dropped());
}

static void connection_metrics(const struct live *l, struct exposition *e)
{
	const struct live_connections c = live_connections_of(l);

	exposition_family(e, "baton_connections", GAUGE, "Connections being classified, and those that backends have.");
	exposition_number(e, LABELS({"state", "classifying"}), c.classifying);
	exposition_number(e, LABELS({"state", "open"}), c.open);
}

/* ---- devices of the machine ---- */

static void device_direction(struct exposition *e, const struct live *l, const char *name, const char *help,
			     size_t member)
{
	exposition_family(e, name, COUNTER, help);
	for (size_t i = 0; i < l->ports_count; i++) {
		const struct device_counters *c = device_counters(l->ports[i].device);
		const char *device = device_name(l->ports[i].device);
		uint64_t value;

		memcpy(&value, (const char *)&c->in + member, sizeof value);
		exposition_number(e, LABELS({"device", device}, {"direction", "in"}), value);
		memcpy(&value, (const char *)&c->out + member, sizeof value);
		exposition_number(e, LABELS({"device", device}, {"direction", "out"}), value);
	}
}

static void device_metrics(const struct live *l, struct exposition *e)
{
	device_direction(e, l, "baton_device_packets_total", "Packets that a device of the machine carried.",
			 offsetof(struct device_traffic, packets));
	device_direction(e, l, "baton_device_bytes_total", "Bytes of the frames that a device carried.",
			 offsetof(struct device_traffic, bytes));
	device_direction(e, l, "baton_device_frames_total",
			 "Frames that a device carried, each of one or more packets.",
			 offsetof(struct device_traffic, frames));
	device_direction(e, l, "baton_device_calls_total", "System calls that moved a device's frames.",
			 offsetof(struct device_traffic, calls));
	exposition_family(e, "baton_device_dropped_packets_total", COUNTER, "Packets that a device dropped.");
	for (size_t i = 0; i < l->ports_count; i++)
		for (unsigned r = 0; r < DEVICE_DROP_COUNT; r++)
			exposition_number(e,
					  LABELS({"device", device_name(l->ports[i].device)},
						 {"reason", device_drop_text((enum device_drop)r)}),
					  device_counters(l->ports[i].device)->dropped[r]);
	exposition_family(e, "baton_device_up", GAUGE, "Whether the device is there, and up.");
	for (size_t i = 0; i < l->ports_count; i++)
		exposition_number(e, LABELS({"device", device_name(l->ports[i].device)}),
				  !strcmp(device_state(l->ports[i].device), "up"));
}

/* ---- nodes ---- */

/* Nodes with a stack in this process. */
static const struct world_node *node_next(const struct live *l, size_t *n)
{
	for (; *n < l->scenario->nodes_count; ++*n)
		if (!(l->scenario->nodes[*n].roles & ROLE_STACKLESS) && world_node_here(&l->run.world, *n))
			return &l->run.world.nodes[(*n)++];
	return NULL;
}

static const char *const node_help[BREAKDOWN_NODE_COUNT] = {
	[BREAKDOWN_NODE_CONNECTIONS] = "Connections that a node's clients opened and its applications accepted.",
	[BREAKDOWN_NODE_REQUESTS_COMPLETED] = "Requests of a node's clients that were answered.",
	[BREAKDOWN_NODE_REQUESTS_FAILED] = "Requests of a node's clients that failed.",
	[BREAKDOWN_NODE_RECEIVED] = "Bytes of bodies and streams that a node's applications received.",
	[BREAKDOWN_NODE_SENT] = "Bytes of bodies and streams that a node's applications sent.",
	[BREAKDOWN_NODE_COPIED] = "Bytes that a node's proxies copied.",
	[BREAKDOWN_NODE_RETRANSMISSIONS] = "Segments that a node's TCP sent again.",
	[BREAKDOWN_NODE_CLASSIFIED] = "Connections that a classifier read.",
	[BREAKDOWN_NODE_HANDOFFS_STARTED] = "Hand-offs that a node began.",
	[BREAKDOWN_NODE_HANDOFFS_COMPLETED] = "Hand-offs of a node that were committed.",
	[BREAKDOWN_NODE_HANDOFFS_ROLLED_BACK] = "Hand-offs of a node that were undone.",
	[BREAKDOWN_NODE_HANDOFFS_FAILED] = "Hand-offs of a node in which the connection was lost.",
	[BREAKDOWN_NODE_ACTIVATED] = "Connections that were handed over to a node.",
	[BREAKDOWN_NODE_ENCAPSULATED] = "Packets that a forwarder encapsulated.",
	[BREAKDOWN_NODE_BUFFERED] = "Packets that a backend's driver buffered.",
	[BREAKDOWN_NODE_OVERFLOWED] = "Packets for which a backend's driver had no room.",
	[BREAKDOWN_NODE_COURIER_FRAMES] = "Frames that a node's courier sent.",
	[BREAKDOWN_NODE_COURIER_RETRANSMITTED] = "Frames whose contents a node's courier sent again.",
	[BREAKDOWN_NODE_COURIER_REJECTED] = "Frames that a node's courier rejected.",
};

static void node_metrics(const struct live *l, struct exposition *e)
{
	const struct world_node *wn;

	exposition_family(e, "baton_node_up", GAUGE, "Whether a node of this process runs.");
	for (size_t n = 0; (wn = node_next(l, &n));)
		exposition_number(e, LABELS({"node", wn->spec->name}), wn->node != NULL);
	for (unsigned what = 0; what < BREAKDOWN_NODE_COUNT; what++) {
		char name[64];

		snprintf(name, sizeof name, "baton_node_%s_total", breakdown_node_name(what));
		exposition_family(e, name, COUNTER, node_help[what]);
		for (size_t n = 0; (wn = node_next(l, &n));) {
			uint64_t values[BREAKDOWN_NODE_COUNT];

			breakdown_node_read(wn, values);
			exposition_number(e, LABELS({"node", wn->spec->name}), values[what]);
		}
	}
}

static void drop(struct exposition *e, const struct world_node *wn, const char *part, const char *reason,
		 uint64_t count)
{
	if (count) /* most reasons never happen: a sample each would be all there is to read */
		exposition_number(e, LABELS({"node", wn->spec->name}, {"part", part}, {"reason", reason}), count);
}

static void drops_of(struct exposition *e, const struct world_node *wn)
{
	const struct forwarder_counters *f = node_forwarder_counters(wn->node);
	const struct driver_counters *d = node_driver_counters(wn->node);
	const struct courier_counters *c = node_courier_counters(wn->node);
	const struct stack_counters *s = stack_counters(node_stack(wn->node));

	for (unsigned i = 0; i < STACK_DROP_COUNT; i++)
		drop(e, wn, "stack", stack_drop_name((enum stack_drop)i), s->dropped[i]);
	for (unsigned i = 0; i < NODE_DROP_COUNT; i++)
		drop(e, wn, "node", node_drop_name((enum node_drop)i), node_drops(wn->node)[i]);
	for (unsigned i = 0; f && i < FORWARDER_DROP_COUNT; i++)
		drop(e, wn, "forwarder", forwarder_drop_name((enum forwarder_drop)i), f->dropped[i]);
	for (unsigned i = 0; d && i < DRIVER_DROP_COUNT; i++)
		drop(e, wn, "driver", driver_drop_name((enum driver_drop)i), d->dropped[i]);
	for (unsigned i = 0; c && i < COURIER_REJECT_COUNT; i++)
		drop(e, wn, "courier", courier_reject_name((enum courier_reject)i), c->rejected[i]);
}

static void drop_metrics(const struct live *l, struct exposition *e)
{
	const struct world_node *wn;

	exposition_family(e, "baton_dropped_packets_total", COUNTER,
			  "Packets that a part of a node dropped, since the node started; reasons that happened.");
	for (size_t n = 0; (wn = node_next(l, &n));)
		if (wn->node)
			drops_of(e, wn);
}

/* ---- links ---- */

static void link_metric(const struct live *l, struct exposition *e, const char *name, const char *help, unsigned what)
{
	const struct scenario *s = l->scenario;
	uint64_t values[BREAKDOWN_LINK_COUNT];

	exposition_family(e, name, COUNTER, help);
	for (size_t n = 0; n < s->nodes_count; n++)
		for (size_t a = 0; a < s->nodes[n].attachments_count; a++) {
			const struct attachment *at = l->run.world.nodes[n].attachments[a];
			const char *network = s->networks[s->nodes[n].attachments[a].network].name;

			breakdown_link_read(&at->in, values);
			exposition_number(e,
					  LABELS({"node", s->nodes[n].name}, {"network", network}, {"direction", "in"}),
					  values[what]);
			breakdown_link_read(&at->out, values);
			exposition_number(
				e, LABELS({"node", s->nodes[n].name}, {"network", network}, {"direction", "out"}),
				values[what]);
		}
}

static void link_metrics(const struct live *l, struct exposition *e)
{
	link_metric(l, e, "baton_link_sent_packets_total", "Packets that were sent on a simulated link.",
		    BREAKDOWN_LINK_SENT);
	link_metric(l, e, "baton_link_delivered_packets_total", "Packets that a simulated link delivered.",
		    BREAKDOWN_LINK_DELIVERED);
	link_metric(l, e, "baton_link_dropped_packets_total", "Packets that a simulated link dropped.",
		    BREAKDOWN_LINK_DROPPED);
	link_metric(l, e, "baton_link_sent_bytes_total", "Bytes of the packets that were sent on a simulated link.",
		    BREAKDOWN_LINK_SENT_BYTES);
}

/* ---- services ---- */

static void rule_metrics(const struct live *l, struct exposition *e)
{
	const struct breakdown_rules *rules = &l->run.world.rules;
	const struct scenario *s = l->scenario;

	exposition_family(e, "baton_rule_chosen_total", COUNTER, "How often a rule chose a backend.");
	for (size_t i = 0; i < s->services_count; i++)
		for (size_t r = 0; r < s->services[i].rules_count; r++) {
			char number[24];

			snprintf(number, sizeof number, "%zu", r);
			exposition_number(e, LABELS({"service", s->services[i].name}, {"rule", number}),
					  rules->chosen[rules->first[i] + r]);
		}
}

static void answer_metrics(const struct live *l, struct exposition *e)
{
	const struct world_node *wn;

	exposition_family(e, "baton_classifier_answers_total", COUNTER,
			  "Requests and hellos that a classifier answered itself, since it started.");
	for (size_t n = 0; (wn = node_next(l, &n));) {
		const struct classifier_counters *c = wn->node ? node_classifier_counters(wn->node) : NULL;

		for (enum classifier_answer a = 0; c && a < CLASSIFIER_ANSWER_COUNT; a++)
			exposition_number(e, LABELS({"node", wn->spec->name}, {"answer", classifier_answer_name(a)}),
					  c->answered[a]);
	}
	exposition_family(e, "baton_classifier_refused_total", COUNTER,
			  "Connections for which a classifier had no room, since it started.");
	for (size_t n = 0; (wn = node_next(l, &n));)
		if (wn->node && node_classifier_counters(wn->node))
			exposition_number(e, LABELS({"node", wn->spec->name}),
					  node_classifier_counters(wn->node)->refused);
}

static void backend_metrics(const struct live *l, struct exposition *e)
{
	const struct scenario *s = l->scenario;

	exposition_family(e, "baton_backend_state", GAUGE, "1 for the state that a backend is in.");
	for (size_t n = 0; n < s->nodes_count; n++)
		for (unsigned i = 0; (s->nodes[n].roles & ROLE_BACKEND) && backend_states[i]; i++)
			exposition_number(e, LABELS({"backend", s->nodes[n].name}, {"state", backend_states[i]}),
					  !strcmp(backend_state(l, n), backend_states[i]));
	exposition_family(e, "baton_backend_connections", GAUGE, "Connections that a backend of this process has.");
	for (size_t n = 0; n < s->nodes_count; n++)
		if ((s->nodes[n].roles & ROLE_BACKEND) && l->run.world.nodes[n].node)
			exposition_number(e, LABELS({"backend", s->nodes[n].name}),
					  node_connections_count(l->run.world.nodes[n].node, NODE_BACKEND));
}

void exporter_metrics(const struct live *l, struct exposition *e)
{
	run_metrics(l, e);
	connection_metrics(l, e);
	backend_metrics(l, e);
	rule_metrics(l, e);
	answer_metrics(l, e);
	node_metrics(l, e);
	drop_metrics(l, e);
	link_metrics(l, e);
	device_metrics(l, e);
}
