/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/drain.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define INTERVAL_DEFAULT     (10 * NSTIME_MS)
#define ASK_INTERVAL_DEFAULT (100 * NSTIME_MS)
#define ASKS_MAX_DEFAULT     8U
#define PAUSE_DEFAULT        (200 * NSTIME_MS)

enum move_state {
	MOVE_FREE,
	MOVE_ASKING,
	MOVE_CHOSEN,  /* the answer is there, drain_output has not told it yet */
	MOVE_HANDING, /* the owner was told */
	MOVE_NOWHERE, /* no device; drain_output has not told it yet */
};

struct drain_move {
	enum move_state state;
	void *user;
	struct message_choice choice; /* what is asked for: devices are those excluded */
	uint16_t origin;
	uint16_t device; /* chosen */
	uint32_t asks;
	nstime due; /* ASKING: of the next CHOOSE */
};

struct drain {
	struct drain_config config;
	uint16_t *classifiers;
	struct drain_move *moves; /* moves_max places */
	uint32_t moves_count;
	uint32_t connections;
	bool active;
	nstime until;    /* when what is left stays; NSTIME_NEVER: without limit; 0: it has passed */
	nstime sweep_at; /* NSTIME_NEVER: nothing to sweep */
	bool sweep_due, sweeping;
	struct outbox outbox;
	struct drain_counters counters;
};

static void config_defaults(struct drain_config *c)
{
	c->moves_max = c->moves_max ? c->moves_max : DRAIN_MOVES_DEFAULT;
	c->interval = c->interval ? c->interval : INTERVAL_DEFAULT;
	c->ask_interval = c->ask_interval ? c->ask_interval : ASK_INTERVAL_DEFAULT;
	c->asks_max = c->asks_max ? c->asks_max : ASKS_MAX_DEFAULT;
	c->pause = c->pause ? c->pause : PAUSE_DEFAULT;
}

struct drain *drain_new(const struct drain_config *config)
{
	struct drain *d = calloc(1, sizeof *d);
	size_t bytes = config->classifiers_count * sizeof *d->classifiers;

	if (!d)
		log_fatal("out of memory: draining");
	d->config = *config;
	config_defaults(&d->config);
	d->moves = calloc(d->config.moves_max, sizeof *d->moves);
	d->classifiers = malloc(bytes + 1);
	if (!d->moves || !d->classifiers)
		log_fatal("out of memory: %u moves", d->config.moves_max);
	if (bytes)
		memcpy(d->classifiers, config->classifiers, bytes);
	d->until = d->sweep_at = NSTIME_NEVER;
	return d;
}

void drain_free(struct drain *d)
{
	if (!d)
		return;
	outbox_clear(&d->outbox);
	free(d->moves);
	free(d->classifiers);
	free(d);
}

void drain_begin(struct drain *d, nstime within, nstime now)
{
	if (d->active)
		return;
	d->active = true;
	d->until = nstime_add(now, within);
	d->sweep_due = d->connections > 0;
	d->counters.drains++;
	TRACE(d->config.trace, now, TRACE_DRAIN_BEGIN, TF_U64("connections", d->connections));
}

void drain_end(struct drain *d, nstime now)
{
	if (!d->active)
		return;
	d->active = false;
	d->sweep_due = false;
	d->until = d->sweep_at = NSTIME_NEVER;
	TRACE(d->config.trace, now, TRACE_DRAIN_END, TF_U64("connections", d->connections));
}

bool drain_active(const struct drain *d)
{
	return d->active;
}

/* Whether connections are still to be moved. */
static bool moving(const struct drain *d)
{
	return d->active && d->until != 0;
}

void drain_connections(struct drain *d, uint32_t connections, nstime now)
{
	uint32_t before = d->connections;

	d->connections = connections;
	if (!d->active || before == connections)
		return;
	if (!connections) {
		d->sweep_at = NSTIME_NEVER;
		TRACE(d->config.trace, now, TRACE_DRAIN_EMPTY, TF_U64("moved", d->counters.moved),
		      TF_U64("ended", d->counters.ended));
	} else if (moving(d) && !d->sweep_due && d->sweep_at == NSTIME_NEVER) {
		d->sweep_at = nstime_add(now, d->config.interval);
	}
}

static void move_free(struct drain *d, struct drain_move *m)
{
	m->state = MOVE_FREE;
	d->moves_count--;
}

/* Asks the connection's classifier first, then all in turn. */
static void ask(struct drain *d, struct drain_move *m, nstime now)
{
	uint16_t to = m->origin;

	if (m->asks && d->config.classifiers_count)
		to = d->classifiers[(m->asks - 1) % d->config.classifiers_count];
	m->asks++;
	m->due = nstime_add(now, d->config.ask_interval);
	outbox_put_choice(&d->outbox, to, &m->choice);
}

struct drain_move *drain_offer(struct drain *d, const struct blob_mapping *mapping, void *user, nstime now)
{
	struct drain_move *m = d->moves;

