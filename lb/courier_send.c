/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages on their way out: accepted, cut into pieces, put into frames, ended. */
#include "lb/courier_impl.h"

#include "base/err.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ID_BITS 48 /* of a message id within a courier; the peer's device id stands above */

#define PIECE_OVERHEAD (FRAME_FLOOR_LEN + FRAME_DATA_LEN)

void courier_outbox_init(struct courier_peer *p)
{
	TAILQ_INIT(&p->outbox);
	for (int i = 0; i < COURIER_CLASS_COUNT; i++)
		TAILQ_INIT(&p->pending[i]);
	p->id_next = 1;
	p->pace_at = NSTIME_NEVER;
}

static void outbound_free(struct courier_outbound *m)
{
	m->peer->queued--;
	m->peer->queue_bytes -= m->len;
	free(m);
}

static void unpend(struct courier_outbound *m)
{
	if (m->is_pending)
		TAILQ_REMOVE(&m->peer->pending[m->class], m, pending);
	m->is_pending = false;
}

/* Takes a message out of all that could send it. */
static void outbound_detach(struct courier_outbound *m)
{
	unpend(m);
	TAILQ_REMOVE(&m->peer->outbox, m, age);
	m->peer->slots[m->id % COURIER_SPAN] = NULL;
}

void courier_outbox_fini(struct courier_peer *p)
{
	struct courier_outbound *m;

	while ((m = TAILQ_FIRST(&p->outbox))) {
		outbound_detach(m);
		outbound_free(m);
	}
}

/* The event about a message's end was taken: nothing is left of it. */
void courier_outbound_release(struct courier_note *n)
{
	outbound_free((struct courier_outbound *)((char *)n - offsetof(struct courier_outbound, note)));
}

static uint64_t outbound_name(const struct courier_outbound *m)
{
	return (uint64_t)m->peer->device << ID_BITS | m->id;
}

static void outbound_end(struct courier *c, struct courier_outbound *m, enum courier_event_kind kind)
{
	struct courier_peer *p = m->peer;

	outbound_detach(m);
	courier_note_put(c, &m->note,
			 &(struct courier_event){
				 .kind = kind, .device = p->device, .message = outbound_name(m), .type = m->type});
}

static void outbound_fail(struct courier *c, struct courier_outbound *m, const char *reason, nstime now)
{
	c->counters.messages_failed++;
	TRACE(c->config.trace, now, TRACE_COURIER_GIVEUP, TF_U64("peer", m->peer->device), TF_U64("message", m->id),
	      TF_U64("type", m->type), TF_U64("bytes", m->len), TF_TEXT("reason", reason));
	outbound_end(c, m, COURIER_MESSAGE_FAILED);
}

void courier_outbox_fail_all(struct courier *c, struct courier_peer *p, const char *reason, nstime now)
{
	struct courier_outbound *m;

	while ((m = TAILQ_FIRST(&p->outbox)))
		outbound_fail(c, m, reason, now);
}

void courier_outbox_expire(struct courier *c, struct courier_peer *p, nstime now)
{
	struct courier_outbound *m;

	while ((m = TAILQ_FIRST(&p->outbox)) && m->deadline <= now)
		outbound_fail(c, m, "timeout", now);
}

struct courier_outbound *courier_outbound_find(const struct courier_peer *p, uint32_t id_low)
{
	struct courier_outbound *m = p->slots[id_low % COURIER_SPAN];

	return m && (uint32_t)m->id == id_low ? m : NULL;
}

/* Has it sent on, ahead of its class: something of it was lost. */
void courier_outbound_pend(struct courier_outbound *m)
{
	if (m->is_pending)
		return;
	TAILQ_INSERT_HEAD(&m->peer->pending[m->class], m, pending);
	m->is_pending = true;
}

