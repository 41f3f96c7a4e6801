/* SPDX-License-Identifier: BSD-3-Clause */
/* Draining a backend: for each of its connections another device is asked for, and the connection handed on to it.
 *
 * It decides when which connection is to be looked at, asks a classifier for the device (the one that chose the first
 * backend; when it does not answer, the others in turn), leaves out those that refused, and bounds how many are under
 * way. It moves nothing itself: node/ sweeps its applications' connections when it is told to, offers those that can
 * move, and hands them on by lb/handoff when it is told where to; it says what became of each. What cannot move now (a
 * request half read, a reply's last bytes) is looked at again with every sweep, until `within` has passed: what is
 * still there then stays until it ends.
 *
 *     drain_offer: ASKING (CHOOSE, repeated) --CHOSEN--> HANDING (DRAIN_HAND) --drain_moved--> gone
 *       ASKING --no device, or nobody answers--> gone, offered again by a later sweep
 *       HANDING --drain_refused--> ASKING, that device excluded; --drain_not_now--> gone, as above */
#ifndef BATON_LB_DRAIN_H
#define BATON_LB_DRAIN_H

#include "base/nstime.h"
#include "base/trace.h"
#include "lb/blob.h"
#include "lb/message.h"

#define DRAIN_MOVES_DEFAULT 32U

/* Zero members take the defaults behind them. */
struct drain_config {
	uint16_t self;               /* own device */
	const uint16_t *classifiers; /* devices; copied */
	size_t classifiers_count;
	uint32_t moves_max;       /* under way at a time; DRAIN_MOVES_DEFAULT */
	nstime interval;          /* between sweeps; 10 ms */
	nstime ask_interval;      /* an unanswered CHOOSE goes to the next classifier; 100 ms */
	uint32_t asks_max;        /* CHOOSEs of one offer; 8 */
	nstime pause;             /* no sweep for so long after no device was found; 200 ms */
	struct trace_sink *trace; /* borrowed; may be NULL */
};

struct drain_counters {
	uint64_t drains;
	uint64_t moved;   /* connections handed on */
	uint64_t refused; /* hand-offs that a device refused or that failed; the connection went on here */
	uint64_t nowhere; /* offers for which there was no device, or no answer */
	uint64_t ended;   /* connections that ended by themselves while it drained */
	uint64_t waited;  /* sweeps in which connections had to wait, as enough were under way */
	uint64_t stayed;  /* connections that were still there when `within` had passed */
};

/* A connection that is under way. */
struct drain_move;

enum drain_action_kind {
	DRAIN_SWEEP,   /* offer every connection that can move now, then call drain_swept */
	DRAIN_HAND,    /* hand `user`'s connection to `device` */
	DRAIN_NOWHERE, /* there is no device for `user`'s connection, for now; the move is gone */
};

struct drain_action {
	enum drain_action_kind kind;
	struct drain_move *move;
	void *user;
	uint16_t device;
};

struct drain;

struct drain *drain_new(const struct drain_config *config);
void drain_free(struct drain *d); /* NULL is allowed */

/* It drains from now on, moving connections for `within` (NSTIME_NEVER: without limit); or does no more: what is under
 * way goes on. No effect when it is so already. */
void drain_begin(struct drain *d, nstime within, nstime now);
void drain_end(struct drain *d, nstime now);
bool drain_active(const struct drain *d);

/* So many connections are here: when there are none there is nothing to sweep. */
void drain_connections(struct drain *d, uint32_t connections, nstime now);

/* In a sweep: a connection that can move, with what its blob told. NULL when enough are under way: it and those
 * behind it wait for the next sweep. */
struct drain_move *drain_offer(struct drain *d, const struct blob_mapping *mapping, void *user, nstime now);
void drain_swept(struct drain *d, nstime now);

/* What became of one: it was handed on; the device refused it, or failed; or it could not be handed on just now, or
 * ended. The move is gone then; after drain_refused only when there is no other device, which is when that returns
 * false. */
void drain_moved(struct drain *d, struct drain_move *m);
bool drain_refused(struct drain *d, struct drain_move *m, nstime now);
void drain_not_now(struct drain *d, struct drain_move *m);

/* A connection ended here by itself. */
void drain_ended(struct drain *d);

/* CHOSEN from a classifier. */
void drain_message(struct drain *d, uint16_t from, const uint8_t *bytes, size_t len, nstime now);

/* The next thing to do, or false. Pull after every call. */
bool drain_output(struct drain *d, struct drain_action *action);

struct outbox *drain_outbox(struct drain *d); /* messages for the courier; never NULL */

nstime drain_expiry(const struct drain *d);
void drain_expire(struct drain *d, nstime now);

const struct drain_counters *drain_counters(const struct drain *d);

/* Connections under way (I5). */
uint32_t drain_moves(const struct drain *d);

#endif
