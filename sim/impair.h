/* SPDX-License-Identifier: BSD-3-Clause */
/* One direction of an attachment to a network: the impairments of Linux's netem, the queue, the books and the digest.
 *
 * A timed module (input, output pulled, expiry); it knows no node, no switch and no event loop. Caller: sim/segment.
 *
 * What happens to a frame, in netem's order (tc-netem(8), net/sched/sch_netem.c):
 *
 *   down        a direction that is down drops it (reason `down`)
 *   faults      exact faults: drop (`fault`), corrupt, duplicate or delay the n-th packet that matches
 *   duplicate   and
 *   loss        are drawn together: a packet both lost and duplicated goes once (`loss` for the other). The copy goes
 *               first and draws its own loss, as netem's re-inserted clone does. Loss is a probability or a chain
 *               of states (sim/impair_model)
 *   corrupt     flips exactly one bit of the IP packet, headers included, after any link checksum. A corrupted frame
 *               that is no IP packet, or is IPv6 neighbour discovery, is dropped instead (`fcs`): a real link's
 *               checksum would have caught it, and a poisoned neighbour table is not what `corrupt` asks for
 *   limit       no more than `limit` packets, or bytes of frames, are held, delayed ones included (`limit`); without
 *               delay, jitter and rate nothing is held
 *   reorder     a packet so chosen goes at once: no delay, no rate. With a gap, gap - 1 packets are delayed before one
 *               can be chosen
 *   delay       plus a jitter, uniform in [-jitter, +jitter] or of another distribution, not below zero in all;
 *               packets may overtake by it
 *   rate        behind the delay: departure = max(now + delay, last departure) + serialisation, so that, as in netem,
 *               a rate keeps packets in order. Under `only:` it comes before the delay, so that a delayed packet does
 *               not hold up those the delay is not for. Serialisation counts the Ethernet frame with its header,
 *               without preamble, check sequence and gap; fractions of nanoseconds are carried, so the rate is exact.
 *               With a burst, a token bucket in place of the serialiser: a packet takes no time, and waits only for
 *               its tokens (sim/impair_bucket)
 *   queue       before the rate, the packets that wait for it: drop-tail, of which only `limit` takes any away, or
 *               CoDel, which drops at the head (`codel`; sim/impair_codel)
 *
 * `only:` limits duplicate, loss, corrupt, reorder, delay and jitter to matching packets; limit, queue and rate are for
 * all. Each kind of impairment draws from a stream of its own ("link NODE.NETWORK in loss"), and only for packets that
 * it applies to, so that enabling one never shifts another.
 *
 * Books (invariant I4): sent = delivered + sum(dropped) + held, at all times; a duplicate counts as sent. */
#ifndef BATON_SIM_IMPAIR_H
#define BATON_SIM_IMPAIR_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/heap.h"
#include "base/nstime.h"
#include "base/random.h"
#include "base/trace.h"
#include "sim/histogram.h"
#include "sim/impair_bucket.h"
#include "sim/impair_codel.h"
#include "sim/impair_model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define IMPAIR_LIMIT_DEFAULT   1000U    /* packets, netem's default */
#define IMPAIR_LIMIT_MAX       1000000U /* packets */
#define IMPAIR_LIMIT_BYTES_MAX (UINT64_C(1) << 30)
#define IMPAIR_RATE_MAX        UINT64_C(10000000000000) /* bit/s */
#define IMPAIR_DELAY_MAX       (3600 * NSTIME_S)
#define IMPAIR_BURST_MIN       1514U /* bytes: a frame, the depth of the bucket of a peak rate too */
#define IMPAIR_FAULTS_MAX      4096U /* exact faults of one attachment at a time */
#define IMPAIR_FILTER_MAX      256U  /* bytes of a pcap filter: libpcap's time grows with the cube of them */
#define IMPAIR_NAME_MAX        160U  /* of an attachment's name, with its NUL */

/* Why a packet was dropped: the keys of packets.dropped_by in result.json. */
#define IMPAIR_DROP_LIST(X)                                                                                            \
	X(LOSS, "loss")           /* random loss */                                                                    \
	X(LIMIT, "limit")         /* the queue was full */                                                             \
	X(CODEL, "codel")         /* CoDel shortened the queue */                                                      \
	X(DOWN, "down")           /* the attachment was down, or went down with the packet on it */                    \
	X(FCS, "fcs")             /* corrupted, and not an IP packet */                                                \
	X(FAULT, "fault")         /* an exact fault of the scenario */                                                 \
	X(PARTITION, "partition") /* sender and receiver are on two sides of a partition */                            \
	X(RUNT, "runt")           /* shorter than an Ethernet header, or longer than a link carries */

