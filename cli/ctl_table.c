/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/ctl_table.h"

#include "base/log.h"
#include "base/quantity.h"
#include "cli/cli.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_WIDTH 14
#define CELL_MAX    160U
#define COLUMNS_MAX 8U

/* ---- values ---- */

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t value = json_integer_value(json_object_get(object, key));

	return value < 0 ? 0 : (uint64_t)value;
}

static const char *text(const json_t *object, const char *key)
{
	const char *value = json_string_value(json_object_get(object, key));

	return value ? value : "-";
}

/* A number as it is, "-" where there is none. */
static void number_cell(char out[CELL_MAX], const json_t *object, const char *key)
{
	const json_t *value = json_object_get(object, key);

	if (json_is_integer(value))
		snprintf(out, CELL_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else
		strcpy(out, "-");
}

/* ---- tables ---- */

struct table {
	const char *const *heads; /* NULL at the end; one that begins with '>' is of a column to the right */
	size_t columns, rows;
	char (*cells)[CELL_MAX]; /* row by row */
};

static bool to_the_right(const struct table *t, size_t column)
{
	return t->heads[column][0] == '>';
}

static const char *head(const struct table *t, size_t column)
{
	return t->heads[column] + to_the_right(t, column);
}

static void table_begin(struct table *t, const char *const *heads, size_t rows)
{
	*t = (struct table){.heads = heads, .rows = rows};
	while (heads[t->columns])
		t->columns++;
	t->cells = calloc(rows * t->columns, sizeof(*t->cells));
	if (!t->cells)
		log_fatal("out of memory for a table");
}

static char *table_cell(struct table *t, size_t row, size_t column)
{
	return t->cells[row * t->columns + column];
}

static void print_cell(const struct table *t, size_t column, const char *cell, size_t width)
{
	bool last = column + 1 == t->columns;

	if (to_the_right(t, column))
		printf("%*s%s", (int)width, cell, last ? "\n" : "  ");
	else
		printf("%-*s%s", last ? 0 : (int)width, cell, last ? "\n" : "  ");
}

static void table_end(struct table *t)
{
	size_t widths[COLUMNS_MAX];

	for (size_t c = 0; c < t->columns; c++) {
		widths[c] = strlen(head(t, c));
		for (size_t r = 0; r < t->rows; r++)
			if (strlen(table_cell(t, r, c)) > widths[c])
				widths[c] = strlen(table_cell(t, r, c));
	}
	for (size_t c = 0; c < t->columns; c++)
		print_cell(t, c, head(t, c), widths[c]);
	for (size_t r = 0; r < t->rows; r++)
		for (size_t c = 0; c < t->columns; c++)
			print_cell(t, c, table_cell(t, r, c), widths[c]);
	free(t->cells);
}

/* ---- answers ---- */

static void print_device(const json_t *d)
{
	char in[QUANTITY_MAX], in_bytes[QUANTITY_MAX], out[QUANTITY_MAX], out_bytes[QUANTITY_MAX];

	printf("%-*s%s (%s, %s): %s packets (%s) in, %s (%s) out", LABEL_WIDTH, "device", text(d, "name"),
	       text(d, "kind"), text(d, "state"), quantity_count(in, number(d, "in_packets")),
	       quantity_bytes(in_bytes, number(d, "in_bytes")), quantity_count(out, number(d, "out_packets")),
	       quantity_bytes(out_bytes, number(d, "out_bytes")));
	if (number(d, "dropped"))
		printf(", %" PRIu64 " dropped", number(d, "dropped"));
	putchar('\n');
}

void ctl_print_status(const json_t *a)
{
	const json_t *lag = json_object_get(a, "lag_us"), *connections = json_object_get(a, "connections");
	const json_t *devices = json_object_get(a, "devices"), *device;
	char time[QUANTITY_MAX], p99[QUANTITY_MAX], max[QUANTITY_MAX];
	size_t i;

	printf("%-*s%s (baton %s, process %" PRIu64 ")\n", LABEL_WIDTH, "run", text(a, "name"), text(a, "version"),
	       number(a, "pid"));
	printf("%-*s%s for %s\n", LABEL_WIDTH, "state", text(a, "phase"),
	       quantity_time(time, number(a, "uptime_us") * NSTIME_US));
	printf("%-*s99 %% of %" PRIu64 " wake-ups within %s, worst %s; kept real time: %s\n", LABEL_WIDTH, "late",
	       number(a, "wakeups"), quantity_time(p99, number(lag, "p99") * NSTIME_US),
	       quantity_time(max, number(lag, "max") * NSTIME_US),
	       json_is_true(json_object_get(a, "kept_real_time")) ? "yes" : "no");
	printf("%-*s%" PRIu64 " open, %" PRIu64 " being classified\n", LABEL_WIDTH, "connections",
	       number(connections, "open"), number(connections, "classifying"));
	printf("%-*s%" PRIu64 " in this process\n", LABEL_WIDTH, "nodes", number(a, "nodes"));
	json_array_foreach (devices, i, device)
		print_device(device);
	if (!json_array_size(devices))
		printf("%-*snone\n", LABEL_WIDTH, "device");
}

/* How long ago. */
static void age_cell(char out[CELL_MAX], const json_t *c, uint64_t now_us)
{
	char time[QUANTITY_MAX];
	uint64_t at = number(c, "handed_over_us");

	if (!json_is_integer(json_object_get(c, "handed_over_us")))
		strcpy(out, "-");
	else
		snprintf(out, CELL_MAX, "%s ago", quantity_time(time, (now_us > at ? now_us - at : 0) * NSTIME_US));
}

static void service_cell(char out[CELL_MAX], const json_t *c)
{
	const json_t *rule = json_object_get(c, "rule");

	if (json_is_integer(rule))
		snprintf(out, CELL_MAX, "%s/%" JSON_INTEGER_FORMAT, text(c, "service"), json_integer_value(rule));
	else
		snprintf(out, CELL_MAX, "%s", text(c, "service"));
}

void ctl_print_connections(const json_t *a)
{
	static const char *const heads[] = {"CLIENT", "SERVICE/RULE", "BACKEND", "STATE", ">HANDED OVER", NULL};
	const json_t *list = json_object_get(a, "connections"), *c;
	struct table t;
	size_t i;

	if (!json_array_size(list)) {
		puts("no connections");
		return;
	}
	table_begin(&t, heads, json_array_size(list));
	json_array_foreach (list, i, c) {
		snprintf(table_cell(&t, i, 0), CELL_MAX, "%s", text(c, "client"));
		service_cell(table_cell(&t, i, 1), c);
		snprintf(table_cell(&t, i, 2), CELL_MAX, "%s", text(c, "backend"));
		snprintf(table_cell(&t, i, 3), CELL_MAX, "%s", text(c, "state"));
		age_cell(table_cell(&t, i, 4), c, number(a, "uptime_us"));
	}
	table_end(&t);
}

/* "web/0 web/1:3": the rules that name it, with weights other than 1. */
static void rules_cell(char out[CELL_MAX], const json_t *rules)
{
	size_t len = 0, i;
	const json_t *r;

	strcpy(out, json_array_size(rules) ? "" : "none");
	json_array_foreach (rules, i, r) {
		char one[CELL_MAX], weight[32] = "";

		if (number(r, "weight") != 1)
			snprintf(weight, sizeof(weight), ":%" PRIu64, number(r, "weight"));
		size_t add = (size_t)snprintf(one, sizeof(one), "%s%s/%" PRIu64 "%s", i ? " " : "", text(r, "service"),
					      number(r, "rule"), weight);

		if (len + add + sizeof(" ...") > CELL_MAX) {
			strcpy(out + len, " ...");
			return;
		}
		strcpy(out + len, one);
		len += add;
	}
}

void ctl_print_backends(const json_t *a)
{
	static const char *const heads[] = {"BACKEND", "STATE", ">OPEN", ">HANDED OVER", "RULES:WEIGHT", NULL};
	const json_t *list = json_object_get(a, "backends"), *b;
	struct table t;
	size_t i;

	if (!json_array_size(list)) {
		puts("no backends");
		return;
	}
	table_begin(&t, heads, json_array_size(list));
	json_array_foreach (list, i, b) {
		snprintf(table_cell(&t, i, 0), CELL_MAX, "%s", text(b, "name"));
		snprintf(table_cell(&t, i, 1), CELL_MAX, "%s", text(b, "state"));
		number_cell(table_cell(&t, i, 2), b, "connections");
		number_cell(table_cell(&t, i, 3), b, "handed_over");
		rules_cell(table_cell(&t, i, 4), json_object_get(b, "rules"));
	}
	table_end(&t);
}

void ctl_print_drain(const json_t *a)
{
	char time[QUANTITY_MAX];

	printf("%s drains: it takes nothing new, and hands on what it has within %s\n", text(a, "name"),
	       quantity_time(time, number(a, "within_us") * NSTIME_US));
}

void ctl_print_undrain(const json_t *a)
{
	printf("%s takes connections\n", text(a, "name"));
}

static void print_tree(const json_t *object, const char *before)
{
	const char *key;
	const json_t *value;

	/* (jansson's loop wants an object that it could change, and changes nothing) */
	json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
		char path[CELL_MAX];

		snprintf(path, sizeof(path), "%s%s%s", before, *before ? "." : "", key);
		if (json_is_object(value))
			print_tree(value, path);
		else if (json_is_integer(value))
			printf("%-44s %" JSON_INTEGER_FORMAT "\n", path, json_integer_value(value));
		else if (json_is_real(value))
			printf("%-44s %g\n", path, json_real_value(value));
		else if (json_is_string(value) && *json_string_value(value))
			printf("%-44s %s\n", path, json_string_value(value));
	}
}

void ctl_print_stats(const json_t *a)
{
	print_tree(json_object_get(a, "result"), "");
}
