/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/bench_reader.h"

#include "base/err.h"
#include "cli/bench_capture.h"

#include <string.h>

#define RUNS 2U /* the faster one counts */

static const struct bench_reader peers[] = {
	{"tshark", {"tshark", "-n", "-r", BENCH_READER_FILE}},
	{"tshark, only reading", {"tshark", "-n", "-q", "-r", BENCH_READER_FILE}},
	{"tcpprep, only reading", {"tcpprep", "--port", "-i", BENCH_READER_FILE, "-o", "/dev/null"}},
};

static int reader_run(const struct bench_reader *s, char *path, struct bench_child *best)
{
	char *argv[BENCH_READER_WORDS + 1] = {NULL};
	struct bench_child run;

	for (size_t i = 0; i < BENCH_READER_WORDS && s->words[i]; i++)
		argv[i] = strcmp(s->words[i], BENCH_READER_FILE) ? (char *)(uintptr_t)s->words[i] : path;
	for (unsigned n = 0; n < RUNS; n++) {
		int r = bench_child_run(argv, &run);

		if (r)
			return r;
		if (run.status)
			return E_STATE;
		if (!n || run.seconds < best->seconds)
			*best = run;
	}
	return 0;
}

static void figure(struct bench_report *report, const char *metric, double value, const char *unit, const char *part,
		   uint64_t bytes)
{
	bench_add(report, &(struct bench_value){.metric = metric,
						.value = value,
						.unit = unit,
						.part = part,
						.size = (long)(bytes / 1000000),
						.size_unit = "MB"});
}

int bench_reader_measure(struct bench_report *report, const struct bench_reader *s, char *path, uint64_t bytes,
			 uint64_t packets, double *seconds)
{
	struct bench_child best;
	int r = reader_run(s, path, &best);

	if (r)
		return r;
	*seconds = best.seconds;
	figure(report, "packets_per_second", (double)packets / best.seconds, "packets/s", s->part, bytes);
	figure(report, "peak_mb", (double)best.peak_kb / 1024, "MiB", s->part, bytes);
	return 0;
}

void bench_reader_peers(struct bench_report *report, char *path, uint64_t bytes, uint64_t packets, double own,
			const char *metric, bool printing)
{
	for (size_t i = printing ? 0 : 1; i < sizeof(peers) / sizeof(*peers); i++) {
		double seconds;

		if (bench_child_exists(peers[i].words[0]) &&
		    !bench_reader_measure(report, &peers[i], path, bytes, packets, &seconds))
			figure(report, metric, seconds / own, "times", peers[i].part, bytes);
	}
}
