/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/driver.h"

#include "base/err.h"
#include "base/hash.h"
#include "base/heap.h"
#include "base/log.h"
#include "lb/index.h"
#include "lb/message.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>

#define FLOWS_MAX_DEFAULT        65536U
#define FLOW_PACKETS_MAX_DEFAULT 256U
#define FLOW_BYTES_MAX_DEFAULT   (512U << 10)
#define BYTES_MAX_DEFAULT        (16U << 20)
#define EARLY_MAX_DEFAULT        (3 * NSTIME_S)
#define REST_DEFAULT             (30 * NSTIME_S)
#define SPENT_LOOK_MAX           8U

/* One flow: a row of the encapsulation mapping table (C19), and its buffer (C12). */
struct flow {
	struct timer timer;
	uint32_t number;     /* of its place in driver.flows; when free, the next free one's */
	uint32_t identifier; /* the flow identifier */
	enum driver_state state;
	bool identified;             /* a packet of it was delivered: for the trace */
	struct blob_mapping mapping; /* not of UNKNOWN */
	struct buf_queue buffer;     /* as they came, encapsulated */
	nstime last;                 /* CLOSED: last packet */
};

struct driver {
	struct driver_config config;
	struct hash_key key;
	struct index by_flow;
	struct index closed_by_tuple; /* of those CLOSED */
	struct heap timers;
	struct flow *flows;
	uint32_t flows_fresh, flows_free;
	uint32_t buffered_packets, buffered_bytes;
	struct buf_queue out; /* mark is the driver_action_kind */
	struct driver_counters counters;
};

static void config_defaults(struct driver_config *c)
{
	c->flows_max = c->flows_max ? c->flows_max : FLOWS_MAX_DEFAULT;
	c->flow_packets_max = c->flow_packets_max ? c->flow_packets_max : FLOW_PACKETS_MAX_DEFAULT;
	c->flow_bytes_max = c->flow_bytes_max ? c->flow_bytes_max : FLOW_BYTES_MAX_DEFAULT;
	c->bytes_max = c->bytes_max ? c->bytes_max : BYTES_MAX_DEFAULT;
	c->early_max = c->early_max ? c->early_max : EARLY_MAX_DEFAULT;
	c->rest = c->rest ? c->rest : REST_DEFAULT;
}

struct driver *driver_new(const struct driver_config *config)
{
	struct driver *d = calloc(1, sizeof *d);

	if (!d)
		log_fatal("out of memory: a driver");
	d->config = *config;
	config_defaults(&d->config);
	hash_key_init(&d->key, config->seed, config->name);
	index_init(&d->by_flow, d->config.flows_max);
	index_init(&d->closed_by_tuple, d->config.flows_max);
	heap_init(&d->timers);
	d->flows_free = INDEX_NONE;
	d->flows = calloc(d->config.flows_max, sizeof *d->flows);
	if (!d->flows)
		log_fatal("out of memory: %u flows", d->config.flows_max);
	return d;
}

void driver_free(struct driver *d)
{
	if (!d)
		return;
	for (uint32_t n = 0; n < d->flows_fresh; n++)
		buf_queue_clear(&d->flows[n].buffer);
	buf_queue_clear(&d->out);
	index_fini(&d->by_flow);
	index_fini(&d->closed_by_tuple);
	heap_fini(&d->timers);
	free(d->flows);
	free(d);
}

static uint32_t flow_hash(const struct driver *d, uint32_t identifier)
{
	return (uint32_t)hash_bytes(&d->key, &identifier, sizeof identifier);
}

static struct flow *flow_find(const struct driver *d, uint32_t identifier)
{
	uint32_t hash = flow_hash(d, identifier);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&d->by_flow, hash, &cursor)) != INDEX_NONE)
		if (d->flows[number].identifier == identifier)
			return &d->flows[number];
	return NULL;
}

static uint32_t tuple_hash(const struct driver *d, const struct tuple *t)
{
	return (uint32_t)hash_bytes(&d->key, t, sizeof *t);
}

