/* SPDX-License-Identifier: BSD-3-Clause */
/* A checked view of a TCP packet over IPv4 or IPv6, and the rewriting that encapsulates it (claims C10, C11, C20).
 *
 * Encapsulation changes addresses and ports in place and adds not one byte: source becomes the forwarder's tunnel
 * address (or the bouncing device's own), destination the backend (or the tunnel address), and the two port fields
 * together the flow identifier, high half first. Checksums are updated from what changed (RFC 1624, equation 3), never
 * computed anew, so that a packet which was corrupted before is still found corrupt after any number of rewritings.
 * It decides nothing. Called by lb/forwarder, lb/handoff and lb/driver. */
#ifndef BATON_LB_PACKET_H
#define BATON_LB_PACKET_H

#include "base/addr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

#define TCP_FLAG_SYN 0x02U
#define TCP_FLAG_RST 0x04U
#define TCP_FLAG_ACK 0x10U

/* What packet_parse found. */
enum packet_kind {
	PACKET_TCP,       /* a whole, well-formed TCP packet: the view is filled */
	PACKET_FRAGMENT,  /* a fragment: it cannot be told whose it is */
	PACKET_OTHER,     /* another protocol; addresses in the tuple, ports 0 */
	PACKET_MALFORMED, /* cut short, bad lengths, bad IPv4 header checksum */
};

/* A view of the buffer's bytes: offsets, so that it stays good when the buffer's data moves. */
struct packet {
	struct tuple tuple; /* remote is the source, local the destination */
	uint32_t l4_offset; /* of the TCP header from data */
	uint32_t payload_offset, payload_len;
	uint32_t seq, ack;
	uint8_t family; /* 4 or 6 */
	uint8_t flags;  /* TCP_FLAG_* */
};

/* Looks at b, data at the IP header. Bytes behind the IP packet's length (Ethernet padding) are allowed and cut off by
 * setting b->len. IPv6 extension headers before TCP are stepped over (RFC 8200); a fragment header makes a fragment. */
enum packet_kind packet_parse(struct packet *p, struct buf *b);

/* The flow identifier in the port fields of an encapsulated packet. */
static inline uint32_t packet_flow(const struct packet *p)
{
	return (uint32_t)p->tuple.remote_port << 16 | p->tuple.local_port;
}

/* Whether the TCP checksum is good (RFC 793). */
bool packet_tcp_checksum_ok(const struct packet *p, const struct buf *b);

/* Rewrites addresses and ports to those of `t` (source = remote, destination = local), checksums with them, in buffer
 * and view. Precondition: t's addresses are of the packet's family. */
void packet_rewrite(struct packet *p, struct buf *b, const struct tuple *t);

/* packet_rewrite to source, destination and flow identifier. False, nothing changed, when an address is missing or of
 * another family. */
bool packet_encapsulate(struct packet *p, struct buf *b, const struct addr *source, const struct addr *destination,
			uint32_t flow);

#endif
