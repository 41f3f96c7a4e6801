/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads the capture as time goes on, and gives each packet to its connection. */
#include "sim/replay.h"

#include "base/err.h"
#include "base/log.h"
#include "pcap/reader.h"
#include "sim/replay_internal.h"

#include <stdio.h>
#include <stdlib.h>

#define PACKETS_AT_ONCE 32U              /* read before other events have their turn */
#define IDLE_PATIENCE   (300 * NSTIME_S) /* how long the nodes' connections may take to end after the last outcome */

struct replay *replay_open(const struct replay_options *options, char *why, bool *is_filter)
{
	struct replay *r = calloc(1, sizeof(*r));
	char text[CAPTURE_WHY_MAX];

	if (!r)
		log_fatal("out of memory: a replay");
	r->options = *options;
	r->over_at = NSTIME_NEVER;
	*is_filter = false;
	TAILQ_INIT(&r->open);
	TAILQ_INIT(&r->closing);
	TAILQ_INIT(&r->dirty);
	r->capture = capture_open(options->capture, text);
	if (r->capture && options->filter && capture_filter_set(r->capture, options->filter, text)) {
		*is_filter = true;
		capture_close(r->capture);
		r->capture = NULL;
	}
	if (r->capture)
		return r;
	snprintf(why, REPLAY_WHY_MAX, "%.*s", (int)REPLAY_WHY_MAX - 1, text);
	free(r);
	return NULL;
}

void replay_close(struct replay *r)
{
	if (!r)
		return;
	capture_close(r->capture);
	free(r);
}

const char *replay_damage(const struct replay *r)
{
	return r->damage[0] ? r->damage : NULL;
}

bool replay_is_finished(const struct replay *r)
{
	return r->over_at != NSTIME_NEVER;
}

const struct replay_totals *replay_totals(const struct replay *r)
{
	return &r->totals;
}

/* ---- connections ---- */

/* The last packet of the open ones' is the longest ago: it is over, seen or not. */
static void room_make(struct replay *r)
{
	struct replay_conn *c;

	while ((c = TAILQ_FIRST(&r->closing)) &&
	       (c->at + REPLAY_LINGER < r->capture_time || r->closing_count > REPLAY_CLOSING_MAX))
		replay_conn_over(c);
	if (r->captured.count < REPLAY_CONNECTIONS_MAX)
		return;
	c = TAILQ_FIRST(&r->closing);
	if (!c) {
		c = TAILQ_FIRST(&r->open);
		r->totals.forgotten++;
	}
	replay_conn_over(c);
}

/* A SYN with another number than the connection's begins a new one. */
static bool begins_anew(const struct replay_conn *c, unsigned side, const struct dissection *d)
{
	return (d->flags & (TCP_SYN | TCP_ACK)) == TCP_SYN &&
	       (side || (c->client.known && c->client.isn != d->seq) || c->lack == REPLAY_LACK_HANDSHAKE);
}

static void connections_over(struct replay *r)
{
	struct replay_conn *c;

	while ((c = TAILQ_FIRST(&r->closing)) || (c = TAILQ_FIRST(&r->open)))
		replay_conn_over(c);
}

static bool all_gone(const struct replay *r)
{
	return !r->captured.count && !r->live.count && TAILQ_EMPTY(&r->dirty);
}

/* ---- the reader ---- */

/* Looks at what was read: true when it is a TCP packet that counts. */
static bool packet_judge(struct replay *r)
{
	r->totals.packets++;
	dissect(&r->dissection, &r->packet);
	if (r->packet.told.lost || r->packet.told.encapsulated) {
		r->totals.lost += r->packet.told.lost;
		r->totals.encapsulated += !r->packet.told.lost;
		return false;
	}
	if (r->dissection.kind == DISSECT_TCP)
		return true;
	if (r->dissection.kind == DISSECT_MALFORMED)
		r->totals.malformed++;
	else
		r->totals.other++;
	return false;
}

/* Time of the capture goes on: never back, and not for long at once. */
static void time_see(struct replay *r)
{
	int64_t t = r->packet.time_ns;
	uint64_t step = r->last_known && t > r->last_ns ? (uint64_t)t - (uint64_t)r->last_ns : 0;

	if (!r->last_known || t > r->last_ns)
		r->last_ns = t;
	r->last_known = true;
	r->capture_time += step < REPLAY_PAUSE_MAX ? step : REPLAY_PAUSE_MAX;
}

/* When the packet at this time of the capture is due. */
static nstime due(const struct replay *r)
{
	if (r->options.speed_milli == REPLAY_SPEED_MAX)
		return 0;
	return r->base + (nstime)((unsigned __int128)r->capture_time * 1000 / r->options.speed_milli);
}

static void capture_end(struct replay *r, int result)
{
	if (result < 0) {
		r->totals.cut = true;
		snprintf(r->damage, sizeof(r->damage), "%.*s", (int)sizeof(r->damage) - 1, capture_why(r->capture));
	}
	r->reading = false;
	r->has_packet = false;
	connections_over(r);
}

