/* SPDX-License-Identifier: BSD-3-Clause */
/* The first side of a hand-off: freezes and compiles a connection, bundles it, and sees the hand-off through to its
 * end.
 *
 * It decides neither when nor where to (lb/classifier, node/), and never who owns the connection (lb/forwarder): the
 * frozen copy is freed only on COMMITTED and thawed only on ABORTED or REFUSED. What it cannot learn it treats as lost:
 * a forwarder that restarted or does not answer for ask_max may have committed, so the copy is freed (FAILED). Runs at
 * a classifier, and at whatever other device owns a connection.
 *
 *     start: migrate, flow identifier, blob; PREPARE and BLOB are sent
 *       SENT --PREPARED--> PREPARED --COMMITTED--> released, tombstone; outcome COMMITTED
 *       SENT --REFUSED--> UNDECIDED; outcome REJECTED
 *       SENT, PREPARED --REJECT, time-out, failure of the device or of a message--> ABORTING (ABORT, repeated)
 *       ABORTING --ABORTED, REFUSED--> UNDECIDED; outcome REJECTED or ROLLED_BACK
 *       ABORTING --COMMITTED--> as above
 *       UNDECIDED --handoff_retry--> SENT (new generation, new flow identifier), --handoff_thaw--> the stack has it
 * again
 *
 * While a connection is frozen, handoff_packet holds its packets: they are bounced to the forwarder once the entry is
 * PREPARED, or given to the stack after thawing. Later ones that still come here are bounced by its tombstone. */
#ifndef BATON_LB_HANDOFF_H
#define BATON_LB_HANDOFF_H

#include "base/buf.h"
#include "base/nstime.h"
#include "base/trace.h"
#include "lb/endpoint.h"
#include "lb/message.h"
#include "lb/packet.h"

/* Zero members take the defaults behind them. */
struct handoff_config {
	const char *name; /* of the node; keys hashes with the seed */
	uint64_t seed;
	uint16_t self;             /* own device */
	uint64_t boot;             /* own boot id */
	uint16_t forwarder;        /* its device */
	struct addr_pair address;  /* own cluster addresses: source of bounces */
	struct addr_pair tunnel;   /* the forwarder's tunnel addresses: their destination */
	uint32_t flow_base;        /* this device's part of the flow identifiers: flow_base .. */
	uint32_t flow_count;       /* .. flow_base + flow_count - 1 (C9.1) */
	uint32_t handoffs_max;     /* at a time; 4096 */
	uint32_t held_packets_max; /* held for one frozen connection; 64 */
	uint32_t held_bytes_max;   /* held in all; 4 MiB */
	uint32_t tombstones_max;   /* the oldest goes when there are more; 16384 */
	nstime timeout;            /* from start to COMMITTED, then ABORT; 2 s */
	nstime abort_interval;     /* between repetitions of ABORT; 100 ms */
	nstime ask_max;   /* an ABORT unanswered for so long: FAILED; 30 s, must be shorter than the forwarder's rest
			     and mark */
	nstime tombstone; /* kept for; 30 s */
	struct trace_sink *trace; /* borrowed; may be NULL */
};

struct handoff_counters {
	uint64_t started, retried;
	uint64_t committed, rejected, rolled_back, failed; /* outcomes */
	uint64_t refused;                                  /* starts that failed: full, no identifier, not movable */
	uint64_t timeouts;
	uint64_t held, held_overflow;          /* packets of frozen connections; those dropped for lack of room */
	uint64_t held_lost;                    /* dropped with a connection that FAILED */
	uint64_t forgotten;                    /* tombstones that made room before their time */
	uint64_t bounced, unbounceable;        /* packets; the latter for lack of an address, dropped */
	uint64_t malformed, unexpected, stale; /* messages ignored: they do not decode, wrong sender, no such
						  hand-off */
};

/* By what right this device hands a connection on. */
struct handoff_claim {
	uint32_t generation_min; /* under which it owns the connection, 0 at a classifier that accepted it */
	uint16_t origin;         /* as in struct blob_mapping, all of these */
	uint64_t origin_boot;
	uint16_t service, rule;
};

enum handoff_result {
	HANDOFF_COMMITTED,   /* the second device owns it; `conn` is gone */
	HANDOFF_REJECTED,    /* refused or rejected, `reason`; `conn` is frozen: call handoff_retry or handoff_thaw */
	HANDOFF_ROLLED_BACK, /* time-out or failure, `reason`; the same */
	HANDOFF_FAILED,      /* lost: nobody knows whether the second device has it; `conn` is gone */
};

