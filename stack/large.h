/* SPDX-License-Identifier: BSD-3-Clause */
/* TCP packets that stand for several segments, as kernels give them to cards: where things are in them, whether a
 * segment follows another, and what an instance sends itself joined so (struct stack_large). They are struct buf with
 * `segment_bytes`: the text of each segment but the last. Their IP length and checksums are those of the long packet;
 * their IPv4 header has no options, and over IPv6 TCP follows at once. Callers: stack/netif; live/offload. */
#ifndef BATON_STACK_LARGE_H
#define BATON_STACK_LARGE_H

#include "base/buf.h"
#include "base/checksum.h"
#include "stack/packet.h"

#include <stdbool.h>
#include <stdint.h>

#define LARGE_PROTOCOL_TCP 6U
#define LARGE_PROTOCOL_UDP 17U
#define LARGE_IP_LEN_MAX   65535U

struct large_view {
	uint32_t l4, text; /* offsets from data; what lies between is the transport's header */
	uint32_t text_len;
	uint8_t protocol; /* TCP or UDP */
	bool v6;
};

/* Of an Ethernet frame whose IP packet fills it, is no fragment, and is TCP or UDP, over IPv6 without extension
 * headers. False: something else. */
bool large_view_get(const struct buf *frame, struct large_view *v);

/* Whether that is a segment of the ordinary kind: text, no flags but ACK, PSH and FIN, IPv4 without options. */
bool large_segment_is_plain(const struct buf *frame, const struct large_view *v);

/* Whether the IP header `next`, TCP's behind it, continues `first`: the same connection and the same headers, but for
 * what counts up from segment to segment. `next` is the `n`th behind the first, and has the IPv4 identifier `id`;
 * text_len bytes lie between. The view is of the first; the second's headers are as long. */
bool large_headers_follow(const uint8_t *first, const uint8_t *next, const struct large_view *v, uint32_t n,
			  uint32_t text_len, uint16_t id);

/* The sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1) over `len` bytes of transport: not folded. */
uint64_t large_pseudo_sum(const uint8_t *ip, const struct large_view *v, uint32_t len);

/* The IP header's length field, and IPv4's checksum, for a packet of ip_len bytes. */
void large_ip_length_put(uint8_t *ip, bool v6, uint32_t ip_len);

/* A frame that an instance sends, and to which the segments behind it are added. Zero-initialised: there is none. */
struct stack_large {
	struct buf *frame;      /* NULL: none; owned */
	struct large_view view; /* of the frame when it was one segment */
	uint32_t count, text_len;
	uint64_t text_sum; /* of all the text: not folded */
	uint8_t flags;     /* of TCP: what any of them has */
	bool closed;       /* nothing may follow */
};

/* Begins with a frame whose checksums are good, and owns it. False, and not taken: nothing can follow it. */
bool large_begin(struct stack_large *l, struct buf *frame);

/* Whether a segment follows: its headers, contiguous from the IP header on, its length and identifier. Makes room. */
bool large_takes(struct stack_large *l, const uint8_t *ip, uint32_t headers_len, uint32_t len, uint16_t id);

/* Adds it: its headers again; the text was written behind the frame's bytes, where large_room says. */
uint8_t *large_room(struct stack_large *l);
void large_add(struct stack_large *l, const uint8_t *ip, uint32_t len);

/* The frame, with the headers of the whole; there is none any more. Precondition: there is one. */
struct buf *large_end(struct stack_large *l);

#endif
