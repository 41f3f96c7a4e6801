/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/replay_segment.h"

#include "base/checksum.h"
#include "base/cursor.h"

#include <assert.h>
#include <string.h>

#define PROTOCOL_TCP 6U
#define HEADER_LEN   20U /* of TCP without options */
#define IPV4_LEN     20U
#define IPV6_LEN     40U
#define IPV4_DF      0x4000U

_Static_assert(sizeof(struct replay_segment) <= sizeof(((struct buf *)0)->opaque), "it is kept there");

static uint16_t pseudo_sum(const struct addr *from, const struct addr *to, uint32_t tcp_len)
{
	uint8_t rest[8] = {0};
	unsigned n = addr_len(from);
	uint16_t sum = checksum_add(checksum_sum(from->bytes, n), checksum_sum(to->bytes, n));

	store_be32(rest, tcp_len);
	rest[7] = PROTOCOL_TCP;
	return checksum_add(sum, checksum_sum(rest, sizeof(rest)));
}

enum replay_checksum replay_checksum_judge(const struct dissection *d, uint16_t *error)
{
	const uint8_t *tcp = d->options - HEADER_LEN;
	uint32_t len = (uint32_t)(tcp[12] >> 4) * 4 + d->payload_len;
	uint16_t pseudo, sum, field;

	*error = 0;
	if (d->options_cut || d->payload_captured < d->payload_len)
		return REPLAY_CHECKSUM_GOOD;
	pseudo = pseudo_sum(&d->tuple.remote, &d->tuple.local, len);
	sum = checksum_add(pseudo, checksum_sum(tcp, len));
	if (sum == 0xffff)
		return REPLAY_CHECKSUM_GOOD;
	*error = sum;
	memcpy(&field, tcp + 16, sizeof(field));
	return !field || field == pseudo ? REPLAY_CHECKSUM_UNSET : REPLAY_CHECKSUM_WRONG;
}

/* What of the IP header goes along. */
static void ip_note(struct replay_segment *s, const struct capture_packet *p)
{
	if (p->ip[0] >> 4 == 4) {
		s->tos = p->ip[1];
		s->id = load_be16(p->ip + 4);
		s->df = load_be16(p->ip + 6) & IPV4_DF;
	} else {
		s->tos = (uint8_t)(load_be16(p->ip) >> 4);
		s->id = 0;
		s->df = true;
	}
}

/* Options of which the capture has a part end there. */
static void header_copy(struct buf *b, const struct dissection *d, uint16_t header_len)
{
	memcpy(b->data, d->options - HEADER_LEN, HEADER_LEN);
	memset(b->data + HEADER_LEN, 0, header_len - HEADER_LEN);
	memcpy(b->data + HEADER_LEN, d->options, d->options_len);
	b->data[12] = (uint8_t)((b->data[12] & 15) | header_len / 4 << 4);
}

unsigned replay_segment_copy(const struct dissection *d, const struct capture_packet *p,
			     const struct replay_segment *as, uint8_t family, uint32_t mtu, struct buf_queue *q)
{
	uint16_t header_len = (uint16_t)(HEADER_LEN + (d->options_len + 3) / 4 * 4);
	uint32_t room = mtu - (family == 6 ? IPV6_LEN : IPV4_LEN) - header_len, done = 0;
	unsigned count = 0;

	do {
		uint32_t left = d->payload_len - done, len = left < room ? left : room;
		struct buf *b = buf_alloc(header_len + len);
		struct replay_segment *s = replay_segment_of(b);

		*s = *as;
		ip_note(s, p);
		s->id = (uint16_t)(s->id + count);
		header_copy(b, d, header_len);
		memcpy(b->data + header_len, d->payload + done, len);
		store_be32(b->data + 4, d->seq + done + (done && d->flags & TCP_SYN ? 1 : 0));
		if (done) {
			b->data[13] &= (uint8_t)~TCP_SYN;
			s->at += done + (d->flags & TCP_SYN ? 1 : 0);
		}
		if (len < left)
			b->data[13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
		if (len < d->payload_len)
			s->checksum_error = 0;
		s->flags = b->data[13];
		s->header_len = header_len;
		s->len = len;
		b->len = header_len + len;
		buf_queue_put(q, b);
		done += len;
		count++;
	} while (done < d->payload_len);
	return count;
}

static void ip4_put(struct buf *b, const struct replay_segment *s, const struct addr *from, const struct addr *to)
{
	uint8_t *ip = buf_push(b, IPV4_LEN);
	uint16_t sum;

	memset(ip, 0, IPV4_LEN);
	ip[0] = 0x45;
	ip[1] = s->tos;
	store_be16(ip + 2, (uint16_t)b->len);
	store_be16(ip + 4, s->id);
	store_be16(ip + 6, s->df ? IPV4_DF : 0);
	ip[8] = REPLAY_TTL;
	ip[9] = PROTOCOL_TCP;
	memcpy(ip + 12, from->bytes, 4);
	memcpy(ip + 16, to->bytes, 4);
	sum = (uint16_t)~checksum_sum(ip, IPV4_LEN);
	memcpy(ip + 10, &sum, sizeof(sum));
}

static void ip6_put(struct buf *b, const struct replay_segment *s, const struct addr *from, const struct addr *to)
{
	uint8_t *ip = buf_push(b, IPV6_LEN);

	store_be32(ip, UINT32_C(6) << 28 | (uint32_t)s->tos << 20);
	store_be16(ip + 4, (uint16_t)(b->len - IPV6_LEN));
	ip[6] = PROTOCOL_TCP;
	ip[7] = REPLAY_TTL;
	memcpy(ip + 8, from->bytes, 16);
	memcpy(ip + 24, to->bytes, 16);
}

/* From a TCP segment to an IP packet. */
static void packet_make(struct buf *b, const struct replay_segment *s, const struct addr *from, const struct addr *to)
{
	uint16_t sum = 0;

	memcpy(b->data + 16, &sum, sizeof(sum));
	sum = (uint16_t)~checksum_add(pseudo_sum(from, to, b->len), checksum_sum(b->data, b->len));
	sum = checksum_add(sum, s->checksum_error);
	memcpy(b->data + 16, &sum, sizeof(sum));
	if (from->family == 4)
		ip4_put(b, s, from, to);
	else
		ip6_put(b, s, from, to);
}

void replay_segment_finish(struct buf *b, const struct replay_rewrite *m, const struct addr *from,
			   const struct addr *to)
{
	const struct replay_segment s = *replay_segment_of(b);

	replay_rewrite(m, b->data, s.header_len);
	packet_make(b, &s, from, to);
}

struct buf *replay_segment_plain(const struct replay_plain *s, uint16_t from_port, uint16_t to_port,
				 const struct addr *from, const struct addr *to)
{
	struct buf *b = buf_alloc((uint32_t)(HEADER_LEN + s->len));
	const struct replay_segment as = {.df = true};

	memset(b->data, 0, HEADER_LEN);
	store_be16(b->data, from_port);
	store_be16(b->data + 2, to_port);
	store_be32(b->data + 4, s->seq);
	store_be32(b->data + 8, s->ack);
	b->data[12] = HEADER_LEN / 4 << 4;
	b->data[13] = s->flags;
	store_be16(b->data + 14, s->window);
	if (s->len)
		memcpy(b->data + HEADER_LEN, s->payload, s->len);
	b->len = (uint32_t)(HEADER_LEN + s->len);
	packet_make(b, &as, from, to);
	return b;
}
