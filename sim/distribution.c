/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/distribution.h"

#include "sim/fixed.h"

#define BILLION   1000000000U
#define LOG2E_Q32 INT64_C(6196328019) /* 1 / ln 2 */

/* Uniform in [1, 2^32]. */
static uint64_t draw_unit(struct random_stream *r)
{
	return (uint64_t)random_u32(r) + 1;
}

uint64_t distribution_exponential(struct random_stream *r, uint64_t mean)
{
	unsigned __int128 x = (unsigned __int128)fixed_minus_ln_q32(draw_unit(r)) * mean >> 32;

	return x > UINT64_MAX ? UINT64_MAX : (uint64_t)x;
}

/* value * u^(-1/shape) */
static uint64_t draw_pareto(const struct distribution *d, struct random_stream *r)
{
	uint64_t exponent = fixed_minus_log2_q32(draw_unit(r)); /* at most 2^37 */

	return fixed_scale(d->value, (int64_t)(exponent * 1000 / d->shape_milli));
}

/* value * 2^(sigma * z * log2 e) */
static uint64_t draw_lognormal(const struct distribution *d, struct random_stream *r)
{
	int64_t z_q16 = fixed_normal_q16(random_u32(r));
	__int128 exponent_q48 = (__int128)z_q16 * d->shape_milli * LOG2E_Q32 / 1000;

	return fixed_scale(d->value, (int64_t)(exponent_q48 / (1 << 16)));
}

/* The first point that reaches the drawn share; between it and the one before, by the share. */
static uint64_t draw_empirical(const struct distribution *d, struct random_stream *r)
{
	uint32_t share = (uint32_t)random_below(r, BILLION) + 1;
	size_t low = 0, high = d->points_count - 1;

	while (low < high) {
		size_t middle = (low + high) / 2;

		if (d->points[middle].upto_ppb < share)
			low = middle + 1;
		else
			high = middle;
	}
	const struct distribution_point *at = &d->points[low];
	if (!low)
		return at->value;
	uint64_t width = at->value - at[-1].value;
	uint32_t part = at->upto_ppb - at[-1].upto_ppb;
	return at[-1].value + (uint64_t)((unsigned __int128)width * (share - at[-1].upto_ppb) / part);
}

uint64_t distribution_draw(const struct distribution *d, struct random_stream *r)
{
	uint64_t x = d->value;

	switch (d->kind) {
	case DISTRIBUTION_CONSTANT:
		return x;
	case DISTRIBUTION_UNIFORM:
		return d->min + random_below(r, d->max - d->min + 1);
	case DISTRIBUTION_EXPONENTIAL:
		x = distribution_exponential(r, d->value);
		break;
	case DISTRIBUTION_PARETO:
		x = draw_pareto(d, r);
		break;
	case DISTRIBUTION_LOGNORMAL:
		x = draw_lognormal(d, r);
		break;
	case DISTRIBUTION_BIMODAL:
		if (random_chance(r, d->share_ppb))
			x = d->large;
		break;
	case DISTRIBUTION_EMPIRICAL:
		x = draw_empirical(d, r);
		break;
	}
	if (x < d->min)
		return d->min;
	return x > d->max ? d->max : x;
}
