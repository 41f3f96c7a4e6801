/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/metrics.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN    64U
#define SUGGEST_LEN_MAX 96U /* longer names are not compared */
#define SUGGEST_EDITS   3U  /* at most so many, and a third of the name */

static void *memory_check(void *p)
{
	if (!p)
		log_fatal("out of memory: metrics");
	return p;
}

void metrics_init(struct metrics *m)
{
	*m = (struct metrics){0};
}

void metrics_fini(struct metrics *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->list[i].path);
		free(m->list[i].text);
	}
	free(m->list);
	*m = (struct metrics){0};
}

/* Whether `path` is an object that holds `other`. */
static bool path_holds(const char *path, const char *other)
{
	size_t n = strlen(path);

	return !strncmp(path, other, n) && other[n] == '.';
}

static struct metric *metric_get(struct metrics *m, const char *path)
{
	for (size_t i = 0; i < m->count; i++)
		if (!strcmp(m->list[i].path, path))
			return &m->list[i];
	for (size_t i = 0; i < m->count; i++)
		assert(!path_holds(m->list[i].path, path) && !path_holds(path, m->list[i].path));
	if (m->count == m->capacity) {
		m->capacity = m->capacity ? 2 * m->capacity : CAPACITY_MIN;
		m->list = memory_check(reallocarray(m->list, m->capacity, sizeof *m->list));
	}
	m->list[m->count] = (struct metric){.path = memory_check(strdup(path))};
	return &m->list[m->count++];
}

static void metric_clear(struct metric *metric, enum metric_kind kind)
{
	free(metric->text);
	*metric = (struct metric){.path = metric->path, .kind = kind};
}

void metrics_set(struct metrics *m, const char *path, uint64_t value)
{
	struct metric *metric = metric_get(m, path);

	metric_clear(metric, METRIC_NUMBER);
	metric->value = value;
}

void metrics_set_text(struct metrics *m, const char *path, const char *text)
{
	struct metric *metric = metric_get(m, path);

	metric_clear(metric, METRIC_TEXT);
	metric->text = memory_check(strdup(text));
}

void metrics_set_real(struct metrics *m, const char *path, double value)
{
	struct metric *metric = metric_get(m, path);

	metric_clear(metric, METRIC_REAL);
	metric->real = value;
}

void metrics_add(struct metrics *m, const char *path, uint64_t value)
{
	struct metric *metric = metric_get(m, path);

	assert(metric->kind == METRIC_NUMBER);
	metric->value += value;
}

const struct metric *metrics_find(const struct metrics *m, const char *path)
{
	for (size_t i = 0; i < m->count; i++)
		if (!strcmp(m->list[i].path, path))
			return &m->list[i];
	return NULL;
}

/* Levenshtein's distance. Precondition: both shorter than SUGGEST_LEN_MAX. */
static unsigned edit_distance(const char *a, const char *b)
{
	unsigned row[SUGGEST_LEN_MAX];
	size_t n = strlen(b);

	for (size_t j = 0; j <= n; j++)
		row[j] = (unsigned)j;
	for (size_t i = 0; a[i]; i++) {
		unsigned diagonal = row[0];

		row[0] = (unsigned)i + 1;
		for (size_t j = 0; j < n; j++) {
			unsigned best = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > diagonal + 1)
				best = diagonal + 1;
			row[j + 1] = best;
		}
	}
	return row[n];
}

const char *metrics_suggest(const struct metrics *m, const char *path)
{
	size_t len = strlen(path);
	unsigned least = len < 3 * SUGGEST_EDITS ? (unsigned)len / 3 + 1 : SUGGEST_EDITS + 1;
	const char *best = NULL;

	if (len >= SUGGEST_LEN_MAX)
		return NULL;
	for (size_t i = 0; i < m->count; i++) {
		const char *candidate = m->list[i].path;
		unsigned distance;

		if (strlen(candidate) >= SUGGEST_LEN_MAX)
			continue;
		distance = edit_distance(path, candidate);
		if (distance < least) {
			least = distance;
			best = candidate;
		}
	}
	return best;
}
