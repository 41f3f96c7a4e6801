/* SPDX-License-Identifier: BSD-3-Clause */
/* scale: what a packet costs as a run grows, counted at the routers. By nodes: groups of ten (eight clients, a router,
 * a server) that make, however many they are, the same connections together in the same time, at times that are drawn,
 * so that the node whose turn it is was never there a moment ago. By connections: so many users of one server keep one
 * open each and ask again after a time that makes as many requests a second of them all; measured when all are there.
 */
#include "base/err.h"
#include "base/vec.h"
#include "cli/bench.h"
#include "cli/bench_world.h"
#include "cli/cli.h"

#include <stdarg.h>
#include <stdio.h>

#define GROUP_NODES   10U
#define GROUP_CLIENTS 8U
#define CONNECTIONS   40000U /* in all groups together: 200 B up, 10 kB down */
#define SECONDS       4U     /* in which they are opened */
#define ASKING_NODES  100U   /* of the users */
#define ASKED_A_MS    20U    /* requests a millisecond of all users */
#define ASKED         100000U

/* Adds to a scenario's text. */
__attribute__((format(printf, 2, 3))) static void line(struct vec *text, const char *format, ...)
{
	char one[256];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(one, sizeof(one), format, args);
	va_end(args);
	vec_append(text, one, (size_t)n);
}

static void groups_write(struct vec *text, unsigned groups)
{
	line(text, "baton: 1\nseed: 1\nstop: 600 s\nnetworks:\n");
	for (unsigned g = 0; g < groups; g++)
		for (unsigned side = 0; side < 2; side++)
			line(text, "  %c%u: { subnet: 10.%u.%u.0/24 }\n", "lr"[side], g, (2 * g + side) >> 8,
			     (2 * g + side) & 255);
	line(text, "nodes:\n");
	for (unsigned g = 0; g < groups; g++) {
		line(text, "  client%ux[1..%u]: { role: client, on: { l%u: { rate: 1 Gbit, delay: 500 us } } }\n", g,
		     GROUP_CLIENTS, g);
		line(text, "  router%u: { role: router, on: { l%u: {}, r%u: {} } }\n", g, g, g);
		line(text, "  server%u: { role: host, on: { r%u: { rate: 1 Gbit, delay: 500 us } }, ", g, g);
		line(text, "apps: { http: 80 } }\n");
	}
	line(text, "traffic:\n");
	for (unsigned g = 0; g < groups; g++) {
		unsigned requests = CONNECTIONS / groups;
		line(text, "  - { from: \"client%ux*\", to: \"server%u:80\", requests: %u, rate: %u /min, ", g, g,
		     requests, requests * 60 / SECONDS);
		line(text, "arrivals: poisson, method: POST, path: \"/{n}\", body: 200 B, reply: 10 kB }\n");
	}
	vec_append(text, "", 1);
}

static void figure(struct bench_report *report, double ns, unsigned size, const char *unit)
{
	bench_add(report,
		  &(struct bench_value){
			  .metric = "ns_per_packet", .value = ns, .unit = "ns", .size = (long)size, .size_unit = unit});
}

static int nodes_run(struct bench_report *report, unsigned nodes)
{
	unsigned groups = nodes / GROUP_NODES;
	struct vec text = {0};
	struct scenario *s;
	struct bench_world b;
	groups_write(&text, groups);
	int r = bench_scenario_read((const char *)text.data, &s);
	vec_fini(&text);
	if (!r)
		r = bench_world_open(&b, s);
	if (r < 0)
		return r;
	nstime start = cli_clock();
	world_run(&b.world, s->stop, UINT64_MAX);
	double wall = (double)(cli_clock() - start);
	uint64_t packets = 0;
	for (unsigned g = 0; g < groups; g++) {
		char name[32];
		snprintf(name, sizeof(name), "router%u", g);
		packets += bench_world_packets(&b, name);
	}
	if (!b.world.done || b.world.traffic.failed || b.world.traffic.corrupted)
		r = E_STATE;
	figure(report, wall / (double)packets, nodes, "nodes");
	bench_world_close(&b);
	return r;
}

static int connections_run(struct bench_report *report, unsigned connections)
{
	unsigned ramp_ms = connections / ASKED_A_MS;
	struct vec text = {0};
	struct scenario *s;
	struct bench_world b;
	line(&text, "baton: 1\nseed: 1\nstop: 600 s\nnetworks:\n");
	line(&text, "  left: { subnet: 10.1.0.0/24 }\n  right: { subnet: 10.2.0.0/24 }\n");
	line(&text, "nodes:\n  client[1..%u]: { role: client, on: { left: { delay: 500 us } } }\n", ASKING_NODES);
	line(&text, "  router: { role: router, on: { left: {}, right: {} } }\n");
	line(&text, "  server: { role: host, on: { right: { delay: 500 us } }, apps: { http: 80 } }\n");
	line(&text, "traffic:\n  - { from: \"client*\", to: \"server:80\", users: %u, ramp: %u ms, think: %u ms, ",
	     connections, ramp_ms, ramp_ms);
	line(&text, "requests: %u, per_connection: 1000, reply: 1 KiB }\n", connections + 2 * ASKED);
	vec_append(&text, "", 1);
	int r = bench_scenario_read((const char *)text.data, &s);
	vec_fini(&text);
	if (!r)
		r = bench_world_open(&b, s);
	if (r < 0)
		return r;
	world_run(&b.world, (ramp_ms + 5) * NSTIME_MS, UINT64_MAX);
	uint64_t packets = bench_world_packets(&b, "router");
	nstime start = cli_clock();
	world_run(&b.world, (ramp_ms + 5 + ASKED / ASKED_A_MS) * NSTIME_MS, UINT64_MAX);
	double wall = (double)(cli_clock() - start);
	packets = bench_world_packets(&b, "router") - packets;
	if (b.world.traffic.failed || b.world.traffic.completed < connections)
		r = E_STATE;
	figure(report, wall / (double)packets, connections, "connections");
	bench_world_close(&b);
	return r;
}

/* How many times the first of the figures from `first` on the last is. */
static double growth(const struct bench_report *report, size_t first)
{
	return report->values[report->count - 1].value / report->values[first].value;
}

int bench_scale(struct bench_report *report)
{
	static const unsigned nodes[] = {10, 100, 1000, 10000};
	static const unsigned connections[] = {1000, 100000, 1000000};
	int r = 0;
	for (size_t n = 0; !r && n < sizeof(nodes) / sizeof(*nodes); n++)
		r = nodes_run(report, nodes[n]);
	if (!r)
		bench_add_plain(report, "nodes_growth", growth(report, 0), "times");
	size_t first = report->count;
	for (size_t n = 0; !r && n < sizeof(connections) / sizeof(*connections); n++)
		r = connections_run(report, connections[n]);
	if (!r)
		bench_add_plain(report, "connections_growth", growth(report, first), "times");
	return r;
}
