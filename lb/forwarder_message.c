/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarder's half of the hand-off: compare-and-set on the mapping entry, answered the same however often asked. */
#include "lb/forwarder_internal.h"

void forwarder_tell(struct forwarder *f, uint16_t to, enum message_type type, const struct table_flow *r,
		    const struct tuple *t)
{
	struct message m = {
		.type = type,
		.flow = r->flow,
		.generation = r->generation,
		.handoff = r->handoff,
		.first = r->first,
		.second = r->second,
		.first_boot = r->first_boot,
		.second_boot = r->second_boot,
		.tuple = *t,
	};

	outbox_put(&f->outbox, to, &m, 0);
}

/* Answers a message with its own contents. */
static void reply(struct forwarder *f, uint16_t to, const struct message *m, enum message_type type,
		  enum message_reason reason)
{
	struct message answer = *m;

	answer.type = type;
	answer.reason = reason;
	outbox_put(&f->outbox, to, &answer, 0);
}

/* The record of exactly the generation that m is about, or TABLE_NONE. */
static uint32_t record_of(const struct forwarder *f, const struct message *m)
{
	uint32_t number = table_flow_find(&f->table, m->flow);
	const struct table_flow *r;

	if (number == TABLE_NONE)
		return TABLE_NONE;
	r = table_flow(&f->table, number);
	return r->generation == m->generation && r->handoff == m->handoff && r->first == m->first &&
			       r->first_boot == m->first_boot && r->second == m->second &&
			       r->second_boot == m->second_boot
		       ? number
		       : TABLE_NONE;
}

static void record_fill(struct table_flow *r, const struct message *m, enum record_state state)
{
	r->generation = m->generation;
	r->handoff = m->handoff;
	r->first = m->first;
	r->second = m->second;
	r->first_boot = m->first_boot;
	r->second_boot = m->second_boot;
	r->state = (uint8_t)state;
}

static void refuse(struct forwarder *f, const struct message *m, enum message_reason reason, nstime now)
{
	f->counters.refused[reason]++;
	TRACE(f->config.trace, now, TRACE_FORWARDER_REFUSED, TF_TUPLE("tuple", &m->tuple), TF_U64("flow", m->flow),
	      TF_U64("generation", m->generation), TF_U64("device", m->second),
	      TF_TEXT("reason", message_reason_text(reason)));
	reply(f, m->first, m, MESSAGE_REFUSED, reason);
	if (forwarder_device(f, m->second))
		reply(f, m->second, m, MESSAGE_ABORTED, reason);
}

/* Whether the sender may hand the connection to the second device: the compare of compare-and-set. */
static enum message_reason prepare_check(struct forwarder *f, const struct message *m, uint32_t entry)
{
	const struct forwarder_device *second = forwarder_device(f, m->second);
	const struct table_entry *e = entry == TABLE_NONE ? NULL : table_entry(&f->table, entry);

	if (!second || !addr_pair_get(&second->address, m->tuple.local.family)->family)
		return MESSAGE_REASON_DEVICE;
	if (m->second_boot < second->boot)
		return MESSAGE_REASON_BOOT;
	if (m->handoff <= forwarder_device(f, m->first)->aborted_upto)
		return MESSAGE_REASON_GENERATION;
	if (!e || e->state == ENTRY_RETURNED) {
		if (forwarder_classifier(f, &m->tuple) != m->first)
			return MESSAGE_REASON_OWNER;
	} else {
		if (e->state != ENTRY_COMMITTED)
			return MESSAGE_REASON_STATE;
		if (e->device != m->first || table_flow(&f->table, e->record)->second_boot != m->first_boot)
			return MESSAGE_REASON_OWNER;
	}
	/* Another boot of a classifier counts anew: its earlier one's generations are not of its connections. */
	if (e && m->generation <= e->generation &&
	    (e->state == ENTRY_COMMITTED || table_flow(&f->table, e->record)->first_boot == m->first_boot))
		return MESSAGE_REASON_GENERATION;
	if (table_flow_find(&f->table, m->flow) != TABLE_NONE)
		return MESSAGE_REASON_FLOW;
	return MESSAGE_REASON_NONE;
}

