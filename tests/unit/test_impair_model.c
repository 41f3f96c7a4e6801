/* SPDX-License-Identifier: BSD-3-Clause */
/* The random models against their formulas. Seeded: every statistic here is the same in every run, so none is flaky.
 * The critical values are those that a right model exceeds once in a thousand seeds. */
#include "sim/impair_model.h"

#include "tests/lib/unit.h"
#include "tests/unit/statistics.h"

#include <stdlib.h>

#define SEED 7U
#define RUNS 1000000U

static struct random_stream stream;

static void setup(void)
{
	random_init(&stream, SEED, "model");
}

/* Losses in a run of packets. */
static uint64_t chain_run(const struct impair_chain *c, uint64_t bursts[8], uint64_t *burst_count)
{
	unsigned state = IMPAIR_CHAIN_START;
	uint64_t lost = 0, burst = 0;

	ck_assert(impair_chain_valid(c));
	for (unsigned i = 0; i < RUNS; i++) {
		if (impair_chain_lose(c, &state, &stream)) {
			lost++;
			burst++;
		} else if (burst) {
			bursts[burst < 8 ? burst - 1 : 7]++;
			(*burst_count)++;
			burst = 0;
		}
	}
	return lost;
}

/* Shares of burst lengths 1 to 7 and longer, each packet of a burst being the last with probability `end`. */
static void geometric(double end, double shares[8])
{
	double left = 1;

	for (unsigned i = 0; i < 7; i++) {
		shares[i] = left * end;
		left -= shares[i];
	}
	shares[7] = left;
}

/* Simple Gilbert: p / (p + r) of all, in bursts of geometric length. */
START_TEST(gemodel_loses_in_geometric_bursts)
{
	struct impair_chain c = {
		.kind = IMPAIR_CHAIN_GEMODEL,
		.gemodel = {.p_ppb = 10000000, .r_ppb = 300000000, .bad_ppb = 1000000000},
	};
	uint64_t bursts[8] = {0}, count = 0, lost = chain_run(&c, bursts, &count);
	double shares[8], chi;

	geometric(0.3, shares);
	chi = chi_square(bursts, shares, 8, count);
	/* Sigma of the count of losses is 248: n pi (1 - pi) (1 + l) / (1 - l), with l = 1 - p - r. */
	ck_assert_uint_gt(lost, 32258 - 820);
	ck_assert_uint_lt(lost, 32258 + 820);
	ck_assert_msg(chi < 24.3, "chi-square %f with 7 degrees of freedom", chi);
}
END_TEST

/* Gilbert-Elliott: both states lose. Pairs of packets have the shares of the chain. */
START_TEST(gemodel_has_the_shares_of_its_chain)
{
	struct impair_chain c = {
		.kind = IMPAIR_CHAIN_GEMODEL,
		.gemodel = {.p_ppb = 50000000, .r_ppb = 200000000, .bad_ppb = 600000000, .good_ppb = 20000000},
	};
	const double p = 0.05, r = 0.2, lose[2] = {0.02, 0.6}, in[2] = {r / (p + r), p / (p + r)};
	const double step[2][2] = {{1 - p, p}, {r, 1 - r}};
	double shares[4] = {0}, chi;
	uint64_t pairs[4] = {0};

	for (unsigned a = 0; a < 2; a++)
		for (unsigned b = 0; b < 2; b++)
			for (unsigned k = 0; k < 4; k++)
				shares[k] += in[a] * step[a][b] * (k & 1 ? lose[a] : 1 - lose[a]) *
					     (k & 2 ? lose[b] : 1 - lose[b]);
	unsigned state = IMPAIR_CHAIN_START;
	for (unsigned i = 0; i < RUNS / 10; i++) {
		unsigned pair = impair_chain_lose(&c, &state, &stream);

		pair |= (unsigned)impair_chain_lose(&c, &state, &stream) << 1;
		pairs[pair]++;
		/* What follows a pair by this much is as good as independent of it: 0.75^40. */
		for (unsigned skip = 0; skip < 40; skip++)
			impair_chain_lose(&c, &state, &stream);
	}
	chi = chi_square(pairs, shares, 4, RUNS / 10);
	ck_assert_msg(chi < 16.3, "chi-square %f with 3 degrees of freedom", chi);
}
END_TEST

