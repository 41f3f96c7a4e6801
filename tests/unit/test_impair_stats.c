/* SPDX-License-Identifier: BSD-3-Clause */
/* What packets meet on a link against the formulas of its models: loss, delay, order, rate and queue, measured from
 * outside. sim/impair_model and the queues have tests of their own; here it is the whole direction. */
#include "tests/unit/impair_direction.h"
#include "tests/unit/statistics.h"

#define RUNS    100000U
#define PERCENT 10000000U /* parts in a billion */
#define BURSTS  8U        /* classes of lengths, the last for all that are longer */
#define APART   40U       /* packets, after which the chains of these tests have forgotten: 0.84^40 is 0.001 */

static bool arrived[APART * RUNS / 4];

/* Packets one after the other, nothing held: which arrived. */
static void losses_run(uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		impair_input(&dir, packet(i), i);
		arrived[i] = take(NSTIME_NEVER, NULL) == i;
	}
}

/* Lengths of the runs of packets that were lost. */
static void losses_bursts(uint32_t count, uint64_t bursts[BURSTS])
{
	uint32_t burst = 0;

	for (uint32_t i = 0; i < count; i++) {
		if (!arrived[i]) {
			burst++;
		} else if (burst) {
			bursts[(burst < BURSTS ? burst : BURSTS) - 1]++;
			burst = 0;
		}
	}
}

/* Each packet of a burst is its last with probability `end`. */
static void geometric(double end, double shares[BURSTS])
{
	double left = 1;

	for (unsigned i = 0; i < BURSTS - 1; i++) {
		shares[i] = left * end;
		left -= shares[i];
	}
	shares[BURSTS - 1] = left;
}

static uint64_t losses_count(uint32_t from, uint32_t count)
{
	uint64_t lost = 0;

	for (uint32_t i = from; i < from + count; i++)
		lost += !arrived[i];
	return lost;
}

/* Independent: of ten packets, a binomial number is lost. */
START_TEST(loss_is_binomial)
{
	uint64_t counts[6] = {0};
	double shares[6], left = 1;

	set(&(struct impairments){.loss_ppb = 20 * PERCENT});
	losses_run(RUNS);
	for (uint32_t i = 0; i < RUNS; i += 10) {
		uint64_t lost = losses_count(i, 10);

		counts[lost < 5 ? lost : 5]++;
	}
	for (int k = 0; k < 5; k++) {
		shares[k] = tgamma(11) / tgamma(k + 1) / tgamma(11 - k) * pow(0.2, k) * pow(0.8, 10 - k);
		left -= shares[k];
	}
	shares[5] = left;
	assert_shares("losses among ten", counts, shares, 6);
}
END_TEST

/* Gilbert: p / (p + r) of all are lost, in bursts of geometric length; the count of losses has the variance of its
 * chain.
 */
START_TEST(gemodel_loses_as_its_chain)
{
	const double p = 0.02, r = 0.25, bad = p / (p + r), forget = 1 - p - r;
	const double sigma = sqrt(RUNS * bad * (1 - bad) * (1 + forget) / (1 - forget));
	uint64_t bursts[BURSTS] = {0};
	double shares[BURSTS];

	set(&(struct impairments){
		.chain = {.kind = IMPAIR_CHAIN_GEMODEL,
			  .gemodel = {.p_ppb = 2 * PERCENT, .r_ppb = 25 * PERCENT, .bad_ppb = 100 * PERCENT}}});
	losses_run(RUNS);
	losses_bursts(RUNS, bursts);
	geometric(r, shares);
	assert_shares("lengths of bursts", bursts, shares, BURSTS);
	ck_assert_double_eq_tol((double)losses_count(0, RUNS), RUNS * bad, STATISTICS_Z * sigma);
}
END_TEST

/* Four states: a burst ends with p31 + p32, however it began; 2, 3 and 4 are met as often as their ways in and out say.
 */
