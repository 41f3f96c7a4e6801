/* SPDX-License-Identifier: BSD-3-Clause */
/* sim-bulk and sim-short: how fast the simulator moves packets and makes connections, payload real, every checksum
 * computed and verified, every byte verified against its seed. */
#include "base/err.h"
#include "cli/bench.h"
#include "cli/bench_world.h"
#include "cli/cli.h"

#define TOPOLOGY                                                                                                       \
	"baton: 1\n"                                                                                                   \
	"seed: 1\n"                                                                                                    \
	"stop: 600 s\n"                                                                                                \
	"networks:\n"                                                                                                  \
	"  left:  { subnet: 10.1.0.0/24 }\n"                                                                           \
	"  right: { subnet: 10.2.0.0/24 }\n"                                                                           \
	"nodes:\n"                                                                                                     \
	"  client[1..8]: { role: client, on: { left: { rate: 1 Gbit, delay: 500 us } } }\n"                            \
	"  router: { role: router, on: { left: {}, right: {} } }\n"                                                    \
	"  server[1..4]: { role: host, on: { right: { rate: 1 Gbit, delay: 500 us } }, apps: { sink: 9, http: 80 } "   \
	"}\n"                                                                                                          \
	"traffic:\n"
#define BULK(client, server)                                                                                           \
	"  - { from: client" #client ", to: \"server" #server ":9\", app: bulk, requests: 1, bytes: 50 MB }\n"
#define SHORT(server)                                                                                                  \
	"  - { from: \"client*\", to: \"server" #server                                                                \
	":80\", requests: 5000, rate: 2500 /s, method: POST, path: \"/{n}\", body: 200 B, reply: 10 kB }\n"

static const char bulk_scenario[] =
	TOPOLOGY BULK(1, 1) BULK(2, 2) BULK(3, 3) BULK(4, 4) BULK(5, 1) BULK(6, 2) BULK(7, 3) BULK(8, 4);
static const char short_scenario[] = TOPOLOGY SHORT(1) SHORT(2) SHORT(3) SHORT(4);

/* Runs it to its end and reports. E_STATE when not every request was completed. */
static int sim_run(struct bench_report *report, const char *text)
{
	struct scenario *s;
	struct bench_world b;
	int r = bench_scenario_read(text, &s);
	if (!r)
		r = bench_world_open(&b, s);
	if (r < 0)
		return r;
	nstime start = cli_clock();
	world_run(&b.world, s->stop, UINT64_MAX);
	double wall = (double)(cli_clock() - start) / (double)NSTIME_S;
	uint64_t packets = bench_world_packets(&b, "router");
	const struct traffic *t = &b.world.traffic;
	if (!b.world.done || t->failed || t->corrupted)
		r = E_STATE;
	bench_add_plain(report, "packets_per_second", (double)packets / wall, "packets/s");
	bench_add_plain(report, "connections_per_second", (double)t->completed / wall, "connections/s");
	bench_add_plain(report, "packets", (double)packets, "packets");
	bench_add_plain(report, "connections", (double)t->completed, "connections");
	bench_add_plain(report, "wall_seconds", wall, "s");
	bench_add_plain(report, "virtual_seconds", (double)b.world.engine.now / (double)NSTIME_S, "s");
	bench_world_close(&b);
	return r;
}

int bench_sim_bulk(struct bench_report *report)
{
	return sim_run(report, bulk_scenario);
}

int bench_sim_short(struct bench_report *report)
{
	return sim_run(report, short_scenario);
}