/* The peer holds piece `index`. */
void courier_outbound_acked(struct courier *c, struct courier_outbound *m, uint32_t index)
{
	uint16_t *piece = &m->pieces[index];

	if (*piece & PIECE_ACKED)
		return;
	if (*piece & PIECE_LOST) {
		m->lost--;
		if (!m->lost && m->unsent == m->count)
			unpend(m);
	}
	*piece = (uint16_t)((*piece & PIECE_COPIES) | PIECE_ACKED);
	if (++m->acked < m->count)
		return;
	c->counters.messages_delivered++;
	outbound_end(c, m, COURIER_MESSAGE_DELIVERED);
}

static struct courier_outbound *outbound_new(struct courier *c, struct courier_peer *p, uint8_t type, const void *bytes,
					     uint32_t len)
{
	uint32_t chunk = c->config.mtu - FRAME_OVERHEAD - PIECE_OVERHEAD;
	uint32_t count = frame_chunk_count(len, chunk);
	struct courier_outbound *m = malloc(sizeof(*m) + count * sizeof(uint16_t) + len);

	if (!m)
		return NULL;
	*m = (struct courier_outbound){
		.peer = p,
		.id = p->id_next++,
		.type = type,
		.class = len <= COURIER_CONTROL_MAX      ? COURIER_CLASS_CONTROL
			 : len <= COURIER_BLOB_SMALL_MAX ? COURIER_CLASS_SMALL
							 : COURIER_CLASS_LARGE,
		.len = len,
		.chunk = (uint16_t)chunk,
		.count = count,
		.pieces = (uint16_t *)(m + 1),
		.bytes = (uint8_t *)(m + 1) + count * sizeof(uint16_t),
	};
	memset(m->pieces, 0, count * sizeof(uint16_t));
	if (len)
		memcpy(m->bytes, bytes, len);
	return m;
}

int courier_send(struct courier *c, uint16_t to, uint8_t type, const void *bytes, size_t len, nstime now,
		 uint64_t *message_id)
{
	struct courier_peer *p = courier_peer_find(c, to);
	struct courier_outbound *m, *oldest;

	if (!p)
		return E_NOENT;
	if (len > COURIER_MESSAGE_MAX)
		return E_TOOBIG;
	oldest = TAILQ_FIRST(&p->outbox);
	/* Control messages, which COURIER_SPAN bounds, are not shut out by blobs. */
	if (p->queued == COURIER_SPAN || (oldest && p->id_next - oldest->id >= COURIER_SPAN) ||
	    (len > COURIER_CONTROL_MAX && p->queue_bytes + len > c->config.queue_bytes_max)) {
		c->counters.messages_refused++;
		return E_FULL;
	}
	m = outbound_new(c, p, type, bytes, (uint32_t)len);
	if (!m)
		return E_NOMEM;
	m->deadline = nstime_add(now, c->config.give_up);
	p->slots[m->id % COURIER_SPAN] = m;
	TAILQ_INSERT_TAIL(&p->outbox, m, age);
	TAILQ_INSERT_TAIL(&p->pending[m->class], m, pending);
	m->is_pending = true;
	p->queued++;
	p->queue_bytes += m->len;
	c->counters.messages_sent++;
	if (!p->confirmed)
		courier_hello_want(c, p, now);
	*message_id = outbound_name(m);
	courier_touch(c, p);
	return 0;
}

/* The piece of m to be sent next: lost ones first. Precondition: there is one. */
static uint32_t piece_next(const struct courier_outbound *m)
{
	uint32_t i = m->lost_from;

	if (!m->lost)
		return m->unsent;
	while (!(m->pieces[i] & PIECE_LOST))
		i++;
	return i;
}

static uint32_t piece_len(const struct courier_outbound *m, uint32_t index)
{
	uint32_t left = m->len - index * m->chunk;

	return left < m->chunk ? left : m->chunk;
}

/* A frame being filled. */
struct filling {
	struct writer w;
	struct courier_sent sent;
	bool repeats; /* holds a piece that was sent before */
	const struct courier_outbound *first;
};

