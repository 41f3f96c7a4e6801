/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/table.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define METRIC_PATH_MAX 256U

static void *memory_check(void *p)
{
	if (!p)
		log_fatal("out of memory: the results of a sweep");
	return p;
}

/* The column for a path, made when it is new. `hint`: where it is likely, since runs have their numbers in one order.
 */
static size_t column_get(struct sweep_table *t, const char *path, size_t hint)
{
	if (hint < t->metrics_count && !strcmp(t->metrics[hint], path))
		return hint;
	size_t column = sweep_table_metric(t, path);
	if (column != SIZE_MAX)
		return column;
	t->metrics = memory_check(reallocarray(t->metrics, t->metrics_count + 1, sizeof(*t->metrics)));
	t->metrics[t->metrics_count] = memory_check(strdup(path));
	return t->metrics_count++;
}

static void value_set(struct sweep_row *row, size_t column, double value)
{
	if (column >= row->values_count) {
		row->values = memory_check(reallocarray(row->values, column + 1, sizeof(*row->values)));
		while (row->values_count <= column)
			row->values[row->values_count++] = NAN;
	}
	row->values[column] = value;
}

/* The numbers of an object, by dotted path; path holds its own, len bytes of it. */
static void numbers_read(struct sweep_table *t, struct sweep_row *row, json_t *object, char path[METRIC_PATH_MAX],
			 size_t len, size_t *hint)
{
	const char *key;
	json_t *value;

	json_object_foreach (object, key, value) {
		int n = snprintf(path + len, METRIC_PATH_MAX - len, "%s%s", len ? "." : "", key);
		if (n < 0 || (size_t)n >= METRIC_PATH_MAX - len)
			continue;
		if (json_is_object(value)) {
			numbers_read(t, row, value, path, len + (size_t)n, hint);
		} else if (json_is_number(value)) {
			size_t column = column_get(t, path, *hint);
			value_set(row, column, json_number_value(value));
			*hint = column + 1;
		}
	}
}

static json_t *file_read(const struct sweep_store *s, const char *name, const char *file, int *err)
{
	char path[SWEEP_PATH_MAX];
	json_error_t error;

	*err = sweep_store_path(s, name, file, path);
	if (*err < 0)
		return NULL;
	json_t *root = json_load_file(path, 0, &error);
	if (!root)
		*err = access(path, F_OK) < 0 ? E_NOENT : access(path, R_OK) < 0 ? E_IO : E_FORMAT;
	return root;
}

static int row_read(struct sweep_table *t, struct sweep_row *row, const struct sweep_store *s, const char *name)
{
	char path[METRIC_PATH_MAX] = "";
	const char *seed, *fingerprint;
	json_t *failed;
	size_t hint = 0;
	int r, status;

	json_t *record = file_read(s, name, "run.json", &r);
	if (!record)
		return r;
	json_t *result = file_read(s, name, "result.json", &r);
	if (!result) {
		json_decref(record);
		return r;
	}
	if (json_unpack(record, "{s:s, s:i, s:o}", "seed", &seed, "status", &status, "failed", &failed) ||
	    json_unpack(result, "{s:s}", "fingerprint", &fingerprint)) {
		r = E_FORMAT;
	} else {
		row->status = (enum sweep_status)status;
		row->failed = json_array_size(failed);
		row->seed = memory_check(strdup(seed));
		row->fingerprint = memory_check(strdup(fingerprint));
		numbers_read(t, row, result, path, 0, &hint);
	}
	json_decref(result);
	json_decref(record);
	return r;
}

int sweep_table_read(struct sweep_table *t, const struct sweep_store *s, const struct sweep_grid *g,
		     char bad[SWEEP_NAME_MAX])
{
	size_t count = sweep_grid_runs(g);

	*t = (struct sweep_table){.grid = g, .rows = memory_check(calloc(count, sizeof(*t->rows)))};
	for (; t->rows_count < count; t->rows_count++) {
		sweep_grid_name(g, t->rows_count, bad);
		int r = row_read(t, &t->rows[t->rows_count], s, bad);
		if (r < 0)
			return r;
	}
	return 0;
}

void sweep_table_fini(struct sweep_table *t)
{
	for (size_t i = 0; i < t->rows_count; i++) {
		free(t->rows[i].seed);
		free(t->rows[i].fingerprint);
		free(t->rows[i].values);
	}
	for (size_t i = 0; i < t->metrics_count; i++)
		free(t->metrics[i]);
	free(t->metrics);
	free(t->rows);
	*t = (struct sweep_table){0};
}

size_t sweep_table_metric(const struct sweep_table *t, const char *path)
{
	for (size_t i = 0; i < t->metrics_count; i++)
		if (!strcmp(t->metrics[i], path))
			return i;
	return SIZE_MAX;
}

double sweep_table_value(const struct sweep_table *t, size_t run, size_t metric)
{
	return metric < t->rows[run].values_count ? t->rows[run].values[metric] : NAN;
}

struct sweep_stats sweep_table_cell(const struct sweep_table *t, size_t cell, size_t metric)
{
	size_t cells = sweep_grid_cells(t->grid), count = 0;
	double *values = memory_check(calloc(t->rows_count / cells, sizeof(*values)));
	struct sweep_stats s = {0};

	for (size_t run = cell; run < t->rows_count; run += cells) {
		double value = sweep_table_value(t, run, metric);
		if (!isnan(value))
			values[count++] = value;
	}
	if (count)
		s = sweep_stats(values, count);
	free(values);
	return s;
}

bool sweep_table_varies(const struct sweep_table *t, size_t metric)
{
	double first = sweep_table_value(t, 0, metric);

	for (size_t run = 1; run < t->rows_count; run++)
		if (isless(sweep_table_value(t, run, metric), first) ||
		    isgreater(sweep_table_value(t, run, metric), first))
			return true;
	return false;
}