struct handoff_outcome {
	enum handoff_result result;
	enum message_reason reason;
	uint32_t number;            /* what handoff_start returned */
	struct endpoint_conn *conn; /* as given to handoff_start; not valid any more after COMMITTED and FAILED */
	struct tuple tuple;
	uint16_t device; /* second device */
	uint32_t flow, generation;
	uint32_t bytes; /* of the blob */
	nstime latency; /* since handoff_start */
	bool blameless; /* ROLLED_BACK: the forwarder or the own courier failed; nothing is known against the device */
};

enum handoff_action_kind {
	HANDOFF_PACKET_TO_STACK,     /* input to the own stack; the receiver owns the packet */
	HANDOFF_PACKET_TO_FORWARDER, /* encapsulated, addressed to the tunnel address; the receiver owns the packet */
	HANDOFF_OUTCOME,
};

struct handoff_action {
	enum handoff_action_kind kind;
	struct buf *packet;
	struct handoff_outcome outcome;
};

enum handoff_verdict {
	HANDOFF_NOT_MINE, /* the caller keeps the packet: for the stack */
	HANDOFF_TAKEN,    /* owned by the hand-off now: held, bounced, or dropped and counted */
};

struct handoff;

struct handoff *handoff_new(const struct handoff_config *config);

/* Frees all held packets and blobs; connections are left as they are (their stack ends too). NULL is allowed. */
void handoff_free(struct handoff *h);

/* Hands `conn`, whose tuple is `t`, to `device`, whose present boot is `boot` (courier_peer_boot): C2.2, C9.1, C1.5,
 * C7, C1.6, C1.8. Returns the hand-off's number (>= 0), or E_UNREACH (boot 0), E_FULL (hand-offs, flow identifiers),
 * E_EXISTS (under way already), or what ops->migrate says; the connection is then as before. */
int handoff_start(struct handoff *h, const struct endpoint *ep, struct endpoint_conn *conn, const struct tuple *t,
		  uint16_t device, uint64_t boot, const struct handoff_claim *claim, nstime now);

/* After REJECTED or ROLLED_BACK: the same frozen state goes to another device (or the same again). 0, E_UNREACH, E_FULL
 * (it stays undecided), or E_STATE (it is not undecided). */
int handoff_retry(struct handoff *h, int number, uint16_t device, uint64_t boot, nstime now);

/* After REJECTED or ROLLED_BACK: the connection goes on here; held packets come out for the stack. 0 or E_STATE. */
int handoff_thaw(struct handoff *h, int number, nstime now);

/* Every TCP packet for a VIP that reaches this device un-encapsulated, before its stack sees it; data at the IP header.
 */
enum handoff_verdict handoff_packet(struct handoff *h, struct buf *packet, nstime now);

/* PREPARED, REFUSED, COMMITTED, ABORTED and LOST from the forwarder, REJECT from the second device. After LOST the
 * connection's packets are the stack's again, which resets them: there is nobody left to bounce them to. */
void handoff_message(struct handoff *h, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
		     size_t len, nstime now);

/* The courier gave a message up, or (`taken` false) had no room for it; tag is the outbox message's. */
void handoff_message_failed(struct handoff *h, uint64_t tag, bool taken, nstime now);

/* The courier met `device` with this boot. Hand-offs to an earlier boot are aborted; if it is the forwarder, all under
 * way are lost (FAILED): their owner was in its table. */
void handoff_peer_restarted(struct handoff *h, uint16_t device, uint64_t boot, nstime now);

/* This device took the connection (back): a tombstone from earlier must not bounce its packets. */
void handoff_tombstone_remove(struct handoff *h, const struct tuple *t);

struct outbox *handoff_outbox(struct handoff *h); /* messages for the courier; never NULL */

/* The next thing to do, in order; false when there is none. Pull after every call. */
bool handoff_output(struct handoff *h, struct handoff_action *action);

nstime handoff_expiry(const struct handoff *h);
void handoff_expire(struct handoff *h, nstime now);

const struct handoff_counters *handoff_counters(const struct handoff *h);

/* What it holds (I5). */
struct handoff_holdings {
	uint32_t handoffs, held_packets, held_bytes, tombstones;
};
void handoff_holdings(const struct handoff *h, struct handoff_holdings *out);

#endif
