/* SPDX-License-Identifier: BSD-3-Clause */
/* A world from a scenario that a benchmark has as text. */
#ifndef BATON_CLI_BENCH_WORLD_H
#define BATON_CLI_BENCH_WORLD_H

#include "sim/scenario.h"
#include "sim/world.h"

struct bench_world {
	struct scenario *scenario;
	struct tracefile *trace;
	struct world world;
};

/* Reads a scenario's text, through a file that exists only meanwhile. 0 or a negative enum err; mistakes are logged. */
int bench_scenario_read(const char *text, struct scenario **s);

/* Builds its world, without files; takes the scenario over, in every case. 0 or a negative enum err: then there is
 * nothing to close. */
int bench_world_open(struct bench_world *w, struct scenario *s);
void bench_world_close(struct bench_world *w);

/* Packets that the node of this name received so far. */
uint64_t bench_world_packets(const struct bench_world *w, const char *node);

#endif
