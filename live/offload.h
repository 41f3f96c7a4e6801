/* SPDX-License-Identifier: BSD-3-Clause */
/* What a network card does for a kernel, in both roles: the checksums it completes, the TCP packets that it cuts into
 * segments (TSO), and the segments that it joins (GRO). Pure functions over frames; no system call.
 *
 * A frame from or to the kernel comes with a struct virtio_net_hdr (linux/virtio_net.h, in the machine's byte order).
 * What it says is checked against the frame, not believed. A packet that stands for several is a struct buf with
 * `segment_bytes` set: its IP length and TCP checksum are those of the long packet, its text is longer than
 * segment_bytes, its IPv4 header is without options and it is no fragment; over IPv6, TCP follows at once.
 *
 * Callers: live/device, and whoever must not see more than one packet in a frame. */
#ifndef BATON_LIVE_OFFLOAD_H
#define BATON_LIVE_OFFLOAD_H

#include "base/buf.h"

#include <linux/virtio_net.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OFFLOAD_HEADERS_MAX 134U   /* Ethernet, IPv4 or IPv6 with options, TCP with options: 14 + 60 + 60 */
#define OFFLOAD_FRAME_MAX   65549U /* an Ethernet header and the longest IP packet */
#define OFFLOAD_JOIN_MAX    64U    /* frames in one */

/* Takes a cut segment's ownership. */
typedef void (*offload_emit)(void *context, struct buf *segment);

enum offload_verdict {
	OFFLOAD_TAKEN, /* it is complete; segment_bytes and checksum_good are set */
	OFFLOAD_CUT,   /* it was cut, and its segments emitted: a kind that does not go whole. It was freed */
	OFFLOAD_WRONG, /* what the header says does not fit the frame, which is as it was */
};

/* Does what the header of a frame that was read asks for. `frame` begins with Ethernet, 14 bytes of which are there. */
enum offload_verdict offload_accept(struct buf *frame, const struct virtio_net_hdr *header, offload_emit emit,
				    void *context);

/* Cuts a frame with segment_bytes into its segments, whole frames with checksums, and emits them in order: identifiers
 * of IPv4 count up, FIN and PSH are on the last, CWR is on the first. Other frames are emitted as they are. Takes
 * ownership. */
void offload_cut(struct buf *frame, offload_emit emit, void *context);

/* Packets that a frame stands for: 1 unless segment_bytes is set. */
unsigned offload_packets(const struct buf *frame);

/* Segments that leave as one frame. Borrowed: the frames' owner frees them when the frame has left. */
struct offload_join {
	struct buf *frames[OFFLOAD_JOIN_MAX];
	unsigned count;
	uint32_t len;                 /* of the frame they make */
	struct virtio_net_hdr header; /* after offload_join_finish */

	/* what the next segment is compared with; only of the first frame */
	uint32_t headers_len, segment_bytes, text_len;
	uint8_t flags; /* of TCP: what any of them has */
	bool closed;   /* nothing may follow: shorter than the others, or FIN */
};

/* Begins with a frame, whatever it is. */
void offload_join_begin(struct offload_join *j, struct buf *frame);

/* Adds the segment that follows the last: the same headers but for sequence number, identifier (one more), length,
 * checksums, PSH, and FIN, which the last may have; as long as the first, or shorter as the last. When any has PSH, the
 * last of them will have it alone: what leaves at once is pushed as one (RFC 9293 3.9.1.2). Both must have good
 * checksums, which are computed where that is not known; a frame that a link corrupted is never joined, nor one
 * that is to stay alone: for each that arrives behind a loss, the receiver acknowledges once more what it lacks, and
 * a sender without selective acknowledgement counts those. False: it is
 * none, and not added. */
bool offload_join_add(struct offload_join *j, struct buf *frame);

/* Makes the headers of the first frame those of the whole, and the header that the kernel gets. The frame is then all
 * of frames[0], followed by the text of each other (from j->headers_len on). Also for a single frame with
 * segment_bytes. Precondition: a frame with segment_bytes has a good checksum. */
void offload_join_finish(struct offload_join *j);

/* Whether the TCP checksum of a frame is good; false also for what is no TCP packet. */
bool offload_checksum_check(const struct buf *frame);

#endif
