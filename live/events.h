/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the things that happen in a live run are worth a line of its log (live/logger.h), and in what words.
 *
 * Level info: backends that drain, fall and rise, nodes that restart, changes of the key;
 * once a minute at most that courier frames of a peer are not taken, and what that may come from. Level detail
 * ("connections" in scenarios): what becomes of each connection at the balancer's parts. Caller: live/live.c. */
#ifndef BATON_LIVE_EVENTS_H
#define BATON_LIVE_EVENTS_H

#include "base/trace.h"
#include "sim/scenario.h"

struct events {
	const struct scenario *scenario;
	uint64_t minute;     /* of the monotonic clock: that in which rejected frames are counted */
	unsigned rejections; /* in it */
};

/* As struct world_live's `observe`; `context` is a struct events. */
void events_observe(void *context, size_t node, enum trace_event event, const struct trace_field *fields, size_t count);

#endif