START_TEST(state_loses_as_its_chain)
{
	const double in_burst = 0.02 / 0.2, alone = 0.03, back = in_burst * 0.3 / 0.4;
	uint64_t bursts[BURSTS] = {0}, lost = 0;
	double shares[BURSTS];

	set(&(struct impairments){.chain = {.kind = IMPAIR_CHAIN_STATE,
					    .state = {.p13_ppb = 2 * PERCENT,
						      .p31_ppb = 20 * PERCENT,
						      .p32_ppb = 30 * PERCENT,
						      .p23_ppb = 40 * PERCENT,
						      .p14_ppb = 3 * PERCENT}}});
	losses_run(APART * RUNS / 4);
	losses_bursts(APART * RUNS / 4, bursts);
	for (uint32_t i = 0; i < APART * RUNS / 4; i += APART)
		lost += !arrived[i];
	assert_share("losses", lost, RUNS / 4, (in_burst + alone) / (1 + in_burst + alone + back));
	/* Those of one packet may be of either kind. */
	geometric(0.5, shares);
	for (unsigned i = 0; i < BURSTS - 2; i++)
		bursts[i] = bursts[i + 1];
	bursts[BURSTS - 2] = bursts[BURSTS - 1];
	shares[BURSTS - 2] = shares[BURSTS - 2] + shares[BURSTS - 1];
	assert_shares("lengths of bursts", bursts, shares, BURSTS - 1);
}
END_TEST

/* Half correlated, the numbers drawn are sums of U/2 + U/4 + U/8 ..., whose distribution is Fabius' function: 5/72 at a
 * quarter, 1/288 at an eighth. Packets forty draws apart are independent. */
START_TEST(correlated_loss_is_fabius)
{
	const struct {
		uint32_t ppb;
		double share;
	} known[] = {{25 * PERCENT, 5.0 / 72}, {50 * PERCENT, 0.5}, {125 * PERCENT / 10, 1.0 / 288}};
	for (unsigned k = 0; k < sizeof(known) / sizeof(*known); k++) {
		uint64_t lost = 0;

		set(&(struct impairments){.loss_ppb = known[k].ppb, .loss_rho_ppb = 50 * PERCENT});
		losses_run(APART * RUNS / 4);
		for (uint32_t i = 0; i < APART * RUNS / 4; i += APART)
			lost += !arrived[i];
		assert_share("losses", lost, RUNS / 4, known[k].share);
	}
}
END_TEST

/* Packets so far apart that none overtakes another: how long each took, in units of the jitter from the delay. */
static void delays_run(double *took, uint32_t count)
{
	const nstime delay = dir.set.delay_ns, jitter = dir.set.jitter_ns;

	for (uint32_t i = 0; i < count; i++) {
		nstime sent = i * NSTIME_S, at;

		impair_input(&dir, packet(i), sent);
		REQUIRE(take(NSTIME_NEVER, &at) == i);
		took[i] = ((double)(at - sent) - (double)delay) / (double)jitter;
	}
}

static double uniform_cdf(double x)
{
	return (x + 1) / 2;
}

static double normal_cdf(double x)
{
	return erfc(-x / sqrt(2)) / 2;
}

/* Shape 3, less its mean, by 4/3. */
static double pareto_cdf(double x)
{
	double y = 0.75 * x + 1.5;

	return 1 - 1 / (y * y * y);
}

/* A quarter of normal and three quarters of Pareto at one quantile: the quantile is sought. */
static double paretonormal_cdf(double x)
{
	double low = -6, high = 6;

	for (unsigned i = 0; i < 50; i++) {
		double z = (low + high) / 2, pareto = 4.0 / 3 * (pow(erfc(z / sqrt(2)) / 2, -1.0 / 3) - 1.5);

		if (z / 4 + 3 * fmin(pareto, 4) / 4 < x)
			low = z;
		else
			high = z;
	}
	return normal_cdf(low);
}

