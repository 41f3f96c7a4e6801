/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/control_answer.h"

#include "base/log.h"
#include "live/control.h"
#include "live/control_connections.h"
#include "node/look.h"
#include "sim/breakdown.h"
#include "sim/result.h"

#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

static json_t *checked(json_t *value)
{
	if (!value)
		log_fatal("out of memory: an answer");
	return value;
}

static json_int_t us(nstime t)
{
	return (json_int_t)(t / NSTIME_US);
}

/* ---- status ---- */

static bool is_tap(const struct scenario *s, size_t node)
{
	for (size_t i = 0; i < s->outsides_count; i++)
		if (s->outsides[i].node == node)
			return s->outsides[i].tap;
	return false;
}

static json_t *device_json(const struct live *l, const struct port *p)
{
	const struct device_counters *c = device_counters(p->device);
	uint64_t dropped = 0;

	for (unsigned i = 0; i < DEVICE_DROP_COUNT; i++)
		dropped += c->dropped[i];
	return checked(json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I}", "name", device_name(p->device), "kind",
				 is_tap(l->scenario, p->node) ? "tap" : "veth", "state", device_state(p->device),
				 "in_packets", (json_int_t)c->in.packets, "in_bytes", (json_int_t)c->in.bytes,
				 "out_packets", (json_int_t)c->out.packets, "out_bytes", (json_int_t)c->out.bytes,
				 "dropped", (json_int_t)dropped));
}

static json_t *devices_json(const struct live *l)
{
	json_t *list = checked(json_array());

	for (size_t i = 0; i < l->ports_count; i++)
		json_array_append_new(list, device_json(l, &l->ports[i]));
	return list;
}

static json_int_t nodes_count(const struct live *l)
{
	json_int_t count = 0;

	for (size_t n = 0; n < l->scenario->nodes_count; n++)
		count += !(l->scenario->nodes[n].roles & ROLE_STACKLESS) && world_node_here(&l->run.world, n);
	return count;
}

static json_t *counts_json(const struct live *l)
{
	struct live_connections c = live_connections_of(l);

	return checked(json_pack("{s:I, s:I}", "classifying", (json_int_t)c.classifying, "open", (json_int_t)c.open));
}

static json_t *control_json(const struct live *l)
{
	const struct control_counters *c = control_counters(l->service.control);

	return checked(json_pack("{s:I, s:I, s:I, s:I, s:I}", "clients", (json_int_t)c->accepted, "requests",
				 (json_int_t)c->requests, "malformed", (json_int_t)c->malformed, "refused",
				 (json_int_t)c->refused, "slow", (json_int_t)c->slow));
}

static json_t *status(const struct live *l)
{
	struct live_lag lag = live_lag_of(l);

	return checked(json_pack("{s:s, s:s, s:I, s:s, s:I, s:{s:I, s:I, s:I}, s:I, s:b, s:I, s:o, s:o, s:o}", "name",
				 l->scenario->name, "version", BATON_VERSION, "pid", (json_int_t)getpid(), "phase",
				 l->phase == LIVE_RUNNING ? "running" : "draining", "uptime_us", us(loop_now(&l->loop)),
				 "lag_us", "p50", us(lag.p50), "p99", us(lag.p99), "max", us(lag.max), "wakeups",
				 (json_int_t)lag.wakeups, "kept_real_time", lag.kept, "nodes", nodes_count(l),
				 "connections", counts_json(l), "devices", devices_json(l), "control",
				 control_json(l)));
}

/* ---- backends ---- */

/* What the classifiers here think of a backend; NULL when there are none, or no rule names it. */
static const struct policy_device *policy_of(const struct live *l, uint16_t device, const struct health_status **health)
{
	for (size_t n = 0; n < l->scenario->nodes_count; n++) {
		const struct node *node = l->run.world.nodes[n].node;
		const struct policy_device *p = node ? node_policy_device(node, device) : NULL;

		if (!p)
			continue;
		*health = health_judge_status(node_judge(node), device);
		return p;
	}
	return NULL;
}

enum backend_state { UP, DOWN, DRAINING, FULL, PAUSED, UNKNOWN };

const char *const backend_states[] = {
	[UP] = "up",
	[DOWN] = "down",
	[DRAINING] = "draining",
	[FULL] = "full",
	[PAUSED] = "paused",
	[UNKNOWN] = "unknown",
	NULL,
};

/* What a classifier knows of it by its reports. */
static enum backend_state reported_state(const struct health_status *s)
{
	if (!s->up)
		return DOWN;
	return s->draining ? DRAINING : s->full ? FULL : UP;
}

static enum backend_state state_of(const struct live *l, size_t n)
{
	const struct world_node *wn = &l->run.world.nodes[n];
	const struct health_status *health = NULL;
	const struct policy_device *policy = policy_of(l, wn->device, &health);
	bool here = world_node_here(&l->run.world, n);

