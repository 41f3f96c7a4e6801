/* SPDX-License-Identifier: BSD-3-Clause */
/* When requests come and how they go, seen in the trace of whole runs: arrivals against their formulas, users in their
 * loop, rests, requests that are given up. Seeded, so that no statistic here ever flakes. */
#include "sim/run.h"
#include "sim/world.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUESTS_MAX 20000U
#define DELAY_MS     10U /* from client to server */

static struct entry {
	nstime started, ended;
	uint64_t sent, received;
	enum { UNDER_WAY, COMPLETED, FAILED, ABORTED } end;
	char tuple[96];
} list[REQUESTS_MAX + 1];
static size_t count; /* request n is list[n], from 1 on */
static nstime duration;
static uint64_t resets;
static double values[REQUESTS_MAX];

static uint64_t field(const char *line, const char *name)
{
	char key[32];

	snprintf(key, sizeof(key), "\"%s\":", name);
	const char *at = strstr(line, key);

	ck_assert_msg(at != NULL, "%s: no %s", line, name);
	return strtoull(at + strlen(key), NULL, 10);
}

static void trace_line(const char *line)
{
	const char *event = strstr(line, "\"ev\":\"request.");
	struct entry *r;

	if (!event)
		return;
	event += strlen("\"ev\":\"request.");
	uint64_t number = field(line, "request");

	ck_assert_uint_le(number, REQUESTS_MAX);
	r = &list[number];
	if (!strncmp(event, "start", 5)) {
		r->started = field(line, "t");
		sscanf(strstr(line, "\"tuple\":"), "\"tuple\":\"%95[^\"]", r->tuple);
		count = number > count ? number : count;
		return;
	}
	r->ended = field(line, "t");
	r->sent = field(line, "sent");
	r->received = field(line, "received");
	r->end = !strncmp(event, "done", 4) ? COMPLETED : !strncmp(event, "abort", 5) ? ABORTED : FAILED;
}

static struct scenario *scenario_of(const char *directory, const char *rest)
{
	struct scenario_mistakes mistakes;
	struct scenario *s = NULL;
	char path[256];

	snprintf(path, sizeof(path), "%s/scenario.yaml", directory);
	FILE *f = fopen(path, "w");

	ck_assert(f != NULL);
	fprintf(f,
		"baton: 1\nstop: 1000 s\n"
		"networks: { lan: { subnet: 10.0.0.0/24 } }\n"
		"nodes:\n"
		"  client: { role: client, on: { lan: { delay: %u ms } } }\n"
		"  server: { role: host, on: { lan: {} }, apps: { http: 80, sink: 9, echo: 7 } }\n"
		"%s\n",
		DELAY_MS, rest);
	fclose(f);
	int err = scenario_read(path, NULL, 0, &s, &mistakes);

	ck_assert_msg(!err, "%s", mistakes.count ? mistakes.list[0].text : "");
	unlink(path);
	return s;
}

/* Runs the traffic of one client named "client" and reads the trace. */
static void run_text(const char *rest)
{
	char directory[] = "/tmp/baton-test-XXXXXX", path[256], line[1024];
	struct run_results results;

	ck_assert(mkdtemp(directory) != NULL);
	struct scenario *s = scenario_of(directory, rest);

	ck_assert_int_eq(run_scenario(s, &(struct run_options){.out = directory}, &results), 0);
	duration = metrics_find(&results.metrics, "run.duration_us")->value * NSTIME_US;
	resets = metrics_find(&results.metrics, "client.resets")->value;
	run_results_fini(&results);
	scenario_free(s);
	memset(list, 0, sizeof(list));
	count = 0;
	snprintf(path, sizeof(path), "%s/trace.jsonl", directory);
	FILE *f = fopen(path, "r");

	ck_assert(f != NULL);
	while (fgets(line, sizeof(line), f))
		trace_line(line);
	fclose(f);
	static const char *const files[] = {"trace.jsonl", "result.json", "perf.json", "scenario.json"};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
		snprintf(path, sizeof(path), "%s/%s", directory, files[i]);
		unlink(path);
	}
	ck_assert_int_eq(rmdir(directory), 0); /* a run leaves nothing else */
}

