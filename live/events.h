/* SPDX-License-Identifier: BSD-3-Clause */
/* Which of the things that happen in a live run are worth a line of its log (live/logger.h), and in what words.
 *
 * Level info: backends that drain, fall and rise, nodes that restart, changes of the key. Level detail ("connections"
 * in scenarios): what becomes of each connection at the balancer's parts. Caller: live/live.c. */
#ifndef BATON_LIVE_EVENTS_H
#define BATON_LIVE_EVENTS_H

#include "base/trace.h"
#include "sim/scenario.h"

/* As struct world_live's `observe`; `context` is the scenario. */
void events_observe(void *context, size_t node, enum trace_event event, const struct trace_field *fields, size_t count);

#endif
