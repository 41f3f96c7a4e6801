/* SPDX-License-Identifier: BSD-3-Clause */
/* Segments that leave as one frame. */
#include "live/offload.h"
#include "stack/large.h"

#include <string.h>

#define TCP_FLAG_FIN 0x01U
#define TCP_FLAG_CWR 0x80U

static bool segment_is_plain(const struct buf *frame, struct large_view *v)
{
	return !frame->corrupted && !frame->alone && !frame->segment_bytes && large_view_get(frame, v) &&
	       large_segment_is_plain(frame, v);
}

/* Whether no damage would be hidden by new checksums. */
static bool checksums_are_good(const struct buf *frame, const struct large_view *v)
{
	if (!v->v6 && checksum_sum(frame->data + ETHERNET_HEADER_LEN, IP4_HEADER_MIN) != 0xffff)
		return false;
	return frame->checksum_good || offload_checksum_check(frame);
}

/* Whether `frame` continues what is joined. */
static bool frame_follows(const struct offload_join *j, const struct buf *frame, const struct large_view *v)
{
	const uint8_t *first = j->frames[0]->data, *next = frame->data;

	return !memcmp(first, next, ETHERNET_HEADER_LEN) &&
	       large_headers_follow(first + ETHERNET_HEADER_LEN, next + ETHERNET_HEADER_LEN, v, j->count, j->text_len,
				    packet_u16(next + ETHERNET_HEADER_LEN + IP4_AT_ID));
}

void offload_join_begin(struct offload_join *j, struct buf *frame)
{
	struct large_view v;

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
	struct large_view v;

	if (j->closed || j->count == OFFLOAD_JOIN_MAX || !segment_is_plain(frame, &v) || v.text != j->headers_len ||
	    v.text_len > j->segment_bytes || j->len + v.text_len > OFFLOAD_FRAME_MAX || !frame_follows(j, frame, &v))
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
static void join_describe(struct offload_join *j, const struct large_view *v, uint32_t segment_bytes)
{
	uint8_t *tcp = j->frames[0]->data + v->l4;
	uint8_t *ip = j->frames[0]->data + ETHERNET_HEADER_LEN;
	uint16_t pseudo;

	large_ip_length_put(ip, v->v6, j->len - ETHERNET_HEADER_LEN);
	if (j->count > 1)
		tcp[TCP_AT_FLAGS] = j->flags;
	pseudo = checksum_fold(large_pseudo_sum(ip, v, j->len - v->l4));
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
	struct large_view v;

	if (j->count > 1 && large_view_get(j->frames[0], &v)) {
		join_describe(j, &v, j->segment_bytes);
	} else if (j->frames[0]->segment_bytes && large_view_get(j->frames[0], &v)) {
		j->headers_len = v.text;
		join_describe(j, &v, j->frames[0]->segment_bytes);
	} else {
		j->header = (struct virtio_net_hdr){0};
	}
}
