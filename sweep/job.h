/* SPDX-License-Identifier: BSD-3-Clause */
/* One run of a sweep: reads the scenario with the cell's values, simulates it, stores what came out.
 *
 * It runs in a process of its own (sweep/pool.h), so that runs share nothing. Callers: cli/cmd_sweep.c. */
#ifndef BATON_SWEEP_JOB_H
#define BATON_SWEEP_JOB_H

#include "sim/scenario.h"
#include "sweep/grid.h"
#include "sweep/store.h"

#include <stdbool.h>

struct sweep_plan {
	const char *file; /* the scenario's */
	struct sweep_grid grid;
	struct sweep_store store;
	bool keep; /* trace and captures too */
};

/* The scenario of a cell, or every mistake in it: as scenario_read. */
int sweep_scenario_read(const struct sweep_grid *g, const char *file, size_t cell, struct scenario **out,
			struct scenario_mistakes *mistakes);

/* Simulates a run and stores it. enum sweep_status, or a negative enum err: E_IO (errno is set), E_INVAL (the
 * scenario cannot be read any more or asks for what this machine lacks). */
int sweep_job_run(const struct sweep_plan *plan, size_t run);

#endif
