/* SPDX-License-Identifier: BSD-3-Clause */
/* replay: how fast a generated capture is replayed through forwarder, classifier, hand-off and backend, nothing waiting
 * for its time, by the command as a user has it. At a quarter of the size and at the whole: the peaks of memory are to
 * be alike. */
#include "base/err.h"
#include "cli/bench.h"
#include "cli/bench_capture.h"
#include "cli/bench_reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PATH_ROOM 320U

static const char scenario[] =
	"baton: 1\n"
	"stop: 60 s\n"
	"networks:\n"
	"  internet: { subnet: 198.51.100.0/24 }\n"
	"  cluster:  { subnet: 10.0.0.0/24 }\n"
	"nodes:\n"
	"  client[1..4]:  { role: client, on: { internet: { delay: 1 ms } } }\n"
	"  forwarder:     { role: forwarder, on: { internet: {}, cluster: {} } }\n"
	"  classifier:    { role: classifier, on: { cluster: {} } }\n"
	"  backend[1..3]: { role: backend, on: { cluster: {} } }\n"
	"services:\n"
	"  web: { vip: \"198.51.100.80:80\", protocol: auto, rules: [ { to: \"backend*\" } ] }\n";

static const char *const files[] = {"scenario.yaml", "replay.csv", "result.json", "trace.jsonl", "perf.json"};

static int scenario_write(const char *directory, char path[PATH_ROOM])
{
	snprintf(path, PATH_ROOM, "%s/%s", directory, files[0]);
	FILE *f = fopen(path, "we");

	if (!f)
		return E_IO;
	fputs(scenario, f);
	return fclose(f) ? E_IO : 0;
}

static void directory_remove(const char *directory)
{
	char path[PATH_ROOM];

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		unlink(path);
	}
	rmdir(directory);
}

static int measure_size(struct bench_report *report, const char *directory, uint64_t bytes, bool beside)
{
	char capture[256], file[PATH_ROOM];
	struct bench_reader replay = {NULL,
				      {BENCH_READER_SELF, "replay", file, "--capture", BENCH_READER_FILE, "--speed",
				       "max", "--quiet", "--out", directory}};
	uint64_t packets;
	double seconds;
	int r = scenario_write(directory, file);

	if (!r)
		r = bench_capture_write(capture, sizeof(capture), bytes, &packets);
	if (r)
		return r;
	r = bench_reader_measure(report, &replay, capture, bytes, packets, &seconds);
	if (!r && beside)
		bench_reader_peers(report, capture, bytes, packets, seconds, "replay_is_faster", false);
	unlink(capture);
	return r;
}

int bench_replay(struct bench_report *report)
{
	const char *tmp = getenv("TMPDIR");
	char directory[256];

	snprintf(directory, sizeof(directory), "%s/baton-bench-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(directory))
		return E_IO;
	int r = measure_size(report, directory, bench_capture_bytes / 4, false);

	if (!r)
		r = measure_size(report, directory, bench_capture_bytes, true);
	directory_remove(directory);
	return r;
}