static size_t count_of(int end)
{
	size_t n = 0;

	for (size_t i = 1; i <= count; i++)
		n += (int)list[i].end == end;
	return n;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

/* Holds `n` values against the exponential distribution with this mean: the mean within four standard errors, and
 * Kolmogorov-Smirnov, whose limit a right sample exceeds once in a thousand seeds. */
static void check_exponential(size_t n, double mean)
{
	double sum = 0, most = 0;

	qsort(values, n, sizeof(values[0]), compare);
	for (size_t i = 0; i < n; i++) {
		double cdf = 1 - exp(-values[i] / mean);

		sum += values[i];
		most = fmax(most, fmax(fabs(cdf - (double)i / (double)n), fabs(cdf - (double)(i + 1) / (double)n)));
	}
	ck_assert_msg(fabs(sum / (double)n - mean) < 4 * mean / sqrt((double)n), "mean %f", sum / (double)n);
	ck_assert_msg(most * sqrt((double)n) < 1.95, "distance %f", most * sqrt((double)n));
}

START_TEST(poisson_arrivals_are_exponential)
{
	run_text("traffic: [ { from: client, to: \"server:80\", rate: 500 /s, arrivals: poisson, for: 10 s, reply: 1 B "
		 "} ]");
	/* The count in a fixed time is Poisson: its deviation is sqrt(5000) = 70.7. */
	ck_assert_uint_ge(count, 5000 - 283);
	ck_assert_uint_le(count, 5000 + 283);
	ck_assert_uint_eq(count_of(COMPLETED), count);
	ck_assert_uint_lt(list[count].started, 10 * NSTIME_S);
	for (size_t i = 1; i < count; i++)
		values[i - 1] = (double)(list[i + 1].started - list[i].started);
	check_exponential(count - 1, 2e6);
}
END_TEST

START_TEST(bursts_come_at_the_rate)
{
	run_text(
		"traffic: [ { from: client, to: \"server:80\", rate: 100 /s, arrivals: burst, burst: 20, for: 1 s } ]");
	ck_assert_uint_eq(count, 100);
	for (size_t i = 1; i <= count; i++)
		ck_assert_uint_eq(list[i].started, (i - 1) / 20 * 200 * NSTIME_MS);
}
END_TEST

START_TEST(a_user_thinks_between_requests)
{
	run_text("traffic: [ { from: client, to: \"server:80\", users: 1, requests: 3000, reply: 1 B,\n"
		 "             think: { distribution: exponential, mean: 30 ms } } ]");
	ck_assert_uint_eq(count, 3000);
	ck_assert_uint_eq(count_of(COMPLETED), 3000);
	for (size_t i = 1; i < count; i++) {
		ck_assert_uint_ge(list[i + 1].started, list[i].ended);
		values[i - 1] = (double)(list[i + 1].started - list[i].ended);
	}
	check_exponential(count - 1, 30e6);
}
END_TEST

/* Each of the users has one request under way at most, and all of them together no more than there are. */
START_TEST(a_closed_loop_waits_for_answers)
{
	size_t under_way = 0, most = 0, ended = 0;
	static nstime ends[REQUESTS_MAX];

	run_text("traffic: [ { from: client, to: \"server:80\", users: 7, ramp: 70 ms, for: 5 s, per_connection: 3,\n"
		 "             think: { distribution: uniform, min: 0 ms, max: 20 ms } } ]");
	/* A user needs 40 ms for a request on a new connection, 20 ms else, and thinks for 10 ms. */
	ck_assert_uint_ge(count, 7 * 5000 / 36 * 95 / 100);
	ck_assert_uint_le(count, 7 * 5000 / 36 * 108 / 100);
	ck_assert_uint_eq(count_of(COMPLETED), count);
	for (size_t i = 1; i <= count; i++)
		ends[i - 1] = list[i].ended;
	for (size_t i = 0; i < count; i++) /* they end in nearly the order of their numbers */
		for (size_t j = i; j && ends[j - 1] > ends[j]; j--) {
			nstime t = ends[j];
			ends[j] = ends[j - 1];
			ends[j - 1] = t;
		}
	for (size_t i = 1; i <= count; i++) {
		ck_assert_uint_lt(list[i].started, 5 * NSTIME_S);
		for (; ended < count && ends[ended] <= list[i].started; ended++)
			under_way--;
		under_way++;
		most = under_way > most ? under_way : most;
	}
	ck_assert_uint_eq(most, 7);
	for (size_t i = 1; i <= 7; i++)
		ck_assert_uint_eq(list[i].started, (i - 1) * 10 * NSTIME_MS);
	/* No connection waits for a request that never comes. */
	ck_assert_uint_lt(duration, 5200 * NSTIME_MS);
}
END_TEST

/* A user's requests share a connection, three at a time. */
START_TEST(a_user_keeps_a_connection)
{
	run_text("traffic: [ { from: client, to: \"server:80\", users: 1, requests: 8, per_connection: 3, think: 1 ms "
		 "} ]");
	ck_assert_uint_eq(count, 8);
	for (size_t i = 1; i < count; i++)
		ck_assert_int_eq(!strcmp(list[i].tuple, list[i + 1].tuple), i % 3 != 0);
	ck_assert_uint_lt(duration, NSTIME_S); /* the last connection is closed though it had two of three */
}
END_TEST

/* Open loop for a time: what was kept open for a next request is closed when none can come. */
START_TEST(open_connections_are_closed_at_the_end)
{
	run_text("traffic: [ { from: client, to: \"server:80\", rate: 10 /s, for: 1 s, per_connection: 4 } ]");
	ck_assert_uint_eq(count, 10);
	ck_assert_uint_eq(count_of(COMPLETED), 10);
	ck_assert_uint_lt(duration, 1200 * NSTIME_MS);
}
END_TEST

/* No time passes in a crashed client: its users must not ask for ever in one instant. */
START_TEST(users_outlive_a_crash)
{
	run_text("traffic: [ { from: client, to: \"server:80\", users: 3, for: 10 s, think: 100 ms } ]\n"
		 "faults: [ { at: 2005 ms, crash: client }, { at: 6 s, restart: client } ]");
	ck_assert_uint_eq(count_of(UNDER_WAY), 0);
	/* The client counts anew: what is in the list is from behind the restart, and some of before. */
	ck_assert_uint_ge(list[1].started, 6 * NSTIME_S);
	ck_assert_uint_lt(list[1].started, 7200 * NSTIME_MS);
	ck_assert_uint_ge(count_of(COMPLETED), 3 * 2500 / 140);
}
END_TEST

START_TEST(a_connection_rests)
{
	run_text("traffic: [ { from: client, to: \"server:80\", requests: 6, per_connection: 3, idle: 7 s, keepalive: "
		 "2 s } ]");
	ck_assert_uint_eq(count_of(COMPLETED), 6);
	for (size_t i = 1; i < 6; i++)
		if (i % 3)
			ck_assert_uint_eq(list[i + 1].started, list[i].ended + 7 * NSTIME_S);
}
END_TEST

/* A reset of a connection that rests fails no request: the next goes over another. It counts all the same. */
START_TEST(a_reset_at_rest_is_counted)
{
	run_text("traffic: [ { from: client, to: \"server:80\", requests: 2, per_connection: 2, idle: 20 s, keepalive: "
		 "5 s } ]\n"
		 "faults: [ { at: 2 s, crash: server }, { at: 3 s, restart: server } ]");
	ck_assert_uint_eq(count_of(COMPLETED), 2);
	ck_assert_str_ne(list[1].tuple, list[2].tuple);
	ck_assert_uint_eq(resets, 1);
}
END_TEST

static void check_aborts(const char *how, uint64_t sent_least, uint64_t sent_most, uint64_t received_least,
			 uint64_t received_most)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "traffic: [ { from: client, to: \"server:80\", requests: 40, rate: 20 /s, body: 300 kB, reply: 300 "
		 "kB,\n"
		 "             abort: { %s, share: 50 %% } } ]",
		 how);
	run_text(text);
	ck_assert_uint_eq(count, 40);
	ck_assert_uint_eq(count_of(FAILED), 0);
	ck_assert_uint_ge(count_of(ABORTED), 10); /* 20, with a deviation of 3.2 */
	ck_assert_uint_le(count_of(ABORTED), 30);
	for (size_t i = 1; i <= count; i++) {
		if (list[i].end != ABORTED)
			continue;
		ck_assert_uint_ge(list[i].sent, sent_least);
		ck_assert_uint_le(list[i].sent, sent_most);
		ck_assert_uint_ge(list[i].received, received_least);
		ck_assert_uint_le(list[i].received, received_most);
	}
	ck_assert_uint_lt(duration, 10 * NSTIME_S); /* nothing is left that waits */
}

