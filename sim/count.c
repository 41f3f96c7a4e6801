/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/count.h"

#include "stack/stack.h"

#include <stdio.h>

#define METRIC_PATH_MAX 96U

static void add_by(struct metrics *m, const char *prefix, const char *name, uint64_t value)
{
	char path[METRIC_PATH_MAX];
	snprintf(path, sizeof(path), "%s.%s", prefix, name);
	metrics_add(m, path, value);
}

static void count_drops(const uint64_t *drops, struct metrics *m)
{
	for (unsigned i = 0; i < NODE_DROP_COUNT; i++)
		add_by(m, "nodes.dropped_by", node_drop_name((enum node_drop)i), drops[i]);
}

static void count_stack(const struct stack_counters *s, struct metrics *m)
{
	for (unsigned i = 0; i < STACK_DROP_COUNT; i++)
		add_by(m, "stacks.dropped_by", stack_drop_name((enum stack_drop)i), s->dropped[i]);
	metrics_add(m, "stacks.paths_narrowed", s->paths_narrowed);
}

static void count_courier(const struct courier_counters *c, struct metrics *m)
{
	if (!c)
		return;
	metrics_add(m, "courier.frames", c->frames_sent);
	metrics_add(m, "courier.retransmitted", c->retransmitted);
	for (unsigned i = 0; i < COURIER_REJECT_COUNT; i++) {
		metrics_add(m, "courier.rejected", c->rejected[i]);
		add_by(m, "courier.rejected_by", courier_reject_name((enum courier_reject)i), c->rejected[i]);
	}
	metrics_add(m, "courier.old_key", c->old_key);
	metrics_add(m, "courier.messages", c->messages_sent);
	metrics_add(m, "courier.failed", c->messages_failed);
	metrics_add(m, "courier.refused", c->messages_refused);
}

static void count_handoffs(const struct handoff_counters *h, struct metrics *m)
{
	if (!h)
		return;
	metrics_add(m, "handoffs.started", h->started + h->retried);
	metrics_add(m, "handoffs.completed", h->committed);
	metrics_add(m, "handoffs.rolled_back", h->rejected + h->rolled_back);
	metrics_add(m, "handoffs.failed", h->failed);
	metrics_add(m, "handoffs.timeouts", h->timeouts);
	metrics_add(m, "handoffs.bounced", h->bounced);
	metrics_add(m, "handoffs.refused", h->refused);
	metrics_add(m, "handoffs.held_overflow", h->held_overflow);
	metrics_add(m, "handoffs.tombstones_forgotten", h->forgotten);
}

static void count_classifier(const struct classifier_counters *c, struct metrics *m)
{
	if (!c)
		return;
	metrics_add(m, "classifier.opened", c->opened);
	metrics_add(m, "classifier.refused", c->refused);
	metrics_add(m, "classifier.refused_client", c->refused_client);
	for (enum classifier_answer a = 0; a < CLASSIFIER_ANSWER_COUNT; a++)
		add_by(m, classifier_answer_is_alert(a) ? "classifier.alerts" : "classifier.answered",
		       classifier_answer_name(a), c->answered[a]);
}

static void count_forwarder(const struct forwarder_counters *f, struct metrics *m)
{
	if (!f)
		return;
	metrics_add(m, "forwarder.to_classifier", f->to_classifier);
	metrics_add(m, "forwarder.encapsulated", f->encapsulated);
	metrics_add(m, "forwarder.bounced", f->bounced);
	metrics_add(m, "forwarder.too_big", f->too_big);
	metrics_add(m, "forwarder.adopted", f->adopted);
	metrics_add(m, "forwarder.forgotten", f->forgotten);
	for (unsigned i = 0; i < MESSAGE_REASON_COUNT; i++)
		metrics_add(m, "forwarder.refused", f->refused[i]);
	metrics_add(m, "forwarder.table_full", f->refused[MESSAGE_REASON_TABLE_FULL]);
	for (unsigned i = 0; i < FORWARDER_DROP_COUNT; i++)
		add_by(m, "forwarder.dropped_by", forwarder_drop_name((enum forwarder_drop)i), f->dropped[i]);
}

