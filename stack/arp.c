/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/arp.h"

#include "stack/packet.h"

#include <string.h>

#define ARP_LEN        28U
#define ARP_OP_REQUEST 1U
#define ARP_OP_REPLY   2U

/* Offsets within an ARP packet (RFC 826, Ethernet and IPv4). */
#define ARP_AT_OP         6U
#define ARP_AT_SENDER_MAC 8U
#define ARP_AT_SENDER     14U
#define ARP_AT_TARGET_MAC 18U
#define ARP_AT_TARGET     24U

static const struct mac mac_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const uint8_t arp_header[ARP_AT_OP] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, address lengths */

static void arp_packet_send(struct neighbours *t, uint8_t op, const struct mac *dst, const struct addr *sender,
			    const struct mac *target_mac, const struct addr *target)
{
	struct buf *b = buf_alloc(ARP_LEN);
	uint8_t *p = b->data;
	b->len = ARP_LEN;
	memcpy(p, arp_header, sizeof(arp_header));
	p[ARP_AT_OP] = 0;
	p[ARP_AT_OP + 1] = op;
	memcpy(p + ARP_AT_SENDER_MAC, t->mac.bytes, 6);
	memcpy(p + ARP_AT_SENDER, sender->bytes, 4);
	memcpy(p + ARP_AT_TARGET_MAC, target_mac->bytes, 6);
	memcpy(p + ARP_AT_TARGET, target->bytes, 4);
	neighbours_frame_put(t, b, dst, ETHERNET_TYPE_ARP);
}

void arp_request(struct neighbours *t, const struct addr *target, const struct mac *to)
{
	static const struct mac none;
	arp_packet_send(t, ARP_OP_REQUEST, to ? to : &mac_broadcast, &t->addresses[0], &none, target);
}

/* Whether it is a packet of Ethernet and IPv4, a request or a reply, of a sender that is one host. */
static bool arp_sound(const struct buf *frame)
{
	const uint8_t *p = frame->data + ETHERNET_HEADER_LEN;
	return frame->len >= ETHERNET_HEADER_LEN + ARP_LEN && !memcmp(p, arp_header, sizeof(arp_header)) &&
	       !p[ARP_AT_OP] && (p[ARP_AT_OP + 1] == ARP_OP_REQUEST || p[ARP_AT_OP + 1] == ARP_OP_REPLY) &&
	       !(p[ARP_AT_SENDER_MAC] & 1);
}

bool arp_input(struct neighbours *t, struct buf *frame, neighbour_ours ours, const void *context, nstime now)
{
	const uint8_t *p = frame->data + ETHERNET_HEADER_LEN;
	struct addr sender, target;
	struct mac mac;
	bool to_us, probe;
	if (!arp_sound(frame)) {
		buf_free(frame);
		return false;
	}
	memcpy(mac.bytes, p + ARP_AT_SENDER_MAC, 6);
	sender = packet_addr4(p + ARP_AT_SENDER);
	target = packet_addr4(p + ARP_AT_TARGET);
	if (ours(context, &sender)) { /* our own address, from elsewhere: not to be learnt */
		buf_free(frame);
		return false;
	}
	/* RFC 826, packet reception: merge when the sender is known, add when we are the target, then answer. The
	 * sender of a probe (RFC 5227) has no address yet. */
	to_us = ours(context, &target);
	probe = !packet_u32(sender.bytes);
	neighbours_hear(t, &sender, &mac, to_us && !probe, now);
	if (to_us && p[ARP_AT_OP + 1] == ARP_OP_REQUEST)
		arp_packet_send(t, ARP_OP_REPLY, &mac, &target, &mac, &sender);
	buf_free(frame);
	return true;
}
