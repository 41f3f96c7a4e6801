/* SPDX-License-Identifier: BSD-3-Clause */
/* Numbers with units, read exactly into integers: "10 ms", "100 Mbit", "64 KiB", "5 %", "200 /s".
 *
 * The space before the unit is optional and the unit is not, but for zero, which is the same in every unit. Decimals
 * are allowed where the value is exact in the integer it becomes ("0.5 us" is 500 ns; "0.5 ns" is refused). No sign, no
 * exponent, no hexadecimal. Callers: the scenario parser and sim/expect.
 *
 *   duration      ns us ms s min h                          nanoseconds
 *   rate          bit kbit Kbit Mbit Gbit, or with "/s"     bits a second (powers of 1000, as tc counts)
 *   size          B kB KB MB GB KiB MiB GiB                 bytes
 *   probability   % (0 to 100)                              parts in a billion
 *   frequency     /s /ms /min                               events and the nanoseconds they take
 *   count         none                                      itself
 *
 * Every parser returns 0 or a negative enum err, in which case *why (never NULL) names the mistake in a static text and
 * *out is untouched: E_FORMAT not a number, E_INVAL unit missing, unknown or of another kind, E_TOOBIG out of range,
 * E_UNSUPPORTED not exact. */
#ifndef BATON_SIM_UNITS_H
#define BATON_SIM_UNITS_H

#include "base/nstime.h"

#include <stdint.h>

#define UNITS_PPB_ONE 1000000000U /* 100 % */

enum units_dimension {
	UNITS_COUNT, /* no unit */
	UNITS_DURATION,
	UNITS_RATE,
	UNITS_SIZE,
	UNITS_PROBABILITY,
	UNITS_FREQUENCY,
};

/* So many events every so many nanoseconds, in lowest terms: the n-th of an even stream comes at
 * n * period_ns / events, exactly (in 128 bits). */
struct units_frequency {
	uint64_t events;
	uint64_t period_ns;
};

int units_parse_duration(const char *text, nstime *out_ns, const char **why);
int units_parse_rate(const char *text, uint64_t *out_bps, const char **why);
int units_parse_size(const char *text, uint64_t *out_bytes, const char **why);
int units_parse_probability(const char *text, uint32_t *out_ppb, const char **why);
int units_parse_frequency(const char *text, struct units_frequency *out, const char **why); /* zero events is refused */
int units_parse_count(const char *text, uint64_t *out, const char **why);
/* A number without a unit, in thousandths: "1.5" is 1500. */
int units_parse_thousandths(const char *text, uint64_t *out, const char **why);

/* Any of them but a frequency: the unit says which. *out is in the base unit of *dimension (ns, bit/s, bytes, ppb, or
 * the number itself). */
int units_parse_any(const char *text, enum units_dimension *dimension, uint64_t *out, const char **why);

/* "a duration, such as 10 ms"; for messages. Static. */
const char *units_dimension_text(enum units_dimension dimension);

#endif
