/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/bench_world.h"

#include "base/err.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int bench_scenario_read(const char *text, struct scenario **s)
{
	char path[] = "/tmp/baton-bench-XXXXXX";
	struct scenario_mistakes mistakes = {0};
	int fd = mkstemp(path);
	FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
	if (!f)
		return E_IO;
	fputs(text, f);
	fclose(f);
	int r = scenario_read(path, NULL, 0, s, &mistakes);
	for (size_t n = 0; n < mistakes.count; n++)
		log_error("benchmark:%u:%u: %s", mistakes.list[n].line, mistakes.list[n].column, mistakes.list[n].text);
	scenario_mistakes_fini(&mistakes);
	unlink(path);
	return r;
}

int bench_world_open(struct bench_world *w, struct scenario *s)
{
	const char *why;
	*w = (struct bench_world){.scenario = s};
	tracefile_open(&w->trace, NULL);
	int r = world_init(&w->world, s, &(struct world_options){.seed = s->seed, .trace = w->trace}, &why);
	if (r < 0)
		bench_world_close(w);
	return r;
}

void bench_world_close(struct bench_world *w)
{
	char fingerprint[TRACEFILE_FINGERPRINT_LEN + 1];
	world_fini(&w->world);
	invariants_fini(&w->world.invariants);
	tracefile_close(w->trace, fingerprint);
	scenario_free(w->scenario);
}

uint64_t bench_world_packets(const struct bench_world *w, const char *node)
{
	const struct world_node *wn = &w->world.nodes[scenario_node_find(w->scenario, node)];
	uint64_t packets = 0;
	for (size_t a = 0; a < wn->spec->attachments_count; a++)
		packets += wn->attachments[a]->in.counters.delivered;
	return packets;
}