static void flow_set(struct driver *d, struct flow *f, enum driver_state state)
{
	if (f->state == DRIVER_FLOW_CLOSED)
		index_remove(&d->closed_by_tuple, tuple_hash(d, &f->mapping.tuple), f->number);
	f->state = state;
	if (state == DRIVER_FLOW_CLOSED)
		index_insert(&d->closed_by_tuple, tuple_hash(d, &f->mapping.tuple), f->number);
}

static struct buf *buffer_take(struct driver *d, struct flow *f)
{
	struct buf *b = buf_queue_get(&f->buffer);

	if (b) {
		d->buffered_packets--;
		d->buffered_bytes -= b->len;
	}
	return b;
}

/* Precondition: its buffer is empty. */
static void flow_remove(struct driver *d, struct flow *f)
{
	uint32_t number = f->number;

	heap_remove(&d->timers, &f->timer);
	index_remove(&d->by_flow, flow_hash(d, f->identifier), number);
	flow_set(d, f, DRIVER_FLOW_NONE);
	f->number = d->flows_free;
	d->flows_free = number;
}

/* The flow that is over, CLOSED or RESTING, for longest, if it is the next that goes; NULL when another is. A few that
 * are CLOSED and were not quiet are put back on the way. */
static struct flow *flow_spent(struct driver *d)
{
	for (unsigned i = 0; i < SPENT_LOOK_MAX; i++) {
		struct timer *t = heap_peek(&d->timers);
		struct flow *f = t ? (struct flow *)((char *)t - offsetof(struct flow, timer)) : NULL;

		if (!f || (f->state != DRIVER_FLOW_CLOSED && f->state != DRIVER_FLOW_RESTING))
			return NULL;
		if (f->state == DRIVER_FLOW_RESTING || t->at == nstime_add(f->last, d->config.rest))
			return f;
		heap_set(&d->timers, t, nstime_add(f->last, d->config.rest));
	}
	return NULL;
}

/* NULL when the table is full: flows that are over make room. */
static struct flow *flow_new(struct driver *d, uint32_t identifier)
{
	struct flow *f;
	uint32_t number;

	if (d->flows_free == INDEX_NONE && d->flows_fresh == d->config.flows_max && (f = flow_spent(d))) {
		d->counters.forgotten++;
		flow_remove(d, f);
	}
	number = d->flows_free;
	if (number != INDEX_NONE)
		d->flows_free = d->flows[number].number;
	else if (d->flows_fresh < d->config.flows_max)
		number = d->flows_fresh++;
	else
		return NULL;
	f = &d->flows[number];
	*f = (struct flow){.number = number, .identifier = identifier};
	timer_init(&f->timer, NULL);
	index_insert(&d->by_flow, flow_hash(d, identifier), number);
	return f;
}

/* Sends a packet back to the forwarder with its flow identifier; takes it. */
static void bounce(struct driver *d, struct buf *b)
{
	struct packet p;
	enum packet_kind kind = packet_parse(&p, b);

	assert(kind == PACKET_TCP);
	if (!packet_encapsulate(&p, b, addr_pair_get(&d->config.address, p.family),
				addr_pair_get(&d->config.tunnel, p.family), packet_flow(&p))) {
		d->counters.dropped[DRIVER_DROP_ADDRESS]++;
		buf_free(b);
		return;
	}
	d->counters.bounced++;
	b->mark = DRIVER_PACKET_TO_FORWARDER;
	buf_queue_put(&d->out, b);
}

static enum driver_verdict dropped(struct driver *d, enum driver_drop reason, enum driver_drop *drop)
{
	d->counters.dropped[reason]++;
	if (reason == DRIVER_DROP_FLOWS_FULL || reason == DRIVER_DROP_FLOW_FULL || reason == DRIVER_DROP_BUFFER_FULL)
		d->counters.overflowed++;
	*drop = reason;
	return DRIVER_DROP;
}

