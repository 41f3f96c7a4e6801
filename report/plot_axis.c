/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/plot_axis.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define TICKS_AIM      5.0
#define LOG_FINE       1e-9 /* of a decade: far below what a picture shows */
#define DECADES_SPARSE 2    /* up to so many, there are ticks at 2 and 5 as well */
#define DECADES_MAX    8    /* beyond, not every power of ten has one */

static double ten_to(int exponent)
{
	double v = 1;

	for (; exponent > 0; exponent--)
		v *= 10;
	for (; exponent < 0; exponent++)
		v /= 10;
	return v;
}

/* The greatest power of ten not above v, as its exponent. Precondition: v > 0. */
static int decade_of(double v)
{
	int exponent = 0;

	while (ten_to(exponent + 1) <= v)
		exponent++;
	while (ten_to(exponent) > v)
		exponent--;
	return exponent;
}

/* The decimal logarithm, bit by bit: a square doubles it. Precondition: v > 0. */
static double log10_of(double v)
{
	int exponent = decade_of(v);
	double mantissa = v / ten_to(exponent), sum = exponent;

	for (double bit = 0.5; bit > LOG_FINE; bit /= 2) {
		mantissa *= mantissa;
		if (mantissa >= 10) {
			mantissa /= 10;
			sum += bit;
		}
	}
	return sum;
}

/* The largest whole number not above v. Precondition: |v| well below 2^63. */
static double floor_of(double v)
{
	double whole = (double)(long long)v;

	return whole > v ? whole - 1 : whole;
}

/* The least of 1, 2, 5 times a power of ten that is not below v. */
static double round_up(double v)
{
	double unit = ten_to(decade_of(v));

	return v <= unit ? unit : v <= 2 * unit ? 2 * unit : v <= 5 * unit ? 5 * unit : 10 * unit;
}

static double round_down(double v)
{
	double unit = ten_to(decade_of(v));

	return v >= 5 * unit ? 5 * unit : v >= 2 * unit ? 2 * unit : unit;
}

static void linear_init(struct axis *a, double least, double most)
{
	double first;

	if (least > 0 && least < most / 2)
		least = 0; /* near enough to show where zero is */
	if (most <= least)
		most = least + (least > 0 ? least / 10 : 1);
	a->step = round_up((most - least) / TICKS_AIM);
	if (a->spec->whole && a->step < 1)
		a->step = 1;
	first = floor_of(least / a->step);
	a->lower = first * a->step;
	for (unsigned i = 0; a->ticks_count < AXIS_TICKS_MAX; i++) {
		a->ticks[a->ticks_count++] = (first + i) * a->step;
		if ((first + i) * a->step >= most - a->step * LOG_FINE)
			break;
	}
	a->upper = a->ticks[a->ticks_count - 1];
	if (a->spec->tight && most < a->upper) {
		a->upper = most;
		a->ticks_count--;
	}
	if (most > a->upper)
		a->upper = most;
}

static void log_init(struct axis *a, double least, double most)
{
	static const double fine[] = {1, 2, 5};
	int first, last;

	a->lower = round_down(least);
	a->upper = round_up(most);
	if (a->upper <= a->lower)
		a->upper = 10 * a->lower;
	first = decade_of(a->lower);
	last = decade_of(a->upper);
	for (int d = first; d <= last; d += last - first > DECADES_MAX ? 2 : 1)
		for (unsigned i = 0; i < (last - first > DECADES_SPARSE ? 1 : 3); i++) {
			double tick = fine[i] * ten_to(d);

			if (tick >= a->lower * (1 - LOG_FINE) && tick <= a->upper * (1 + LOG_FINE) &&
			    a->ticks_count < AXIS_TICKS_MAX)
				a->ticks[a->ticks_count++] = tick;
		}
}

void axis_init(struct axis *a, const struct plot_axis *spec, double least, double most, double from, double to)
{
	*a = (struct axis){.spec = spec, .from = from, .to = to};
	if (spec->lower < spec->upper) {
		least = spec->lower < least ? spec->lower : least;
		most = spec->upper > most ? spec->upper : most;
	}
	assert(least <= most && (spec->scale == PLOT_LINEAR || least > 0));
	if (spec->scale == PLOT_LOG)
		log_init(a, least, most);
	else
		linear_init(a, least, most);
}

double axis_place(const struct axis *a, double value)
{
	double part;

	if (value <= a->lower)
		return a->from;
	if (value >= a->upper)
		return a->to;
	if (a->spec->scale == PLOT_LOG)
		part = log10_of(value / a->lower) / log10_of(a->upper / a->lower);
	else
		part = (value - a->lower) / (a->upper - a->lower);
	return a->from + part * (a->to - a->from);
}

const char *plot_number(char out[PLOT_NUMBER_MAX], double value, double step)
{
	static const struct {
		double from;
		const char *suffix;
	} scales[] = {{1e12, "T"}, {1e9, "G"}, {1e6, "M"}, {1e4, "k"}};
	double size = value < 0 ? -value : value;
	const char *suffix = "";
	int decimals = 0;

	for (unsigned i = 0; i < sizeof scales / sizeof scales[0]; i++) {
		double unit = scales[i].from == 1e4 ? 1e3 : scales[i].from;

		if (size < scales[i].from)
			continue;
		value /= unit;
		step /= unit;
		suffix = scales[i].suffix;
		break;
	}
	if (step > 0 && step < 1)
		decimals = -decade_of(step);
	snprintf(out, PLOT_NUMBER_MAX, "%.*f%s", decimals > 9 ? 9 : decimals, value, suffix);
	if (strchr(out, '.') && *suffix) { /* 1.50M: no digits for nothing */
		char *end = out + strcspn(out, "kMGT");

		while (end[-1] == '0')
			end--;
		if (end[-1] == '.')
			end--;
		strcpy(end, suffix);
	}
	return out;
}

const char *axis_tick_text(const struct axis *a, size_t tick, char out[PLOT_NUMBER_MAX])
{
	double value = a->ticks[tick];

	return plot_number(out, value, a->step > 0 ? a->step : round_down(value));
}