START_TEST(jitter_has_its_distribution)
{
	static double took[RUNS / 2];
	const struct {
		const char *name;
		double (*cdf)(double);
		double until; /* where it is cut */
		double grain; /* half a part of the table */
	} known[] = {
		[IMPAIR_DISTRIBUTION_UNIFORM] = {"uniform", uniform_cdf, 2, 0},
		[IMPAIR_DISTRIBUTION_NORMAL] = {"normal", normal_cdf, 5, 0.5 / 4096},
		[IMPAIR_DISTRIBUTION_PARETO] = {"pareto", pareto_cdf, 3.99, 0.5 / 4096},
		[IMPAIR_DISTRIBUTION_PARETONORMAL] = {"paretonormal", paretonormal_cdf, 3.6, 0.5 / 4096},
	};

	for (unsigned d = 0; d < IMPAIR_DISTRIBUTION_COUNT; d++) {
		set(&(struct impairments){.delay_ns = 100 * NSTIME_MS,
					  .jitter_ns = 10 * NSTIME_MS,
					  .distribution = (enum impair_distribution)d});
		delays_run(took, RUNS / 2);
		assert_distribution(known[d].name, took, RUNS / 2, known[d].cdf, known[d].until, known[d].grain);
	}
}
END_TEST

/* Neighbours correlate by as much as is asked for: an autoregressive sequence. */
START_TEST(jitter_is_correlated)
{
	static double took[RUNS];

	for (unsigned percent = 0; percent <= 75; percent += 25) {
		double sum = 0, squares = 0, products = 0, rho = percent / 100.0;

		set(&(struct impairments){
			.delay_ns = 100 * NSTIME_MS, .jitter_ns = 10 * NSTIME_MS, .jitter_rho_ppb = percent * PERCENT});
		delays_run(took, RUNS);
		for (uint32_t i = 0; i < RUNS; i++)
			sum += took[i];
		for (uint32_t i = 0; i < RUNS; i++) {
			double x = took[i] - sum / RUNS, before = i ? took[i - 1] - sum / RUNS : 0;

			squares += x * x;
			products += x * before;
		}
		/* Bartlett: the deviation of what is measured is sqrt((1 - rho^2) / n). */
		ck_assert_double_eq_tol(products / squares, rho, 3.2905 * sqrt((1 - rho * rho) / RUNS));
	}
}
END_TEST

/* Shares of packets, and of what is flipped: every byte alike, every bit of it alike. */
START_TEST(corruption_is_everywhere_alike)
{
	uint64_t bytes[100] = {0}, bits[8] = {0};
	double byte_shares[100], bit_shares[8];

	set(&(struct impairments){.corrupt_ppb = 30 * PERCENT});
	for (uint32_t i = 0; i < RUNS; i++) {
		struct buf *sent = packet(0), *came;

		impair_input(&dir, packet(0), i);
		came = impair_output(&dir, i);
		for (uint32_t k = 14; k < FRAME_LEN; k++) {
			uint8_t flipped = came->data[k] ^ sent->data[k];

			if (!flipped)
				continue;
			bytes[k - 14]++;
			bits[__builtin_ctz(flipped)]++;
		}
		buf_free(sent);
		buf_free(came);
	}
	for (unsigned k = 0; k < 100; k++)
		byte_shares[k] = 0.01;
	for (unsigned k = 0; k < 8; k++)
		bit_shares[k] = 0.125;
	assert_share("corrupted", dir.counters.corrupted, RUNS, 0.3);
	assert_shares("corrupted bytes", bytes, byte_shares, 100);
	assert_shares("corrupted bits", bits, bit_shares, 8);
}
END_TEST

/* Independent of loss: of both, the four outcomes have the products of their shares. */
START_TEST(duplication_and_loss)
{
	/* None, one and two arrive. Lost and not duplicated; exactly one; duplicated and neither lost. */
	const double l = 0.3, d = 0.4,
		     shares[3] = {l * (1 - d), (1 - l) * (1 - d) + d * (l + (1 - l) * l), d * (1 - l) * (1 - l)};
	uint64_t counts[3] = {0};

	set(&(struct impairments){.duplicate_ppb = 40 * PERCENT, .loss_ppb = 30 * PERCENT});
	for (uint32_t i = 0; i < RUNS; i++) {
		unsigned came = 0;

		impair_input(&dir, packet(i), i);
		while (take(NSTIME_NEVER, NULL) >= 0)
			came++;
		REQUIRE(came <= 2);
		counts[came]++;
	}
	assert_share("duplicated", dir.counters.duplicated, RUNS, d);
	assert_shares("copies that arrive", counts, shares, 3);
}
END_TEST

