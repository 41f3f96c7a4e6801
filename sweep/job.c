/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/job.h"

#include "base/err.h"
#include "base/log.h"
#include "sim/result.h"
#include "sim/run.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

int sweep_scenario_read(const struct sweep_grid *g, const char *file, size_t cell, struct scenario **out,
			struct scenario_mistakes *mistakes)
{
	char *sets[SWEEP_VARIES_MAX];

	sweep_grid_sets(g, cell, sets);
	int r = scenario_read(file, (const char *const *)sets, g->varies_count, out, mistakes);
	for (size_t i = 0; i < g->varies_count; i++)
		free(sets[i]);
	return r;
}

static enum sweep_status status_of(const struct run_results *r)
{
	return r->broken ? SWEEP_BROKEN : r->expectations_failed ? SWEEP_FAILED : SWEEP_HELD;
}

static json_t *json_check(json_t *value)
{
	if (!value)
		log_fatal("out of memory: a sweep");
	return value;
}

/* run.json: what was run and how it ended. */
static json_t *record_make(const struct sweep_plan *plan, size_t run, uint64_t seed, const struct run_results *r)
{
	struct sweep_point p = sweep_grid_point(&plan->grid, run);
	json_t *values = json_check(json_object()), *failed = json_check(json_array());
	char name[SWEEP_NAME_MAX], seed_text[24];

	sweep_grid_name(&plan->grid, run, name);
	snprintf(seed_text, sizeof(seed_text), "%llu", (unsigned long long)seed);
	for (size_t i = 0; i < plan->grid.varies_count; i++)
		json_object_set_new(values, plan->grid.varies[i].path,
				    json_check(json_string(sweep_grid_value(&plan->grid, p.cell, i))));
	for (size_t i = 0; i < r->expectations_count; i++)
		if (!r->expectations[i].held)
			json_array_append_new(
				failed, json_check(json_pack("{s:s, s:s}", "expected", r->expectations[i].source->text,
							     "but", r->expectations[i].actual)));
	json_t *record = json_check(json_pack("{s:s, s:s, s:o, s:i, s:o}", "run", name, "seed", seed_text, "values",
					      values, "status", (int)status_of(r), "failed", failed));
	if (r->broken)
		json_object_set_new(record, "broken", json_check(json_sprintf("%s: %s", r->broken, r->broken_detail)));
	return record;
}

static int results_store(const struct sweep_plan *plan, size_t run, uint64_t seed, const char *part,
			 const struct run_results *r)
{
	char path[SWEEP_PATH_MAX], name[SWEEP_NAME_MAX];
	struct sweep_store folder = {.dir = part};

	sweep_grid_name(&plan->grid, run, name);
	if (sweep_store_path(&folder, NULL, "result.json", path) < 0 || result_write(&r->metrics, path) < 0 ||
	    sweep_store_path(&folder, NULL, "run.json", path) < 0)
		return E_IO;
	json_t *record = record_make(plan, run, seed, r);
	int failed = json_dump_file(record, path, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
	json_decref(record);
	return failed ? E_IO : sweep_store_commit(&plan->store, name);
}

static int scenario_simulate(const struct sweep_plan *plan, size_t run, const struct scenario *s)
{
	struct sweep_point p = sweep_grid_point(&plan->grid, run);
	char name[SWEEP_NAME_MAX], part[SWEEP_PATH_MAX];
	struct run_results results;

	sweep_grid_name(&plan->grid, run, name);
	int r = sweep_store_begin(&plan->store, name, part);
	if (r < 0)
		return r;
	const struct run_options options = {
		.out = plan->keep ? part : NULL, .seed_given = plan->grid.seeds_count > 0, .seed = p.seed};
	r = run_scenario(s, &options, &results);
	if (!r || r == E_STATE)
		r = results_store(plan, run, options.seed_given ? p.seed : s->seed, part, &results);
	if (!r)
		r = (int)status_of(&results);
	run_results_fini(&results);
	return r;
}

int sweep_job_run(const struct sweep_plan *plan, size_t run)
{
	struct scenario_mistakes mistakes;
	struct scenario *s;
	int r = sweep_scenario_read(&plan->grid, plan->file, sweep_grid_point(&plan->grid, run).cell, &s, &mistakes);

	scenario_mistakes_fini(&mistakes);
	if (r < 0)
		return r;
	r = scenario_simulate(plan, run, s);
	scenario_free(s);
	return r;
}
