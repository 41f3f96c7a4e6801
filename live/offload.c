/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/offload.h"

#include "stack/large.h"

#include <arpa/inet.h>
#include <string.h>

#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5 /* newer than some distributions' headers */
#endif

#define UDP_HEADER_LEN  8U
#define UDP_AT_LENGTH   4U
#define UDP_AT_CHECKSUM 6U

#define TCP_FLAG_FIN 0x01U
#define TCP_FLAG_SYN 0x02U
#define TCP_FLAG_PSH 0x08U
#define TCP_FLAG_CWR 0x80U

/* ---- checksums ---- */

static uint32_t checksum_at(const struct large_view *v)
{
	return v->l4 + (v->protocol == LARGE_PROTOCOL_TCP ? TCP_AT_CHECKSUM : UDP_AT_CHECKSUM);
}

static uint64_t pseudo_sum(const struct buf *frame, const struct large_view *v)
{
	return large_pseudo_sum(frame->data + ETHERNET_HEADER_LEN, v, frame->len - v->l4);
}

/* What the transport's checksum is wrong by: 0 when it is good. */
static uint16_t checksum_error(const struct buf *frame, const struct large_view *v)
{
	uint32_t len = frame->len - v->l4;
	uint64_t sum = pseudo_sum(frame, v) + checksum_sum(frame->data + v->l4, len);

	return (uint16_t)~checksum_fold(sum);
}

bool offload_checksum_check(const struct buf *frame)
{
	struct large_view v;

	return large_view_get(frame, &v) && v.protocol == LARGE_PROTOCOL_TCP && !checksum_error(frame, &v);
}

/* Completes a checksum: the sum of all from `start` on, in which the field holds that of the pseudo-header. As the
 * kernel does it, 0 (for UDP: none) becomes its other form. */
static void checksum_complete(struct buf *frame, uint32_t start, uint32_t field)
{
	uint16_t check = (uint16_t)~checksum_sum(frame->data + start, frame->len - start);

	if (!check)
		check = 0xffff;
	memcpy(frame->data + field, &check, 2);
}

/* ---- cutting ---- */

/* What all segments of a frame have in common. */
struct cut {
	const struct buf *frame;
	struct large_view view;
	uint32_t segment_bytes;
	uint16_t error; /* of the frame's checksum, which each segment's gets: a segment is no better than its frame */
};

/* The transport's header of the segment with `n` bytes of text from `at` on. */
static void cut_transport(const struct cut *c, uint8_t *l4, uint32_t at, uint32_t n)
{
	if (c->view.protocol == LARGE_PROTOCOL_UDP) {
		packet_u16_put(l4 + UDP_AT_LENGTH, (uint16_t)(UDP_HEADER_LEN + n));
		return;
	}
	uint32_t seq = htonl(packet_u32(l4 + TCP_AT_SEQ) + at);

	memcpy(l4 + TCP_AT_SEQ, &seq, 4);
	if (at)
		l4[TCP_AT_FLAGS] &= (uint8_t)~TCP_FLAG_CWR;
	if (at + n < c->view.text_len)
		l4[TCP_AT_FLAGS] &= (uint8_t) ~(TCP_FLAG_FIN | TCP_FLAG_PSH);
}

static struct buf *cut_segment(const struct cut *c, uint32_t at, uint32_t n)
{
	const struct large_view *v = &c->view;
	struct buf *b = buf_alloc(v->text + n);
	uint8_t *ip = b->data + ETHERNET_HEADER_LEN, *field = b->data + checksum_at(v);
	uint16_t check = 0;
	uint64_t sum;

	memcpy(b->data, c->frame->data, v->text);
	b->len = v->text + n;
	if (!v->v6)
		packet_u16_put(ip + IP4_AT_ID, (uint16_t)(packet_u16(ip + IP4_AT_ID) + at / c->segment_bytes));
	large_ip_length_put(ip, v->v6, b->len - ETHERNET_HEADER_LEN);
	cut_transport(c, b->data + v->l4, at, n);
	memcpy(field, &check, 2);
	sum = pseudo_sum(b, v) + checksum_sum(b->data + v->l4, v->text - v->l4) +
	      checksum_copy(b->data + v->text, c->frame->data + v->text + at, n);
	check = (uint16_t)~checksum_fold(sum + c->error);
	if (!check && v->protocol == LARGE_PROTOCOL_UDP)
		check = 0xffff;
	memcpy(field, &check, 2);
	b->mark = c->frame->mark;
	b->mark2 = c->frame->mark2;
	b->corrupted = c->frame->corrupted;
	b->checksum_good = !c->error;
	return b;
}

