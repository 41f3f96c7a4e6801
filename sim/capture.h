/* SPDX-License-Identifier: BSD-3-Clause */
/* The captures of a run: pcapng files whose packets say, in comments, what links and nodes did to them.
 *
 * A capture point is where an attachment meets its network. What the node sends is captured as it was sent, before the
 * impairments of direction out; what comes for it, as it is delivered to it, after those of direction in. A packet that
 * is dropped is in the capture of the attachment that dropped it:
 *
 *   out   once, as sent, with "dropped: ..."; only what had to wait and is dropped later (codel, down) stands a second
 *         time, when that happens
 *   in    once, when it is dropped, although the node never gets it
 *
 * The comments, joined by "; ":
 *
 *   dropped: REASON                       an impairment's words, "dropped: loss gemodel bad state"
 *   corrupted by link: bit N              of the IP packet, bit 0 being the lowest of its first byte; where it is sent,
 *                                         it is captured before that, where it arrives, after it
 *   duplicated by link; the copy: ...     what became of the copy, when it did not just go on
 *   encapsulated, flow N -> NODE, TUPLE   from the forwarder; the tuple is the original one, while it is remembered
 *   bounced, flow N, from NODE            back to the forwarder
 *   buffered before infusion, flow N      the backend keeps it until the connection's state is active
 *   courier: retransmission (WHY)         the content of this frame was sent before
 *   courier: rejected (WHY)
 *   plain: SECTION | SECTION ...          with captures_open_frames: what the frame carries
 *
 * A record is written when its fate is known, which is before the next one of its file: so comments cost no order. What
 * is remembered is bounded: CAPTURE_FLOWS flows, CAPTURE_FRAMES frames; what is forgotten has a shorter comment, or
 * none. Callers: sim/segment (frames), sim/world_files.c (files), sim/world.c (events). */
#ifndef BATON_SIM_CAPTURE_H
#define BATON_SIM_CAPTURE_H

#include "base/trace.h"
#include "node/node.h"
#include "pcap/pcapng.h"
#include "sim/impair.h"
#include "sim/scenario.h"

#define CAPTURE_FLOWS  65536U /* flow identifiers whose tuples are remembered; a power of two */
#define CAPTURE_FRAMES 4096U  /* retransmitted courier frames that are; a power of two */

struct captures;
struct capture_file;
struct capture_point;

/* Both are borrowed for its life. */
struct captures *captures_new(const struct scenario *s, const struct addr *tunnels, size_t tunnel_count);

/* From now on comments say what sealed courier frames carry, opened with the cluster's key; borrowed. */
void captures_open_frames(struct captures *c, const struct node_cluster *cluster);

/* Closes the files and frees everything. 0, or E_IO (errno is set) when something could not be written at any time.
 * NULL is allowed. */
int captures_free(struct captures *c);

/* Creates a file; NULL with *err as pcapng_open. */
struct capture_file *captures_file_add(struct captures *c, const char *path, const struct pcapng_section *section,
				       int *err);

/* One more interface of a file. */
struct capture_point_config {
	const char *name;        /* "NODE.NETWORK" */
	const char *description; /* may be NULL */
	size_t node;             /* index in the scenario */
	uint32_t snap;           /* bytes kept of a packet; 0: all */
	struct impair_match match;
};
/* NULL with *err: a negative enum err. It lives as long as the captures. */
struct capture_point *captures_point_add(struct captures *c, struct capture_file *f,
					 const struct capture_point_config *config, int *err);

/* An event of a node's parts: what comments are made from. */
void captures_event(struct captures *c, size_t node, enum trace_event event, const struct trace_field *fields,
		    size_t count);

/* What was captured so far goes into the files, for those who read them while a run goes, or after it was killed. */
void captures_flush(struct captures *c);

/* A frame passes. Until capture_end, or the next frame of the file, comments can be added to it. */
void capture_begin(struct capture_point *p, const struct buf *frame, enum pcapng_direction direction, nstime now);
void capture_end(struct capture_point *p);

/* What the link does to a frame: to the one that passes just now, to its copy, or, when it is dropped, to another. */
void capture_act(struct capture_point *p, const struct buf *frame, enum pcapng_direction direction, enum impair_act act,
		 const char *text, nstime now);

#endif
