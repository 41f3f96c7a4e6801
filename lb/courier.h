/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier: the reliable, asynchronous, authenticated transport of messages between devices (claims C1.6, C1.7).
 *
 * A message is a vector of bytes with a type byte. It is delivered whole, after its last byte came, exactly once for a
 * pair of boots, and in no order relative to others: many blobs are in flight independently. Frames (lb/frame.h) are at
 * most `mtu` bytes; each is sealed (lb/seal.h) under a packet number of its own. It knows nothing of what messages
 * mean, of sockets or of addresses: nodes wrap frames into datagrams and the forwarder relays them unopened.
 *
 * Boots. A device has a boot id that grows with every restart. Devices introduce themselves by HELLO frames; a session
 * is confirmed once the peer has shown that it knows our present boot (it echoed it, or a DATA frame opened under a key
 * with both boots in it), and only then is data sent: a recorded HELLO can raise a peer's boot but not start a session.
 * An authentic frame of a higher boot ends the session with the old one: every message accepted under it fails (it is
 * never sent to the new boot: the protocol above decides), reassembly is dropped, PEER_RESTARTED is reported. HELLOs
 * are sent from courier_start and while messages wait, by a timer that backs off from COURIER_HELLO_MIN to
 * COURIER_HELLO_MAX, for at most give_up at a time, and when a frame from an unconfirmed peer does not open. An
 * authentic HELLO of an earlier boot than the known one is answered by one, too, but not taken: a device whose boot ids
 * went back learns so which one it must be beyond (courier_outlived).
 *
 * Keys. The cluster key can change while messages are under way. Every frame names the epoch of its key. A device that
 * got a new one takes frames under both from then on, and seals under the old one for COURIER_KEY_LEAD more, until when
 * all others should have got it too; but to a peer that seals under the new one it does so at once. COURIER_KEY_OVERLAP
 * later it forgets the old key. Sub-keys of both boots are drawn anew, packet numbers go on: so neither a nonce nor a
 * frame can be repeated across the change. What is lost meanwhile is sent again under the key that holds then.
 *
 * Loss. Packet numbers are never reused, so a round-trip sample is never ambiguous (Karn's rule by construction).
 * Estimation and back-off follow RFC 6298 with a floor; a frame is lost when one sent three or more later
 * (more where reordering proves deeper), or 9/8 of a round trip later, was acknowledged (RFC 9002 section 6.1); what
 * nothing later vouches for is probed after min(2 SRTT, RTO) (RFC 8985 section 7, RFC 9002 section 6.2), never later
 * than COURIER_RTO_MAX. Only lost pieces are sent again.
 *
 * Congestion. NewReno with a window in bytes, paced over the round trip. It is halved at most once a round trip, and
 * not below COURIER_WINDOW_FLOOR frames: the links under it may lose frames at random (40 % and more), which says
 * nothing of congestion, and a window of two would starve there. Probe time-outs in vain (COURIER_PROBES_PERSISTENT in
 * a row) do say so: the window falls to COURIER_WINDOW_MIN frames. Their interval doubles each time (up to
 * COURIER_RTO_MAX), and so do the frames sent at each (up to COURIER_PROBE_FRAMES_MAX): ever more likely to get
 * through, and to a peer that is gone no more than COURIER_PROBE_FRAMES_MAX in COURIER_RTO_MAX.
 *
 * Order. Control messages go ahead of blobs and small blobs ahead of larger ones, but nobody waits for ever: what is
 * passed over has a turn after COURIER_CONTROL_TURNS or COURIER_SMALL_TURNS pieces. Blobs cannot take all the room
 * either: not the last of the receiver's inbox, and control messages do not count for queue_bytes_max.
 *
 * Memory is bounded on both sides by the constants below. A receiver allots a message's whole length at its first piece
 * or refuses the frame unacknowledged; what was begun can therefore always be finished, so that a full receiver makes
 * senders retry but never deadlocks.
 *
 * Use: after every call that takes `now`, pull courier_output until it says none, take messages and events, and arm a
 * timer for courier_expiry. */
#ifndef BATON_LB_COURIER_H
#define BATON_LB_COURIER_H

#include "base/nstime.h"
#include "base/trace.h"
#include "lb/frame.h"
#include "lb/seal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COURIER_MESSAGE_MAX       FRAME_MESSAGE_MAX   /* bytes of a message */
#define COURIER_PEERS_MAX         256U                /* peers of a courier */
#define COURIER_SPAN              1024U               /* message ids in flight or queued for a peer */
#define COURIER_QUEUE_BYTES_MAX   (16U * 1024 * 1024) /* default of queue_bytes_max */
#define COURIER_INBOX_PEER_MAX    (8U * 1024 * 1024)  /* default of inbox_bytes_max */
#define COURIER_INBOX_MAX         (64U * 1024 * 1024) /* the same from all peers */
#define COURIER_MTU_MIN           512U                /* bytes of the smallest allowed mtu */
#define COURIER_MTU_MAX           9000U               /* and of the largest */
#define COURIER_CONTROL_MAX       384U                /* bytes: such control messages overtake blobs and pacing */
#define COURIER_BLOB_SMALL_MAX    (64U * 1024)        /* bytes: a blob up to this overtakes larger ones */
#define COURIER_CONTROL_TURNS     32U                 /* pieces of control messages before one of a blob that waits */
#define COURIER_SMALL_TURNS       4U                  /* pieces of small blobs before one of a larger that waits */
#define COURIER_INBOX_CONTROL     16U                 /* a part in so many of the inboxes is for control messages */
#define COURIER_WINDOW_INITIAL    16U                 /* frames of mtu bytes */
#define COURIER_WINDOW_FLOOR      16U                 /* frames: lowest window after a loss */
#define COURIER_WINDOW_MIN        2U                  /* frames: window after probes in vain */
#define COURIER_WINDOW_BYTES_MAX  (1024U * 1024)      /* bytes */
#define COURIER_BURST_MAX         10U                 /* frames that pacing lets go back to back */
#define COURIER_IN_FLIGHT_MAX     1024U               /* unacknowledged frames of a peer */
#define COURIER_REPLAY_WINDOW     2048U               /* packet numbers remembered below the largest */
#define COURIER_ACK_DELAY_MAX     (1 * NSTIME_MS)     /* an acknowledgement waits at most this long */
#define COURIER_ACK_EVERY         2U                  /* and for at most so many frames */
#define COURIER_REORDER_FRAMES    3U                  /* packet threshold, RFC 9002 section 6.1.1 */
#define COURIER_PROBES_PERSISTENT 4U                  /* probe time-outs in vain that mean congestion */
#define COURIER_PROBE_FRAMES_MAX  8U                  /* frames sent at a probe time-out: 1, 2, 4, then 8 */
#define COURIER_RTO_INITIAL       (100 * NSTIME_MS)   /* before the first sample */
#define COURIER_RTO_FLOOR         (5 * NSTIME_MS)     /* default of rto_floor */
#define COURIER_RTO_MAX           (250 * NSTIME_MS)   /* back-off ends here unless SRTT is larger */
#define COURIER_GIVE_UP           (10 * NSTIME_S)     /* default of give_up */
#define COURIER_HELLO_MIN         (10 * NSTIME_MS)    /* first repetition of a HELLO */
#define COURIER_HELLO_MAX         (320 * NSTIME_MS)   /* longest interval of HELLOs */
#define COURIER_KEY_LEAD          (1 * NSTIME_S)      /* a new key is taken, and not yet used unasked, for so long */
#define COURIER_KEY_OVERLAP       (2 * NSTIME_S)      /* the old key is taken for so long after that */

struct courier_config {
	uint16_t self;             /* own device id, not 0 */
	uint64_t boot;             /* own boot id, not 0, larger than that of any earlier incarnation */
	uint8_t key[SEAL_KEY_LEN]; /* the cluster key */
	uint8_t epoch;             /* how often it changed already, modulo 256 */
	enum seal_cipher cipher;
	uint32_t mtu;     /* bytes of the largest frame: path MTU less IP and UDP headers */
	nstime rto_floor; /* 0: COURIER_RTO_FLOOR */
	nstime give_up;   /* a message not wholly acknowledged so long after courier_send fails; 0: COURIER_GIVE_UP */
	uint32_t queue_bytes_max; /* in flight or queued for a peer; 0: COURIER_QUEUE_BYTES_MAX */
	uint32_t inbox_bytes_max; /* reassembled or not yet taken from a peer; 0: COURIER_INBOX_PEER_MAX */
	struct trace_sink *trace; /* borrowed; may be NULL */
};

/* Why frames are rejected: constant, name in result.json and traces, meaning. */
#define COURIER_REJECT_LIST(X)                                                                                         \
	X(FORMAT, "format", "not a frame, truncated, or malformed sections")                                           \
	X(VERSION, "version", "unknown version")                                                                       \
	X(ADDRESS, "address", "not for this device, or from one that is no peer")                                      \
	X(AUTH, "auth", "the seal does not open: corrupted, forged, or for another boot")                              \
	X(REPLAY, "replay", "a packet number seen before, or too old to tell")                                         \
	X(STALE, "stale", "from an earlier boot of the peer")                                                          \
	X(KEY, "key", "sealed under a cluster key that is not known yet, or any more")                                 \
	X(FULL, "full", "no room to reassemble; not acknowledged, so it comes again")

enum courier_reject {
#define COURIER_REJECT_ENUM(id, name, text) COURIER_REJECT_##id,
	COURIER_REJECT_LIST(COURIER_REJECT_ENUM)
#undef COURIER_REJECT_ENUM
		COURIER_REJECT_COUNT
};

/* What happened since the courier was made. Bytes of messages are without frames' overhead. */
struct courier_counters {
	uint64_t frames_sent;     /* all kinds */
	uint64_t frames_received; /* accepted */
	uint64_t rejected[COURIER_REJECT_COUNT];
	uint64_t bytes_sent, bytes_received; /* of those frames, whole */
	uint64_t retransmitted;              /* frames that held a piece which was sent before, probes included */
	uint64_t probes;                     /* frames sent by the probe timer */
	uint64_t lost;                       /* frames declared lost */
	uint64_t spurious;                   /* of those, acknowledged after all */
	uint64_t messages_sent;              /* accepted by courier_send */
	uint64_t messages_delivered;         /* wholly acknowledged by the peer */
	uint64_t messages_failed;            /* given up, or the peer restarted */
	uint64_t messages_refused;           /* not accepted by courier_send for want of room */
	uint64_t messages_received;          /* wholly reassembled */
	uint64_t rekeyed;                    /* changes of the cluster key */
	uint64_t old_key;                    /* frames accepted under the old one meanwhile */
	uint64_t restarts;                   /* new boots of a peer with which a session was confirmed */
};

struct courier_message {
	uint16_t from;
	uint64_t from_boot;
	uint8_t type;
	const uint8_t *bytes; /* owned by the courier, until the next courier_message_next */
	size_t len;
};

enum courier_event_kind {
	COURIER_PEER_UP,           /* a session with this boot is confirmed */
	COURIER_PEER_RESTARTED,    /* the session with the earlier boot is over; its messages' failures follow */
	COURIER_MESSAGE_DELIVERED, /* the peer holds the whole message */
	COURIER_MESSAGE_FAILED,    /* given up, or the peer restarted: whether it came is unknown */
};

struct courier_event {
	enum courier_event_kind kind;
	uint16_t device;  /* the peer */
	uint64_t boot;    /* the peer's boot: PEER_UP, PEER_RESTARTED */
	uint64_t message; /* its id: MESSAGE_DELIVERED, MESSAGE_FAILED */
	uint8_t type;     /* the message's type */
};

struct courier;

/* A courier without peers; the configuration is copied. 0, E_INVAL (id, boot, mtu) or E_UNSUPPORTED (cipher). */
int courier_new(struct courier **c, const struct courier_config *config);

/* Frees all, wiping keys. NULL is allowed. */
void courier_free(struct courier *c);

/* Makes `device` a peer: 0, E_INVAL (0 or own id), E_EXISTS, or E_FULL. */
int courier_peer_add(struct courier *c, uint16_t device);

/* Announces this boot to all peers, so that they learn of a restart. Call once, after the peers are added. */
void courier_start(struct courier *c, nstime now);

/* The cluster key changes to `key`. E_STATE while an earlier change is not over. */
int courier_rekey(struct courier *c, const uint8_t key[SEAL_KEY_LEN], nstime now);

/* Whether a change of the cluster key is not over. */
bool courier_rekeying(const struct courier *c);

/* Queues a message for the peer `to`; the bytes are copied. 0 and its id (unique within this courier); E_NOENT (no such
 * peer), E_TOOBIG (longer than COURIER_MESSAGE_MAX), E_FULL (COURIER_SPAN or queue_bytes_max), or E_NOMEM.
 * Exactly one of MESSAGE_DELIVERED and MESSAGE_FAILED follows. */
int courier_send(struct courier *c, uint16_t to, uint8_t type, const void *bytes, size_t len, nstime now,
		 uint64_t *message_id);

/* Takes a frame as it came, opened in place (the buffer is borrowed and garbled). 0, or why it was rejected, counted:
 * E_TRUNCATED, E_FORMAT, E_VERSION, E_NOENT (address), E_KEY, E_AUTH, E_REPLAY, E_STALE, E_FULL. */
int courier_input(struct courier *c, uint8_t *frame, size_t len, nstime now);

/* The next frame to send into `out` of at least the configured mtu bytes: true with its length and receiver, or false
 * when there is none now. */
bool courier_output(struct courier *c, uint8_t *out, size_t room, size_t *len, uint16_t *to, nstime now);

/* The next whole message, or false. */
bool courier_message_next(struct courier *c, struct courier_message *m);

/* The next event, or false. */
bool courier_event_next(struct courier *c, struct courier_event *e);

/* When courier_expire wants to be called; NSTIME_NEVER if idle. */
nstime courier_expiry(const struct courier *c);
void courier_expire(struct courier *c, nstime now);

/* The peer's boot id, 0 when unknown or not confirmed. */
uint64_t courier_peer_boot(const struct courier *c, uint16_t device);

/* The latest boot of this device that a peer knows of, when it is later than the present one and no peer knows that:
 * the boot ids went back, and no peer will take a frame until they are beyond it. 0: it is not so. */
uint64_t courier_outlived(const struct courier *c);

const struct courier_counters *courier_counters(const struct courier *c);

/* Static name of a reason. */
const char *courier_reject_name(enum courier_reject reason);

/* Sender and receiver of a frame, for a relay that does not open it: 0, E_TRUNCATED, E_FORMAT or E_VERSION. */
int courier_frame_peek(const uint8_t *frame, size_t len, uint16_t *from, uint16_t *to);

#endif