/* The share of each state in the long run, from the balance of the ways in and out. */
START_TEST(four_states_have_their_shares)
{
	struct impair_chain c = {
		.kind = IMPAIR_CHAIN_STATE,
		.state = {.p13_ppb = 50000000,
			  .p31_ppb = 200000000,
			  .p32_ppb = 300000000,
			  .p23_ppb = 400000000,
			  .p14_ppb = 100000000},
	};
	const double weights[4] = {1, 0.05 / 0.2 * 0.3 / 0.4, 0.05 / 0.2, 0.1};
	const double all = weights[0] + weights[1] + weights[2] + weights[3];
	uint64_t counts[4] = {0};
	double shares[4], chi;
	unsigned state = IMPAIR_CHAIN_START;

	for (unsigned i = 0; i < RUNS / 10; i++) {
		bool lost = false;

		/* The chain's slowest part fades by 0.84 a step: after 40 it has forgotten. */
		for (unsigned step = 0; step < 40; step++)
			lost = impair_chain_lose(&c, &state, &stream);
		ck_assert_int_eq(lost, state >= 3);
		counts[state - 1]++;
	}
	for (unsigned i = 0; i < 4; i++)
		shares[i] = weights[i] / all;
	chi = chi_square(counts, shares, 4, RUNS / 10);
	ck_assert_msg(chi < 16.3, "chi-square %f with 3 degrees of freedom", chi);
}
END_TEST

/* p13 alone is independent loss: a burst ends as often as a packet arrives. */
START_TEST(one_parameter_is_bernoulli)
{
	const struct impair_chain chains[] = {
		{.kind = IMPAIR_CHAIN_GEMODEL,
		 .gemodel = {.p_ppb = 250000000, .r_ppb = 750000000, .bad_ppb = 1000000000}},
		{.kind = IMPAIR_CHAIN_STATE,
		 .state = {.p13_ppb = 250000000, .p31_ppb = 750000000, .p23_ppb = 1000000000}},
	};

	for (unsigned i = 0; i < 2; i++) {
		uint64_t bursts[8] = {0}, count = 0, lost = chain_run(&chains[i], bursts, &count);
		double shares[8], chi;

		geometric(0.75, shares);
		chi = chi_square(bursts, shares, 8, count);
		ck_assert_uint_gt(lost, 250000 - 1430);
		ck_assert_uint_lt(lost, 250000 + 1430);
		ck_assert_msg(chi < 24.3, "chi-square %f with 7 degrees of freedom", chi);
	}
}
END_TEST

/* State 4 is left at once: losses alone, never two in a row. */
START_TEST(independent_losses_stand_alone)
{
	struct impair_chain c = {
		.kind = IMPAIR_CHAIN_STATE,
		.state = {.p31_ppb = 1000000000, .p23_ppb = 1000000000, .p14_ppb = 500000000},
	};
	uint64_t bursts[8] = {0}, count = 0, lost = chain_run(&c, bursts, &count);

	ck_assert_uint_eq(bursts[0], count);
	ck_assert_uint_gt(lost, 333333 - 1000);
	ck_assert_uint_lt(lost, 333333 + 1000);
}
END_TEST

START_TEST(chains_out_of_range)
{
	const struct impair_chain bad[] = {
		{.kind = IMPAIR_CHAIN_GEMODEL, .gemodel = {.p_ppb = 1000000001}},
		{.kind = IMPAIR_CHAIN_GEMODEL, .gemodel = {.good_ppb = 1000000001}},
		{.kind = IMPAIR_CHAIN_STATE, .state = {.p13_ppb = 600000000, .p14_ppb = 400000001}},
		{.kind = IMPAIR_CHAIN_STATE, .state = {.p31_ppb = 600000000, .p32_ppb = 400000001}},
		{.kind = IMPAIR_CHAIN_STATE, .state = {.p31_ppb = UINT32_MAX, .p32_ppb = 2}},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert(!impair_chain_valid(&bad[i]));
}
END_TEST

/* The formulas of an autoregressive sequence: mean, variance and the correlation of neighbours. */
START_TEST(correlated_numbers_have_their_moments)
{
	const double full = 4294967296.0;

	for (unsigned percent = 0; percent < 100; percent += 25) {
		struct impair_correlation c = {0};
		double rho = percent / 100.0, sum = 0, squares = 0, products = 0, before = 0, variance;

		for (unsigned i = 0; i < RUNS; i++) {
			double x = impair_correlated(&c, percent * 10000000, &stream) / full - 0.5;

			sum += x;
			squares += x * x;
			products += x * before;
			before = x;
		}
		variance = (1 - rho) / (1 + rho) / 12;
		ck_assert_double_eq_tol(sum / RUNS, 0, 0.001);
		ck_assert_double_eq_tol(squares / RUNS, variance, 0.004 * variance);
		ck_assert_double_eq_tol(products / squares, rho, 0.004);
	}
}
END_TEST

START_TEST(correlation_of_all_repeats_the_first)
{
	struct impair_correlation c = {0};
	uint32_t first = impair_correlated(&c, 1000000000, &stream);

	for (unsigned i = 0; i < 100; i++)
		ck_assert_uint_eq(impair_correlated(&c, 1000000000, &stream), first);
	for (unsigned i = 0; i < 100; i++) {
		ck_assert(impair_correlated_chance(&c, 1000000000, 500000000, &stream));
		ck_assert(!impair_correlated_chance(&c, 0, 500000000, &stream));
	}
}
END_TEST

#define ONE 1000000000 /* the jitter of these tests: deviations are read as parts in a billion */

static double deviation(enum impair_distribution d)
{
	return (double)impair_distribution_ns(d, ONE, random_u32(&stream)) / ONE;
}

/* Quantiles of the normal distribution as other programs compute them, in the middle of the 4096 parts nearest to them.
 */
START_TEST(normal_has_its_quantiles)
{
	/* Phi(z) = (k + 1/2) / 4096 */
	const struct {
		uint32_t k;
		double z;
	} known[] = {{2048, 0.000306}, {2559, 0.318317}, {3071, 0.674106}, {4055, 2.330582}, {4095, 3.668329}};

	for (unsigned i = 0; i < sizeof(known) / sizeof(*known); i++) {
		double z = (double)impair_distribution_ns(IMPAIR_DISTRIBUTION_NORMAL, ONE, known[i].k << 20) / ONE;
		double mirrored =
			(double)impair_distribution_ns(IMPAIR_DISTRIBUTION_NORMAL, ONE, (4095 - known[i].k) << 20) /
			ONE;

		ck_assert_double_eq_tol(z, known[i].z, 0.00002);
		ck_assert_double_eq_tol(mirrored, -z, 1e-9);
	}
}
END_TEST

/* Deciles, by chi-square. */
START_TEST(normal_fills_its_deciles)
{
	const double ends[9] = {-1.2815516, -0.8416212, -0.5244005, -0.2533471, 0,
				0.2533471,  0.5244005,  0.8416212,  1.2815516};
	const double shares[10] = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1};
	uint64_t counts[10] = {0};
	double chi;

	for (unsigned i = 0; i < RUNS / 10; i++) {
		double z = deviation(IMPAIR_DISTRIBUTION_NORMAL);
		unsigned k = 0;

		while (k < 9 && z > ends[k])
			k++;
		counts[k]++;
	}
	chi = chi_square(counts, shares, 10, RUNS / 10);
	ck_assert_msg(chi < 27.9, "chi-square %f with 9 degrees of freedom", chi);
}
END_TEST

