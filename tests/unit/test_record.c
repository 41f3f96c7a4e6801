/* SPDX-License-Identifier: BSD-3-Clause */
/* What a run records for a page: time series that are joined as they grow, the steps of one connection in their order,
 * the first events, and the parts of the whole. */
#include "sim/record.h"

#include "sim/run.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static struct scenario *s;
static struct run_results results;

static void run(const char *name, const char *const *sets, size_t sets_count, uint64_t connection)
{
	const char *srcdir = getenv("srcdir");
	struct scenario_mistakes mistakes;
	struct run_options options = {.record = true, .connection = connection};
	char path[4096];

	snprintf(path, sizeof path, "%s/scenarios/%s.yaml", srcdir ? srcdir : ".", name);
	ck_assert_int_eq(scenario_read(path, sets, sets_count, &s, &mistakes), 0);
	scenario_mistakes_fini(&mistakes);
	ck_assert_int_eq(run_scenario(s, &options, &results), 0);
	ck_assert_ptr_nonnull(results.record);
}

static void teardown(void)
{
	run_results_fini(&results);
	scenario_free(s);
	results = (struct run_results){0};
	s = NULL;
}

static uint64_t metric(const char *path)
{
	return metrics_find(&results.metrics, path)->value;
}

static uint64_t column_sum(size_t column)
{
	const struct series *series = &results.record->series;
	uint64_t sum = 0;

	for (size_t r = 0; r < series->rows; r++)
		sum += series->values[r * series->columns + column];
	return sum;
}

/* The run is longer than SERIES_ROWS_MAX of the first intervals, so that rows were joined. */
START_TEST(series_stay_bounded_and_add_up)
{
	const struct series *series;

	run("lossy-blob", NULL, 0, 0);
	series = &results.record->series;
	ck_assert_uint_gt(metric("run.duration_us"), 1000 * SERIES_ROWS_MAX);
	ck_assert_uint_le(series->rows, SERIES_ROWS_MAX);
	ck_assert_uint_ge(series->rows, SERIES_ROWS_MAX / 4);
	ck_assert_uint_eq(series->times[series->rows - 1] / NSTIME_US, metric("run.duration_us"));
	ck_assert_uint_eq(column_sum(SERIES_REQUESTS_COMPLETED), metric("requests.completed"));
	ck_assert_uint_eq(column_sum(SERIES_HANDOFFS_COMPLETED), metric("handoffs.completed"));
	ck_assert_uint_eq(column_sum(SERIES_PACKETS_SENT), metric("packets.sent"));
	ck_assert_uint_eq(column_sum(SERIES_COURIER_RETRANSMITTED), metric("courier.retransmitted"));
	/* A gauge is not added up: nothing is open at the end, and at no time more than there are requests. */
	ck_assert_uint_eq(series->values[(series->rows - 1) * series->columns + SERIES_CONNECTIONS], 0);
	for (size_t r = 0; r < series->rows; r++) {
		ck_assert_uint_le(series->values[r * series->columns + SERIES_CONNECTIONS], 20);
		ck_assert(r == 0 || series->times[r] > series->times[r - 1]);
	}
}
END_TEST

/* With an interval of the scenario's, rows in memory are joined but the interval stays. */
START_TEST(series_keep_the_interval_of_the_file)
{
	static const char *const sets[] = {"series=1 ms"};
	const struct series *series;

	run("lossy-blob", sets, 1, 0);
	series = &results.record->series;
	ck_assert_uint_le(series->rows, SERIES_ROWS_MAX);
	ck_assert_uint_eq(column_sum(SERIES_REQUESTS_COMPLETED), metric("requests.completed"));
	for (size_t r = 2; r + 1 < series->rows; r++)
		ck_assert_uint_eq(series->times[r] - series->times[r - 1], series->times[r - 1] - series->times[r - 2]);
}
END_TEST

/* The place of the first step that is so, from `from` on. */
static size_t step_find(const struct steps_connection *c, size_t from, enum step_kind kind, enum trace_event event,
			const char *text)
{
	for (size_t i = from; i < c->count; i++)
		if (c->list[i].kind == kind && (kind != STEP_EVENT || c->list[i].event == event) &&
		    (!text || strstr(c->list[i].text, text)))
			return i;
	ck_abort_msg("no step '%s' of kind %d behind step %zu", text ? text : trace_name(event), (int)kind, from);
	return 0;
}

