/* SPDX-License-Identifier: BSD-3-Clause */
/* What a live run answers on its control socket. Every member is there unless it says "or null"; times are integers, in
 * microseconds since the run began where they are moments.
 *
 * status:      name, version, pid; phase ("running", "draining"); uptime_us; lag_us { p50, p99, max }, wakeups,
 *              kept_real_time; nodes (of this process); connections { classifying, open }: being read or handed over
 *              by classifiers here, and those of backends here, or, where there are none, of the forwarder's table;
 *              devices [ { name, kind ("tap", "veth"), state ("up", "down", "gone"), in_packets, in_bytes, out_packets,
 *              out_bytes, dropped } ]; control { clients, requests, malformed, refused, slow }
 * connections: connections [ { client, vip, service or null, rule or null, backend or null, state, flow or null,
 *              handed_over_us or null } ], at most CONTROL_PAGE of them; uptime_us; next, or null: where the next page
 * begins. state: "reading", "waiting" and "handing" at the classifier, "held" and "active" at the backend; and in a
 * process that has the forwarder "prepared", "committed", "returned", "closing" there backends:    backends [ { name,
 * here, state, rules [ { service, rule, weight } ], connections or null, handed_over or null } ]. state: "up", "down",
 * "draining", "full", "paused" (it failed a hand-off a moment ago), or "unknown", where neither it nor a classifier
 * runs here drain:       name, within_us undrain:     name stats:       result, as result.json has it; what only the
 * end of a run can tell is empty or zero
 *
 * Caller: live/service.c. */
#ifndef BATON_LIVE_CONTROL_ANSWER_H
#define BATON_LIVE_CONTROL_ANSWER_H

#include "live/control_request.h"
#include "live/live.h"

#define CONTROL_PAGE         256U
#define CONTROL_DRAIN_WITHIN (30 * NSTIME_S) /* without `within` */

struct json_t;

/* The states of backends; NULL at the end. And which one the scenario's node `n`, a backend, is in. */
extern const char *const backend_states[];
const char *backend_state(const struct live *l, size_t n);

/* As control_config.answer. */
struct json_t *control_answer(struct live *l, const struct control_request *r, char why[CONTROL_WHY_MAX]);

#endif
