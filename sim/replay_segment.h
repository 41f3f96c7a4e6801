/* SPDX-License-Identifier: BSD-3-Clause */
/* A captured client's segment: copied out of the capture, cut where it is larger than the network carries (a network
 * card was to cut it), and made an IP packet of the live connection when it is sent. Segments that the capture does not
 * have are made here too. It keeps no state. Caller: sim/replay_client. */
#ifndef BATON_SIM_REPLAY_SEGMENT_H
#define BATON_SIM_REPLAY_SEGMENT_H

#include "base/addr.h"
#include "base/buf.h"
#include "pcap/dissect.h"
#include "sim/replay_rewrite.h"

#define REPLAY_TTL 64U /* the capture's is that of another path */

/* What a waiting segment is, kept in its buffer's `opaque`; the buffer's data is the TCP header. */
struct replay_segment {
	int64_t at;              /* its first byte's place in the client's stream; a SYN's is -1 */
	uint64_t need;           /* bytes of the server (a FIN counts as one) that it acknowledges, or has seen */
	uint64_t need_read;      /* RST: bytes of its own that the server is to have read */
	uint32_t len;            /* of its payload */
	uint16_t header_len;     /* of TCP */
	uint16_t checksum_error; /* what its checksum was wrong by; 0: nothing */
	uint16_t id;             /* of IPv4 */
	uint8_t flags;           /* TCP_* */
	uint8_t tos;
	bool df;     /* of IPv4 */
	bool waits;  /* false: odd numbers, it is sent whatever the server said */
	bool beyond; /* it was beyond the captured server's window, too */
};

static inline struct replay_segment *replay_segment_of(struct buf *b)
{
	return (struct replay_segment *)(void *)b->opaque;
}

/* What a captured checksum says. */
enum replay_checksum {
	REPLAY_CHECKSUM_GOOD,  /* or it cannot be told, as bytes are missing */
	REPLAY_CHECKSUM_UNSET, /* left to a network card: zero, or the sum of the pseudo-header (RFC 9293, 3.1) */
	REPLAY_CHECKSUM_WRONG,
};

/* *error: what the sum is wrong by; 0 with a good one. */
enum replay_checksum replay_checksum_judge(const struct dissection *d, uint16_t *error);

/* Copies a TCP segment into one buffer or several, of packets of at most `mtu` bytes of the live family, behind *q.
 * `as` is what they have in common; at, len, flags, and header_len are filled. Returns how many. Precondition: its
 * payload was captured whole. */
unsigned replay_segment_copy(const struct dissection *d, const struct capture_packet *p,
			     const struct replay_segment *as, uint8_t family, uint32_t mtu, struct buf_queue *q);

/* Makes the IP packet: rewrites the header, sets the checksum (wrong by what it was). Addresses are of one family. */
void replay_segment_finish(struct buf *b, const struct replay_rewrite *m, const struct addr *from,
			   const struct addr *to);

/* A segment of our own, as an IP packet. */
struct replay_plain {
	uint32_t seq, ack;
	uint16_t window;
	uint8_t flags;
	const uint8_t *payload;
	size_t len;
};
struct buf *replay_segment_plain(const struct replay_plain *s, uint16_t from_port, uint16_t to_port,
				 const struct addr *from, const struct addr *to);

#endif
