/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/result.h"

#include "base/err.h"
#include "base/log.h"
#include "sim/count.h"
#include "sim/impair.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define INDENT       2U
#define REAL_DIGITS  12U /* of a measured value: nanoseconds of minutes, no binary tail */
#define PATH_MAX_LEN 256U

void result_declare(struct metrics *m)
{
	static const char *const before[] = {
		"run.duration_us",
		"requests.started",
		"requests.completed",
		"requests.failed",
		"requests.aborted",
		"requests.latency_us.p50",
		"requests.latency_us.p90",
		"requests.latency_us.p99",
		"requests.latency_us.max",
		"requests.first_byte_us.p50",
		"requests.first_byte_us.p90",
		"requests.first_byte_us.p99",
		"requests.first_byte_us.max",
		"requests.stall_us.p50",
		"requests.stall_us.p90",
		"requests.stall_us.p99",
		"requests.stall_us.max",
		"streams.bytes",
		"streams.corrupted",
		"client.resets",
		"client.retransmissions",
		"handoffs.latency_us.p50",
		"handoffs.latency_us.p90",
		"handoffs.latency_us.p99",
		"handoffs.latency_us.max",
		"packets.sent",
		"packets.delivered",
		"packets.dropped",
		"packets.in_flight",
		"packets.corrupted",
		"packets.corrupted_again",
		"packets.duplicated",
		"packets.reordered",
		"packets.queue_us.p50",
		"packets.queue_us.p90",
		"packets.queue_us.p99",
		"packets.queue_us.max",
		"faults.missed",
	};
	char path[PATH_MAX_LEN];

	for (size_t i = 0; i < sizeof before / sizeof before[0]; i++)
		metrics_set(m, before[i], 0);
	for (unsigned reason = 0; reason < IMPAIR_DROP_COUNT; reason++) {
		snprintf(path, sizeof path, "packets.dropped_by.%s", impair_drop_name(reason));
		metrics_set(m, path, 0);
	}
	count_declare(m);
	metrics_set_text(m, "fingerprint", "");
}

static uint64_t per_second(uint64_t count, nstime wall)
{
	return wall ? (uint64_t)((unsigned __int128)count * NSTIME_S / wall) : 0;
}

void result_cost_set(struct metrics *perf, const struct result_cost *cost)
{
	metrics_set_real(perf, "wall_seconds", (double)cost->wall / (double)NSTIME_S);
	metrics_set_real(perf, "virtual_seconds", (double)cost->simulated / (double)NSTIME_S);
	metrics_set(perf, "events", cost->events);
	metrics_set(perf, "packets", cost->packets);
	metrics_set(perf, "events_per_second", per_second(cost->events, cost->wall));
	metrics_set(perf, "packets_per_second", per_second(cost->packets, cost->wall));
	metrics_set(perf, "peak_memory_bytes", cost->peak_memory_bytes);
}

static json_t *json_check(json_t *value)
{
	if (!value)
		log_fatal("out of memory: a result");
	return value;
}

/* jansson's integers are signed: what does not fit is written as the largest that does. */
static json_t *metric_json(const struct metric *metric)
{
	switch (metric->kind) {
	case METRIC_TEXT:
		return json_check(json_string(metric->text));
	case METRIC_REAL:
		return json_check(json_real(metric->real));
	case METRIC_NUMBER:
		break;
	}
	return json_check(json_integer(metric->value > INT64_MAX ? INT64_MAX : (json_int_t)metric->value));
}

/* The object that holds the last component of `path`, made where it is missing; *leaf is that component. */
static json_t *json_parent(json_t *root, const char *path, const char **leaf)
{
	const char *dot;

	while ((dot = strchr(path, '.'))) {
		size_t n = (size_t)(dot - path);
		char key[PATH_MAX_LEN];
		json_t *child;

		if (n >= sizeof key)
			n = sizeof key - 1;
		memcpy(key, path, n);
		key[n] = 0;
		child = json_object_get(root, key);
		if (!child) {
			child = json_check(json_object());
			json_object_set_new(root, key, child);
		}
		root = child;
		path = dot + 1;
	}
	*leaf = path;
	return root;
}

struct json_t *result_json(const struct metrics *m)
{
	json_t *root = json_check(json_object());

	for (size_t i = 0; i < m->count; i++) {
		const char *leaf;
		json_t *parent = json_parent(root, m->list[i].path, &leaf);

		json_object_set_new(parent, leaf, metric_json(&m->list[i]));
	}
	return root;
}

int result_write(const struct metrics *m, const char *path)
{
	json_t *root = result_json(m);
	FILE *file;
	int err = 0, saved;

	file = fopen(path, "we");
	if (!file) {
		json_decref(root);
		return E_IO;
	}
	if (json_dumpf(root, file, JSON_INDENT(INDENT) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(REAL_DIGITS)) ||
	    fputc('\n', file) == EOF || fflush(file))
		err = E_IO;
	saved = errno;
	json_decref(root);
	if (fclose(file) && !err)
		return E_IO;
	errno = saved;
	return err;
}
