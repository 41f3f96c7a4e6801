/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/migrator.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/log.h"
#include "lb/index.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#define CONNECTIONS_MAX_DEFAULT 65536U
#define REJECTED_MAX_DEFAULT    65536U
#define READY_MIN_DEFAULT       (20 * NSTIME_MS)
#define READY_MAX_DEFAULT       (200 * NSTIME_MS)
#define HOLD_MAX_DEFAULT        (10 * NSTIME_S)
#define ASK_MAX_DEFAULT         (30 * NSTIME_S)

enum item_state {
	ITEM_FREE,
	ITEM_HELD,
	ITEM_ACTIVE,
	ITEM_REJECTED,
};

/* One connection, or one rejected hand-off whose packets wait for its end. */
struct item {
	struct timer timer;
	uint32_t number; /* of its place in migrator.items; when free, the next free one's */
	enum item_state state;
	struct blob_mapping mapping;
	struct endpoint_conn *conn;
	nstime since;    /* in its state */
	nstime interval; /* to the next READY */
};

/* HELD and ACTIVE ones are in by_tuple, all are in by_flow. */
struct migrator {
	struct migrator_config config;
	struct driver *driver;
	struct endpoint endpoint;
	struct hash_key key;
	struct index by_tuple, by_flow;
	struct heap timers;
	struct item *items;
	uint32_t items_max; /* connections and rejected hand-offs */
	uint32_t items_fresh, items_free;
	uint32_t counts[ITEM_REJECTED + 1]; /* by state */
	uint64_t forwarder_boot;
	bool draining;
	nstime announce_at;      /* NSTIME_NEVER: there is nothing to announce */
	uint32_t announce_next;  /* place in items */
	struct conn_state state; /* of the blob in hand; kept for its memory */
	struct outbox outbox;
	struct migrator_counters counters;
};

static void config_defaults(struct migrator_config *c)
{
	c->connections_max = c->connections_max ? c->connections_max : CONNECTIONS_MAX_DEFAULT;
	c->rejected_max = c->rejected_max ? c->rejected_max : REJECTED_MAX_DEFAULT;
	c->ready_min = c->ready_min ? c->ready_min : READY_MIN_DEFAULT;
	c->ready_max = c->ready_max ? c->ready_max : READY_MAX_DEFAULT;
	c->hold_max = c->hold_max ? c->hold_max : HOLD_MAX_DEFAULT;
	c->ask_max = c->ask_max ? c->ask_max : ASK_MAX_DEFAULT;
}

struct migrator *migrator_new(const struct migrator_config *config, struct driver *driver, const struct endpoint *ep)
{
	struct migrator *m = calloc(1, sizeof *m);

	if (!m)
		log_fatal("out of memory: a migrator");
	m->config = *config;
	config_defaults(&m->config);
	m->driver = driver;
	m->endpoint = *ep;
	hash_key_init(&m->key, config->seed, config->name);
	m->items_max = m->config.connections_max + m->config.rejected_max;
	index_init(&m->by_tuple, m->items_max);
	index_init(&m->by_flow, m->items_max);
	heap_init(&m->timers);
	m->items_free = INDEX_NONE;
	m->announce_at = NSTIME_NEVER;
	m->items = calloc(m->items_max, sizeof *m->items);
	if (!m->items)
		log_fatal("out of memory: %u connections", m->items_max);
	return m;
}

void migrator_free(struct migrator *m)
{
	if (!m)
		return;
	conn_state_fini(&m->state);
	outbox_clear(&m->outbox);
	index_fini(&m->by_tuple);
	index_fini(&m->by_flow);
	heap_fini(&m->timers);
	free(m->items);
	free(m);
}

static uint32_t tuple_hash(const struct migrator *m, const struct tuple *t)
{
	return (uint32_t)hash_bytes(&m->key, t, sizeof *t);
}

static uint32_t flow_hash(const struct migrator *m, uint32_t flow)
{
	return (uint32_t)hash_bytes(&m->key, &flow, sizeof flow);
}

static struct item *item_by_tuple(const struct migrator *m, const struct tuple *t)
{
	uint32_t hash = tuple_hash(m, t);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&m->by_tuple, hash, &cursor)) != INDEX_NONE)
		if (tuple_equal(&m->items[number].mapping.tuple, t))
			return &m->items[number];
	return NULL;
}

