/* SPDX-License-Identifier: BSD-3-Clause */
/* Courier datagrams in packets of IPv4 and IPv6. */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/wire.h"
#include "node/internal.h"

#include <assert.h>
#include <string.h>

#define HOPS            64U
#define IP4_HEADER      20U
#define IP6_HEADER      40U
#define UDP_HEADER      8U
#define PROTOCOL_UDP    17U
#define IP4_WHOLE       0x4000U /* do not fragment: and so no identifier is needed (RFC 6864) */
#define IP4_IS_FRAGMENT 0x3fffU /* more-fragments and offset */

static bool is_ip6(const uint8_t *ip)
{
	return ip[0] >> 4 == 6;
}

/* Source and destination, one behind the other. */
static uint8_t *addresses_of(uint8_t *ip)
{
	return ip + (is_ip6(ip) ? 8 : 12);
}

size_t datagram_headers(uint8_t family)
{
	return (family == 6 ? IP6_HEADER : IP4_HEADER) + UDP_HEADER;
}

bool datagram_parse(struct datagram *d, uint8_t *ip, size_t len)
{
	size_t header = len < IP4_HEADER ? 0 : is_ip6(ip) ? IP6_HEADER : (size_t)(ip[0] & 15) * 4, udp_len;

	if (header < IP4_HEADER || len < header + UDP_HEADER || ip[is_ip6(ip) ? 6 : 9] != PROTOCOL_UDP ||
	    (!is_ip6(ip) && load_be16(ip + 6) & IP4_IS_FRAGMENT))
		return false;
	*d = (struct datagram){.family = is_ip6(ip) ? 6 : 4, .udp = ip + header, .port = load_be16(ip + header + 2)};
	udp_len = load_be16(d->udp + 4);
	d->whole = udp_len >= UDP_HEADER && udp_len <= len - header && (!is_ip6(ip) || load_be16(d->udp + 6));
	d->contents = d->udp + UDP_HEADER;
	d->contents_len = d->whole ? udp_len - UDP_HEADER : 0;
	return true;
}

/* One's-complement sum of a UDP datagram with its pseudo-header (RFC 768, RFC 8200 8.1), in memory order. */
static uint16_t udp_sum(uint8_t *ip, const uint8_t *udp, size_t len)
{
	uint8_t rest[4] = {0, PROTOCOL_UDP};
	uint16_t sum = checksum_sum(addresses_of(ip), is_ip6(ip) ? 32 : 8);

	store_be16(rest + 2, (uint16_t)len);
	sum = checksum_add(sum, checksum_sum(rest, sizeof(rest)));
	return checksum_add(sum, checksum_sum(udp, len));
}

static void udp_check_put(uint8_t *udp, uint16_t check)
{
	if (!check) /* 0 means "no checksum" */
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

static uint8_t *ip4_push(struct buf *b)
{
	uint8_t *ip = buf_push(b, IP4_HEADER);

	memset(ip, 0, IP4_HEADER);
	ip[0] = 0x45;
	store_be16(ip + 2, (uint16_t)b->len);
	store_be16(ip + 6, IP4_WHOLE);
	ip[8] = HOPS;
	ip[9] = PROTOCOL_UDP;
	return ip;
}

static uint8_t *ip6_push(struct buf *b)
{
	const uint32_t len = b->len;
	uint8_t *ip = buf_push(b, IP6_HEADER);

	memset(ip, 0, IP6_HEADER);
	ip[0] = 6 << 4;
	store_be16(ip + 4, (uint16_t)len);
	ip[6] = PROTOCOL_UDP;
	ip[7] = HOPS;
	return ip;
}

static void ip4_check_put(uint8_t *ip, size_t header)
{
	uint16_t check;

	memset(ip + 10, 0, 2);
	check = (uint16_t)~checksum_sum(ip, header);
	memcpy(ip + 10, &check, 2);
}

void datagram_wrap(struct buf *b, const struct addr *from, const struct addr *to)
{
	const uint16_t udp_len = (uint16_t)(b->len + UDP_HEADER);
	uint8_t *udp = buf_push(b, UDP_HEADER), *ip;

	assert(from->family == to->family);
	store_be16(udp, COURIER_PORT);
	store_be16(udp + 2, COURIER_PORT);
	store_be16(udp + 4, udp_len);
	store_be16(udp + 6, 0);
	ip = to->family == 6 ? ip6_push(b) : ip4_push(b);
	memcpy(addresses_of(ip), from->bytes, addr_len(from));
	memcpy(addresses_of(ip) + addr_len(from), to->bytes, addr_len(to));
	if (!is_ip6(ip))
		ip4_check_put(ip, IP4_HEADER);
	udp_check_put(udp, (uint16_t)~udp_sum(ip, udp, udp_len));
}

bool datagram_relay(const struct datagram *d, uint8_t *ip, const struct addr *from, const struct addr *to)
{
	uint8_t *addresses = addresses_of(ip), *hops = ip + (is_ip6(ip) ? 7 : 8), old[32];
	const size_t len = addr_len(to);
	uint16_t check;

	assert(from->family == d->family && to->family == d->family);
	if (*hops <= 1)
		return false;
	memcpy(old, addresses, 2 * len);
	memcpy(addresses, from->bytes, len);
	memcpy(addresses + len, to->bytes, len);
	memcpy(&check, d->udp + 6, 2);
	udp_check_put(d->udp, checksum_update(check, old, addresses, 2 * len));
	--*hops;
	if (!is_ip6(ip))
		ip4_check_put(ip, (size_t)(d->udp - ip));
	return true;
}