START_TEST(uploads_are_given_up)
{
	check_aborts("sent: 200001 B", 200001, 200001, 0, 0);
	check_aborts("sent: 200001 B, with: close", 200001, 200001, 0, 0);
}
END_TEST

START_TEST(downloads_are_given_up)
{
	check_aborts("received: 123 kB", 300000, 300000, 123000, 123000 + 65536);
	check_aborts("received: 123 kB, with: close", 300000, 300000, 123000, 123000 + 65536);
}
END_TEST

START_TEST(requests_are_given_up_in_time)
{
	check_aborts("after: 75 ms", 1, 300000, 0, 299999);
	for (size_t i = 1; i <= count; i++)
		if (list[i].end == ABORTED)
			ck_assert_uint_eq(list[i].ended, list[i].started + 75 * NSTIME_MS);
	/* Before the handshake is over, and at once. */
	check_aborts("after: 5 ms, with: close", 0, 0, 0, 0);
	check_aborts("after: 0 s", 0, 0, 0, 0);
}
END_TEST

/* What is over sooner is complete. */
START_TEST(late_aborts_do_not_come)
{
	run_text("traffic:\n"
		 "  - { from: client, to: \"server:80\", requests: 5, body: 10 kB, abort: { sent: 10 kB } }\n"
		 "  - { from: client, to: \"server:80\", requests: 5, abort: { after: 1 s } }\n"
		 "  - { from: client, to: \"server:7\", app: echo, requests: 5, bytes: 1 kB, abort: { received: 2 kB } "
		 "}\n"
		 "  - { from: client, to: \"server:9\", app: bulk, requests: 5, bytes: 9 kB, abort: { sent: 9 kB } }");
	ck_assert_uint_eq(count_of(COMPLETED), 20);
}
END_TEST