static struct item *item_by_mapping(const struct migrator *m, const struct blob_mapping *b)
{
	uint32_t hash = flow_hash(m, b->flow);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&m->by_flow, hash, &cursor)) != INDEX_NONE) {
		const struct blob_mapping *a = &m->items[number].mapping;

		if (a->flow == b->flow && a->generation == b->generation && a->handoff == b->handoff &&
		    a->first == b->first && a->first_boot == b->first_boot && tuple_equal(&a->tuple, &b->tuple))
			return &m->items[number];
	}
	return NULL;
}

static void item_state(struct migrator *m, struct item *i, enum item_state state)
{
	m->counts[i->state]--;
	m->counts[state]++;
	i->state = state;
}

/* Precondition: there are fewer of its kind, connections or rejected hand-offs, than may be. */
static struct item *item_new(struct migrator *m, const struct blob_mapping *mapping, enum item_state state, nstime now)
{
	uint32_t number = m->items_free;
	struct item *i;

	if (number != INDEX_NONE)
		m->items_free = m->items[number].number;
	else
		number = m->items_fresh++;
	assert(number < m->items_max);
	i = &m->items[number];
	*i = (struct item){.number = number, .mapping = *mapping, .since = now};
	m->counts[ITEM_FREE]++;
	item_state(m, i, state);
	timer_init(&i->timer, NULL);
	index_insert(&m->by_flow, flow_hash(m, mapping->flow), number);
	if (state != ITEM_REJECTED)
		index_insert(&m->by_tuple, tuple_hash(m, &mapping->tuple), number);
	return i;
}

static void item_free(struct migrator *m, struct item *i)
{
	uint32_t number = i->number;

	heap_remove(&m->timers, &i->timer);
	index_remove(&m->by_flow, flow_hash(m, i->mapping.flow), number);
	if (i->state != ITEM_REJECTED)
		index_remove(&m->by_tuple, tuple_hash(m, &i->mapping.tuple), number);
	item_state(m, i, ITEM_FREE);
	m->counts[ITEM_FREE]--;
	i->number = m->items_free;
	m->items_free = number;
}

static void send(struct migrator *m, uint16_t to, enum message_type type, enum message_reason reason,
		 const struct blob_mapping *b)
{
	struct message message = {
		.type = type,
		.reason = reason,
		.flow = b->flow,
		.generation = b->generation,
		.handoff = b->handoff,
		.first = b->first,
		.second = b->second,
		.first_boot = b->first_boot,
		.second_boot = m->config.boot,
		.tuple = b->tuple,
	};

	outbox_put(&m->outbox, to, &message, 0);
}

/* Tells the first device; `item` says whether the driver holds the flow until the end of the hand-off is known. */
static void reject(struct migrator *m, const struct blob_mapping *b, enum message_reason reason, const char *why,
		   bool stored, nstime now)
{
	bool waits = stored && m->counts[ITEM_REJECTED] < m->config.rejected_max;
	struct item *i = waits ? item_new(m, b, ITEM_REJECTED, now) : NULL;

	m->counters.rejected[reason]++;
	TRACE(m->config.trace, now, TRACE_MIGRATOR_REJECT, TF_TUPLE("tuple", &b->tuple), TF_U64("flow", b->flow),
	      TF_U64("first", b->first), TF_TEXT("reason", message_reason_text(reason)), TF_TEXT("why", why));
	send(m, b->first, MESSAGE_REJECT, reason, b);
	if (i)
		heap_set(&m->timers, &i->timer, nstime_add(now, m->config.hold_max));
	else if (stored)
		driver_flow_abort(m->driver, b, now); /* no room to wait: they go back at once */
}

static enum message_reason infuse_reason(int err)
{
	switch (err) {
	case E_EXISTS:
		return MESSAGE_REASON_EXISTS;
	case E_REFUSED:
		return MESSAGE_REASON_LISTENER;
	case E_FULL:
		return MESSAGE_REASON_BUSY;
	default:
		return MESSAGE_REASON_BLOB_STATE;
	}
}

