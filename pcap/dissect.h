/* SPDX-License-Identifier: BSD-3-Clause */
/* What is in a captured packet: IPv4 or IPv6 (extension headers stepped over, fragments told as such), then TCP, UDP,
 * ICMP or another protocol. Unlike lb/packet it looks at packets that were snapped or damaged, says what is wrong with
 * them, and trusts no checksum: offloading leaves them unset. Keeps no state. Called by pcap/canon. */
#ifndef BATON_PCAP_DISSECT_H
#define BATON_PCAP_DISSECT_H

#include "base/addr.h"
#include "pcap/reader.h"

#include <stdint.h>

enum dissect_kind {
	DISSECT_TCP,
	DISSECT_UDP,
	DISSECT_ICMP,      /* of IPv4 or IPv6 */
	DISSECT_IP,        /* another protocol */
	DISSECT_FRAGMENT,  /* a piece of a packet, the first one too */
	DISSECT_ARP,       /* `operation` is filled */
	DISSECT_OTHER,     /* not IP */
	DISSECT_SNAPPED,   /* the capture ends within the headers */
	DISSECT_MALFORMED, /* `why` tells */
};

struct dissection {
	enum dissect_kind kind;
	const char *why;    /* DISSECT_MALFORMED: static text of words joined by '-' */
	uint8_t family;     /* 4 or 6; 0: not IP */
	uint8_t protocol;   /* IP's number */
	struct tuple tuple; /* remote is the source, local the destination; ports of TCP and UDP only */
	uint32_t offset;    /* DISSECT_FRAGMENT: bytes before it */
	bool more;          /* DISSECT_FRAGMENT: others follow */
	uint8_t type, code; /* DISSECT_ICMP */
	/* DISSECT_TCP */
	uint32_t seq, ack;
	uint16_t flags; /* the 12 bits behind the data offset */
	uint16_t window, urgent;
	const uint8_t *options;
	uint32_t options_len; /* bytes captured of them */
	bool options_cut;     /* the capture ends within them */
	/* What follows the last header that was read. */
	const uint8_t *payload;
	uint32_t payload_len;      /* as the packet says, or the wire, where less passed */
	uint32_t payload_captured; /* bytes at payload; fewer than payload_len when snapped */
};

void dissect(struct dissection *d, const struct capture_packet *p);

#endif
