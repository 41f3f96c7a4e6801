/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier's inside: what courier.c, courier_session.c, courier_send.c, courier_ack.c and courier_recv.c share.
 *
 * Nobody else includes it. The courier is a table of peers; a peer is a session (keys, boots, HELLOs), a sending half
 * (messages, the ring of sent frames, estimation, window) and a receiving half (packet numbers seen, reassembly). */
#ifndef BATON_LB_COURIER_IMPL_H
#define BATON_LB_COURIER_IMPL_H

#include "lb/courier.h"
#include "lb/courier_rtt.h"
#include "lb/courier_window.h"

#include <sys/queue.h>

/* The last COURIER_REPLAY_WINDOW numbers up to the largest. All-zero is empty. */
struct courier_seen {
	uint64_t largest;
	uint64_t bits[COURIER_REPLAY_WINDOW / 64]; /* number n is bit n % 64 of word n / 64 % words */
};

/* An event waiting to be taken. */
struct courier_note {
	TAILQ_ENTRY(courier_note) link;
	struct courier_event event;
	bool queued;
};

/* Whether it is about a message's end: then its note is a message's, else a peer's. */
static inline bool courier_event_ends(const struct courier_event *e)
{
	return e->kind == COURIER_MESSAGE_DELIVERED || e->kind == COURIER_MESSAGE_FAILED;
}

enum courier_class { COURIER_CLASS_CONTROL, COURIER_CLASS_SMALL, COURIER_CLASS_LARGE, COURIER_CLASS_COUNT };

#define PIECE_ACKED  0x8000U /* the peer holds it */
#define PIECE_LOST   0x4000U /* no copy in flight: to be sent again */
#define PIECE_COPIES 0x3fffU /* copies in flight */

/* A message being sent. */
struct courier_outbound {
	TAILQ_ENTRY(courier_outbound) age;     /* in peer.outbox, in order of ids, until delivered or failed */
	TAILQ_ENTRY(courier_outbound) pending; /* in peer.pending[class] while it has something to send */
	struct courier_note note;              /* its end; it is freed when that is taken */
	struct courier_peer *peer;
	uint64_t id; /* on the wire */
	nstime deadline;
	uint8_t type;
	bool is_pending;
	enum courier_class class;
	uint32_t len;
	uint16_t chunk;
	uint32_t count;     /* pieces */
	uint32_t unsent;    /* first piece that was never sent */
	uint32_t lost;      /* pieces with PIECE_LOST */
	uint32_t lost_from; /* none below it is lost */
	uint32_t acked;     /* pieces with PIECE_ACKED */
	uint16_t *pieces;   /* PIECE_ flags and copies; in the same allocation, as are the bytes */
	uint8_t *bytes;
};

TAILQ_HEAD(courier_outbox, courier_outbound);
TAILQ_HEAD(courier_notes, courier_note);

enum courier_sent_state { SENT_IN_FLIGHT, SENT_ACKED, SENT_LOST };

/* A frame that wants an acknowledgement. */
struct courier_sent {
	uint64_t number;
	nstime at;
	uint32_t bytes;
	enum courier_sent_state state;
	uint32_t count;
	struct courier_sent_piece {
		uint32_t id; /* low half of the message's */
		uint32_t index;
	} pieces[FRAME_DATA_MAX];
};

/* A message being received, or whole and not yet taken. */
struct courier_inbound {
	TAILQ_ENTRY(courier_inbound) link; /* in peer.partial, oldest first, then in courier.whole */
	struct courier_peer *peer;
	uint64_t id, from_boot;
	nstime since;  /* first piece */
	uint32_t cost; /* bytes it counts for */
	uint8_t type;
	uint32_t total;
	uint16_t chunk;
	uint32_t count, have; /* pieces */
	uint64_t *got;        /* bitmap of pieces; in the same allocation, as are the bytes */
	uint8_t *bytes;
};

TAILQ_HEAD(courier_inbox, courier_inbound);

