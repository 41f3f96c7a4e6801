/* SPDX-License-Identifier: BSD-3-Clause */
/* Named values of a run, by dotted path and in order of insertion ("packets.dropped_by.loss"). The world fills one at
 * the end of a run; sim/result writes it, sim/expect asks it. */
#ifndef BATON_SIM_METRICS_H
#define BATON_SIM_METRICS_H

#include "base/hash.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum metric_kind { METRIC_NUMBER, METRIC_TEXT, METRIC_REAL };

struct metric {
	char *path;
	enum metric_kind kind;
	uint64_t value;
	double real;
	char *text;
};

/* A path, or a parent of paths: the first `len` bytes of a metric's path. */
struct metrics_slot {
	uint32_t metric; /* its number in the list, from 1 on; 0: an empty slot */
	uint32_t len;
};

struct metrics {
	struct metric *list;
	size_t count, capacity;
	struct metrics_slot *slots; /* by the hash of their text; open addressing */
	size_t slots_used, slots_count;
	struct hash_key key;
};

void metrics_init(struct metrics *m);
void metrics_fini(struct metrics *m);

/* Sets a value, adding it at the end when it is new. A path may not be both a value and a parent of values: writing
 * that is a programmer's error. */
void metrics_set(struct metrics *m, const char *path, uint64_t value);
void metrics_set_text(struct metrics *m, const char *path, const char *text);
void metrics_set_real(struct metrics *m, const char *path, double value); /* only for what measures the machine */

/* Adds to a number, creating it at 0. */
void metrics_add(struct metrics *m, const char *path, uint64_t value);

/* NULL when there is none. Valid until the next value is added. */
const struct metric *metrics_find(const struct metrics *m, const char *path);

/* The name closest to `path`, for "did you mean"; NULL when none is near. */
const char *metrics_suggest(const struct metrics *m, const char *path);

#endif
