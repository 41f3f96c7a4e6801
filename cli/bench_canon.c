/* SPDX-License-Identifier: BSD-3-Clause */
/* canon and diff: how fast a generated capture is read and printed or compared, by the command as a user has it. At a
 * quarter of the size and at the whole: the peaks of memory are to be alike. */
#include "cli/bench.h"
#include "cli/bench_capture.h"
#include "cli/bench_reader.h"

#include <unistd.h>

static const struct bench_reader canon = {NULL, {BENCH_READER_SELF, "canon", BENCH_READER_FILE}};
static const struct bench_reader diff = {NULL, {BENCH_READER_SELF, "diff", BENCH_READER_FILE, BENCH_READER_FILE}};

static int measure_size(struct bench_report *report, const struct bench_reader *s, uint64_t bytes, bool beside)
{
	char path[256];
	uint64_t packets;
	double seconds;
	int r = bench_capture_write(path, sizeof(path), bytes, &packets);

	if (r)
		return r;
	r = bench_reader_measure(report, s, path, bytes, packets, &seconds);
	if (!r && beside)
		bench_reader_peers(report, path, bytes, packets, seconds, "canon_is_faster", true);
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
