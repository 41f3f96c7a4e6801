/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarder: sends each packet of a VIP where the mapping table says, and is the authority on who owns a
 * connection.
 *
 * The mapping entry *is* the ownership: PREPARE, READY and ABORT are compare-and-set operations on it, and whatever
 * order they arrive in, one generation of a connection ends either committed or aborted, and everyone who asks later is
 * told the same. It answers ARP for nothing, sends nothing itself, terminates no connection: node/ gives it the packets
 * that arrive for a VIP or for the tunnel address and the control messages, and does what the decisions say.
 *
 * An entry's states:
 *
 *     (none)      packets go, unchanged, to the classifier that the tuple's hash picks
 *     PREPARED    packets go, encapsulated, to the second device; the first still owns the connection
 *     COMMITTED   packets go, encapsulated, to the second device, which owns it
 *     RETURNED    aborted: packets go to the classifier again; kept so that packets which the second device bounces are
 *                 understood
 *     CLOSING     the owner says it ended; packets still go there until none has come for `linger`
 *
 *     (none), RETURNED, COMMITTED --PREPARE--> PREPARED --READY--> COMMITTED --CLOSED--> CLOSING
 *     PREPARED --ABORT, second restarted, prepared_max--> RETURNED (or COMMITTED to the backend that owned it before)
 *
 * What was decided of a generation stands in its flow record, which outlives the entry: an ABORT that overtakes its
 * PREPARE leaves one too, so that the PREPARE is refused. Aborted generations are remembered for `mark`, committed ones
 * for `rest` after their end; both must be longer than anyone asks (handoff's ask_max) and than the courier carries a
 * message.
 *
 * A forwarder that restarted knows no entry. Owners that learn of its new boot say ALIVE for each of their connections:
 * an entry of a connection and flow that it has no record of is adopted, COMMITTED to its owner, and asked after soon.
 * Until then packets of those connections go to their classifier: one that is idle meanwhile survives.
 *
 * Packet Too Big (lb/too_big.h) for a VIP goes, unchanged, where the packets of its connection go. It is no sign of
 * life of the connection: anybody can write one.
 *
 * Bounds: entries, flow records, classifiers, devices. In a full table the CLOSING entry that was quiet longest makes
 * room; where all are live, PREPARE is refused. An ABORT that it has no room to remember aborts all of the first
 * device's earlier hand-offs that are not known (their numbers are counted). */
#ifndef BATON_LB_FORWARDER_H
#define BATON_LB_FORWARDER_H

#include "base/buf.h"
#include "base/nstime.h"
#include "base/trace.h"
#include "lb/message.h"
#include "lb/packet.h"
#include "lb/table.h"

#define FORWARDER_BURST_MAX       32U /* packets in one call */
#define FORWARDER_DEVICES_MAX     1024U
#define FORWARDER_CLASSIFIERS_MAX 64U

/* Zero members take the defaults behind them. */
struct forwarder_config {
	const char *name; /* of the node; keys the table's hash with the seed */
	uint64_t seed;
	struct addr_pair tunnel;  /* source of encapsulated packets, destination of bounces */
	uint32_t entries;         /* mappings at most; 131072 */
	nstime prepared_max;      /* a PREPARED entry older is aborted; 30 s */
	nstime idle;              /* a COMMITTED entry without a packet for so long is asked after; 300 s */
	nstime query_interval;    /* between questions; 5 s */
	uint8_t queries_max;      /* unanswered: the entry goes; 3 */
	nstime linger;            /* a CLOSING entry goes after so long without a packet; 10 s */
	nstime mark;              /* an aborted generation is remembered so long; 60 s */
	nstime rest;              /* a flow identifier is not used again for so long; 60 s */
	struct trace_sink *trace; /* borrowed; may be NULL */
};

/* Why a packet was dropped: name, text for traces. */
#define FORWARDER_DROP_LIST(X)                                                                                         \
	X(MALFORMED, "malformed")                                                                                      \
	X(FRAGMENT, "fragment")                                                                                        \
	X(PROTOCOL, "protocol") /* not TCP, to the tunnel address */                                                   \
	X(NO_CLASSIFIER, "no_classifier")                                                                              \
	X(NO_ADDRESS, "no_address")       /* the device has no address of the packet's family */                       \
	X(BOUNCE_SOURCE, "bounce_source") /* to the tunnel address, from no device of ours */                          \
	X(BOUNCE_FLOW, "bounce_flow")     /* with an unknown flow identifier */                                        \
	X(BOUNCE_LOOP, "bounce_loop")     /* from the device it would be sent back to */

enum forwarder_drop {
#define FORWARDER_DROP_ENUM(name, text) FORWARDER_DROP_##name,
	FORWARDER_DROP_LIST(FORWARDER_DROP_ENUM)
#undef FORWARDER_DROP_ENUM
		FORWARDER_DROP_COUNT
};

struct forwarder_counters {
	/* packets */
	uint64_t to_classifier, encapsulated, bounced, other;
	uint64_t too_big; /* Packet Too Big messages passed to who has the connection */
	uint64_t dropped[FORWARDER_DROP_COUNT];
	/* messages and what came of them */
	uint64_t prepared, committed, aborted;  /* transitions */
	uint64_t adopted;                       /* entries that their owners told a new boot of this forwarder of */
	uint64_t closed;                        /* entries that went CLOSING */
	uint64_t reused;                        /* CLOSING entries replaced by a fresh SYN */
	uint64_t forgotten;                     /* CLOSING entries that made room */
	uint64_t repeated;                      /* messages answered as before */
	uint64_t refused[MESSAGE_REASON_COUNT]; /* PREPAREs */
	uint64_t ready_unknown;                 /* READY without an entry (PREPARE may be on its way) */
	uint64_t abort_full;                    /* ABORTs for which there was no room: remembered by number */
	uint64_t stale;                         /* messages of an old boot or generation, ignored */
	uint64_t malformed;                     /* messages that do not decode */
	uint64_t unexpected;                    /* messages that make no sense here or come from the wrong device */
	uint64_t lost;                          /* entries dropped because their owner is gone */
};

enum forwarder_verdict {
	FORWARDER_SEND,     /* send the packet, as it is now, to `device` (it may be this one) */
	FORWARDER_NOT_OURS, /* not TCP, nor about it: for the node's own stack */
	FORWARDER_DROP,     /* free it; `drop` says why */
};

struct forwarder_decision {
	enum forwarder_verdict verdict;
	uint16_t device;
	bool encapsulated; /* its destination address is the device's; otherwise the VIP still */
	enum forwarder_drop drop;
};

struct forwarder;

struct forwarder *forwarder_new(const struct forwarder_config *config);
void forwarder_free(struct forwarder *f); /* NULL is allowed */

/* Makes a device known by its cluster addresses. 0, E_EXISTS, E_INVAL (number 0), or E_FULL. Which classifier a
 * connection belongs to depends on the order in which classifiers are added. */
int forwarder_device_add(struct forwarder *f, uint16_t device, const struct addr_pair *address, bool classifier);

/* Packets arrived for a VIP or the tunnel address, up to FORWARDER_BURST_MAX at a time; data at the IP header; the
 * caller keeps them. Each is rewritten in place when its verdict is SEND and encapsulated. What is decided is what
 * would be one by one, but several at a time wait for memory together. C1.1 to C1.3, C1.10, C1.11, C10. */
void forwarder_packets(struct forwarder *f, struct buf *const *packets, unsigned count, nstime now,
		       struct forwarder_decision *decisions);

/* A message came from `from`, whose boot the courier vouches for. Answers are in the outbox. */
void forwarder_message(struct forwarder *f, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
		       size_t len, nstime now);

/* The courier met `device` with this boot (COURIER_PEER_UP or COURIER_PEER_RESTARTED). What its earlier boot was to
 * receive is aborted, what it owned is gone: its packets go to the classifier, which resets them. */
void forwarder_peer_restarted(struct forwarder *f, uint16_t device, uint64_t boot, nstime now);

/* Messages for the courier; never NULL. */
struct outbox *forwarder_outbox(struct forwarder *f);

nstime forwarder_expiry(const struct forwarder *f);
void forwarder_expire(struct forwarder *f, nstime now);

/* One entry of the table, for people to look at. */
struct forwarder_mapping {
	struct tuple tuple;
	const char *state; /* "prepared", "committed", "returned", "closing" */
	uint16_t device;   /* where packets go */
	uint32_t flow;     /* inserted into them; 0: none is */
	nstime since;      /* when the device that owns it got it, or told of it; NSTIME_NEVER: a classifier owns it */
};

/* The entry of a tuple. False: there is none. */
bool forwarder_mapping_find(const struct forwarder *f, const struct tuple *t, struct forwarder_mapping *out);

/* The entries from place *cursor on (0: the first), `max` of them at most, among FORWARDER_LOOK_MAX places; returns how
 * many, and moves *cursor on, past the last to FORWARDER_LOOK_END. Entries that come and go meanwhile may be missed. */
#define FORWARDER_LOOK_MAX 65536U
#define FORWARDER_LOOK_END UINT32_MAX
size_t forwarder_mappings(const struct forwarder *f, uint32_t *cursor, struct forwarder_mapping *out, size_t max);

/* Connections that a second device has or is about to have. */
uint32_t forwarder_live(const struct forwarder *f);

const struct forwarder_counters *forwarder_counters(const struct forwarder *f);
const char *forwarder_drop_name(enum forwarder_drop drop);

#endif
