/* SPDX-License-Identifier: BSD-3-Clause */
/* A cluster for testing the hand-off: one forwarder, two classifiers, three backends, with stacks that only count,
 * joined by a network which delays, reorders, fails and loses as told, on a virtual clock. Steps to the earliest event
 * and checks the invariants after each. Everything is decided by one random stream, so that a seed reproduces a
 * failure. */
#ifndef BATON_TESTS_HANDOFF_CLUSTER_H
#define BATON_TESTS_HANDOFF_CLUSTER_H

#include "forwarder_look.h"
#include "handoff_stacks.h"

/* --- the network --- */

static inline nstime draw_delay(struct cluster *c)
{
	if (random_chance(&c->rng, c->options.long_delay_ppm * PPM))
		return 1 + random_below(&c->rng, c->options.long_delay_max);
	return 1 + random_below(&c->rng, c->options.delay_max);
}

static inline struct event *event_new(struct cluster *c, enum event_kind kind, uint16_t from, uint16_t to)
{
	struct event *e = calloc(1, sizeof *e);

	timer_init(&e->timer, NULL);
	e->kind = kind;
	e->from = from;
	e->to = to;
	e->from_boot = c->devices[from].boot;
	e->to_boot = c->devices[to].boot;
	return e;
}

static inline void event_free(struct event *e)
{
	vec_fini(&e->bytes);
	free(e);
}

static inline void message_schedule(struct cluster *c, struct event *e)
{
	if (c->block[e->type]) {
		e->next = c->blocked;
		c->blocked = e;
		return;
	}
	heap_set(&c->events, &e->timer, c->now + draw_delay(c));
}

static inline void outbox_drain(struct cluster *c, struct device *d, struct outbox *o)
{
	struct outbox_message *m;

	while ((m = outbox_get(o))) {
		bool repeat = random_chance(&c->rng, c->options.message_repeat_ppm * PPM);
		/* Blobs apart, which only the courier's seal protects; and one at a time, or an answer's mutation could
		 * undo that of its question. */
		bool mutate = random_chance(&c->rng, c->options.mutate_ppm * PPM) && m->type != MESSAGE_BLOB &&
			      c->now >= c->mutate_next;

		if (mutate)
			c->mutate_next = c->now + 10 * NSTIME_S;
		ck_assert_uint_lt(m->to, DEVICES);
		for (int copy = 0; copy < 1 + repeat + mutate; copy++) {
			struct event *e = event_new(c, EVENT_MESSAGE, d->id, m->to);

			e->type = m->type;
			e->tag = m->tag;
			vec_append(&e->bytes, m->bytes.data, m->bytes.len);
			if (copy && mutate && copy == 1)
				e->bytes.data[random_below(&c->rng, e->bytes.len)] ^=
					(uint8_t)(1U << random_below(&c->rng, 8));
			message_schedule(c, e);
		}
		outbox_message_free(m);
	}
}

static inline void packet_send(struct cluster *c, uint16_t from, uint16_t to, struct buf *b)
{
	struct event *e;

	if (random_chance(&c->rng, c->options.packet_loss_ppm * PPM)) {
		c->lost++;
		buf_free(b);
		return;
	}
	e = event_new(c, EVENT_PACKET, from, to);
	e->packet = b;
	heap_set(&c->events, &e->timer, c->now + draw_delay(c));
}

/* A TCP packet of the client's, its payload 8 bytes. */
static inline struct buf *packet_make(const struct tuple *t, uint8_t flags, uint32_t seq)
{
	struct buf *b = buf_alloc(64);
	uint32_t payload = flags & TCP_FLAG_SYN ? 0 : 8;
	uint8_t *p = b->data, pseudo[12] = {0};
	uint16_t sum;

	b->len = 40 + payload;
	memset(p, 0, b->len);
	p[0] = 0x45;
	store_be16(p + 2, (uint16_t)b->len);
	p[8] = 64;
	p[9] = 6;
	memcpy(p + 12, t->remote.bytes, 4);
	memcpy(p + 16, t->local.bytes, 4);
	sum = (uint16_t)~checksum_sum(p, 20);
	memcpy(p + 10, &sum, 2);
	store_be16(p + 20, t->remote_port);
	store_be16(p + 22, t->local_port);
	store_be32(p + 24, seq);
	p[32] = 0x50;
	p[33] = flags;
	if (payload)
		store_be32(p + 40, seq);
	memcpy(pseudo, p + 12, 8);
	pseudo[9] = 6;
	store_be16(pseudo + 10, (uint16_t)(20 + payload));
	sum = (uint16_t)~checksum_add(checksum_sum(pseudo, 12), checksum_sum(p + 20, 20 + payload));
	memcpy(p + 36, &sum, 2);
	return b;
}

