/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/traffic.h"

#include "base/log.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LN2_Q32 UINT64_C(2977044471) /* ln 2 in 0.32 fixed point */

/* -log2(u / 2^32) in 32.32 fixed point for u in [1, 2^32]: the integer part by counting zeroes, the fraction by
 * repeated squaring of the mantissa (1.31), a bit at a time. */
static uint64_t minus_log2_q32(uint64_t u)
{
	unsigned top = 63U - (unsigned)__builtin_clzll(u);
	if (top == 32)
		return 0;
	uint64_t mantissa = u << (31U - top);
	uint64_t fraction = 0;
	for (unsigned bit = 0; bit < 32; bit++) {
		mantissa = (mantissa * mantissa) >> 31;
		fraction <<= 1;
		if (mantissa >> 32) {
			mantissa >>= 1;
			fraction |= 1;
		}
	}
	return ((uint64_t)(32 - top) << 32) - fraction;
}

nstime traffic_exponential_ns(struct random_stream *r, nstime mean_ns)
{
	uint64_t log2_q32 = minus_log2_q32((uint64_t)random_u32(r) + 1);
	unsigned __int128 ln_q64 =
		(unsigned __int128)log2_q32 * LN2_Q32; /* 64 fraction bits, at most 23 in all above */
	return (nstime)((ln_q64 >> 32) * mean_ns >> 32);
}

/* When the entry's request number n (from 0) comes, given that the one before came at `last`. */
static nstime arrival_next(struct traffic_entry *e, uint64_t n, nstime last)
{
	const struct scenario_traffic *s = e->spec;
	switch (s->arrivals) {
	case ARRIVALS_POISSON:
		return nstime_add(last, traffic_exponential_ns(&e->arrivals, s->interval_ns));
	case ARRIVALS_BURST:
		return nstime_add(s->start, n / s->burst * s->burst * s->interval_ns);
	case ARRIVALS_EVEN:
		break;
	}
	return nstime_add(s->start, n * s->interval_ns);
}

/* `path` with each {n} replaced; NULL stays NULL. */
static char *path_expand(const char *path, uint64_t n)
{
	if (!path)
		return NULL;
	char *out = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&out, &len);
	if (!f)
		log_fatal("out of memory for a path");
	for (const char *p = path; *p;) {
		if (!strncmp(p, "{n}", 3)) {
			fprintf(f, "%" PRIu64, n);
			p += 3;
		} else {
			fputc(*p++, f);
		}
	}
	fclose(f);
	return out;
}

static enum client_kind kind_of(enum app_kind app)
{
	switch (app) {
	case APP_ECHO:
		return CLIENT_ECHO;
	case APP_BULK:
		return CLIENT_BULK;
	default:
		return CLIENT_HTTP;
	}
}

/* Starts request n (from 0) of the entry. */
static void entry_start(struct traffic_entry *e, uint64_t n, nstime now)
{
	const struct scenario_traffic *s = e->spec;
	struct world *w = e->world;
	struct traffic *t = &w->traffic;
	uint64_t turn = n / s->from_count; /* this client's request number */
	struct world_node *wn = &w->nodes[s->from[n % s->from_count]];
	uint64_t per = s->per_connection > 1 ? s->per_connection : 0;
	char *path = path_expand(s->path, n + 1);
	struct client_spec spec = {
		.kind = kind_of(s->app),
		.address = s->to_service ? w->scenario->services[s->service].vip : s->to_address,
		.port = s->to_service ? w->scenario->services[s->service].port : s->to_port,
		.body_bytes = s->body,
		.method = s->method,
		.host = s->host,
		.path = path,
		.headers = (const char *const *)s->headers,
		.headers_count = s->headers_count,
		.reply_bytes = s->reply,
		.chunked = s->chunked,
		.half_close = s->half_close,
		.keepalive_ms = (uint32_t)(s->keepalive / NSTIME_MS),
		.group = per ? (uint64_t)(e - t->entries + 1) << 40 | (turn / per + 1) : 0,
		.group_last = per && (turn % per == per - 1 || n + s->from_count >= s->requests),
	};
	t->started++;
	if (!wn->node || !client_start(node_client(wn->node), &spec, now)) {
		t->failed++; /* the client is crashed or refused */
	} else {
		node_pump(wn->node, now);
		world_node_settle(wn);
	}
	free(path);
}

static void entry_fire(struct timer *timer, nstime now)
{
	struct traffic_entry *e = (struct traffic_entry *)((char *)timer - offsetof(struct traffic_entry, timer));
	nstime next = now;
	while (e->started < e->spec->requests && next <= now) {
		entry_start(e, e->started++, now);
		next = arrival_next(e, e->started, now);
	}
	if (e->started < e->spec->requests)
		engine_timer_set(&e->world->engine, &e->timer, next);
}

void traffic_init(struct traffic *t, struct world *w)
{
	const struct scenario *s = w->scenario;
	*t = (struct traffic){.count = s->traffic_count};
	t->entries = calloc(s->traffic_count ? s->traffic_count : 1, sizeof(*t->entries));
	if (!t->entries)
		log_fatal("out of memory for %zu traffic entries", s->traffic_count);
	for (size_t n = 0; n < t->count; n++) {
		struct traffic_entry *e = &t->entries[n];
		char name[48];
		e->world = w;
		e->spec = &s->traffic[n];
		snprintf(name, sizeof(name), "traffic %zu arrivals", n);
		random_init(&e->arrivals, w->options.seed, name);
		timer_init(&e->timer, entry_fire);
		engine_timer_set(&w->engine, &e->timer, arrival_next(e, 0, e->spec->start));
	}
}

void traffic_fini(struct traffic *t)
{
	for (size_t n = 0; n < t->count; n++)
		engine_timer_cancel(&t->entries[n].world->engine, &t->entries[n].timer);
	free(t->entries);
	t->entries = NULL;
}

void traffic_outcome(struct traffic *t, const struct client_outcome *o)
{
	t->failed_by[o->failure]++;
	t->bytes += o->bytes_received;
	if (o->failure == CLIENT_CORRUPTED)
		t->corrupted++;
	if (o->failure != CLIENT_COMPLETED) {
		t->failed++;
		return;
	}
	t->completed++;
	histogram_add(&t->latency_us, (o->ended - o->started) / NSTIME_US);
	if (o->first_byte != NSTIME_NEVER)
		histogram_add(&t->first_byte_us, (o->first_byte - o->started) / NSTIME_US);
	if (o->stall)
		histogram_add(&t->stall_us, o->stall / NSTIME_US);
}

void traffic_lost(struct traffic *t, uint64_t pending)
{
	t->failed += pending;
}

bool traffic_done(const struct traffic *t)
{
	for (size_t n = 0; n < t->count; n++)
		if (t->entries[n].started < t->entries[n].spec->requests)
			return false;
	return t->completed + t->failed == t->started;
}
