/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/units.h"

#include "base/err.h"

#include <stddef.h>
#include <string.h>

/* Digits of a number in all: 10^24 times the largest multiplier fits in 128 bits. */
#define DIGITS_MAX 24U

typedef unsigned __int128 wide;

static const struct unit {
	const char *text;
	enum units_dimension dimension;
	uint64_t multiplier; /* base units in one of it; for a frequency, the period in ns */
} unit_list[] = {
	{"ns", UNITS_DURATION, 1},
	{"us", UNITS_DURATION, NSTIME_US},
	{"ms", UNITS_DURATION, NSTIME_MS},
	{"s", UNITS_DURATION, NSTIME_S},
	{"min", UNITS_DURATION, 60 * NSTIME_S},
	{"h", UNITS_DURATION, 3600 * NSTIME_S},
	{"bit", UNITS_RATE, 1},
	{"kbit", UNITS_RATE, 1000},
	{"Kbit", UNITS_RATE, 1000},
	{"Mbit", UNITS_RATE, 1000000},
	{"Gbit", UNITS_RATE, 1000000000},
	{"bit/s", UNITS_RATE, 1},
	{"kbit/s", UNITS_RATE, 1000},
	{"Kbit/s", UNITS_RATE, 1000},
	{"Mbit/s", UNITS_RATE, 1000000},
	{"Gbit/s", UNITS_RATE, 1000000000},
	{"B", UNITS_SIZE, 1},
	{"kB", UNITS_SIZE, 1000},
	{"KB", UNITS_SIZE, 1000},
	{"MB", UNITS_SIZE, 1000000},
	{"GB", UNITS_SIZE, 1000000000},
	{"KiB", UNITS_SIZE, UINT64_C(1) << 10},
	{"MiB", UNITS_SIZE, UINT64_C(1) << 20},
	{"GiB", UNITS_SIZE, UINT64_C(1) << 30},
	{"%", UNITS_PROBABILITY, UNITS_PPB_ONE / 100},
	{"/ms", UNITS_FREQUENCY, NSTIME_MS},
	{"/s", UNITS_FREQUENCY, NSTIME_S},
	{"/min", UNITS_FREQUENCY, 60 * NSTIME_S},
};

static const char *const why_number = "not a number";
static const char *const why_negative = "below zero";
static const char *const why_large = "too large";
static const char *const why_inexact = "too fine: not a whole number of the smallest unit";
static const char *const why_percent = "more than 100 %";

static const struct {
	const char *kind, *missing, *wrong;
} dimension_texts[] = {
	[UNITS_COUNT] = {"a number without a unit", "", "a number without a unit is expected here"},
	[UNITS_DURATION] = {"a duration, such as 10 ms", "the unit is missing: ns, us, ms, s, min or h",
			    "the unit must be ns, us, ms, s, min or h"},
	[UNITS_RATE] = {"a rate, such as 100 Mbit", "the unit is missing: bit, kbit, Mbit or Gbit",
			"the unit must be bit, kbit, Mbit or Gbit"},
	[UNITS_SIZE] = {"a size, such as 64 KiB", "the unit is missing: B, kB, MB, GB, KiB, MiB or GiB",
			"the unit must be B, kB, MB, GB, KiB, MiB or GiB"},
	[UNITS_PROBABILITY] = {"a share, such as 5 %", "the unit is missing: %", "the unit must be %"},
	[UNITS_FREQUENCY] = {"a frequency, such as 200 /s", "the unit is missing: /s, /ms or /min",
			     "the unit must be /s, /ms or /min"},
};

const char *units_dimension_text(enum units_dimension dimension)
{
	return dimension_texts[dimension].kind;
}

/* A number as written: digits / 10^places, the fraction's trailing zeros left out. */
struct number {
	wide digits;
	wide scale;              /* 10^places */
	const struct unit *unit; /* NULL: none */
	const char *unit_text;   /* what stands behind the number */
};

static const struct unit *unit_find(const char *text)
{
	for (size_t i = 0; i < sizeof unit_list / sizeof unit_list[0]; i++)
		if (!strcmp(unit_list[i].text, text))
			return &unit_list[i];
	return NULL;
}

/* Digits at *text into *n; returns how many, SIZE_MAX for too many. */
static size_t digits_read(struct number *n, const char **text, size_t seen)
{
	size_t count = 0;

	for (; **text >= '0' && **text <= '9'; (*text)++) {
		/* Leading zeros are no digits to bound. */
		if (n->digits && ++seen > DIGITS_MAX)
			return SIZE_MAX;
		n->digits = n->digits * 10 + (unsigned)(**text - '0');
		count++;
	}
	return count;
}

