/* SPDX-License-Identifier: BSD-3-Clause */
/* The connection migrator at the second device: takes a bundle, reassembles the state, infuses it, and makes the
 * connection active when the forwarder says that it is ours (C3, C11, C15).
 *
 * It infuses a held connection and asks; it never decides who owns it: only COMMITTED activates, only ABORTED (or a
 * forwarder that was silent for hold_max and ask_max) discards. READY is repeated until an answer comes;
 * after hold_max it asks with ABORT instead. Packets are the driver's business, below. node/ calls it with messages and
 * tells it when a connection ended.
 *
 *     BLOB --checks, infuse--> HELD (READY, repeated) --COMMITTED--> ACTIVE --migrator_connection_closed--> gone
 * (CLOSED) BLOB --error--> REJECTED (REJECT sent; packets buffered until ABORTED or hold_max) --> gone HELD
 * --ABORTED--> gone; its packets bounce */
#ifndef BATON_LB_MIGRATOR_H
#define BATON_LB_MIGRATOR_H

#include "base/nstime.h"
#include "base/trace.h"
#include "lb/driver.h"
#include "lb/endpoint.h"
#include "lb/message.h"

#define MIGRATOR_ANNOUNCED         128U
#define MIGRATOR_ANNOUNCE_INTERVAL (10 * NSTIME_MS)

/* Zero members take the defaults behind them. */
struct migrator_config {
	const char *name; /* of the node; keys hashes with the seed */
	uint64_t seed;
	uint16_t self;            /* own device */
	uint64_t boot;            /* own boot id */
	uint16_t forwarder;       /* its device */
	uint32_t connections_max; /* held and active; more are rejected, BUSY; 65536 */
	/* Rejected hand-offs whose packets wait for the forwarder to give the connection back; the packets of more go
	 * back at once, and may find that it has not yet. 65536 */
	uint32_t rejected_max;
	nstime ready_min;         /* first repetition of READY, doubling; 20 ms */
	nstime ready_max;         /* to this; 200 ms */
	nstime hold_max;          /* then it asks with ABORT; 10 s */
	nstime ask_max;           /* then it gives up; 30 s */
	struct trace_sink *trace; /* borrowed; may be NULL */
};

struct migrator_counters {
	uint64_t blobs, infused, activated, discarded, closed;
	uint64_t rejected[MESSAGE_REASON_COUNT]; /* REJECT sent, by reason */
	uint64_t duplicates;                     /* blobs of hand-offs that are held, active or over */
	uint64_t misaddressed;                   /* blobs of another sender or for another device */
	uint64_t undecodable;                    /* blobs from which not even the hand-off can be told: dropped */
	uint64_t announced;                      /* active connections, to a forwarder that restarted */
	uint64_t asked, given_up;
	uint64_t malformed, unexpected, stale; /* messages ignored */
};

struct migrator;

/* The driver and the endpoint are borrowed. */
struct migrator *migrator_new(const struct migrator_config *config, struct driver *driver, const struct endpoint *ep);

/* Connections are left as they are (their stack ends too). NULL is allowed. */
void migrator_free(struct migrator *m);

/* BLOB from a first device; COMMITTED, ABORTED and QUERY from the forwarder. `from_boot` is vouched for by the courier.
 */
void migrator_message(struct migrator *m, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
		      size_t len, nstime now);

/* Whether it is drained: then every blob is rejected, DRAINING. What is held goes on. */
void migrator_drain(struct migrator *m, bool draining);

/* The active connection with this tuple, as its blob told of it; NULL when there is none. Valid until the next call. */
const struct blob_mapping *migrator_active(const struct migrator *m, const struct tuple *t);

/* The active connection with this tuple was handed on to another device: late packets of its flow still come up, for
 * whoever handed it on to bounce. Others are ignored. */
void migrator_connection_moved(struct migrator *m, const struct tuple *t, nstime now);

/* The stack's connection with this tuple, activated here, ended: CLOSED goes to the forwarder, and to the
 * classifier that chose its first backend. Others are ignored. */
void migrator_connection_closed(struct migrator *m, const struct tuple *t, nstime now);

/* The courier met `device` with this boot. If it is the forwarder, its table is gone: held connections ask the new one,
 * and active ones are announced to it (ALIVE), MIGRATOR_ANNOUNCED every MIGRATOR_ANNOUNCE_INTERVAL. */
void migrator_peer_restarted(struct migrator *m, uint16_t device, uint64_t boot, nstime now);

/* Messages for the courier; never NULL. Packets come out of driver_output: pull both after every call. */
struct outbox *migrator_outbox(struct migrator *m);

nstime migrator_expiry(const struct migrator *m);
void migrator_expire(struct migrator *m, nstime now);

const struct migrator_counters *migrator_counters(const struct migrator *m);

/* A connection that is held or active, for people to look at. */
struct migrator_connection {
	struct blob_mapping mapping;
	bool active; /* else held */
	nstime since;
};

/* That of a tuple. False: there is none. */
bool migrator_connection_find(const struct migrator *m, const struct tuple *t, struct migrator_connection *out);

/* Those from place *cursor on (0: the first), `max` of them at most, among MIGRATOR_LOOK_MAX places; returns how many,
 * and moves *cursor on, past the last to MIGRATOR_LOOK_END. What comes and goes meanwhile may be missed. */
#define MIGRATOR_LOOK_MAX 65536U
#define MIGRATOR_LOOK_END UINT32_MAX
size_t migrator_connections(const struct migrator *m, uint32_t *cursor, struct migrator_connection *out, size_t max);

/* What it holds (I5). */
struct migrator_holdings {
	uint32_t held, active, rejected;
};
void migrator_holdings(const struct migrator *m, struct migrator_holdings *out);

#endif
