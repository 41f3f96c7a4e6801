/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/packet.h"

#include "base/checksum.h"
#include "base/cursor.h"

#include <assert.h>
#include <string.h>

#define PROTOCOL_TCP  6U
#define PROTOCOL_HOP  0U /* IPv6 extension headers (RFC 8200, section 4) */
#define PROTOCOL_FRAG 44U
#define PROTOCOL_DEST 60U

#define IPV4_LEN_MIN 20U
#define IPV6_LEN     40U
#define TCP_LEN_MIN  20U

/* Offsets in headers. */
#define IPV4_CHECKSUM 10U
#define IPV4_SOURCE   12U
#define IPV6_SOURCE   8U
#define TCP_CHECKSUM  16U

static uint16_t load_raw16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof v);
	return v;
}

static enum packet_kind parse_tcp(struct packet *p, const struct buf *b, uint32_t offset)
{
	const uint8_t *tcp = b->data + offset;
	uint32_t left = b->len - offset;
	uint32_t header_len;

	if (left < TCP_LEN_MIN)
		return PACKET_MALFORMED;
	header_len = (tcp[12] >> 4) * 4U;
	if (header_len < TCP_LEN_MIN || header_len > left)
		return PACKET_MALFORMED;
	p->l4_offset = offset;
	p->payload_offset = offset + header_len;
	p->payload_len = left - header_len;
	p->tuple.remote_port = load_be16(tcp);
	p->tuple.local_port = load_be16(tcp + 2);
	p->seq = load_be32(tcp + 4);
	p->ack = load_be32(tcp + 8);
	p->flags = tcp[13];
	return PACKET_TCP;
}

static enum packet_kind parse_ipv4(struct packet *p, struct buf *b)
{
	const uint8_t *ip = b->data;
	uint32_t header_len, total;

	if (b->len < IPV4_LEN_MIN)
		return PACKET_MALFORMED;
	header_len = (ip[0] & 0x0fU) * 4U;
	total = load_be16(ip + 2);
	if (header_len < IPV4_LEN_MIN || total < header_len || total > b->len)
		return PACKET_MALFORMED;
	if (checksum_sum(ip, header_len) != 0xffff)
		return PACKET_MALFORMED;
	b->len = total;
	p->family = 4;
	p->tuple.remote = addr_from_bytes(4, ip + IPV4_SOURCE);
	p->tuple.local = addr_from_bytes(4, ip + IPV4_SOURCE + 4);
	if (load_be16(ip + 6) & 0x3fff)
		return PACKET_FRAGMENT;
	return ip[9] == PROTOCOL_TCP ? parse_tcp(p, b, header_len) : PACKET_OTHER;
}

static enum packet_kind parse_ipv6(struct packet *p, struct buf *b)
{
	const uint8_t *ip = b->data;
	uint32_t offset = IPV6_LEN;
	uint32_t total;
	uint8_t next;

	if (b->len < IPV6_LEN)
		return PACKET_MALFORMED;
	total = IPV6_LEN + load_be16(ip + 4);
	if (total > b->len)
		return PACKET_MALFORMED;
	b->len = total;
	p->family = 6;
	p->tuple.remote = addr_from_bytes(6, ip + IPV6_SOURCE);
	p->tuple.local = addr_from_bytes(6, ip + IPV6_SOURCE + 16);
	next = ip[6];
	while (next == PROTOCOL_HOP || next == PROTOCOL_DEST) {
		if (total - offset < 8)
			return PACKET_MALFORMED;
		next = ip[offset];
		offset += (ip[offset + 1] + 1U) * 8U;
		if (offset > total)
			return PACKET_MALFORMED;
	}
	if (next == PROTOCOL_FRAG)
		return PACKET_FRAGMENT;
	/* With a routing header the checksum counts another destination: not ours to rewrite. */
	return next == PROTOCOL_TCP ? parse_tcp(p, b, offset) : PACKET_OTHER;
}

enum packet_kind packet_parse(struct packet *p, struct buf *b)
{
	*p = (struct packet){0};
	if (!b->len)
		return PACKET_MALFORMED;
	switch (b->data[0] >> 4) {
	case 4:
		return parse_ipv4(p, b);
	case 6:
		return parse_ipv6(p, b);
	default:
		return PACKET_MALFORMED;
	}
}

bool packet_tcp_checksum_ok(const struct packet *p, const struct buf *b)
{
	const uint8_t *addresses = b->data + (p->family == 6 ? IPV6_SOURCE : IPV4_SOURCE);
	uint32_t tcp_len = b->len - p->l4_offset;
	uint8_t rest[8] = {0};
	uint16_t sum;

	store_be32(rest, tcp_len);
	rest[7] = PROTOCOL_TCP;
	sum = checksum_sum(addresses, p->family == 6 ? 32 : 8);
	sum = checksum_add(sum, checksum_sum(rest, sizeof rest));
	sum = checksum_add(sum, checksum_sum(b->data + p->l4_offset, tcp_len));
	return sum == 0xffff;
}

void packet_rewrite(struct packet *p, struct buf *b, const struct tuple *t)
{
	uint32_t addr_bytes = p->family == 6 ? 16 : 4;
	uint8_t *addresses = b->data + (p->family == 6 ? IPV6_SOURCE : IPV4_SOURCE);
	uint8_t *tcp = b->data + p->l4_offset;
	uint8_t changed[36]; /* addresses, then ports: all words of the packet that change */
	uint8_t old[36];
	uint16_t check;

	assert(t->remote.family == p->family && t->local.family == p->family);
	memcpy(old, addresses, 2 * addr_bytes);
	memcpy(old + 2 * addr_bytes, tcp, 4);
	memcpy(changed, t->remote.bytes, addr_bytes);
	memcpy(changed + addr_bytes, t->local.bytes, addr_bytes);
	store_be16(changed + 2 * addr_bytes, t->remote_port);
	store_be16(changed + 2 * addr_bytes + 2, t->local_port);

	check = checksum_update(load_raw16(tcp + TCP_CHECKSUM), old, changed, 2 * addr_bytes + 4);
	memcpy(tcp + TCP_CHECKSUM, &check, sizeof check);
	if (p->family == 4) {
		check = checksum_update(load_raw16(b->data + IPV4_CHECKSUM), old, changed, 8);
		memcpy(b->data + IPV4_CHECKSUM, &check, sizeof check);
	}
	memcpy(addresses, changed, 2 * addr_bytes);
	memcpy(tcp, changed + 2 * addr_bytes, 4);
	p->tuple = *t;
}

bool packet_encapsulate(struct packet *p, struct buf *b, const struct addr *source, const struct addr *destination,
			uint32_t flow)
{
	struct tuple t = {
		.remote = *source,
		.local = *destination,
		.remote_port = (uint16_t)(flow >> 16),
		.local_port = (uint16_t)flow,
	};

	if (source->family != p->family || destination->family != p->family)
		return false;
	packet_rewrite(p, b, &t);
	return true;
}
