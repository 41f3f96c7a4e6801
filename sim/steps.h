/* SPDX-License-Identifier: BSD-3-Clause */
/* The steps of one connection, collected while a run goes: its packets on every link, the courier's frames that carry
 * its blob and control messages, and what the layers did for it. A ladder is drawn from them (report/ladder).
 *
 * Which connection: the n-th to be opened, or, without a number, the first that is handed over. Until that is known the
 * first few are followed side by side. What is kept is bounded: STEPS_MAX a connection, STEPS_FOLLOWED_MAX connections.
 * Courier frames are opened with the cluster's key, as someone who looks at captures with the key would.
 * Caller: sim/record, which sees events and frames first. */
#ifndef BATON_SIM_STEPS_H
#define BATON_SIM_STEPS_H

#include "base/buf.h"
#include "base/trace.h"
#include "node/node.h"
#include "sim/scenario.h"

#define STEPS_MAX          600U
#define STEPS_FOLLOWED_MAX 8U
#define STEPS_FLOWS_MAX    16U /* flow identifiers of one connection */
#define STEPS_TEXT_MAX     120U
#define STEPS_NOBODY       SIZE_MAX
#define STEPS_LATE_NS      (3 * NSTIME_S) /* how long packets may come after a connection's end */

enum step_kind {
	STEP_EVENT,   /* a layer did something */
	STEP_PLAIN,   /* a packet with the client's and the VIP's addresses */
	STEP_TUNNEL,  /* an encapsulated one */
	STEP_CONTROL, /* a courier frame with a control message */
	STEP_BLOB,    /* a courier frame with a piece of the blob */
};

struct step {
	enum step_kind kind;
	enum trace_event event; /* STEP_EVENT */
	nstime at;              /* when it was sent, or happened */
	size_t node;            /* where; index in the scenario */
	/* Packets and frames: */
	size_t to;                 /* the node it was for; STEPS_NOBODY: unknown */
	nstime arrived;            /* NSTIME_NEVER: it did not, or not whole */
	bool corrupted;            /* it arrived, and its seal did not open */
	bool again;                /* its content was sent before */
	bool bulk;                 /* one of many: data or an acknowledgement, nothing else */
	bool from_client;          /* the direction of a TCP packet */
	uint32_t payload;          /* bytes of TCP data, or of the blob */
	uint64_t hash;             /* of its bytes, to know it again when it arrives */
	uint64_t frame;            /* the courier's number of it; 0: no courier frame */
	uint16_t sender, receiver; /* of a courier frame: devices */
	char text[STEPS_TEXT_MAX];
};

struct steps_connection {
	struct tuple tuple;
	uint64_t number; /* counted from 1 */
	size_t client;   /* node */
	bool handed_over, ended;
	nstime ended_at;
	struct step *list;
	size_t count;
	size_t omitted; /* beyond STEPS_MAX */
	uint32_t flows[STEPS_FLOWS_MAX];
	size_t flows_count;
	bool numbered[2];    /* initial sequence numbers are known: of the client, of the server */
	uint32_t initial[2]; /* sequence numbers of the SYNs */
	/* The blob's message on its way, and what of it was sent by its sender. */
	uint16_t blob_from, blob_to;
	uint64_t blob_id;
	uint8_t *blob_sent; /* a byte a piece; NULL: no blob yet */
	uint32_t blob_pieces;
};

struct steps {
	const struct scenario *scenario;
	const struct node_cluster *cluster;
	uint64_t wanted; /* a connection's number; 0: the first that is handed over */
	struct steps_connection *followed[STEPS_FOLLOWED_MAX];
	size_t followed_count;
	bool settled;                      /* the connection is chosen: followed[0] */
	struct steps_connection **at_node; /* by node: whose event was the last there; NULL: no followed one's */
};

/* Both are borrowed. */
void steps_init(struct steps *s, const struct scenario *scenario, const struct node_cluster *cluster, uint64_t wanted);
void steps_fini(struct steps *s);

/* The connection: the one asked for, or else the first; NULL when there is none. */
const struct steps_connection *steps_chosen(const struct steps *s);

/* Whether nothing more is to be seen of the chosen connection: it ended a while ago, or its room is full. */
bool steps_over(const struct steps *s, nstime now);

/* A connection was opened by a node's client, the so manieth of the run. */
void steps_open(struct steps *s, size_t client, const struct tuple *t, uint64_t number);

/* An event of a node's parts. */
void steps_observe(struct steps *s, size_t node, nstime now, enum trace_event event, const struct trace_field *fields,
		   size_t count);

/* A frame that a node sent (`to` is who has its destination address) or, `in`, that came to `node`. `boots` are the
 * present boot ids by node. */
struct steps_frame {
	const struct buf *frame;
	size_t node, to;
	bool in;
	const uint64_t *boots;
};
void steps_frame(struct steps *s, const struct steps_frame *f, nstime now);

/* For sim/steps_packet.c, which sees what a frame is to the connections followed. */
bool steps_connection_has_flow(const struct steps_connection *c, uint32_t flow);
void steps_add(struct steps_connection *c, const struct step *step);

#endif
