/* SPDX-License-Identifier: BSD-3-Clause */
/* What one direction of a TCP connection tells, at one place on its way, about the network: packets lost and reordered
 * before that place and behind it.
 *
 * Before the place, a packet that is missing leaves a hole in the sequence numbers. What fills it sooner than a round
 * trip allows was only late: one packet overtook others. What fills it later was sent again: the first copy was lost.
 * Behind it, a loss shows as bytes that pass twice, unless they were acknowledged before the second copy can have
 * arrived; and reordering as an acknowledgement that is repeated and then goes on without a second copy. (The idea:
 * Jaiswal et al., Measurement and classification of out-of-sequence packets in a tier-1 IP backbone, 2002.)
 *
 * It sees what has a sequence number, and so no loss of acknowledgements; a segment that is lost before the place, and
 * behind which nothing is sent before it comes again, leaves no trace. Handshakes do not count: whose packet is lost
 * there cannot be told. Memory is bounded: of a direction, ESTIMATE_HOLES holes and as many repeated segments are
 * known at a time. Caller: import/import. */
#ifndef BATON_IMPORT_ESTIMATE_H
#define BATON_IMPORT_ESTIMATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ESTIMATE_HOLES  32U
#define ESTIMATE_RECENT 16U

/* Counts of segments with data, in one direction of one connection or of many. */
struct estimate_counts {
	uint64_t segments;         /* different ones that passed */
	uint64_t again;            /* passed another time */
	uint64_t lost_before;      /* their first copy never passed */
	uint64_t lost_behind;      /* passed, and had to be sent again */
	uint64_t needless;         /* sent again though they had arrived */
	uint64_t duplicates;       /* passed twice within less than a round trip */
	uint64_t reordered_before; /* overtook others */
	uint64_t reordered_behind;
};

/* Bytes [start, end) that came at a time. Numbers are sequence numbers made 64 bits wide. */
struct estimate_range {
	uint64_t start, end;
	int64_t at_ns;
	bool late; /* of a hole: a part of it was only late */
};

struct estimate {
	struct estimate_counts counts;
	bool begun, acked, disorder; /* disorder: dup_acks have a reason that was seen */
	uint64_t high;               /* behind the highest byte */
	uint64_t ack;                /* the highest acknowledgement */
	uint16_t ack_window;
	uint32_t dup_acks;
	struct estimate_range holes[ESTIMATE_HOLES], pending[ESTIMATE_HOLES], recent[ESTIMATE_RECENT];
	size_t holes_count, pending_count, recent_at;
	/* The quickest acknowledgement of a segment that was sent once; INT64_MAX: none was seen. */
	int64_t quickest_ns;
	uint64_t timed_end; /* the segment whose acknowledgement is waited for; 0: none */
	int64_t timed_at_ns;
};

void estimate_init(struct estimate *e);

/* A segment of this direction with len > 0 bytes of data. round_trip_ns: of the whole way there and back. */
void estimate_data(struct estimate *e, uint32_t seq, uint32_t len, int64_t at_ns, int64_t round_trip_ns);

/* An acknowledgement of this direction's bytes. behind_ns: the round trip from here to their receiver; 0 when it is not
 * known. `pure`: the segment has neither data nor SYN, FIN or RST. */
void estimate_ack(struct estimate *e, uint32_t ack, uint16_t window, bool pure, int64_t at_ns, int64_t behind_ns);

/* Adds counts up. */
void estimate_add(struct estimate_counts *sum, const struct estimate_counts *c);

/* Parts of 10^9: the share of packets that was lost, and that overtook others; 0 where nothing passed. */
uint32_t estimate_loss_ppb(const struct estimate_counts *c);
uint32_t estimate_reorder_ppb(const struct estimate_counts *c);

#endif