static void count_backend(const struct driver_counters *d, const struct migrator_counters *g, struct metrics *m)
{
	if (!d)
		return;
	metrics_add(m, "driver.buffered", d->buffered);
	metrics_add(m, "driver.overflowed", d->overflowed);
	metrics_add(m, "driver.forgotten", d->forgotten);
	metrics_add(m, "driver.bounced", d->bounced);
	for (unsigned i = 0; i < DRIVER_DROP_COUNT; i++)
		add_by(m, "driver.dropped_by", driver_drop_name((enum driver_drop)i), d->dropped[i]);
	metrics_add(m, "migrator.activated", g->activated);
	for (unsigned i = 0; i < MESSAGE_REASON_COUNT; i++)
		metrics_add(m, "migrator.rejected", g->rejected[i]);
	metrics_add(m, "migrator.busy", g->rejected[MESSAGE_REASON_BUSY]);
}

void count_node(struct node *n, bool client, struct metrics *m)
{
	const struct app *app;
	if (client) {
		metrics_add(m, "client.retransmissions", stack_counters(node_stack(n))->retransmissions);
		metrics_add(m, "client.resets", client_resets_idle(node_client(n)));
	}
	for (size_t i = 0; (app = node_app(n, i)); i++) {
		metrics_add(m, "streams.bytes", app_counters(app)->bytes_in);
		metrics_add(m, "streams.corrupted", app_counters(app)->corrupted);
	}
	count_drops(node_drops(n), m);
	count_stack(stack_counters(node_stack(n)), m);
	count_courier(node_courier_counters(n), m);
	count_handoffs(node_handoff_counters(n), m);
	count_classifier(node_classifier_counters(n), m);
	count_forwarder(node_forwarder_counters(n), m);
	count_backend(node_driver_counters(n), node_migrator_counters(n), m);
}

void count_declare(struct metrics *m)
{
	static const uint64_t drops[NODE_DROP_COUNT];
	count_handoffs(&(const struct handoff_counters){0}, m);
	count_courier(&(const struct courier_counters){0}, m);
	count_backend(&(const struct driver_counters){0}, &(const struct migrator_counters){0}, m);
	count_classifier(&(const struct classifier_counters){0}, m);
	count_forwarder(&(const struct forwarder_counters){0}, m);
	count_drops(drops, m);
	count_stack(&(const struct stack_counters){0}, m);
}

static void count_sticky(const struct sticky_counters *c, struct metrics *m)
{
	if (!c)
		return;
	metrics_add(m, "sticky.kept", c->kept);
	metrics_add(m, "sticky.added", c->added);
	metrics_add(m, "sticky.moved", c->moved);
	metrics_add(m, "sticky.expired", c->expired);
	metrics_add(m, "sticky.evicted", c->evicted);
}

static void count_health(const struct health_reporter_counters *r, const struct health_judge_counters *j,
			 struct metrics *m)
{
	if (r) {
		metrics_add(m, "health.reports", r->sent);
		metrics_add(m, "health.skipped", r->skipped);
	}
	if (j) {
		metrics_add(m, "health.received", j->received);
		metrics_add(m, "health.rejected", j->stale + j->malformed);
		metrics_add(m, "health.missed", j->missed);
		metrics_add(m, "health.falls", j->falls);
		metrics_add(m, "health.rises", j->rises);
	}
}

static void count_drain(const struct drain_counters *d, uint64_t requests, struct metrics *m)
{
	metrics_add(m, "drain.drains", d->drains);
	metrics_add(m, "drain.moved", d->moved);
	metrics_add(m, "drain.refused", d->refused);
	metrics_add(m, "drain.nowhere", d->nowhere);
	metrics_add(m, "drain.ended", d->ended);
	metrics_add(m, "drain.waited", d->waited);
	metrics_add(m, "drain.stayed", d->stayed);
	metrics_add(m, "drain.requests", requests);
}

/* How often classifiers took a backend for down, and for up again. */
static void count_backend_health(const struct scenario_node *spec, uint64_t falls, uint64_t rises, struct metrics *m)
{
	char path[METRIC_PATH_MAX];
	snprintf(path, sizeof(path), "backends.%s.falls", spec->name);
	metrics_add(m, path, falls);
	snprintf(path, sizeof(path), "backends.%s.rises", spec->name);
	metrics_add(m, path, rises);
}

