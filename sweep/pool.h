/* SPDX-License-Identifier: BSD-3-Clause */
/* Runs jobs in parallel processes, so many at a time, each in a process of its own.
 *
 * It knows nothing of sweeps. Caller: cli/cmd_sweep.c. */
#ifndef BATON_SWEEP_POOL_H
#define BATON_SWEEP_POOL_H

#include <stdbool.h>
#include <stddef.h>

#define POOL_JOBS_MAX 1024U

struct pool {
	size_t jobs; /* at a time, 1 to POOL_JOBS_MAX */
	/* In the child: runs job `index` and returns its exit status, 0 to 255. */
	int (*run)(void *context, size_t index);
	/* In the parent: a job ended with this exit status, or (negative) of this signal. False: start no more. */
	bool (*ended)(void *context, size_t index, int status);
	/* In the parent, about ten times a second while it waits. */
	void (*tick)(void *context);
	void *context;
};

/* Runs the jobs listed, in that order. 0 when all were started and have ended; E_CLOSED when SIGINT or SIGTERM came
 * (children are ended then) or `ended` said stop (those at work have ended); E_IO when a process could not be made
 * (errno is set). A child ends with its parent. */
int pool_run(const struct pool *p, const size_t *indices, size_t count);

#endif
