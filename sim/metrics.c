/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/metrics.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN    64U
#define SLOTS_MIN       256U /* a power of two */
#define SUGGEST_LEN_MAX 96U  /* longer names are not compared */
#define SUGGEST_EDITS   3U   /* at most so many, and a third of the name */

static void *memory_check(void *p)
{
	if (!p)
		log_fatal("out of memory: metrics");
	return p;
}

void metrics_init(struct metrics *m)
{
	*m = (struct metrics){0};
	hash_key_init(&m->key, 0, "metrics");
}

void metrics_fini(struct metrics *m)
{
	for (size_t i = 0; i < m->count; i++) {
		free(m->list[i].path);
		free(m->list[i].text);
	}
	free(m->list);
	free(m->slots);
	*m = (struct metrics){0};
}

/* The slot of the first `len` bytes of `path`, or the empty one where it would be. */
static struct metrics_slot *slot_find(const struct metrics *m, const char *path, size_t len)
{
	size_t mask = m->slots_count - 1, at = hash_bytes(&m->key, path, len) & mask;

	for (; m->slots[at].metric; at = (at + 1) & mask)
		if (m->slots[at].len == len && !memcmp(m->list[m->slots[at].metric - 1].path, path, len))
			break;
	return &m->slots[at];
}

static void slots_grow(struct metrics *m)
{
	struct metrics_slot *old = m->slots;
	size_t old_count = m->slots_count;

	m->slots_count = old_count ? 2 * old_count : SLOTS_MIN;
	m->slots = memory_check(calloc(m->slots_count, sizeof *m->slots));
	for (size_t i = 0; i < old_count; i++)
		if (old[i].metric)
			*slot_find(m, m->list[old[i].metric - 1].path, old[i].len) = old[i];
	free(old);
}

/* Notes that the newest metric has these first bytes; false when another one has them. */
static bool slot_add(struct metrics *m, size_t len)
{
	struct metrics_slot *slot;

	if (2 * (m->slots_used + 1) > m->slots_count)
		slots_grow(m);
	slot = slot_find(m, m->list[m->count - 1].path, len);
	if (slot->metric)
		return false;
	*slot = (struct metrics_slot){.metric = (uint32_t)m->count, .len = (uint32_t)len};
	m->slots_used++;
	return true;
}

/* Whether a slot is a value, and no parent of values. */
static bool slot_is_value(const struct metrics *m, const struct metrics_slot *slot)
{
	return slot->metric && !m->list[slot->metric - 1].path[slot->len];
}

static struct metric *metric_get(struct metrics *m, const char *path)
{
	const struct metric *found = metrics_find(m, path);

	if (found)
		return &m->list[found - m->list];
	if (m->count == m->capacity) {
		m->capacity = m->capacity ? 2 * m->capacity : CAPACITY_MIN;
		m->list = memory_check(reallocarray(m->list, m->capacity, sizeof *m->list));
	}
	m->list[m->count++] = (struct metric){.path = memory_check(strdup(path))};
	for (const char *dot = path; (dot = strchr(dot, '.')); dot++)
		if (!slot_add(m, (size_t)(dot - path)))
			assert(!slot_is_value(m, slot_find(m, path, (size_t)(dot - path))));
	bool alone = slot_add(m, strlen(path));

	assert(alone); /* else it is a parent of others */
	return &m->list[m->count - 1];
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
	const struct metrics_slot *slot;

	if (!m->count)
		return NULL;
	slot = slot_find(m, path, strlen(path));
	return slot_is_value(m, slot) ? &m->list[slot->metric - 1] : NULL;
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