/* C1.8: the set of compare-and-set. False when the table is full. */
static bool prepare_set(struct forwarder *f, const struct message *m, uint32_t entry, nstime now)
{
	bool fresh = entry == TABLE_NONE;
	struct table_entry *e;
	uint32_t record, owner;

	if (fresh) {
		forwarder_room_make(f, now);
		entry = table_insert(&f->table, &m->tuple);
	}
	if (entry == TABLE_NONE)
		return false;
	e = table_entry(&f->table, entry);
	owner = e->state == ENTRY_COMMITTED ? e->record : TABLE_NONE;
	record = table_flow_insert(&f->table, entry, m->flow);
	if (record == TABLE_NONE) {
		if (fresh)
			table_remove(&f->table, entry);
		return false;
	}
	record_fill(table_flow(&f->table, record), m, RECORD_PREPARED);
	if (owner != TABLE_NONE)
		table_flow_schedule(&f->table, owner, TABLE_LIST_NONE, NSTIME_NEVER);
	table_flow_schedule(&f->table, record, LIST_PREPARED, nstime_add(now, f->config.prepared_max));
	e->device = m->second;
	e->flow = m->flow;
	e->generation = m->generation;
	e->flags = owner != TABLE_NONE ? ENTRY_OWNED : 0;
	e->last = now;
	forwarder_entry_state(f, e, ENTRY_PREPARED);
	return true;
}

/* Remembers a generation as aborted by its hand-off's number. Only the first device's present boot can still send its
 * PREPARE. False when that boot is not known yet. */
static bool abort_number(struct forwarder *f, const struct message *m)
{
	struct forwarder_device *d;

	if (!f->device_slots[m->first])
		return true;
	d = &f->devices[f->device_slots[m->first] - 1];
	if (d->boot < m->first_boot)
		return false;
	if (d->boot == m->first_boot && d->aborted_upto < m->handoff)
		d->aborted_upto = m->handoff;
	return true;
}

/* Sees to it that a generation which is not known never succeeds from now on: its PREPARE is refused, or is still under
 * way behind an ABORT, or never comes. False when that cannot be remembered. */
static bool abort_mark(struct forwarder *f, const struct message *m, nstime now)
{
	uint32_t record = table_flow_find(&f->table, m->flow);
	uint8_t list;

	if (record == TABLE_NONE) {
		record = table_flow_insert(&f->table, TABLE_NONE, m->flow);
		if (record == TABLE_NONE) {
			f->counters.abort_full++;
			return abort_number(f, m);
		}
		record_fill(table_flow(&f->table, record), m, RECORD_ABORTED);
		table_flow_schedule(&f->table, record, LIST_MARK, nstime_add(now, f->config.mark));
		return true;
	}
	/* Another generation has the identifier: PREPARE is refused as long as that is so; see that it lasts. */
	list = table_flow(&f->table, record)->list;
	if (list == LIST_REST || list == LIST_MARK)
		table_flow_schedule(&f->table, record, LIST_MARK, nstime_add(now, f->config.mark));
	return true;
}

static void prepare(struct forwarder *f, const struct message *m, nstime now)
{
	uint32_t record = record_of(f, m);
	uint32_t entry;
	enum message_reason reason;

	if (record != TABLE_NONE) {
		f->counters.repeated++;
		switch ((enum record_state)table_flow(&f->table, record)->state) {
		case RECORD_PREPARED:
			reply(f, m->first, m, MESSAGE_PREPARED, MESSAGE_REASON_NONE);
			break;
		case RECORD_COMMITTED:
			reply(f, m->first, m, MESSAGE_COMMITTED, MESSAGE_REASON_NONE);
			break;
		case RECORD_ABORTED:
			refuse(f, m, MESSAGE_REASON_GENERATION, now);
			break;
		}
		return;
	}
	entry = forwarder_find(f, &m->tuple, table_hash(&f->table, &m->tuple), now);
	reason = prepare_check(f, m, entry);
	if (!reason && !prepare_set(f, m, entry, now))
		reason = MESSAGE_REASON_TABLE_FULL;
	if (reason) {
		/* A refusal is for good, should the same PREPARE come again; but a full table has no room to remember
		 * it. */
		if (reason != MESSAGE_REASON_TABLE_FULL)
			abort_mark(f, m, now);
		refuse(f, m, reason, now);
		return;
	}
	f->counters.prepared++;
	TRACE(f->config.trace, now, TRACE_FORWARDER_PREPARED, TF_TUPLE("tuple", &m->tuple), TF_U64("flow", m->flow),
	      TF_U64("generation", m->generation), TF_U64("handoff", m->handoff), TF_U64("first", m->first),
	      TF_U64("device", m->second));
	reply(f, m->first, m, MESSAGE_PREPARED, MESSAGE_REASON_NONE);
}

static void commit(struct forwarder *f, uint32_t record, nstime now)
{
	struct table_flow *r = table_flow(&f->table, record);
	struct table_entry *e = table_entry(&f->table, r->entry);

	if (e->flags & ENTRY_OWNED)
		table_flow_schedule(&f->table, r->older, LIST_REST, nstime_add(now, f->config.rest));
	e->flags &= (uint8_t)~ENTRY_OWNED;
	e->last = now;
	r->state = RECORD_COMMITTED;
	f->table.since[r->entry] = now;
	forwarder_entry_state(f, e, ENTRY_COMMITTED);
	table_flow_schedule(&f->table, record, LIST_IDLE, nstime_add(now, f->config.idle));
	f->counters.committed++;
	TRACE(f->config.trace, now, TRACE_FORWARDER_COMMITTED, TF_TUPLE("tuple", &e->tuple), TF_U64("flow", r->flow),
	      TF_U64("generation", r->generation), TF_U64("handoff", r->handoff), TF_U64("device", r->second));
	forwarder_tell(f, r->second, MESSAGE_COMMITTED, r, &e->tuple);
	forwarder_tell(f, r->first, MESSAGE_COMMITTED, r, &e->tuple);
}

