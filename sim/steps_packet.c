/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the frames on the links belong to the connections that are followed, and what they are. */
#include "base/wire.h"
#include "lb/blob.h"
#include "lb/frame.h"
#include "lb/message.h"
#include "lb/packet.h"
#include "sim/opened.h"
#include "sim/steps.h"

#include <stdlib.h>
#include <string.h>

#define ETHERNET_LEN 14U
#define IPV4_LEN_MIN 20U
#define IPV6_LEN     40U
#define UDP_LEN      8U
#define PROTOCOL_UDP 17U
#define TCP_FLAG_FIN 0x01U

static uint16_t be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* FNV-1a; it need not withstand anybody. */
static uint64_t bytes_hash(const uint8_t *p, size_t n)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* ---- arrivals ---- */

/* The latest step that sent this frame towards a node and has not arrived. */
static struct step *step_sent(struct steps_connection *c, size_t to, uint64_t hash)
{
	for (size_t i = c->count; i-- > 0;) {
		struct step *step = &c->list[i];

		if (step->kind != STEP_EVENT && step->to == to && step->hash == hash && step->arrived == NSTIME_NEVER)
			return step;
	}
	return NULL;
}

/* A courier frame came garbled: its header may still tell which it was. */
static void corrupted_note(struct steps_connection *c, size_t to, const struct frame_header *h, nstime now)
{
	for (size_t i = c->count; i-- > 0;) {
		struct step *step = &c->list[i];

		if (step->frame != h->number || step->sender != h->from || step->receiver != h->to || step->to != to ||
		    step->arrived != NSTIME_NEVER)
			continue;
		step->arrived = now;
		step->corrupted = true;
		return;
	}
}

/* ---- TCP ---- */

/* Remembers the numbers of the SYNs, and says a number as the other stack would: counted from them. */
static uint32_t relative(struct steps_connection *c, const struct packet *p, bool from_client, bool acknowledges)
{
	unsigned side = from_client != acknowledges ? 0 : 1;

	if (!acknowledges && p->flags & TCP_FLAG_SYN) {
		c->initial[side] = p->seq;
		c->numbered[side] = true;
	}
	return (acknowledges ? p->ack : p->seq) - (c->numbered[side] ? c->initial[side] : 0);
}

static void tcp_text(struct steps_connection *c, const struct packet *p, bool from_client, char out[STEPS_TEXT_MAX])
{
	uint32_t seq = relative(c, p, from_client, false), ack = relative(c, p, from_client, true);
	bool plain = !(p->flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST));
	size_t len = (size_t)snprintf(out, STEPS_TEXT_MAX, "%s%s%s", p->flags & TCP_FLAG_SYN ? "SYN " : "",
				      p->flags & TCP_FLAG_FIN ? "FIN " : "", p->flags & TCP_FLAG_RST ? "RST " : "");

	if (p->payload_len)
		len += (size_t)snprintf(out + len, STEPS_TEXT_MAX - len, "%u B of data, seq %u", p->payload_len, seq);
	else if (p->flags & TCP_FLAG_ACK)
		len += (size_t)snprintf(out + len, STEPS_TEXT_MAX - len, "ACK %u", ack);
	if (!p->payload_len && !plain)
		snprintf(out + len, STEPS_TEXT_MAX - len, "%sseq %u", p->flags & TCP_FLAG_ACK ? ", " : "", seq);
}

/* Whether the same node sent these bytes of the connection before. */
static bool tcp_again(const struct steps_connection *c, const struct step *step, const char *text)
{
	for (size_t i = 0; i < c->count && (step->payload || !step->bulk); i++) {
		const struct step *other = &c->list[i];

		if (other->kind == step->kind && other->node == step->node && other->to == step->to &&
		    other->from_client == step->from_client && other->payload == step->payload &&
		    !strcmp(other->text, text))
			return true;
	}
	return false;
}