/* Streams other than HTTP are given up too. */
START_TEST(streams_are_given_up)
{
	run_text("traffic:\n"
		 "  - { from: client, to: \"server:7\", app: echo, requests: 5, bytes: 99 kB, abort: { received: 2 kB "
		 "} }\n"
		 "  - { from: client, to: \"server:9\", app: bulk, requests: 5, bytes: 99 kB, abort: { sent: 9 kB } }");
	ck_assert_uint_eq(count_of(ABORTED), 10);
}
END_TEST

/* A body that waits for the server's word costs a round trip. The first request asks for the server's MAC address too.
 */
START_TEST(a_body_waits_for_100_continue)
{
	run_text("traffic:\n"
		 "  - { from: client, to: \"server:80\" }\n"
		 "  - { from: client, to: \"server:80\", body: 100 B, start: 1 s }\n"
		 "  - { from: client, to: \"server:80\", body: 100 B, start: 2 s, expect_continue: true }\n"
		 "  - { from: client, to: \"server:80\", body: 100 B, start: 3 s, expect_continue: true, chunked: true "
		 "}");
	ck_assert_uint_eq(count_of(COMPLETED), 4);
	for (size_t i = 2; i <= 4; i++) {
		ck_assert_uint_eq(list[i].sent, 100);
		ck_assert_uint_eq(list[i].ended - list[i].started, (i == 2 ? 2U : 3U) * 2 * DELAY_MS * NSTIME_MS);
	}
}
END_TEST

