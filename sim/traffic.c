/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/traffic.h"

#include "base/log.h"
#include "sim/csv.h"
#include "sim/distribution.h"
#include "sim/world.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a user waits at least before the next request, and after one that failed: no loop goes without time, even where
 * links take none. */
#define USER_PAUSE_NS NSTIME_US
#define USER_RETRY_NS NSTIME_S

/* When the entry's request number n (from 0) comes, given that the one before came at `last`. */
static nstime arrival_next(struct traffic_entry *e, uint64_t n, nstime last)
{
	const struct scenario_traffic *s = e->spec;
	if (s->sequence)
		return n < s->requests ? nstime_add(s->start, s->sequence[n].at) : NSTIME_NEVER;
	switch (s->arrivals) {
	case ARRIVALS_POISSON:
		return nstime_add(last, distribution_exponential(&e->arrivals, s->interval_ns));
	case ARRIVALS_BURST:
		return nstime_add(s->start, n / s->burst * s->burst * s->interval_ns);
	case ARRIVALS_EVEN:
		break;
	}
	return nstime_add(s->start, n * s->interval_ns);
}

/* A path or name with each {n} replaced, kept in *out; NULL stays NULL. */
static const char *text_expand(struct vec *out, const char *text, uint64_t n)
{
	char number[24];
	if (!text)
		return NULL;
	vec_clear(out);
	for (const char *brace; (brace = strstr(text, "{n}")); text = brace + 3) {
		vec_append(out, text, (size_t)(brace - text));
		vec_append(out, number, (size_t)snprintf(number, sizeof(number), "%" PRIu64, n));
	}
	vec_append(out, text, strlen(text) + 1);
	return (const char *)out->data;
}

static enum client_kind kind_of(enum app_kind app)
{
	switch (app) {
	case APP_ECHO:
		return CLIENT_ECHO;
	case APP_BULK:
		return CLIENT_BULK;
	case APP_TLS:
		return CLIENT_TLS;
	default:
		return CLIENT_HTTP;
	}
}

/* What connection a request of an open-loop entry uses; `turn` counts its client's requests from 0. */
static uint64_t open_group(const struct traffic_entry *e, uint64_t turn)
{
	const struct traffic *t = &e->world->traffic;
	return (uint64_t)(e - t->entries + 1) << 40 | (turn / e->spec->per_connection + 1);
}

/* The same for a user. */
static uint64_t user_group(struct traffic_entry *e, struct traffic_user *u)
{
	if (!u->group)
		u->group = open_group(e, e->spec->per_connection * e->groups++);
	return u->group;
}

/* Sets what connection request n of the entry, the user's (NULL: open loop), is for. */
static void group_choose(struct traffic_entry *e, uint64_t n, struct traffic_user *u, struct client_spec *spec)
{
	const struct scenario_traffic *s = e->spec;
	if (s->per_connection == 1)
		return;
	if (!u) {
		uint64_t turn = n / s->from_count;
		spec->group = open_group(e, turn);
		spec->group_last = turn % s->per_connection == s->per_connection - 1 ||
				   (s->requests && n + s->from_count >= s->requests);
		return;
	}
	spec->group = user_group(e, u);
	if (++u->group_asked == s->per_connection) {
		spec->group_last = true;
		u->group = u->group_asked = 0;
	}
}

static struct world_node *entry_client(const struct traffic_entry *e, uint64_t turn)
{
	return &e->world->nodes[e->spec->from[turn % e->spec->from_count]];
}

/* Closes a connection that was left open for a next request, which will not come. */
static void group_end(struct world_node *wn, uint64_t group, nstime now)
{
	if (!wn->node)
		return;
	client_group_end(node_client(wn->node), group, now);
	node_pump(wn->node, now);
	world_node_settle(wn);
}

static void user_retire(struct traffic_user *u, nstime now)
{
	struct traffic_entry *e = u->entry;
	uint64_t group = u->group;
	engine_timer_cancel(&e->world->engine, &u->timer);
	u->group = 0;
	if (group)
		group_end(entry_client(e, (uint64_t)(u - e->users)), group, now);
}