static bool is_tunnel(const struct steps *s, const struct packet *p)
{
	const struct addr *tunnel = addr_pair_get(&s->cluster->tunnel, p->family);

	return tunnel->family && (addr_equal(tunnel, &p->tuple.remote) || addr_equal(tunnel, &p->tuple.local));
}

static void tcp_sent(struct steps *s, const struct steps_frame *f, const struct packet *p, uint64_t hash, nstime now)
{
	struct tuple back = tuple_reverse(&p->tuple);
	bool tunnel = is_tunnel(s, p);

	for (size_t i = 0; i < s->followed_count; i++) {
		struct steps_connection *c = s->followed[i];
		bool forth = tunnel || tuple_equal(&c->tuple, &p->tuple);
		struct step step = {
			.kind = tunnel ? STEP_TUNNEL : STEP_PLAIN,
			.at = now,
			.node = f->node,
			.to = f->to,
			.arrived = NSTIME_NEVER,
			.from_client = forth,
			.bulk = !(p->flags & (TCP_FLAG_SYN | TCP_FLAG_FIN | TCP_FLAG_RST)),
			.payload = p->payload_len,
			.hash = hash,
		};

		if (tunnel ? !steps_connection_has_flow(c, packet_flow(p)) : !forth && !tuple_equal(&c->tuple, &back))
			continue;
		tcp_text(c, p, forth, step.text);
		step.again = tcp_again(c, &step, step.text);
		steps_add(c, &step);
	}
}

/* ---- courier frames ---- */

/* Whether a piece is of the connection's blob; the first piece tells, by the flow identifier in it. */
static bool blob_is_of(struct steps_connection *c, const struct frame_header *h, const struct frame_data *d)
{
	const size_t at = BLOB_HEADER_LEN + BLOB_SECTION_LEN;

	if (c->blob_sent && c->blob_from == h->from && c->blob_to == h->to && c->blob_id == d->id)
		return true;
	if (d->index || d->len < at + 4 ||
	    !steps_connection_has_flow(c, (uint32_t)be16(d->bytes + at) << 16 | be16(d->bytes + at + 2)))
		return false;
	free(c->blob_sent);
	c->blob_pieces = frame_chunk_count(d->total, d->chunk);
	c->blob_sent = calloc(c->blob_pieces, 1);
	c->blob_from = h->from;
	c->blob_to = h->to;
	c->blob_id = d->id;
	return c->blob_sent;
}

/* What of a frame is the connection's, into the step. False: nothing. */
static bool frame_look(struct steps_connection *c, const struct frame_header *h, const struct frame_body *body,
		       struct step *step)
{
	size_t len = 0;

	for (uint32_t i = 0; i < body->data_count && len < STEPS_TEXT_MAX; i++) {
		const struct frame_data *d = &body->data[i];
		const char *gap = len ? ", " : "";
		struct message m;

		if (d->type == MESSAGE_BLOB) {
			if (!blob_is_of(c, h, d) || d->index >= c->blob_pieces)
				continue;
			len += (size_t)snprintf(step->text + len, STEPS_TEXT_MAX - len, "%sblob %u of %u, %u B", gap,
						d->index + 1U, c->blob_pieces, d->len);
			step->kind = STEP_BLOB;
			step->payload += d->len;
			step->bulk = true;
			/* Only its sender says that something goes again; the forwarder passes on what comes. */
			if (step->node + 1 == h->from) {
				step->again |= c->blob_sent[d->index] > 0;
				c->blob_sent[d->index] = 1;
			}
		} else if (!message_decode(&m, d->type, d->bytes, d->len) && tuple_equal(&m.tuple, &c->tuple)) {
			len += (size_t)snprintf(step->text + len, STEPS_TEXT_MAX - len, "%s%s", gap,
						opened_message_name(d->type));
		}
	}
	return len > 0;
}

