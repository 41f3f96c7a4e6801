/* SPDX-License-Identifier: BSD-3-Clause */
/* The grid of a sweep: every combination of the varied values, each with every seed.
 *
 * A cell is one combination of values; a run is one cell with one seed. Cells are numbered with the value of the last
 * varied path moving fastest; runs seed by seed, so that all cells have something to show before any has all. It runs
 * nothing and reads no scenario. Callers: cli/cmd_sweep.c and the rest of sweep/. */
#ifndef BATON_SWEEP_GRID_H
#define BATON_SWEEP_GRID_H

#include <stddef.h>
#include <stdint.h>

#define SWEEP_VARIES_MAX 8U
#define SWEEP_RUNS_MAX   1000000U
#define SWEEP_NAME_MAX   48U /* bytes of a run's name with its NUL */

/* One `--vary path=a,b,c`. */
struct sweep_vary {
	char *path;
	char **values; /* as written, without the spaces around them */
	size_t count;
};

/* Zero-initialised is empty; sweep_grid_fini frees what it holds. */
struct sweep_grid {
	struct sweep_vary varies[SWEEP_VARIES_MAX];
	size_t varies_count;
	uint64_t *seeds; /* each once, in the order given; none: the file's own */
	size_t seeds_count;
};

/* One run of the grid. */
struct sweep_point {
	size_t cell;
	uint64_t seed;                  /* when the grid has seeds */
	size_t value[SWEEP_VARIES_MAX]; /* index into each vary's values */
};

/* Adds "path=a,b,c": values stand between commas that are in no bracket, brace or quote. 0, E_FORMAT (no path, an empty
 * value, an unclosed bracket), E_EXISTS (the path or a value twice) or E_FULL, with a static text in *why. */
int sweep_grid_vary(struct sweep_grid *g, const char *word, const char **why);

/* Adds seeds: "1..20", "3", or several of such between commas. 0, E_FORMAT, E_EXISTS or E_FULL with *why. */
int sweep_grid_seeds(struct sweep_grid *g, const char *text, const char **why);

/* How many cells and runs there are; runs are 0 when there would be more than SWEEP_RUNS_MAX. */
size_t sweep_grid_cells(const struct sweep_grid *g);
size_t sweep_grid_runs(const struct sweep_grid *g);

/* The run with this number, below sweep_grid_runs. */
struct sweep_point sweep_grid_point(const struct sweep_grid *g, size_t run);

/* The value of a varied path in a cell. */
const char *sweep_grid_value(const struct sweep_grid *g, size_t cell, size_t vary);

/* "cell3-seed7": the run's name, and that of its folder. */
void sweep_grid_name(const struct sweep_grid *g, size_t run, char out[SWEEP_NAME_MAX]);

/* The words for --set that make a cell: "path=value" each; `out` has room for varies_count. To be freed one by one. */
void sweep_grid_sets(const struct sweep_grid *g, size_t cell, char **out);

void sweep_grid_fini(struct sweep_grid *g);

#endif
