/* SPDX-License-Identifier: BSD-3-Clause */
/* ICMPv6 Packet Too Big (RFC 4443 3.2) for a VIP: which connection's packet was too long for a link on its way. That is
 * all that the forwarder has to know to pass the message to who sent it; whether to believe it is for the stack that
 * has the connection to say. Called by lb/forwarder and by node/. */
#ifndef BATON_LB_TOO_BIG_H
#define BATON_LB_TOO_BIG_H

#include "base/addr.h"
#include "base/buf.h"

#include <stdbool.h>

/* Looks at a packet, data at the IP header. True: it is a Packet Too Big about a TCP packet that its receiver sent, and
 * *t is that packet's connection, as its other packets to the VIP have it (remote is the client, local the VIP). False:
 * something else, malformed, cut short, or behind extension headers, which no router puts there. */
bool too_big_parse(const struct buf *b, struct tuple *t);

#endif