/* The client sends into the forwarder. */
static inline void inject(struct cluster *c, const struct tuple *t, uint8_t flags, uint32_t seq)
{
	c->injected++;
	packet_send(c, 0, FORWARDER, packet_make(t, flags, seq));
}

/* What reaches a device's own stack. */
static inline void stack_input(struct cluster *c, struct device *d, struct buf *b)
{
	struct packet p;
	struct endpoint_conn *e;
	struct conn *k;

	ck_assert_int_eq(packet_parse(&p, b), PACKET_TCP);
	ck_assert(packet_tcp_checksum_ok(&p, b));
	buf_free(b);
	e = copy_find(d, &p.tuple);
	if (e)
		ck_assert_int_eq(e->state, COPY_ACTIVE); /* frozen and held ones get nothing */
	k = conn_find(c, &p.tuple);
	if (!e && p.flags & TCP_FLAG_SYN && !d->migrator && k && k->open && !copies_count(c, k, false)) {
		copy_new(d, &p.tuple, COPY_ACTIVE, k->stamp);
		k->may_be_lost = false;
	} else if (!e && !(p.flags & TCP_FLAG_SYN)) {
		c->resets++;
		return;
	}
	c->consumed++;
}

static inline void forwarder_input(struct cluster *c, struct device *d, struct buf *b)
{
	struct forwarder_decision decision;

	forwarder_packets(d->forwarder, &b, 1, c->now, &decision);
	ck_assert_int_ne(decision.verdict, FORWARDER_NOT_OURS);
	if (decision.verdict == FORWARDER_SEND)
		packet_send(c, FORWARDER, decision.device, b);
	else
		buf_free(b);
}

/* A client's own packet, not encapsulated or restored. */
static inline void original_input(struct cluster *c, struct device *d, struct buf *b)
{
	if (handoff_packet(d->handoff, b, c->now) == HANDOFF_NOT_MINE)
		stack_input(c, d, b);
}

static inline void device_packet(struct cluster *c, struct device *d, struct buf *b)
{
	enum driver_drop drop;

	if (!d->up) {
		c->discarded++;
		buf_free(b);
	} else if (d->forwarder) {
		forwarder_input(c, d, b);
	} else if (d->driver) {
		switch (driver_packet(d->driver, b, c->now, &drop)) {
		case DRIVER_TAKEN:
			break;
		case DRIVER_DROP:
			buf_free(b);
			break;
		default:
			original_input(c, d, b);
		}
	} else {
		original_input(c, d, b);
	}
}

static inline void outcome_decide(struct cluster *c, struct device *d, const struct handoff_outcome *o)
{
	struct conn *k = conn_find(c, &o->tuple);
	uint16_t other = (uint16_t)(BACKEND + random_below(&c->rng, 3));

	c->outcomes[o->result]++;
	c->last_outcome = *o;
	ck_assert_ptr_nonnull(k);
	if (o->result == HANDOFF_FAILED) {
		ck_assert_uint_gt(c->devices[FORWARDER].boot, 1); /* only when the forwarder died */
		k->may_be_lost = true;
	}
	if (o->result == HANDOFF_COMMITTED && d->migrator) {
		migrator_connection_moved(d->migrator, &o->tuple, c->now);
		c->moves++;
	} else if (o->result == HANDOFF_FAILED && d->migrator) {
		migrator_connection_closed(d->migrator, &o->tuple, c->now);
	}
	if (o->result == HANDOFF_COMMITTED || o->result == HANDOFF_FAILED || c->options.manual)
		return;
	if (d->migrator && other == d->id)
		other = (uint16_t)(BACKEND + (other - BACKEND + 1) % 3);
	if (k->retries++ < 3 && handoff_retry(d->handoff, (int)o->number, other, c->devices[other].boot, c->now) == 0)
		return;
	ck_assert_int_eq(handoff_thaw(d->handoff, (int)o->number, c->now), 0);
}

