/* SPDX-License-Identifier: BSD-3-Clause */
/* The end of a run: what every part counted becomes the results, and the invariants are held against them. */
#include "base/log.h"
#include "sim/count.h"
#include "sim/result.h"
#include "sim/world_build.h"
#include "stack/stack.h"

#include <stdio.h>
#include <stdlib.h>

#define METRIC_PATH_MAX     96U
#define FRAME_BITS_MAX      (8ULL * 1514)
#define CALM_ROUND_TRIP_MAX NSTIME_S /* lwIP's shortest time-out is two ticks of 500 ms or more */

void world_node_count(struct world_node *wn, struct metrics *m)
{
	count_node(wn->node, wn->spec->roles & ROLE_CLIENT, m);
	count_node_scenario(wn->world->scenario, wn->spec, wn->node, m);
}

/* Sums of all links; returns whether the network did anything to any packet that a client could notice. */
static bool count_links(struct world *w, struct metrics *m)
{
	struct impair_counters sum = {0};
	uint64_t in_flight = 0, missed = 0, dropped = 0;
	char path[METRIC_PATH_MAX];
	for (size_t n = 0; n < w->scenario->networks_count; n++)
		segment_count(&w->segments[n], &sum, &in_flight, &missed);
	metrics_set(m, "packets.sent", sum.sent);
	metrics_set(m, "packets.delivered", sum.delivered);
	for (unsigned i = 0; i < IMPAIR_DROP_COUNT; i++) {
		dropped += sum.dropped[i];
		snprintf(path, sizeof(path), "packets.dropped_by.%s", impair_drop_name((enum impair_drop)i));
		metrics_set(m, path, sum.dropped[i]);
	}
	metrics_set(m, "packets.dropped", dropped);
	metrics_set(m, "packets.in_flight", in_flight);
	metrics_set(m, "packets.corrupted", sum.corrupted);
	metrics_set(m, "packets.corrupted_again", sum.corrupted_again);
	metrics_set(m, "packets.duplicated", sum.duplicated);
	metrics_set(m, "packets.reordered", sum.reordered);
	metrics_set(m, "faults.missed", missed + w->scenario->faults_count - w->fault_next);
	return dropped || sum.corrupted || sum.duplicated || sum.reordered;
}

const struct world_histogram world_histograms[] = {
	{"requests.latency_us", offsetof(struct world, traffic.latency_us)},
	{"requests.first_byte_us", offsetof(struct world, traffic.first_byte_us)},
	{"requests.stall_us", offsetof(struct world, traffic.stall_us)},
	{"handoffs.latency_us", offsetof(struct world, handoff_latency_us)},
	{"packets.queue_us", offsetof(struct world, queue_us)},
	{NULL, 0},
};

/* I2 of one connection: the stack of its owner has it. */
static void sweep_owner(struct world *w, const struct invariants_owner *o)
{
	struct world_node *wn = &w->nodes[o->device - 1];
	char text[TUPLE_TEXT_MAX];
	if (!wn->node || !stack_tuple_known(node_stack(wn->node), &o->tuple))
		invariants_break(&w->invariants, "I2: a connection is in no stack", tuple_text(&o->tuple, text));
}

void world_sweep(struct world *w, size_t connections_max)
{
	struct invariants *i = &w->invariants;
	for (size_t n = 0; n < w->scenario->networks_count; n++)
		if (!segment_books_check(&w->segments[n]))
			invariants_break(i, "I4: the books of a network do not balance", w->scenario->networks[n].name);
	for (size_t n = 0; n < i->owners_capacity && connections_max; n++) {
		i->sweep_at = (i->sweep_at + 1) & (i->owners_capacity - 1);
		if (!i->owners[i->sweep_at].device)
			continue;
		sweep_owner(w, &i->owners[i->sweep_at]);
		connections_max--;
	}
}

/* The longest that a packet may take through one direction, on its way and behind a full queue; at most
 * CALM_ROUND_TRIP_MAX is told apart. */
static nstime direction_worst_ns(const struct impairments *d)
{
	nstime queue = 0;
	if (d->rate_bps && d->limit_bytes)
		queue = d->limit_bytes * 8 * NSTIME_S / d->rate_bps;
	else if (d->rate_bps)
		queue = (d->limit_packets ? d->limit_packets : IMPAIR_LIMIT_DEFAULT) * FRAME_BITS_MAX * NSTIME_S /
			d->rate_bps;
	if (d->delay_ns >= CALM_ROUND_TRIP_MAX || queue >= CALM_ROUND_TRIP_MAX)
		return CALM_ROUND_TRIP_MAX;
	return d->delay_ns + queue;
}

/* Whether links alone can never make a sender's timer fire, nor reorder: no jitter, and no round trip, full queues
 * included, is as long as a time-out is at least. Two attachments of each network are passed, the slowest at worst. */
