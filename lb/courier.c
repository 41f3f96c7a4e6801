/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier's public face: peers, frames in and out, events, timers. */
#include "lb/courier.h"

#include "base/err.h"
#include "lb/courier_impl.h"

#include <assert.h>
#include <stdlib.h>

int courier_new(struct courier **c, const struct courier_config *config)
{
	struct courier *n;

	*c = NULL;
	if (!config->self || !config->boot || config->mtu < COURIER_MTU_MIN || config->mtu > COURIER_MTU_MAX)
		return E_INVAL;
	if (seal_cipher_check(config->cipher))
		return E_UNSUPPORTED;
	n = calloc(1, sizeof(*n));
	if (!n)
		return E_NOMEM;
	n->config = *config;
	if (!n->config.queue_bytes_max)
		n->config.queue_bytes_max = COURIER_QUEUE_BYTES_MAX;
	if (!n->config.inbox_bytes_max)
		n->config.inbox_bytes_max = COURIER_INBOX_PEER_MAX;
	if (!n->config.rto_floor)
		n->config.rto_floor = COURIER_RTO_FLOOR;
	if (!n->config.give_up)
		n->config.give_up = COURIER_GIVE_UP;
	TAILQ_INIT(&n->notes);
	TAILQ_INIT(&n->whole);
	*c = n;
	return 0;
}

void courier_free(struct courier *c)
{
	struct courier_inbound *m;
	struct courier_event e;

	if (!c)
		return;
	while (courier_event_next(c, &e))
		;
	while ((m = TAILQ_FIRST(&c->whole))) {
		TAILQ_REMOVE(&c->whole, m, link);
		courier_inbound_free(c, m);
	}
	if (c->current)
		courier_inbound_free(c, c->current);
	for (uint32_t i = 0; i < c->peer_count; i++) {
		struct courier_peer *p = c->peers[i];

		courier_outbox_fini(p);
		courier_recv_reset(c, p);
		courier_session_fini(p);
		free(p->ring);
		free(p);
	}
	sodium_memzero(c->config.key, sizeof(c->config.key));
	sodium_memzero(&c->change, sizeof(c->change));
	free(c);
}

int courier_peer_add(struct courier *c, uint16_t device)
{
	struct courier_peer *p;

	if (!device || device == c->config.self)
		return E_INVAL;
	if (courier_peer_find(c, device))
		return E_EXISTS;
	if (c->peer_count == COURIER_PEERS_MAX)
		return E_FULL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return E_NOMEM;
	p->ring = calloc(COURIER_IN_FLIGHT_MAX, sizeof(*p->ring));
	if (!p->ring) {
		free(p);
		return E_NOMEM;
	}
	p->device = device;
	p->index = c->peer_count;
	TAILQ_INIT(&p->partial);
	courier_session_init(c, p);
	courier_outbox_init(p);
	courier_rtt_init(&p->rtt, c->config.rto_floor);
	courier_ring_init(c, p);
	courier_recv_reset(c, p);
	c->peers[p->index] = p;
	c->devices[p->index] = device;
	c->peer_count++;
	courier_touch(c, p);
	return 0;
}

struct courier_peer *courier_peer_find(const struct courier *c, uint16_t device)
{
	for (uint32_t i = 0; i < c->peer_count; i++)
		if (c->devices[i] == device)
			return c->peers[i];
	return NULL;
}

void courier_touch(struct courier *c, struct courier_peer *p)
{
	const struct courier_outbound *oldest = TAILQ_FIRST(&p->outbox);
	nstime at = nstime_min(p->hello_at, p->ack_at);

	/* What is in flight holds nothing that is still wanted: no timer for it. */
	if (!oldest && p->ring_tail)
		courier_ring_clear(p);
	at = nstime_min(at, nstime_min(p->loss_at, courier_probe_at(p)));
	at = nstime_min(at, nstime_min(p->pace_at, courier_recv_expiry(c, p)));
	c->expiries[p->index] = oldest ? nstime_min(at, oldest->deadline) : at;
}

void courier_start(struct courier *c, nstime now)
{
	for (uint32_t i = 0; i < c->peer_count; i++) {
		courier_hello_want(c, c->peers[i], now);
		courier_touch(c, c->peers[i]);
	}
}

static enum courier_reject reject_reason(int err)
{
	switch (err) {
	case E_VERSION:
		return COURIER_REJECT_VERSION;
	case E_NOENT:
		return COURIER_REJECT_ADDRESS;
	case E_AUTH:
		return COURIER_REJECT_AUTH;
	case E_KEY:
		return COURIER_REJECT_KEY;
	case E_REPLAY:
		return COURIER_REJECT_REPLAY;
	case E_STALE:
		return COURIER_REJECT_STALE;
	case E_FULL:
		return COURIER_REJECT_FULL;
	default:
		return COURIER_REJECT_FORMAT;
	}
}

static int body_input(struct courier *c, struct courier_peer *p, const struct frame_header *h, const uint8_t *frame,
		      size_t len, nstime now)
{
	struct frame_body b;
	int rc = frame_body_decode(&b, h->kind, frame + FRAME_HEADER_LEN, len - FRAME_OVERHEAD);

	if (rc)
		return rc;
	if (h->kind == FRAME_KIND_HELLO) {
		courier_hello_input(c, p, h, &b.hello, now);
		return 0;
	}
	courier_session_confirm(c, p);
	if (b.has_ack)
		rc = courier_ack_input(c, p, &b.ack, now);
	return rc ? rc : courier_recv_data(c, p, h, &b, now);
}

