/* SPDX-License-Identifier: BSD-3-Clause */
/* The progress line of a run, and its end by SIGINT.
 *
 * The line is drawn on standard error when that is a terminal: virtual time, speed relative to real time, events a
 * second and the time left. Caller: cmd_run.c, which passes progress_show to run_scenario. */
#ifndef BATON_CLI_PROGRESS_H
#define BATON_CLI_PROGRESS_H

#include "base/nstime.h"

#include <stdbool.h>
#include <stdint.h>

struct progress {
	bool drawn, terminal;
	nstime wall_start, wall_drawn; /* the machine's clock */
};

/* Takes SIGINT and SIGTERM over until progress_fini: progress_show then says false. */
void progress_init(struct progress *p, bool quiet);
void progress_fini(struct progress *p); /* erases the line */

/* As struct run_options wants it; the context is the struct progress. */
bool progress_show(void *context, nstime now, nstime stop, uint64_t events);

#endif