enum impair_drop {
#define IMPAIR_DROP_ENUM(id, text) IMPAIR_DROP_##id,
	IMPAIR_DROP_LIST(IMPAIR_DROP_ENUM)
#undef IMPAIR_DROP_ENUM
		IMPAIR_DROP_COUNT
};

const char *impair_drop_name(enum impair_drop reason);

/* What a packet is, told by what is in the clear: words of `only:` and `match:`. TCP ones also match what is
 * encapsulated. The courier's kinds are those of a frame's header; what a frame carries is sealed. */
#define IMPAIR_MATCH_LIST(X)                                                                                           \
	X(COURIER, "courier")             /* UDP from or to COURIER_PORT */                                            \
	X(COURIER_HELLO, "courier hello") /* of those, a frame of kind HELLO, */                                       \
	X(COURIER_DATA, "courier data")   /* or DATA: messages, acknowledgements */                                    \
	X(ENCAPSULATED, "encapsulated")   /* TCP whose source is a tunnel address */                                   \
	X(SYN, "syn")                     /* TCP with SYN and not ACK */                                               \
	X(SYN_ACK, "syn-ack")             /* TCP with both */                                                          \
	X(ACK, "ack")                     /* TCP with ACK, and neither data nor SYN, FIN or RST */                     \
	X(DATA, "data")                   /* TCP with a payload */                                                     \
	X(FIN, "fin")                     /* TCP with FIN */                                                           \
	X(RST, "rst")                     /* TCP with RST */

enum impair_match_kind {
	IMPAIR_MATCH_ALL,
#define IMPAIR_MATCH_ENUM(id, text) IMPAIR_MATCH_##id,
	IMPAIR_MATCH_LIST(IMPAIR_MATCH_ENUM)
#undef IMPAIR_MATCH_ENUM
		IMPAIR_MATCH_COUNT
};

/* Who sends or receives a packet: the addresses of one node. */
struct impair_party {
	struct mac *macs;
	size_t macs_count;
	struct addr *addresses;
	size_t addresses_count;
};

/* Which packets: plain values, as `only:` and `match:` state them; all that is stated holds. Zero-initialised is all.
 */
struct impair_match {
	enum impair_match_kind kind;
	const char *filter;              /* a pcap filter's text, or NULL; borrowed */
	const struct impair_party *from; /* its MAC or IP source, or NULL; borrowed */
	const struct impair_party *to;   /* its MAC or IP destination, or NULL; borrowed */
};

/* What becomes of the packets that wait for the rate. */
enum impair_queue { IMPAIR_QUEUE_DROP_TAIL, IMPAIR_QUEUE_CODEL, IMPAIR_QUEUE_COUNT };

/* Plain values, as a scenario states them. Zero-initialised is none. */
struct impairments {
	nstime delay_ns;           /* up to IMPAIR_DELAY_MAX */
	nstime jitter_ns;          /* up to IMPAIR_DELAY_MAX */
	uint64_t rate_bps;         /* 0: no limit; up to IMPAIR_RATE_MAX */
	uint64_t burst_bytes;      /* of a token bucket; 0: none; up to IMPAIR_BUCKET_DEPTH_MAX; only with a rate */
	uint64_t peak_bps;         /* the rate at which a burst goes; 0: at once; only with a burst */
	enum impair_queue queue;   /* CoDel only with a rate */
	uint32_t loss_ppb;         /* each of these up to 1e9 */
	struct impair_chain chain; /* with one, loss_ppb is 0 */
	/* How much each draw follows the one before it; up to 1e9. */
	uint32_t loss_rho_ppb, corrupt_rho_ppb, duplicate_rho_ppb, reorder_rho_ppb, jitter_rho_ppb;
	enum impair_distribution distribution; /* of jitter */
	uint32_t reorder_gap; /* of so many packets, all but the last are delayed; 0 and 1: none need be */
	uint32_t corrupt_ppb;
	uint32_t duplicate_ppb;
	uint32_t reorder_ppb;
	uint32_t limit_packets;           /* 0: IMPAIR_LIMIT_DEFAULT; up to IMPAIR_LIMIT_MAX */
	uint64_t limit_bytes;             /* 0: limit_packets counts; else this does, up to IMPAIR_LIMIT_BYTES_MAX */
	struct impair_codel_config codel; /* for IMPAIR_QUEUE_CODEL: both up to IMPAIR_CODEL_TIME_MAX, not 0 */
	struct impair_match only;
};

/* Reads a word or a pcap filter, for which m->filter is `text` itself. The filter is compiled to see that it can be:
 * E_FORMAT with libpcap's words in why[why_size]. Names of hosts, ports and protocols are no words of a filter here:
 * what they stand for depends on the machine. */
