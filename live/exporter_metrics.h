/* SPDX-License-Identifier: BSD-3-Clause */
/* What a live run tells Prometheus: names begin with baton_, counters end with _total, times are in seconds and sizes
 * in bytes; labels are node, network, direction, service, rule, backend, state, device, part and reason. doc/live.md
 * lists them. Caller: live/service.c. */
#ifndef BATON_LIVE_EXPORTER_METRICS_H
#define BATON_LIVE_EXPORTER_METRICS_H

#include "live/exposition.h"
#include "live/live.h"

void exporter_metrics(const struct live *l, struct exposition *e);

#endif
