/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a capture that is replayed: the first is a set of options, the others the file. Whatever the file holds, it
 * is refused, or the replay comes to its end with every invariant of a run holding, and its counts add up. */
#include "fuzz.h"

#include "base/err.h"
#include "sim/replay.h"
#include "sim/run.h"

#include <string.h>

#define OPTION_STREAM 1U
#define OPTION_KEEP   2U
#define OPTION_FAST   4U
#define OPTION_TWICE  8U
#define EVENTS_MAX    20000000U /* of one run; one that has more does not end */

static const char text[] = "baton: 1\n"
			   "stop: 60 s\n"
			   "networks: { internet: { subnet: 198.51.100.0/24 }, cluster: { subnet: 10.0.0.0/24 } }\n"
			   "nodes:\n"
			   "  client[1..2]: { role: client, on: { internet: { delay: 1 ms } } }\n"
			   "  forwarder: { role: forwarder, on: { internet: {}, cluster: {} } }\n"
			   "  classifier: { role: classifier, on: { cluster: {} } }\n"
			   "  backend[1..2]: { role: backend, on: { cluster: {} } }\n"
			   "services:\n"
			   "  web:\n"
			   "    vip: 198.51.100.80:80\n"
			   "    protocol: auto\n"
			   "    rules: [{ path: \"/images/*\", to: backend1 }, { to: backend2 }]\n";

/* What the reports say, to be compared with the totals. */
struct seen {
	uint64_t reports, verdicts[3];
};

static void report_look(void *context, const struct replay_report *r)
{
	struct seen *seen = context;

	seen->reports++;
	seen->verdicts[r->verdict]++;
	FUZZ_CHECK(r->client_arrived <= r->client_bytes && r->server_arrived <= r->server_bytes);
	FUZZ_CHECK(r->verdict == REPLAY_WHOLE || (r->why && *r->why));
	FUZZ_CHECK(r->verdict != REPLAY_WHOLE ||
		   (r->client_arrived == r->client_bytes && r->server_arrived == r->server_bytes));
}

static bool progress_look(void *context, nstime now, nstime stop, uint64_t events)
{
	(void)context;
	(void)now;
	(void)stop;
	return events < EVENTS_MAX;
}

static void replay_one(const struct scenario *s, const char *path, uint8_t options)
{
	struct seen seen = {0};
	struct run_results results;
	char why[REPLAY_WHY_MAX];
	bool is_filter;
	const struct replay_options how = {
		.capture = path,
		.speed_milli = options & OPTION_FAST ? REPLAY_SPEED_MAX : 1000,
		.loops = options & OPTION_TWICE ? 2 : 1,
		.stream = options & OPTION_STREAM,
		.keep_bad_checksums = options & OPTION_KEEP,
		.ended = report_look,
		.context = &seen,
	};
	struct replay *replay = replay_open(&how, why, &is_filter);

	if (!replay) {
		FUZZ_CHECK(*why && !is_filter);
		return;
	}
	const struct run_options run = {.replay = replay, .progress = progress_look};

	FUZZ_CHECK(!run_scenario(s, &run, &results));
	FUZZ_CHECK(!results.broken && !results.interrupted);
	const struct replay_totals *t = replay_totals(replay);

	FUZZ_CHECK(t->connections == seen.reports && t->whole == seen.verdicts[REPLAY_WHOLE]);
	FUZZ_CHECK(t->broken == seen.verdicts[REPLAY_BROKEN] && t->no_replay == seen.verdicts[REPLAY_NO_REPLAY]);
	run_results_fini(&results);
	replay_close(replay);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct scenario *scenario;
	struct scenario_mistakes mistakes = {0};

	if (!scenario) {
		const char *path = fuzz_file((const uint8_t *)text, sizeof(text) - 1);

		FUZZ_CHECK(!scenario_read(path, NULL, 0, &scenario, &mistakes));
	}
	if (size)
		replay_one(scenario, fuzz_file(data + 1, size - 1), data[0]);
	return 0;
}
