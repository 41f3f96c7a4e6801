/* SPDX-License-Identifier: BSD-3-Clause */
/* The TCP connections of a capture: which one a packet belongs to, which way it goes, and from which numbers each side
 * counts. A bounded table; when it is full, the connection that was quiet longest makes room. A SYN with another
 * sequence number than the connection began with begins a new one. Running out of memory ends the process, as the table
 * is bounded. Called by pcap/canon. */
#ifndef BATON_PCAP_CONNECTIONS_H
#define BATON_PCAP_CONNECTIONS_H

#include "base/addr.h"
#include "pcap/dissect.h"

#include <stdbool.h>
#include <stdint.h>

/* What one side of a connection counts from. */
struct connection_side {
	uint32_t seq, timestamp;  /* its ISN, or what stands for it; its first TCP timestamp */
	bool seq_known, seq_sent; /* seq_sent: by a SYN of its own, not concluded from other packets */
	bool timestamp_known;
};

struct connection {
	struct tuple key;                /* the lesser endpoint is remote */
	uint64_t number;                 /* counted from 1 as they appear */
	struct connection_side sides[2]; /* [0] who opened it, or was seen first */
	bool flipped;                    /* side 0 is the key's local */
	uint32_t next;                   /* in its bucket */
	uint32_t newer, older;           /* by use */
};

struct connections;

/* NULL when out of memory. Precondition: max > 0. */
struct connections *connections_new(uint32_t max);

/* The connection of a TCP packet, made when it is new, with what each side counts from brought up to date. *side: the
 * sender's. Good until the next call. */
struct connection *connections_get(struct connections *t, const struct dissection *d, unsigned *side);

uint64_t connections_forgotten(const struct connections *t);

/* NULL is allowed. */
void connections_free(struct connections *t);

#endif
