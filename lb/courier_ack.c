/* SPDX-License-Identifier: BSD-3-Clause */
/* What became of frames that were sent: acknowledged, lost, or to be probed for. */
#include "lb/courier_impl.h"

#include "base/err.h"

#define REORDER_FRAMES_MAX 64U /* frames: as far as the packet threshold grows */

void courier_ring_clear(struct courier_peer *p)
{
	p->ring_head = p->ring_tail = 0;
	p->acked_index = p->probe_index = 0;
	p->probes = p->probes_due = 0;
	p->loss_at = NSTIME_NEVER;
	p->window.in_flight = 0;
}

/* For a new session. */
void courier_ring_init(struct courier *c, struct courier_peer *p)
{
	courier_window_init(&p->window, c->config.mtu);
	p->reorder = COURIER_REORDER_FRAMES;
	courier_ring_clear(p);
}

/* Precondition: there is room. */
void courier_ring_put(struct courier_peer *p, const struct courier_sent *sent)
{
	*courier_ring_at(p, p->ring_tail++) = *sent;
}

/* Forgets the oldest frames that are settled; a lost one is kept for some time, to tell whether it was late only. */
static void ring_trim(struct courier_peer *p, nstime now)
{
	while (p->ring_head < p->ring_tail) {
		const struct courier_sent *s = courier_ring_at(p, p->ring_head);

		if (s->state == SENT_IN_FLIGHT)
			return;
		if (s->state == SENT_LOST && p->ring_tail - p->ring_head <= COURIER_IN_FLIGHT_MAX / 2 &&
		    now - s->at < 2 * courier_rtt_rto(&p->rtt))
			return;
		p->ring_head++;
	}
}

static void sent_acked(struct courier *c, struct courier_peer *p, uint64_t index)
{
	struct courier_sent *s = courier_ring_at(p, index);
	bool was_lost = s->state == SENT_LOST;

	if (was_lost) {
		uint64_t depth = p->acked_index > index ? p->acked_index - index : 0;

		c->counters.spurious++;
		if (depth > p->reorder)
			p->reorder = depth < REORDER_FRAMES_MAX ? depth : REORDER_FRAMES_MAX;
	} else {
		courier_window_acked(&p->window, s->bytes, s->at);
	}
	s->state = SENT_ACKED;
	for (uint32_t i = 0; i < s->count; i++) {
		struct courier_outbound *m = courier_outbound_find(p, s->pieces[i].id);

		if (!m)
			continue;
		if (!was_lost)
			m->pieces[s->pieces[i].index]--;
		courier_outbound_acked(c, m, s->pieces[i].index);
	}
}

static void sent_lost(struct courier *c, struct courier_peer *p, struct courier_sent *s, nstime now)
{
	s->state = SENT_LOST;
	c->counters.lost++;
	courier_window_lost(&p->window, s->bytes, s->at, now);
	for (uint32_t i = 0; i < s->count; i++) {
		struct courier_outbound *m = courier_outbound_find(p, s->pieces[i].id);
		uint32_t index = s->pieces[i].index;

		/* While another copy is in flight, or one arrived, it is not to be sent again. */
		if (!m || --m->pieces[index])
			continue;
		m->pieces[index] = PIECE_LOST;
		if (!m->lost || index < m->lost_from)
			m->lost_from = index;
		m->lost++;
		courier_outbound_pend(m);
	}
}

/* Index of the first kept frame with a packet number of at least `number`. */
static uint64_t ring_search(const struct courier_peer *p, uint64_t number)
{
	uint64_t low = p->ring_head, high = p->ring_tail;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;

		if (courier_ring_at(p, middle)->number < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Declares lost what the latest acknowledged frame vouches for (RFC 9002 section 6.1). */
static void loss_detect(struct courier *c, struct courier_peer *p, nstime now)
{
	nstime delay = courier_rtt_loss_delay(&p->rtt);

	p->loss_at = NSTIME_NEVER;
	for (uint64_t i = p->ring_head; i + 1 < p->acked_index; i++) {
		struct courier_sent *s = courier_ring_at(p, i);
		nstime at = nstime_add(s->at, delay);

		if (s->state != SENT_IN_FLIGHT)
			continue;
		if (at <= now || p->acked_index - 1 - i >= p->reorder)
			sent_lost(c, p, s, now);
		else
			p->loss_at = nstime_min(p->loss_at, at);
	}
}

/* 0, or E_FORMAT when it acknowledges what was never sent. */
int courier_ack_input(struct courier *c, struct courier_peer *p, const struct frame_ack *ack, nstime now)
{
	bool progress = false;

	if (ack->ranges[0].high > p->number)
		return E_FORMAT;
	for (uint32_t r = 0; r < ack->count; r++) {
		const struct frame_range *range = &ack->ranges[r];

		for (uint64_t i = ring_search(p, range->low); i < p->ring_tail; i++) {
			struct courier_sent *s = courier_ring_at(p, i);

			if (s->number > range->high)
				break;
			if (s->state == SENT_ACKED)
				continue;
			if (s->number == ack->ranges[0].high)
				courier_rtt_sample(&p->rtt, now - s->at, ack->delay_us * NSTIME_US);
			if (i >= p->acked_index)
				p->acked_index = i + 1;
			sent_acked(c, p, i);
			progress = true;
		}
		if (p->ring_head < p->ring_tail && range->low <= courier_ring_at(p, p->ring_head)->number)
			break;
	}
	if (progress) {
		p->probes = p->probes_due = 0;
		loss_detect(c, p, now);
		ring_trim(p, now);
	}
	return 0;
}

/* When the next probe is due, NSTIME_NEVER without anything in flight. */
nstime courier_probe_at(const struct courier_peer *p)
{
	if (!p->window.in_flight || p->loss_at != NSTIME_NEVER)
		return NSTIME_NEVER;
	return nstime_add(p->sent_at, courier_rtt_probe(&p->rtt, p->probes));
}

void courier_loss_expire(struct courier *c, struct courier_peer *p, nstime now)
{
	if (p->loss_at <= now) {
		loss_detect(c, p, now);
		ring_trim(p, now);
	}
	if (courier_probe_at(p) > now)
		return;
	/* A ring full of frames that nobody acknowledges must still let a probe in. */
	if (p->ring_tail - p->ring_head == COURIER_IN_FLIGHT_MAX) {
		sent_lost(c, p, courier_ring_at(p, p->ring_head), now);
		ring_trim(p, now);
	}
	p->probes++;
	/* The interval doubles, and so do the frames: about one an RTO until either meets its bound, and ever more
	 * likely that one passes a link that loses at random. */
	p->probes_due = p->probes < 4 ? 1U << (p->probes - 1) : COURIER_PROBE_FRAMES_MAX;
	p->probe_index = p->ring_head;
	p->sent_at = now;
	if (p->probes == COURIER_PROBES_PERSISTENT)
		courier_window_collapse(&p->window, now);
}
