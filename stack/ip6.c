/* SPDX-License-Identifier: BSD-3-Clause */
/* What of IPv6 is let through to lwIP: plain TCP, UDP and ICMPv6 (of which the icmp6_input hook lets echo requests
 * pass, and gives Packet Too Big to path.c), and sound fragments of them. Its parser of options and its neighbour
 * discovery never see a packet. */
#include "stack/internal.h"
#include "stack/packet.h"

#include <string.h>

#include <lwip/ip.h>

#define IP6_OPTION_PAD1    0U
#define IP6_OPTION_REFUSED 0xc0U /* the bits of an option's type that say what a receiver does who does not know it */
#define IP6_OPTIONS_MAX    8U    /* headers of options in one packet */

#define IP6_FRAGMENT_LEN       8U /* of the header; the first byte says what follows */
#define IP6_FRAGMENT_AT_OFFSET 2U /* in 8 bytes, and flags below */
#define IP6_FRAGMENT_MORE      1U

/* An address that no packet has which leaves a node: unspecified, loopback, an IPv4 address in disguise; or none that
 * leaves a link. */
static bool ip6_confined(const uint8_t *a)
{
	static const uint8_t zero[12];
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	if (a[0] == 0xfe && (a[1] & 0xc0) == 0x80)
		return true;
	return !memcmp(a, mapped, 12) || (!memcmp(a, zero, 12) && packet_u32(a + 12) <= 1);
}

bool stack_ip6_check(struct buf *packet)
{
	const uint8_t *h = packet->data;
	uint32_t total_len;
	if (packet->len < IP6_HEADER_LEN || h[0] >> 4 != 6)
		return false;
	total_len = IP6_HEADER_LEN + packet_u16(h + IP6_AT_LENGTH);
	if (total_len > packet->len || total_len > UINT16_MAX) /* (what a pbuf holds) */
		return false;
	packet->len = total_len;
	return h[IP6_AT_SRC] != 0xff && h[IP6_AT_DST] != 0xff && !ip6_confined(h + IP6_AT_SRC) &&
	       !ip6_confined(h + IP6_AT_DST);
}

/* Whether every option in an options header may be passed over by whom does not know it (RFC 8200 4.2). */
static bool ip6_options_ignorable(const uint8_t *header, uint32_t len)
{
	uint32_t at = 2;
	while (at < len) {
		if (header[at] == IP6_OPTION_PAD1) {
			at++;
			continue;
		}
		if ((header[at] & IP6_OPTION_REFUSED) || len - at < 2 || header[at + 1] > len - at - 2)
			return false;
		at += 2U + header[at + 1];
	}
	return true;
}

/* Takes the options headers off. False: they are malformed, too many, or hold what must not be passed over. */
static bool ip6_options_remove(struct buf *packet)
{
	uint8_t *h = packet->data, next = h[IP6_AT_NEXT];
	uint32_t at = IP6_HEADER_LEN;
	for (unsigned i = 0; next == IP6_NEXT_OPTIONS_HOP || next == IP6_NEXT_OPTIONS_DST; i++) {
		uint32_t len;
		if (i == IP6_OPTIONS_MAX || (i && next == IP6_NEXT_OPTIONS_HOP) || packet->len - at < 8)
			return false;
		len = (h[at + 1] + 1U) * 8U;
		if (len > packet->len - at || !ip6_options_ignorable(h + at, len))
			return false;
		next = h[at];
		at += len;
	}
	if (at == IP6_HEADER_LEN)
		return true;
	h[IP6_AT_NEXT] = next;
	packet_u16_put(h + IP6_AT_LENGTH, (uint16_t)(packet->len - at));
	memmove(h + at - IP6_HEADER_LEN, h, IP6_HEADER_LEN);
	buf_pull(packet, at - IP6_HEADER_LEN);
	return true;
}

static bool ip6_protocol_spoken(uint8_t next)
{
	return next == IP_PROTO_TCP || next == IP_PROTO_UDP || next == IP6_NEXT_ICMP;
}

/* Whether a fragment has something in it, of what is spoken, which goes on at a multiple of 8 and ends within a
 * datagram (RFC 8200 4.5); a fragment that is a whole datagram (RFC 6946) too. lwIP takes them straight behind the
 * IPv6 header. */
static bool ip6_fragment_sound(const struct buf *packet)
{
	const uint8_t *f = packet->data + IP6_HEADER_LEN;
	uint32_t text = packet->len - IP6_HEADER_LEN, offset;
	if (text <= IP6_FRAGMENT_LEN)
		return false;
	text -= IP6_FRAGMENT_LEN;
	offset = packet_u16(f + IP6_FRAGMENT_AT_OFFSET) & ~7U;
	return ip6_protocol_spoken(f[0]) && offset + text <= UINT16_MAX - IP6_HEADER_LEN &&
	       !((packet_u16(f + IP6_FRAGMENT_AT_OFFSET) & IP6_FRAGMENT_MORE) && text % 8);
}

bool stack_ip6_accept(struct buf *packet, enum stack_drop *why)
{
	uint8_t next;
	*why = STACK_DROP_EXTENSION;
	if (!ip6_options_remove(packet))
		return false;
	next = packet->data[IP6_AT_NEXT];
	if (next == IP6_NEXT_FRAGMENT)
		return ip6_fragment_sound(packet);
	if (next != IP6_NEXT_ROUTING)
		*why = STACK_DROP_PROTOCOL;
	return ip6_protocol_spoken(next);
}
