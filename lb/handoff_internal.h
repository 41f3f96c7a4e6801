/* SPDX-License-Identifier: BSD-3-Clause */
/* What lb/handoff.c (life of a hand-off), lb/handoff_message.c (messages, peers) and lb/handoff_packet.c (held packets,
 * tombstones) share. */
#ifndef BATON_LB_HANDOFF_INTERNAL_H
#define BATON_LB_HANDOFF_INTERNAL_H

#include "base/hash.h"
#include "base/heap.h"
#include "lb/blob.h"
#include "lb/handoff.h"
#include "lb/index.h"

#define FLOW_TRIES_MAX 8U /* identifiers tried when the forwarder says they are in use */

enum item_state {
	ITEM_FREE,
	ITEM_SENT,
	ITEM_PREPARED,
	ITEM_ABORTING,
	ITEM_UNDECIDED,
};

/* What an outbox message's tag says beside the hand-off. */
enum tag_kind { TAG_PREPARE, TAG_BLOB, TAG_ABORT, TAG_KINDS };

/* One hand-off. */
struct item {
	struct timer timer;
	uint32_t number;     /* of its place in handoff.items */
	uint32_t next, prev; /* live ones in order of their start; free ones by next */
	enum item_state state;
	struct endpoint endpoint;
	struct endpoint_conn *conn;
	struct tuple tuple;
	struct conn_state compiled; /* kept for another device */
	uint64_t id;                /* this attempt's hand-off id; 0 when none is under way */
	uint16_t device;
	uint64_t boot;
	uint32_t flow, generation;
	struct handoff_claim claim;
	uint32_t bytes; /* of the blob */
	uint32_t flow_tries;
	nstime started; /* handoff_start */
	nstime asked;   /* first ABORT */
	struct buf_queue held;
	enum message_reason reason; /* of aborting */
	bool rejected;              /* that is: by the second device or the forwarder */
	bool blameless;             /* that is: not for the device's sake */
};

struct tombstone {
	struct tuple tuple;
	uint32_t flow;
	nstime due;
	bool used;
};

struct outcome_node {
	struct outcome_node *next;
	struct handoff_outcome outcome;
};

/* Numbers in by_tuple and by_flow: below handoffs_max an item, from there on a tombstone. */
struct handoff {
	struct handoff_config config;
	struct hash_key key;
	struct index by_tuple, by_flow, by_id;
	struct heap timers;
	struct item *items;
	uint32_t items_fresh, items_free, items_count;
	uint32_t live_head, live_tail;
	struct tombstone *tombstones;                   /* a ring */
	uint32_t ring_head, ring_len, tombstones_count; /* oldest slot; slots from it to the newest; of those used */
	uint64_t next_id;
	uint32_t last_generation;
	uint64_t flow_counter; /* C9.1: the connection counter */
	uint64_t forwarder_boot;
	uint32_t held_packets, held_bytes;
	struct outbox outbox;
	struct buf_queue packets; /* going out; mark is the handoff_action_kind */
	struct outcome_node *outcome_head, *outcome_tail;
	struct handoff_counters counters;
};

uint32_t handoff_tuple_hash(const struct handoff *h, const struct tuple *t);
uint32_t handoff_flow_hash(const struct handoff *h, uint32_t flow);

/* lb/handoff.c. The item with this hand-off id, or NULL. */
struct item *handoff_item_by_id(const struct handoff *h, uint64_t id);

/* Tries the same device under the next flow identifier; false when there is none. */
bool handoff_flow_next(struct handoff *h, struct item *i, nstime now);

/* Why a hand-off is aborted: by word of the second device, because it failed, or because something else did. */
enum abort_cause { ABORT_REJECTED, ABORT_DEVICE, ABORT_BLAMELESS };

/* To ABORTING, asking the forwarder; no effect unless SENT or PREPARED. */
void handoff_abort(struct handoff *h, struct item *i, enum message_reason reason, enum abort_cause cause, nstime now);

/* The forwarder says that the connection is ours: to UNDECIDED. */
void handoff_returned(struct handoff *h, struct item *i, nstime now);

/* The forwarder says that it is the second device's; or nobody knows (failed). The item is gone. */
void handoff_committed(struct handoff *h, struct item *i, nstime now);
void handoff_failed(struct handoff *h, struct item *i, enum message_reason reason, nstime now);

/* Bounces what is held for the item, gives it to the stack, or frees it. */
void handoff_held_bounce(struct handoff *h, struct item *i);
void handoff_held_return(struct handoff *h, struct item *i);
void handoff_held_drop(struct handoff *h, struct item *i);

void handoff_tombstone_add(struct handoff *h, const struct tuple *t, uint32_t flow, nstime now);

/* When the oldest tombstone is due, and taking away those that are. */
nstime handoff_tombstone_expiry(const struct handoff *h);
/* Drops the tombstone of this tuple if it is of this flow. */
void handoff_tombstone_forget(struct handoff *h, const struct tuple *t, uint32_t flow);
void handoff_tombstone_expire(struct handoff *h, nstime now);

#endif
