/* SPDX-License-Identifier: BSD-3-Clause */
/* The random models of impairments beyond a plain probability, in integers: chains of states that lose packets.
 *
 * Plain functions of their state and a random stream; they know no packet and no time. Caller: sim/impair. */
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

bool impair_chain_valid(const struct impair_chain *c);

/* A packet comes: whether it is lost. *state, from IMPAIR_CHAIN_START on, takes the step. tc-netem(8), `loss gemodel`
 * and `loss state`; Salsano, Ludovici, Ordine, "Definition of a general and intuitive loss model for packet networks".
 * Precondition: the chain is valid and not IMPAIR_CHAIN_NONE. */
bool impair_chain_lose(const struct impair_chain *c, unsigned *state, struct random_stream *r);

#endif
