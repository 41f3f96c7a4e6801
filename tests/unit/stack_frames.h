/* SPDX-License-Identifier: BSD-3-Clause */
/* For the tests of stack/: frames made by hand, and read. All numbers in host order. */
#ifndef BATON_TESTS_UNIT_STACK_FRAMES_H
#define BATON_TESTS_UNIT_STACK_FRAMES_H

#include "base/checksum.h"
#include "stack/packet.h"
#include "tests/unit/stack_fixture.h"

#define FIN 1U
#define SYN 2U
#define RST 4U
#define PSH 8U
#define ACK 16U

static inline void frame_u32_put(uint8_t *p, uint32_t v)
{
	packet_u16_put(p, (uint16_t)(v >> 16));
	packet_u16_put(p + 2, (uint16_t)v);
}

/* An ARP packet from HOST (10.0.0.HOST, wire_mac) about target. */
static inline struct buf *frame_arp(unsigned op, unsigned host, struct addr sender, struct addr target, bool to_all)
{
	struct buf *b = buf_alloc(42);
	uint8_t *p = b->data;
	b->len = 42;
	memset(p, 0, 42);
	memset(p, 0xff, 6);
	if (!to_all)
		memcpy(p, wire_mac(1).bytes, 6);
	memcpy(p + 6, wire_mac(host).bytes, 6);
	memcpy(p + 12, (const uint8_t[]){8, 6, 0, 1, 8, 0, 6, 4, 0, (uint8_t)op}, 10);
	memcpy(p + 22, wire_mac(host).bytes, 6);
	memcpy(p + 28, sender.bytes, 4);
	memcpy(p + 38, target.bytes, 4);
	return b;
}

static inline void frame_ip_sum(uint8_t *ip)
{
	uint16_t sum;
	memset(ip + IP4_AT_CHECKSUM, 0, 2);
	sum = (uint16_t)~checksum_sum(ip, ip4_header_len(ip));
	memcpy(ip + IP4_AT_CHECKSUM, &sum, 2);
}

/* An IPv4 packet with `len` bytes of payload behind its header, to the Ethernet address of host `to`. */
static inline struct buf *frame_ip(unsigned to, struct addr src, struct addr dst, uint8_t protocol, uint16_t fragment,
				   const void *payload, size_t len)
{
	struct buf *b = buf_alloc((uint32_t)(34 + len));
	uint8_t *ip = b->data + 14;
	b->len = (uint32_t)(34 + len);
	memset(b->data, 0, 34);
	memcpy(b->data, wire_mac(to).bytes, 6);
	memcpy(b->data + 6, wire_mac(9).bytes, 6);
	b->data[12] = 8;
	ip[0] = 0x45;
	packet_u16_put(ip + IP4_AT_LENGTH, (uint16_t)(20 + len));
	packet_u16_put(ip + IP4_AT_ID, 77);
	packet_u16_put(ip + IP4_AT_FRAGMENT, fragment);
	ip[IP4_AT_TTL] = 64;
	ip[IP4_AT_PROTOCOL] = protocol;
	memcpy(ip + IP4_AT_SRC, src.bytes, 4);
	memcpy(ip + IP4_AT_DST, dst.bytes, 4);
	frame_ip_sum(ip);
	memcpy(ip + 20, payload, len);
	return b;
}

/* An IPv6 packet with `len` bytes behind its header, the first of them a header of kind `next`. */
static inline struct buf *frame_ip6(unsigned to, struct addr src, struct addr dst, uint8_t next, const void *payload,
				    size_t len)
{
	struct buf *b = buf_alloc((uint32_t)(54 + len));
	uint8_t *ip = b->data + 14;
	b->len = (uint32_t)(54 + len);
	memset(b->data, 0, 54);
	memcpy(b->data, wire_mac(to).bytes, 6);
	memcpy(b->data + 6, wire_mac(9).bytes, 6);
	packet_u16_put(b->data + 12, ETHERNET_TYPE_IP6);
	ip[0] = 0x60;
	packet_u16_put(ip + IP6_AT_LENGTH, (uint16_t)len);
	ip[IP6_AT_NEXT] = next;
	ip[IP6_AT_HOPS] = 64;
	memcpy(ip + IP6_AT_SRC, src.bytes, 16);
	memcpy(ip + IP6_AT_DST, dst.bytes, 16);
	memcpy(ip + 40, payload, len);
	return b;
}

struct segment {
	uint16_t src_port, dst_port;
	uint32_t seq, ack;
	uint8_t flags;
	uint16_t window;
	const void *options;
	size_t options_len; /* a multiple of 4 */
	const void *text;
	size_t text_len;
};

