/* SPDX-License-Identifier: BSD-3-Clause */
/* A token bucket, exact in integers: what tc-tbf(8) does to a burst.
 *
 * Tokens come at a rate, up to the bucket's depth; a packet takes as many as it has bytes. What is kept is how much is
 * missing to a full bucket, in bits times 1e9, so that neither the rate nor the depth is rounded. It knows no queue:
 * its caller sends one packet after the other and says how long after the one before. Caller: sim/impair. */
#ifndef BATON_SIM_IMPAIR_BUCKET_H
#define BATON_SIM_IMPAIR_BUCKET_H

#include "base/nstime.h"

#include <stdint.h>

#define IMPAIR_BUCKET_DEPTH_MAX (UINT64_C(1) << 30) /* bytes; eight bits of each by 1e9 fit in 64 bits */

struct impair_bucket {
	uint64_t rate_bps; /* 0: no bucket, it holds up nothing */
	uint64_t depth;    /* bits times 1e9 */
	uint64_t missing;  /* to a full bucket, behind the last packet; bits times 1e9, at most depth and one packet */
};

/* A full one. Precondition: depth_bytes is up to IMPAIR_BUCKET_DEPTH_MAX. */
void impair_bucket_fill(struct impair_bucket *b, uint64_t rate_bps, uint64_t depth_bytes);

/* How much longer, `elapsed` behind the last packet, a packet of `len` bytes waits for its tokens. One that is longer
 * than the bucket is deep waits until the bucket would be deep enough: the rate holds for it too. */
nstime impair_bucket_wait(const struct impair_bucket *b, nstime elapsed, uint32_t len);

/* The packet goes, `elapsed` behind the last one. */
void impair_bucket_take(struct impair_bucket *b, nstime elapsed, uint32_t len);

#endif
