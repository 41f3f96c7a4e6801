/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/forwarder.h"

#include "base/err.h"
#include "base/log.h"
#include "lb/forwarder_internal.h"
#include "lb/too_big.h"

#include <assert.h>
#include <stdlib.h>

#define ENTRIES_DEFAULT        131072U
#define PREPARED_MAX_DEFAULT   (30 * NSTIME_S)
#define IDLE_DEFAULT           (300 * NSTIME_S)
#define QUERY_INTERVAL_DEFAULT (5 * NSTIME_S)
#define QUERIES_MAX_DEFAULT    3U
#define LINGER_DEFAULT         (10 * NSTIME_S)
#define MARK_DEFAULT           (60 * NSTIME_S)
#define REST_DEFAULT           (60 * NSTIME_S)

static void config_defaults(struct forwarder_config *c)
{
	c->entries = c->entries ? c->entries : ENTRIES_DEFAULT;
	c->prepared_max = c->prepared_max ? c->prepared_max : PREPARED_MAX_DEFAULT;
	c->idle = c->idle ? c->idle : IDLE_DEFAULT;
	c->query_interval = c->query_interval ? c->query_interval : QUERY_INTERVAL_DEFAULT;
	c->queries_max = c->queries_max ? c->queries_max : QUERIES_MAX_DEFAULT;
	c->linger = c->linger ? c->linger : LINGER_DEFAULT;
	c->mark = c->mark ? c->mark : MARK_DEFAULT;
	c->rest = c->rest ? c->rest : REST_DEFAULT;
}

struct forwarder *forwarder_new(const struct forwarder_config *config)
{
	struct forwarder *f = calloc(1, sizeof *f);
	struct hash_key key;

	if (!f)
		log_fatal("out of memory: a forwarder");
	f->config = *config;
	config_defaults(&f->config);
	hash_key_init(&key, config->seed, config->name);
	table_init(&f->table, f->config.entries, &key);
	hash_derive(f->classifier_key.bytes, HASH_KEY_LEN, "classifier of a connection", config->seed, config->name);
	index_init(&f->by_address, 2 * FORWARDER_DEVICES_MAX);
	return f;
}

void forwarder_free(struct forwarder *f)
{
	if (!f)
		return;
	table_fini(&f->table);
	index_fini(&f->by_address);
	outbox_clear(&f->outbox);
	free(f);
}

static uint32_t address_hash(const struct forwarder *f, const struct addr *a)
{
	return (uint32_t)hash_bytes(&f->classifier_key, a, sizeof *a);
}

int forwarder_device_add(struct forwarder *f, uint16_t device, const struct addr_pair *address, bool classifier)
{
	if (device == DEVICE_NONE)
		return E_INVAL;
	if (f->device_slots[device])
		return E_EXISTS;
	if (f->device_count == FORWARDER_DEVICES_MAX)
		return E_FULL;
	if (classifier && f->classifier_count == FORWARDER_CLASSIFIERS_MAX)
		return E_FULL;
	f->devices[f->device_count] = (struct forwarder_device){.number = device, .address = *address};
	if (address->v4.family)
		index_insert(&f->by_address, address_hash(f, &address->v4), f->device_count);
	if (address->v6.family)
		index_insert(&f->by_address, address_hash(f, &address->v6), f->device_count);
	f->device_slots[device] = (uint16_t)++f->device_count;
	if (classifier)
		f->classifiers[f->classifier_count++] = device;
	return 0;
}

static const struct forwarder_device *device_by_address(const struct forwarder *f, const struct addr *a)
{
	uint32_t hash = address_hash(f, a);
	uint32_t cursor = 0;
	uint32_t at;

	while ((at = index_next(&f->by_address, hash, &cursor)) != INDEX_NONE)
		if (addr_equal(addr_pair_get(&f->devices[at].address, a->family), a))
			return &f->devices[at];
	return NULL;
}

static uint64_t classifier_hash(const struct forwarder *f, const struct tuple *t)
{
	return hash_bytes(&f->classifier_key, t, sizeof *t);
}

uint16_t forwarder_classifier(const struct forwarder *f, const struct tuple *t)
{
	return f->classifier_count ? f->classifiers[classifier_hash(f, t) % f->classifier_count] : DEVICE_NONE;
}

