/* SPDX-License-Identifier: BSD-3-Clause */
/* result.json, which holds only what is deterministic, and perf.json, which holds what is not: metric trees written as
 * nested objects in order of insertion, indented by two. Caller: sim/world. */
#ifndef BATON_SIM_RESULT_H
#define BATON_SIM_RESULT_H

#include "base/nstime.h"
#include "sim/metrics.h"

#include <stdint.h>

/* What a run cost. */
struct result_cost {
	nstime wall;
	nstime simulated;
	uint64_t events;
	uint64_t packets;           /* link traversals */
	uint64_t peak_memory_bytes; /* resident */
};

/* Adds every metric a run always has, as zero (fingerprint as an empty text), so that result.json has all its keys, in
 * one order, whatever happens, and so that `baton check` knows the names. */
void result_declare(struct metrics *m);

/* perf.json's wall_seconds, virtual_seconds, events, packets, events_per_second, packets_per_second and
 * peak_memory_bytes. */
void result_cost_set(struct metrics *perf, const struct result_cost *cost);

/* The tree as nested objects, for the caller to free. */
struct json_t *result_json(const struct metrics *m);

/* Writes either. 0, or E_IO with errno set. */
int result_write(const struct metrics *m, const char *path);

#endif
