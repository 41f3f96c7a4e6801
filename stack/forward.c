/* SPDX-License-Identifier: BSD-3-Clause */
/* A router's fast path, below lwIP and without its image: what a packet needs in the ordinary case. Everything else
 * (expired TTL or hop limit, IPv4 options, too large for the next link) is lwIP's, which makes the ICMP errors and
 * fragments. */
#include "base/checksum.h"
#include "stack/internal.h"
#include "stack/packet.h"

#include <string.h>

bool stack_packet_fits(const struct buf *packet)
{
	const uint8_t *h = packet->data;
	uint32_t headers_len = h[0] >> 4 == 6 ? IP6_HEADER_LEN : ip4_header_len(h);
	if (packet->len <= STACK_MTU)
		return true;
	if (!packet->segment_bytes)
		return false;
	headers_len += tcp_header_len(h + headers_len);
	return headers_len + packet->segment_bytes <= STACK_MTU;
}

/* RFC 1624 over the 16-bit word of TTL and protocol. */
static void forward_ttl_put(uint8_t *h, uint8_t ttl)
{
	uint8_t old[2];
	uint16_t check;
	memcpy(old, h + IP4_AT_TTL, 2);
	h[IP4_AT_TTL] = ttl;
	memcpy(&check, h + IP4_AT_CHECKSUM, 2);
	check = checksum_update(check, old, h + IP4_AT_TTL, 2);
	memcpy(h + IP4_AT_CHECKSUM, &check, 2);
}

/* Whether the packet may go on as it is but for its time to live, which is counted down; otherwise it is lwIP's. */
static bool forward_ip4(struct buf *packet)
{
	uint8_t *h = packet->data;
	if (!h[IP4_AT_TTL]) /* it has expired too, but lwIP would make it 255 */
		forward_ttl_put(h, 1);
	if (h[IP4_AT_TTL] == 1 || ip4_header_len(h) != IP4_HEADER_MIN || !stack_packet_fits(packet))
		return false;
	forward_ttl_put(h, (uint8_t)(h[IP4_AT_TTL] - 1));
	return true;
}

/* The same for IPv6 (RFC 8200 3). Its extension headers are the receiver's business, but for hop-by-hop options, which
 * routers may leave alone (RFC 8200 4). */
static bool forward_ip6(struct buf *packet)
{
	uint8_t *h = packet->data;
	if (!h[IP6_AT_HOPS])
		h[IP6_AT_HOPS] = 1;
	if (h[IP6_AT_HOPS] == 1 || !stack_packet_fits(packet))
		return false;
	h[IP6_AT_HOPS]--;
	return true;
}

bool stack_forward(struct stack *s, struct buf *packet)
{
	struct addr dst = packet_dst(packet->data);
	const struct route *r = route_find(&s->routes, &dst);
	if (!r) {
		stack_drop(s, STACK_DROP_ROUTE, packet);
		return true;
	}
	if (!(dst.family == 6 ? forward_ip6(packet) : forward_ip4(packet)))
		return false;
	stack_neighbour_send(s, (unsigned)r->netif, r->next_hop.family ? &r->next_hop : &dst, packet);
	return true;
}