void forwarder_entry_state(struct forwarder *f, struct table_entry *e, enum entry_state state)
{
	f->live -= e->state == ENTRY_PREPARED || e->state == ENTRY_COMMITTED;
	f->live += state == ENTRY_PREPARED || state == ENTRY_COMMITTED;
	e->state = (uint8_t)state;
}

/* Removes an entry; its identifiers rest. */
static void forwarder_entry_remove(struct forwarder *f, uint32_t entry, nstime now)
{
	struct table_entry *e = table_entry(&f->table, entry);

	f->live -= e->state == ENTRY_PREPARED || e->state == ENTRY_COMMITTED;
	for (uint32_t r = e->record; r != TABLE_NONE; r = table_flow(&f->table, r)->older)
		if (table_flow(&f->table, r)->list != LIST_REST && table_flow(&f->table, r)->list != LIST_MARK)
			table_flow_schedule(&f->table, r, LIST_REST, nstime_add(now, f->config.rest));
	table_remove(&f->table, entry);
}

void forwarder_room_make(struct forwarder *f, nstime now)
{
	uint32_t quiet = f->table.lists[LIST_CLOSING].head;

	if (table_entry_count(&f->table) < f->table.entries_max || quiet == TABLE_NONE)
		return;
	f->counters.forgotten++;
	forwarder_entry_remove(f, table_flow(&f->table, quiet)->entry, now);
}

void forwarder_entry_lost(struct forwarder *f, uint32_t entry, nstime now)
{
	const struct table_entry *e = table_entry(&f->table, entry);
	const struct table_flow *r = table_flow(&f->table, e->record);

	f->counters.lost++;
	TRACE(f->config.trace, now, TRACE_FORWARDER_LOST, TF_TUPLE("tuple", &e->tuple), TF_U64("flow", r->flow),
	      TF_U64("device", r->second));
	forwarder_tell(f, r->first, MESSAGE_LOST, r, &e->tuple);
	forwarder_entry_remove(f, entry, now);
}

/* Whether the device that owns (by record r) has restarted since, and so lost it. */
static bool owner_dead(const struct forwarder *f, const struct table_flow *r)
{
	const struct forwarder_device *d = forwarder_device(f, r->second);

	return !d || r->second_boot < d->boot;
}

uint32_t forwarder_find(struct forwarder *f, const struct tuple *t, uint32_t hash, nstime now)
{
	uint32_t number = table_find(&f->table, t, hash);
	const struct forwarder_device *d;
	const struct table_entry *e;

	if (number == TABLE_NONE)
		return number;
	e = table_entry(&f->table, number);
	if (e->state != ENTRY_COMMITTED && e->state != ENTRY_CLOSING)
		return number;
	/* The record is another cache line: looked at only when it can matter. */
	d = forwarder_device(f, e->device);
	if (d && d->restarted && owner_dead(f, table_flow(&f->table, e->record))) {
		forwarder_entry_lost(f, number, now);
		return TABLE_NONE;
	}
	return number;
}

static void decide_drop(struct forwarder *f, struct forwarder_decision *d, enum forwarder_drop drop)
{
	*d = (struct forwarder_decision){.verdict = FORWARDER_DROP, .drop = drop};
	f->counters.dropped[drop]++;
}

/* C1.1 to C1.3: each once a connection, as far as `seen` remembers. */
static void trace_unmapped(struct forwarder *f, const struct packet *p, uint64_t hash, uint16_t device, nstime now)
{
	struct forwarder_seen *s = &f->seen[hash % SEEN_SLOTS];
	uint32_t tag = (uint32_t)(hash >> 32);
	bool same = s->used && s->tag == tag;

	if ((p->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK)) == TCP_FLAG_SYN) {
		if (same && s->isn == p->seq)
			return;
		*s = (struct forwarder_seen){.tag = tag, .isn = p->seq, .used = true};
		TRACE(f->config.trace, now, TRACE_FORWARDER_ACCEPT, TF_TUPLE("tuple", &p->tuple),
		      TF_U64("device", device));
	} else if (p->payload_len && !(same && s->data)) {
		*s = (struct forwarder_seen){.tag = tag, .isn = same ? s->isn : 0, .used = true, .data = true};
		TRACE(f->config.trace, now, TRACE_FORWARDER_DATA, TF_TUPLE("tuple", &p->tuple),
		      TF_U64("device", device), TF_U64("bytes", p->payload_len));
	}
}