/* The next TCP packet is in r->packet, with its dissection. False: there is none any more. */
static bool packet_fetch(struct replay *r)
{
	while (!r->has_packet) {
		int result = capture_next(r->capture, &r->packet);

		if (result != 1) {
			capture_end(r, result);
			return false;
		}
		r->has_packet = packet_judge(r);
		if (r->has_packet)
			time_see(r);
	}
	return true;
}

/* Whether a packet of no known connection has a wrong checksum: its addresses or ports may be what is wrong. */
static bool is_stray(const struct replay *r)
{
	uint16_t error;

	return !(r->dissection.flags & TCP_SYN) &&
	       replay_checksum_judge(&r->dissection, &error) == REPLAY_CHECKSUM_WRONG;
}

/* False: its connection must go on first. */
static bool packet_give(struct replay *r)
{
	struct replay_conn *c;
	unsigned side = 0;

	c = replay_captured_find(r, &r->dissection.tuple, &side);
	if (c && replay_conn_is_full(c))
		replay_conn_fill(c); /* what it waits for does not come any more */
	if (c && replay_conn_is_full(c)) {
		r->blocker = c;
		c->progress_at = replay_now(r);
		replay_client_timer_set(c);
		return false;
	}
	if (r->held > REPLAY_HELD_MAX && !r->blocked) {
		r->blocked = true;
		engine_timer_set(&r->world->engine, &r->reader, replay_now(r) + REPLAY_HELD_PATIENCE);
		return false;
	}
	r->blocked = false;
	r->has_packet = false;
	if (c && begins_anew(c, side, &r->dissection)) {
		replay_conn_over(c);
		c = NULL;
	}
	if (!c && is_stray(r)) {
		r->totals.wrong++;
		return true;
	}
	if (!c) {
		room_make(r);
		c = replay_conn_new(r, &r->dissection, &r->packet);
		c->selected = r->packet.matches;
		if (c->selected)
			c->number = ++r->numbers;
		side = !tuple_equal(&c->captured, &r->dissection.tuple);
	}
	replay_conn_packet(c, side, &r->dissection, &r->packet);
	return true;
}

static void reader_set(struct replay *r, nstime at)
{
	engine_timer_set(&r->world->engine, &r->reader, at);
}

/* The next time through the capture, or the end. */
static void loop_next(struct replay *r)
{
	char why[CAPTURE_WHY_MAX];

	if (r->over_at != NSTIME_NEVER || r->reading || !all_gone(r))
		return;
	if (r->loop < r->options.loops && !r->totals.cut) {
		capture_close(r->capture);
		r->capture = capture_open(r->options.capture, why);
		if (r->capture && (!r->options.filter || !capture_filter_set(r->capture, r->options.filter, why))) {
			r->loop++;
			r->reading = true;
			r->last_known = false;
			r->capture_time = 0;
			r->base = replay_now(r);
			reader_set(r, replay_now(r));
			return;
		}
		snprintf(r->damage, sizeof(r->damage), "opened once more: %.200s", why);
	}
	r->over_at = replay_now(r);
	r->totals.virtual_ns = r->over_at;
	world_end_look(r->world);
}

static void reader_fire(struct timer *t, nstime now)
{
	struct replay *r = (struct replay *)(void *)((char *)t - offsetof(struct replay, reader));

	for (unsigned n = 0; n < PACKETS_AT_ONCE; n++) {
		if (!packet_fetch(r)) {
			loop_next(r);
			return;
		}
		if (due(r) > now) {
			reader_set(r, due(r));
			return;
		}
		if (!packet_give(r))
			return;
	}
	reader_set(r, now);
}

void replay_resume(struct replay *r)
{
	if (r->reading &&
	    ((r->blocker && !replay_conn_is_full(r->blocker)) || (r->blocked && r->held <= REPLAY_HELD_MAX / 2))) {
		r->blocker = NULL;
		r->blocked = false;
		reader_set(r, replay_now(r));
	}
}

/* ---- what goes on behind the reader ---- */

void replay_mark(struct replay_conn *c)
{
	struct replay *r = c->replay;

	if (c->is_dirty)
		return;
	c->is_dirty = true;
	TAILQ_INSERT_TAIL(&r->dirty, c, dirty);
	if (!timer_is_set(&r->tend))
		engine_timer_set(&r->world->engine, &r->tend, replay_now(r));
}

static const char *server_name(const struct replay_conn *c)
{
	return c->player ? c->player->spec->name : "the server";
}

