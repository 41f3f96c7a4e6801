/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages on their way in: reassembly, each once, and what is to be acknowledged. */
#include "lb/courier_impl.h"

#include "base/err.h"

#include <stdlib.h>
#include <string.h>

/* A sender gives up after give_up; after so many of them nobody completes a message any more. */
#define PARTIAL_LIFE 2U

void courier_inbound_free(struct courier *c, struct courier_inbound *m)
{
	c->inbox_bytes -= m->cost;
	m->peer->inbox_bytes -= m->cost;
	free(m);
}

static void partial_drop(struct courier *c, struct courier_inbound *m)
{
	struct courier_peer *p = m->peer;

	TAILQ_REMOVE(&p->partial, m, link);
	p->slot_messages[m->id % COURIER_SPAN] = NULL;
	courier_inbound_free(c, m);
}

/* Forgets all of the peer's former boot, but for whole messages, which were acknowledged. */
void courier_recv_reset(struct courier *c, struct courier_peer *p)
{
	struct courier_inbound *m;

	while ((m = TAILQ_FIRST(&p->partial)))
		partial_drop(c, m);
	memset(p->slot_states, SLOT_NEW, sizeof(p->slot_states));
	p->base = 1;
	p->seen = p->taken = (struct courier_seen){0};
	p->ack_pending = 0;
	p->ack_at = NSTIME_NEVER;
}

/* The sender holds nothing below `floor` any more. */
static void base_advance(struct courier *c, struct courier_peer *p, uint64_t floor)
{
	uint64_t span = floor > p->base ? floor - p->base : 0;

	for (uint64_t i = 0; i < span && i < COURIER_SPAN; i++) {
		uint64_t slot = (p->base + i) % COURIER_SPAN;

		if (p->slot_states[slot] == SLOT_PARTIAL)
			partial_drop(c, p->slot_messages[slot]);
		p->slot_states[slot] = SLOT_NEW;
	}
	p->base += span;
}

/* What of an inbox a message may fill: all but one part in `part`; all for 0. */
static size_t inbox_room(size_t max, uint32_t part)
{
	return part ? max - max / part : max;
}

static int inbound_new(struct courier *c, struct courier_peer *p, const struct frame_data *d, nstime now)
{
	uint32_t count = frame_chunk_count(d->total, d->chunk);
	size_t words = (count + 63U) / 64U;
	size_t size = sizeof(struct courier_inbound) + words * sizeof(uint64_t) + d->total;
	uint32_t part = d->total > COURIER_CONTROL_MAX ? COURIER_INBOX_CONTROL : 0;
	struct courier_inbound *m;

	if (p->inbox_bytes + size > inbox_room(c->config.inbox_bytes_max, part) ||
	    c->inbox_bytes + size > inbox_room(COURIER_INBOX_MAX, part))
		return E_FULL;
	m = malloc(size);
	if (!m)
		return E_FULL;
	*m = (struct courier_inbound){
		.peer = p,
		.id = d->id,
		.from_boot = p->boot,
		.since = now,
		.cost = (uint32_t)size,
		.type = d->type,
		.total = d->total,
		.chunk = d->chunk,
		.count = count,
		.got = (uint64_t *)(m + 1),
		.bytes = (uint8_t *)(m + 1) + words * sizeof(uint64_t),
	};
	memset(m->got, 0, words * sizeof(uint64_t));
	p->inbox_bytes += m->cost;
	c->inbox_bytes += m->cost;
	p->slot_messages[d->id % COURIER_SPAN] = m;
	p->slot_states[d->id % COURIER_SPAN] = SLOT_PARTIAL;
	TAILQ_INSERT_TAIL(&p->partial, m, link);
	return 0;
}

static void inbound_whole(struct courier *c, struct courier_inbound *m, nstime now)
{
	struct courier_peer *p = m->peer;

	TAILQ_REMOVE(&p->partial, m, link);
	TAILQ_INSERT_TAIL(&c->whole, m, link);
	p->slot_messages[m->id % COURIER_SPAN] = NULL;
	p->slot_states[m->id % COURIER_SPAN] = SLOT_DONE;
	c->counters.messages_received++;
	TRACE(c->config.trace, now, TRACE_COURIER_DELIVER, TF_U64("peer", p->device), TF_U64("message", m->id),
	      TF_U64("type", m->type), TF_U64("bytes", m->total));
}