static void send_unmapped(struct forwarder *f, const struct packet *p, nstime now, struct forwarder_decision *d)
{
	uint64_t hash = classifier_hash(f, &p->tuple);
	uint16_t device;

	if (!f->classifier_count) {
		decide_drop(f, d, FORWARDER_DROP_NO_CLASSIFIER);
		return;
	}
	device = f->classifiers[hash % f->classifier_count];
	if (f->config.trace)
		trace_unmapped(f, p, hash, device, now);
	f->counters.to_classifier++;
	*d = (struct forwarder_decision){.verdict = FORWARDER_SEND, .device = device};
}

/* Sends on a packet, its addresses the original ones, by its entry (C1.11). */
static void send_mapped(struct forwarder *f, uint32_t number, struct packet *p, struct buf *b, nstime now,
			struct forwarder_decision *d)
{
	struct table_entry *e = table_entry(&f->table, number);
	const struct forwarder_device *device = forwarder_device(f, e->device);

	e->last = now;
	if (e->state == ENTRY_CLOSING)
		table_flow_schedule(&f->table, e->record, LIST_CLOSING, nstime_add(now, f->config.linger));
	if (!e->flow) {
		f->counters.to_classifier++;
		*d = (struct forwarder_decision){.verdict = FORWARDER_SEND, .device = e->device};
		return;
	}
	if (!packet_encapsulate(p, b, addr_pair_get(&f->config.tunnel, p->family),
				addr_pair_get(&device->address, p->family), e->flow)) {
		decide_drop(f, d, FORWARDER_DROP_NO_ADDRESS);
		return;
	}
	f->counters.encapsulated++;
	if (!(e->flags & ENTRY_TRACED)) {
		e->flags |= ENTRY_TRACED;
		TRACE(f->config.trace, now, TRACE_FORWARDER_ENCAPSULATE, TF_TUPLE("tuple", &e->tuple),
		      TF_U64("flow", e->flow), TF_U64("device", e->device),
		      TF_U64("generation", table_flow(&f->table, e->record)->generation), TF_U64("bytes", b->len));
	}
	*d = (struct forwarder_decision){.verdict = FORWARDER_SEND, .device = e->device, .encapsulated = true};
}

/* A packet that a device sent back, encapsulated with a flow identifier of the connection. */
static void bounce(struct forwarder *f, struct packet *p, struct buf *b, nstime now, struct forwarder_decision *d)
{
	const struct forwarder_device *from = device_by_address(f, &p->tuple.remote);
	uint32_t flow = packet_flow(p);
	uint32_t record = from ? table_flow_find(&f->table, flow) : TABLE_NONE;
	uint32_t entry = record == TABLE_NONE ? TABLE_NONE : table_flow(&f->table, record)->entry;
	const struct tuple *t = entry == TABLE_NONE ? NULL : &table_entry(&f->table, entry)->tuple;
	struct table_entry *e;

	if (!from) {
		decide_drop(f, d, FORWARDER_DROP_BOUNCE_SOURCE);
		return;
	}
	/* The find drops an entry whose owner died: it is unknown then. */
	if (!t || forwarder_find(f, t, table_hash(&f->table, t), now) == TABLE_NONE) {
		decide_drop(f, d, FORWARDER_DROP_BOUNCE_FLOW);
		return;
	}
	e = table_entry(&f->table, entry);
	if (e->tuple.local.family != p->family) {
		decide_drop(f, d, FORWARDER_DROP_BOUNCE_FLOW);
		return;
	}
	if (e->flow == flow && e->device == from->number) {
		decide_drop(f, d, FORWARDER_DROP_BOUNCE_LOOP);
		return;
	}
	f->counters.bounced++;
	TRACE(f->config.trace, now, TRACE_FORWARDER_BOUNCE, TF_TUPLE("tuple", &e->tuple), TF_U64("flow", flow),
	      TF_U64("from", from->number), TF_U64("device", e->device));
	packet_rewrite(p, b, &e->tuple);
	send_mapped(f, entry, p, b, now, d);
}

