/* SPDX-License-Identifier: BSD-3-Clause */
/* A router's fast path, below lwIP and without its image: what a packet needs in the ordinary case. Everything else
 * (expired TTL, IP options, too large for the next link) is lwIP's, which makes the ICMP errors and fragments. */
#include "base/checksum.h"
#include "stack/internal.h"
#include "stack/packet.h"

#include <string.h>

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

bool stack_forward(struct stack *s, struct buf *packet)
{
	uint8_t *h = packet->data;
	struct addr dst = packet_addr4(h + IP4_AT_DST);
	const struct route *r;
	r = route_find(&s->routes, &dst);
	if (!r) {
		stack_drop(s, STACK_DROP_ROUTE, packet);
		return true;
	}
	if (!h[IP4_AT_TTL]) /* it has expired too, but lwIP would make it 255 */
		forward_ttl_put(h, 1);
	if (h[IP4_AT_TTL] == 1 || ip4_header_len(h) != IP4_HEADER_MIN || packet->len > STACK_MTU)
		return false;
	forward_ttl_put(h, (uint8_t)(h[IP4_AT_TTL] - 1));
	stack_neighbour_send(s, (unsigned)r->netif, r->next_hop.family ? &r->next_hop : &dst, packet);
	return true;
}
