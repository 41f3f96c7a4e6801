/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/grid.h"

#include "base/err.h"
#include "base/log.h"
#include "sim/units.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *memory_check(void *p)
{
	if (!p)
		log_fatal("out of memory: a sweep");
	return p;
}

/* The bytes up to the next comma outside brackets, braces and quotes, or the end; SIZE_MAX when one is left open. */
static size_t value_len(const char *text)
{
	char quote = 0;
	size_t depth = 0, i;

	for (i = 0; text[i] && (quote || depth || text[i] != ','); i++) {
		if (quote) {
			if (text[i] == quote)
				quote = 0;
		} else if (text[i] == '"' || text[i] == '\'') {
			quote = text[i];
		} else if (text[i] == '[' || text[i] == '{') {
			depth++;
		} else if ((text[i] == ']' || text[i] == '}') && depth) {
			depth--;
		}
	}
	return quote || depth ? SIZE_MAX : i;
}

/* The text without spaces at its ends; to be freed. */
static char *trimmed(const char *text, size_t len)
{
	while (len && *text == ' ') {
		text++;
		len--;
	}
	while (len && text[len - 1] == ' ')
		len--;
	return memory_check(strndup(text, len));
}

static void vary_fini(struct sweep_vary *v)
{
	for (size_t i = 0; i < v->count; i++)
		free(v->values[i]);
	free(v->values);
	free(v->path);
	*v = (struct sweep_vary){0};
}

/* Takes ownership of `value`. */
static int value_add(struct sweep_vary *v, char *value, const char **why)
{
	int r = 0;

	if (!*value) {
		*why = "a value is empty";
		r = E_FORMAT;
	}
	for (size_t i = 0; !r && i < v->count; i++)
		if (!strcmp(v->values[i], value)) {
			*why = "a value stands there twice";
			r = E_EXISTS;
		}
	if (r) {
		free(value);
		return r;
	}
	v->values = memory_check(reallocarray(v->values, v->count + 1, sizeof(*v->values)));
	v->values[v->count++] = value;
	return 0;
}

static int values_read(struct sweep_vary *v, const char *text, const char **why)
{
	for (;;) {
		size_t len = value_len(text);
		if (len == SIZE_MAX) {
			*why = "a bracket or quote is not closed";
			return E_FORMAT;
		}
		int r = value_add(v, trimmed(text, len), why);
		if (r < 0 || !text[len])
			return r;
		text += len + 1;
	}
}

int sweep_grid_vary(struct sweep_grid *g, const char *word, const char **why)
{
	const char *equals = strchr(word, '=');
	struct sweep_vary v = {0};

	if (g->varies_count == SWEEP_VARIES_MAX) {
		*why = "more than 8 paths are varied";
		return E_FULL;
	}
	if (!equals || equals == word) {
		*why = "write --vary path=value,value...";
		return E_FORMAT;
	}
	if (!strncmp(word, "seed=", 5)) {
		*why = "seeds are varied by --seeds";
		return E_FORMAT;
	}
	v.path = trimmed(word, (size_t)(equals - word));
	int r = values_read(&v, equals + 1, why);
	for (size_t i = 0; !r && i < g->varies_count; i++)
		if (!strcmp(g->varies[i].path, v.path)) {
			*why = "the path is varied already";
			r = E_EXISTS;
		}
	if (r < 0) {
		vary_fini(&v);
		return r;
	}
	g->varies[g->varies_count++] = v;
	return 0;
}

/* "7" or "1..20", len bytes. */
static int range_read(const char *text, size_t len, uint64_t *from, uint64_t *to, const char **why)
{
	char *copy = trimmed(text, len), *dots = strstr(copy, "..");
	int r;

	if (dots)
		*dots = '\0';
	r = units_parse_count(copy, from, why);
	*to = *from;
	if (!r && dots)
		r = units_parse_count(dots + 2, to, why);
	free(copy);
	if (!r && *to < *from) {
		*why = "the range runs backwards";
		r = E_FORMAT;
	}
	return r;
}

/* Adds from..to, none of which may be there. */
static int range_add(struct sweep_grid *g, uint64_t from, uint64_t to, const char **why)
{
	if (to - from >= SWEEP_RUNS_MAX - g->seeds_count) {
		*why = "that is more than a million seeds";
		return E_FULL;
	}
	for (size_t i = 0; i < g->seeds_count; i++)
		if (g->seeds[i] >= from && g->seeds[i] <= to) {
			*why = "a seed stands there twice";
			return E_EXISTS;
		}
	size_t count = (size_t)(to - from) + 1;
	g->seeds = memory_check(reallocarray(g->seeds, g->seeds_count + count, sizeof(*g->seeds)));
	for (size_t i = 0; i < count; i++)
		g->seeds[g->seeds_count++] = from + i;
	return 0;
}

int sweep_grid_seeds(struct sweep_grid *g, const char *text, const char **why)
{
	for (;;) {
		size_t len = strcspn(text, ",");
		uint64_t from = 0, to = 0;
		int r = range_read(text, len, &from, &to, why);
		if (!r)
			r = range_add(g, from, to, why);
		if (r < 0 || !text[len])
			return r;
		text += len + 1;
	}
}

size_t sweep_grid_cells(const struct sweep_grid *g)
{
	size_t cells = 1;

	for (size_t i = 0; i < g->varies_count; i++) {
		if (cells > SWEEP_RUNS_MAX / g->varies[i].count)
			return SIZE_MAX;
		cells *= g->varies[i].count;
	}
	return cells;
}

size_t sweep_grid_runs(const struct sweep_grid *g)
{
	size_t cells = sweep_grid_cells(g), seeds = g->seeds_count ? g->seeds_count : 1;

	return cells > SWEEP_RUNS_MAX / seeds ? 0 : cells * seeds;
}

struct sweep_point sweep_grid_point(const struct sweep_grid *g, size_t run)
{
	size_t cells = sweep_grid_cells(g), rest = run % cells;
	struct sweep_point p = {.cell = rest, .seed = g->seeds_count ? g->seeds[run / cells] : 0};

	for (size_t i = g->varies_count; i--;) {
		p.value[i] = rest % g->varies[i].count;
		rest /= g->varies[i].count;
	}
	return p;
}

const char *sweep_grid_value(const struct sweep_grid *g, size_t cell, size_t vary)
{
	return g->varies[vary].values[sweep_grid_point(g, cell).value[vary]];
}

void sweep_grid_name(const struct sweep_grid *g, size_t run, char out[SWEEP_NAME_MAX])
{
	struct sweep_point p = sweep_grid_point(g, run);

	if (g->seeds_count)
		snprintf(out, SWEEP_NAME_MAX, "cell%zu-seed%" PRIu64, p.cell, p.seed);
	else
		snprintf(out, SWEEP_NAME_MAX, "cell%zu", p.cell);
}

void sweep_grid_sets(const struct sweep_grid *g, size_t cell, char **out)
{
	for (size_t i = 0; i < g->varies_count; i++)
		if (asprintf(&out[i], "%s=%s", g->varies[i].path, sweep_grid_value(g, cell, i)) < 0)
			log_fatal("out of memory: a sweep");
}

void sweep_grid_fini(struct sweep_grid *g)
{
	for (size_t i = 0; i < g->varies_count; i++)
		vary_fini(&g->varies[i]);
	free(g->seeds);
	*g = (struct sweep_grid){0};
}
