/* SPDX-License-Identifier: BSD-3-Clause */
/* Courier frames, opened with the cluster's key, as someone who looks at captures with the key would. Frames under an
 * earlier key stay sealed. Plain functions. Callers: sim/steps_packet.c, sim/capture_comment.c. */
#ifndef BATON_SIM_OPENED_H
#define BATON_SIM_OPENED_H

#include "lb/frame.h"
#include "node/node.h"

#define OPENED_FRAME_MAX 2048U /* bytes of a frame that is opened */

/* Opens a frame of kind DATA in place: its body borrows from `frame`. `boots` are the present boot ids of all
 * `devices`, by device number - 1. False: it does not open. */
bool opened_frame(const struct node_cluster *cluster, const uint64_t *boots, size_t devices,
		  const struct frame_header *h, uint8_t *frame, size_t len, struct frame_body *body);

/* The static name of a message's type: "PREPARE". */
const char *opened_message_name(uint8_t type);

#endif