/* What its parts noticed. */
static void faults_see(struct replay_conn *c)
{
	enum script_fault client = c->socket ? replay_socket_fault(c) : SCRIPT_GOOD;

	if (c->answered && c->first_by_server)
		replay_conn_fail(c, REPLAY_FIRST_BY_SERVER);
	else if (c->answered && c->alert)
		replay_conn_fail(c, "refused by the classifier with TLS alert %llu: %s", (unsigned long long)c->answer,
				 c->answer_why);
	else if (c->answered)
		replay_conn_fail(c, "answered %llu by the classifier: %s", (unsigned long long)c->answer,
				 c->answer_why[0] ? c->answer_why : "it had no whole request in time");
	else if (c->script.fault == SCRIPT_DIFFERENT)
		replay_conn_fail(c, "the client's byte %llu came different to %s",
				 (unsigned long long)c->script.read + 1, server_name(c));
	else if (c->script.fault == SCRIPT_EXTRA)
		replay_conn_fail(c, "more than the client's %llu bytes came to %s", (unsigned long long)c->script.read,
				 server_name(c));
	else if (client == SCRIPT_DIFFERENT)
		replay_conn_fail(c, "the server's byte %llu came different", (unsigned long long)c->arrived + 1);
	else if (client == SCRIPT_EXTRA)
		replay_conn_fail(c, "the live server said more than the captured one's %llu bytes",
				 (unsigned long long)c->arrived);
	else if (client == SCRIPT_BROKEN && !c->script.reset)
		replay_conn_fail(c, "the client's connection broke after %llu of the server's bytes",
				 (unsigned long long)c->arrived);
	else if (c->script.fault == SCRIPT_BROKEN && !c->reset_sent)
		replay_conn_fail(c, "the connection broke at %s", server_name(c));
}

static void conn_tend(struct replay_conn *c)
{
	if (c->host && !c->dead) {
		faults_see(c);
		if (!c->dead && !c->socket && c->wait == REPLAY_WAIT_READ)
			replay_client_run(c);
		if (!c->dead && script_resets(&c->script))
			replay_conn_wake_server(c);
	}
	replay_conn_count(c);
	replay_conn_settle(c);
}

static void tend_fire(struct timer *t, nstime now)
{
	struct replay *r = (struct replay *)(void *)((char *)t - offsetof(struct replay, tend));
	struct replay_conn *c;
	(void)now;

	while ((c = TAILQ_FIRST(&r->dirty))) {
		TAILQ_REMOVE(&r->dirty, c, dirty);
		c->is_dirty = false;
		conn_tend(c);
	}
	replay_resume(r);
	loop_next(r);
}

/* ---- for the world ---- */

int replay_start(struct replay *r, struct world *w, const char **why)
{
	r->world = w;
	hash_key_init(&r->key, w->options.seed, "replay");
	replay_table_init(&r->captured);
	replay_table_init(&r->live);
	timer_init(&r->reader, reader_fire);
	timer_init(&r->tend, tend_fire);
	int err = replay_hosts_init(r, why);

	if (err)
		return err;
	r->loop = 1;
	r->reading = true;
	reader_set(r, 0);
	return 0;
}

void replay_stop(struct replay *r)
{
	struct replay_conn *c;

	if (!r->world)
		return;
	for (size_t i = 0; i < r->live.lists_count; i++)
		while ((c = LIST_FIRST(&r->live.lists[i])))
			replay_conn_free(c);
	while ((c = TAILQ_FIRST(&r->closing)) || (c = TAILQ_FIRST(&r->open)))
		replay_conn_free(c);
	engine_timer_cancel(&r->world->engine, &r->reader);
	engine_timer_cancel(&r->world->engine, &r->tend);
	replay_hosts_fini(r);
	replay_table_fini(&r->captured);
	replay_table_fini(&r->live);
	r->world = NULL;
}

static struct script *script_find(void *context, const struct tuple *t)
{
	struct world_node *wn = context;
	struct replay_conn *c = replay_live_find(wn->world->options.replay, t);

	if (!c || c->dead)
		return NULL;
	c->player = wn;
	return &c->script;
}

struct script_source replay_scripts(struct world_node *wn)
{
	return (struct script_source){.find = script_find, .context = wn};
}

void replay_observe(struct replay *r, nstime now, enum trace_event event, const struct trace_field *fields,
		    size_t count)
{
	const struct tuple *t;
	struct replay_conn *c;

	if (event != TRACE_CLASSIFIER_CHOOSE && event != TRACE_HANDOFF_COMMITTED && event != TRACE_CLASSIFIER_ANSWER)
		return;
	t = trace_field_tuple(fields, count, "tuple");
	c = t && r->world ? replay_live_find(r, t) : NULL;
	if (!c)
		return;
	if (event == TRACE_CLASSIFIER_CHOOSE) {
		c->rule = breakdown_rule_of(&r->world->rules, r->world->scenario, fields, count);
	} else if (event == TRACE_HANDOFF_COMMITTED) {
		if (!c->handoffs++) {
			c->handed_over = now;
			c->handoff_ns = trace_field_u64(fields, count, "latency_ns");
		}
		c->backend = (size_t)trace_field_u64(fields, count, "device") - 1;
	} else {
		const char *why = trace_field_text(fields, count, "why");

		c->answered = true;
		c->alert = !trace_field_u64(fields, count, "status");
		c->answer = trace_field_u64(fields, count, c->alert ? "alert" : "status");
		snprintf(c->answer_why, sizeof(c->answer_why), "%s", why ? why : "");
		replay_mark(c);
	}
}

bool replay_is_over(const struct replay *r, bool idle, nstime now)
{
	return r->over_at != NSTIME_NEVER && (idle || now > r->over_at + IDLE_PATIENCE);
}