/* Adds a piece, FLOOR before the first: false when the frame has no room for it. */
static bool piece_put(struct courier_peer *p, struct filling *f, struct courier_outbound *m, uint32_t index)
{
	uint32_t len = piece_len(m, index);
	size_t need = FRAME_DATA_LEN + len + (f->sent.count ? 0 : FRAME_FLOOR_LEN);
	struct frame_data d = {
		.id = m->id,
		.type = m->type,
		.total = m->len,
		.chunk = m->chunk,
		.index = (uint16_t)index,
		.len = len,
		.bytes = m->bytes + (size_t)index * m->chunk,
	};

	if (f->sent.count == FRAME_DATA_MAX || (size_t)(f->w.end - f->w.p) < need)
		return false;
	if (!f->sent.count) {
		frame_floor_encode(&f->w, TAILQ_FIRST(&p->outbox)->id);
		f->first = m;
	}
	frame_data_encode(&f->w, &d);
	f->sent.pieces[f->sent.count++] = (struct courier_sent_piece){.id = (uint32_t)m->id, .index = index};
	return true;
}

/* Marks a piece as sent once more, and takes its message off the list when nothing is left to send. */
static void piece_sent(struct filling *f, struct courier_outbound *m, uint32_t index)
{
	uint16_t *piece = &m->pieces[index];

	if (*piece & PIECE_LOST) {
		m->lost--;
		m->lost_from = index + 1;
		f->repeats = true;
	} else if (index == m->unsent) {
		m->unsent++;
	} else {
		f->repeats = true;
	}
	*piece = (uint16_t)((*piece & ~PIECE_LOST) + 1);
	if (!m->lost && m->unsent == m->count)
		unpend(m);
}

/* The blob whose piece goes next: a small one, unless it is a larger one's turn. */
static struct courier_outbound *blob_first(const struct courier_peer *p)
{
	struct courier_outbound *small = TAILQ_FIRST(&p->pending[COURIER_CLASS_SMALL]);
	struct courier_outbound *large = TAILQ_FIRST(&p->pending[COURIER_CLASS_LARGE]);

	return !small || (large && p->small_turns >= COURIER_SMALL_TURNS) ? large : small;
}

/* The message whose piece goes next, by class, then order; NULL when there is none, or pacing holds back what is left:
 * then p->pace_at is set. */
static struct courier_outbound *pending_first(struct courier_peer *p, nstime now)
{
	struct courier_outbound *control = TAILQ_FIRST(&p->pending[COURIER_CLASS_CONTROL]);
	struct courier_outbound *blob = blob_first(p);
	nstime pace_at;

	if (!blob || (control && p->control_turns < COURIER_CONTROL_TURNS))
		return control;
	/* A turn is not for pacing to deny: control messages, which are not paced, would have it. */
	if (control)
		return blob;
	pace_at = courier_window_pace(&p->window, p->rtt.srtt);
	if (pace_at <= now)
		return blob;
	p->pace_at = pace_at;
	return NULL;
}

/* Counts how long the classes below have waited for one that had its piece sent. */
static void turn_count(struct courier_peer *p, enum courier_class class)
{
	bool control = class == COURIER_CLASS_CONTROL;
	bool passed_over = class == COURIER_CLASS_SMALL && !TAILQ_EMPTY(&p->pending[COURIER_CLASS_LARGE]);

	p->control_turns = control && blob_first(p) ? p->control_turns + 1 : 0;
	if (!control)
		p->small_turns = passed_over ? p->small_turns + 1 : 0;
}

static void fill_pending(struct courier_peer *p, struct filling *f, bool probe, nstime now)
{
	struct courier_outbound *m;

	p->pace_at = NSTIME_NEVER;
	if (p->ring_tail - p->ring_head == COURIER_IN_FLIGHT_MAX)
		return;
	while ((m = pending_first(p, probe ? NSTIME_NEVER : now))) {
		uint32_t index = piece_next(m), len = piece_len(m, index);
		uint32_t frame = FRAME_OVERHEAD + (uint32_t)writer_len(&f->w) + PIECE_OVERHEAD + len;

		if (!probe && !courier_window_open(&p->window, frame))
			return;
		if (!piece_put(p, f, m, index))
			return;
		piece_sent(f, m, index);
		turn_count(p, m->class);
	}
}