enum courier_slot_state { SLOT_NEW, SLOT_PARTIAL, SLOT_DONE, SLOT_DROPPED };

/* Sub-keys for one peer under one cluster key. */
struct courier_keys {
	struct seal_key hello_out, hello_in, data_out, data_in;
};

struct courier_peer {
	uint16_t device;
	uint32_t index; /* in courier.peers */

	/* The session: courier_session.c. */
	uint64_t boot;               /* highest seen, 0: none */
	bool confirmed;              /* the peer knows our present boot */
	struct courier_keys keys[2]; /* by epoch modulo 2: the present one's, the last one's during a change */
	uint8_t uses;                /* epoch under which it is sent to */
	struct courier_note up, restarted;
	uint64_t hello_number;  /* of the last HELLO sent: never starts again, its key does not change */
	nstime hello_sent_at;   /* of the same */
	uint64_t hello_answers; /* number of the HELLO to be answered */
	bool hello_due;
	nstime hello_at, hello_until, hello_interval; /* the timer; NSTIME_NEVER when off */
	struct courier_seen hello_seen;

	/* Sending: courier_send.c. */
	struct courier_outbox outbox;                       /* all that is neither delivered nor failed */
	struct courier_outbox pending[COURIER_CLASS_COUNT]; /* those with something to send now */
	struct courier_outbound *slots[COURIER_SPAN];       /* by id */
	uint64_t id_next;
	uint32_t queued, queue_bytes;
	uint32_t control_turns;        /* pieces of control messages in a row while a blob waited */
	uint32_t small_turns;          /* pieces of small blobs in a row while a larger one waited */
	uint64_t number;               /* of the last DATA frame sent in this session */
	struct courier_sent *ring;     /* COURIER_IN_FLIGHT_MAX frames; one stands at its index modulo that */
	uint64_t ring_head, ring_tail; /* indices of the oldest kept and of the next */
	uint64_t acked_index;          /* one more than the index of the latest acknowledged; 0: none */
	uint64_t reorder;              /* packet threshold: grows when reordering proves deeper */
	struct courier_rtt rtt;
	struct courier_window window;
	nstime sent_at;  /* last frame that wants an acknowledgement */
	nstime loss_at;  /* when the time threshold passes for the next; NSTIME_NEVER: none */
	uint32_t probes; /* probe time-outs in a row */
	uint32_t probes_due;
	uint64_t probe_index; /* where the next probe looks for something to repeat */
	nstime pace_at;       /* when a blob that waits for pacing may go on */

	/* Receiving: courier_recv.c. */
	struct courier_seen seen;  /* opened: against replay */
	struct courier_seen taken; /* accepted: to be acknowledged */
	nstime largest_at;         /* when taken.largest came */
	uint32_t ack_pending;      /* frames not yet acknowledged */
	nstime ack_at;             /* when they must be */
	uint64_t base;             /* messages below are past */
	uint8_t slot_states[COURIER_SPAN];
	struct courier_inbound *slot_messages[COURIER_SPAN];
	struct courier_inbox partial;
	uint32_t inbox_bytes;
};

/* A change of the cluster key that is not over. */
struct courier_change {
	bool under_way;
	uint8_t old_key[SEAL_KEY_LEN];
	nstime use_at;  /* from when the new key is used; NSTIME_NEVER once it is */
	nstime drop_at; /* when the old one is forgotten */
};

struct courier {
	struct courier_config config; /* `key` and `epoch` are the newest */
	struct courier_change change;
	struct courier_peer *peers[COURIER_PEERS_MAX];
	uint16_t devices[COURIER_PEERS_MAX]; /* their ids, to be searched */
	nstime expiries[COURIER_PEERS_MAX];  /* when each wants courier_expire */
	uint32_t peer_count;
	uint32_t turn; /* the peer whose turn it is to send */
	struct courier_notes notes;
	struct courier_inbox whole;      /* to be taken */
	struct courier_inbound *current; /* taken last */
	uint32_t inbox_bytes;
	struct courier_counters counters;
	bool known;        /* some peer has known the present boot */
	uint64_t outlived; /* the latest boot of its own, beyond the present one, that a peer knew of; 0: none */
};

