/* SPDX-License-Identifier: BSD-3-Clause */
#include "sweep/stats.h"

#include <math.h>
#include <stdlib.h>

double sweep_student(size_t degrees)
{
	static const double first[] = {
		12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
		2.201,  2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
		2.080,  2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
	};
	static const struct {
		size_t degrees;
		double t;
	} further[] = {{1000, 1.962}, {500, 1.965}, {200, 1.972}, {120, 1.980},
		       {80, 1.990},   {60, 2.000},  {50, 2.009},  {40, 2.021}};

	if (!degrees)
		return 0;
	for (size_t i = 0; i < sizeof(further) / sizeof(*further); i++)
		if (degrees >= further[i].degrees)
			return further[i].t;
	size_t count = sizeof(first) / sizeof(*first);
	return first[(degrees < count ? degrees : count) - 1];
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct sweep_stats sweep_stats(double *values, size_t count)
{
	struct sweep_stats s = {.count = count};
	double sum = 0, squares = 0;

	qsort(values, count, sizeof(*values), compare);
	for (size_t i = 0; i < count; i++)
		sum += values[i];
	s.mean = sum / (double)count;
	for (size_t i = 0; i < count; i++)
		squares += (values[i] - s.mean) * (values[i] - s.mean);
	if (count > 1)
		s.deviation = sqrt(squares / (double)(count - 1));
	double half = count > 1 ? sweep_student(count - 1) * s.deviation / sqrt((double)count) : NAN;
	s.low = s.mean - half;
	s.high = s.mean + half;
	s.min = values[0];
	s.max = values[count - 1];
	s.median = count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
	return s;
}
