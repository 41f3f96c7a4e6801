/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/world.h"

#include "base/err.h"
#include "base/log.h"
#include "base/pages.h"
#include "sim/capture.h"
#include "sim/replay.h"
#include "sim/world_build.h"
#include "stack/stack.h"

#include <stdlib.h>
#include <string.h>

#define NODE_HEAP_BYTES      32768U           /* about what a node with traffic takes of the heap */
#define GIVEN_MAX            64U              /* frames that a node is given in real time before it works on them */
#define IDLE_CHECK_NS        (10 * NSTIME_MS) /* how often a run whose traffic is done looks whether all is closed */
#define DRAIN_WITHIN_DEFAULT (30 * NSTIME_S)

static void world_emit(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
		       size_t count)
{
	struct world_node *wn = sink->context;
	struct world *w = wn->world;
	invariants_observe(&w->invariants, wn->device, event, fields, count);
	if (event == TRACE_CLASSIFIER_CHOOSE) {
		size_t rule = breakdown_rule_of(&w->rules, w->scenario, fields, count);
		if (rule != SIZE_MAX)
			w->rules.chosen[rule]++;
	}
	if (w->captures)
		captures_event(w->captures, wn->device - 1U, event, fields, count);
	if (w->options.live && w->options.live->observe)
		w->options.live->observe(w->options.live->observe_context, wn->device - 1U, event, fields, count);
	if (w->flows)
		world_watch(wn, now, event, fields, count);
	if (w->options.replay)
		replay_observe(w->options.replay, now, event, fields, count);
	wn->file.emit(&wn->file, now, event, fields, count);
}

static void world_outcomes(struct world_node *wn)
{
	struct world *w = wn->world;
	struct client_outcome o;
	struct client_connection c;
	while (client_outcome_next(node_client(wn->node), &o)) {
		traffic_outcome(&w->traffic, &o);
		if (o.failure == CLIENT_COMPLETED)
			wn->completed++;
		else if (o.failure != CLIENT_ABORTED)
			wn->failed++;
		wn->received_bytes += o.bytes_received;
		wn->sent_bytes += o.bytes_sent;
	}
	while (client_connection_next(node_client(wn->node), &c))
		flows_end(w->flows, &c);
}

void world_node_settle(struct world_node *wn)
{
	struct world *w = wn->world;
	struct buf *frame;
	unsigned port;
	while ((frame = node_output(wn->node, &port)))
		segment_send(wn->attachments[port], frame, w->engine.now);
	if (wn->spec->roles & ROLE_CLIENT)
		world_outcomes(wn);
	nstime latency;
	while (node_handoff_next(wn->node, &latency))
		histogram_add(&w->handoff_latency_us, latency / NSTIME_US);
	if (w->options.save_blobs)
		world_blobs_save(wn);
	nstime at = node_expiry(wn->node);
	if (at != wn->timer.at)
		engine_timer_set(&w->engine, &wn->timer, at);
}

/* Lets a node work on what it was given. */
static void world_node_work(struct world_node *wn)
{
	struct world *w = wn->world;
	w->gathering = NULL;
	node_pump(wn->node, w->engine.now);
	world_node_settle(wn);
}

/* In real time: gives a node a frame among others that came with it. */
static void world_give(struct world_node *wn, unsigned port, struct buf *frame, nstime now)
{
	if (!wn->given++)
		STAILQ_INSERT_TAIL(&wn->world->waiting, wn, waiting);
	node_gather(wn->node, port, frame, now);
	if (wn->given % GIVEN_MAX == 0)
		world_node_work(wn);
}

bool world_work(struct world *w)
{
	struct world_node *wn;
	bool worked = false;
	while ((wn = STAILQ_FIRST(&w->waiting))) {
		STAILQ_REMOVE_HEAD(&w->waiting, waiting);
		wn->given = 0;
		if (wn->node)
			world_node_work(wn);
		worked = true;
	}
	return worked;
}

static void world_deliver(void *context, unsigned port, struct buf *frame, nstime now)
{
	struct world_node *wn = context;
	struct world *w = wn->world;
	if (w->gathering && w->gathering != wn)
		world_node_work(w->gathering);
	if (!wn->node)
		buf_free(frame);
	else if (w->options.live)
		world_give(wn, port, frame, now);
	else if (node_gather(wn->node, port, frame, now))
		w->gathering = wn;
	else
		world_node_work(wn);
}

/* Whether a node is one of this process with a stack. */
static bool world_node_has_stack(const struct world *w, size_t node)
{
	return !(w->scenario->nodes[node].roles & ROLE_STACKLESS) && world_node_here(w, node);
}

/* A bridge: what comes by one of its attachments goes out by all others. */
static void world_bridge(void *context, unsigned port, struct buf *frame, nstime now)
{
	struct world_node *wn = context;

	for (unsigned i = 0; i < wn->spec->attachments_count; i++)
		if (i != port)
			segment_send(wn->attachments[i], buf_clone(frame), now);
	buf_free(frame);
}

