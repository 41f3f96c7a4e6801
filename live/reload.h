/* SPDX-License-Identifier: BSD-3-Clause */
/* SIGHUP: the scenario file is read again, with the same words of --set, and what may change of it is taken over:
 * rules, their backends and weights, health, the key (sim/scenario_change.h).
 *
 * All or nothing: a file with a mistake, or with a change that cannot be, changes nothing, and the log says why, by
 * file, line and column. After the privileges were dropped, the file and the key's must be readable for the user. While
 * it is read the run stands still. Caller: live/live.c. */
#ifndef BATON_LIVE_RELOAD_H
#define BATON_LIVE_RELOAD_H

#include <stdbool.h>

struct live;

/* Whether the file was taken over. */
bool live_reload(struct live *l);

#endif