/* Takes one piece: 0, or E_FULL. `fresh` is set when it was not known. */
static int piece_take(struct courier *c, struct courier_peer *p, const struct frame_data *d, bool *fresh, nstime now)
{
	struct courier_inbound *m;
	uint64_t bit = UINT64_C(1) << (d->index % 64);
	int rc;

	if (d->id < p->base)
		return 0;
	switch (p->slot_states[d->id % COURIER_SPAN]) {
	case SLOT_DONE:
		return 0;
	case SLOT_DROPPED:
		return E_FULL;
	case SLOT_NEW:
		rc = inbound_new(c, p, d, now);
		if (rc)
			return rc;
		break;
	default:
		break;
	}
	m = p->slot_messages[d->id % COURIER_SPAN];
	if (m->got[d->index / 64] & bit)
		return 0;
	m->got[d->index / 64] |= bit;
	if (d->len)
		memcpy(m->bytes + (size_t)d->chunk * d->index, d->bytes, d->len);
	*fresh = true;
	if (++m->have == m->count)
		inbound_whole(c, m, now);
	return 0;
}

/* Whether all pieces may be taken as they are: within the span, and at one with earlier pieces of their messages. */
static bool pieces_fit(const struct courier_peer *p, const struct frame_body *b)
{
	for (uint32_t i = 0; i < b->data_count; i++) {
		const struct frame_data *d = &b->data[i];
		uint64_t base = b->floor > p->base ? b->floor : p->base;
		const struct courier_inbound *m;

		if (d->id >= base && d->id - base >= COURIER_SPAN)
			return false;
		m = p->slot_messages[d->id % COURIER_SPAN];
		if (m && m->id == d->id && (m->type != d->type || m->total != d->total || m->chunk != d->chunk))
			return false;
		for (uint32_t k = 0; k < i; k++)
			if (b->data[k].id == d->id && (b->data[k].type != d->type || b->data[k].total != d->total ||
						       b->data[k].chunk != d->chunk))
				return false;
	}
	return true;
}

/* Takes a frame's pieces and notes the frame as to be acknowledged: 0, E_FORMAT, or E_FULL (not acknowledged; pieces
 * for which there was room stay, they are the same when they come again). */
int courier_recv_data(struct courier *c, struct courier_peer *p, const struct frame_header *h,
		      const struct frame_body *b, nstime now)
{
	bool fresh = false, in_order = h->number == p->taken.largest + 1;
	int rc = 0;

	if (!pieces_fit(p, b))
		return E_FORMAT;
	if (b->has_floor)
		base_advance(c, p, b->floor);
	for (uint32_t i = 0; i < b->data_count; i++) {
		int e = piece_take(c, p, &b->data[i], &fresh, now);

		rc = rc ? rc : e;
	}
	if (rc)
		return rc;
	if (h->number > p->taken.largest)
		p->largest_at = now;
	courier_seen_add(&p->taken, h->number);
	if (!b->data_count)
		return 0;
	p->ack_pending++;
	/* What is out of order, or known, tells of loss: the sender wants to know at once (RFC 5681 section 4.2). */
	if (!in_order || !fresh || h->number == 1 || p->ack_pending >= COURIER_ACK_EVERY)
		p->ack_at = now;
	else
		p->ack_at = nstime_min(p->ack_at, nstime_add(now, COURIER_ACK_DELAY_MAX));
	return 0;
}

/* What there is to acknowledge; false when there is nothing. */
bool courier_recv_ack(const struct courier_peer *p, struct frame_ack *ack, nstime now)
{
	ack->delay_us = (uint32_t)((now - p->largest_at) / NSTIME_US);
	ack->count = courier_seen_ranges(&p->taken, ack->ranges, FRAME_RANGES_MAX + 1);
	return ack->count > 0;
}

/* The acknowledgement was sent. */
void courier_recv_acked(struct courier_peer *p)
{
	p->ack_pending = 0;
	p->ack_at = NSTIME_NEVER;
}

nstime courier_recv_expiry(const struct courier *c, const struct courier_peer *p)
{
	const struct courier_inbound *m = TAILQ_FIRST(&p->partial);

	return m ? nstime_add(m->since, PARTIAL_LIFE * c->config.give_up) : NSTIME_NEVER;
}

/* Drops what nobody completes. Pieces that come nevertheless are not acknowledged: some of the message is gone, so it
 * must fail at its sender. */
void courier_recv_expire(struct courier *c, struct courier_peer *p, nstime now)
{
	while (courier_recv_expiry(c, p) <= now) {
		struct courier_inbound *m = TAILQ_FIRST(&p->partial);

		p->slot_states[m->id % COURIER_SPAN] = SLOT_DROPPED;
		partial_drop(c, m);
	}
}
