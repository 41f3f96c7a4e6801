/* SPDX-License-Identifier: BSD-3-Clause */
/* ARP (RFC 826) for the neighbours of an Ethernet interface: how one is asked, what is learnt, what is answered.
 *
 * An entry is learnt from a reply to our request or from any ARP packet whose target we are, and updated from any ARP
 * packet of a known sender (RFC 826's merge). The table, the retries and the packets that wait are stack/neighbour's.
 * Callers: stack/netif.c, stack/neighbour.c. */
#ifndef BATON_STACK_ARP_H
#define BATON_STACK_ARP_H

#include "stack/neighbour.h"

/* Asks for `target`: by broadcast, or (`to` not NULL) where it was. */
void arp_request(struct neighbours *t, const struct addr *target, const struct mac *to);

/* An ARP packet arrived, `data` at the Ethernet header. Requests for what `ours` says yes to are answered. Takes
 * ownership. False: it was malformed, or claimed an address of ours, and nothing came of it. */
bool arp_input(struct neighbours *t, struct buf *frame, neighbour_ours ours, const void *context, nstime now);

#endif
