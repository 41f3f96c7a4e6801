/* SPDX-License-Identifier: BSD-3-Clause */
/* A running world takes over what may change of its scenario (sim/scenario_change.h), all of it or nothing. Caller:
 * live/reload.c. */
#ifndef BATON_SIM_WORLD_RELOAD_H
#define BATON_SIM_WORLD_RELOAD_H

#include "sim/world.h"

/* Whether this is a moment for it: 0, or E_STATE with *why, a static text. */
int world_reload_check(const struct world *w, const struct scenario *fresh, const char **why);

/* Takes over what `fresh` says; what was is in `fresh` then. `s` is the world's own scenario, which it has as one that
 * does not change. Preconditions: scenario_change_check, world_reload_check. */
void world_reload(struct world *w, struct scenario *s, struct scenario *fresh);

#endif
