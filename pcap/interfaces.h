/* SPDX-License-Identifier: BSD-3-Clause */
/* Which interface of a pcapng each packet passed: libpcap reads the packets, but does not tell. This sees the same
 * bytes go by, takes the interfaces' names (if_name) and the packets' interface numbers from the blocks, and hands them
 * out in the packets' order. It judges nothing: where the blocks make no sense it stops, as libpcap does. It keeps the
 * names, of at most INTERFACES_MAX interfaces, and a number for each packet that libpcap has buffered. Called by
 * pcap/gunzip and pcap/reader. */
#ifndef BATON_PCAP_INTERFACES_H
#define BATON_PCAP_INTERFACES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INTERFACES_MAX     65536U
#define INTERFACE_NAME_MAX 128U /* bytes of a name; a longer one is cut */

struct interfaces;

/* What comments say that Baton writes into captures of its own. */
struct interfaces_comment {
	bool lost;         /* "dropped: ": it was seen, and did not arrive */
	bool encapsulated; /* "encapsulated, ", "bounced, ": its addresses and ports are the cluster's */
};

/* NULL when out of memory. */
struct interfaces *interfaces_new(void);

/* The next n bytes of the file. */
void interfaces_watch(struct interfaces *w, const uint8_t *p, size_t n);

/* The interface of the next packet: its name as one word (blanks and control characters are underscores), or "ifN"
 * when it has none, N being its number. NULL where the section has one interface so far, or the file is not pcapng.
 * Good until more bytes are watched. *told: what the packet's comments say. */
const char *interfaces_next(struct interfaces *w, struct interfaces_comment *told);

/* NULL is allowed. */
void interfaces_free(struct interfaces *w);

#endif