/* Who takes the frames of a node's attachments; NULL: nobody is there. */
static segment_deliver world_receiver(const struct world *w, size_t node)
{
	unsigned roles = w->scenario->nodes[node].roles;

	if ((roles & ROLE_OUTSIDE) || !world_node_here(w, node))
		return NULL;
	return roles & ROLE_BRIDGE ? world_bridge : world_deliver;
}

struct attachment *world_outside_join(struct world *w, size_t node, segment_deliver deliver, void *context)
{
	struct attachment *a = w->nodes[node].attachments[0];

	segment_join(a, context, deliver);
	return a;
}

static void world_node_fire(struct timer *timer, nstime now)
{
	struct world_node *wn = (struct world_node *)((char *)timer - offsetof(struct world_node, timer));
	node_expire(wn->node, now);
	world_node_settle(wn);
}

/* Makes the node anew, as at power-on. */
static int world_node_boot(struct world_node *wn, const char **why)
{
	struct world *w = wn->world;
	wn->boots++;
	engine_timer_cancel(&w->engine, &w->rekeys[wn->device - 1].timer); /* it has the newest key from the start */
	int r = world_node_build(wn, why);
	if (r < 0)
		return r;
	TRACE(&wn->sink, w->engine.now, TRACE_NODE_START, TF_U64("boot", wn->boot_base + wn->boots));
	node_start(wn->node, w->engine.now);
	return 0;
}

static void world_node_crash(struct world_node *wn)
{
	struct world *w = wn->world;
	TRACE(&wn->sink, w->engine.now, TRACE_NODE_CRASH, TF_U64("boot", wn->boot_base + wn->boots));
	if (wn->spec->roles & ROLE_CLIENT) {
		client_crash(node_client(wn->node), w->engine.now);
		world_outcomes(wn);
	}
	world_node_count(wn, &w->totals);
	breakdown_node_keep(wn);
	node_free(wn->node);
	wn->node = NULL;
	engine_timer_cancel(&w->engine, &wn->timer);
	invariants_crash(&w->invariants, wn->device);
}

void world_boots_correct(struct world *w)
{
	for (size_t n = 0; n < w->scenario->nodes_count; n++) {
		struct world_node *wn = &w->nodes[n];
		uint64_t boot = wn->node ? node_outlived(wn->node) : 0;
		const char *why = "";

		if (!boot || boot > INT64_MAX) /* (no clock gives the latter) */
			continue;
		log_warning("the others know a later start of %s: the clock has gone back; it starts anew, as one "
			    "after that",
			    wn->spec->name);
		world_node_crash(wn);
		wn->boot_base = boot;
		if (world_node_boot(wn, &why) < 0)
			log_fatal("%s does not start again: %s", wn->spec->name, why);
		world_node_settle(wn);
	}
}

/* The partition in each network that has nodes of both sides. */
static void partition_begin(struct world *w, size_t index, nstime now)
{
	const struct scenario_fault *f = &w->scenario->faults[index];
	size_t networks = w->scenario->networks_count;

	for (size_t n = 0; n < networks; n++) {
		uint8_t *sides = calloc(w->segments[n].count + 1, 1);
		uint64_t counts[2] = {0};

		if (!sides)
			log_fatal("out of memory for a partition");
		for (size_t i = 0; i < f->sides_count[0] + f->sides_count[1]; i++) {
			bool right = i >= f->sides_count[0];
			size_t node = right ? f->sides[1][i - f->sides_count[0]] : f->sides[0][i];
			const struct world_node *wn = &w->nodes[node];

			for (size_t a = 0; a < wn->spec->attachments_count; a++) {
				if (wn->spec->attachments[a].network != n)
					continue;
				sides[wn->attachments[a]->index] = right ? 2 : 1;
				counts[right]++;
			}
		}
		if (counts[0] && counts[1]) {
			segment_partition(&w->segments[n], index, sides);
			TRACE(&w->sink, now, TRACE_NETWORK_PARTITION, TF_U64("fault", index + 1),
			      TF_TEXT("network", w->scenario->networks[n].name), TF_U64("left", counts[0]),
			      TF_U64("right", counts[1]));
		}
		free(sides);
	}
}

static void fault_end_fire(struct timer *timer, nstime now)
{
	struct world_fault_end *end =
		(struct world_fault_end *)((char *)timer - offsetof(struct world_fault_end, timer));
	struct world *w = end->world;
	const struct scenario_fault *f = &w->scenario->faults[end->index];

	if (f->kind == FAULT_LINK_DOWN) {
		segment_set_down(w->nodes[f->node].attachments[f->attachment], false, now);
		return;
	}
	for (size_t n = 0; n < w->scenario->networks_count; n++)
		segment_heal(&w->segments[n], end->index);
	TRACE(&w->sink, now, TRACE_NETWORK_HEAL, TF_U64("fault", end->index + 1));
}