static void ready(struct forwarder *f, const struct message *m, nstime now)
{
	uint32_t record = record_of(f, m);
	uint32_t entry;

	if (record == TABLE_NONE) {
		entry = forwarder_find(f, &m->tuple, table_hash(&f->table, &m->tuple), now);
		if (entry != TABLE_NONE && table_entry(&f->table, entry)->generation >= m->generation) {
			f->counters.stale++;
			reply(f, m->second, m, MESSAGE_ABORTED, MESSAGE_REASON_GENERATION);
		} else {
			f->counters.ready_unknown++;
		}
		return;
	}
	switch ((enum record_state)table_flow(&f->table, record)->state) {
	case RECORD_PREPARED:
		commit(f, record, now);
		break;
	case RECORD_COMMITTED:
		f->counters.repeated++;
		reply(f, m->second, m, MESSAGE_COMMITTED, MESSAGE_REASON_NONE);
		break;
	case RECORD_ABORTED:
		f->counters.repeated++;
		reply(f, m->second, m, MESSAGE_ABORTED, MESSAGE_REASON_NONE);
		break;
	}
}

void forwarder_abort(struct forwarder *f, uint32_t record, enum message_reason reason, nstime now)
{
	struct table_flow *r = table_flow(&f->table, record);
	uint32_t entry = r->entry;
	struct table_entry *e = table_entry(&f->table, entry);
	uint32_t owner = e->flags & ENTRY_OWNED ? r->older : TABLE_NONE;

	r->state = RECORD_ABORTED;
	table_flow_schedule(&f->table, record, LIST_MARK, nstime_add(now, f->config.mark));
	f->counters.aborted++;
	TRACE(f->config.trace, now, TRACE_FORWARDER_ABORTED, TF_TUPLE("tuple", &e->tuple), TF_U64("flow", r->flow),
	      TF_U64("generation", r->generation), TF_U64("handoff", r->handoff), TF_U64("device", r->first),
	      TF_TEXT("reason", message_reason_text(reason)));
	forwarder_tell(f, r->first, MESSAGE_ABORTED, r, &e->tuple);
	forwarder_tell(f, r->second, MESSAGE_ABORTED, r, &e->tuple);
	e->flags = 0;
	if (owner == TABLE_NONE) {
		e->device = r->first;
		e->flow = 0;
		forwarder_entry_state(f, e, ENTRY_RETURNED);
		return;
	}
	/* A backend owned it before, under its own flow identifier. */
	table_flow_promote(&f->table, owner);
	r = table_flow(&f->table, owner);
	r->asked = 0;
	e->device = r->second;
	e->flow = r->flow;
	forwarder_entry_state(f, e, ENTRY_COMMITTED);
	table_flow_schedule(&f->table, owner, LIST_IDLE, nstime_add(now, f->config.idle));
}

static void abort_asked(struct forwarder *f, uint16_t from, const struct message *m, nstime now)
{
	uint32_t record = record_of(f, m);

	if (record == TABLE_NONE) {
		if (abort_mark(f, m, now))
			reply(f, from, m, MESSAGE_ABORTED, MESSAGE_REASON_NONE);
		return;
	}
	switch ((enum record_state)table_flow(&f->table, record)->state) {
	case RECORD_PREPARED:
		forwarder_abort(f, record, m->reason, now);
		break;
	case RECORD_COMMITTED:
		f->counters.repeated++;
		reply(f, from, m, MESSAGE_COMMITTED, MESSAGE_REASON_NONE);
		break;
	case RECORD_ABORTED:
		f->counters.repeated++;
		reply(f, from, m, MESSAGE_ABORTED, MESSAGE_REASON_NONE);
		break;
	}
}

