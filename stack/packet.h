/* SPDX-License-Identifier: BSD-3-Clause */
/* Offsets and fields of Ethernet, IPv4, IPv6, ICMPv6 and TCP headers as they lie in a packet. Inline accessors only;
 * used by the files of stack/ that work below lwIP. */
#ifndef BATON_STACK_PACKET_H
#define BATON_STACK_PACKET_H

#include "base/addr.h"

#include <stdint.h>
#include <string.h>

#define ETHERNET_HEADER_LEN 14U
#define ETHERNET_AT_TYPE    12U
#define ETHERNET_TYPE_IP4   0x0800U
#define ETHERNET_TYPE_ARP   0x0806U
#define ETHERNET_TYPE_IP6   0x86ddU

#define IP4_HEADER_MIN  20U
#define IP4_AT_LENGTH   2U
#define IP4_AT_ID       4U
#define IP4_AT_FRAGMENT 6U
#define IP4_AT_TTL      8U
#define IP4_AT_PROTOCOL 9U
#define IP4_AT_CHECKSUM 10U
#define IP4_AT_SRC      12U
#define IP4_AT_DST      16U

#define IP6_HEADER_LEN 40U
#define IP6_AT_LENGTH  4U /* of what follows the header */
#define IP6_AT_NEXT    6U
#define IP6_AT_HOPS    7U
#define IP6_AT_SRC     8U
#define IP6_AT_DST     24U

#define IP6_NEXT_OPTIONS_HOP 0U /* extension headers (RFC 8200 4) */
#define IP6_NEXT_ROUTING     43U
#define IP6_NEXT_FRAGMENT    44U
#define IP6_NEXT_ICMP        58U
#define IP6_NEXT_OPTIONS_DST 60U

#define ICMP6_AT_TYPE        0U
#define ICMP6_AT_CODE        1U
#define ICMP6_AT_CHECKSUM    2U
#define ICMP6_TYPE_TOO_BIG   2U   /* packet too big */
#define ICMP6_TYPE_SOLICIT   135U /* neighbour solicitation */
#define ICMP6_TYPE_ADVERTISE 136U /* neighbour advertisement */

#define TCP_HEADER_MIN  20U
#define TCP_AT_SEQ      4U
#define TCP_AT_ACK      8U
#define TCP_AT_OFFSET   12U
#define TCP_AT_FLAGS    13U
#define TCP_AT_WINDOW   14U
#define TCP_AT_CHECKSUM 16U

static inline uint16_t packet_u16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t packet_u32(const uint8_t *p)
{
	return (uint32_t)packet_u16(p) << 16 | packet_u16(p + 2);
}

static inline void packet_u16_put(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline struct addr packet_addr4(const uint8_t *p)
{
	return addr_from_bytes(4, p);
}

/* Of an IPv4 or IPv6 header, as its version says. */
static inline struct addr packet_src(const uint8_t *ip)
{
	bool v6 = ip[0] >> 4 == 6;
	return addr_from_bytes(v6 ? 6 : 4, ip + (v6 ? IP6_AT_SRC : IP4_AT_SRC));
}

static inline struct addr packet_dst(const uint8_t *ip)
{
	bool v6 = ip[0] >> 4 == 6;
	return addr_from_bytes(v6 ? 6 : 4, ip + (v6 ? IP6_AT_DST : IP4_AT_DST));
}

static inline uint32_t ip4_header_len(const uint8_t *ip)
{
	return (ip[0] & 15U) * 4U;
}

static inline uint32_t tcp_header_len(const uint8_t *tcp)
{
	return (tcp[TCP_AT_OFFSET] >> 4) * 4U;
}

#endif
