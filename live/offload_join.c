/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that leave as one frame. */
#include "live/offload.h"
#include "live/offload_view.h"

#include <string.h>

#define TCP_FLAG_FIN 0x01U
#define TCP_FLAG_PSH 0x08U
#define TCP_FLAG_ACK 0x10U
#define TCP_FLAG_CWR 0x80U

#define FLAGS_FREE (TCP_FLAG_PSH | TCP_FLAG_FIN) /* what a segment may have or not */

/* Whether the frame is a segment of the ordinary kind, as far as its headers say. */
static bool segment_is_plain(const struct buf *frame, struct offload_view *v)
{
	if (frame->corrupted || frame->segment_bytes || !offload_view_get(frame, v) || v->protocol != OFFLOAD_TCP ||
	    !v->text_len)
		return false;
	if (!v->v6 && v->l4 != ETHERNET_HEADER_LEN + IP4_HEADER_MIN)
		return false;
	return (frame->data[v->l4 + TCP_AT_FLAGS] & (uint8_t)~FLAGS_FREE) == TCP_FLAG_ACK;
}

/* Whether no damage would be hidden by new checksums. */
static bool checksums_are_good(const struct buf *frame, const struct offload_view *v)
{
	if (!v->v6 && checksum_sum(frame->data + ETHERNET_HEADER_LEN, IP4_HEADER_MIN) != 0xffff)
		return false;
	return frame->checksum_good || offload_checksum_check(frame);
}

/* Headers of two segments of one connection, but for what counts up from segment to segment. `next` is the `n`th. */
static bool headers_follow(const uint8_t *first, const uint8_t *next, const struct offload_view *v, uint32_t n,
			   uint32_t text_len)
{
	const uint8_t *a = first + ETHERNET_HEADER_LEN, *b = next + ETHERNET_HEADER_LEN;
	const uint8_t *t = first + v->l4, *u = next + v->l4;

	if (packet_u32(u + TCP_AT_SEQ) != packet_u32(t + TCP_AT_SEQ) + text_len || memcmp(t, u, TCP_AT_SEQ) ||
	    memcmp(t + TCP_AT_ACK, u + TCP_AT_ACK, 5) || memcmp(t + TCP_AT_WINDOW, u + TCP_AT_WINDOW, 2) ||
	    memcmp(t + TCP_AT_CHECKSUM + 2, u + TCP_AT_CHECKSUM + 2, v->text - v->l4 - TCP_AT_CHECKSUM - 2) ||
	    memcmp(first, next, ETHERNET_HEADER_LEN))
		return false;
	if (v->v6)
		return !memcmp(a, b, IP6_AT_LENGTH) &&
		       !memcmp(a + IP6_AT_NEXT, b + IP6_AT_NEXT, IP6_HEADER_LEN - IP6_AT_NEXT);
	return !memcmp(a, b, IP4_AT_LENGTH) && packet_u16(b + IP4_AT_ID) == (uint16_t)(packet_u16(a + IP4_AT_ID) + n) &&
	       !memcmp(a + IP4_AT_FRAGMENT, b + IP4_AT_FRAGMENT, IP4_AT_CHECKSUM - IP4_AT_FRAGMENT) &&
	       !memcmp(a + IP4_AT_SRC, b + IP4_AT_SRC, 8);
}

void offload_join_begin(struct offload_join *j, struct buf *frame)
{
	struct offload_view v;

	j->frames[0] = frame;
	j->count = 1;
	j->len = frame->len;
	j->closed = !segment_is_plain(frame, &v) || frame->data[v.l4 + TCP_AT_FLAGS] & TCP_FLAG_FIN;
	if (j->closed)
		return;
	j->flags = frame->data[v.l4 + TCP_AT_FLAGS];
	j->headers_len = v.text;
	j->segment_bytes = j->text_len = v.text_len;
}

bool offload_join_add(struct offload_join *j, struct buf *frame)
{
	struct offload_view v;

	if (j->closed || j->count == OFFLOAD_JOIN_MAX || !segment_is_plain(frame, &v) || v.text != j->headers_len ||
	    v.text_len > j->segment_bytes || j->len + v.text_len > OFFLOAD_FRAME_MAX ||
	    !headers_follow(j->frames[0]->data, frame->data, &v, j->count, j->text_len))
		return false;
	if (j->count == 1 && !checksums_are_good(j->frames[0], &v)) {
		j->closed = true;
		return false;
	}
	if (!checksums_are_good(frame, &v))
		return false;
	j->frames[j->count++] = frame;
	j->len += v.text_len;
	j->text_len += v.text_len;
	j->flags |= frame->data[v.l4 + TCP_AT_FLAGS];
	j->closed = v.text_len < j->segment_bytes || j->flags & TCP_FLAG_FIN;
	return true;
}

/* The header that the kernel gets of a packet that stands for several, and the checksum that it completes. */
static void join_describe(struct offload_join *j, const struct offload_view *v, uint32_t segment_bytes)
{
	uint8_t *tcp = j->frames[0]->data + v->l4;
	uint8_t *ip = j->frames[0]->data + ETHERNET_HEADER_LEN;
	uint16_t pseudo;

	offload_ip_length_put(ip, v->v6, j->len - ETHERNET_HEADER_LEN);
	if (j->count > 1)
		tcp[TCP_AT_FLAGS] = j->flags;
	pseudo = checksum_fold(offload_pseudo_sum(j->frames[0], v, j->len - v->l4));
	memcpy(tcp + TCP_AT_CHECKSUM, &pseudo, 2);
	j->header = (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = v->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)v->text,
		.gso_size = (uint16_t)segment_bytes,
		.csum_start = (uint16_t)v->l4,
		.csum_offset = TCP_AT_CHECKSUM,
	};
	if (tcp[TCP_AT_FLAGS] & TCP_FLAG_CWR)
		j->header.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
}

void offload_join_finish(struct offload_join *j)
{
	struct offload_view v;

	if (j->count > 1 && offload_view_get(j->frames[0], &v)) {
		join_describe(j, &v, j->segment_bytes);
	} else if (j->frames[0]->segment_bytes && offload_view_get(j->frames[0], &v)) {
		j->headers_len = v.text;
		join_describe(j, &v, j->frames[0]->segment_bytes);
	} else {
		j->header = (struct virtio_net_hdr){0};
	}
}