/* Sum of pseudo header and what it covers, as it stands, of either family. */
static inline uint16_t frame_sum(const struct addr *src, const struct addr *dst, uint8_t protocol, const uint8_t *bytes,
				 size_t len)
{
	uint8_t pseudo[40] = {0}, *rest = pseudo + 2 * addr_len(src);
	memcpy(pseudo, src->bytes, addr_len(src));
	memcpy(pseudo + addr_len(src), dst->bytes, addr_len(dst));
	packet_u16_put(rest, protocol); /* (a sum does not care where in the pseudo header) */
	packet_u16_put(rest + 2, (uint16_t)len);
	return checksum_add(checksum_sum(pseudo, sizeof(pseudo)), checksum_sum(bytes, len));
}

/* Writes the segment into `tcp` (large enough), checksum and all; returns its length. */
static inline size_t frame_tcp_write(uint8_t *tcp, struct addr src, struct addr dst, const struct segment *s)
{
	size_t header = 20 + s->options_len, len = header + s->text_len;
	uint16_t sum;
	memset(tcp, 0, 20);
	packet_u16_put(tcp, s->src_port);
	packet_u16_put(tcp + 2, s->dst_port);
	frame_u32_put(tcp + 4, s->seq);
	frame_u32_put(tcp + 8, s->ack);
	tcp[12] = (uint8_t)(header / 4 << 4);
	tcp[13] = s->flags;
	packet_u16_put(tcp + 14, s->window);
	if (s->options_len)
		memcpy(tcp + 20, s->options, s->options_len);
	if (s->text_len)
		memcpy(tcp + header, s->text, s->text_len);
	sum = (uint16_t)~frame_sum(&src, &dst, 6, tcp, len);
	memcpy(tcp + TCP_AT_CHECKSUM, &sum, 2);
	return len;
}

static inline struct buf *frame_tcp(unsigned to, struct addr src, struct addr dst, const struct segment *s)
{
	uint8_t tcp[1500];
	size_t len = frame_tcp_write(tcp, src, dst, s);
	return src.family == 6 ? frame_ip6(to, src, dst, 6, tcp, len) : frame_ip(to, src, dst, 6, 0, tcp, len);
}

/* A neighbour solicitation (135) or advertisement (136) from HOST's Ethernet address, which is in its option, to the
 * Ethernet address of host 1; `flags` are an advertisement's. */
static inline struct buf *frame_nd(uint8_t type, unsigned host, struct addr src, struct addr dst, struct addr target,
				   uint8_t flags)
{
	uint8_t icmp[32] = {type, [4] = flags, [24] = (uint8_t)(type - 134), [25] = 1};
	uint16_t sum;
	memcpy(icmp + 8, target.bytes, 16);
	memcpy(icmp + 26, wire_mac(host).bytes, 6);
	sum = (uint16_t)~frame_sum(&src, &dst, 58, icmp, sizeof(icmp));
	memcpy(icmp + 2, &sum, 2);
	struct buf *b = frame_ip6(1, src, dst, 58, icmp, sizeof(icmp));
	b->data[14 + IP6_AT_HOPS] = 255;
	memcpy(b->data + 6, wire_mac(host).bytes, 6);
	return b;
}

/* Every packet that a stack sends has good checksums. (Each ck_assert writes to a file, and this runs often.) */
static inline void frame_verify(const struct buf *b)
{
	const uint8_t *ip = b->data + 14;
	uint32_t header = packet_u16(b->data + 12) == ETHERNET_TYPE_IP6 ? 40 : 20;
	if (packet_u16(b->data + 12) == ETHERNET_TYPE_ARP)
		return;
	const struct addr src = packet_src(ip), dst = packet_dst(ip);
	const uint8_t protocol = ip[header == 40 ? IP6_AT_NEXT : IP4_AT_PROTOCOL];
	if (header == 40 ? 54U + packet_u16(ip + IP6_AT_LENGTH) != b->len
			 : packet_u16(ip + IP4_AT_LENGTH) != b->len - 14)
		ck_abort_msg("an IP packet's length is wrong");
	if (header == 20 && checksum_sum(ip, ip4_header_len(ip)) != 0xffff)
		ck_abort_msg("an IP header's checksum is wrong");
	if (header == 20 && (packet_u16(ip + IP4_AT_FRAGMENT) & 0x3fff))
		return;
	if ((protocol == 6 || protocol == 58) &&
	    frame_sum(&src, &dst, protocol, ip + header, b->len - 14 - header) != 0xffff)
		ck_abort_msg("the checksum of protocol %u is wrong", protocol);
}

#endif