/* Kolmogorov-Smirnov, up to where the distribution is cut. */
START_TEST(uniform_and_pareto_have_their_distribution)
{
	const unsigned runs = RUNS / 10;
	double *x = calloc(runs, sizeof(*x));

	ck_assert_ptr_nonnull(x);
	for (unsigned d = IMPAIR_DISTRIBUTION_UNIFORM; d <= IMPAIR_DISTRIBUTION_PARETO; d += 2) {
		double most = 0;

		for (unsigned i = 0; i < runs; i++)
			x[i] = deviation((enum impair_distribution)d);
		qsort(x, runs, sizeof(*x), double_compare);
		for (unsigned i = 0; i < runs && x[i] < 3.99; i++) {
			double y = 0.75 * x[i] + 1.5;
			double share = d == IMPAIR_DISTRIBUTION_PARETO ? 1 - 1 / (y * y * y) : (x[i] + 1) / 2;
			double above = (i + 1.0) / runs - share, below = share - (double)i / runs;

			most = above > most ? above : most;
			most = below > most ? below : most;
		}
		/* 1.95 / sqrt(n), and half a part of the table. */
		ck_assert_msg(most < 0.00617 + 0.000122, "Kolmogorov-Smirnov %f of distribution %u", most, d);
	}
	ck_assert_double_eq_tol(x[runs - 1], 4, 1e-9);
	free(x);
}
END_TEST

START_TEST(paretonormal_is_a_quarter_normal)
{
	for (uint32_t k = 0; k < 4096; k++) {
		int64_t normal = impair_distribution_ns(IMPAIR_DISTRIBUTION_NORMAL, ONE, k << 20);
		int64_t pareto = impair_distribution_ns(IMPAIR_DISTRIBUTION_PARETO, ONE, k << 20);
		int64_t both = impair_distribution_ns(IMPAIR_DISTRIBUTION_PARETONORMAL, ONE, k << 20);

		ck_assert_int_lt(llabs(4 * both - normal - 3 * pareto), ONE / 8192);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("impair_model");
	TCase *c = tcase_create("impair_model");

	tcase_add_checked_fixture(c, setup, NULL);
	tcase_add_test(c, gemodel_loses_in_geometric_bursts);
	tcase_add_test(c, gemodel_has_the_shares_of_its_chain);
	tcase_add_test(c, four_states_have_their_shares);
	tcase_add_test(c, one_parameter_is_bernoulli);
	tcase_add_test(c, independent_losses_stand_alone);
	tcase_add_test(c, chains_out_of_range);
	tcase_add_test(c, correlated_numbers_have_their_moments);
	tcase_add_test(c, correlation_of_all_repeats_the_first);
	tcase_add_test(c, normal_has_its_quantiles);
	tcase_add_test(c, normal_fills_its_deciles);
	tcase_add_test(c, uniform_and_pareto_have_their_distribution);
	tcase_add_test(c, paretonormal_is_a_quarter_normal);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
