/* SPDX-License-Identifier: BSD-3-Clause */
/* Expectations: "METRIC OP VALUE", read from a scenario and held against the metrics of a run.
 *
 * METRIC is a path of result.json. OP is one of == != < <= > >=. VALUE is a number with an optional unit (sim/units.h)
 * or another metric. A metric's unit is told by its name: the last component that is, or ends in an underscore and, ns,
 * us, ms, s, bytes, bps or ppb ("handoffs.latency_us.p99", "streams.bytes"). A number without a unit is in the metric's
 * own; one with a unit is converted exactly and must be of the same kind, and so must another metric.
 * Callers: the scenario parser and sim/world. */
#ifndef BATON_SIM_EXPECT_H
#define BATON_SIM_EXPECT_H

#include "sim/metrics.h"
#include "sim/units.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPECT_PATH_MAX   192U /* bytes of a metric's path with its NUL */
#define EXPECT_ACTUAL_MAX 480U
#define EXPECT_WHY_MAX    440U

enum expect_op { EXPECT_EQ, EXPECT_NE, EXPECT_LT, EXPECT_LE, EXPECT_GT, EXPECT_GE };

struct expect {
	char metric[EXPECT_PATH_MAX];
	char other[EXPECT_PATH_MAX]; /* the metric to compare with; empty: a number */
	enum expect_op op;
	enum units_dimension dimension; /* of the metric, by its name */
	uint64_t scale;                 /* base units (ns, bytes, ...) in one of the metric's */
	uint64_t other_scale;
	uint64_t value; /* the number: in base units if has_unit, else in the metric's own */
	bool has_unit;
};

struct expect_result {
	bool pass;
	char actual[EXPECT_ACTUAL_MAX]; /* "requests.completed is 998" */
};

/* Reads one. `known` (may be NULL) holds the metrics there will be: a name that it lacks is a mistake. 0 or E_FORMAT,
 * E_INVAL (units do not fit), E_NOENT (unknown metric), with a message in why and, in *column, how far into `text`
 * (bytes) the mistake stands. */
int expect_parse(struct expect *x, const char *text, const struct metrics *known, char why[EXPECT_WHY_MAX],
		 size_t *column);

/* Evaluates it. 0, or E_NOENT for a metric that m does not have or that is no number: then the expectation counts as
 * failed and actual says why. */
int expect_evaluate(const struct expect *x, const struct metrics *m, struct expect_result *result);

#endif
