/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/large.h"

#include <arpa/inet.h>
#include <string.h>

#define TCP_FLAG_FIN   0x01U
#define TCP_FLAG_PSH   0x08U
#define TCP_FLAG_ACK   0x10U
#define UDP_HEADER_LEN 8U
#define IP4_NOT_WHOLE  0x3fffU /* more fragments, or an offset */

/* ---- views ---- */

static bool view_ip4(const struct buf *frame, struct large_view *v)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER_LEN;
	uint32_t ip_len = frame->len - ETHERNET_HEADER_LEN, header_len;
	if (ip_len < IP4_HEADER_MIN || ip[0] >> 4 != 4)
		return false;
	header_len = ip4_header_len(ip);
	if (header_len < IP4_HEADER_MIN || header_len > ip_len || packet_u16(ip + IP4_AT_LENGTH) != ip_len ||
	    packet_u16(ip + IP4_AT_FRAGMENT) & IP4_NOT_WHOLE)
		return false;
	v->l4 = ETHERNET_HEADER_LEN + header_len;
	v->protocol = ip[IP4_AT_PROTOCOL];
	v->v6 = false;
	return true;
}

static bool view_ip6(const struct buf *frame, struct large_view *v)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER_LEN;
	uint32_t ip_len = frame->len - ETHERNET_HEADER_LEN;
	if (ip_len < IP6_HEADER_LEN || ip[0] >> 4 != 6 || packet_u16(ip + IP6_AT_LENGTH) + IP6_HEADER_LEN != ip_len)
		return false;
	v->l4 = ETHERNET_HEADER_LEN + IP6_HEADER_LEN;
	v->protocol = ip[IP6_AT_NEXT];
	v->v6 = true;
	return true;
}

bool large_view_get(const struct buf *frame, struct large_view *v)
{
	uint16_t type = packet_u16(frame->data + ETHERNET_AT_TYPE);
	uint32_t header_len = UDP_HEADER_LEN;
	if (type == ETHERNET_TYPE_IP4 ? !view_ip4(frame, v) : type != ETHERNET_TYPE_IP6 || !view_ip6(frame, v))
		return false;
	if (v->protocol == LARGE_PROTOCOL_TCP) {
		if (v->l4 + TCP_HEADER_MIN > frame->len)
			return false;
		header_len = tcp_header_len(frame->data + v->l4);
		if (header_len < TCP_HEADER_MIN)
			return false;
	} else if (v->protocol != LARGE_PROTOCOL_UDP) {
		return false;
	}
	v->text = v->l4 + header_len;
	if (v->text > frame->len)
		return false;
	v->text_len = frame->len - v->text;
	return true;
}

bool large_segment_is_plain(const struct buf *frame, const struct large_view *v)
{
	if (v->protocol != LARGE_PROTOCOL_TCP || !v->text_len)
		return false;
	if (!v->v6 && v->l4 != ETHERNET_HEADER_LEN + IP4_HEADER_MIN)
		return false;
	return (frame->data[v->l4 + TCP_AT_FLAGS] & (uint8_t) ~(TCP_FLAG_PSH | TCP_FLAG_FIN)) == TCP_FLAG_ACK;
}

static bool tcp_follows(const uint8_t *first, const uint8_t *next, uint32_t header_len, uint32_t text_len)
{
	return packet_u32(next + TCP_AT_SEQ) == packet_u32(first + TCP_AT_SEQ) + text_len &&
	       !memcmp(first, next, TCP_AT_SEQ) && !memcmp(first + TCP_AT_ACK, next + TCP_AT_ACK, 5) &&
	       !memcmp(first + TCP_AT_WINDOW, next + TCP_AT_WINDOW, 2) &&
	       !memcmp(first + TCP_AT_CHECKSUM + 2, next + TCP_AT_CHECKSUM + 2, header_len - TCP_AT_CHECKSUM - 2);
}

bool large_headers_follow(const uint8_t *first, const uint8_t *next, const struct large_view *v, uint32_t n,
			  uint32_t text_len, uint16_t id)
{
	uint32_t l4 = v->l4 - ETHERNET_HEADER_LEN;
	if (v->v6)
		return !memcmp(first, next, IP6_AT_LENGTH) &&
		       !memcmp(first + IP6_AT_NEXT, next + IP6_AT_NEXT, IP6_HEADER_LEN - IP6_AT_NEXT) &&
		       tcp_follows(first + l4, next + l4, v->text - v->l4, text_len);
	return !memcmp(first, next, IP4_AT_LENGTH) && id == (uint16_t)(packet_u16(first + IP4_AT_ID) + n) &&
	       !memcmp(first + IP4_AT_FRAGMENT, next + IP4_AT_FRAGMENT, IP4_AT_CHECKSUM - IP4_AT_FRAGMENT) &&
	       !memcmp(first + IP4_AT_SRC, next + IP4_AT_SRC, 8) &&
	       tcp_follows(first + l4, next + l4, v->text - v->l4, text_len);
}

/* ---- headers ---- */