static void fault_lasts(struct world *w, size_t index, nstime now)
{
	struct world_fault_end *end = &w->fault_ends[index];

	timer_init(&end->timer, fault_end_fire);
	end->world = w;
	end->index = index;
	engine_timer_set(&w->engine, &end->timer, nstime_add(now, w->scenario->faults[index].lasts));
}

_Static_assert(SCENARIO_REKEY_OVER_MAX == COURIER_KEY_LEAD, "all have a key before any uses it");
_Static_assert(SCENARIO_REKEY_GAP == COURIER_KEY_LEAD + COURIER_KEY_OVERLAP, "one change at a time");

static void rekey_fire(struct timer *timer, nstime now)
{
	struct world_rekey *k = (struct world_rekey *)((char *)timer - offsetof(struct world_rekey, timer));
	if (!k->node->node)
		return; /* down: it gets the key when it restarts */
	if (node_rekey(k->node->node, now) < 0)
		log_warning("%s: the key change before is not over", k->node->spec->name);
	world_node_settle(k->node);
}

void world_rekey(struct world *w, const uint8_t *key, nstime over)
{
	size_t count = w->cluster.devices_count;
	nstime now = w->engine.now;
	world_cluster_rekey(w, key);
	for (size_t i = 0; i < count; i++) {
		struct world_rekey *k = &w->rekeys[w->cluster.devices[i].id - 1];
		engine_timer_set(&w->engine, &k->timer, nstime_add(now, count > 1 ? over * i / (count - 1) : 0));
	}
}

static void fault_apply(struct world *w, size_t index, nstime now)
{
	const struct scenario_fault *f = &w->scenario->faults[index];
	struct world_node *wn = &w->nodes[f->node];
	struct attachment *a = wn->spec->attachments_count ? wn->attachments[f->attachment] : NULL;
	const char *why = NULL;
	int r = 0;
	switch (f->kind) {
	case FAULT_LINK_DOWN:
		segment_set_down(a, true, now);
		fault_lasts(w, index, now);
		break;
	case FAULT_PARTITION:
		partition_begin(w, index, now);
		fault_lasts(w, index, now);
		break;
	case FAULT_SET:
		TRACE(&wn->sink, now, TRACE_LINK_SET, TF_TEXT("link", a->name));
		r = segment_set(a, IMPAIR_DIRECTION_OUT, &f->out);
		if (!r)
			r = segment_set(a, IMPAIR_DIRECTION_IN, &f->in);
		break;
	case FAULT_CRASH:
		if (wn->node)
			world_node_crash(wn);
		break;
	case FAULT_RESTART:
		if (!wn->node && world_node_here(w, f->node)) {
			r = world_node_boot(wn, &why);
			if (!r)
				world_node_settle(wn);
		}
		break;
	case FAULT_REKEY:
		world_rekey(w, f->key, f->over);
		break;
	case FAULT_DRAIN:
	case FAULT_UNDRAIN:
		if (!wn->node)
			break;
		if (f->kind == FAULT_DRAIN)
			node_drain(wn->node, f->within ? f->within : DRAIN_WITHIN_DEFAULT, now);
		else
			node_undrain(wn->node, now);
		world_node_settle(wn);
		break;
	case FAULT_DROP:
	case FAULT_CORRUPT:
	case FAULT_DUPLICATE:
	case FAULT_DELAY:
		r = segment_fault(a, &f->exact);
		break;
	}
	if (r < 0) /* the scenario was checked: only bounds on the number of faults are left */
		log_warning("fault %zu could not be applied: %s", index + 1, why ? why : err_text(r));
}

static void faults_fire(struct timer *timer, nstime now)
{
	struct world *w = (struct world *)((char *)timer - offsetof(struct world, fault_timer));
	const struct scenario *s = w->scenario;
	while (w->fault_next < s->faults_count && s->faults[w->fault_next].at <= now)
		fault_apply(w, w->fault_next++, now);
	if (w->fault_next < s->faults_count)
		engine_timer_set(&w->engine, &w->fault_timer, s->faults[w->fault_next].at);
}

/* Whether the traffic is done, every connection closed, and nothing on its way to a node. */
static bool world_is_over(struct world *w)
{
	bool idle = true;
	if (!traffic_done(&w->traffic))
		return false;
	for (size_t n = 0; n < w->scenario->nodes_count && idle; n++)
		idle = !w->nodes[n].node || node_idle(w->nodes[n].node);
	return w->options.replay ? replay_is_over(w->options.replay, idle, w->engine.now) : idle;
}

