/* SPDX-License-Identifier: BSD-3-Clause */
/* The random models of impairments beyond a plain probability, in integers: chains of states that lose packets,
 * correlated draws, and the distributions of jitter.
 *
 * Plain functions of their state and a random stream; they know no packet and no time. The distributions' tables are
 * made once, at first use, and are the same ever after. Caller: sim/impair. */
#ifndef BATON_SIM_IMPAIR_MODEL_H
#define BATON_SIM_IMPAIR_MODEL_H

#include "base/random.h"

#include <stdbool.h>
#include <stdint.h>

enum impair_chain_kind { IMPAIR_CHAIN_NONE, IMPAIR_CHAIN_GEMODEL, IMPAIR_CHAIN_STATE };

/* A Markov chain that steps once a packet; parts in a billion, each up to 1e9. Zero-initialised is none. */
struct impair_chain {
	enum impair_chain_kind kind;
	/* Gilbert-Elliott. A packet is lost by the state that it meets; the step to the next state is drawn apart. In
	 * the long run p / (p + r) of all packets meet the bad state. */
	struct {
		uint32_t p_ppb;    /* good to bad */
		uint32_t r_ppb;    /* bad to good */
		uint32_t bad_ppb;  /* 1-h: loss in the bad state */
		uint32_t good_ppb; /* 1-k: loss in the good state */
	} gemodel;
	/* Four states: 1 received in a gap, 2 received in a burst, 3 lost in a burst, 4 lost alone. A packet's fate is
	 * the state that it leads to; from 4 the way is to 1. p13 + p14 and p31 + p32 are 1e9 at most. */
	struct {
		uint32_t p13_ppb, p31_ppb, p32_ppb, p23_ppb, p14_ppb;
	} state;
};

#define IMPAIR_CHAIN_START 1U /* the good state, of both kinds */
#define IMPAIR_CHAIN_ALONE 4U /* of the four: lost alone */

bool impair_chain_valid(const struct impair_chain *c);

/* A packet comes: whether it is lost. *state, from IMPAIR_CHAIN_START on, takes the step. tc-netem(8), `loss gemodel`
 * and `loss state`; Salsano, Ludovici, Ordine, "Definition of a general and intuitive loss model for packet networks".
 * Precondition: the chain is valid and not IMPAIR_CHAIN_NONE. */
bool impair_chain_lose(const struct impair_chain *c, unsigned *state, struct random_stream *r);

/* Zero-initialised has drawn nothing. */
struct impair_correlation {
	uint32_t last;
	bool begun;
};

/* netem's correlated number in [0, 2^32): (1 - rho) * uniform + rho * the one before, the first of all being uniform.
 * So neighbours correlate by rho, and, as in netem, the numbers crowd about the middle: their variance is (1 - rho) /
 * (1 + rho) of the uniform one. rho_ppb is up to 1e9; 0 draws a uniform number. */
uint32_t impair_correlated(struct impair_correlation *c, uint32_t rho_ppb, struct random_stream *r);

/* Whether a correlated number falls below `ppb`, up to 1e9. */
bool impair_correlated_chance(struct impair_correlation *c, uint32_t ppb, uint32_t rho_ppb, struct random_stream *r);

/* Of jitter, in units of it: uniform in [-1, 1]; normal with deviation 1; Pareto of shape 3, less its mean 3/2, times
 * 4/3; a quarter of normal plus three quarters of Pareto, at the same quantile. The last two end at 4. */
enum impair_distribution {
	IMPAIR_DISTRIBUTION_UNIFORM,
	IMPAIR_DISTRIBUTION_NORMAL,
	IMPAIR_DISTRIBUTION_PARETO,
	IMPAIR_DISTRIBUTION_PARETONORMAL,
	IMPAIR_DISTRIBUTION_COUNT
};
#define IMPAIR_JITTER_MAX (UINT64_C(1) << 42)

/* The deviation of jitter_ns, up to IMPAIR_JITTER_MAX, at the quantile u / 2^32: the table's, of 4096, that is next. */
int64_t impair_distribution_ns(enum impair_distribution d, uint64_t jitter_ns, uint32_t u);

#endif
