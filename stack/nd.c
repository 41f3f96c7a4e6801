/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/nd.h"

#include "base/checksum.h"
#include "stack/packet.h"

#include <string.h>

#define ND_LEN_MIN    24U /* of the ICMPv6 message, without options */
#define ND_AT_FLAGS   4U  /* of an advertisement */
#define ND_AT_TARGET  8U
#define ND_AT_OPTIONS 24U
#define ND_HOPS       255U /* what no router lets through */

#define ND_FLAG_ROUTER    0x80U
#define ND_FLAG_SOLICITED 0x40U
#define ND_FLAG_OVERRIDE  0x20U

#define ND_OPTION_SOURCE 1U /* link-layer address of the sender */
#define ND_OPTION_TARGET 2U /* link-layer address of the target */
#define ND_OPTION_LEN    8U /* of either, on Ethernet */

static const uint8_t solicited_node[13] = {0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff}; /* RFC 4291 2.7.1 */
static const struct addr all_nodes = {.family = 6, .bytes = {0xff, 2, [15] = 1}};
static const struct addr unspecified = {.family = 6};

/* A message, all that was checked of it. */
struct nd_message {
	struct addr src, dst, target;
	const struct mac *mac; /* from its source or target link-layer address option; NULL without one */
	uint8_t flags;
};

static bool multicast(const struct addr *a)
{
	return a->bytes[0] == 0xff;
}

static struct addr solicited_node_of(const struct addr *target)
{
	struct addr group = *target;
	memcpy(group.bytes, solicited_node, sizeof(solicited_node));
	return group;
}

/* RFC 2464 7: an IPv6 group's Ethernet address. */
static struct mac group_mac(const struct addr *group)
{
	struct mac mac = {{0x33, 0x33}};
	memcpy(mac.bytes + 2, group->bytes + 12, 4);
	return mac;
}

/* Sum of pseudo header and message (RFC 8200 8.1), of all that the packet holds. */
static uint16_t message_sum(const uint8_t *ip, size_t len)
{
	uint8_t rest[8] = {0, 0, 0, 0, 0, 0, 0, IP6_NEXT_ICMP};
	uint16_t sum = checksum_sum(ip + IP6_AT_SRC, 32);
	packet_u16_put(rest + 2, (uint16_t)len);
	sum = checksum_add(sum, checksum_sum(rest, sizeof(rest)));
	return checksum_add(sum, checksum_sum(ip + IP6_HEADER_LEN, len));
}

/* ---- out ---- */

/* A message with our hardware address in one option; the IPv6 packet of it. */
static struct buf *message_new(const struct neighbours *t, uint8_t type, uint8_t flags, const struct addr *dst,
			       const struct addr *target)
{
	const uint32_t len = ND_LEN_MIN + ND_OPTION_LEN;
	struct buf *b = buf_alloc(IP6_HEADER_LEN + len);
	uint8_t *ip = b->data, *icmp = ip + IP6_HEADER_LEN, *option = icmp + ND_AT_OPTIONS;
	uint16_t check;
	b->len = IP6_HEADER_LEN + len;
	memset(ip, 0, b->len);
	ip[0] = 6 << 4;
	packet_u16_put(ip + IP6_AT_LENGTH, (uint16_t)len);
	ip[IP6_AT_NEXT] = IP6_NEXT_ICMP;
	ip[IP6_AT_HOPS] = ND_HOPS;
	memcpy(ip + IP6_AT_SRC, t->addresses[1].bytes, 16);
	memcpy(ip + IP6_AT_DST, dst->bytes, 16);
	icmp[ICMP6_AT_TYPE] = type;
	icmp[ND_AT_FLAGS] = flags;
	memcpy(icmp + ND_AT_TARGET, target->bytes, 16);
	option[0] = type == ICMP6_TYPE_SOLICIT ? ND_OPTION_SOURCE : ND_OPTION_TARGET;
	option[1] = ND_OPTION_LEN / 8;
	memcpy(option + 2, t->mac.bytes, 6);
	check = (uint16_t)~message_sum(ip, len);
	memcpy(icmp + ICMP6_AT_CHECKSUM, &check, 2);
	return b;
}

void nd_solicit(struct neighbours *t, const struct addr *target, const struct mac *to)
{
	const struct addr group = solicited_node_of(target);
	const struct mac mac = group_mac(&group);
	neighbours_frame_put(t, message_new(t, ICMP6_TYPE_SOLICIT, 0, to ? target : &group, target), to ? to : &mac,
			     ETHERNET_TYPE_IP6);
}

/* The answer to a solicitation; one from nobody (duplicate address detection) is told to all. */
static void advertise(struct neighbours *t, const struct nd_message *m, nstime now)
{
	const uint8_t flags = ND_FLAG_OVERRIDE | (t->router ? ND_FLAG_ROUTER : 0);
	if (addr_equal(&m->src, &unspecified)) {
		const struct mac mac = group_mac(&all_nodes);
		neighbours_frame_put(t, message_new(t, ICMP6_TYPE_ADVERTISE, flags, &all_nodes, &m->target), &mac,
				     ETHERNET_TYPE_IP6);
		return;
	}
	neighbours_send(t, &m->src,
			message_new(t, ICMP6_TYPE_ADVERTISE, flags | ND_FLAG_SOLICITED, &m->src, &m->target), now);
}