/* The last request has started: what was kept open for others is closed. */
static void entry_end(struct traffic_entry *e, nstime now)
{
	const struct scenario_traffic *s = e->spec;
	e->over = true;
	e->world->traffic.over++;
	for (uint64_t n = 0; n < s->users; n++)
		if (timer_is_set(&e->users[n].timer))
			user_retire(&e->users[n], now);
	if (s->users || s->requests || s->per_connection == 1)
		return;
	for (uint64_t n = e->started > s->from_count ? e->started - s->from_count : 0; n < e->started; n++)
		group_end(entry_client(e, n), open_group(e, n / s->from_count), now);
}

/* The user has an answer, or none will come. */
static void user_answered(struct traffic_user *u, bool failed, nstime now)
{
	struct traffic_entry *e = u->entry;
	nstime think = distribution_draw(&e->spec->think, &e->thinks);
	nstime least = failed ? USER_RETRY_NS : USER_PAUSE_NS;
	if (think < least)
		think = least;
	nstime next = nstime_add(now, think);
	u->leaves = e->over || next >= e->until;
	if (u->leaves && !u->group)
		return;
	/* Who leaves does so in an event of its own: this one may be within its client's. */
	engine_timer_set(&e->world->engine, &u->timer, u->leaves ? now : next);
}

/* Whether the next request is to be given up, and when. Both are drawn for each, so that the share changes no time. */
static void abort_draw(struct traffic_entry *e, struct client_abort *out)
{
	const struct scenario_abort *a = &e->spec->abort;
	if (a->kind == CLIENT_ABORT_NONE)
		return;
	bool aborts = random_chance(&e->aborts, a->share_ppb);
	uint64_t at = distribution_draw(&a->at, &e->aborts);
	if (aborts)
		*out = (struct client_abort){.kind = a->kind, .at = at, .close = a->close};
}

/* What a listed request says goes before what its entry says. */
static void request_choose(struct traffic *t, const struct scenario_request *r, uint64_t n, struct client_spec *spec)
{
	if (r->method)
		spec->method = r->method;
	if (r->host)
		spec->host = r->host;
	if (r->path)
		spec->path = text_expand(&t->path, r->path, n + 1);
	if (r->body != SCENARIO_UNSAID)
		spec->body_bytes = r->body;
	if (r->reply != SCENARIO_UNSAID)
		spec->reply_bytes = r->reply;
}

/* Starts a request, the user's (NULL: open loop). */
static void entry_start(struct traffic_entry *e, struct traffic_user *u, nstime now)
{
	const struct scenario_traffic *s = e->spec;
	struct world *w = e->world;
	struct traffic *t = &w->traffic;
	uint64_t n = e->started++;
	struct world_node *wn = entry_client(e, u ? (uint64_t)(u - e->users) : n);
	struct client_spec spec = {
		.kind = kind_of(s->app),
		.tag = (uint64_t)(e - t->entries) << 32 | (u ? (uint64_t)(u - e->users) + 1 : 0),
		.address = s->to_service ? w->scenario->services[s->service].vip : s->to_address,
		.port = s->to_service ? w->scenario->services[s->service].port : s->to_port,
		.body_bytes = distribution_draw(&s->body, &e->bodies),
		.method = s->method,
		.host = s->host,
		.path = text_expand(&t->path, s->path, n + 1),
		.headers = (const char *const *)s->headers,
		.headers_count = s->headers_count,
		.reply_bytes = distribution_draw(&s->reply, &e->replies),
		.http_10 = s->http_10,
		.chunked = s->chunked,
		.expect_continue = s->expect_continue,
		.half_close = s->half_close,
		.server_name = text_expand(&t->server_name, s->server_name, n + 1),
		.hello_records = s->hello_records,
		.hello_bytes = s->hello_bytes,
		.pipeline = (uint32_t)s->pipeline,
		.piece_bytes = s->piece,
		.pause = s->pause,
		.keepalive_ms = (uint32_t)(s->keepalive / NSTIME_MS),
		.idle = distribution_draw(&s->idle, &e->idles),
	};
	if (s->sequence)
		request_choose(t, &s->sequence[n], n, &spec);
	group_choose(e, n, u, &spec);
	abort_draw(e, &spec.abort);
	if (!world_node_here(w, (size_t)(wn - w->nodes))) { /* another process starts it */
		if (!e->over && s->requests && e->started == s->requests)
			entry_end(e, now);
		return;
	}
	t->started++;
	e->started_first = nstime_min(e->started_first, now);
	if (!wn->node || !client_start(node_client(wn->node), &spec, now)) {
		t->failed++; /* the client is crashed or refused */
		e->failed++;
		if (u)
			user_answered(u, true, now);
	} else {
		node_pump(wn->node, now);
		world_node_settle(wn);
	}
	if (!e->over && s->requests && e->started == s->requests)
		entry_end(e, now);
}