/* A bundle whose mapping the driver stored: its state, checked, goes into the stack, held (C3, C15). */
static void bundle(struct migrator *m, const struct blob_mapping *b, nstime now)
{
	struct endpoint_conn *conn;
	const char *why = "";
	struct item *i;
	int err = conn_state_validate(&m->state, &why);

	if (err) {
		reject(m, b, MESSAGE_REASON_BLOB_STATE, why, true, now);
		return;
	}
	TRACE(m->config.trace, now, TRACE_MIGRATOR_REASSEMBLE, TF_TUPLE("tuple", &b->tuple), TF_U64("flow", b->flow),
	      TF_U64("data", m->state.data.len), TF_U64("segments", conn_segment_count(&m->state)));
	if (m->draining) {
		reject(m, b, MESSAGE_REASON_DRAINING, "draining", true, now);
		return;
	}
	if (m->counts[ITEM_HELD] + m->counts[ITEM_ACTIVE] >= m->config.connections_max) {
		reject(m, b, MESSAGE_REASON_BUSY, "connections", true, now);
		return;
	}
	if (item_by_tuple(m, &b->tuple)) {
		reject(m, b, MESSAGE_REASON_EXISTS, "tuple", true, now);
		return;
	}
	err = m->endpoint.ops->infuse(m->endpoint.ep, &m->state, &conn, now);
	if (err) {
		reject(m, b, infuse_reason(err), err_text(err), true, now);
		return;
	}
	i = item_new(m, b, ITEM_HELD, now);
	i->conn = conn;
	i->interval = m->config.ready_min;
	m->counters.infused++;
	heap_set(&m->timers, &i->timer, nstime_add(now, i->interval));
	send(m, m->config.forwarder, MESSAGE_READY, MESSAGE_REASON_NONE, b);
	TRACE(m->config.trace, now, TRACE_MIGRATOR_READY, TF_TUPLE("tuple", &b->tuple), TF_U64("flow", b->flow),
	      TF_U64("generation", b->generation), TF_U64("handoff", b->handoff));
}

static void blob(struct migrator *m, uint16_t from, uint64_t from_boot, const uint8_t *bytes, size_t len, nstime now)
{
	struct blob_mapping b = {.first = from, .first_boot = from_boot, .second = m->config.self};
	const char *why = "";
	int err = driver_blob(m->driver, bytes, len, &b, &m->state, &why, now);

	m->counters.blobs++;
	switch (err) {
	case 0:
		bundle(m, &b, now);
		break;
	case E_REFUSED:
		m->counters.misaddressed++;
		break;
	case E_STALE:
		m->counters.duplicates++;
		break;
	case E_EXISTS:
		if (item_by_mapping(m, &b))
			m->counters.duplicates++;
		else
			reject(m, &b, MESSAGE_REASON_FLOW, "flow", false, now);
		break;
	case E_FULL:
		reject(m, &b, MESSAGE_REASON_BUSY, "flows", false, now);
		break;
	default:
		m->counters.undecodable++;
		TRACE(m->config.trace, now, TRACE_MIGRATOR_REJECT, TF_U64("first", from),
		      TF_TEXT("reason", err_text(err)), TF_TEXT("why", why));
		break;
	}
}

static void committed(struct migrator *m, struct item *i, nstime now)
{
	if (i->state != ITEM_HELD)
		return; /* repeated */
	item_state(m, i, ITEM_ACTIVE);
	heap_remove(&m->timers, &i->timer);
	m->counters.activated++;
	TRACE(m->config.trace, now, TRACE_MIGRATOR_ACTIVATE, TF_TUPLE("tuple", &i->mapping.tuple),
	      TF_U64("flow", i->mapping.flow), TF_U64("generation", i->mapping.generation),
	      TF_U64("held_ns", now - i->since));
	i->since = now;
	m->endpoint.ops->activate(m->endpoint.ep, i->conn, now);
	driver_flow_activate(m->driver, i->mapping.flow, now);
}

