/* SPDX-License-Identifier: BSD-3-Clause */
/* What the forwarder, the second device and the courier say about a hand-off. */
#include "lb/handoff_internal.h"

/* Whether m is about exactly the item's present attempt. */
static bool same_attempt(const struct item *i, const struct message *m)
{
	return i->flow == m->flow && i->generation == m->generation && i->device == m->second &&
	       i->boot == m->second_boot && tuple_equal(&i->tuple, &m->tuple);
}

static void prepared(struct handoff *h, struct item *i)
{
	if (i->state != ITEM_SENT)
		return; /* repeated, or already being aborted: what is held waits for the answer to that */
	i->state = ITEM_PREPARED;
	handoff_held_bounce(h, i);
}

static void refused(struct handoff *h, struct item *i, const struct message *m, nstime now)
{
	if (i->state == ITEM_SENT) {
		i->reason = m->reason;
		i->rejected = true;
		if (m->reason == MESSAGE_REASON_FLOW && handoff_flow_next(h, i, now))
			return;
	} else if (i->state != ITEM_ABORTING) {
		h->counters.unexpected++;
		return;
	}
	handoff_returned(h, i, now);
}

/* The forwarder prepared something that is not under way (any more): its entry must not wait for its own time-out. */
static void disown(struct handoff *h, const struct message *m)
{
	struct message answer = *m;

	answer.type = MESSAGE_ABORT;
	answer.reason = MESSAGE_REASON_STATE;
	outbox_put(&h->outbox, h->config.forwarder, &answer, 0);
}

static void from_forwarder(struct handoff *h, struct item *i, const struct message *m, nstime now)
{
	switch (m->type) {
	case MESSAGE_PREPARED:
		prepared(h, i);
		break;
	case MESSAGE_REFUSED:
		refused(h, i, m, now);
		break;
	case MESSAGE_COMMITTED:
		handoff_committed(h, i, now);
		break;
	default: /* ABORTED: asked for, or decided by the forwarder itself */
		if (i->state != ITEM_ABORTING)
			i->reason = m->reason ? m->reason : MESSAGE_REASON_PEER;
		handoff_returned(h, i, now);
		break;
	}
}

void handoff_message(struct handoff *h, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
		     size_t len, nstime now)
{
	bool of_forwarder = type == MESSAGE_PREPARED || type == MESSAGE_REFUSED || type == MESSAGE_COMMITTED ||
			    type == MESSAGE_ABORTED || type == MESSAGE_LOST;
	struct message m;
	struct item *i;

	if (message_decode(&m, type, bytes, len)) {
		h->counters.malformed++;
		return;
	}
	if ((!of_forwarder && type != MESSAGE_REJECT) || m.first != h->config.self ||
	    from != (of_forwarder ? h->config.forwarder : m.second)) {
		h->counters.unexpected++;
		return;
	}
	if (of_forwarder) {
		handoff_peer_restarted(h, from, from_boot, now);
		if (from_boot < h->forwarder_boot) {
			h->counters.stale++;
			return;
		}
	}
	if (type == MESSAGE_LOST) {
		handoff_tombstone_forget(h, &m.tuple, m.flow);
		return;
	}
	i = m.first_boot == h->config.boot ? handoff_item_by_id(h, m.handoff) : NULL;
	if (!i || !same_attempt(i, &m) || (!of_forwarder && from_boot != i->boot)) {
		h->counters.stale++;
		if (!i && type == MESSAGE_PREPARED && m.first_boot == h->config.boot)
			disown(h, &m);
		return;
	}
	if (of_forwarder)
		from_forwarder(h, i, &m, now);
	else
		handoff_abort(h, i, m.reason, ABORT_REJECTED, now);
}

void handoff_message_failed(struct handoff *h, uint64_t tag, bool taken, nstime now)
{
	struct item *i = handoff_item_by_id(h, tag / TAG_KINDS);

	if (!i)
		return;
	/* An ABORT is repeated anyway; a PREPARE that was answered did arrive. */
	if (tag % TAG_KINDS == TAG_BLOB)
		handoff_abort(h, i, MESSAGE_REASON_PEER, taken ? ABORT_DEVICE : ABORT_BLAMELESS, now);
	else if (tag % TAG_KINDS == TAG_PREPARE && i->state == ITEM_SENT)
		handoff_abort(h, i, MESSAGE_REASON_PEER, ABORT_BLAMELESS, now);
}

/* Fails all that the forwarder was to decide. */
static void forwarder_lost(struct handoff *h, nstime now)
{
	uint32_t next;

	for (uint32_t n = h->live_head; n != INDEX_NONE; n = next) {
		next = h->items[n].next;
		if (h->items[n].state != ITEM_UNDECIDED)
			handoff_failed(h, &h->items[n], MESSAGE_REASON_PEER, now);
	}
}

static void device_lost(struct handoff *h, uint16_t device, uint64_t below_boot, nstime now)
{
	for (uint32_t n = h->live_head; n != INDEX_NONE; n = h->items[n].next)
		if (h->items[n].device == device && h->items[n].boot < below_boot)
			handoff_abort(h, &h->items[n], MESSAGE_REASON_PEER, ABORT_DEVICE, now);
}

void handoff_peer_restarted(struct handoff *h, uint16_t device, uint64_t boot, nstime now)
{
	if (device == h->config.forwarder && boot > h->forwarder_boot) {
		if (h->forwarder_boot)
			forwarder_lost(h, now);
		h->forwarder_boot = boot;
	}
	device_lost(h, device, boot, now);
}
