/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/fixed.h"

#include <stdbool.h>

#define LN2_Q32 UINT64_C(2977044471) /* ln 2 */

/* The integer part by counting zeroes, the fraction by repeated squaring of the mantissa (1.31), a bit at a time. */
uint64_t fixed_minus_log2_q32(uint64_t u)
{
	unsigned top = 63U - (unsigned)__builtin_clzll(u);
	if (top == 32)
		return 0;
	uint64_t mantissa = u << (31U - top);
	uint64_t fraction = 0;
	for (unsigned bit = 0; bit < 32; bit++) {
		mantissa = (mantissa * mantissa) >> 31;
		fraction <<= 1;
		if (mantissa >> 32) {
			mantissa >>= 1;
			fraction |= 1;
		}
	}
	return ((uint64_t)(32 - top) << 32) - fraction;
}

uint64_t fixed_minus_ln_q32(uint64_t u)
{
	return (uint64_t)((unsigned __int128)fixed_minus_log2_q32(u) * LN2_Q32 >> 32);
}

/* ---- powers of two ---- */

static uint64_t q62_times(uint64_t a, uint64_t b)
{
	return (uint64_t)((unsigned __int128)a * b >> 62);
}

/* The square root of a q62 number in [1, 2], bit by bit. */
static uint64_t q62_root(uint64_t n)
{
	unsigned __int128 wide = (unsigned __int128)n << 62;
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 62; bit; bit >>= 1)
		if ((unsigned __int128)(root | bit) * (root | bit) <= wide)
			root |= bit;
	return root;
}

/* 2^fraction, q62, as the product of 2^(1/2), 2^(1/4), ... for the bits that are set. */
static uint64_t power_q62(uint32_t fraction)
{
	static uint64_t roots[32];
	static bool made;
	uint64_t power = UINT64_C(1) << 62;

	if (!made) {
		roots[0] = q62_root(UINT64_C(1) << 63);
		for (unsigned i = 1; i < 32; i++)
			roots[i] = q62_root(roots[i - 1]);
		made = true;
	}
	for (unsigned i = 0; i < 32; i++)
		if (fraction >> (31 - i) & 1)
			power = q62_times(power, roots[i]);
	return power;
}

uint64_t fixed_scale(uint64_t value, int64_t exponent_q32)
{
	int64_t whole = exponent_q32 >> 32; /* towards minus infinity */
	unsigned __int128 product;

	if (whole > 62)
		return value ? UINT64_MAX : 0;
	if (whole < -64)
		return 0;
	product = (unsigned __int128)value * power_q62((uint32_t)exponent_q32) >> (62 - whole);
	return product > UINT64_MAX ? UINT64_MAX : (uint64_t)product;
}

/* ---- the normal distribution ---- */

#define NORMAL_ONE (1 << 16)
#define GRID_ONE   1024           /* steps of the density in a deviation of 1; the exponents below are for this many */
#define GRID_SIZE  (8 * GRID_ONE) /* beyond 8 lies less than 1e-15 */
#define AREA_SHIFT 10U            /* so that the whole area fits in 64 bits */

/* exp(-z^2/2) at z = 0, 1/1024, 2/1024, ..., in units of 2^-62. With q = exp(-h^2/2), each is q^(2j+1) times the one
 * before; h^2/2 is 2^-21, so that three terms of the series give q to the last bit. */
struct density {
	uint64_t value, ratio;
};

#define DENSITY_ONE  (UINT64_C(1) << 62)
#define DENSITY_STEP (DENSITY_ONE - (UINT64_C(1) << 41) + (UINT64_C(1) << 19))

/* The area of the next step, by the trapezoid rule, in units of half a step's width. */
static uint64_t density_next(struct density *d)
{
	uint64_t before = d->value;

	d->value = q62_times(d->value, d->ratio);
	d->ratio = q62_times(d->ratio, q62_times(DENSITY_STEP, DENSITY_STEP));
	return before + d->value;
}

/* areas[j]: the area under the density's right half up to step j. */
static const uint64_t *normal_areas(void)
{
	static uint64_t areas[GRID_SIZE + 1];

	if (!areas[GRID_SIZE]) {
		struct density d = {.value = DENSITY_ONE, .ratio = DENSITY_STEP};

		for (unsigned j = 0; j < GRID_SIZE; j++)
			areas[j + 1] = areas[j] + (density_next(&d) >> AREA_SHIFT);
	}
	return areas;
}

/* From where the area passes the wanted one; between two points of the grid by interpolation. */
int32_t fixed_normal_q16(uint32_t u)
{
	const uint64_t *areas = normal_areas();
	bool right = u >> 31;
	uint64_t half = right ? u - (UINT32_C(1) << 31) : (UINT32_C(1) << 31) - 1 - u;
	uint64_t wanted = (uint64_t)((unsigned __int128)areas[GRID_SIZE] * (2 * half + 1) >> 32);
	unsigned low = 0, high = GRID_SIZE;
	int32_t z;

	while (high - low > 1) {
		unsigned middle = (low + high) / 2;

		if (areas[middle] <= wanted)
			low = middle;
		else
			high = middle;
	}
	z = (int32_t)low * (NORMAL_ONE / GRID_ONE) +
	    (int32_t)((wanted - areas[low]) * (NORMAL_ONE / GRID_ONE) / (areas[low + 1] - areas[low]));
	return right ? z : -z;
}