/* Ends a held or rejected hand-off; its packets go back to the forwarder. */
static void discard(struct migrator *m, struct item *i, const char *why, nstime now)
{
	if (i->state == ITEM_HELD) {
		m->counters.discarded++;
		TRACE(m->config.trace, now, TRACE_MIGRATOR_DISCARD, TF_TUPLE("tuple", &i->mapping.tuple),
		      TF_U64("flow", i->mapping.flow), TF_TEXT("why", why));
		m->endpoint.ops->discard(m->endpoint.ep, i->conn);
	}
	driver_flow_abort(m->driver, &i->mapping, now);
	item_free(m, i);
}

static void from_forwarder(struct migrator *m, const struct message *message, nstime now)
{
	struct blob_mapping b = {
		.flow = message->flow,
		.generation = message->generation,
		.handoff = message->handoff,
		.first = message->first,
		.second = message->second,
		.first_boot = message->first_boot,
		.tuple = message->tuple,
	};
	struct item *i = item_by_mapping(m, &b);
	bool here = i && i->state != ITEM_REJECTED;

	switch (message->type) {
	case MESSAGE_COMMITTED:
		if (here)
			committed(m, i, now);
		else /* given up meanwhile: the entry must not go on pointing here */
			send(m, m->config.forwarder, MESSAGE_GONE, MESSAGE_REASON_NONE, &b);
		break;
	case MESSAGE_ABORTED:
		if (!i)
			driver_flow_abort(m->driver, &b, now); /* its blob may be on its way yet */
		else if (i->state == ITEM_ACTIVE)
			m->counters.unexpected++;
		else
			discard(m, i, "aborted", now);
		break;
	default: /* QUERY */
		send(m, m->config.forwarder, here ? MESSAGE_ALIVE : MESSAGE_GONE, MESSAGE_REASON_NONE, &b);
		break;
	}
}

void migrator_message(struct migrator *m, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
		      size_t len, nstime now)
{
	struct message message;

	if (type == MESSAGE_BLOB) {
		blob(m, from, from_boot, bytes, len, now);
		return;
	}
	if (message_decode(&message, type, bytes, len)) {
		m->counters.malformed++;
		return;
	}
	if ((type != MESSAGE_COMMITTED && type != MESSAGE_ABORTED && type != MESSAGE_QUERY) ||
	    from != m->config.forwarder || message.second != m->config.self) {
		m->counters.unexpected++;
		return;
	}
	migrator_peer_restarted(m, from, from_boot, now);
	if (from_boot < m->forwarder_boot || message.second_boot != m->config.boot) {
		m->counters.stale++;
		return;
	}
	from_forwarder(m, &message, now);
}

void migrator_connection_closed(struct migrator *m, const struct tuple *t, nstime now)
{
	struct item *i = item_by_tuple(m, t);
	struct blob_mapping told;

	if (!i || i->state != ITEM_ACTIVE)
		return;
	m->counters.closed++;
	driver_flow_close(m->driver, i->mapping.flow, now);
	told = i->mapping;
	send(m, m->config.forwarder, MESSAGE_CLOSED, MESSAGE_REASON_NONE, &told);
	if (told.origin != m->config.forwarder || told.first != told.origin) { /* it counts backends' connections */
		told.first = told.origin;
		told.first_boot = told.origin_boot;
		send(m, told.origin, MESSAGE_CLOSED, MESSAGE_REASON_NONE, &told);
	}
	item_free(m, i);
}

void migrator_drain(struct migrator *m, bool draining)
{
	m->draining = draining;
}

const struct blob_mapping *migrator_active(const struct migrator *m, const struct tuple *t)
{
	const struct item *i = item_by_tuple(m, t);

	return i && i->state == ITEM_ACTIVE ? &i->mapping : NULL;
}

void migrator_connection_moved(struct migrator *m, const struct tuple *t, nstime now)
{
	struct item *i = item_by_tuple(m, t);

	if (!i || i->state != ITEM_ACTIVE)
		return;
	driver_flow_close(m->driver, i->mapping.flow, now);
	item_free(m, i);
}

