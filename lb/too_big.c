/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/too_big.h"

#include "base/cursor.h"

#include <string.h>

#define IPV6_LEN      40U
#define IPV6_NEXT     6U
#define IPV6_SOURCE   8U
#define IPV6_DEST     24U
#define PROTOCOL_TCP  6U
#define PROTOCOL_ICMP 58U
#define ICMP_TOO_BIG  2U
#define ICMP_LEN      8U /* the packet that was too big follows */
#define TCP_SEEN      8U /* of its TCP header: ports and sequence number */

bool too_big_parse(const struct buf *b, struct tuple *t)
{
	const uint8_t *outer = b->data, *icmp = outer + IPV6_LEN, *ip = icmp + ICMP_LEN, *tcp = ip + IPV6_LEN;

	if (b->len < IPV6_LEN + ICMP_LEN + IPV6_LEN + TCP_SEEN || outer[0] >> 4 != 6 ||
	    outer[IPV6_NEXT] != PROTOCOL_ICMP || icmp[0] != ICMP_TOO_BIG || ip[0] >> 4 != 6 ||
	    ip[IPV6_NEXT] != PROTOCOL_TCP || memcmp(ip + IPV6_SOURCE, outer + IPV6_DEST, 16) != 0)
		return false;
	memset(t, 0, sizeof *t);
	t->local = addr_from_bytes(6, ip + IPV6_SOURCE);
	t->remote = addr_from_bytes(6, ip + IPV6_DEST);
	t->local_port = load_be16(tcp);
	t->remote_port = load_be16(tcp + 2);
	return true;
}
