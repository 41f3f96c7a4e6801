/* SPDX-License-Identifier: BSD-3-Clause */
/* An Ethernet segment: attachments of nodes, joined by a learning switch.
 *
 * A frame's path: segment_send -> the sender's attachment, direction out -> switch (the learned port, or copies to all
 * others) -> the receiver's attachment, direction in -> deliver(). Each direction is a struct impair with one engine
 * timer for its head. The switch takes no time. segment_send never delivers before it returns (a node's output never
 * calls another node's input); a direction in without impairments adds no event to the one that brings the frame.
 * Packets due at the same time go on in the order in which they were sent.
 *
 * It knows nodes only as a pointer to hand back. Caller: sim/world. */
#ifndef BATON_SIM_SEGMENT_H
#define BATON_SIM_SEGMENT_H

#include "sim/engine.h"
#include "sim/impair.h"

#include <stdbool.h>
#include <stdint.h>

#define SEGMENT_MACS_MIN  64U    /* slots for learned addresses; four an attachment when those are more */
#define SEGMENT_MACS_WAY  8U     /* slots an address may take; the switch floods for one it had to forget */
#define SEGMENT_FRAME_MIN 14U    /* bytes: an Ethernet header */
#define SEGMENT_FRAME_MAX 65549U /* bytes */

struct attachment;
struct capture_point;
struct segment;

/* Takes ownership of the frame. May call segment_send and change timers, but not end the segment. */
typedef void (*segment_deliver)(void *node, unsigned port, struct buf *frame, nstime now);

/* Who sees an attachment's frames: as sent by the node (before the impairments of direction out) and as delivered to
 * it. */
struct tap {
	struct capture_point *point; /* NULL: no capture; set by segment_capture */
	/* `in`: those delivered; NULL: nobody. */
	void (*watch)(void *context, const struct attachment *a, const struct buf *frame, bool in, nstime now);
	void *context;
};

struct attachment {
	struct segment *segment;
	unsigned index; /* on the segment, counted from 0 */
	char name[IMPAIR_NAME_MAX];
	void *node;
	unsigned port;           /* the node's interface */
	segment_deliver deliver; /* NULL: nobody is there, and no frame goes that way */
	uint64_t mac;            /* the node's own address: segment_own; 0: others are behind it, or nobody */
	struct tap tap;          /* `watch` is set by the world at any time */
	struct impair out, in;
	struct impair_faults faults;
	struct timer timer_out, timer_in;
};

struct segment_config {
	struct engine *engine;
	uint64_t seed;
	struct trace_sink *trace;   /* may be NULL */
	const struct addr *tunnels; /* the forwarders' tunnel addresses, for `encapsulated`; borrowed for its life */
	size_t tunnel_count;
	struct histogram *queue_us; /* as impair_config.queue_us */
	/* Cuts a frame that stands for several packets (struct buf, segment_bytes) into those, which it emits; takes
	 * ownership. NULL: no such frames are sent. */
	void (*cut)(struct buf *frame, void (*emit)(void *context, struct buf *segment), void *context);
};

struct segment {
	struct segment_config config;
	struct attachment **attachments;
	unsigned count;
	struct segment_mac {
		uint64_t mac; /* 48 bits; 0 is an empty slot */
		struct attachment *port;
	} * macs;
	size_t macs_count; /* slots an address may begin at; a power of two */
	uint64_t flooded;  /* frames sent to all ports */
	struct segment_partition {
		struct segment_partition *next;
		size_t id;
		unsigned count; /* of sides: attachments that came later are on neither */
		uint8_t sides[];
	} * partitions;
};

void segment_init(struct segment *s, const struct segment_config *config);
void segment_fini(struct segment *s); /* frees attachments and every frame on its way */

/* Attaches `node`, to be called as deliver(node, port, ...). `name` is "NODE.NETWORK", unique in the run: it names the
 * random streams, so it is what keeps draws independent of everything else. Lives as long as the segment. With
 * `deliver` NULL nobody is there, until segment_join. */
struct attachment *segment_attach(struct segment *s, const char *name, void *node, unsigned port,
				  segment_deliver deliver);

/* The node is one host of this address: a frame that a port without one brings from it, looped or forged, does not turn
 * the node's own frames away. */
void segment_own(struct attachment *a, const uint8_t mac[6]);

/* Somebody is there from now on. */
void segment_join(struct attachment *a, void *node, segment_deliver deliver);

/* Captures the attachment's frames from now on, with what its links do to them; `point` is borrowed. */
void segment_capture(struct attachment *a, struct capture_point *point);

/* The node sends a frame. Takes ownership. One that stands for several packets goes whole through a segment without
 * impairments and captures, and is cut otherwise; then none is joined again. */
void segment_send(struct attachment *a, struct buf *frame, nstime now);

/* Impairments of the directions named by IMPAIR_DIRECTION_ bits; see impair_set. */
int segment_set(struct attachment *a, unsigned directions, const struct impairments *values);

/* Both directions. Traced as link.down and link.up. */
void segment_set_down(struct attachment *a, bool down, nstime now);

/* A partition, told from others by `id`: what an attachment of one side sends does not reach one of the other, for
 * reason `partition`. `sides` says of each attachment, by its index: 0 neither, 1 or 2. What is past the switch
 * arrives. */
void segment_partition(struct segment *s, size_t id, const uint8_t *sides);
void segment_heal(struct segment *s, size_t id); /* no effect when there is none of that id */

/* An exact fault of either direction; see impair_faults_add. */
int segment_fault(struct attachment *a, const struct impair_fault *fault);

/* Whether every direction's books balance (I4). Constant time a direction. */
bool segment_books_check(const struct segment *s);

/* Adds all directions' counters to *sum, the packets on their way to *in_flight, and the exact faults whose packet
 * never came to *missed. */
void segment_count(const struct segment *s, struct impair_counters *sum, uint64_t *in_flight, uint64_t *missed);

/* Emits link.digest for both directions of every attachment, in order. */
void segment_trace_digests(const struct segment *s, nstime now);

#endif
