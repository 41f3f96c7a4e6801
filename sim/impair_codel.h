/* SPDX-License-Identifier: BSD-3-Clause */
/* CoDel, RFC 8289: which packets at the head of a queue are dropped, by how long they waited. In integers.
 *
 * A plain state machine: the queue is its caller's, which takes one packet after the other from the head and asks about
 * each, until one may go. Caller: sim/impair. */
#ifndef BATON_SIM_IMPAIR_CODEL_H
#define BATON_SIM_IMPAIR_CODEL_H

#include "base/nstime.h"

#include <stdbool.h>
#include <stdint.h>

#define IMPAIR_CODEL_TARGET_DEFAULT   (5 * NSTIME_MS)
#define IMPAIR_CODEL_INTERVAL_DEFAULT (100 * NSTIME_MS)
#define IMPAIR_CODEL_TIME_MAX         (3600 * NSTIME_S) /* of target and of interval */
#define IMPAIR_CODEL_BACKLOG          1514U             /* bytes: with no more behind it, a packet always goes */

/* Section 4.2 and 4.3: the wait that is good, and how long a worse one is borne before the first drop. */
struct impair_codel_config {
	nstime target, interval;
};

/* Zero-initialised has seen nothing. The RFC's names. */
struct impair_codel {
	nstime first_above_time; /* when the wait has been above target for an interval; 0: it is not above */
	nstime drop_next;        /* when the next drop is due */
	uint64_t count;          /* drops since dropping began */
	uint64_t lastcount;      /* count when it last began */
	bool dropping;
	bool dropped; /* the packet before was: drop_next is still that drop's */
};

/* A packet at the head has waited `sojourn` by `now`, with `backlog` bytes behind it: whether it is dropped. */
bool impair_codel_drop(struct impair_codel *c, const struct impair_codel_config *config, nstime sojourn,
		       uint64_t backlog, nstime now);

/* There was no packet to take. */
void impair_codel_empty(struct impair_codel *c);

/* Section 4.1: when the drop behind the one at t is due: interval / sqrt(count) later. Precondition: count is not 0. */
nstime impair_codel_control(const struct impair_codel_config *config, nstime t, uint64_t count);

#endif
