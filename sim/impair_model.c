/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/impair_model.h"

#include "sim/fixed.h"

#define BILLION    UINT64_C(1000000000)
#define TABLE_BITS 12U
#define TABLE_SIZE (1 << TABLE_BITS)
#define TABLE_ONE  (1 << 16)       /* a deviation of 1 */
#define TABLE_MOST (4 * TABLE_ONE) /* where Pareto ends */

enum { GOOD = IMPAIR_CHAIN_START, BAD = 2 };
enum { RECEIVED = IMPAIR_CHAIN_START, RECEIVED_IN_BURST, LOST_IN_BURST, LOST_ALONE = IMPAIR_CHAIN_ALONE };

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

uint32_t impair_correlated(struct impair_correlation *c, uint32_t rho_ppb, struct random_stream *r)
{
	uint32_t value = random_u32(r);

	if (!rho_ppb)
		return value;
	if (!c->begun) {
		*c = (struct impair_correlation){.last = value, .begun = true};
		value = random_u32(r);
	}
	c->last = (uint32_t)((value * (BILLION - rho_ppb) + c->last * (uint64_t)rho_ppb) / BILLION);
	return c->last;
}

bool impair_correlated_chance(struct impair_correlation *c, uint32_t ppb, uint32_t rho_ppb, struct random_stream *r)
{
	return impair_correlated(c, rho_ppb, r) * BILLION < (uint64_t)ppb << 32;
}

static uint64_t cube_root(uint64_t n)
{
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 20; bit; bit >>= 1)
		if ((root | bit) * (root | bit) * (root | bit) <= n)
			root |= bit;
	return root;
}

/* Quantiles in the middle of each of the table's parts. */
static void normal_make(int32_t *table)
{
	for (unsigned k = 0; k < TABLE_SIZE; k++)
		table[k] = fixed_normal_q16((2 * k + 1) << (31 - TABLE_BITS));
}

/* At the quantile u it is (1-u)^(-1/3); 1-u is m / (2 * TABLE_SIZE) in the middle of a part. */
static void pareto_make(int32_t *table)
{
	for (unsigned k = 0; k < TABLE_SIZE; k++) {
		uint64_t m = 2 * (TABLE_SIZE - k) - 1;
		int32_t x = (int32_t)cube_root((UINT64_C(1) << (3 * 16 + TABLE_BITS + 1)) / m);
		int32_t deviation = (x - 3 * TABLE_ONE / 2) * 4 / 3;

		table[k] = deviation < TABLE_MOST ? deviation : TABLE_MOST;
	}
}

static const int32_t *distribution_table(enum impair_distribution d)
{
	static int32_t tables[IMPAIR_DISTRIBUTION_COUNT][TABLE_SIZE];
	static bool made;

	if (!made) {
		normal_make(tables[IMPAIR_DISTRIBUTION_NORMAL]);
		pareto_make(tables[IMPAIR_DISTRIBUTION_PARETO]);
		for (unsigned k = 0; k < TABLE_SIZE; k++)
			tables[IMPAIR_DISTRIBUTION_PARETONORMAL][k] =
				(tables[IMPAIR_DISTRIBUTION_NORMAL][k] + 3 * tables[IMPAIR_DISTRIBUTION_PARETO][k]) / 4;
		made = true;
	}
	return tables[d];
}

int64_t impair_distribution_ns(enum impair_distribution d, uint64_t jitter_ns, uint32_t u)
{
	if (d == IMPAIR_DISTRIBUTION_UNIFORM)
		return (int64_t)((unsigned __int128)(2 * jitter_ns + 1) * u >> 32) - (int64_t)jitter_ns;
	return (int64_t)jitter_ns * distribution_table(d)[u >> (32 - TABLE_BITS)] / TABLE_ONE;
}
