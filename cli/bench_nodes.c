/* SPDX-License-Identifier: BSD-3-Clause */
/* nodes: what a node costs that does nothing. */
#include "base/err.h"
#include "cli/bench.h"
#include "cli/bench_world.h"
#include "cli/cli.h"

#include <stdio.h>
#include <unistd.h>

#define NODES 10000U

static const char idle_scenario[] = "baton: 1\n"
				    "seed: 1\n"
				    "stop: 10 s\n"
				    "networks:\n"
				    "  lan: { subnet: 10.0.0.0/16 }\n"
				    "nodes:\n"
				    "  host[1..10000]: { role: host, on: { lan: {} } }\n";

/* Bytes of this process that are in memory; 0 when the system does not tell. */
static double resident_bytes(void)
{
	unsigned long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (!f)
		return 0;
	if (fscanf(f, "%lu %lu", &all, &resident) != 2)
		resident = 0;
	fclose(f);
	return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

static double seconds_since(nstime start)
{
	return (double)(cli_clock() - start) / (double)NSTIME_S;
}

int bench_nodes(struct bench_report *report)
{
	struct scenario *s;
	struct bench_world b;

	double before = resident_bytes();
	nstime start = cli_clock();
	int r = bench_scenario_read(idle_scenario, &s);
	double read = seconds_since(start);
	if (r < 0)
		return r;
	start = cli_clock();
	r = bench_world_open(&b, s);
	double created = seconds_since(start);
	if (r < 0)
		return r;
	world_run(&b.world, NSTIME_S, UINT64_MAX); /* what they do at first: nothing of it counts */
	uint64_t events = world_run(&b.world, 2 * NSTIME_S, UINT64_MAX);
	double resident = resident_bytes() - before;
	start = cli_clock();
	bench_world_close(&b);
	bench_add_plain(report, "resident_kb_per_node", resident / NODES / 1000, "kB");
	bench_add_plain(report, "read_seconds", read, "s");
	bench_add_plain(report, "create_seconds", created, "s");
	bench_add_plain(report, "end_seconds", seconds_since(start), "s");
	bench_add_plain(report, "events_in_an_idle_second", (double)events, "events");
	return 0;
}
