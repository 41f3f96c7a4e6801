/* SPDX-License-Identifier: BSD-3-Clause */
/* Fixed-point functions that draws from random distributions need: logarithm, power of two, normal quantile.
 *
 * Integers only, so that every compiler and library gives the same bits. The tables are made once, at first use, and
 * are the same ever after. A number "q32" has 32 bits behind the point. Callers: sim/distribution, sim/impair_model. */
#ifndef BATON_SIM_FIXED_H
#define BATON_SIM_FIXED_H

#include <stdint.h>

/* -log2(u / 2^32) for u in [1, 2^32], q32: from 32 down to 0. The error is below 2^-31. */
uint64_t fixed_minus_log2_q32(uint64_t u);

/* -ln of the same. */
uint64_t fixed_minus_ln_q32(uint64_t u);

/* value * 2^exponent, rounded down; UINT64_MAX where it is more than fits. The relative error is below 2^-31. */
uint64_t fixed_scale(uint64_t value, int64_t exponent_q32);

/* The standard normal distribution's quantile at (u + 1/2) / 2^32, in 1/65536; between -6.4 and 6.4. */
int32_t fixed_normal_q16(uint32_t u);

#endif