static void end_fire(struct timer *timer, nstime now)
{
	struct world *w = (struct world *)((char *)timer - offsetof(struct world, end_timer));
	if (world_is_over(w)) {
		w->done = true;
		engine_stop(&w->engine);
		return;
	}
	engine_timer_set(&w->engine, &w->end_timer, now + IDLE_CHECK_NS);
}

void world_end_look(struct world *w)
{
	engine_timer_set(&w->engine, &w->end_timer, w->engine.now);
}

static void world_nodes_init(struct world *w)
{
	const struct scenario *s = w->scenario;
	w->nodes = calloc(s->nodes_count ? s->nodes_count : 1, sizeof(*w->nodes));
	w->fault_ends = calloc(s->faults_count ? s->faults_count : 1, sizeof(*w->fault_ends));
	w->rekeys = calloc(s->nodes_count ? s->nodes_count : 1, sizeof(*w->rekeys));
	if (!w->nodes || !w->fault_ends || !w->rekeys)
		log_fatal("out of memory for %zu nodes", s->nodes_count);
	for (size_t n = 0; n < s->nodes_count; n++) {
		struct world_node *wn = &w->nodes[n];
		wn->world = w;
		wn->spec = &s->nodes[n];
		wn->device = (uint16_t)(n + 1);
		tracefile_sink(w->options.trace, &wn->file, wn->spec->name);
		wn->sink = (struct trace_sink){.emit = world_emit, .node = wn->spec->name, .context = wn};
		timer_init(&wn->timer, world_node_fire);
		timer_init(&w->rekeys[n].timer, rekey_fire);
		w->rekeys[n].node = wn;
	}
}

int world_init(struct world *w, const struct scenario *s, const struct world_options *options, const char **why)
{
	*w = (struct world){.scenario = s, .options = *options};
	*why = NULL;
	bool hooked = !stack_library_check();
	pages_heap_expect(s->nodes_count * NODE_HEAP_BYTES);
	engine_init(&w->engine);
	STAILQ_INIT(&w->waiting);
	metrics_init(&w->totals);
	invariants_init(&w->invariants, options->seed);
	tracefile_sink(options->trace, &w->sink, NULL);
	timer_init(&w->fault_timer, faults_fire);
	timer_init(&w->end_timer, end_fire);
	breakdown_rules_init(&w->rules, s);
	world_watch_init(w);
	world_nodes_init(w);
	TRACE(&w->sink, 0, TRACE_RUN_START, TF_TEXT("scenario", s->name ? s->name : ""), TF_U64("seed", options->seed),
	      TF_TEXT("version", BATON_VERSION));
	if (!hooked) {
		*why = "the hooks into the TCP/IP library are not in force";
		return E_UNSUPPORTED;
	}
	int r = world_cluster_build(w, why);
	if (!r)
		r = world_segments_build(w, world_receiver, why);
	if (!r)
		r = world_captures_open(w);
	for (size_t n = 0; !r && n < s->nodes_count; n++)
		if (world_node_has_stack(w, n))
			r = world_node_boot(&w->nodes[n], why);
	if (r < 0)
		return r;
	pages_heap_settle(s->nodes_count * NODE_HEAP_BYTES);
	for (size_t n = 0; n < s->nodes_count; n++)
		if (w->nodes[n].node)
			world_node_settle(&w->nodes[n]);
	traffic_init(&w->traffic, w);
	world_watch_start(w);
	if (s->faults_count)
		engine_timer_set(&w->engine, &w->fault_timer, s->faults[0].at);
	if (options->replay)
		r = replay_start(options->replay, w, why);
	if (s->traffic_count && !options->replay) /* without, it goes on until `stop`, and nobody has to look */
		engine_timer_set(&w->engine, &w->end_timer, IDLE_CHECK_NS);
	return r;
}

void world_fini(struct world *w)
{
	series_fini(&w->series);
	if (w->options.replay)
		replay_stop(w->options.replay);
	for (size_t n = 0; n < w->scenario->nodes_count; n++)
		node_free(w->nodes[n].node);
	traffic_fini(&w->traffic);
	world_segments_fini(w);
	world_captures_close(w);
	world_cluster_fini(w);
	for (size_t n = 0; n < w->scenario->nodes_count; n++) {
		free(w->nodes[n].attachments);
		free(w->nodes[n].before);
	}
	free(w->nodes);
	free(w->fault_ends);
	free(w->rekeys);
	metrics_fini(&w->totals);
	flows_free(w->flows);
	record_free(w->record);
	breakdown_rules_fini(&w->rules);
	engine_fini(&w->engine);
}

uint64_t world_run(struct world *w, nstime until, uint64_t events_max)
{
	uint64_t before = w->engine.events;
	while (w->engine.events - before < events_max && engine_step(&w->engine, until))
		if (w->gathering)
			world_node_work(w->gathering);
	return w->engine.events - before;
}
