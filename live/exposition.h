/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics as text, in Prometheus' exposition format 0.0.4: families with HELP and TYPE, each with its samples behind
 * it.
 *
 * Values are whole numbers, or times, which are written as seconds without rounding. It knows no run and no HTTP.
 * Callers: live/exporter_metrics.c, tests. */
#ifndef BATON_LIVE_EXPOSITION_H
#define BATON_LIVE_EXPOSITION_H

#include "base/nstime.h"

#include <stddef.h>
#include <stdint.h>

#define EXPOSITION_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum exposition_kind { EXPOSITION_COUNTER, EXPOSITION_GAUGE };

/* Zero-initialised is empty; `text` has `len` bytes, and is the owner's to free. */
struct exposition {
	char *text;
	size_t len, capacity;
	const char *name; /* of the family that is open */
};

struct exposition_label {
	const char *name;
	const char *value; /* any UTF-8; it is escaped */
};

/* Opens a family; the name is borrowed until the next. Without samples behind it, it stays empty. */
void exposition_family(struct exposition *e, const char *name, enum exposition_kind kind, const char *help);

/* A sample of the open family. `labels` ends with a NULL name; NULL: none. */
void exposition_number(struct exposition *e, const struct exposition_label *labels, uint64_t value);
void exposition_time(struct exposition *e, const struct exposition_label *labels, nstime value);

/* LABELS({"node", n}, {"reason", r}) */
#define LABELS(...) ((const struct exposition_label[]){__VA_ARGS__, {NULL, NULL}})

#endif
