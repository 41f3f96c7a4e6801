/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets of connections that are frozen or gone: held, bounced, never answered. */
#include "lb/handoff_internal.h"

#include <assert.h>

/* Queues a packet for the forwarder, or drops it, counted, when it cannot be encapsulated. */
static void handoff_bounce(struct handoff *h, struct buf *b, uint32_t flow)
{
	struct packet p;

	if (packet_parse(&p, b) != PACKET_TCP ||
	    !packet_encapsulate(&p, b, addr_pair_get(&h->config.address, p.family),
				addr_pair_get(&h->config.tunnel, p.family), flow)) {
		h->counters.unbounceable++;
		buf_free(b);
		return;
	}
	h->counters.bounced++;
	b->mark = HANDOFF_PACKET_TO_FORWARDER;
	buf_queue_put(&h->packets, b);
}

static struct buf *held_take(struct handoff *h, struct item *i)
{
	struct buf *b = buf_queue_get(&i->held);

	if (b) {
		h->held_packets--;
		h->held_bytes -= b->len;
	}
	return b;
}

void handoff_held_bounce(struct handoff *h, struct item *i)
{
	struct buf *b;

	while ((b = held_take(h, i)))
		handoff_bounce(h, b, i->flow);
}

void handoff_held_return(struct handoff *h, struct item *i)
{
	struct buf *b;

	while ((b = held_take(h, i))) {
		b->mark = HANDOFF_PACKET_TO_STACK;
		buf_queue_put(&h->packets, b);
	}
}

void handoff_held_drop(struct handoff *h, struct item *i)
{
	struct buf *b;

	while ((b = held_take(h, i))) {
		h->counters.held_lost++;
		buf_free(b);
	}
}

static void hold(struct handoff *h, struct item *i, struct buf *b)
{
	if (i->held.count >= h->config.held_packets_max || b->len > h->config.held_bytes_max - h->held_bytes) {
		h->counters.held_overflow++;
		buf_free(b);
		return;
	}
	h->counters.held++;
	h->held_packets++;
	h->held_bytes += b->len;
	buf_queue_put(&i->held, b);
}

static struct item *item_by_tuple(struct handoff *h, const struct tuple *t)
{
	uint32_t hash = handoff_tuple_hash(h, t);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&h->by_tuple, hash, &cursor)) != INDEX_NONE)
		if (number < h->config.handoffs_max && tuple_equal(&h->items[number].tuple, t))
			return &h->items[number];
	return NULL;
}

static struct tombstone *tombstone_by_tuple(const struct handoff *h, const struct tuple *t)
{
	uint32_t hash = handoff_tuple_hash(h, t);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&h->by_tuple, hash, &cursor)) != INDEX_NONE)
		if (number >= h->config.handoffs_max &&
		    tuple_equal(&h->tombstones[number - h->config.handoffs_max].tuple, t))
			return &h->tombstones[number - h->config.handoffs_max];
	return NULL;
}

static void tombstone_unuse(struct handoff *h, struct tombstone *s)
{
	uint32_t number = h->config.handoffs_max + (uint32_t)(s - h->tombstones);

	index_remove(&h->by_tuple, handoff_tuple_hash(h, &s->tuple), number);
	index_remove(&h->by_flow, handoff_flow_hash(h, s->flow), number);
	s->used = false;
	h->tombstones_count--;
}

void handoff_tombstone_remove(struct handoff *h, const struct tuple *t)
{
	struct tombstone *s = tombstone_by_tuple(h, t);

	if (s)
		tombstone_unuse(h, s);
}

void handoff_tombstone_forget(struct handoff *h, const struct tuple *t, uint32_t flow)
{
	struct tombstone *s = tombstone_by_tuple(h, t);

	if (s && s->flow == flow)
		tombstone_unuse(h, s);
}

/* Gives up the oldest slot of the ring. */
static void ring_shift(struct handoff *h)
{
	struct tombstone *oldest = &h->tombstones[h->ring_head];

	if (oldest->used)
		tombstone_unuse(h, oldest);
	h->ring_head = (h->ring_head + 1) % h->config.tombstones_max;
	h->ring_len--;
}

void handoff_tombstone_add(struct handoff *h, const struct tuple *t, uint32_t flow, nstime now)
{
	uint32_t slot;

	handoff_tombstone_remove(h, t);
	if (h->ring_len == h->config.tombstones_max) {
		h->counters.forgotten += h->tombstones[h->ring_head].used;
		ring_shift(h);
	}
	slot = (h->ring_head + h->ring_len++) % h->config.tombstones_max;
	h->tombstones[slot] = (struct tombstone){
		.tuple = *t,
		.flow = flow,
		.due = nstime_add(now, h->config.tombstone),
		.used = true,
	};
	h->tombstones_count++;
	index_insert(&h->by_tuple, handoff_tuple_hash(h, t), h->config.handoffs_max + slot);
	index_insert(&h->by_flow, handoff_flow_hash(h, flow), h->config.handoffs_max + slot);
}

nstime handoff_tombstone_expiry(const struct handoff *h)
{
	return h->ring_len ? h->tombstones[h->ring_head].due : NSTIME_NEVER;
}

void handoff_tombstone_expire(struct handoff *h, nstime now)
{
	while (h->ring_len && h->tombstones[h->ring_head].due <= now)
		ring_shift(h);
}

enum handoff_verdict handoff_packet(struct handoff *h, struct buf *packet, nstime now)
{
	struct packet p;
	struct item *i;
	struct tombstone *s;

	if (packet_parse(&p, packet) != PACKET_TCP)
		return HANDOFF_NOT_MINE;
	i = item_by_tuple(h, &p.tuple);
	if (i) {
		if (i->state == ITEM_PREPARED)
			handoff_bounce(h, packet, i->flow);
		else
			hold(h, i, packet);
		return HANDOFF_TAKEN;
	}
	s = tombstone_by_tuple(h, &p.tuple);
	if (!s)
		return HANDOFF_NOT_MINE;
	if ((p.flags & (TCP_FLAG_SYN | TCP_FLAG_ACK | TCP_FLAG_RST)) == TCP_FLAG_SYN &&
	    packet_tcp_checksum_ok(&p, packet)) {
		tombstone_unuse(h, s);
		return HANDOFF_NOT_MINE;
	}
	TRACE(h->config.trace, now, TRACE_TOMBSTONE_BOUNCE, TF_TUPLE("tuple", &p.tuple), TF_U64("flow", s->flow),
	      TF_U64("bytes", packet->len));
	handoff_bounce(h, packet, s->flow);
	return HANDOFF_TAKEN;
}