/* From one packet that goes at once to the next, gap - 1 are delayed for certain, then each but with probability p. */
START_TEST(reorder_keeps_its_gap)
{
	const uint32_t gap = 5;
	uint64_t counts[BURSTS] = {0};
	double shares[BURSTS];
	uint32_t since = 0;
	bool begun = false;

	set(&(struct impairments){.delay_ns = 10, .reorder_ppb = 25 * PERCENT, .reorder_gap = gap});
	for (uint32_t i = 0; i < RUNS; i++) {
		uint64_t before = dir.counters.reordered;

		impair_input(&dir, packet(i), i * NSTIME_US);
		since++;
		if (dir.counters.reordered != before) {
			nstime at;

			REQUIRE(take(i * NSTIME_US, &at) == i);
			if (begun) {
				REQUIRE(since >= gap);
				counts[(since - gap < BURSTS ? since - gap : BURSTS - 1)]++;
			}
			begun = true;
			since = 0;
		}
		while (take(i * NSTIME_US + 10, NULL) >= 0)
			;
	}
	geometric(0.25, shares);
	assert_shares("packets between", counts, shares, BURSTS);
}
END_TEST

/* The time to the next arrival of a Poisson stream, in nanoseconds. */
static nstime poisson_next(struct random_stream *r, double mean_ns)
{
	return (nstime)(-log1p(-(double)random_u32(r) / 4294967296.0) * mean_ns);
}

/* A delay with a limit is Erlang's loss system: so many lines, each taken for the delay. By his formula, whatever the
 * time a line is taken for, as many are taken as Poisson's distribution says, cut at the number of lines. Seen four
 * delays apart, when every line has been free again. */
START_TEST(limit_blocks_as_erlang)
{
	enum { LINES = 10 };
	const double load = 8;
	uint64_t counts[LINES + 1] = {0};
	double shares[LINES + 1] = {1}, sum = 1;
	nstime now = 0, look = NSTIME_S;
	struct random_stream r;

	for (unsigned k = 1; k <= LINES; k++) {
		shares[k] = shares[k - 1] * load / k;
		sum += shares[k];
	}
	for (unsigned k = 0; k <= LINES; k++)
		shares[k] /= sum;
	random_init(&r, SEED, "arrivals");
	set(&(struct impairments){.delay_ns = NSTIME_MS, .limit_packets = LINES});
	for (uint32_t i = 0; i < 5 * RUNS; i++) {
		now += poisson_next(&r, NSTIME_MS / load);
		for (; look < now; look += 4 * NSTIME_MS) {
			while (take(look, NULL) >= 0)
				;
			REQUIRE(impair_in_flight(&dir) <= LINES);
			counts[impair_in_flight(&dir)]++;
		}
		while (take(now, NULL) >= 0)
			;
		impair_input(&dir, packet(i), now);
	}
	assert_shares("lines that are taken", counts, shares, LINES + 1);
}
END_TEST

/* Poisson arrivals at a rate of one packet a millisecond: the mean wait of M/D/1 is rho / (2 (1 - rho)) services
 * (Pollaczek and Khinchine). The mean of fifty parts of the run, each longer than the queue remembers, has a deviation
 * that the parts themselves tell. */
START_TEST(rate_queues_as_pollaczek_khinchine)
{
	const double service = NSTIME_MS, rho = 0.7, expected = rho / (2 * (1 - rho));
	const unsigned parts = 50, part = 4000;
	double sum = 0, squares = 0;
	struct random_stream r;
	nstime now = 0, at;

	random_init(&r, SEED, "arrivals");
	set(&(struct impairments){.rate_bps = 912000}); /* 1 ms a packet */
	for (uint32_t k = 0; k < parts; k++) {
		double wait = 0;

		for (uint32_t i = 0; i < part; i++) {
			now += poisson_next(&r, service / rho);
			while (take(now, NULL) >= 0)
				;
			impair_input(&dir, packet(i), now);
			at = dir.ring[(dir.ring_head + dir.ring_count - 1) & dir.ring_mask].due;
			wait += ((double)(at - now) - service) / service / part;
		}
		sum += wait;
		squares += wait * wait;
	}
	double mean = sum / parts, deviation = sqrt((squares / parts - mean * mean) / (parts - 1));

	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LIMIT], 0);
	ck_assert_double_lt(deviation, 0.05 * expected);
	ck_assert_double_eq_tol(mean, expected, 3.2905 * deviation);
}
END_TEST