/* courier.c: the peer, or NULL; what follows from a change of its state (called at the end of every public call that
 * changed one); events. */
struct courier_peer *courier_peer_find(const struct courier *c, uint16_t device);
void courier_touch(struct courier *c, struct courier_peer *p);
void courier_note_put(struct courier *c, struct courier_note *n, const struct courier_event *event);
void courier_note_drop(struct courier *c, struct courier_note *n);

/* courier_seen.c: whether n was added or is too old to tell; adding; ranges for an ACK (count of them, at most max). */
bool courier_seen_has(const struct courier_seen *s, uint64_t n);
void courier_seen_add(struct courier_seen *s, uint64_t n);
uint32_t courier_seen_ranges(const struct courier_seen *s, struct frame_range *ranges, uint32_t max);

/* courier_session.c */
void courier_session_init(struct courier *c, struct courier_peer *p);
void courier_session_fini(struct courier_peer *p);
void courier_hello_want(struct courier *c, struct courier_peer *p, nstime now);
size_t courier_hello_output(struct courier *c, struct courier_peer *p, uint8_t *out, nstime now);
void courier_hello_expire(struct courier_peer *p, nstime now);
void courier_hello_input(struct courier *c, struct courier_peer *p, const struct frame_header *h,
			 const struct frame_hello *hello, nstime now);
/* The keys of the epoch that is used towards a peer. */
static inline struct courier_keys *courier_keys_out(struct courier_peer *p)
{
	return &p->keys[p->uses % 2];
}
/* What is due of a change of the key. */
nstime courier_key_expiry(const struct courier *c);
void courier_key_expire(struct courier *c, nstime now);
void courier_session_confirm(struct courier *c, struct courier_peer *p);
int courier_session_open(struct courier *c, struct courier_peer *p, const struct frame_header *h, uint8_t *frame,
			 size_t len, nstime now);

/* courier_send.c */
void courier_outbox_init(struct courier_peer *p);
void courier_outbox_fini(struct courier_peer *p);
void courier_outbox_fail_all(struct courier *c, struct courier_peer *p, const char *reason, nstime now);
void courier_outbox_expire(struct courier *c, struct courier_peer *p, nstime now);
void courier_outbound_release(struct courier_note *n);
struct courier_outbound *courier_outbound_find(const struct courier_peer *p, uint32_t id_low);
void courier_outbound_pend(struct courier_outbound *m);
void courier_outbound_acked(struct courier *c, struct courier_outbound *m, uint32_t index);
size_t courier_data_output(struct courier *c, struct courier_peer *p, uint8_t *out, nstime now);

/* courier_ack.c */
void courier_ring_init(struct courier *c, struct courier_peer *p);
void courier_ring_clear(struct courier_peer *p);
void courier_ring_put(struct courier_peer *p, const struct courier_sent *sent);
int courier_ack_input(struct courier *c, struct courier_peer *p, const struct frame_ack *ack, nstime now);
nstime courier_probe_at(const struct courier_peer *p);
void courier_loss_expire(struct courier *c, struct courier_peer *p, nstime now);

static inline struct courier_sent *courier_ring_at(const struct courier_peer *p, uint64_t index)
{
	return &p->ring[index % COURIER_IN_FLIGHT_MAX];
}

/* courier_recv.c */
void courier_recv_reset(struct courier *c, struct courier_peer *p);
int courier_recv_data(struct courier *c, struct courier_peer *p, const struct frame_header *h,
		      const struct frame_body *b, nstime now);
bool courier_recv_ack(const struct courier_peer *p, struct frame_ack *ack, nstime now);
void courier_recv_acked(struct courier_peer *p);
void courier_recv_expire(struct courier *c, struct courier_peer *p, nstime now);
nstime courier_recv_expiry(const struct courier *c, const struct courier_peer *p);
void courier_inbound_free(struct courier *c, struct courier_inbound *m);

#endif