void migrator_peer_restarted(struct migrator *m, uint16_t device, uint64_t boot, nstime now)
{
	if (device != m->config.forwarder || boot <= m->forwarder_boot)
		return;
	/* What is held may be known to the new one too, when it was prepared there: ask. */
	for (uint32_t n = 0; n < m->items_fresh; n++)
		if (m->forwarder_boot && m->items[n].state == ITEM_HELD) {
			m->items[n].interval = m->config.ready_min;
			heap_set(&m->timers, &m->items[n].timer, now);
		}
	if (m->forwarder_boot && m->counts[ITEM_ACTIVE]) {
		m->announce_at = now;
		m->announce_next = 0;
	}
	m->forwarder_boot = boot;
}

struct outbox *migrator_outbox(struct migrator *m)
{
	return &m->outbox;
}

nstime migrator_expiry(const struct migrator *m)
{
	const struct timer *t = heap_peek(&m->timers);

	return nstime_min(t ? t->at : NSTIME_NEVER, m->announce_at);
}

/* Tells a forwarder that restarted of so many connections at most: they share the courier with the rest. */
static void announce(struct migrator *m, nstime now)
{
	uint32_t left = MIGRATOR_ANNOUNCED;

	for (; left && m->announce_next < m->items_fresh; m->announce_next++) {
		if (m->items[m->announce_next].state != ITEM_ACTIVE)
			continue;
		send(m, m->config.forwarder, MESSAGE_ALIVE, MESSAGE_REASON_NONE, &m->items[m->announce_next].mapping);
		m->counters.announced++;
		left--;
	}
	m->announce_at = m->announce_next < m->items_fresh ? nstime_add(now, MIGRATOR_ANNOUNCE_INTERVAL) : NSTIME_NEVER;
}

static void expire_item(struct migrator *m, struct item *i, nstime now)
{
	if (i->state == ITEM_REJECTED) {
		discard(m, i, "rejected", now);
		return;
	}
	if (now - i->since >= nstime_add(m->config.hold_max, m->config.ask_max)) {
		m->counters.given_up++;
		discard(m, i, "no answer", now);
		return;
	}
	i->interval = nstime_min(2 * i->interval, m->config.ready_max);
	heap_set(&m->timers, &i->timer, nstime_add(now, i->interval));
	if (now - i->since >= m->config.hold_max) {
		m->counters.asked++;
		send(m, m->config.forwarder, MESSAGE_ABORT, MESSAGE_REASON_TIMEOUT, &i->mapping);
	} else {
		send(m, m->config.forwarder, MESSAGE_READY, MESSAGE_REASON_NONE, &i->mapping);
	}
}

void migrator_expire(struct migrator *m, nstime now)
{
	struct timer *t;

	if (m->announce_at <= now)
		announce(m, now);
	while ((t = heap_peek(&m->timers)) && t->at <= now)
		expire_item(m, (struct item *)((char *)t - offsetof(struct item, timer)), now);
}

const struct migrator_counters *migrator_counters(const struct migrator *m)
{
	return &m->counters;
}

static bool is_connection(const struct item *i)
{
	return i->state == ITEM_HELD || i->state == ITEM_ACTIVE;
}

static void connection_read(const struct item *i, struct migrator_connection *out)
{
	*out = (struct migrator_connection){
		.mapping = i->mapping, .active = i->state == ITEM_ACTIVE, .since = i->since};
}

bool migrator_connection_find(const struct migrator *m, const struct tuple *t, struct migrator_connection *out)
{
	const struct item *i = item_by_tuple(m, t);

	if (!i || !is_connection(i))
		return false;
	connection_read(i, out);
	return true;
}

size_t migrator_connections(const struct migrator *m, uint32_t *cursor, struct migrator_connection *out, size_t max)
{
	uint32_t looked = 0;
	size_t count = 0;

	for (; *cursor < m->items_fresh && count < max && looked < MIGRATOR_LOOK_MAX; ++*cursor, looked++)
		if (is_connection(&m->items[*cursor]))
			connection_read(&m->items[*cursor], &out[count++]);
	if (*cursor >= m->items_fresh)
		*cursor = MIGRATOR_LOOK_END;
	return count;
}

void migrator_holdings(const struct migrator *m, struct migrator_holdings *out)
{
	*out = (struct migrator_holdings){
		.held = m->counts[ITEM_HELD],
		.active = m->counts[ITEM_ACTIVE],
		.rejected = m->counts[ITEM_REJECTED],
	};
}
