/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend's side of health: reports. */
#include "base/log.h"
#include "lb/health.h"

#include <stdlib.h>

/* What a classifier was told. */
struct told {
	uint16_t device;
	bool on_the_way; /* a report is */
	bool due;        /* another is wanted as soon as that has arrived */
};

struct health_reporter {
	nstime interval, due; /* due: of the next reports to all; NSTIME_NEVER without an interval */
	struct message_health state;
	struct told *told;
	size_t told_count;
	struct outbox outbox;
	struct health_reporter_counters counters;
};

struct health_reporter *health_reporter_new(const struct health_reporter_config *config, nstime now)
{
	struct health_reporter *r = calloc(1, sizeof *r);

	if (!r)
		log_fatal("out of memory: a health reporter");
	r->told = calloc(config->classifiers_count + 1, sizeof *r->told);
	if (!r->told)
		log_fatal("out of memory: %zu classifiers", config->classifiers_count);
	for (size_t i = 0; i < config->classifiers_count; i++)
		r->told[r->told_count++].device = config->classifiers[i];
	r->interval = config->interval;
	r->due = r->interval ? nstime_add(now, r->interval) : NSTIME_NEVER;
	r->state.limit = config->limit;
	return r;
}

void health_reporter_free(struct health_reporter *r)
{
	if (!r)
		return;
	outbox_clear(&r->outbox);
	free(r->told);
	free(r);
}

void health_reporter_pace(struct health_reporter *r, nstime interval, nstime now)
{
	if (interval == r->interval)
		return;
	r->interval = interval;
	r->due = interval ? nstime_add(now, interval) : NSTIME_NEVER;
}

static void report(struct health_reporter *r, struct told *t)
{
	if (t->on_the_way) {
		t->due = true;
		return;
	}
	t->on_the_way = true;
	t->due = false;
	r->state.sequence++;
	r->counters.sent++;
	outbox_put_health(&r->outbox, t->device, &r->state);
}

static void report_all(struct health_reporter *r)
{
	for (size_t i = 0; i < r->told_count; i++)
		report(r, &r->told[i]);
}

static bool is_full(const struct message_health *m)
{
	return m->limit && m->connections >= m->limit;
}

void health_reporter_connections(struct health_reporter *r, uint32_t connections)
{
	bool was_full = is_full(&r->state);

	r->state.connections = connections;
	if (r->interval && was_full != is_full(&r->state))
		report_all(r);
}

void health_reporter_drain(struct health_reporter *r, bool draining)
{
	if (r->state.draining == draining)
		return;
	r->state.draining = draining;
	report_all(r);
}

static struct told *told_find(struct health_reporter *r, uint16_t device)
{
	for (size_t i = 0; i < r->told_count; i++)
		if (r->told[i].device == device)
			return &r->told[i];
	return NULL;
}

void health_reporter_peer(struct health_reporter *r, uint16_t device)
{
	struct told *t = told_find(r, device);

	if (t && r->state.draining)
		report(r, t);
}

void health_reporter_done(struct health_reporter *r, uint16_t classifier, bool delivered)
{
	struct told *t = told_find(r, classifier);

	if (!t)
		return;
	t->on_the_way = false;
	/* One that was given up is made up for by the next interval's; without one a change must not be lost. */
	if (t->due || (!delivered && !r->interval))
		report(r, t);
}

struct outbox *health_reporter_outbox(struct health_reporter *r)
{
	return &r->outbox;
}

nstime health_reporter_expiry(const struct health_reporter *r)
{
	return r->due;
}

void health_reporter_expire(struct health_reporter *r, nstime now)
{
	if (r->due > now)
		return;
	r->due = nstime_add(now, r->interval);
	for (size_t i = 0; i < r->told_count; i++)
		if (r->told[i].on_the_way)
			r->counters.skipped++;
		else
			report(r, &r->told[i]);
}

const struct health_reporter_counters *health_reporter_counters(const struct health_reporter *r)
{
	return &r->counters;
}