static void cut(struct buf *frame, const struct large_view *v, uint32_t segment_bytes, offload_emit emit, void *context)
{
	struct cut c = {.frame = frame, .view = *v, .segment_bytes = segment_bytes};

	if (frame->corrupted || !frame->checksum_good)
		c.error = checksum_error(frame, v);
	for (uint32_t at = 0; at < v->text_len; at += segment_bytes) {
		uint32_t left = v->text_len - at;

		emit(context, cut_segment(&c, at, left < segment_bytes ? left : segment_bytes));
	}
	buf_free(frame);
}

void offload_cut(struct buf *frame, offload_emit emit, void *context)
{
	struct large_view v;

	if (frame->segment_bytes && large_view_get(frame, &v))
		cut(frame, &v, frame->segment_bytes, emit, context);
	else
		emit(context, frame);
}

unsigned offload_packets(const struct buf *frame)
{
	struct large_view v;

	if (!frame->segment_bytes || !large_view_get(frame, &v))
		return 1;
	return (v.text_len + frame->segment_bytes - 1) / frame->segment_bytes;
}

/* ---- what was read ---- */

/* A frame that is one packet. `partial`: its checksum is to be completed. */
static enum offload_verdict accept_single(struct buf *frame, const struct virtio_net_hdr *h, bool partial)
{
	struct large_view v;
	uint32_t field = (uint32_t)h->csum_start + h->csum_offset;

	if (!partial) {
		frame->checksum_good = h->flags & VIRTIO_NET_HDR_F_DATA_VALID;
		return OFFLOAD_TAKEN;
	}
	if (h->csum_start < ETHERNET_HEADER_LEN || field + 2 > frame->len)
		return OFFLOAD_WRONG;
	if (large_view_get(frame, &v) && v.protocol == LARGE_PROTOCOL_TCP && h->csum_start == v.l4 &&
	    field == checksum_at(&v)) {
		uint16_t pseudo = checksum_fold(pseudo_sum(frame, &v));

		frame->checksum_good = !memcmp(frame->data + field, &pseudo, 2);
	}
	checksum_complete(frame, h->csum_start, field);
	return OFFLOAD_TAKEN;
}

/* Whether the frame is what a header with a GSO type says it is. */
static bool large_is_sound(const struct buf *frame, const struct virtio_net_hdr *h, struct large_view *v)
{
	uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
	uint16_t pseudo;

	if (!h->gso_size || !(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) || !large_view_get(frame, v))
		return false;
	if (type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6) {
		if (v->protocol != LARGE_PROTOCOL_TCP || v->v6 != (type == VIRTIO_NET_HDR_GSO_TCPV6) ||
		    frame->data[v->l4 + TCP_AT_FLAGS] & TCP_FLAG_SYN)
			return false;
	} else if (type != VIRTIO_NET_HDR_GSO_UDP_L4 || v->protocol != LARGE_PROTOCOL_UDP) {
		return false;
	}
	pseudo = checksum_fold(pseudo_sum(frame, v));
	return h->csum_start == v->l4 && (uint32_t)h->csum_start + h->csum_offset == checksum_at(v) &&
	       !memcmp(frame->data + checksum_at(v), &pseudo, 2);
}

enum offload_verdict offload_accept(struct buf *frame, const struct virtio_net_hdr *h, offload_emit emit, void *context)
{
	bool partial = h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	struct large_view v;

	frame->segment_bytes = 0;
	frame->checksum_good = false;
	if (h->gso_type == VIRTIO_NET_HDR_GSO_NONE)
		return accept_single(frame, h, partial);
	if (!large_is_sound(frame, h, &v))
		return OFFLOAD_WRONG;
	if (v.text_len <= h->gso_size)
		return accept_single(frame, h, true);
	frame->checksum_good = true;
	if (v.protocol == LARGE_PROTOCOL_UDP || (!v.v6 && v.l4 != ETHERNET_HEADER_LEN + IP4_HEADER_MIN)) {
		cut(frame, &v, h->gso_size, emit, context);
		return OFFLOAD_CUT;
	}
	checksum_complete(frame, v.l4, checksum_at(&v));
	frame->segment_bytes = h->gso_size;
	return OFFLOAD_TAKEN;
}