/* Random arrivals of random lengths: no stretch of the output carries more than the burst and the rate allow, and no
 * packet waits for longer than that takes. */
START_TEST(bucket_conforms_and_wastes_nothing)
{
	const double rate = 1e7, burst = 6000;
	struct random_stream r;
	double tokens = burst;
	nstime now = 0, at, last = 0;
	uint64_t waited = 0;

	random_init(&r, SEED, "arrivals");
	set(&(struct impairments){.rate_bps = (uint64_t)rate, .burst_bytes = (uint64_t)burst});
	for (uint32_t i = 0; i < RUNS; i++) {
		uint32_t len = 60 + (uint32_t)random_below(&r, 1454);
		double due;

		now += poisson_next(&r, 700e3);
		impair_input(&dir, frame_make(6, 80, len, i), now);
		REQUIRE(take(NSTIME_NEVER, &at) == i);
		/* The bucket again, in real numbers: from its tokens behind the last departure. */
		nstime start = now > last ? now : last;

		tokens = fmin(burst, tokens + (double)(start - last) * rate / 8e9);
		due = (double)start + fmax(0, (len - tokens) * 8e9 / rate);
		REQUIRE((double)at >= due - 0.01);
		REQUIRE((double)at <= due + 1.01);
		tokens = fmin(burst, tokens + ((double)at - (double)start) * rate / 8e9) - len;
		REQUIRE(tokens >= -1e-6);
		waited += at > now;
		last = at;
	}
	ck_assert_uint_gt(waited, RUNS / 4);
	ck_assert_uint_lt(waited, RUNS - RUNS / 4);
}
END_TEST

/* Twice as much comes as goes: the n-th drop comes interval / sqrt(n) behind the one before, and the queue still grows,
 * for what comes does not care; when it stops, CoDel lets the rest go once the wait is good. */
START_TEST(codel_holds_its_law_on_a_link)
{
	const double interval = 100 * NSTIME_MS, packet_ns = NSTIME_MS;
	double due = 0;
	uint64_t drops = 0;

	set(&(struct impairments){.rate_bps = 12112000,
				  .queue = IMPAIR_QUEUE_CODEL,
				  .codel = {.target = 5 * NSTIME_MS, .interval = 100 * NSTIME_MS},
				  .limit_packets = IMPAIR_LIMIT_MAX});
	for (uint32_t i = 0; i < 10000; i++) {
		nstime now = i * NSTIME_MS / 2;

		impair_input(&dir, frame_make(6, 80, 1514, i), now);
		while (take(now, NULL) >= 0)
			;
		for (; drops < dir.counters.dropped[IMPAIR_DROP_CODEL]; drops++) {
			/* A drop waits for the rate to take its next packet, and does not put off those behind it. */
			if (drops) {
				ck_assert_double_ge((double)now, due);
				ck_assert_double_le((double)now, due + packet_ns);
			} else {
				due = (double)now;
			}
			due += interval / sqrt((double)drops + 1);
		}
	}
	/* 4.89 s are the sum of 100 ms / sqrt(n) for n up to 632. */
	ck_assert_uint_gt(drops, 620);
	ck_assert_uint_lt(drops, 645);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("impair_stats");
	TCase *c = tcase_create("impair_stats");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, loss_is_binomial);
	tcase_add_test(c, gemodel_loses_as_its_chain);
	tcase_add_test(c, state_loses_as_its_chain);
	tcase_add_test(c, correlated_loss_is_fabius);
	tcase_add_test(c, jitter_has_its_distribution);
	tcase_add_test(c, jitter_is_correlated);
	tcase_add_test(c, corruption_is_everywhere_alike);
	tcase_add_test(c, duplication_and_loss);
	tcase_add_test(c, reorder_keeps_its_gap);
	tcase_add_test(c, limit_blocks_as_erlang);
	tcase_add_test(c, rate_queues_as_pollaczek_khinchine);
	tcase_add_test(c, bucket_conforms_and_wastes_nothing);
	tcase_add_test(c, codel_holds_its_law_on_a_link);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
