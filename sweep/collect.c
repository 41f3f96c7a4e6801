/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/collect.h"

#include "base/err.h"
#include "base/log.h"
#include "sim/csv.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define DOUBLE_EXACT 9007199254740992.0 /* 2^53 */

static int part_path(const struct sweep_store *s, const char *name, char out[SWEEP_PATH_MAX])
{
	char part[128], host[32] = "";

	gethostname(host, sizeof(host) - 1);
	snprintf(part, sizeof(part), ".%s.%s.%d", name, host, (int)getpid());
	return sweep_store_path(s, NULL, part, out);
}

FILE *sweep_file_open(const struct sweep_store *s, const char *name)
{
	char path[SWEEP_PATH_MAX];

	return part_path(s, name, path) < 0 ? NULL : fopen(path, "we");
}

int sweep_file_close(const struct sweep_store *s, const char *name, FILE *file)
{
	char part[SWEEP_PATH_MAX], path[SWEEP_PATH_MAX];
	int bad = ferror(file) | fflush(file), saved = errno;

	if (fclose(file) && !bad) {
		bad = 1;
		saved = errno;
	}
	if (part_path(s, name, part) < 0 || sweep_store_path(s, NULL, name, path) < 0)
		return E_IO;
	if (!bad)
		return rename(part, path) < 0 ? E_IO : 0;
	unlink(part);
	errno = saved;
	return E_IO;
}

/* An integer as such, another number to 10 digits, nothing for what there is not. */
static void number_write(FILE *f, double value)
{
	if (isnan(value))
		return;
	if (fabs(value) < DOUBLE_EXACT && rint(value) == value)
		fprintf(f, "%.0f", value);
	else
		fprintf(f, "%.10g", value);
}

static void csv_values(FILE *f, const struct sweep_grid *g, size_t cell)
{
	for (size_t i = 0; i < g->varies_count; i++) {
		csv_quote(f, sweep_grid_value(g, cell, i));
		fputc(',', f);
	}
}

static void csv_paths(FILE *f, const struct sweep_grid *g)
{
	for (size_t i = 0; i < g->varies_count; i++) {
		csv_quote(f, g->varies[i].path);
		fputc(',', f);
	}
}

static const char *status_text(enum sweep_status status)
{
	return status == SWEEP_HELD ? "held" : status == SWEEP_FAILED ? "failed" : "broken";
}

static int results_csv(const struct sweep_table *t, const struct sweep_store *s)
{
	char name[SWEEP_NAME_MAX];
	FILE *f = sweep_file_open(s, "results.csv");

	if (!f)
		return E_IO;
	fputs("run,", f);
	csv_paths(f, t->grid);
	fputs("seed,outcome,expectations_failed", f);
	for (size_t i = 0; i < t->metrics_count; i++) {
		fputc(',', f);
		csv_quote(f, t->metrics[i]);
	}
	fputs(",fingerprint\r\n", f);
	for (size_t run = 0; run < t->rows_count; run++) {
		const struct sweep_row *row = &t->rows[run];
		sweep_grid_name(t->grid, run, name);
		fprintf(f, "%s,", name);
		csv_values(f, t->grid, sweep_grid_point(t->grid, run).cell);
		fprintf(f, "%s,%s,%zu", row->seed, status_text(row->status), row->failed);
		for (size_t i = 0; i < t->metrics_count; i++) {
			fputc(',', f);
			number_write(f, sweep_table_value(t, run, i));
		}
		fprintf(f, ",%s\r\n", row->fingerprint);
	}
	return sweep_file_close(s, "results.csv", f);
}

static int summary_csv(const struct sweep_table *t, const struct sweep_store *s)
{
	FILE *f = sweep_file_open(s, "summary.csv");

	if (!f)
		return E_IO;
	csv_paths(f, t->grid);
	fputs("metric,runs,mean,deviation,ci95_low,ci95_high,min,median,max\r\n", f);
	for (size_t cell = 0; cell < sweep_grid_cells(t->grid); cell++)
		for (size_t i = 0; i < t->metrics_count; i++) {
			struct sweep_stats x = sweep_table_cell(t, cell, i);
			const double numbers[] = {x.mean, x.deviation, x.low, x.high, x.min, x.median, x.max};
			if (!x.count)
				continue;
			csv_values(f, t->grid, cell);
			csv_quote(f, t->metrics[i]);
			fprintf(f, ",%zu", x.count);
			for (size_t k = 0; k < sizeof(numbers) / sizeof(*numbers); k++) {
				fputc(',', f);
				number_write(f, numbers[k]);
			}
			fputs("\r\n", f);
		}
	return sweep_file_close(s, "summary.csv", f);
}

/* run.json with result.json in it; NULL when either cannot be read any more. */
static json_t *run_whole(const struct sweep_store *s, const char *name)
{
	char path[SWEEP_PATH_MAX];
	json_t *run, *result;

	if (sweep_store_path(s, name, "run.json", path) < 0 || !(run = json_load_file(path, 0, NULL)))
		return NULL;
	if (sweep_store_path(s, name, "result.json", path) < 0 || !(result = json_load_file(path, 0, NULL))) {
		json_decref(run);
		return NULL;
	}
	json_object_set_new(run, "result", result);
	return run;
}

static int results_json(const struct sweep_table *t, const struct sweep_store *s)
{
	char name[SWEEP_NAME_MAX];
	FILE *f = sweep_file_open(s, "results.json");
	int r = f ? 0 : E_IO;

	if (r < 0)
		return r;
	fputs("[\n", f);
	for (size_t run = 0; !r && run < t->rows_count; run++) {
		sweep_grid_name(t->grid, run, name);
		json_t *whole = run_whole(s, name);
		if (!whole || json_dumpf(whole, f, JSON_COMPACT | JSON_PRESERVE_ORDER) < 0)
			r = E_IO;
		json_decref(whole);
		fputs(run + 1 < t->rows_count ? ",\n" : "\n", f);
	}
	fputs("]\n", f);
	int closed = sweep_file_close(s, "results.json", f);
	return r < 0 ? r : closed;
}

int sweep_collect(const struct sweep_table *t, const struct sweep_store *s)
{
	int r = results_csv(t, s);

	if (!r)
		r = summary_csv(t, s);
	return r < 0 ? r : results_json(t, s);
}