static void entry_fire(struct timer *timer, nstime now)
{
	struct traffic_entry *e = (struct traffic_entry *)((char *)timer - offsetof(struct traffic_entry, timer));
	nstime next = now;
	while (!e->over && next <= now) {
		if (now < e->until)
			entry_start(e, NULL, now);
		next = arrival_next(e, e->started, now);
		if (!e->over && next >= e->until)
			entry_end(e, now);
	}
	if (!e->over)
		engine_timer_set(&e->world->engine, &e->timer, next);
}

static void user_fire(struct timer *timer, nstime now)
{
	struct traffic_user *u = (struct traffic_user *)((char *)timer - offsetof(struct traffic_user, timer));
	if (u->leaves)
		user_retire(u, now);
	else
		entry_start(u->entry, u, now);
}

/* The time of a closed loop is over. */
static void entry_stop_fire(struct timer *timer, nstime now)
{
	struct traffic_entry *e = (struct traffic_entry *)((char *)timer - offsetof(struct traffic_entry, timer));
	entry_end(e, now);
}

static void users_init(struct traffic_entry *e)
{
	const struct scenario_traffic *s = e->spec;
	e->users = calloc(s->users, sizeof(*e->users));
	if (!e->users)
		log_fatal("out of memory for %" PRIu64 " users", s->users);
	for (uint64_t n = 0; n < s->users; n++) {
		struct traffic_user *u = &e->users[n];
		nstime at = s->start + (nstime)((unsigned __int128)s->ramp * n / s->users);
		u->entry = e;
		timer_init(&u->timer, user_fire);
		if (at < e->until)
			engine_timer_set(&e->world->engine, &u->timer, at);
	}
	timer_init(&e->timer, entry_stop_fire);
	engine_timer_set(&e->world->engine, &e->timer, e->until);
}

static void stream_init(const struct traffic_entry *e, struct random_stream *r, const char *what)
{
	char name[64];
	snprintf(name, sizeof(name), "traffic %zu %s", (size_t)(e - e->world->traffic.entries), what);
	random_init(r, e->world->options.seed, name);
}

static void entry_init(struct traffic_entry *e, struct world *w, const struct scenario_traffic *s)
{
	e->world = w;
	e->spec = s;
	e->until = s->duration ? nstime_add(s->start, s->duration) : NSTIME_NEVER;
	e->started_first = NSTIME_NEVER;
	stream_init(e, &e->arrivals, "arrivals");
	stream_init(e, &e->bodies, "bodies");
	stream_init(e, &e->replies, "replies");
	stream_init(e, &e->thinks, "thinks");
	stream_init(e, &e->idles, "idles");
	stream_init(e, &e->aborts, "aborts");
	if (s->users) {
		users_init(e);
		return;
	}
	timer_init(&e->timer, entry_fire);
	engine_timer_set(&w->engine, &e->timer, nstime_min(arrival_next(e, 0, s->start), e->until));
}