int impair_match_parse(struct impair_match *m, const char *text, char *why, size_t why_size);

/* Reads the filter alone. */
int impair_match_parse_filter(struct impair_match *m, const char *text, char *why, size_t why_size);

struct bpf_program;

/* A match ready to run. Zero-initialised matches all. */
struct impair_predicate {
	bool limited; /* not all match */
	enum impair_match_kind kind;
	struct bpf_program *program; /* owned; libpcap's */
	const struct impair_party *from, *to;
	const struct addr *tunnels; /* borrowed for the predicate's life */
	size_t tunnel_count;
};

/* 0 or E_FORMAT (the filter does not compile: impair_match_parse tells beforehand). */
int impair_predicate_init(struct impair_predicate *p, const struct impair_match *match, const struct addr *tunnels,
			  size_t tunnel_count);
void impair_predicate_fini(struct impair_predicate *p);
bool impair_predicate_frame(const struct impair_predicate *p, const uint8_t *frame, uint32_t len);

#define IMPAIR_DIRECTION_OUT 1U /* from the node to the network */
#define IMPAIR_DIRECTION_IN  2U /* from the network to the node */

/* An exact fault, as a scenario states it: what happens to the n-th packet that matches. */
enum impair_fault_kind { IMPAIR_FAULT_DROP, IMPAIR_FAULT_CORRUPT, IMPAIR_FAULT_DUPLICATE, IMPAIR_FAULT_DELAY };

struct impair_fault {
	enum impair_fault_kind kind;
	unsigned directions; /* IMPAIR_DIRECTION_ bits; packets of those alone count */
	uint64_t nth;        /* from 1, counted from when the fault is added */
	nstime delay_ns;     /* IMPAIR_FAULT_DELAY: how much longer the packet takes; up to IMPAIR_DELAY_MAX */
	struct impair_match match;
};

/* The exact faults that are still to come, shared by the directions of an attachment. */
struct impair_faults {
	struct impair_fault_pending {
		struct impair_fault fault;
		uint64_t left; /* the fault strikes the packet that makes it 0 */
		struct impair_predicate predicate;
	} * list;
	size_t count, capacity;
};

/* What strikes one packet. */
struct impair_strike {
	unsigned kinds; /* bits 1 << IMPAIR_FAULT_ */
	nstime delay_ns;
};

void impair_faults_init(struct impair_faults *f);
void impair_faults_fini(struct impair_faults *f);

/* 0, E_FULL, E_INVAL for nth 0 or too long a delay, or E_FORMAT for a filter that does not compile. */
int impair_faults_add(struct impair_faults *f, const struct impair_fault *fault, const struct addr *tunnels,
		      size_t tunnel_count);

/* Counts a packet. The faults that strike it are gone. */
struct impair_strike impair_faults_strike(struct impair_faults *f, unsigned direction, const uint8_t *frame,
					  uint32_t len);

/* What a direction does to a packet. */
enum impair_act { IMPAIR_ACT_DROP, IMPAIR_ACT_CORRUPT, IMPAIR_ACT_DUPLICATE };

struct impair;

/* Who is told, in words, before it is done: "dropped: loss gemodel bad state". The frame is to be looked at only. */
struct impair_observer {
	void (*act)(void *context, const struct impair *i, const struct buf *frame, enum impair_act act,
		    const char *text, nstime now); /* NULL: nobody */
	void *context;
};

struct impair_slot {
	nstime due;
	uint64_t order;
	struct buf *frame;
};

struct impair_counters {
	uint64_t sent, delivered;
	uint64_t dropped[IMPAIR_DROP_COUNT];
	uint64_t sent_bytes, delivered_bytes;
	uint64_t corrupted, duplicated, reordered; /* what was done, for tests of the model and for result.json */
	/* Of the corrupted, packets of which a link had flipped a bit before: two flips may cancel in a checksum, and
	 * the wrong bytes are then nobody's fault but the network's. */
	uint64_t corrupted_again;
	uint64_t held_max; /* packets held at a time, delayed or queued, at most */
	nstime queue_max;  /* the longest that one took to get through the rate */
};

struct impair_config {
	const char *name;             /* "NODE.NETWORK"; borrowed for the direction's life */
	unsigned direction;           /* IMPAIR_DIRECTION_OUT or _IN */
	uint64_t seed;                /* the run's */
	struct heap *heap;            /* where tie-breakers come from; borrowed */
	struct impair_faults *faults; /* the attachment's; borrowed */
	struct trace_sink *trace;     /* packet.drop events; may be NULL; borrowed */
	const struct addr *tunnels;   /* for only: encapsulated; borrowed */
	size_t tunnel_count;
	/* How long packets took to get through a rate, from when they could go until they had left: waiting and
	 * serialisation. In microseconds; borrowed; may be NULL. */
	struct histogram *queue_us;
};

