/* SPDX-License-Identifier: BSD-3-Clause */
/* Counter-based random streams (Random123 Philox4x32-10), one a component, keyed by the run's seed and the
 * component's name, so that adding a node never shifts another's draws. Integers only: no libm result decides anything.
 */
#ifndef BATON_BASE_RANDOM_H
#define BATON_BASE_RANDOM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct random_stream {
	uint32_t key[2];
	uint32_t counter[4];
	uint32_t block[4];
	unsigned left; /* words of block not yet drawn */
};

/* A stream for `component`, a name unique in the run ("link client1.internet out loss"). */
void random_init(struct random_stream *r, uint64_t seed, const char *component);

uint32_t random_u32(struct random_stream *r);
uint64_t random_u64(struct random_stream *r);

/* Uniform in [0, n), without bias. Precondition: n > 0. */
uint64_t random_below(struct random_stream *r, uint64_t n);

/* True with probability ppb / 1e9 (parts in a billion); draws even when ppb is 0 or 1e9. */
bool random_chance(struct random_stream *r, uint32_t ppb);

void random_bytes(struct random_stream *r, void *out, size_t n);

#endif
