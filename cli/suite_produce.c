/* SPDX-License-Identifier: BSD-3-Clause */
/* What Baton makes of a suite: canonical text and outcomes. */
#include "base/err.h"
#include "cli/canon_print.h"
#include "cli/cli.h"
#include "cli/suite.h"
#include "sim/replay.h"
#include "sim/run.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

static int file_broken(const char *path)
{
	cli_error("%s: %s", path, strerror(errno));
	return STATUS_BROKEN;
}

/* Makes WORK/NAME. */
static FILE *file_make(const char *work, const char *name, char path[SUITE_PATH_MAX])
{
	int len = snprintf(path, SUITE_PATH_MAX, "%s/%s", work, name);
	FILE *f;

	assert(len < (int)SUITE_PATH_MAX);
	f = fopen(path, "we");
	if (!f)
		file_broken(path);
	return f;
}

/* Ends a file; whether it holds all. */
static int file_end(FILE *f, const char *path)
{
	bool failed = ferror(f);

	return fclose(f) || failed ? file_broken(path) : STATUS_GOOD;
}

/* The text of `source` as WORK/expected.txt. */
static int text_make(const char *work, const char *source, struct canon_printed *printed)
{
	char path[SUITE_PATH_MAX];
	FILE *f = file_make(work, SUITE_TEXT, path);

	if (!f)
		return STATUS_BROKEN;
	canon_print(f, source, printed);
	return file_end(f, path);
}

/* Without a scenario: the text of the capture, and how far it could be read. Where it lies is not said. */
static int capture_produce(const struct suite *s, const char *work)
{
	char path[SUITE_PATH_MAX];
	struct canon_printed printed;
	int status = text_make(work, s->capture, &printed);

	if (status != STATUS_GOOD)
		return status;
	if (!printed.opened) {
		cli_error("%s", printed.why);
		return STATUS_USAGE;
	}
	FILE *f = file_make(work, SUITE_OUTCOMES, path);

	if (!f)
		return STATUS_BROKEN;
	fprintf(f, "%" PRIu64 " packets read\n", printed.lines);
	if (*printed.why)
		fprintf(f, "damage: %s\n", printed.why + strlen(s->capture) + 2);
	return file_end(f, path);
}

/* A connection of the replay is over: its line in outcomes.txt. */
static void outcome_write(void *context, const struct replay_report *r)
{
	static const char *const verdicts[] = {
		[REPLAY_WHOLE] = "whole", [REPLAY_BROKEN] = "broken", [REPLAY_NO_REPLAY] = "not replayed"};
	FILE *f = context;

	fprintf(f, "connection %" PRIu64 ": %s", r->number, verdicts[r->verdict]);
	fprintf(f, "; up %" PRIu64 " of %" PRIu64 " bytes, down %" PRIu64 " of %" PRIu64, r->client_arrived,
		r->client_bytes, r->server_arrived, r->server_bytes);
	if (r->client_lacking || r->server_lacking)
		fprintf(f, "; lacking %" PRIu64 " and %" PRIu64, r->client_lacking, r->server_lacking);
	if (r->service)
		fprintf(f, "; %s, rule %zu", r->service, r->rule);
	if (r->backend)
		fprintf(f, ", %s, hand-offs %" PRIu64, r->backend, r->handoffs);
	if (r->client_reset || r->server_reset)
		fprintf(f, "; reset by %s", !r->server_reset ? "the client" : r->client_reset ? "both" : "the server");
	if (r->why && *r->why)
		fprintf(f, "; %s", r->why);
	fputc('\n', f);
}

static void totals_write(FILE *f, const struct replay *replay)
{
	const struct replay_totals *t = replay_totals(replay);

	fprintf(f,
		"%" PRIu64 " packets, %" PRIu64 " connections: %" PRIu64 " whole, %" PRIu64 " broken, %" PRIu64
		" not replayed\n",
		t->packets, t->connections, t->whole, t->broken, t->no_replay);
	if (replay_damage(replay))
		fprintf(f, "damage: %s\n", replay_damage(replay));
}

/* Runs the scenario with the capture into `out`. */
static int scenario_run(const struct suite *s, const struct scenario *scenario, struct replay *replay, const char *out)
{
	const struct run_options options = {.out = out, .replay = replay};
	struct run_results results;
	int err = run_scenario(scenario, &options, &results), err_number = errno, status = STATUS_GOOD;

	if (err) {
		cli_error("%s: %s", s->scenario,
			  results.broken ? results.broken_detail
			  : results.why  ? results.why
			  : err == E_IO  ? strerror(err_number)
					 : err_text(err));
		status = err == E_INVAL ? STATUS_USAGE : STATUS_BROKEN;
	}
	run_results_fini(&results);
	return status;
}

/* Replays, and writes what became of it to f. */
static int outcomes_produce(const struct suite *s, const struct scenario *scenario, const char *out, FILE *f)
{
	struct replay_options options = {
		.capture = s->capture, .speed_milli = 1000, .loops = 1, .ended = outcome_write, .context = f};
	char why[REPLAY_WHY_MAX];
	bool is_filter;
	struct replay *replay = replay_open(&options, why, &is_filter);

	if (!replay) {
		cli_error("%s: %s", s->capture, why);
		return STATUS_USAGE;
	}
	int status = scenario_run(s, scenario, replay, out);

	totals_write(f, replay);
	replay_close(replay);
	return status;
}

/* With one: what comes of replaying the capture through it, and the text of what its capture points saw. */
static int replay_produce(const struct suite *s, const struct scenario *scenario, const char *work)
{
	char path[SUITE_PATH_MAX], out[SUITE_PATH_MAX];
	struct canon_printed printed;
	int len = snprintf(out, sizeof(out), "%s/run", work);
	FILE *f = file_make(work, SUITE_OUTCOMES, path);

	assert(len < (int)sizeof(out));
	if (!f)
		return STATUS_BROKEN;
	int status = outcomes_produce(s, scenario, out, f), ended = file_end(f, path);

	if (status == STATUS_GOOD)
		status = ended;
	if (status == STATUS_GOOD)
		status = text_make(work, out, &printed);
	if (status == STATUS_GOOD && *printed.why) {
		cli_error("%s: its run's captures: %s", s->scenario, printed.why);
		status = STATUS_USAGE;
	}
	return status;
}

int suite_produce(const struct suite *s, const char *work)
{
	struct scenario_mistakes mistakes = {0};
	struct scenario *scenario = NULL;

	if (!*s->scenario)
		return capture_produce(s, work);
	int err = scenario_read(s->scenario, NULL, 0, &scenario, &mistakes);

	cli_mistakes(s->scenario, &mistakes);
	scenario_mistakes_fini(&mistakes);
	if (err)
		return STATUS_USAGE;
	int status = scenario->captures_count ? replay_produce(s, scenario, work) : STATUS_USAGE;

	if (!scenario->captures_count)
		cli_error("%s: it captures nothing, so that there is no text", s->scenario);
	scenario_free(scenario);
	return status;
}