	if (here && !wn->node)
		return DOWN;
	if (here && node_draining(wn->node))
		return DRAINING;
	if (health && reported_state(health) != UP)
		return reported_state(health);
	if (policy && !policy->healthy)
		return PAUSED;
	return policy || here ? UP : UNKNOWN;
}

const char *backend_state(const struct live *l, size_t n)
{
	return backend_states[state_of(l, n)];
}

/* Where it stands in rules, with its weight there. */
static json_t *backend_rules(const struct scenario *s, size_t node)
{
	json_t *list = checked(json_array());

	for (size_t i = 0; i < s->services_count; i++)
		for (size_t r = 0; r < s->services[i].rules_count; r++) {
			const struct scenario_rule *rule = &s->services[i].rules[r];

			for (size_t t = 0; t < rule->to_count; t++)
				if (rule->to[t] == node)
					json_array_append_new(
						list,
						checked(json_pack("{s:s, s:I, s:I}", "service", s->services[i].name,
								  "rule", (json_int_t)r, "weight",
								  (json_int_t)(rule->weights ? rule->weights[t] : 1))));
		}
	return list;
}

static json_t *backend_json(const struct live *l, size_t n)
{
	const struct world_node *wn = &l->run.world.nodes[n];
	bool here = world_node_here(&l->run.world, n);
	const struct health_status *health = NULL;
	const struct policy_device *policy = policy_of(l, wn->device, &health);
	uint64_t values[BREAKDOWN_NODE_COUNT];
	json_t *connections = json_null(), *handed = json_null();

	if (here) {
		breakdown_node_read(wn, values);
		handed = json_integer((json_int_t)values[BREAKDOWN_NODE_ACTIVATED]);
		connections = json_integer(wn->node ? node_connections_count(wn->node, NODE_BACKEND) : 0);
	} else if (policy) {
		connections = json_integer((json_int_t)policy->connections + policy->others);
	}
	return checked(json_pack("{s:s, s:b, s:s, s:o, s:o, s:o}", "name", wn->spec->name, "here", here, "state",
				 backend_state(l, n), "rules", backend_rules(l->scenario, n), "connections",
				 connections, "handed_over", handed));
}

static json_t *backends(const struct live *l)
{
	json_t *list = checked(json_array());

	for (size_t n = 0; n < l->scenario->nodes_count; n++)
		if (l->scenario->nodes[n].roles & ROLE_BACKEND)
			json_array_append_new(list, backend_json(l, n));
	return checked(json_pack("{s:o}", "backends", list));
}

/* ---- draining ---- */

/* The backend of that name in this process, or NULL with what is wrong. */
static struct world_node *backend_find(struct live *l, const char *name, char why[CONTROL_WHY_MAX])
{
	size_t n = scenario_node_find(l->scenario, name);

	if (n == SIZE_MAX || !(l->scenario->nodes[n].roles & ROLE_BACKEND))
		snprintf(why, CONTROL_WHY_MAX, "there is no backend '%s'", name);
	else if (!world_node_here(&l->run.world, n))
		snprintf(why, CONTROL_WHY_MAX, "backend '%s' runs in another process", name);
	else if (!l->run.world.nodes[n].node)
		snprintf(why, CONTROL_WHY_MAX, "backend '%s' is down", name);
	else
		return &l->run.world.nodes[n];
	return NULL;
}

static json_t *drain(struct live *l, const struct control_request *r, char why[CONTROL_WHY_MAX])
{
	struct world_node *wn = backend_find(l, r->name, why);
	nstime within = r->within ? r->within : CONTROL_DRAIN_WITHIN;

	if (!wn)
		return NULL;
	node_drain(wn->node, within, l->run.world.engine.now);
	world_node_settle(wn);
	return checked(json_pack("{s:s, s:I}", "name", r->name, "within_us", us(within)));
}

static json_t *undrain(struct live *l, const struct control_request *r, char why[CONTROL_WHY_MAX])
{
	struct world_node *wn = backend_find(l, r->name, why);

	if (!wn)
		return NULL;
	node_undrain(wn->node, l->run.world.engine.now);
	world_node_settle(wn);
	return checked(json_pack("{s:s}", "name", r->name));
}

/* ---- all ---- */

static json_t *stats(struct live *l)
{
	struct metrics m;
	json_t *result;

	metrics_init(&m);
	live_tally(l, &m);
	result = result_json(&m);
	metrics_fini(&m);
	return checked(json_pack("{s:o}", "result", result));
}

struct json_t *control_answer(struct live *l, const struct control_request *r, char why[CONTROL_WHY_MAX])
{
	switch (r->command) {
	case CONTROL_STATUS:
		return status(l);
	case CONTROL_CONNECTIONS:
		return control_connections(l, r->from, why);
	case CONTROL_BACKENDS:
		return backends(l);
	case CONTROL_DRAIN:
		return drain(l, r, why);
	case CONTROL_UNDRAIN:
		return undrain(l, r, why);
	case CONTROL_STATS:
		return stats(l);
	}
	return NULL;
}