/* ---- in ---- */

bool nd_frame(const struct buf *frame)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER_LEN;
	return frame->len > ETHERNET_HEADER_LEN + IP6_HEADER_LEN && ip[IP6_AT_NEXT] == IP6_NEXT_ICMP &&
	       (ip[IP6_HEADER_LEN] == ICMP6_TYPE_SOLICIT || ip[IP6_HEADER_LEN] == ICMP6_TYPE_ADVERTISE);
}

bool nd_group(const uint8_t *mac, const struct addr *target)
{
	const struct addr group = solicited_node_of(target);
	const struct mac wanted = group_mac(&group), all = group_mac(&all_nodes);
	return !memcmp(mac, wanted.bytes, 6) || !memcmp(mac, all.bytes, 6);
}

/* RFC 4861 7.1: hop limit, code, checksum, lengths, target. */
static bool message_sound(const struct buf *frame, uint32_t *len)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER_LEN, *icmp = ip + IP6_HEADER_LEN;
	*len = packet_u16(ip + IP6_AT_LENGTH);
	return ip[0] >> 4 == 6 && *len >= ND_LEN_MIN && *len <= frame->len - ETHERNET_HEADER_LEN - IP6_HEADER_LEN &&
	       ip[IP6_AT_HOPS] == ND_HOPS && !icmp[ICMP6_AT_CODE] && message_sum(ip, *len) == 0xffff &&
	       icmp[ND_AT_TARGET] != 0xff && ip[IP6_AT_SRC] != 0xff;
}

/* Walks the options for one of `kind`. False: one is of no length or reaches beyond the message, or an address is that
 * of a group. */
static bool message_options(const uint8_t *icmp, uint32_t len, uint8_t kind, const struct mac **mac)
{
	uint32_t at = ND_AT_OPTIONS;
	while (at < len) {
		const uint8_t *option = icmp + at;
		uint32_t option_len = len - at >= 2 ? option[1] * 8U : 0;
		if (!option_len || option_len > len - at)
			return false;
		if (option[0] == kind) {
			if (option_len != ND_OPTION_LEN || (option[2] & 1))
				return false;
			*mac = (const struct mac *)(const void *)(option + 2);
		}
		at += option_len;
	}
	return true;
}

/* RFC 4861 7.2.3. A sender without a hardware address in its message is answered like any neighbour. */
static bool solicitation(struct neighbours *t, const struct nd_message *m, neighbour_ours ours, const void *context,
			 nstime now)
{
	const struct addr group = solicited_node_of(&m->target);
	if (addr_equal(&m->src, &unspecified) && (m->mac || !addr_equal(&m->dst, &group)))
		return false;
	if (ours(context, &m->src))
		return false;
	if (!ours(context, &m->target))
		return true;
	if (m->mac)
		neighbours_hear(t, &m->src, m->mac, true, now);
	advertise(t, m, now);
	return true;
}

/* RFC 4861 7.2.5. */
static bool advertisement(struct neighbours *t, const struct nd_message *m, neighbour_ours ours, const void *context,
			  nstime now)
{
	struct mac known;
	if (addr_equal(&m->src, &unspecified) || (multicast(&m->dst) && (m->flags & ND_FLAG_SOLICITED)) ||
	    ours(context, &m->target))
		return false;
	switch (neighbours_look(t, &m->target, &known)) {
	case NEIGHBOUR_NONE: /* nobody asked */
		return true;
	case NEIGHBOUR_ASKED:
		if (!m->mac)
			return false;
		break;
	case NEIGHBOUR_KNOWN:
		if (m->mac && memcmp(known.bytes, m->mac->bytes, 6) != 0 && !(m->flags & ND_FLAG_OVERRIDE))
			return true;
		if (!m->mac && !(m->flags & ND_FLAG_SOLICITED))
			return true;
		break;
	}
	neighbours_hear(t, &m->target, m->mac ? m->mac : &known, false, now);
	return true;
}

bool nd_input(struct neighbours *t, struct buf *frame, neighbour_ours ours, const void *context, nstime now)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER_LEN, *icmp = ip + IP6_HEADER_LEN;
	bool solicits = icmp[ICMP6_AT_TYPE] == ICMP6_TYPE_SOLICIT, good = false;
	struct nd_message m = {0};
	uint32_t len;
	if (!message_sound(frame, &len) ||
	    !message_options(icmp, len, solicits ? ND_OPTION_SOURCE : ND_OPTION_TARGET, &m.mac))
		goto done;
	m.src = packet_src(ip);
	m.dst = packet_dst(ip);
	m.target = addr_from_bytes(6, icmp + ND_AT_TARGET);
	m.flags = icmp[ND_AT_FLAGS];
	if (!multicast(&m.dst) && !ours(context, &m.dst))
		goto done;
	good = solicits ? solicitation(t, &m, ours, context, now) : advertisement(t, &m, ours, context, now);
done:
	buf_free(frame);
	return good;
}
