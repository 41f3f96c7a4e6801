/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/impair_model.h"

#define BILLION UINT64_C(1000000000)

enum { GOOD = IMPAIR_CHAIN_START, BAD = 2 };
enum { RECEIVED = IMPAIR_CHAIN_START, RECEIVED_IN_BURST, LOST_IN_BURST, LOST_ALONE };

bool impair_chain_valid(const struct impair_chain *c)
{
	switch (c->kind) {
	case IMPAIR_CHAIN_NONE:
		break;
	case IMPAIR_CHAIN_GEMODEL:
		return c->gemodel.p_ppb <= BILLION && c->gemodel.r_ppb <= BILLION && c->gemodel.bad_ppb <= BILLION &&
		       c->gemodel.good_ppb <= BILLION;
	case IMPAIR_CHAIN_STATE:
		return (uint64_t)c->state.p13_ppb + c->state.p14_ppb <= BILLION &&
		       (uint64_t)c->state.p31_ppb + c->state.p32_ppb <= BILLION && c->state.p23_ppb <= BILLION;
	}
	return true;
}

/* Both draws are made for every packet, so that the stream's place does not depend on what they said. */
static bool gemodel_lose(const struct impair_chain *c, unsigned *state, struct random_stream *r)
{
	bool bad = *state == BAD;
	bool step = random_chance(r, bad ? c->gemodel.r_ppb : c->gemodel.p_ppb);

	if (step)
		*state = bad ? GOOD : BAD;
	return random_chance(r, bad ? c->gemodel.bad_ppb : c->gemodel.good_ppb);
}

static unsigned state_next(const struct impair_chain *c, unsigned state, uint32_t drawn)
{
	switch (state) {
	case RECEIVED_IN_BURST:
		return drawn < c->state.p23_ppb ? LOST_IN_BURST : RECEIVED_IN_BURST;
	case LOST_IN_BURST:
		if (drawn < c->state.p32_ppb)
			return RECEIVED_IN_BURST;
		return drawn < c->state.p31_ppb + c->state.p32_ppb ? RECEIVED : LOST_IN_BURST;
	case LOST_ALONE:
		return RECEIVED;
	default:
		if (drawn < c->state.p14_ppb)
			return LOST_ALONE;
		return drawn < c->state.p13_ppb + c->state.p14_ppb ? LOST_IN_BURST : RECEIVED;
	}
}

bool impair_chain_lose(const struct impair_chain *c, unsigned *state, struct random_stream *r)
{
	if (c->kind == IMPAIR_CHAIN_GEMODEL)
		return gemodel_lose(c, state, r);
	*state = state_next(c, *state, (uint32_t)random_below(r, BILLION));
	return *state == LOST_IN_BURST || *state == LOST_ALONE;
}