static inline void deliver_outputs(struct cluster *c)
{
	for (unsigned i = FORWARDER; i < DEVICES; i++) {
		struct device *d = &c->devices[i];
		struct handoff_action h;
		struct driver_action a;

		if (!d->up)
			continue;
		if (d->forwarder)
			outbox_drain(c, d, forwarder_outbox(d->forwarder));
		if (d->handoff) {
			while (handoff_output(d->handoff, &h)) {
				if (h.kind == HANDOFF_OUTCOME)
					outcome_decide(c, d, &h.outcome);
				else if (h.kind == HANDOFF_PACKET_TO_STACK)
					stack_input(c, d, h.packet);
				else
					packet_send(c, d->id, FORWARDER, h.packet);
			}
			outbox_drain(c, d, handoff_outbox(d->handoff));
		}
		if (d->migrator) {
			while (driver_output(d->driver, &a)) {
				if (a.kind == DRIVER_PACKET_TO_STACK)
					original_input(c, d, a.packet);
				else
					packet_send(c, d->id, FORWARDER, a.packet);
			}
			outbox_drain(c, d, migrator_outbox(d->migrator));
		}
	}
}

static inline void learn_boot(struct cluster *c, struct device *d, uint16_t peer, uint64_t boot)
{
	if (boot <= d->known[peer])
		return;
	d->known[peer] = boot;
	if (d->forwarder)
		forwarder_peer_restarted(d->forwarder, peer, boot, c->now);
	if (d->handoff)
		handoff_peer_restarted(d->handoff, peer, boot, c->now);
	if (d->migrator)
		migrator_peer_restarted(d->migrator, peer, boot, c->now);
}

/* Whether a message is for the device as the one that gives a connection away. */
static inline bool message_to_first(const struct device *d, const struct event *e)
{
	struct message m;

	switch (e->type) {
	case MESSAGE_PREPARED:
	case MESSAGE_REFUSED:
	case MESSAGE_REJECT:
	case MESSAGE_LOST:
		return true;
	case MESSAGE_COMMITTED:
	case MESSAGE_ABORTED:
		return !message_decode(&m, e->type, e->bytes.data, e->bytes.len) && m.first == d->id;
	default:
		return false;
	}
}

/* A connection that comes back to a backend must not meet the tombstone that it left there. */
static inline void message_to_second(struct cluster *c, struct device *d, const struct event *e)
{
	struct message m;

	migrator_message(d->migrator, e->from, e->from_boot, e->type, e->bytes.data, e->bytes.len, c->now);
	if (e->type == MESSAGE_COMMITTED && !message_decode(&m, e->type, e->bytes.data, e->bytes.len) &&
	    migrator_active(d->migrator, &m.tuple))
		handoff_tombstone_remove(d->handoff, &m.tuple);
}

static inline void message_deliver(struct cluster *c, struct event *e)
{
	struct device *d = &c->devices[e->to];

	learn_boot(c, d, e->from, e->from_boot);
	c->messages[e->type]++;
	if (d->forwarder)
		forwarder_message(d->forwarder, e->from, e->from_boot, e->type, e->bytes.data, e->bytes.len, c->now);
	else if (d->migrator && !message_to_first(d, e))
		message_to_second(c, d, e);
	else if (e->type != MESSAGE_CLOSED) /* which is the node's business: it counts connections */
		handoff_message(d->handoff, e->from, e->from_boot, e->type, e->bytes.data, e->bytes.len, c->now);
}

/* The sender's courier gives up: whether the message came is unknown. */
static inline void message_fail(struct cluster *c, const struct event *e)
{
	struct event *failed = event_new(c, EVENT_FAILED, e->to, e->from);

	failed->to_boot = e->from_boot;
	failed->tag = e->tag;
	heap_set(&c->events, &failed->timer, c->now + draw_delay(c));
}

