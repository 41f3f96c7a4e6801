/* SPDX-License-Identifier: BSD-3-Clause */
/* The benchmarks of `baton bench`: each measures with the machine's clock and reports named values with their units.
 *
 * A benchmark prints nothing; cli/cmd_bench.c prints what it reports. */
#ifndef BATON_CLI_BENCH_H
#define BATON_CLI_BENCH_H

#include "base/nstime.h"

#include <stddef.h>

#define BENCH_VALUES_MAX 256U

/* One figure. What it is of, where a benchmark has several: a size, a cipher, a part of the work. */
struct bench_value {
	const char *metric; /* static text, as are the others */
	double value;
	const char *unit;
	const char *cipher, *part; /* NULL: not said */
	long size;                 /* BENCH_NO_SIZE: not said */
	const char *size_unit;     /* "B", "entries", ... */
};

#define BENCH_NO_SIZE (-1L)

struct bench_report {
	struct bench_value values[BENCH_VALUES_MAX];
	size_t count;
};

/* Adds a figure; more than BENCH_VALUES_MAX is a programmer's error. */
void bench_add(struct bench_report *r, const struct bench_value *value);

/* The same for one that needs no more said. */
void bench_add_plain(struct bench_report *r, const char *metric, double value, const char *unit);

/* One benchmark: 0 or a negative enum err. */
struct bench {
	const char *name;
	const char *meaning; /* one line for --help */
	int (*run)(struct bench_report *r);
};

/* All of them, in the order in which they run; ends with a NULL name. */
extern const struct bench bench_list[];

int bench_sim_bulk(struct bench_report *r);
int bench_sim_short(struct bench_report *r);
int bench_handoff_report(struct bench_report *r);
int bench_forwarder(struct bench_report *r);
int bench_engine(struct bench_report *r);
int bench_scale(struct bench_report *r);
int bench_nodes(struct bench_report *r);
int bench_canon(struct bench_report *r);
int bench_diff(struct bench_report *r);
int bench_replay(struct bench_report *r);

#endif
