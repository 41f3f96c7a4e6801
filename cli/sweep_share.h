/* SPDX-License-Identifier: BSD-3-Clause */
/* Which share of a sweep's runs this process takes, when several on one or many machines work on the same sweep.
 *
 * No scheduler of our own: Open MPI's mpirun (OMPI_COMM_WORLD_RANK and _SIZE), MPICH's (PMI_RANK and PMI_SIZE) and
 * Slurm's job arrays (SLURM_ARRAY_TASK_ID, _COUNT, _MIN and _STEP) say in the environment which process of how many it
 * is. Slurm's task numbers are not asked: they are set in a batch script too, which runs once. Caller: cmd_sweep.c. */
#ifndef BATON_CLI_SWEEP_SHARE_H
#define BATON_CLI_SWEEP_SHARE_H

#include <stddef.h>

struct sweep_share {
	size_t index, count; /* index below count */
};

/* "I/N". 0 or E_FORMAT. */
int sweep_share_read(struct sweep_share *s, const char *text);

/* What the environment says: ranks within each element of an array when both are there; 0 of 1 when neither is. */
struct sweep_share sweep_share_environment(void);

#endif