/* C12. `f` is NULL for a flow that is not in the table. */
static enum driver_verdict buffer_packet(struct driver *d, struct flow *f, const struct packet *p, struct buf *b,
					 nstime now, enum driver_drop *drop)
{
	if (p->flags & TCP_FLAG_SYN) /* its connection may end while it waits, and the stack listens */
		return dropped(d, DRIVER_DROP_SYN, drop);
	if (!packet_tcp_checksum_ok(p, b))
		return dropped(d, DRIVER_DROP_CHECKSUM, drop);
	if (b->len > d->config.bytes_max - d->buffered_bytes)
		return dropped(d, DRIVER_DROP_BUFFER_FULL, drop);
	if (!f) {
		f = flow_new(d, packet_flow(p));
		if (!f)
			return dropped(d, DRIVER_DROP_FLOWS_FULL, drop);
		f->state = DRIVER_FLOW_UNKNOWN;
		heap_set(&d->timers, &f->timer, nstime_add(now, d->config.early_max));
	}
	if (f->buffer.count >= d->config.flow_packets_max || f->buffer.bytes + b->len > d->config.flow_bytes_max)
		return dropped(d, DRIVER_DROP_FLOW_FULL, drop);
	b->mark = p->seq;
	buf_queue_put(&f->buffer, b);
	d->buffered_packets++;
	d->buffered_bytes += b->len;
	d->counters.buffered++;
	TRACE(d->config.trace, now, TRACE_DRIVER_BUFFER, TF_U64("flow", f->identifier), TF_U64("seq", p->seq),
	      TF_U64("bytes", b->len), TF_TEXT("state", f->state == DRIVER_FLOW_HELD ? "held" : "unknown"));
	return DRIVER_TAKEN;
}

/* C1.12, C9.2, C20: the flow identifier says whose packet it is. */
static void restore(struct driver *d, struct flow *f, struct packet *p, struct buf *b, nstime now)
{
	packet_rewrite(p, b, &f->mapping.tuple);
	f->last = now;
	d->counters.delivered++;
	if (f->identified)
		return;
	f->identified = true;
	TRACE(d->config.trace, now, TRACE_DRIVER_DECAPSULATE, TF_U64("flow", f->identifier),
	      TF_TUPLE("tuple", &f->mapping.tuple), TF_U64("bytes", b->len));
}

enum driver_verdict driver_packet(struct driver *d, struct buf *packet, nstime now, enum driver_drop *drop)
{
	struct packet p;
	enum packet_kind kind = packet_parse(&p, packet);
	struct flow *f;

	if (!p.family || !addr_equal(&p.tuple.remote, addr_pair_get(&d->config.tunnel, p.family)))
		return DRIVER_NOT_OURS;
	if (kind != PACKET_TCP)
		return dropped(d,
			       kind == PACKET_FRAGMENT ? DRIVER_DROP_FRAGMENT
			       : kind == PACKET_OTHER  ? DRIVER_DROP_PROTOCOL
						       : DRIVER_DROP_MALFORMED,
			       drop);
	if (!addr_equal(&p.tuple.local, addr_pair_get(&d->config.address, p.family)))
		return dropped(d, DRIVER_DROP_ADDRESS, drop);
	if (!flow_valid(packet_flow(&p)))
		return dropped(d, DRIVER_DROP_FLOW, drop);
	f = flow_find(d, packet_flow(&p));
	switch (f ? f->state : DRIVER_FLOW_NONE) {
	case DRIVER_FLOW_ACTIVE:
	case DRIVER_FLOW_CLOSED:
		if (f->mapping.tuple.local.family != p.family)
			return dropped(d, DRIVER_DROP_ADDRESS, drop);
		/* The stack listens for the address too: the sender will try again, the forwarder then know better. */
		if (f->state == DRIVER_FLOW_CLOSED && (p.flags & TCP_FLAG_SYN))
			return dropped(d, DRIVER_DROP_SYN, drop);
		restore(d, f, &p, packet, now);
		return DRIVER_DELIVER;
	case DRIVER_FLOW_RESTING:
		bounce(d, packet);
		return DRIVER_TAKEN;
	default:
		return buffer_packet(d, f, &p, packet, now, drop);
	}
}