static bool network_is_calm(const struct scenario *s)
{
	nstime *slowest = calloc(s->networks_count + 1, sizeof(*slowest)), round_trip = 0;
	bool jitter = false;
	if (!slowest)
		log_fatal("out of memory for %zu networks", s->networks_count);
	for (size_t n = 0; n < s->nodes_count; n++)
		for (size_t a = 0; a < s->nodes[n].attachments_count; a++) {
			const struct scenario_attachment *at = &s->nodes[n].attachments[a];
			nstime both = direction_worst_ns(&at->in) + direction_worst_ns(&at->out);
			jitter |= at->in.jitter_ns || at->out.jitter_ns;
			slowest[at->network] = both > slowest[at->network] ? both : slowest[at->network];
		}
	for (size_t n = 0; n < s->networks_count; n++)
		round_trip += 2 * slowest[n];
	free(slowest);
	return !jitter && round_trip < CALM_ROUND_TRIP_MAX;
}

/* Whether a limit of the scenario's made a node drop packets, which clients then send again. */
static bool limits_dropped(const struct metrics *m)
{
	return metrics_find(m, "stacks.dropped_by.half_open")->value || metrics_find(m, "driver.overflowed")->value ||
	       metrics_find(m, "handoffs.held_overflow")->value;
}

/* Whether it is the cluster's own doing, of which no client may notice anything. */
static bool fault_is_gentle(enum fault_kind kind)
{
	return kind == FAULT_DRAIN || kind == FAULT_UNDRAIN || kind == FAULT_REKEY;
}

/* I1 and I3, which are properties of the whole run. A client may be reset where the scenario's own limits refuse its
 * connection, or where no backend is there for one whose protocol has no answer for that. */
static void invariants_judge(struct world *w, const struct metrics *m, bool disturbed)
{
	bool faults = false;
	for (size_t n = 0; n < w->scenario->faults_count; n++)
		faults |= !fault_is_gentle(w->scenario->faults[n].kind);
	bool refused =
		metrics_find(m, "classifier.refused")->value || metrics_find(m, "classifier.answered.503")->value;
	/* TCP's checksum finds every single flipped bit; two in one packet may cancel in it, as in any network. And who
	 * is outside may send what he did not announce. */
	bool outside = w->options.live && w->scenario->outsides_count;
	if (!outside && metrics_find(m, "streams.corrupted")->value &&
	    !metrics_find(m, "packets.corrupted_again")->value)
		invariants_break(&w->invariants, "I1: a stream was corrupted", NULL);
	if (disturbed || faults || w->options.live) /* the machine is part of a live network, and drops unseen */
		return;
	if (metrics_find(m, "client.resets")->value && !refused)
		invariants_break(&w->invariants, "I3: a client was reset on a network without faults", NULL);
	if (metrics_find(m, "client.retransmissions")->value && !refused && !limits_dropped(m) &&
	    network_is_calm(w->scenario))
		invariants_break(&w->invariants, "I3: a client retransmitted on a network without faults", NULL);
}

/* Returns what count_links does. */
static bool tally(struct world *w, struct metrics *m)
{
	const struct traffic *t = &w->traffic;
	bool disturbed;
	result_declare(m);
	count_declare_scenario(w->scenario, m);
	for (size_t i = 0; i < w->totals.count; i++)
		metrics_add(m, w->totals.list[i].path, w->totals.list[i].value);
	for (size_t n = 0; n < w->scenario->nodes_count; n++)
		if (w->nodes[n].node)
			world_node_count(&w->nodes[n], m);
	metrics_set(m, "run.duration_us", w->engine.now / NSTIME_US);
	metrics_set(m, "requests.started", t->started);
	metrics_set(m, "requests.completed", t->completed);
	metrics_set(m, "requests.failed", t->failed);
	metrics_set(m, "requests.aborted", t->aborted);
	for (size_t n = 0; n < t->count; n++)
		count_traffic(&t->entries[n], m);
	for (const struct world_histogram *h = world_histograms; h->name; h++)
		count_percentiles(h->name, world_histogram_of(w, h), m);
	metrics_add(m, "streams.bytes", t->bytes);
	metrics_add(m, "streams.corrupted", t->corrupted);
	metrics_add(m, "client.resets", t->failed_by[CLIENT_RESET]);
	disturbed = count_links(w, m);
	breakdown_collect(w, m);
	return disturbed;
}

void world_tally(struct world *w, struct metrics *m)
{
	tally(w, m);
}

void world_collect(struct world *w, struct metrics *m)
{
	const struct traffic *t = &w->traffic;
	bool disturbed = tally(w, m);

	world_sweep(w, SIZE_MAX);
	invariants_judge(w, m, disturbed);
	for (size_t n = 0; n < w->scenario->networks_count; n++)
		segment_trace_digests(&w->segments[n], w->engine.now);
	TRACE(&w->sink, w->engine.now, TRACE_RUN_END, TF_TEXT("why", w->done ? "done" : "stop"),
	      TF_U64("completed", t->completed), TF_U64("failed", t->failed), TF_U64("aborted", t->aborted));
}
