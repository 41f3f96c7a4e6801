/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/world_reload.h"

#include "base/err.h"
#include "sim/scenario_change.h"
#include "sim/world_build.h"

#include <assert.h>

int world_reload_check(const struct world *w, const struct scenario *fresh, const char **why)
{
	struct scenario_change change;

	scenario_change_count(w->scenario, fresh, &change);
	if (w->flows && (change.rules || change.gone)) {
		*why = "the run writes tables (--csv), which are by rule: its rules cannot change";
		return E_STATE;
	}
	for (size_t n = 0; change.key && n < w->scenario->nodes_count; n++)
		if (w->nodes[n].node && node_rekeying(w->nodes[n].node)) {
			*why = "the change of the key before is not over; that takes a few seconds";
			return E_STATE;
		}
	return 0;
}

/* A rule's count of choices goes on with the rule that has its conditions. */
static void chosen_carry(struct breakdown_rules *to, const struct breakdown_rules *from, const struct scenario *s,
			 const struct scenario *fresh)
{
	for (size_t i = 0; i < s->services_count; i++) {
		const struct scenario_service *was = &s->services[i], *is = &fresh->services[i];

		for (size_t r = 0; r < is->rules_count; r++)
			for (size_t o = 0; o < was->rules_count; o++)
				if (scenario_rule_same_match(&is->rules[r], &was->rules[o])) {
					to->chosen[to->first[i] + r] = from->chosen[from->first[i] + o];
					break;
				}
	}
}

void world_reload(struct world *w, struct scenario *s, struct scenario *fresh)
{
	struct breakdown_rules rules;
	struct scenario_change change;

	assert(s == w->scenario);
	scenario_change_count(s, fresh, &change);
	breakdown_rules_init(&rules, fresh);
	chosen_carry(&rules, &w->rules, s, fresh);
	breakdown_rules_fini(&w->rules);
	w->rules = rules;
	scenario_change_swap(s, fresh);
	world_cluster_reload(w);
	for (size_t n = 0; n < s->nodes_count; n++) {
		struct world_node *wn = &w->nodes[n];

		if (!wn->node || !wn->device || !(wn->spec->roles & (ROLE_CLASSIFIER | ROLE_BACKEND)))
			continue;
		node_reconfigure(wn->node, w->engine.now);
		world_node_settle(wn);
	}
	if (change.key)
		world_rekey(w, s->key, 0);
}
