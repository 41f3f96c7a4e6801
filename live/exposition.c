/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/exposition.h"

#include "base/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_FIRST 16384U

static void put(struct exposition *e, const char *bytes, size_t len)
{
	if (e->len + len > e->capacity) {
		size_t capacity = e->capacity ? e->capacity : CAPACITY_FIRST;

		while (capacity < e->len + len)
			capacity *= 2;
		e->text = realloc(e->text, capacity);
		if (!e->text)
			log_fatal("out of memory: %zu bytes of metrics", capacity);
		e->capacity = capacity;
	}
	memcpy(e->text + e->len, bytes, len);
	e->len += len;
}

static void put_text(struct exposition *e, const char *text)
{
	put(e, text, strlen(text));
}

/* A label's value: backslash, quote and line feed are escaped. */
static void put_value(struct exposition *e, const char *value)
{
	for (; *value; value++) {
		if (*value == '\n')
			put_text(e, "\\n");
		else if (*value == '"' || *value == '\\')
			put(e, (const char[]){'\\', *value}, 2);
		else
			put(e, value, 1);
	}
}

void exposition_family(struct exposition *e, const char *name, enum exposition_kind kind, const char *help)
{
	e->name = name;
	put_text(e, "# HELP ");
	put_text(e, name);
	put_text(e, " ");
	put_text(e, help);
	put_text(e, "\n# TYPE ");
	put_text(e, name);
	put_text(e, kind == EXPOSITION_COUNTER ? " counter\n" : " gauge\n");
}

static void put_sample(struct exposition *e, const struct exposition_label *labels, const char *value)
{
	put_text(e, e->name);
	for (const struct exposition_label *l = labels; l && l->name; l++) {
		put_text(e, l == labels ? "{" : ",");
		put_text(e, l->name);
		put_text(e, "=\"");
		put_value(e, l->value);
		put_text(e, "\"");
	}
	put_text(e, labels && labels->name ? "} " : " ");
	put_text(e, value);
	put_text(e, "\n");
}

void exposition_number(struct exposition *e, const struct exposition_label *labels, uint64_t value)
{
	char text[32];

	snprintf(text, sizeof text, "%" PRIu64, value);
	put_sample(e, labels, text);
}

void exposition_time(struct exposition *e, const struct exposition_label *labels, nstime value)
{
	char text[48];

	snprintf(text, sizeof text, "%" PRIu64 ".%09" PRIu64, value / NSTIME_S, value % NSTIME_S);
	put_sample(e, labels, text);
}