static inline void event_run(struct cluster *c, struct event *e)
{
	struct device *d = &c->devices[e->to];
	bool same_boot = d->up && d->boot == e->to_boot;

	switch (e->kind) {
	case EVENT_MESSAGE:
		if (random_chance(&c->rng, c->options.message_fail_ppm * PPM)) {
			message_fail(c, e);
			if (random_chance(&c->rng, 500000 * PPM))
				break;
		}
		if (same_boot && e->from_boot >= d->known[e->from])
			message_deliver(c, e);
		else
			message_fail(c, e);
		break;
	case EVENT_PACKET:
		device_packet(c, d, e->packet);
		break;
	case EVENT_FAILED:
		if (same_boot && d->handoff)
			handoff_message_failed(d->handoff, e->tag, true, c->now);
		break;
	case EVENT_BOOT:
		if (d->up)
			learn_boot(c, d, e->from, e->from_boot);
		break;
	}
	event_free(e);
}

/* --- devices --- */

static inline struct addr_pair pair_of(uint16_t id)
{
	return (struct addr_pair){.v4 = device_address(id)};
}

static inline void device_start(struct cluster *c, uint16_t id)
{
	struct device *d = &c->devices[id];
	char name[16];

	snprintf(name, sizeof name, "device%u", id);
	d->cluster = c;
	d->id = id;
	d->up = true;
	d->boot++;
	d->endpoint = (struct endpoint){&fake_ops, d};
	memset(d->known, 0, sizeof d->known);
	if (id == FORWARDER) {
		d->forwarder = forwarder_new(&(struct forwarder_config){
			.name = name, .seed = 1, .tunnel = tunnel, .entries = c->options.entries});
		for (uint16_t i = CLASSIFIER; i < DEVICES; i++) {
			struct addr_pair a = pair_of(i);

			ck_assert_int_eq(forwarder_device_add(d->forwarder, i, &a, i < BACKEND), 0);
		}
	} else {
		d->handoff = handoff_new(&(struct handoff_config){.name = name,
								  .seed = 1,
								  .self = id,
								  .boot = d->boot,
								  .forwarder = FORWARDER,
								  .address = pair_of(id),
								  .tunnel = tunnel,
								  .flow_base = id * 0x01000000U,
								  .flow_count = c->options.flow_count,
								  .handoffs_max = 16,
								  .tombstones_max = 64});
	}
	if (id >= BACKEND) {
		d->driver = driver_new(&(struct driver_config){
			.name = name, .seed = 1, .address = pair_of(id), .tunnel = tunnel, .flows_max = 512});
		d->migrator = migrator_new(&(struct migrator_config){.name = name,
								     .seed = 1,
								     .self = id,
								     .boot = d->boot,
								     .forwarder = FORWARDER,
								     .connections_max = 64},
					   d->driver, &d->endpoint);
	}
	for (uint16_t i = FORWARDER; i < DEVICES; i++) {
		struct event *there, *here;

		if (i == id || !c->devices[i].up)
			continue;
		there = event_new(c, EVENT_BOOT, id, i);
		here = event_new(c, EVENT_BOOT, i, id);
		heap_set(&c->events, &there->timer, c->now + (d->boot > 1 ? draw_delay(c) : 0));
		heap_set(&c->events, &here->timer, c->now + (d->boot > 1 ? draw_delay(c) : 0));
	}
}

/* Packets that a device's modules dropped, or hold. */
static inline uint64_t device_drops(const struct device *d)
{
	struct handoff_holdings h = {0};
	struct driver_holdings dh = {0};
	uint64_t n = 0;

	if (d->forwarder)
		for (unsigned i = 0; i < FORWARDER_DROP_COUNT; i++)
			n += forwarder_counters(d->forwarder)->dropped[i];
	if (d->handoff) {
		handoff_holdings(d->handoff, &h);
		n += h.held_packets + handoff_counters(d->handoff)->held_overflow +
		     handoff_counters(d->handoff)->unbounceable + handoff_counters(d->handoff)->held_lost;
	}
	if (d->driver) {
		driver_holdings(d->driver, &dh);
		n += dh.buffered_packets;
		for (unsigned i = 0; i < DRIVER_DROP_COUNT; i++)
			n += driver_counters(d->driver)->dropped[i];
	}
	return n;
}