/* A fresh SYN on a 4-tuple whose connection is closing starts a new one (RFC 9293, section 3.6.1). */
static bool reuses_closing(const struct forwarder *f, uint32_t number, const struct packet *p, const struct buf *b)
{
	return table_entry(&f->table, number)->state == ENTRY_CLOSING &&
	       (p->flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) == TCP_FLAG_SYN &&
	       packet_tcp_checksum_ok(p, b);
}

/* What a router says of a packet that a connection's owner sent. */
static void send_too_big(struct forwarder *f, const struct tuple *t, nstime now, struct forwarder_decision *d)
{
	uint32_t number = forwarder_find(f, t, table_hash(&f->table, t), now);
	uint16_t device = number == TABLE_NONE ? forwarder_classifier(f, t) : table_entry(&f->table, number)->device;

	if (device == DEVICE_NONE) {
		decide_drop(f, d, FORWARDER_DROP_NO_CLASSIFIER);
		return;
	}
	f->counters.too_big++;
	*d = (struct forwarder_decision){.verdict = FORWARDER_SEND, .device = device};
}

/* A packet of a burst, between the passes over it. */
struct seen_packet {
	struct packet p;
	enum packet_kind kind;
	uint32_t hash; /* of a TCP packet's tuple */
};

static void decide(struct forwarder *f, struct seen_packet *s, struct buf *b, nstime now, struct forwarder_decision *d)
{
	struct packet *p = &s->p;
	bool to_tunnel = addr_equal(&p->tuple.local, addr_pair_get(&f->config.tunnel, p->family));
	struct tuple about;
	uint32_t number;

	if (s->kind == PACKET_MALFORMED || s->kind == PACKET_FRAGMENT) {
		decide_drop(f, d, s->kind == PACKET_FRAGMENT ? FORWARDER_DROP_FRAGMENT : FORWARDER_DROP_MALFORMED);
		return;
	}
	if (s->kind == PACKET_OTHER) {
		if (to_tunnel) {
			decide_drop(f, d, FORWARDER_DROP_PROTOCOL);
			return;
		}
		if (too_big_parse(b, &about)) {
			send_too_big(f, &about, now, d);
			return;
		}
		f->counters.other++;
		*d = (struct forwarder_decision){.verdict = FORWARDER_NOT_OURS};
		return;
	}
	if (to_tunnel) {
		bounce(f, p, b, now, d);
		return;
	}
	number = forwarder_find(f, &p->tuple, s->hash, now);
	if (number != TABLE_NONE && reuses_closing(f, number, p, b)) {
		f->counters.reused++;
		forwarder_entry_remove(f, number, now);
		number = TABLE_NONE;
	}
	if (number == TABLE_NONE)
		send_unmapped(f, p, now, d);
	else
		send_mapped(f, number, p, b, now, d);
}

static void look(struct forwarder *f, struct seen_packet *s, struct buf *b)
{
	s->kind = packet_parse(&s->p, b);
	if (s->kind != PACKET_TCP)
		return;
	s->hash = table_hash(&f->table, &s->p.tuple);
	table_prefetch_index(&f->table, s->hash);
}

/* Three passes: the index's lines are asked for, then the entries', then one packet after another is decided, by then
 * with all at hand. Only the last looks at what counts, in order: a burst is as its packets one by one. */
void forwarder_packets(struct forwarder *f, struct buf *const *packets, unsigned count, nstime now,
		       struct forwarder_decision *decisions)
{
	struct seen_packet seen[FORWARDER_BURST_MAX];

	assert(count <= FORWARDER_BURST_MAX);
	for (unsigned i = 0; i < count; i++)
		look(f, &seen[i], packets[i]);
	for (unsigned i = 0; i < count && count > 1; i++)
		if (seen[i].kind == PACKET_TCP)
			table_prefetch_entry(&f->table, seen[i].hash);
	for (unsigned i = 0; i < count; i++)
		decide(f, &seen[i], packets[i], now, &decisions[i]);
}

struct outbox *forwarder_outbox(struct forwarder *f)
{
	return &f->outbox;
}

nstime forwarder_expiry(const struct forwarder *f)
{
	nstime at = NSTIME_NEVER;

	for (unsigned i = 0; i < LIST_COUNT; i++)
		if (f->table.lists[i].head != TABLE_NONE)
			at = nstime_min(at, table_flow(&f->table, f->table.lists[i].head)->due);
	return at;
}

