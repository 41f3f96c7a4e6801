/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/expect.h"

#include "base/err.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const op_texts[] = {
	[EXPECT_EQ] = "==", [EXPECT_NE] = "!=", [EXPECT_LE] = "<=",
	[EXPECT_GE] = ">=", [EXPECT_LT] = "<",  [EXPECT_GT] = ">",
};

static const struct name_unit {
	const char *suffix;
	enum units_dimension dimension;
	uint64_t scale;
} name_units[] = {
	{"ns", UNITS_DURATION, 1},       {"us", UNITS_DURATION, NSTIME_US}, {"ms", UNITS_DURATION, NSTIME_MS},
	{"s", UNITS_DURATION, NSTIME_S}, {"bytes", UNITS_SIZE, 1},          {"bps", UNITS_RATE, 1},
	{"ppb", UNITS_PROBABILITY, 1},
};

/* Whether a component of n bytes is `suffix` or ends in "_suffix". */
static bool component_has(const char *component, size_t n, const char *suffix)
{
	size_t k = strlen(suffix);

	return n >= k && !memcmp(component + n - k, suffix, k) && (n == k || component[n - k - 1] == '_');
}

/* The unit that a metric's name tells; a count when it tells none. */
static struct name_unit name_unit_of(const char *path)
{
	struct name_unit unit = {"", UNITS_COUNT, 1};

	while (*path) {
		size_t n = strcspn(path, ".");

		for (size_t i = 0; i < sizeof name_units / sizeof name_units[0]; i++)
			if (component_has(path, n, name_units[i].suffix))
				unit = name_units[i];
		path += n;
		path += *path == '.';
	}
	return unit;
}

static bool path_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
	       c == '.';
}

/* A metric's path at *p into `path`, which is empty when there is none. False: too long. */
static bool path_read(const char **p, char path[EXPECT_PATH_MAX])
{
	size_t n = 0;

	for (; path_byte((*p)[n]); n++) {
		if (n + 1 == EXPECT_PATH_MAX)
			return false;
		path[n] = (*p)[n];
	}
	path[n] = 0;
	*p += n;
	return true;
}

static bool op_read(const char **p, enum expect_op *op)
{
	/* Two-byte operators first, so that "<=" is not "<". */
	static const enum expect_op order[] = {EXPECT_EQ, EXPECT_NE, EXPECT_LE, EXPECT_GE, EXPECT_LT, EXPECT_GT};

	for (size_t i = 0; i < sizeof order / sizeof order[0]; i++) {
		size_t n = strlen(op_texts[order[i]]);

		if (!strncmp(*p, op_texts[order[i]], n)) {
			*op = order[i];
			*p += n;
			return true;
		}
	}
	return false;
}

static const char *blanks_skip(const char *p)
{
	return p + strspn(p, " \t");
}

static int metric_check(const struct metrics *known, const char *path, char why[EXPECT_WHY_MAX])
{
	const struct metric *metric = known ? metrics_find(known, path) : NULL;
	const char *near;

	if (!known)
		return 0;
	if (metric) {
		if (metric->kind == METRIC_NUMBER)
			return 0;
		snprintf(why, EXPECT_WHY_MAX, "%s is not a number", path);
		return E_INVAL;
	}
	near = metrics_suggest(known, path);
	if (near)
		snprintf(why, EXPECT_WHY_MAX, "no metric %s; did you mean %s?", path, near);
	else
		snprintf(why, EXPECT_WHY_MAX, "no metric %s", path);
	return E_NOENT;
}

/* The number on the right; text up to its end. */
static int value_number(struct expect *x, const char *text, char why[EXPECT_WHY_MAX])
{
	enum units_dimension dimension;
	char trimmed[64];
	const char *reason;
	size_t n = strlen(text);
	int err;

	while (n && (text[n - 1] == ' ' || text[n - 1] == '\t'))
		n--;
	if (n >= sizeof trimmed) {
		snprintf(why, EXPECT_WHY_MAX, "too long a number");
		return E_FORMAT;
	}
	memcpy(trimmed, text, n);
	trimmed[n] = 0;
	err = units_parse_any(trimmed, &dimension, &x->value, &reason);
	if (err) {
		snprintf(why, EXPECT_WHY_MAX, "%s: %s", trimmed, reason);
		return err;
	}
	x->has_unit = dimension != UNITS_COUNT;
	if (x->has_unit && dimension != x->dimension) {
		snprintf(why, EXPECT_WHY_MAX, "%s is %s, but %s is %s", trimmed, units_dimension_text(dimension),
			 x->metric, units_dimension_text(x->dimension));
		return E_INVAL;
	}
	return 0;
}

