/* SPDX-License-Identifier: BSD-3-Clause */
/* Another version of a scenario in the place of one that runs: which of its differences can be, and those taken over.
 *
 * The rules of services, health and the key may differ. Networks, nodes, VIPs, and all else may not: nodes and services
 * are known by their numbers, and what runs was made from them. The files are compared as trees of values, so that
 * comments, order of a rule's keys and --set count for what they mean. Callers: sim/world_reload.c, live/reload.c. */
#ifndef BATON_SIM_SCENARIO_CHANGE_H
#define BATON_SIM_SCENARIO_CHANGE_H

#include "sim/scenario.h"

/* Whether `fresh` may take the place of `s`. False: *m, which the caller frees, says what cannot change, by its place
 * in fresh's file. */
bool scenario_change_check(const struct scenario *s, const struct scenario *fresh, struct scenario_mistakes *m);

/* What differs: how many rules are new or say something else than the one with their conditions before, and how many
 * are gone; whether health, and the key do. */
struct scenario_change {
	size_t rules, gone;
	bool health, key;
};
void scenario_change_count(const struct scenario *s, const struct scenario *fresh, struct scenario_change *out);

/* Whether two rules have the same conditions. */
bool scenario_rule_same_match(const struct scenario_rule *a, const struct scenario_rule *b);

/* Exchanges what may differ. Precondition: scenario_change_check. */
void scenario_change_swap(struct scenario *s, struct scenario *fresh);

#endif