/* Asks the owner of an idle entry whether it still has the connection; too often in vain: it has not. */
static void ask(struct forwarder *f, uint32_t record, nstime now)
{
	struct table_flow *r = table_flow(&f->table, record);
	const struct table_entry *e = table_entry(&f->table, r->entry);

	if (owner_dead(f, r) || r->asked >= f->config.queries_max) {
		forwarder_entry_lost(f, r->entry, now);
		return;
	}
	r->asked++;
	table_flow_schedule(&f->table, record, LIST_QUERY, nstime_add(now, f->config.query_interval));
	forwarder_tell(f, r->second, MESSAGE_QUERY, r, &e->tuple);
}

static void expire_record(struct forwarder *f, uint32_t record, nstime now)
{
	const struct table_flow *r = table_flow(&f->table, record);
	const struct table_entry *e = r->entry == TABLE_NONE ? NULL : table_entry(&f->table, r->entry);

	switch ((enum forwarder_list)r->list) {
	case LIST_PREPARED:
		forwarder_abort(f, record, MESSAGE_REASON_TIMEOUT, now);
		break;
	case LIST_IDLE:
		if (nstime_add(e->last, f->config.idle) > now)
			table_flow_schedule(&f->table, record, LIST_IDLE, nstime_add(now, f->config.idle));
		else
			ask(f, record, now);
		break;
	case LIST_QUERY:
		ask(f, record, now);
		break;
	case LIST_CLOSING:
		forwarder_entry_remove(f, r->entry, now);
		break;
	default: /* MARK, REST */
		if (e && e->record == record)
			forwarder_entry_remove(f, r->entry, now);
		table_flow_remove(&f->table, record);
		break;
	}
}

void forwarder_expire(struct forwarder *f, nstime now)
{
	uint32_t left = EXPIRE_BATCH;

	for (unsigned i = 0; i < LIST_COUNT; i++)
		while (f->table.lists[i].head != TABLE_NONE) {
			uint32_t record = f->table.lists[i].head;

			if (table_flow(&f->table, record)->due > now)
				break;
			if (!left--)
				return; /* expiry is in the past: called again at once */
			expire_record(f, record, now);
		}
}

static void mapping_read(const struct forwarder *f, uint32_t number, struct forwarder_mapping *out)
{
	static const char *const states[] = {
		[ENTRY_PREPARED] = "prepared",
		[ENTRY_COMMITTED] = "committed",
		[ENTRY_RETURNED] = "returned",
		[ENTRY_CLOSING] = "closing",
	};
	const struct table_entry *e = table_entry(&f->table, number);
	bool owned = e->state == ENTRY_COMMITTED || e->state == ENTRY_CLOSING || (e->flags & ENTRY_OWNED);

	*out = (struct forwarder_mapping){
		.tuple = e->tuple,
		.state = states[e->state],
		.device = e->device,
		.flow = e->flow,
		.since = owned ? f->table.since[number] : NSTIME_NEVER,
	};
}

bool forwarder_mapping_find(const struct forwarder *f, const struct tuple *t, struct forwarder_mapping *out)
{
	uint32_t number = table_find(&f->table, t, table_hash(&f->table, t));

	if (number == TABLE_NONE)
		return false;
	mapping_read(f, number, out);
	return true;
}

size_t forwarder_mappings(const struct forwarder *f, uint32_t *cursor, struct forwarder_mapping *out, size_t max)
{
	uint32_t looked = 0;
	size_t count = 0;

	for (; *cursor < f->table.entries_fresh && count < max && looked < FORWARDER_LOOK_MAX; ++*cursor, looked++)
		if (table_entry_used(&f->table, *cursor))
			mapping_read(f, *cursor, &out[count++]);
	if (*cursor >= f->table.entries_fresh)
		*cursor = FORWARDER_LOOK_END;
	return count;
}

uint32_t forwarder_live(const struct forwarder *f)
{
	return f->live;
}

const struct forwarder_counters *forwarder_counters(const struct forwarder *f)
{
	return &f->counters;
}

const char *forwarder_drop_name(enum forwarder_drop drop)
{
	static const char *const names[] = {
#define DROP_NAME(name, text) [FORWARDER_DROP_##name] = text,
		FORWARDER_DROP_LIST(DROP_NAME)
#undef DROP_NAME
	};

	assert(drop < FORWARDER_DROP_COUNT);
	return names[drop];
}