static inline void device_stop(struct cluster *c, uint16_t id)
{
	struct device *d = &c->devices[id];

	c->module_drops += device_drops(d);
	for (uint32_t i = 0; i < c->conn_count; i++) {
		struct conn *k = &c->conns[i];
		struct device *owner = owner_of(c, k);

		if (copy_find(d, &k->tuple) || (id == FORWARDER && (!owner || owner->driver)))
			k->may_be_lost = true;
		/* A hand-off under way needs every one of its devices; who has none of them is not harmed. */
		if (!owner)
			k->may_be_lost = true;
		if (id == FORWARDER)
			k->forgotten = true;
	}
	while (d->copies)
		copy_free(d, d->copies);
	forwarder_free(d->forwarder);
	handoff_free(d->handoff);
	migrator_free(d->migrator);
	driver_free(d->driver);
	d->forwarder = NULL;
	d->handoff = NULL;
	d->migrator = NULL;
	d->driver = NULL;
	d->up = false;
}

/* --- the clock --- */

static inline nstime device_expiry(const struct device *d)
{
	nstime at = NSTIME_NEVER;

	if (d->forwarder)
		at = nstime_min(at, forwarder_expiry(d->forwarder));
	if (d->handoff)
		at = nstime_min(at, handoff_expiry(d->handoff));
	if (d->migrator)
		at = nstime_min(nstime_min(at, migrator_expiry(d->migrator)), driver_expiry(d->driver));
	return at;
}

static inline void device_expire(struct cluster *c, struct device *d)
{
	if (d->forwarder)
		forwarder_expire(d->forwarder, c->now);
	if (d->handoff)
		handoff_expire(d->handoff, c->now);
	if (d->migrator) {
		migrator_expire(d->migrator, c->now);
		driver_expire(d->driver, c->now);
	}
}

/* Runs the earliest event if it is not after `until`; false when there is none. */
static inline bool cluster_step(struct cluster *c, nstime until)
{
	struct timer *t;
	struct device *due = NULL;
	nstime at;

	deliver_outputs(c);
	t = heap_peek(&c->events);
	at = t ? t->at : NSTIME_NEVER;
	for (unsigned i = FORWARDER; i < DEVICES; i++)
		if (device_expiry(&c->devices[i]) < at) {
			at = device_expiry(&c->devices[i]);
			due = &c->devices[i];
		}
	if (at > until || at == NSTIME_NEVER) {
		if (until > c->now && until != NSTIME_NEVER)
			c->now = until;
		return false;
	}
	if (at > c->now)
		c->now = at;
	if (due) {
		device_expire(c, due);
	} else {
		heap_remove(&c->events, t);
		event_run(c, (struct event *)((char *)t - offsetof(struct event, timer)));
	}
	deliver_outputs(c);
	invariants_check(c);
	return true;
}

static inline void cluster_run(struct cluster *c, nstime duration)
{
	nstime until = c->now + duration;

	while (cluster_step(c, until))
		;
}

static inline void cluster_init(struct cluster *c, uint64_t seed, const struct cluster_options *options)
{
	*c = (struct cluster){.options = *options};
	random_init(&c->rng, seed, "cluster");
	heap_init(&c->events);
	for (uint16_t id = FORWARDER; id < DEVICES; id++)
		device_start(c, id);
	cluster_run(c, NSTIME_MS);
}

/* The messages of a blocked type go on their way, newest first. */
static inline void cluster_unblock(struct cluster *c, enum message_type type)
{
	struct event *e = c->blocked, *next;

	c->block[type] = false;
	c->blocked = NULL;
	for (; e; e = next) {
		next = e->next;
		message_schedule(c, e);
	}
}

