/* SPDX-License-Identifier: BSD-3-Clause */
/* The folder of a sweep, which is all its state: what is in it is done, and a sweep that was ended goes on from there.
 *
 *     DIR/sweep.json            what the sweep is: version, file and a hash of it, varied values, seeds
 *     DIR/runs/NAME/run.json    one run: its values and seed, how it ended, the expectations that failed
 *     DIR/runs/NAME/result.json its results, as baton(1) describes them
 *     DIR/runs/.NAME.part/      a run at work, or one that was cut off
 *
 * A run's folder appears whole or not at all (rename), so that processes on many machines may share DIR. Callers:
 * cli/cmd_sweep.c and the rest of sweep/. */
#ifndef BATON_SWEEP_STORE_H
#define BATON_SWEEP_STORE_H

#include "sweep/grid.h"

#include <stdbool.h>

#define SWEEP_PATH_MAX 4096U

struct sweep_store {
	const char *dir; /* borrowed */
};

/* How a run ended. */
enum sweep_status {
	SWEEP_HELD = 0,   /* every expectation held */
	SWEEP_FAILED = 1, /* some did not */
	SWEEP_BROKEN = 3, /* an invariant broke */
};

/* Makes the folder, or opens one of the very same sweep. `file` is the scenario's. 0; E_EXISTS: the folder holds
 * another sweep (of another file, version, or grid); E_IO with errno set. */
int sweep_store_open(struct sweep_store *s, const char *dir, const char *file, const struct sweep_grid *g);

/* Whether a run's results are there. */
bool sweep_store_done(const struct sweep_store *s, const char *name);

/* An empty folder for the run to write into; its path in `out`. 0 or E_IO with errno set. */
int sweep_store_begin(const struct sweep_store *s, const char *name, char out[SWEEP_PATH_MAX]);

/* The folder's content is complete: it becomes the run's. 0 or E_IO with errno set. */
int sweep_store_commit(const struct sweep_store *s, const char *name);

/* The path of something of a run, or (name NULL) of the sweep. 0, or E_IO (ENAMETOOLONG). */
int sweep_store_path(const struct sweep_store *s, const char *name, const char *file, char out[SWEEP_PATH_MAX]);

#endif
