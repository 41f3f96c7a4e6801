/* SPDX-License-Identifier: BSD-3-Clause */
/* What makes a live run a service: the control socket and the metrics. Opened when the devices are, closed when the run
 * is over. Caller: live/live.c. */
#ifndef BATON_LIVE_SERVICE_H
#define BATON_LIVE_SERVICE_H

#include <stddef.h>

struct control;
struct exporter;
struct live;
struct metrics;

struct service {
	struct control *control;   /* NULL: there is none */
	struct exporter *exporter; /* the same */
};

/* Opens what the scenario asks for. Errors as those of control_open and exporter_open, with what is wrong in words in
 * `why`. */
int service_open(struct live *l, char *why, size_t why_size);
void service_close(struct live *l);

/* Sets live.log_dropped, live.scrapes and live.control.*. */
void service_count(const struct live *l, struct metrics *m);

#endif