/* Frees all and checks that every packet is accounted for (I4) and nothing is left (I5). */
static inline void cluster_fini(struct cluster *c)
{
	struct timer *t;

	for (int type = MESSAGE_PREPARE; type <= MESSAGE_LAST; type++)
		cluster_unblock(c, (enum message_type)type);
	while ((t = heap_peek(&c->events))) {
		struct event *e = (struct event *)((char *)t - offsetof(struct event, timer));

		heap_remove(&c->events, t);
		c->discarded += e->packet != NULL;
		buf_free(e->packet);
		event_free(e);
	}
	for (uint16_t id = FORWARDER; id < DEVICES; id++)
		device_stop(c, id);
	ck_assert_uint_eq(c->injected, c->consumed + c->resets + c->lost + c->discarded + c->module_drops);
	ck_assert_uint_eq(buf_outstanding(), 0);
	heap_fini(&c->events);
}

/* --- connections --- */

static inline struct conn *conn_add(struct cluster *c)
{
	uint32_t n = c->conn_count++;
	struct conn *k = &c->conns[n];

	*k = (struct conn){
		.tuple = {.remote = addr_v4(0xc6336401U + n),
			  .local = addr_v4(0xc6336450U),
			  .remote_port = (uint16_t)(40000 + n),
			  .local_port = 80},
		.may_be_lost = true, /* not established yet */
		.open = true,
		.stamp = ++c->stamps,
	};
	return k;
}

/* Opens a connection and waits until its classifier has it. */
static inline struct conn *conn_open(struct cluster *c)
{
	struct conn *k = conn_add(c);

	inject(c, &k->tuple, TCP_FLAG_SYN, 999);
	while (!owner_of(c, k))
		ck_assert(cluster_step(c, NSTIME_NEVER));
	return k;
}

/* Starts a hand-off from whoever has it, a classifier or another backend; false when it cannot be started. */
static inline bool conn_handoff(struct cluster *c, struct conn *k, uint16_t to)
{
	struct device *d = owner_of(c, k);
	const struct blob_mapping *mapping = d && d->migrator ? migrator_active(d->migrator, &k->tuple) : NULL;
	struct handoff_claim claim = {0};

	if (!d || !c->devices[to].up || d->id == to || (d->migrator && !mapping))
		return false;
	claim.origin = d->id;
	claim.origin_boot = d->boot;
	if (mapping)
		claim = (struct handoff_claim){
			.generation_min = mapping->generation,
			.origin = mapping->origin,
			.origin_boot = mapping->origin_boot,
		};
	k->retries = 0;
	k->number = handoff_start(d->handoff, &d->endpoint, copy_find(d, &k->tuple), &k->tuple, to, c->devices[to].boot,
				  &claim, c->now);
	return k->number >= 0;
}

/* The application at its owner closes it. */
static inline void conn_close(struct cluster *c, struct conn *k)
{
	struct device *d = owner_of(c, k);

	k->open = false;
	if (!d)
		return;
	copy_free(d, copy_find(d, &k->tuple));
	if (d->migrator)
		migrator_connection_closed(d->migrator, &k->tuple, c->now);
}

/* That no module of a device that is up holds anything (I5). */
static inline void holdings_check(struct cluster *c)
{
	for (unsigned i = FORWARDER; i < DEVICES; i++) {
		const struct device *d = &c->devices[i];

		if (d->forwarder) {
			struct forwarder_holdings h;

			forwarder_holdings(d->forwarder, &h);
			ck_assert_uint_eq(h.entries + h.live + h.flows, 0);
		}
		if (d->handoff) {
			struct handoff_holdings h;

			handoff_holdings(d->handoff, &h);
			ck_assert_uint_eq(h.handoffs + h.held_packets + h.held_bytes + h.tombstones, 0);
		}
		if (d->migrator) {
			struct migrator_holdings h;
			struct driver_holdings dh;

			migrator_holdings(d->migrator, &h);
			driver_holdings(d->driver, &dh);
			ck_assert_uint_eq(h.held + h.active + h.rejected, 0);
			ck_assert_uint_eq(dh.flows + dh.buffered_packets + dh.buffered_bytes, 0);
		}
		ck_assert_ptr_null(d->copies);
	}
}

#endif