uint64_t large_pseudo_sum(const uint8_t *ip, const struct large_view *v, uint32_t len)
{
	uint64_t sum = (uint64_t)htons(v->protocol) + htons((uint16_t)(len >> 16)) + htons((uint16_t)len);
	return v->v6 ? checksum_few(sum, ip + IP6_AT_SRC, 32) : checksum_few(sum, ip + IP4_AT_SRC, 8);
}

void large_ip_length_put(uint8_t *ip, bool v6, uint32_t ip_len)
{
	uint16_t check = 0;
	if (v6) {
		packet_u16_put(ip + IP6_AT_LENGTH, (uint16_t)(ip_len - IP6_HEADER_LEN));
		return;
	}
	packet_u16_put(ip + IP4_AT_LENGTH, (uint16_t)ip_len);
	memcpy(ip + IP4_AT_CHECKSUM, &check, 2);
	check = (uint16_t)~checksum_sum(ip, ip4_header_len(ip));
	memcpy(ip + IP4_AT_CHECKSUM, &check, 2);
}

/* ---- joining what an instance sends ---- */

/* The sum of a segment's text, without reading it: what its checksum leaves for it (it is good). */
static uint64_t text_sum(const uint8_t *ip, const struct large_view *v, uint32_t ip_len)
{
	uint32_t l4 = v->l4 - ETHERNET_HEADER_LEN;
	return (uint16_t)~checksum_fold(large_pseudo_sum(ip, v, ip_len - l4) + checksum_sum(ip + l4, v->text - v->l4));
}

/* What is read of a segment's header to know whether another may follow it. (Behind text of an odd length, sums would
 * have to be turned.) */
static bool segment_closes(const struct stack_large *l, uint8_t flags, uint32_t text_len)
{
	return text_len < l->view.text_len || text_len % 2 || flags & TCP_FLAG_FIN;
}

bool large_begin(struct stack_large *l, struct buf *frame)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER_LEN;
	if (frame->segment_bytes || !large_view_get(frame, &l->view) || !large_segment_is_plain(frame, &l->view))
		return false;
	l->flags = frame->data[l->view.l4 + TCP_AT_FLAGS];
	if (segment_closes(l, l->flags, l->view.text_len))
		return false;
	l->frame = frame;
	l->count = 1;
	l->text_len = l->view.text_len;
	l->text_sum = text_sum(ip, &l->view, frame->len - ETHERNET_HEADER_LEN);
	l->closed = false;
	return true;
}

/* A buffer with room for the others. */
static void large_grow(struct stack_large *l)
{
	struct buf *b = buf_alloc_large(), *small = l->frame;
	memcpy(b->data, small->data, small->len);
	b->len = small->len;
	b->mark = small->mark;
	b->checksum_good = small->checksum_good;
	buf_free(small);
	l->frame = b;
}

bool large_takes(struct stack_large *l, const uint8_t *ip, uint32_t headers_len, uint32_t len, uint16_t id)
{
	const struct large_view *v = &l->view;
	uint32_t l4 = v->l4 - ETHERNET_HEADER_LEN, text_len = len - (v->text - ETHERNET_HEADER_LEN);
	if (l->closed || headers_len < v->text - ETHERNET_HEADER_LEN || len <= v->text - ETHERNET_HEADER_LEN ||
	    text_len > v->text_len || l->frame->len + text_len > LARGE_IP_LEN_MAX + ETHERNET_HEADER_LEN ||
	    (ip[l4 + TCP_AT_FLAGS] & (uint8_t) ~(TCP_FLAG_PSH | TCP_FLAG_FIN)) != TCP_FLAG_ACK ||
	    !large_headers_follow(l->frame->data + ETHERNET_HEADER_LEN, ip, v, l->count, l->text_len, id))
		return false;
	if (l->count == 1)
		large_grow(l);
	return true;
}

uint8_t *large_room(struct stack_large *l)
{
	return l->frame->data + l->frame->len;
}

void large_add(struct stack_large *l, const uint8_t *ip, uint32_t len)
{
	uint32_t n = len - (l->view.text - ETHERNET_HEADER_LEN);
	uint8_t flags = ip[l->view.l4 - ETHERNET_HEADER_LEN + TCP_AT_FLAGS];
	l->text_sum += text_sum(ip, &l->view, len);
	l->flags |= flags;
	l->closed = segment_closes(l, flags, n);
	l->frame->len += n;
	l->text_len += n;
	l->count++;
}

struct buf *large_end(struct stack_large *l)
{
	struct buf *b = l->frame;
	uint8_t *ip = b->data + ETHERNET_HEADER_LEN, *tcp = b->data + l->view.l4;
	uint16_t check = 0;
	l->frame = NULL;
	if (l->count == 1)
		return b;
	b->segment_bytes = (uint16_t)l->view.text_len;
	large_ip_length_put(ip, l->view.v6, b->len - ETHERNET_HEADER_LEN);
	tcp[TCP_AT_FLAGS] = l->flags;
	memcpy(tcp + TCP_AT_CHECKSUM, &check, 2);
	check = (uint16_t)~checksum_fold(large_pseudo_sum(ip, &l->view, b->len - l->view.l4) +
					 checksum_sum(tcp, l->view.text - l->view.l4) + l->text_sum);
	memcpy(tcp + TCP_AT_CHECKSUM, &check, 2);
	return b;
}