START_TEST(steps_are_those_of_one_connection_in_order)
{
	const struct steps_connection *c;
	size_t at = 0;

	run("lossy-blob", NULL, 0, 0);
	c = steps_chosen(&results.record->steps);
	ck_assert_ptr_nonnull(c);
	ck_assert_uint_eq(results.record->steps.followed_count, 1);
	ck_assert(c->handed_over);
	ck_assert_uint_eq(c->omitted, 0);
	at = step_find(c, 0, STEP_PLAIN, TRACE_EVENT_COUNT, "SYN seq 0");
	ck_assert_uint_eq(at, 0);
	at = step_find(c, at, STEP_PLAIN, TRACE_EVENT_COUNT, "SYN ACK 1, seq 0");
	at = step_find(c, at, STEP_EVENT, TRACE_CLASSIFIER_OPEN, NULL);
	at = step_find(c, at, STEP_EVENT, TRACE_MIGRATE_CALL, NULL);
	ck_assert_int_eq(c->list[at + 1].event, TRACE_COMPILE_SOCKET);
	ck_assert_int_eq(c->list[at + 2].event, TRACE_COMPILE_TCP);
	ck_assert_int_eq(c->list[at + 3].event, TRACE_COMPILE_IP);
	at = step_find(c, at, STEP_CONTROL, TRACE_EVENT_COUNT, "PREPARE");
	step_find(c, at, STEP_BLOB, TRACE_EVENT_COUNT, "blob 1 of 1");
	at = step_find(c, at, STEP_EVENT, TRACE_INFUSE_IP, NULL);
	at = step_find(c, at, STEP_CONTROL, TRACE_EVENT_COUNT, "READY");
	at = step_find(c, at, STEP_CONTROL, TRACE_EVENT_COUNT, "COMMITTED");
	at = step_find(c, at, STEP_EVENT, TRACE_INDICATE, NULL);
	at = step_find(c, at, STEP_TUNNEL, TRACE_EVENT_COUNT, "ACK");
	for (size_t i = 0; i < c->count; i++)
		ck_assert(i == 0 || c->list[i].at >= c->list[i - 1].at);
}
END_TEST

/* What became of the frames is what the links did: over many connections some are lost, some corrupted, and what was
 * lost goes again; on a link without faults everything arrives. */
START_TEST(frames_meet_the_fate_that_links_gave_them)
{
	static const char *const sets[] = {"nodes.backend.on.cluster={ rate: 1 Gbit }", "expect=[]"};
	unsigned lost = 0, corrupted = 0, again = 0;

	for (uint64_t n = 1; n <= 5; n++) {
		const struct steps_connection *c;

		run("lossy-blob", NULL, 0, n);
		c = steps_chosen(&results.record->steps);
		ck_assert_uint_eq(c->number, n);
		for (size_t i = 0; i < c->count; i++) {
			const struct step *step = &c->list[i];
			bool frame = step->kind == STEP_CONTROL || step->kind == STEP_BLOB;

			ck_assert(step->kind == STEP_EVENT || frame || step->arrived != NSTIME_NEVER);
			lost += frame && step->arrived == NSTIME_NEVER;
			corrupted += step->corrupted;
			again += step->again;
		}
		teardown();
	}
	ck_assert_uint_gt(lost, 0);
	ck_assert_uint_gt(corrupted, 0);
	ck_assert_uint_gt(again, 0);
	run("lossy-blob", sets, 2, 0);
	for (size_t i = 0; i < steps_chosen(&results.record->steps)->count; i++) {
		const struct step *step = &steps_chosen(&results.record->steps)->list[i];

		ck_assert(step->kind == STEP_EVENT || step->arrived != NSTIME_NEVER);
		ck_assert(!step->corrupted && !step->again);
	}
}
END_TEST

START_TEST(parts_add_up_and_events_are_counted)
{
	const struct record *r;
	uint64_t sent = 0, frames = 0, at = 0;

	run("lossy-blob", NULL, 0, 0);
	r = results.record;
	for (size_t n = 0; n < s->nodes_count; n++) {
		frames += r->nodes[n][BREAKDOWN_NODE_COURIER_FRAMES];
		for (size_t a = 0; a < s->nodes[n].attachments_count; a++, at++)
			sent += r->links[at][0][BREAKDOWN_LINK_SENT] + r->links[at][1][BREAKDOWN_LINK_SENT];
	}
	ck_assert_uint_eq(sent, metric("packets.sent"));
	ck_assert_uint_eq(frames, metric("courier.frames"));
	ck_assert_uint_eq(r->rules_count, 1);
	ck_assert_uint_eq(r->rules[0].chosen, metric("handoffs.started"));
	ck_assert_uint_eq(r->evidence.events[TRACE_PACKET_DROP].count, metric("packets.dropped"));
	ck_assert_uint_eq(r->evidence.events[TRACE_COURIER_RETRANSMIT].count, metric("courier.retransmitted"));
	ck_assert_uint_eq(r->evidence.events[TRACE_COURIER_REJECT].count, metric("courier.rejected"));
	ck_assert_uint_le(r->evidence.events[TRACE_PACKET_DROP].lines_count, EVIDENCE_LINES_MAX);
	ck_assert_uint_gt(r->evidence.events[TRACE_PACKET_DROP].lines_count, 0);
	ck_assert_uint_eq(r->evidence.events[TRACE_HANDOFF_FAILED].lines_count, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("record");
	TCase *c = tcase_create("record");

	tcase_add_checked_fixture(c, NULL, teardown);
	tcase_add_test(c, series_stay_bounded_and_add_up);
	tcase_add_test(c, series_keep_the_interval_of_the_file);
	tcase_add_test(c, steps_are_those_of_one_connection_in_order);
	tcase_add_test(c, frames_meet_the_fate_that_links_gave_them);
	tcase_add_test(c, parts_add_up_and_events_are_counted);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