static int number_read(struct number *n, const char *text, const char **why)
{
	size_t whole, places;

	*n = (struct number){.scale = 1};
	while (*text == ' ')
		text++;
	whole = digits_read(n, &text, 0);
	if (whole == SIZE_MAX) {
		*why = why_large;
		return E_TOOBIG;
	}
	*why = *text == '-' && text[1] >= '0' && text[1] <= '9' ? why_negative : why_number;
	if (!whole)
		return E_FORMAT;
	*why = why_number;
	if (*text == '.') {
		text++;
		places = digits_read(n, &text, whole);
		if (!places)
			return E_FORMAT;
		if (places > DIGITS_MAX) {
			*why = why_inexact;
			return E_UNSUPPORTED;
		}
		while (places--)
			n->scale *= 10;
		while (n->scale > 1 && n->digits % 10 == 0) {
			n->scale /= 10;
			n->digits /= 10;
		}
	}
	while (*text == ' ')
		text++;
	n->unit_text = text;
	n->unit = unit_find(text);
	return 0;
}

/* digits * multiplier / scale, where exact. */
static int number_times(const struct number *n, uint64_t multiplier, uint64_t *out, const char **why)
{
	wide product = n->digits * multiplier;

	if (product % n->scale) {
		*why = why_inexact;
		return E_UNSUPPORTED;
	}
	if (product / n->scale > UINT64_MAX) {
		*why = why_large;
		return E_TOOBIG;
	}
	*out = (uint64_t)(product / n->scale);
	return 0;
}

/* The number's unit must be of `dimension`; zero needs none, and then unit stays NULL. */
static int unit_check(const struct number *n, enum units_dimension dimension, const char **why)
{
	if (n->unit && n->unit->dimension == dimension)
		return 0;
	if (!*n->unit_text && (dimension == UNITS_COUNT || !n->digits))
		return 0;
	*why = *n->unit_text ? dimension_texts[dimension].wrong : dimension_texts[dimension].missing;
	return E_INVAL;
}

static int parse(const char *text, enum units_dimension dimension, uint64_t *out, const char **why)
{
	struct number n;
	int err = number_read(&n, text, why);

	if (!err)
		err = unit_check(&n, dimension, why);
	if (err)
		return err;
	return number_times(&n, n.unit ? n.unit->multiplier : 1, out, why);
}

int units_parse_duration(const char *text, nstime *out_ns, const char **why)
{
	uint64_t value;
	int err = parse(text, UNITS_DURATION, &value, why);

	if (err)
		return err;
	if (value == NSTIME_NEVER) {
		*why = why_large;
		return E_TOOBIG;
	}
	*out_ns = value;
	return 0;
}

int units_parse_rate(const char *text, uint64_t *out_bps, const char **why)
{
	return parse(text, UNITS_RATE, out_bps, why);
}

int units_parse_size(const char *text, uint64_t *out_bytes, const char **why)
{
	return parse(text, UNITS_SIZE, out_bytes, why);
}

int units_parse_probability(const char *text, uint32_t *out_ppb, const char **why)
{
	uint64_t value;
	int err = parse(text, UNITS_PROBABILITY, &value, why);

	if (err)
		return err;
	if (value > UNITS_PPB_ONE) {
		*why = why_percent;
		return E_TOOBIG;
	}
	*out_ppb = (uint32_t)value;
	return 0;
}

int units_parse_count(const char *text, uint64_t *out, const char **why)
{
	return parse(text, UNITS_COUNT, out, why);
}

int units_parse_thousandths(const char *text, uint64_t *out, const char **why)
{
	struct number n;
	int err = number_read(&n, text, why);

	if (!err)
		err = unit_check(&n, UNITS_COUNT, why);
	return err ? err : number_times(&n, 1000, out, why);
}

int units_parse_frequency(const char *text, struct units_frequency *out, const char **why)
{
	struct number n;
	wide period, a, b;
	int err = number_read(&n, text, why);

	if (!err)
		err = unit_check(&n, UNITS_FREQUENCY, why);
	if (err)
		return err;
	if (!n.digits) {
		*why = "a frequency of zero";
		return E_INVAL;
	}
	/* A unit there is: only zero needs none. */
	period = n.scale * n.unit->multiplier;
	for (a = period, b = n.digits; b;) {
		wide rest = a % b;

		a = b;
		b = rest;
	}
	if (n.digits / a > UINT64_MAX || period / a > UINT64_MAX) {
		*why = n.digits / a > UINT64_MAX ? why_large : why_inexact;
		return n.digits / a > UINT64_MAX ? E_TOOBIG : E_UNSUPPORTED;
	}
	*out = (struct units_frequency){.events = (uint64_t)(n.digits / a), .period_ns = (uint64_t)(period / a)};
	return 0;
}

int units_parse_any(const char *text, enum units_dimension *dimension, uint64_t *out, const char **why)
{
	struct number n;
	int err = number_read(&n, text, why);

	if (err)
		return err;
	if ((!n.unit && *n.unit_text) || (n.unit && n.unit->dimension == UNITS_FREQUENCY)) {
		*why = "no such unit";
		return E_INVAL;
	}
	err = number_times(&n, n.unit ? n.unit->multiplier : 1, out, why);
	if (!err)
		*dimension = n.unit ? n.unit->dimension : UNITS_COUNT;
	return err;
}
