/* SPDX-License-Identifier: BSD-3-Clause */
/* Where things are in a frame that may be cut or joined. Between live/offload.c and live/offload_join.c. */
#ifndef BATON_LIVE_OFFLOAD_VIEW_H
#define BATON_LIVE_OFFLOAD_VIEW_H

#include "base/buf.h"
#include "base/checksum.h"
#include "stack/packet.h"

#define OFFLOAD_TCP         6U
#define OFFLOAD_UDP         17U
#define UDP_HEADER_LEN      8U
#define UDP_AT_LENGTH       4U
#define UDP_AT_CHECKSUM     6U
#define IP4_NOT_WHOLE       0x3fffU /* more fragments, or an offset */
#define OFFLOAD_IP4_LEN_MAX 65535U

struct offload_view {
	uint32_t l4, text; /* offsets from data; what lies between is the transport's header */
	uint32_t text_len;
	uint8_t protocol; /* OFFLOAD_TCP or OFFLOAD_UDP */
	bool v6;
};

/* Of a frame whose IP packet fills it, is no fragment, and is TCP or UDP, over IPv6 without extension headers. False:
 * something else. */
bool offload_view_get(const struct buf *frame, struct offload_view *v);

/* The sum of the pseudo-header (RFC 9293 3.1, RFC 8200 8.1) over `len` bytes of transport: not folded. */
uint64_t offload_pseudo_sum(const struct buf *frame, const struct offload_view *v, uint32_t len);

/* The IP header's length field, and IPv4's checksum, for the frame's len. */
void offload_ip_length_put(uint8_t *ip, bool v6, uint32_t ip_len);

static inline uint32_t offload_checksum_at(const struct offload_view *v)
{
	return v->l4 + (v->protocol == OFFLOAD_TCP ? TCP_AT_CHECKSUM : UDP_AT_CHECKSUM);
}

#endif