static bool same_handoff(const struct blob_mapping *a, const struct blob_mapping *b)
{
	return a->generation == b->generation && a->handoff == b->handoff && a->first == b->first &&
	       a->first_boot == b->first_boot;
}

/* Where a blob's mapping goes: *f, NULL for a new row. */
static int mapping_place(struct driver *d, const struct blob_mapping *m, struct flow **f)
{
	*f = flow_find(d, m->flow);
	if (!*f || (*f)->state == DRIVER_FLOW_UNKNOWN)
		return 0;
	if ((*f)->state == DRIVER_FLOW_RESTING)
		return same_handoff(&(*f)->mapping, m) ? E_STALE : 0;
	/* An identifier that rested long enough at the forwarder may come again while the end of its last use is still
	 * remembered here. */
	return (*f)->state == DRIVER_FLOW_CLOSED && !same_handoff(&(*f)->mapping, m) ? 0 : E_EXISTS;
}

/* A new connection uses the 4-tuple of one that ended here: late packets of the old one are not for it. */
static void closed_rest(struct driver *d, const struct tuple *t)
{
	uint32_t hash = tuple_hash(d, t);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&d->closed_by_tuple, hash, &cursor)) != INDEX_NONE)
		if (tuple_equal(&d->flows[number].mapping.tuple, t)) {
			flow_set(d, &d->flows[number], DRIVER_FLOW_RESTING);
			return;
		}
}

int driver_blob(struct driver *d, const uint8_t *bytes, size_t len, struct blob_mapping *m, struct conn_state *s,
		const char **why, nstime now)
{
	struct blob_mapping wanted = *m;
	struct flow *f;
	int err = blob_decode(bytes, len, m, s, why);

	if (!err && (m->first != wanted.first || m->first_boot != wanted.first_boot || m->second != wanted.second))
		err = E_REFUSED;
	if (!err)
		err = mapping_place(d, m, &f);
	if (!err && !f) {
		f = flow_new(d, m->flow);
		err = f ? 0 : E_FULL;
	}
	if (err)
		return err;
	heap_remove(&d->timers, &f->timer);
	flow_set(d, f, DRIVER_FLOW_HELD);
	closed_rest(d, &m->tuple);
	f->mapping = *m;
	f->identified = false;
	d->counters.blobs++;
	TRACE(d->config.trace, now, TRACE_DRIVER_BLOB, TF_U64("flow", m->flow), TF_U64("first", m->first),
	      TF_U64("handoff", m->handoff), TF_U64("bytes", len));
	TRACE(d->config.trace, now, TRACE_DRIVER_UNBUNDLE, TF_U64("flow", m->flow), TF_U64("generation", m->generation),
	      TF_U64("data", s->data.len));
	TRACE(d->config.trace, now, TRACE_DRIVER_MAPPING, TF_U64("flow", m->flow), TF_TUPLE("tuple", &m->tuple));
	return 0;
}

/* Moves the buffer into the flow's sequence order; packets of one sequence number stay in order of arrival. Insertion:
 * nearly sorted as a rule, and at most flow_packets_max long. */
static void buffer_sort(struct buf_queue *q)
{
	struct buf_queue sorted = {0};
	struct buf *b;

	while ((b = buf_queue_get(q))) {
		struct buf **link = &sorted.head;

		if (!sorted.tail || (int32_t)((uint32_t)b->mark - (uint32_t)sorted.tail->mark) >= 0) {
			buf_queue_put(&sorted, b);
			continue;
		}
		while ((int32_t)((uint32_t)b->mark - (uint32_t)(*link)->mark) >= 0)
			link = &(*link)->next;
		b->next = *link;
		*link = b;
		sorted.count++;
		sorted.bytes += b->len;
	}
	*q = sorted;
}

