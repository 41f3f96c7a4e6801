/* SPDX-License-Identifier: BSD-3-Clause */
/* The migrator driver: the intermediate driver below the second stack (C12, C17, C18, C19, C20).
 *
 * Recognises encapsulated packets by their source, the forwarder's tunnel address; finds the flow's addresses and ports
 * in the encapsulation mapping table and restores them; buffers what comes before the connection is active; takes blobs
 * apart. It builds no connection and answers no message: lb/migrator, above it, tells it what becomes of a flow. node/
 * gives it every packet before the stack sees it, and every BLOB through migrator_message.
 *
 *     UNKNOWN   packets came before the blob: buffered for early_max, then dropped
 *     HELD      mapping stored, connection not active yet: buffered
 *     ACTIVE    restored and delivered
 *     CLOSED    the connection ended: still delivered (TIME_WAIT answers) until none came for `rest`, but for a SYN; in
 * a full table the one that was quiet longest makes room for a new flow RESTING   aborted or rejected: bounced to the
 * forwarder, with their flow identifier, for `rest` */
#ifndef BATON_LB_DRIVER_H
#define BATON_LB_DRIVER_H

#include "base/buf.h"
#include "base/conn.h"
#include "base/nstime.h"
#include "base/trace.h"
#include "lb/blob.h"
#include "lb/packet.h"

#include <stdbool.h>

/* Zero members take the defaults behind them. */
struct driver_config {
	const char *name; /* of the node; keys the table's hash with the seed */
	uint64_t seed;
	struct addr_pair address;  /* own cluster addresses: destination of encapsulated packets, source of bounces */
	struct addr_pair tunnel;   /* the forwarder's tunnel addresses */
	uint32_t flows_max;        /* entries of the encapsulation mapping table, of all states; 65536 */
	uint32_t flow_packets_max; /* buffered for one flow; 256 */
	uint32_t flow_bytes_max;   /* the same; 512 KiB */
	uint32_t bytes_max;        /* buffered in all; 16 MiB */
	nstime early_max;          /* UNKNOWN flows are dropped after it; 3 s */
	nstime rest;               /* RESTING and CLOSED ones after it; 30 s */
	struct trace_sink *trace;  /* borrowed; may be NULL */
};

/* Why packets are dropped: name, text for traces. */
#define DRIVER_DROP_LIST(X)                                                                                            \
	X(MALFORMED, "malformed")                                                                                      \
	X(FRAGMENT, "fragment")                                                                                        \
	X(PROTOCOL, "protocol")           /* not TCP, from the tunnel address */                                       \
	X(ADDRESS, "address")             /* not to this device, or no address of its family to bounce with */         \
	X(FLOW, "flow")                   /* a flow identifier with a zero half */                                     \
	X(SYN, "syn")                     /* would open a connection here, past the classifier */                      \
	X(CHECKSUM, "checksum")           /* would have been buffered, but is corrupt: its flow may be anybody's */    \
	X(FLOWS_FULL, "flows_full")       /* no room in the table for another unknown flow */                          \
	X(FLOW_FULL, "flow_full")         /* the flow's buffer is full */                                              \
	X(BUFFER_FULL, "buffer_full")     /* all buffers together are */                                               \
	X(EARLY_TIMEOUT, "early_timeout") /* no blob came for an unknown flow */

enum driver_drop {
#define DRIVER_DROP_ENUM(name, text) DRIVER_DROP_##name,
	DRIVER_DROP_LIST(DRIVER_DROP_ENUM)
#undef DRIVER_DROP_ENUM
		DRIVER_DROP_COUNT
};

struct driver_counters {
	uint64_t delivered, buffered, drained, bounced;
	uint64_t forgotten;  /* CLOSED and RESTING flows, for others when the table was full */
	uint64_t overflowed; /* packets dropped because a buffer or the table was full */
	uint64_t dropped[DRIVER_DROP_COUNT];
	uint64_t blobs;
};

enum driver_verdict {
	DRIVER_NOT_OURS, /* not encapsulated: the caller keeps it, as it was */
	DRIVER_DELIVER,  /* restored in place; the caller gives it to the stack */
	DRIVER_TAKEN,    /* buffered or bounced; the driver owns it */
	DRIVER_DROP,     /* the caller frees it; `drop` says why */
};

enum driver_state {
	DRIVER_FLOW_NONE, /* not in the table */
	DRIVER_FLOW_UNKNOWN,
	DRIVER_FLOW_HELD,
	DRIVER_FLOW_ACTIVE,
	DRIVER_FLOW_CLOSED,
	DRIVER_FLOW_RESTING,
};

enum driver_action_kind { DRIVER_PACKET_TO_STACK, DRIVER_PACKET_TO_FORWARDER };

struct driver_action {
	enum driver_action_kind kind;
	struct buf *packet; /* the receiver owns it */
};

struct driver;

struct driver *driver_new(const struct driver_config *config);
void driver_free(struct driver *d); /* NULL is allowed */

/* A packet arrived; data at the IP header. */
enum driver_verdict driver_packet(struct driver *d, struct buf *packet, nstime now, enum driver_drop *drop);

/* A blob arrived: unbundles it (C17, C18) into the caller's mapping and state and stores the mapping (C19), HELD. On
 * entry m->first, m->first_boot and m->second say what they must be: the sender, its boot, this device. 0, what
 * blob_decode says (*m is then garbage), E_REFUSED (they are not), E_EXISTS (the flow is held, active or closed),
 * E_STALE (this hand-off was aborted here already), or E_FULL. On error nothing is stored. */
int driver_blob(struct driver *d, const uint8_t *bytes, size_t len, struct blob_mapping *m, struct conn_state *s,
		const char **why, nstime now);

/* HELD to ACTIVE: buffered packets come out for the stack in order of sequence (C12). */
void driver_flow_activate(struct driver *d, uint32_t flow, nstime now);

/* HELD or UNKNOWN to RESTING: buffered packets come out for the forwarder. A flow that is not in the table is entered,
 * so that the hand-off's blob, when it comes later, is refused. Flows of another hand-off are left alone. */
void driver_flow_abort(struct driver *d, const struct blob_mapping *m, nstime now);

/* ACTIVE to CLOSED. */
void driver_flow_close(struct driver *d, uint32_t flow, nstime now);

/* The next packet to pass on, in order; false when there is none. Pull after every call, before the next packet. */
bool driver_output(struct driver *d, struct driver_action *action);

nstime driver_expiry(const struct driver *d);
void driver_expire(struct driver *d, nstime now);

const struct driver_counters *driver_counters(const struct driver *d);
const char *driver_drop_name(enum driver_drop drop);

/* What it holds (I5). */
struct driver_holdings {
	uint32_t flows, buffered_packets, buffered_bytes;
};
void driver_holdings(const struct driver *d, struct driver_holdings *out);

#endif