/* Whether the same control message went the same way before, in another frame. */
static bool control_again(const struct steps_connection *c, const struct step *step)
{
	for (size_t i = 0; i < c->count && step->kind == STEP_CONTROL; i++) {
		const struct step *other = &c->list[i];

		if (other->kind == STEP_CONTROL && other->node == step->node && other->to == step->to &&
		    other->sender == step->sender && other->receiver == step->receiver && other->frame != step->frame &&
		    !strcmp(other->text, step->text))
			return true;
	}
	return step->again;
}

static void courier_sent(struct steps *s, const struct steps_frame *f, const uint8_t *frame, size_t len, uint64_t hash,
			 nstime now)
{
	uint8_t copy[OPENED_FRAME_MAX];
	struct frame_header h;
	struct frame_body body;

	if (len > sizeof copy || frame_header_decode(&h, frame, len) || h.kind != FRAME_KIND_DATA)
		return;
	memcpy(copy, frame, len);
	if (!opened_frame(s->cluster, f->boots, s->scenario->nodes_count, &h, copy, len, &body))
		return;
	for (size_t i = 0; i < s->followed_count; i++) {
		struct step step = {
			.kind = STEP_CONTROL,
			.at = now,
			.node = f->node,
			.to = f->to,
			.arrived = NSTIME_NEVER,
			.hash = hash,
			.frame = h.number,
			.sender = h.from,
			.receiver = h.to,
		};

		if (!frame_look(s->followed[i], &h, &body, &step))
			continue;
		step.again = control_again(s->followed[i], &step);
		steps_add(s->followed[i], &step);
	}
}

/* The UDP payload of a courier's datagram in an IP packet; NULL when it is none. */
static const uint8_t *courier_payload(const uint8_t *ip, size_t len, size_t *payload_len)
{
	size_t header = ip[0] >> 4 == 6 ? IPV6_LEN : (size_t)(ip[0] & 15) * 4;
	const uint8_t *udp = ip + header;

	if (len < header + UDP_LEN || (ip[0] >> 4 == 6 ? ip[6] : ip[9]) != PROTOCOL_UDP ||
	    be16(udp + 2) != COURIER_PORT || be16(udp + 4) < UDP_LEN || be16(udp + 4) > len - header)
		return NULL;
	*payload_len = be16(udp + 4) - UDP_LEN;
	return udp + UDP_LEN;
}

static void frame_arrived(struct steps *s, const struct steps_frame *f, uint64_t hash, nstime now)
{
	const struct buf *b = f->frame;
	struct frame_header h;
	const uint8_t *courier;
	size_t len;

	for (size_t i = 0; i < s->followed_count; i++) {
		struct step *step = step_sent(s->followed[i], f->node, hash);

		if (step) {
			step->arrived = now;
			return;
		}
	}
	courier = courier_payload(b->data + ETHERNET_LEN, b->len - ETHERNET_LEN, &len);
	if (!courier || frame_header_decode(&h, courier, len) || h.kind != FRAME_KIND_DATA)
		return;
	for (size_t i = 0; i < s->followed_count; i++)
		corrupted_note(s->followed[i], f->node, &h, now);
}

void steps_frame(struct steps *s, const struct steps_frame *f, nstime now)
{
	const struct buf *b = f->frame;
	struct buf view = {.data = b->data + ETHERNET_LEN, .len = b->len - ETHERNET_LEN};
	const uint8_t *courier;
	struct packet p;
	uint64_t hash;
	size_t len;

	if (!s->followed_count || b->len < ETHERNET_LEN + IPV4_LEN_MIN)
		return;
	hash = bytes_hash(b->data, b->len);
	if (f->in) {
		frame_arrived(s, f, hash, now);
		return;
	}
	if (packet_parse(&p, &view) == PACKET_TCP) {
		tcp_sent(s, f, &p, hash, now);
		return;
	}
	courier = courier_payload(view.data, view.len, &len);
	if (courier)
		courier_sent(s, f, courier, len, hash, now);
}