static int value_metric(struct expect *x, const struct metrics *known, char why[EXPECT_WHY_MAX])
{
	struct name_unit unit = name_unit_of(x->other);
	int err = metric_check(known, x->other, why);

	if (err)
		return err;
	if (unit.dimension != x->dimension) {
		snprintf(why, EXPECT_WHY_MAX, "%s is %s, but %s is %s", x->other, units_dimension_text(unit.dimension),
			 x->metric, units_dimension_text(x->dimension));
		return E_INVAL;
	}
	x->other_scale = unit.scale;
	return 0;
}

int expect_parse(struct expect *x, const char *text, const struct metrics *known, char why[EXPECT_WHY_MAX],
		 size_t *column)
{
	const char *p = blanks_skip(text);
	struct name_unit unit;
	int err;

	*x = (struct expect){.other_scale = 1};
	*column = (size_t)(p - text);
	if (!path_read(&p, x->metric) || !x->metric[0]) {
		snprintf(why, EXPECT_WHY_MAX, "a metric is expected, as in requests.completed == 1000");
		return E_FORMAT;
	}
	err = metric_check(known, x->metric, why);
	if (err)
		return err;
	unit = name_unit_of(x->metric);
	x->dimension = unit.dimension;
	x->scale = unit.scale;
	p = blanks_skip(p);
	*column = (size_t)(p - text);
	if (!op_read(&p, &x->op)) {
		snprintf(why, EXPECT_WHY_MAX, "one of == != < <= > >= is expected behind %s", x->metric);
		return E_FORMAT;
	}
	p = blanks_skip(p);
	*column = (size_t)(p - text);
	if (*p && strchr("0123456789.+-", *p))
		return value_number(x, p, why);
	if (!path_read(&p, x->other) || !x->other[0] || *blanks_skip(p)) {
		snprintf(why, EXPECT_WHY_MAX, "a number or a metric is expected behind %s", op_texts[x->op]);
		return E_FORMAT;
	}
	return value_metric(x, known, why);
}

static bool op_holds(enum expect_op op, unsigned __int128 a, unsigned __int128 b)
{
	switch (op) {
	case EXPECT_EQ:
		return a == b;
	case EXPECT_NE:
		return a != b;
	case EXPECT_LT:
		return a < b;
	case EXPECT_LE:
		return a <= b;
	case EXPECT_GT:
		return a > b;
	case EXPECT_GE:
		break;
	}
	return a >= b;
}

static const struct metric *number_find(const struct metrics *m, const char *path, struct expect_result *result)
{
	const struct metric *metric = metrics_find(m, path);

	if (metric && metric->kind == METRIC_NUMBER)
		return metric;
	snprintf(result->actual, sizeof result->actual, metric ? "%s is not a number" : "%s is unknown", path);
	return NULL;
}

int expect_evaluate(const struct expect *x, const struct metrics *m, struct expect_result *result)
{
	const struct metric *metric = number_find(m, x->metric, result), *other = NULL;
	unsigned __int128 left, right;

	result->pass = false;
	if (!metric)
		return E_NOENT;
	left = (unsigned __int128)metric->value * x->scale;
	if (x->other[0]) {
		other = number_find(m, x->other, result);
		if (!other)
			return E_NOENT;
		right = (unsigned __int128)other->value * x->other_scale;
		snprintf(result->actual, sizeof result->actual, "%s is %" PRIu64 ", %s is %" PRIu64, x->metric,
			 metric->value, x->other, other->value);
	} else {
		right = (unsigned __int128)x->value * (x->has_unit ? 1 : x->scale);
		snprintf(result->actual, sizeof result->actual, "%s is %" PRIu64, x->metric, metric->value);
	}
	result->pass = op_holds(x->op, left, right);
	return 0;
}