void driver_flow_activate(struct driver *d, uint32_t flow, nstime now)
{
	struct flow *f = flow_find(d, flow);
	struct packet p;
	struct buf *b;

	if (!f || f->state != DRIVER_FLOW_HELD)
		return;
	f->state = DRIVER_FLOW_ACTIVE;
	if (!f->buffer.count)
		return;
	TRACE(d->config.trace, now, TRACE_DRIVER_DRAIN, TF_U64("flow", flow), TF_U64("packets", f->buffer.count),
	      TF_U64("bytes", f->buffer.bytes));
	buffer_sort(&f->buffer);
	while ((b = buffer_take(d, f))) {
		if (packet_parse(&p, b) != PACKET_TCP || p.family != f->mapping.tuple.local.family) {
			d->counters.dropped[DRIVER_DROP_ADDRESS]++;
			buf_free(b);
			continue;
		}
		restore(d, f, &p, b, now);
		d->counters.drained++;
		b->mark = DRIVER_PACKET_TO_STACK;
		buf_queue_put(&d->out, b);
	}
}

void driver_flow_abort(struct driver *d, const struct blob_mapping *m, nstime now)
{
	struct flow *f = flow_find(d, m->flow);
	struct buf *b;

	if (!f)
		f = flow_new(d, m->flow);
	else if (f->state != DRIVER_FLOW_UNKNOWN && (f->state != DRIVER_FLOW_HELD || !same_handoff(&f->mapping, m)))
		return;
	if (!f)
		return; /* no room to remember it: a late blob is built, asked for, and discarded again */
	f->state = DRIVER_FLOW_RESTING;
	f->mapping = *m;
	heap_set(&d->timers, &f->timer, nstime_add(now, d->config.rest));
	while ((b = buffer_take(d, f)))
		bounce(d, b);
}

void driver_flow_close(struct driver *d, uint32_t flow, nstime now)
{
	struct flow *f = flow_find(d, flow);

	if (!f || f->state != DRIVER_FLOW_ACTIVE)
		return;
	flow_set(d, f, DRIVER_FLOW_CLOSED);
	f->last = now;
	heap_set(&d->timers, &f->timer, nstime_add(now, d->config.rest));
}

bool driver_output(struct driver *d, struct driver_action *action)
{
	struct buf *b = buf_queue_get(&d->out);

	if (!b)
		return false;
	*action = (struct driver_action){.kind = (enum driver_action_kind)b->mark, .packet = b};
	return true;
}

nstime driver_expiry(const struct driver *d)
{
	const struct timer *t = heap_peek(&d->timers);

	return t ? t->at : NSTIME_NEVER;
}

void driver_expire(struct driver *d, nstime now)
{
	struct timer *t;

	while ((t = heap_peek(&d->timers)) && t->at <= now) {
		struct flow *f = (struct flow *)((char *)t - offsetof(struct flow, timer));
		struct buf *b;

		if (f->state == DRIVER_FLOW_CLOSED && nstime_add(f->last, d->config.rest) > now) {
			heap_set(&d->timers, t, nstime_add(f->last, d->config.rest));
			continue;
		}
		while ((b = buffer_take(d, f))) {
			d->counters.dropped[DRIVER_DROP_EARLY_TIMEOUT]++;
			buf_free(b);
		}
		flow_remove(d, f);
	}
}

const struct driver_counters *driver_counters(const struct driver *d)
{
	return &d->counters;
}

const char *driver_drop_name(enum driver_drop drop)
{
	static const char *const names[] = {
#define DROP_NAME(name, text) [DRIVER_DROP_##name] = text,
		DRIVER_DROP_LIST(DROP_NAME)
#undef DROP_NAME
	};

	assert(drop < DRIVER_DROP_COUNT);
	return names[drop];
}

void driver_holdings(const struct driver *d, struct driver_holdings *out)
{
	*out = (struct driver_holdings){
		.flows = d->by_flow.count,
		.buffered_packets = d->buffered_packets,
		.buffered_bytes = d->buffered_bytes,
	};
}