/* Repeats the pieces of a frame in flight, the oldest at the first probe, then the following. */
static void fill_repeat(struct courier_peer *p, struct filling *f)
{
	uint64_t kept = p->ring_tail - p->ring_head;

	if (kept == COURIER_IN_FLIGHT_MAX)
		return;
	for (uint64_t i = 0; i < kept && !f->sent.count; i++) {
		const struct courier_sent *s;

		if (p->probe_index < p->ring_head || p->probe_index >= p->ring_tail)
			p->probe_index = p->ring_head;
		s = courier_ring_at(p, p->probe_index++);
		for (uint32_t k = 0; s->state == SENT_IN_FLIGHT && k < s->count; k++) {
			struct courier_outbound *m = courier_outbound_find(p, s->pieces[k].id);
			uint32_t index = s->pieces[k].index;

			if (m && !(m->pieces[index] & PIECE_ACKED) && piece_put(p, f, m, index))
				piece_sent(f, m, index);
		}
	}
}

static bool ack_put(struct courier_peer *p, struct filling *f, nstime now)
{
	struct frame_ack ack;

	if (!courier_recv_ack(p, &ack, now))
		return false;
	if ((size_t)(f->w.end - f->w.p) < FRAME_ACK_LEN + 4U * (ack.count - 1))
		return false;
	frame_ack_encode(&f->w, &ack);
	courier_recv_acked(p);
	return true;
}

static void frame_sent(struct courier *c, struct courier_peer *p, struct filling *f, bool probe, nstime now)
{
	struct courier_sent *s = &f->sent;

	s->number = p->number;
	s->at = now;
	s->bytes = FRAME_OVERHEAD + (uint32_t)writer_len(&f->w);
	s->state = SENT_IN_FLIGHT;
	courier_ring_put(p, s);
	courier_window_sent(&p->window, s->bytes, p->rtt.srtt, now);
	p->sent_at = now;
	if (probe) {
		p->probes_due--;
		c->counters.probes++;
	}
	if (!f->repeats)
		return;
	c->counters.retransmitted++;
	TRACE(c->config.trace, now, TRACE_COURIER_RETRANSMIT, TF_U64("peer", p->device),
	      TF_U64("message", f->first->id), TF_U64("type", f->first->type), TF_U64("frame", p->number),
	      TF_U64("bytes", s->bytes), TF_TEXT("reason", probe ? "probe" : "lost"));
}

/* Writes the next DATA frame: bytes, or 0 when there is nothing to send now. */
size_t courier_data_output(struct courier *c, struct courier_peer *p, uint8_t *out, nstime now)
{
	struct filling f = {.w = writer_make(out + FRAME_HEADER_LEN, c->config.mtu - FRAME_OVERHEAD)};
	bool acked = false, probe = p->probes_due > 0;

	if (!p->confirmed)
		return 0;
	if (p->ack_pending && p->ack_at <= now)
		acked = ack_put(p, &f, now);
	fill_pending(p, &f, probe, now);
	if (probe && !f.sent.count)
		fill_repeat(p, &f);
	if (probe && !f.sent.count && !acked)
		p->probes_due = 0;
	if (f.sent.count && !acked && p->ack_pending)
		acked = ack_put(p, &f, now);
	if (!writer_len(&f.w))
		return 0;
	assert(!f.w.bad);
	frame_header_encode(out, &(struct frame_header){
					 .kind = FRAME_KIND_DATA,
					 .epoch = p->uses,
					 .from = c->config.self,
					 .to = p->device,
					 .boot = c->config.boot,
					 .number = ++p->number,
				 });
	if (f.sent.count)
		frame_sent(c, p, &f, probe, now);
	seal_frame(&courier_keys_out(p)->data_out, p->number, out, FRAME_HEADER_LEN, writer_len(&f.w));
	return FRAME_OVERHEAD + writer_len(&f.w);
}