START_TEST(http_10_keeps_a_connection_when_asked)
{
	run_text("traffic:\n"
		 "  - { from: client, to: \"server:80\", version: 1.0, requests: 3, body: 100 B, rate: 1 /s }\n"
		 "  - { from: client, to: \"server:80\", version: 1.0, requests: 3, per_connection: 3, rate: 1 /s, "
		 "start: 10 s }");
	ck_assert_uint_eq(count_of(COMPLETED), 6);
	for (size_t i = 1; i < 6; i++)
		ck_assert_int_eq(!strcmp(list[i].tuple, list[i + 1].tuple), i > 3);
}
END_TEST

/* What a request costs does not depend on how many come after it: a world of 10^9 is made in no time. */
START_TEST(requests_cost_nothing_before_they_come)
{
	char directory[] = "/tmp/baton-test-XXXXXX", fingerprint[TRACEFILE_FINGERPRINT_LEN + 1];
	struct tracefile *trace;
	struct world w;
	const char *why;

	ck_assert(mkdtemp(directory) != NULL);
	struct scenario *s =
		scenario_of(directory, "traffic: [ { from: client, to: \"server:80\", requests: 1000000000, "
				       "rate: 2000 /ms, arrivals: poisson } ]");
	rmdir(directory);
	tracefile_open(&trace, NULL);
	ck_assert_int_eq(world_init(&w, s, &(struct world_options){.seed = 1, .trace = trace}, &why), 0);
	world_run(&w, NSTIME_MS / 10, UINT64_MAX);
	ck_assert_uint_gt(w.traffic.started, 100);
	ck_assert_uint_lt(w.traffic.started, 300);
	world_fini(&w);
	invariants_fini(&w.invariants);
	tracefile_close(trace, fingerprint);
	scenario_free(s);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("traffic");
	TCase *t = tcase_create("pace"), *a = tcase_create("aborts");

	tcase_add_test(t, poisson_arrivals_are_exponential);
	tcase_add_test(t, bursts_come_at_the_rate);
	tcase_add_test(t, a_user_thinks_between_requests);
	tcase_add_test(t, a_closed_loop_waits_for_answers);
	tcase_add_test(t, a_user_keeps_a_connection);
	tcase_add_test(t, open_connections_are_closed_at_the_end);
	tcase_add_test(t, users_outlive_a_crash);
	tcase_add_test(t, a_connection_rests);
	tcase_add_test(t, a_reset_at_rest_is_counted);
	tcase_add_test(t, a_body_waits_for_100_continue);
	tcase_add_test(t, http_10_keeps_a_connection_when_asked);
	tcase_add_test(t, requests_cost_nothing_before_they_come);
	suite_add_tcase(s, t);
	tcase_add_test(a, uploads_are_given_up);
	tcase_add_test(a, downloads_are_given_up);
	tcase_add_test(a, requests_are_given_up_in_time);
	tcase_add_test(a, late_aborts_do_not_come);
	tcase_add_test(a, streams_are_given_up);
	suite_add_tcase(s, a);
	return unit_run(s);
}
