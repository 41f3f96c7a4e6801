/* SPDX-License-Identifier: BSD-3-Clause */
/* The metric tree and the files it is written to. */
#include "sim/metrics.h"

#include "base/err.h"
#include "sim/result.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct metrics m;

static void setup(void)
{
	metrics_init(&m);
}

static void teardown(void)
{
	metrics_fini(&m);
}

START_TEST(values_are_set_added_and_found)
{
	metrics_set(&m, "a.b", 1);
	metrics_set_text(&m, "a.c", "text");
	metrics_add(&m, "a.b", 4);
	metrics_add(&m, "new", 2);
	metrics_set(&m, "a.c", 3);
	ck_assert_uint_eq(m.count, 3);
	ck_assert_uint_eq(metrics_find(&m, "a.b")->value, 5);
	ck_assert_uint_eq(metrics_find(&m, "new")->value, 2);
	ck_assert_int_eq(metrics_find(&m, "a.c")->kind, METRIC_NUMBER);
	ck_assert_ptr_null(metrics_find(&m, "a"));
	ck_assert_ptr_null(metrics_find(&m, "a.b.c"));
}
END_TEST

/* As many as a file with thousands of named things has; none is found by another's beginning. */
START_TEST(thousands_are_kept_apart)
{
	char path[64];

	for (unsigned i = 0; i < 20000; i++) {
		snprintf(path, sizeof path, "traffic.entry%u.%s", i / 2, i % 2 ? "bytes" : "started");
		ck_assert_ptr_null(metrics_find(&m, path));
		metrics_set(&m, path, i);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(path, sizeof path, "traffic.entry%u.%s", i / 2, i % 2 ? "bytes" : "started");
		ck_assert_uint_eq(metrics_find(&m, path)->value, i);
		ck_assert_str_eq(m.list[i].path, path);
		*strrchr(path, '.') = 0;
		ck_assert_ptr_null(metrics_find(&m, path));
	}
	ck_assert_ptr_null(metrics_find(&m, "traffic"));
}
END_TEST

START_TEST(near_names_are_suggested)
{
	result_declare(&m);
	ck_assert_str_eq(metrics_suggest(&m, "requests.complete"), "requests.completed");
	ck_assert_str_eq(metrics_suggest(&m, "handoff.completed"), "handoffs.completed");
	ck_assert_str_eq(metrics_suggest(&m, "packets.droped_by.los"), "packets.dropped_by.loss");
	ck_assert_ptr_null(metrics_suggest(&m, "weather"));
	ck_assert_ptr_null(metrics_suggest(&m, ""));
}
END_TEST

START_TEST(result_json_has_its_keys_in_order)
{
	static const char *const keys[] = {"run",        "requests",  "streams", "client", "handoffs",
					   "packets",    "faults",    "courier", "driver", "migrator",
					   "classifier", "forwarder", "nodes",   "stacks", "fingerprint"};
	char path[] = "test_metrics.XXXXXX";
	const char *key;
	json_t *root, *value;
	size_t i = 0;

	close(mkstemp(path));
	result_declare(&m);
	metrics_set(&m, "packets.dropped_by.loss", UINT64_MAX);
	metrics_set(&m, "handoffs.latency_us.p99", 1234);
	metrics_set_text(&m, "fingerprint", "00ff \"");
	ck_assert_int_eq(result_write(&m, path), 0);
	root = json_load_file(path, 0, NULL);
	ck_assert_ptr_nonnull(root);
	json_object_foreach (root, key, value) {
		ck_assert_uint_lt(i, sizeof keys / sizeof keys[0]);
		ck_assert_str_eq(key, keys[i++]);
	}
	ck_assert_uint_eq(i, sizeof keys / sizeof keys[0]);
	value = json_object_get(json_object_get(root, "packets"), "dropped_by");
	ck_assert_int_eq(json_integer_value(json_object_get(value, "loss")), INT64_MAX);
	ck_assert_int_eq(json_integer_value(json_object_get(value, "fcs")), 0);
	value = json_object_get(json_object_get(root, "handoffs"), "latency_us");
	ck_assert_int_eq(json_integer_value(json_object_get(value, "p99")), 1234);
	ck_assert_str_eq(json_string_value(json_object_get(root, "fingerprint")), "00ff \"");
	json_decref(root);
	unlink(path);
	ck_assert_int_eq(result_write(&m, "/nonexistent/result.json"), E_IO);
	ck_assert_int_eq(result_write(&m, "/dev/full"), E_IO);
}
END_TEST

START_TEST(perf_json_divides)
{
	struct result_cost cost = {
		.wall = NSTIME_S / 2,
		.simulated = 60 * NSTIME_S,
		.events = 1000,
		.packets = 300,
		.peak_memory_bytes = 7,
	};

	result_cost_set(&m, &cost);
	ck_assert_uint_eq(metrics_find(&m, "events_per_second")->value, 2000);
	ck_assert_uint_eq(metrics_find(&m, "packets_per_second")->value, 600);
	ck_assert(metrics_find(&m, "wall_seconds")->real > 0.49 && metrics_find(&m, "wall_seconds")->real < 0.51);
	cost.wall = 0;
	result_cost_set(&m, &cost);
	ck_assert_uint_eq(metrics_find(&m, "events_per_second")->value, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("metrics");
	TCase *c = tcase_create("metrics");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, values_are_set_added_and_found);
	tcase_add_test(c, thousands_are_kept_apart);
	tcase_add_test(c, near_names_are_suggested);
	tcase_add_test(c, result_json_has_its_keys_in_order);
	tcase_add_test(c, perf_json_divides);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
