/* SPDX-License-Identifier: BSD-3-Clause */
/* What the packets of a capture mean to the cluster, in words: comments made from a frame's bytes and from the events
 * that came before it. Plain memory, bounded; it writes no file. Caller: sim/capture. */
#ifndef BATON_SIM_CAPTURE_COMMENT_H
#define BATON_SIM_CAPTURE_COMMENT_H

#include "base/trace.h"
#include "node/node.h"
#include "sim/scenario.h"

#define CAPTURE_COMMENT_MAX 4096U /* bytes, with its NUL; a piece of a blob that does not fit is left out */

struct capture_comment {
	size_t len;
	char text[CAPTURE_COMMENT_MAX];
};

/* Adds words, behind "; " when there are some. */
void capture_comment_add(struct capture_comment *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

struct capture_comments;

/* Both are borrowed for its life. */
struct capture_comments *capture_comments_new(const struct scenario *s, const struct addr *tunnels,
					      size_t tunnel_count);
/* From now on what sealed frames carry is told too; borrowed. */
void capture_comments_open(struct capture_comments *c, const struct node_cluster *cluster);

void capture_comments_free(struct capture_comments *c); /* NULL is allowed */

/* Remembers what an event of a node says of packets to come; adds to *comment what it says of the packet that the node
 * was given just now. */
void capture_comments_event(struct capture_comments *c, size_t node, enum trace_event event,
			    const struct trace_field *fields, size_t count, struct capture_comment *comment);

/* Adds what a frame is. */
void capture_comments_frame(const struct capture_comments *c, const uint8_t *frame, uint32_t len,
			    struct capture_comment *comment);

#endif