/* An owner tells of a connection that an earlier boot of this forwarder committed to it. */
static void adopt(struct forwarder *f, const struct message *m, nstime now)
{
	const struct forwarder_device *second = forwarder_device(f, m->second);
	uint32_t entry, record;
	struct table_entry *e;

	if (table_flow_find(&f->table, m->flow) != TABLE_NONE ||
	    forwarder_find(f, &m->tuple, table_hash(&f->table, &m->tuple), now) != TABLE_NONE ||
	    !addr_pair_get(&second->address, m->tuple.local.family)->family) {
		f->counters.stale++;
		return;
	}
	forwarder_room_make(f, now);
	entry = table_insert(&f->table, &m->tuple);
	record = entry == TABLE_NONE ? TABLE_NONE : table_flow_insert(&f->table, entry, m->flow);
	if (record == TABLE_NONE) {
		if (entry != TABLE_NONE)
			table_remove(&f->table, entry);
		f->counters.refused[MESSAGE_REASON_TABLE_FULL]++;
		return;
	}
	record_fill(table_flow(&f->table, record), m, RECORD_COMMITTED);
	e = table_entry(&f->table, entry);
	e->device = m->second;
	e->flow = m->flow;
	e->generation = m->generation;
	e->last = now;
	f->table.since[entry] = now;
	forwarder_entry_state(f, e, ENTRY_COMMITTED);
	/* Its end may be told of by a message that overtook this one. */
	table_flow_schedule(&f->table, record, LIST_QUERY, nstime_add(now, f->config.query_interval));
	f->counters.adopted++;
	TRACE(f->config.trace, now, TRACE_FORWARDER_ADOPTED, TF_TUPLE("tuple", &m->tuple), TF_U64("flow", m->flow),
	      TF_U64("generation", m->generation), TF_U64("device", m->second));
}

/* CLOSED, ALIVE and GONE are about what the entry's owner has: the current record, COMMITTED. */
static void owner_says(struct forwarder *f, const struct message *m, nstime now)
{
	uint32_t record = record_of(f, m);
	struct table_flow *r = record == TABLE_NONE ? NULL : table_flow(&f->table, record);
	struct table_entry *e = !r || r->entry == TABLE_NONE ? NULL : table_entry(&f->table, r->entry);

	if (m->type == MESSAGE_ALIVE && !r) {
		adopt(f, m, now);
		return;
	}
	if (!e || e->record != record || e->state != ENTRY_COMMITTED) {
		f->counters.stale++;
		return;
	}
	switch (m->type) {
	case MESSAGE_CLOSED:
		f->counters.closed++;
		forwarder_entry_state(f, e, ENTRY_CLOSING);
		table_flow_schedule(&f->table, record, LIST_CLOSING, nstime_add(now, f->config.linger));
		TRACE(f->config.trace, now, TRACE_FORWARDER_CLOSED, TF_TUPLE("tuple", &e->tuple),
		      TF_U64("flow", r->flow), TF_U64("device", r->second));
		break;
	case MESSAGE_ALIVE:
		r->asked = 0;
		table_flow_schedule(&f->table, record, LIST_IDLE, nstime_add(now, f->config.idle));
		break;
	default: /* GONE */
		forwarder_entry_lost(f, r->entry, now);
		break;
	}
}

void forwarder_message(struct forwarder *f, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
		       size_t len, nstime now)
{
	const struct forwarder_device *d = forwarder_device(f, from);
	struct message m;
	bool is_first, is_second;

	if (message_decode(&m, type, bytes, len)) {
		f->counters.malformed++;
		return;
	}
	if (!d) {
		f->counters.unexpected++;
		return;
	}
	forwarder_peer_restarted(f, from, from_boot, now);
	is_first = m.first == from;
	is_second = m.second == from;
	if (from_boot < d->boot || (is_first && m.first_boot != from_boot) ||
	    (is_second && m.second_boot != from_boot)) {
		f->counters.stale++;
		return;
	}
	if (is_first == is_second) /* it is about others, or about one device twice */
		f->counters.unexpected++;
	else if (m.type == MESSAGE_PREPARE && is_first)
		prepare(f, &m, now);
	else if (m.type == MESSAGE_READY && is_second)
		ready(f, &m, now);
	else if (m.type == MESSAGE_ABORT)
		abort_asked(f, from, &m, now);
	else if ((m.type == MESSAGE_CLOSED || m.type == MESSAGE_ALIVE || m.type == MESSAGE_GONE) && is_second)
		owner_says(f, &m, now);
	else
		f->counters.unexpected++;
}

void forwarder_peer_restarted(struct forwarder *f, uint16_t device, uint64_t boot, nstime now)
{
	struct forwarder_device *d;
	uint32_t next;

	if (!f->device_slots[device])
		return;
	d = &f->devices[f->device_slots[device] - 1];
	if (boot <= d->boot)
		return;
	d->restarted = d->restarted || d->boot;
	d->boot = boot;
	d->aborted_upto = 0;
	/* Only what is PREPARED: bounded by the hand-offs under way. What it owned is found out when it is next used.
	 */
	for (uint32_t r = f->table.lists[LIST_PREPARED].head; r != TABLE_NONE; r = next) {
		next = table_flow(&f->table, r)->next;
		if (table_flow(&f->table, r)->second == device && table_flow(&f->table, r)->second_boot < boot)
			forwarder_abort(f, r, MESSAGE_REASON_BOOT, now);
	}
}
