/* SPDX-License-Identifier: BSD-3-Clause */
/* canon and diff: how fast a generated capture is read and printed or compared, by the command as a user has it, from
 * the page cache to /dev/null. At a quarter of the size and at the whole: the peaks of memory are to be alike. Beside
 * canon, where they are installed, what tshark takes to print the same file, and to read it only, and tcpprep, which is
 * tcpreplay's reader without the sending. */
#include "base/err.h"
#include "cli/bench.h"
#include "cli/bench_capture.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#define WORDS_MAX 8U
#define RUNS      2U     /* the faster one counts */
#define FILE_WORD "FILE" /* stands for the capture's name */
#define SELF      "/proc/self/exe"

/* A program that reads captures. */
struct subject {
	const char *part; /* in the report; NULL: Baton itself */
	const char *words[WORDS_MAX];
};

static const struct subject canon = {NULL, {SELF, "canon", FILE_WORD}};
static const struct subject diff = {NULL, {SELF, "diff", FILE_WORD, FILE_WORD}};
static const struct subject peers[] = {
	{"tshark", {"tshark", "-n", "-r", FILE_WORD}},
	{"tshark, only reading", {"tshark", "-n", "-q", "-r", FILE_WORD}},
	{"tcpprep, only reading", {"tcpprep", "--port", "-i", FILE_WORD, "-o", "/dev/null"}},
};

static int subject_run(const struct subject *s, char *path, struct bench_child *best)
{
	char *argv[WORDS_MAX + 1] = {NULL};
	struct bench_child run;

	for (size_t i = 0; i < WORDS_MAX && s->words[i]; i++)
		argv[i] = strcmp(s->words[i], FILE_WORD) ? (char *)(uintptr_t)s->words[i] : path;
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

static int measure(struct bench_report *report, const struct subject *s, char *path, uint64_t bytes, uint64_t packets,
		   double *seconds)
{
	struct bench_child best;
	int r = subject_run(s, path, &best);

	if (r)
		return r;
	*seconds = best.seconds;
	figure(report, "packets_per_second", (double)packets / best.seconds, "packets/s", s->part, bytes);
	figure(report, "peak_mb", (double)best.peak_kb / 1024, "MiB", s->part, bytes);
	return 0;
}

/* A peer that is not there, or cannot, is left out. */
static void measure_peers(struct bench_report *report, char *path, uint64_t bytes, uint64_t packets, double own)
{
	for (size_t i = 0; i < sizeof(peers) / sizeof(*peers); i++) {
		double seconds;

		if (bench_child_exists(peers[i].words[0]) &&
		    !measure(report, &peers[i], path, bytes, packets, &seconds))
			figure(report, "canon_is_faster", seconds / own, "times", peers[i].part, bytes);
	}
}

static int measure_size(struct bench_report *report, const struct subject *s, uint64_t bytes, bool beside)
{
	char path[256];
	uint64_t packets;
	double seconds;
	int r = bench_capture_write(path, sizeof(path), bytes, &packets);

	if (r)
		return r;
	r = measure(report, s, path, bytes, packets, &seconds);
	if (!r && beside)
		measure_peers(report, path, bytes, packets, seconds);
	unlink(path);
	return r;
}

int bench_canon(struct bench_report *report)
{
	int r = measure_size(report, &canon, bench_capture_bytes / 4, false);

	return r ? r : measure_size(report, &canon, bench_capture_bytes, true);
}

int bench_diff(struct bench_report *report)
{
	int r = measure_size(report, &diff, bench_capture_bytes / 4, false);

	return r ? r : measure_size(report, &diff, bench_capture_bytes, false);
}