static void count_judge_backends(const struct scenario *s, const struct health_judge *j, struct metrics *m)
{
	for (size_t i = 0; i < s->nodes_count; i++) {
		uint16_t device = (uint16_t)(i + 1);
		if (s->nodes[i].roles & ROLE_BACKEND)
			count_backend_health(&s->nodes[i], j ? health_judge_falls(j, device) : 0,
					     j ? health_judge_rises(j, device) : 0, m);
	}
}

static void count_backend_connections(const struct scenario_node *spec, uint64_t connections, struct metrics *m)
{
	char path[METRIC_PATH_MAX];
	snprintf(path, sizeof(path), "backends.%s.connections", spec->name);
	metrics_add(m, path, connections);
}

static void set_traffic(struct metrics *m, const struct scenario_traffic *spec, const char *what, uint64_t value)
{
	char path[METRIC_PATH_MAX];
	snprintf(path, sizeof(path), "traffic.%s.%s", spec->name, what);
	metrics_set(m, path, value);
}

void count_percentiles(const char *name, const struct histogram *h, struct metrics *m)
{
	static const unsigned percents[] = {50, 90, 99};
	char path[METRIC_PATH_MAX];
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++) {
		snprintf(path, sizeof(path), "%s.p%u", name, percents[i]);
		metrics_set(m, path, h ? histogram_percentile(h, percents[i]) : 0);
	}
	snprintf(path, sizeof(path), "%s.max", name);
	metrics_set(m, path, h ? h->max : 0);
}

void count_traffic(const struct traffic_entry *e, struct metrics *m)
{
	if (!e->spec->name)
		return;
	set_traffic(m, e->spec, "started", e->started);
	set_traffic(m, e->spec, "completed", e->completed);
	set_traffic(m, e->spec, "failed", e->failed);
	set_traffic(m, e->spec, "aborted", e->aborted);
	set_traffic(m, e->spec, "bytes", e->bytes);
	set_traffic(m, e->spec, "goodput_bps", traffic_goodput_bps(e));
	char path[METRIC_PATH_MAX];
	snprintf(path, sizeof(path), "traffic.%s.latency_us", e->spec->name);
	count_percentiles(path, e->latency_us, m);
}

static void count_relay(const struct relay_counters *c, struct metrics *m)
{
	metrics_add(m, "relay.connections", c->connections);
	metrics_add(m, "relay.connected", c->connected);
	metrics_add(m, "relay.sent_bytes", c->sent_bytes);
	metrics_add(m, "relay.received_bytes", c->received_bytes);
	for (unsigned i = 0; i < RELAY_END_COUNT; i++)
		add_by(m, "relay.ended", relay_end_name((enum relay_end)i), c->ended[i]);
}

void count_declare_scenario(const struct scenario *s, struct metrics *m)
{
	for (size_t i = 0; i < s->traffic_count; i++)
		count_traffic(&(const struct traffic_entry){.spec = &s->traffic[i]}, m);
	if (scenario_is_sticky(s))
		count_sticky(&(const struct sticky_counters){0}, m);
	if (scenario_drains(s))
		count_drain(&(const struct drain_counters){0}, 0, m);
	if (scenario_relays(s))
		count_relay(&(const struct relay_counters){0}, m);
	if (s->health.interval) {
		count_health(&(const struct health_reporter_counters){0}, &(const struct health_judge_counters){0}, m);
		count_judge_backends(s, NULL, m);
	}
	if (!scenario_backends_counted(s))
		return;
	for (size_t i = 0; i < s->nodes_count; i++)
		if (s->nodes[i].roles & ROLE_BACKEND)
			count_backend_connections(&s->nodes[i], 0, m);
}

void count_node_scenario(const struct scenario *s, const struct scenario_node *spec, const struct node *n,
			 struct metrics *m)
{
	const struct migrator_counters *g = node_migrator_counters(n);
	const struct health_judge *j = node_judge(n);
	const struct app *app;
	for (size_t i = 0; (app = node_app(n, i)); i++)
		if (app_relay_counters(app))
			count_relay(app_relay_counters(app), m);
	count_sticky(node_sticky_counters(n), m);
	if (scenario_drains(s) && g)
		count_drain(node_drain_counters(n), node_drain_requests(n), m);
	if (s->health.interval) {
		count_health(node_reporter_counters(n), j ? health_judge_counters(j) : NULL, m);
		if (j)
			count_judge_backends(s, j, m);
	}
	if (g && scenario_backends_counted(s))
		count_backend_connections(spec, g->activated, m);
}