struct impair {
	struct impair_config config;
	struct impairments set; /* in force; `only` is zero: it is the predicate */
	struct impair_predicate predicate;
	bool plain; /* no impairment and no queue: impair_pass will do */
	bool holds; /* delay, jitter or rate: packets wait, and limit applies */
	bool down;
	struct impair_observer observer; /* set by the owner at any time */
	unsigned chain_state;
	unsigned chain_met;     /* the state in which the last packet that met the chain was lost */
	uint32_t reorder_count; /* packets delayed since the last that was not, up to reorder_gap */
	struct impair_correlation rho_loss, rho_corrupt, rho_duplicate, rho_reorder, rho_jitter;
	nstime rate_free_at;               /* when the serialiser is free; with a bucket, the last departure */
	uint64_t rate_remainder;           /* bit-nanoseconds carried */
	struct impair_bucket bucket, peak; /* counted from rate_free_at */
	struct impair_slot *ring; /* what has a time, ordered by (due, order); buf.mark says what is done then */
	uint32_t ring_head, ring_count, ring_mask;
	uint64_t ring_bytes;
	bool queueing;          /* packets go by way of `queue`: CoDel, or what it has left behind */
	bool serving;           /* the rate has one of them in hand, in the ring */
	struct buf_queue queue; /* buf.mark: since when; buf.mark2: how long a packet is delayed behind it */
	struct impair_codel codel;
	uint64_t dropped_total;
	uint64_t digest;
	struct impair_counters counters;
	struct random_stream stream_loss, stream_corrupt, stream_duplicate, stream_reorder, stream_jitter, stream_fault;
};

void impair_init(struct impair *i, const struct impair_config *config);
void impair_fini(struct impair *i); /* frees what is queued, uncounted */

/* Puts values in force from now on; packets on their way keep their times. 0; E_INVAL when a value is out of range or
 * E_FORMAT when the filter does not compile: then nothing has changed. */
int impair_set(struct impair *i, const struct impairments *values);

/* Down: what is queued and what comes is dropped. */
void impair_set_down(struct impair *i, bool down, nstime now);

/* A frame enters. Takes ownership. Zero, one or two packets are queued. */
void impair_input(struct impair *i, struct buf *frame, nstime now);

/* The next packet that is due, the caller's from here. NULL when none is, or when what was due only joined the queue:
 * impair_expiry tells when to ask again. */
struct buf *impair_output(struct impair *i, nstime now);

/* Whether what is to come passes unchanged, if the link is up: no impairment, no fault. */
static inline bool impair_is_clear(const struct impair *i)
{
	return i->plain && !i->config.faults->count;
}

/* Whether frames pass at once: no impairment, no fault, up, nothing queued. Then impair_pass books one through without
 * the queue; the frame stays the caller's. */
static inline bool impair_is_plain(const struct impair *i)
{
	return impair_is_clear(i) && !i->down && !i->ring_count;
}
void impair_pass(struct impair *i, const struct buf *frame, nstime now);

static inline nstime impair_expiry(const struct impair *i)
{
	return i->ring_count ? i->ring[i->ring_head].due : NSTIME_NEVER;
}

/* The head's tie-breaker. Precondition: something is queued. */
static inline uint64_t impair_order(const struct impair *i)
{
	return i->ring[i->ring_head].order;
}

/* sim/impair_tell.c, for sim/impair.c: tells the observer. Preconditions: there is one; of the second, a bit was
 * flipped.
 */
void impair_tell_drop(const struct impair *i, const struct buf *frame, enum impair_drop reason, nstime now);
void impair_tell_corrupt(const struct impair *i, const struct buf *frame, nstime now);
void impair_tell_duplicate(const struct impair *i, const struct buf *frame, nstime now);

/* Books a frame as sent and dropped at once, for the caller's own reasons (IMPAIR_DROP_RUNT, _PARTITION), and frees it.
 */
void impair_refuse(struct impair *i, struct buf *frame, enum impair_drop reason, nstime now);

static inline uint64_t impair_in_flight(const struct impair *i)
{
	return i->ring_count + i->queue.count;
}

/* Invariant I4 in constant time. */
static inline bool impair_books_balance(const struct impair *i)
{
	return i->counters.sent == i->counters.delivered + i->dropped_total + impair_in_flight(i);
}

#endif
