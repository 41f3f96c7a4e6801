/* SPDX-License-Identifier: BSD-3-Clause */
/* The invariants of a run, watched while it goes.
 *
 * I1 bytes: both ends verify seeded bodies (node/body.h); a corrupted stream is counted and breaks I1 at once.
 * I2 ownership: from the trace events of the stacks themselves, which connection is active where; a connection that
 *    becomes active in a second stack while another holds it breaks I2. Frozen and held copies are no owners.
 * I3 no RST and no retransmission at a client that the network did not cause: when no packet was dropped, corrupted,
 *    duplicated or reordered and no fault fired, both counts are zero. Resets by which a limit of the scenario refuses
 *    a connection are its own doing; so are retransmissions where links have jitter or a round trip may outlast a
 * timer. I4 books: every direction of every attachment balances. I5 leaks: after the nodes are destroyed no buffer and
 * no block of a stack is left. The first that breaks is kept. */
#ifndef BATON_SIM_INVARIANTS_H
#define BATON_SIM_INVARIANTS_H

#include "base/hash.h"
#include "base/trace.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Which node a connection is active in; an open-addressing table by tuple. */
struct invariants_owner {
	struct tuple tuple;
	uint16_t device; /* 0: an empty slot */
};

struct invariants {
	const char *broken; /* static text, NULL: all held */
	char detail[200];   /* which connection or node, when known */
	struct invariants_owner *owners;
	size_t owners_count, owners_capacity; /* capacity is a power of two */
	size_t sweep_at;                      /* owner that was looked at last */
	struct hash_key key;
	uint64_t buffers_before, blocks_before; /* outstanding when the world was made */
};

void invariants_init(struct invariants *i, uint64_t seed);
void invariants_fini(struct invariants *i);

/* Notes that one does not hold; the first is kept. `detail` may be NULL. */
void invariants_break(struct invariants *i, const char *which, const char *detail);

/* An event of a node's parts (I2). */
void invariants_observe(struct invariants *i, uint16_t device, enum trace_event event, const struct trace_field *fields,
			size_t count);

/* The node lost all its state: it owns nothing. */
void invariants_crash(struct invariants *i, uint16_t device);

/* I5, after everything was destroyed. */
void invariants_check_leaks(struct invariants *i);

#endif
