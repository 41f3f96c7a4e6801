/* SPDX-License-Identifier: BSD-3-Clause */
/* The classifier's side of health: who may be chosen. */
#include "base/heap.h"
#include "base/log.h"
#include "lb/health.h"

#include <stdlib.h>

struct backend {
	struct timer timer; /* when a report will have been missed */
	struct backend *next_news;
	struct health_status status;
	uint64_t boot, sequence; /* of the newest report */
	nstime counted;          /* when a report counted last towards `rise` */
	uint32_t good, bad;      /* in a row: reports, intervals without one */
	uint64_t falls, rises;
	bool is_news;
};

struct health_judge {
	nstime interval;
	uint32_t rise, fall;
	struct trace_sink *trace;
	struct heap timers;
	struct backend *backends;
	size_t backends_count;
	struct backend *news_head, *news_tail;
	struct health_judge_counters counters;
};

/* The next report is due an interval after this moment; it may be late by half of one. */
static void expect(struct health_judge *j, struct backend *b, nstime now, nstime grace)
{
	if (j->interval)
		heap_set(&j->timers, &b->timer, nstime_add(now, j->interval + grace));
}

struct health_judge *health_judge_new(const struct health_judge_config *config, nstime now)
{
	struct health_judge *j = calloc(1, sizeof *j);

	if (!j)
		log_fatal("out of memory: a health judge");
	j->interval = config->interval;
	j->rise = config->rise ? config->rise : HEALTH_RISE_DEFAULT;
	j->fall = config->fall ? config->fall : HEALTH_FALL_DEFAULT;
	j->trace = config->trace;
	heap_init(&j->timers);
	j->backends = calloc(config->backends_count + 1, sizeof *j->backends);
	if (!j->backends)
		log_fatal("out of memory: %zu backends", config->backends_count);
	for (size_t i = 0; i < config->backends_count; i++) {
		struct backend *b = &j->backends[j->backends_count++];

		timer_init(&b->timer, NULL);
		b->status = (struct health_status){.device = config->backends[i], .up = true};
		expect(j, b, now, j->interval / 2);
	}
	return j;
}

void health_judge_free(struct health_judge *j)
{
	if (!j)
		return;
	heap_fini(&j->timers);
	free(j->backends);
	free(j);
}

static struct backend *backend_find(const struct health_judge *j, uint16_t device)
{
	for (size_t i = 0; i < j->backends_count; i++)
		if (j->backends[i].status.device == device)
			return &j->backends[i];
	return NULL;
}

static void news(struct health_judge *j, struct backend *b)
{
	if (b->is_news)
		return;
	b->is_news = true;
	b->next_news = NULL;
	*(j->news_tail ? &j->news_tail->next_news : &j->news_head) = b;
	j->news_tail = b;
}

static void up_set(struct health_judge *j, struct backend *b, bool up, nstime now)
{
	uint32_t count = up ? b->good : b->bad;

	b->status.up = up;
	*(up ? &j->counters.rises : &j->counters.falls) += 1;
	*(up ? &b->rises : &b->falls) += 1;
	news(j, b);
	TRACE(j->trace, now, up ? TRACE_HEALTH_UP : TRACE_HEALTH_DOWN, TF_U64("device", b->status.device),
	      TF_U64(up ? "reports" : "missed", count));
}

void health_judge_pace(struct health_judge *j, nstime interval, uint32_t rise, uint32_t fall, nstime now)
{
	bool other = interval != j->interval;

	j->interval = interval;
	j->rise = rise ? rise : HEALTH_RISE_DEFAULT;
	j->fall = fall ? fall : HEALTH_FALL_DEFAULT;
	for (size_t i = 0; other && i < j->backends_count; i++) {
		struct backend *b = &j->backends[i];

		heap_remove(&j->timers, &b->timer);
		b->good = b->bad = 0;
		if (!interval && !b->status.up)
			up_set(j, b, true, now);
		expect(j, b, now, interval / 2);
	}
}

/* What the report says of the backend's state. */
static void state_take(struct health_judge *j, struct backend *b, const struct message_health *m, nstime now)
{
	bool full = m->limit && m->connections >= m->limit;

	if (b->status.draining != m->draining || b->status.full != full)
		TRACE(j->trace, now, TRACE_HEALTH_STATE, TF_U64("device", b->status.device),
		      TF_TEXT("state", m->draining ? "draining"
				       : full      ? "full"
						   : "serving"),
		      TF_U64("connections", m->connections), TF_U64("limit", m->limit));
	j->counters.drains += m->draining && !b->status.draining;
	b->status.draining = m->draining;
	b->status.full = full;
	b->status.connections = m->connections;
	b->status.reported = j->interval != 0; /* a single one says little of the load later */
	news(j, b);
}

void health_judge_message(struct health_judge *j, uint16_t from, uint64_t from_boot, const uint8_t *bytes, size_t len,
			  nstime now)
{
	struct backend *b = backend_find(j, from);
	struct message_health m;

	if (!b || message_health_decode(&m, bytes, len)) {
		j->counters.malformed++;
		return;
	}
	if (from_boot < b->boot || (from_boot == b->boot && m.sequence <= b->sequence)) {
		j->counters.stale++;
		return;
	}
	b->boot = from_boot;
	b->sequence = m.sequence;
	j->counters.received++;
	state_take(j, b, &m, now);
	b->bad = 0;
	if (!j->interval)
		return;
	if (!b->good || now - b->counted >= j->interval / 2) {
		b->good++;
		b->counted = now;
	}
	if (!b->status.up && b->good >= j->rise)
		up_set(j, b, true, now);
	expect(j, b, now, j->interval / 2);
}

bool health_judge_output(struct health_judge *j, struct health_status *status)
{
	struct backend *b = j->news_head;

	if (!b)
		return false;
	j->news_head = b->next_news;
	if (!j->news_head)
		j->news_tail = NULL;
	b->is_news = false;
	*status = b->status;
	b->status.reported = false;
	return true;
}

const struct health_status *health_judge_status(const struct health_judge *j, uint16_t device)
{
	const struct backend *b = backend_find(j, device);

	return b ? &b->status : NULL;
}

nstime health_judge_expiry(const struct health_judge *j)
{
	const struct timer *t = heap_peek(&j->timers);

	return t ? t->at : NSTIME_NEVER;
}

void health_judge_expire(struct health_judge *j, nstime now)
{
	struct timer *t;

	while ((t = heap_peek(&j->timers)) && t->at <= now) {
		struct backend *b = (struct backend *)((char *)t - offsetof(struct backend, timer));

		j->counters.missed++;
		b->good = 0;
		b->bad++;
		if (b->status.up && b->bad >= j->fall)
			up_set(j, b, false, now);
		expect(j, b, now, 0);
	}
}

const struct health_judge_counters *health_judge_counters(const struct health_judge *j)
{
	return &j->counters;
}

uint64_t health_judge_falls(const struct health_judge *j, uint16_t device)
{
	const struct backend *b = backend_find(j, device);

	return b ? b->falls : 0;
}

uint64_t health_judge_rises(const struct health_judge *j, uint16_t device)
{
	const struct backend *b = backend_find(j, device);

	return b ? b->rises : 0;
}
