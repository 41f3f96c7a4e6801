/* SPDX-License-Identifier: BSD-3-Clause */
/* Neighbour discovery (RFC 4861, 7) for the neighbours of an Ethernet interface: solicitations and advertisements.
 *
 * What is learnt is what RFC 4861 lets be learnt: the sender of a solicitation whose target we are, and from an
 * advertisement the address of a neighbour that is asked for or known already. Addresses are configured and known to be
 * nobody else's, routes are static: there is no duplicate address detection, no router solicitation or advertisement,
 * no redirect and no group membership, and an idle interface sends nothing. Nor is there a link-local address of our
 * own; neighbours that have one are answered. The table, the retries and the packets that wait are stack/neighbour's.
 * Callers: stack/netif.c, stack/neighbour.c. */
#ifndef BATON_STACK_ND_H
#define BATON_STACK_ND_H

#include "stack/neighbour.h"

/* Asks for `target`: its solicited-node group, or (`to` not NULL) where it was. */
void nd_solicit(struct neighbours *t, const struct addr *target, const struct mac *to);

/* Whether an IPv6 frame (`data` at the Ethernet header) is a solicitation or advertisement, good or bad. */
bool nd_frame(const struct buf *frame);

/* Whether an Ethernet group is one that messages for `target` are sent to: its solicited-node group, or all nodes. */
bool nd_group(const uint8_t *mac, const struct addr *target);

/* Such a frame arrived. Solicitations for what `ours` says yes to are answered. Takes ownership. False: it was
 * malformed, came from beyond the link or claimed an address of ours, and nothing came of it. */
bool nd_input(struct neighbours *t, struct buf *frame, neighbour_ours ours, const void *context, nstime now);

#endif