static int frame_input(struct courier *c, uint8_t *frame, size_t len, struct frame_header *h, nstime now)
{
	struct courier_peer *p;
	int rc = frame_header_decode(h, frame, len);

	if (rc)
		return rc;
	p = h->to == c->config.self ? courier_peer_find(c, h->from) : NULL;
	if (!p)
		return E_NOENT;
	rc = courier_session_open(c, p, h, frame, len, now);
	if (!rc)
		rc = body_input(c, p, h, frame, len, now);
	courier_touch(c, p);
	return rc;
}

int courier_input(struct courier *c, uint8_t *frame, size_t len, nstime now)
{
	struct frame_header h = {0};
	int rc = frame_input(c, frame, len, &h, now);

	if (!rc) {
		c->counters.frames_received++;
		c->counters.bytes_received += len;
		return 0;
	}
	c->counters.rejected[reject_reason(rc)]++;
	TRACE(c->config.trace, now, TRACE_COURIER_REJECT, TF_U64("peer", h.from), TF_U64("frame", h.number),
	      TF_U64("bytes", len), TF_TEXT("reason", courier_reject_name(reject_reason(rc))));
	return rc;
}

/* Whether a peer gets no frame and nothing of it changes: as most, most of the time. */
static bool courier_has_nothing(const struct courier_peer *p, nstime now)
{
	if (p->hello_due || p->probes_due || p->pace_at != NSTIME_NEVER || (p->ack_pending && p->ack_at <= now))
		return false;
	for (unsigned class = 0; class < COURIER_CLASS_COUNT; class ++)
		if (!TAILQ_EMPTY(&p->pending[class]))
			return false;
	return true;
}

bool courier_output(struct courier *c, uint8_t *out, size_t room, size_t *len, uint16_t *to, nstime now)
{
	assert(room >= c->config.mtu);
	for (uint32_t i = 0; i < c->peer_count; i++) {
		uint32_t turn = c->turn + i < c->peer_count ? c->turn + i : c->turn + i - c->peer_count;
		struct courier_peer *p = c->peers[turn];
		size_t n;

		if (courier_has_nothing(p, now))
			continue;
		n = p->hello_due ? courier_hello_output(c, p, out, now) : courier_data_output(c, p, out, now);
		courier_touch(c, p);
		if (!n)
			continue;
		/* Peers take turns, a frame each. */
		c->turn = turn + 1 < c->peer_count ? turn + 1 : 0;
		c->counters.frames_sent++;
		c->counters.bytes_sent += n;
		*len = n;
		*to = p->device;
		return true;
	}
	return false;
}

bool courier_message_next(struct courier *c, struct courier_message *m)
{
	struct courier_inbound *in = TAILQ_FIRST(&c->whole);

	if (c->current)
		courier_inbound_free(c, c->current);
	c->current = in;
	if (!in)
		return false;
	TAILQ_REMOVE(&c->whole, in, link);
	*m = (struct courier_message){
		.from = in->peer->device,
		.from_boot = in->from_boot,
		.type = in->type,
		.bytes = in->bytes,
		.len = in->total,
	};
	return true;
}

/* Queues an event; one of the same source that was not taken yet gives way to it. */
void courier_note_put(struct courier *c, struct courier_note *n, const struct courier_event *event)
{
	courier_note_drop(c, n);
	n->event = *event;
	n->queued = true;
	TAILQ_INSERT_TAIL(&c->notes, n, link);
}

void courier_note_drop(struct courier *c, struct courier_note *n)
{
	if (n->queued)
		TAILQ_REMOVE(&c->notes, n, link);
	n->queued = false;
}

bool courier_event_next(struct courier *c, struct courier_event *e)
{
	struct courier_note *n = TAILQ_FIRST(&c->notes);

	if (!n)
		return false;
	courier_note_drop(c, n);
	*e = n->event;
	if (courier_event_ends(e))
		courier_outbound_release(n);
	return true;
}

nstime courier_expiry(const struct courier *c)
{
	nstime at = courier_key_expiry(c);

	for (uint32_t i = 0; i < c->peer_count; i++)
		at = nstime_min(at, c->expiries[i]);
	return at;
}

void courier_expire(struct courier *c, nstime now)
{
	courier_key_expire(c, now);
	for (uint32_t i = 0; i < c->peer_count; i++) {
		struct courier_peer *p = c->peers[i];

		if (c->expiries[i] > now)
			continue;
		courier_hello_expire(p, now);
		courier_outbox_expire(c, p, now);
		courier_loss_expire(c, p, now);
		courier_recv_expire(c, p, now);
		/* An acknowledgement or a paced frame that is due now goes out at the next courier_output. */
		if (p->pace_at <= now)
			p->pace_at = NSTIME_NEVER;
		courier_touch(c, p);
	}
}

uint64_t courier_outlived(const struct courier *c)
{
	return c->known ? 0 : c->outlived;
}

uint64_t courier_peer_boot(const struct courier *c, uint16_t device)
{
	const struct courier_peer *p = courier_peer_find(c, device);

	return p && p->confirmed ? p->boot : 0;
}

const struct courier_counters *courier_counters(const struct courier *c)
{
	return &c->counters;
}

const char *courier_reject_name(enum courier_reject reason)
{
	static const char *const names[] = {
#define COURIER_REJECT_NAME(id, name, text) [COURIER_REJECT_##id] = name,
		COURIER_REJECT_LIST(COURIER_REJECT_NAME)
#undef COURIER_REJECT_NAME
	};

	return names[reason];
}

int courier_frame_peek(const uint8_t *frame, size_t len, uint16_t *from, uint16_t *to)
{
	struct frame_header h;
	int rc = frame_header_decode(&h, frame, len);

	if (rc)
		return rc;
	*from = h.from;
	*to = h.to;
	return 0;
}