void traffic_init(struct traffic *t, struct world *w)
{
	const struct scenario *s = w->scenario;
	*t = (struct traffic){.count = w->options.replay ? 0 : s->traffic_count};
	t->entries = calloc(s->traffic_count ? s->traffic_count : 1, sizeof(*t->entries));
	if (!t->entries)
		log_fatal("out of memory for %zu traffic entries", s->traffic_count);
	for (size_t n = 0; n < t->count; n++)
		entry_init(&t->entries[n], w, &s->traffic[n]);
}

void traffic_fini(struct traffic *t)
{
	for (size_t n = 0; n < t->count; n++) {
		struct traffic_entry *e = &t->entries[n];
		engine_timer_cancel(&e->world->engine, &e->timer);
		for (uint64_t i = 0; i < e->spec->users; i++)
			engine_timer_cancel(&e->world->engine, &e->users[i].timer);
		free(e->users);
		free(e->latency_us);
	}
	free(t->entries);
	t->entries = NULL;
	vec_fini(&t->path);
	vec_fini(&t->server_name);
}

static void traffic_completed(struct traffic *t, struct traffic_entry *e, const struct client_outcome *o)
{
	t->completed++;
	e->completed++;
	e->bytes += o->bytes_received + o->bytes_sent;
	if (e->spec->name && !e->latency_us && !(e->latency_us = calloc(1, sizeof(*e->latency_us))))
		log_fatal("out of memory for a histogram");
	if (e->latency_us)
		histogram_add(e->latency_us, (o->ended - o->started) / NSTIME_US);
	histogram_add(&t->latency_us, (o->ended - o->started) / NSTIME_US);
	if (o->first_byte != NSTIME_NEVER)
		histogram_add(&t->first_byte_us, (o->first_byte - o->started) / NSTIME_US);
	if (o->stall)
		histogram_add(&t->stall_us, o->stall / NSTIME_US);
}

void traffic_outcome(struct traffic *t, const struct client_outcome *o)
{
	struct traffic_entry *e = &t->entries[o->tag >> 32];
	uint32_t user = (uint32_t)o->tag;
	t->failed_by[o->failure]++;
	t->bytes += o->bytes_received;
	e->ended_last = o->ended;
	if (o->failure == CLIENT_CORRUPTED)
		t->corrupted++;
	if (o->failure == CLIENT_COMPLETED) {
		traffic_completed(t, e, o);
	} else if (o->failure == CLIENT_ABORTED) {
		t->aborted++;
		e->aborted++;
	} else {
		t->failed++;
		e->failed++;
	}
	if (user)
		user_answered(&e->users[user - 1], o->failure != CLIENT_COMPLETED && o->failure != CLIENT_ABORTED,
			      o->ended);
}

bool traffic_done(const struct traffic *t)
{
	return t->over == t->count && t->completed + t->failed + t->aborted == t->started;
}

uint64_t traffic_goodput_bps(const struct traffic_entry *e)
{
	if (e->ended_last <= e->started_first)
		return 0;
	unsigned __int128 bps = (unsigned __int128)e->bytes * 8 * NSTIME_S / (e->ended_last - e->started_first);
	return bps > UINT64_MAX ? UINT64_MAX : (uint64_t)bps;
}

int traffic_write(const struct traffic *t, const char *directory)
{
	static const char *const columns[] = {"entry",  "name",    "started", "completed",
					      "failed", "aborted", "bytes",   "goodput_bps"};
	struct csv c;
	csv_open(&c, directory, "traffic.csv");
	csv_texts(&c, columns, sizeof(columns) / sizeof(columns[0]));
	csv_end(&c);
	for (size_t n = 0; n < t->count; n++) {
		const struct traffic_entry *e = &t->entries[n];
		csv_number(&c, n + 1);
		csv_text(&c, e->spec->name ? e->spec->name : "");
		csv_number(&c, e->started);
		csv_number(&c, e->completed);
		csv_number(&c, e->failed);
		csv_number(&c, e->aborted);
		csv_number(&c, e->bytes);
		csv_number(&c, traffic_goodput_bps(e));
		csv_end(&c);
	}
	return csv_close(&c);
}
