/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/bench.h"

#include "base/err.h"
#include "cli/bench_handoff.h"

#include <assert.h>

const struct bench bench_list[] = {
	/* first: it measures memory that others have not used and given back */
	{"nodes", "10,000 idle nodes: memory of one, time to read and to create them, events in a second", bench_nodes},
	{"sim-bulk", "8 flows of 50 MB through a router at 1 Gbit/s: packets a wall second, each counted once there",
	 bench_sim_bulk},
	{"sim-short", "20,000 connections of 200 B up and 10 kB down through a router: connections a wall second",
	 bench_sim_short},
	{"scale",
	 "the cost of a packet at the router, by nodes that all have traffic, and by connections that are open",
	 bench_scale},
	{"handoff", "compile, encode, seal, open, decode and infuse one connection, parts and total, by size",
	 bench_handoff_report},
	{"forwarder", "look up, encapsulate and update checksums at a random entry of the mapping table, by size",
	 bench_forwarder},
	{"engine", "the event queue in the hold model, by events pending", bench_engine},
	{"canon", "print a generated capture as canonical text, by size, beside tshark and tcpprep where they are",
	 bench_canon},
	{"diff", "compare a generated capture with itself, by size", bench_diff},
	{"replay", "replay a generated capture as fast as it goes, by size, beside readers where they are",
	 bench_replay},
	{NULL, NULL, NULL},
};

void bench_add(struct bench_report *r, const struct bench_value *value)
{
	assert(r->count < BENCH_VALUES_MAX);
	r->values[r->count++] = *value;
}

void bench_add_plain(struct bench_report *r, const char *metric, double value, const char *unit)
{
	bench_add(r, &(struct bench_value){.metric = metric, .value = value, .unit = unit, .size = BENCH_NO_SIZE});
}

/* Unread bytes of the connections that are handed off, and how often each. */
static const struct {
	size_t bytes, iterations;
} handoff_sizes[] = {{0, 20000}, {16384, 5000}, {65535, 2000}};

int bench_handoff_report(struct bench_report *r)
{
	static const enum seal_cipher ciphers[] = {SEAL_CHACHA20_POLY1305, SEAL_AES256_GCM};
	for (size_t c = 0; c < sizeof(ciphers) / sizeof(*ciphers); c++) {
		if (seal_cipher_check(ciphers[c]) < 0)
			continue; /* this processor cannot */
		for (size_t n = 0; n < sizeof(handoff_sizes) / sizeof(*handoff_sizes); n++) {
			struct bench_handoff_result result;
			size_t bytes = handoff_sizes[n].bytes;
			int e = bench_handoff(bytes, handoff_sizes[n].iterations, ciphers[c], &result);
			if (e < 0)
				return e;
			for (unsigned p = 0; p < BENCH_HANDOFF_PARTS; p++) {
				struct bench_value v = {
					.unit = "us",
					.cipher = seal_cipher_name(ciphers[c]),
					.part = bench_handoff_part_name((enum bench_handoff_part)p),
					.size = (long)bytes,
					.size_unit = "B",
				};
				v.metric = "median_us", v.value = result.parts[p].median_ns / 1e3;
				bench_add(r, &v);
				v.metric = "p99_us", v.value = result.parts[p].p99_ns / 1e3;
				bench_add(r, &v);
				v.metric = "max_us", v.value = result.parts[p].max_ns / 1e3;
				bench_add(r, &v);
			}
		}
	}
	return 0;
}
