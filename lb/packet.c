/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/packet.h"

#include "base/checksum.h"
#include "base/cursor.h"

#include <assert.h>
#include <endian.h>
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

/* In place, where a structure that is passed on would be copied. Precondition: *a is zero. */
static inline void addr_set(struct addr *a, uint8_t family, const uint8_t *bytes)
{
	a->family = family;
	memcpy(a->bytes, bytes, family == 6 ? 16 : 4);
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
	if ((header_len == IPV4_LEN_MIN ? checksum_fold(checksum_few(0, ip, IPV4_LEN_MIN))
					: checksum_sum(ip, header_len)) != 0xffff)
		return PACKET_MALFORMED;
	b->len = total;
	p->family = 4;
	addr_set(&p->tuple.remote, 4, ip + IPV4_SOURCE);
	addr_set(&p->tuple.local, 4, ip + IPV4_SOURCE + 4);
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
	addr_set(&p->tuple.remote, 6, ip + IPV6_SOURCE);
	addr_set(&p->tuple.local, 6, ip + IPV6_SOURCE + 16);
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

/* What changes: addresses of addr_bytes (known where it is called) and ports, as in the packet; in buffer and view. */
static inline __attribute__((always_inline)) void rewrite(struct packet *p, struct buf *b, const struct addr *source,
							  const struct addr *destination, uint32_t ports,
							  uint32_t addresses_at, uint32_t addr_bytes)
{
	uint8_t *addresses = b->data + addresses_at;
	uint8_t *tcp = b->data + p->l4_offset;
	uint32_t ports_be = htobe32(ports);
	uint64_t change;
	uint16_t check;

	change = checksum_change(0, addresses, source->bytes, addr_bytes);
	change = checksum_change(change, addresses + addr_bytes, destination->bytes, addr_bytes);
	if (addr_bytes == 4) {
		check = checksum_changed(load_raw16(b->data + IPV4_CHECKSUM), change);
		memcpy(b->data + IPV4_CHECKSUM, &check, sizeof check);
	}
	change = checksum_change(change, tcp, &ports_be, 4);
	check = checksum_changed(load_raw16(tcp + TCP_CHECKSUM), change);
	memcpy(tcp + TCP_CHECKSUM, &check, sizeof check);
	memcpy(addresses, source->bytes, addr_bytes);
	memcpy(addresses + addr_bytes, destination->bytes, addr_bytes);
	memcpy(tcp, &ports_be, 4);
	p->tuple.remote = *source;
	p->tuple.local = *destination;
	p->tuple.remote_port = (uint16_t)(ports >> 16);
	p->tuple.local_port = (uint16_t)ports;
}

static void packet_change(struct packet *p, struct buf *b, const struct addr *source, const struct addr *destination,
			  uint32_t ports)
{
	if (p->family == 6)
		rewrite(p, b, source, destination, ports, IPV6_SOURCE, 16);
	else
		rewrite(p, b, source, destination, ports, IPV4_SOURCE, 4);
}

void packet_rewrite(struct packet *p, struct buf *b, const struct tuple *t)
{
	assert(t->remote.family == p->family && t->local.family == p->family);
	packet_change(p, b, &t->remote, &t->local, (uint32_t)t->remote_port << 16 | t->local_port);
}

bool packet_encapsulate(struct packet *p, struct buf *b, const struct addr *source, const struct addr *destination,
			uint32_t flow)
{
	if (source->family != p->family || destination->family != p->family)
		return false;
	packet_change(p, b, source, destination, flow);
	return true;
}
