/* SPDX-License-Identifier: BSD-3-Clause */
/* DIR/scenario.json: what a run was made of, so that it can be made again. A run is a function of scenario, seed and
 * version: from these few bytes comes everything that its trace and captures do not hold.
 *
 *   { "baton": VERSION, "file": the scenario's absolute path, "sets": ["PATH=VALUE", ...], "scenario": its text,
 *     "live": whether it ran in real time, and so cannot be made again }
 *
 * `--seed N` is the set "seed=N", behind the others. Also what can be told of a run from the ends of its trace.jsonl
 * without reading it. Callers: sim/run writes it, cli/cmd_ladder reads it. */
#ifndef BATON_SIM_RERUN_H
#define BATON_SIM_RERUN_H

#include "sim/scenario.h"

#define RERUN_WHY_MAX 256U

struct rerun {
	char *version, *file, *text;
	char **sets;
	size_t sets_count;
};

/* Writes `directory`/scenario.json. seed NULL: the scenario's. 0, or E_IO with errno set. */
int rerun_write(const char *directory, const struct scenario *s, const uint64_t *seed, bool live);

/* Reads it. 0, or E_INVAL with the reason in `why`, a live run being one; r is to be passed to rerun_fini in every
 * case. */
int rerun_read(struct rerun *r, const char *directory, char why[RERUN_WHY_MAX]);
void rerun_fini(struct rerun *r);

/* How far a trace goes. */
struct rerun_trace {
	bool ended;  /* it ends with run.end */
	nstime last; /* of its last whole line */
};

/* Looks at `directory`/trace.jsonl. 0, or E_INVAL with the reason in `why`: no such file, no trace of this version, or
 * cut off before its first event. */
int rerun_trace_look(struct rerun_trace *t, const char *directory, char why[RERUN_WHY_MAX]);

#endif