	assert(d->sweeping);
	if (d->moves_count == d->config.moves_max) {
		d->counters.waited++;
		return NULL;
	}
	while (m->state != MOVE_FREE)
		m++;
	d->moves_count++;
	*m = (struct drain_move){
		.state = MOVE_ASKING,
		.user = user,
		.choice = {.type = MESSAGE_CHOOSE,
			   .service = mapping->service,
			   .rule = mapping->rule,
			   .tuple = mapping->tuple,
			   .devices = {d->config.self},
			   .devices_count = 1},
		.origin = mapping->origin,
	};
	ask(d, m, now);
	return m;
}

void drain_swept(struct drain *d, nstime now)
{
	assert(d->sweeping);
	d->sweeping = false;
	if (d->connections && d->sweep_at == NSTIME_NEVER)
		d->sweep_at = nstime_add(now, d->config.interval);
}

void drain_moved(struct drain *d, struct drain_move *m)
{
	d->counters.moved++;
	move_free(d, m);
}

/* There is no device for it, for now. */
static void nowhere(struct drain *d, struct drain_move *m, nstime now)
{
	d->counters.nowhere++;
	if (moving(d))
		d->sweep_at = nstime_add(now, d->config.pause);
	m->state = MOVE_NOWHERE;
}

bool drain_refused(struct drain *d, struct drain_move *m, nstime now)
{
	struct message_choice *c = &m->choice;

	d->counters.refused++;
	if (!d->active || c->devices_count == MESSAGE_DEVICES_MAX) {
		move_free(d, m);
		return false;
	}
	c->devices[c->devices_count++] = m->device;
	m->state = MOVE_ASKING;
	m->asks = 0;
	ask(d, m, now);
	return true;
}

void drain_not_now(struct drain *d, struct drain_move *m)
{
	move_free(d, m);
}

void drain_ended(struct drain *d)
{
	d->counters.ended += d->active;
}

void drain_message(struct drain *d, uint16_t from, const uint8_t *bytes, size_t len, nstime now)
{
	struct message_choice c;
	struct drain_move *m = NULL;

	if (message_choice_decode(&c, MESSAGE_CHOSEN, bytes, len))
		return;
	for (uint32_t i = 0; i < d->config.moves_max && !m; i++)
		if (d->moves[i].state == MOVE_ASKING && tuple_equal(&d->moves[i].choice.tuple, &c.tuple))
			m = &d->moves[i];
	if (!m)
		return; /* answered already, or ended */
	if (!c.devices_count) {
		nowhere(d, m, now);
		return;
	}
	/* One that was excluded meanwhile: the answer to an earlier question. */
	for (size_t i = 0; i < m->choice.devices_count; i++)
		if (m->choice.devices[i] == c.devices[0])
			return;
	m->state = MOVE_CHOSEN;
	m->device = c.devices[0];
	TRACE(d->config.trace, now, TRACE_DRAIN_CHOSEN, TF_TUPLE("tuple", &c.tuple), TF_U64("device", m->device),
	      TF_U64("classifier", from));
}

bool drain_output(struct drain *d, struct drain_action *action)
{
	for (uint32_t i = 0; i < d->config.moves_max && d->moves_count; i++) {
		struct drain_move *m = &d->moves[i];

		if (m->state != MOVE_CHOSEN && m->state != MOVE_NOWHERE)
			continue;
		*action = (struct drain_action){DRAIN_NOWHERE, NULL, m->user, m->device};
		if (m->state == MOVE_NOWHERE) {
			move_free(d, m);
		} else {
			action->kind = DRAIN_HAND;
			action->move = m;
			m->state = MOVE_HANDING;
		}
		return true;
	}
	if (!d->sweep_due)
		return false;
	d->sweep_due = false;
	d->sweeping = true;
	d->sweep_at = NSTIME_NEVER;
	*action = (struct drain_action){.kind = DRAIN_SWEEP};
	return true;
}

struct outbox *drain_outbox(struct drain *d)
{
	return &d->outbox;
}

nstime drain_expiry(const struct drain *d)
{
	nstime at = d->sweep_at;

	if (d->until && d->connections)
		at = nstime_min(at, d->until);
	for (uint32_t i = 0; i < d->config.moves_max && d->moves_count; i++)
		if (d->moves[i].state == MOVE_ASKING)
			at = nstime_min(at, d->moves[i].due);
	return at;
}

void drain_expire(struct drain *d, nstime now)
{
	for (uint32_t i = 0; i < d->config.moves_max && d->moves_count; i++) {
		struct drain_move *m = &d->moves[i];

		if (m->state != MOVE_ASKING || m->due > now)
			continue;
		if (m->asks == d->config.asks_max)
			nowhere(d, m, now);
		else
			ask(d, m, now);
	}
	if (d->until && d->until <= now) {
		d->until = 0;
		d->sweep_at = NSTIME_NEVER;
		d->counters.stayed += d->connections - d->moves_count;
		TRACE(d->config.trace, now, TRACE_DRAIN_STAY, TF_U64("connections", d->connections - d->moves_count));
	}
	if (d->sweep_at <= now) {
		d->sweep_at = NSTIME_NEVER;
		d->sweep_due = true;
	}
}

const struct drain_counters *drain_counters(const struct drain *d)
{
	return &d->counters;
}

uint32_t drain_moves(const struct drain *d)
{
	return d->moves_count;
}
