/* SPDX-License-Identifier: BSD-3-Clause */
/* The connections of a live run, page by page, out of what its nodes know of each: the forwarder's table, what its
 * classifiers read, what its backends have. Caller: live/control_answer.c. */
#ifndef BATON_LIVE_CONTROL_CONNECTIONS_H
#define BATON_LIVE_CONTROL_CONNECTIONS_H

#include "live/control_request.h"
#include "live/live.h"

struct json_t;

struct live_connections {
	uint64_t classifying, open;
};

struct live_connections live_connections_of(const struct live *l);

/* A page, as live/control_answer.h says. NULL with what is wrong. */
struct json_t *control_connections(const struct live *l, uint64_t from, char why[CONTROL_WHY_MAX]);

#endif
