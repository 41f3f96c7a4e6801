/* SPDX-License-Identifier: BSD-3-Clause */
/* The token bucket, CoDel, and the queue between delay and rate, against times that are worked out by hand. */
#include "tests/unit/impair_direction.h"

#include "base/err.h"

#include <math.h>

#define BIG_LEN  1514U
#define BIG_RATE 12112000U /* bit/s: a millisecond a packet of BIG_LEN */

static struct buf *big(uint32_t number)
{
	return frame_make(6, 80, BIG_LEN, number);
}

START_TEST(bucket_waits_for_its_tokens)
{
	struct impair_bucket b;

	impair_bucket_fill(&b, 8000000, 3000); /* a byte every microsecond */
	ck_assert_uint_eq(impair_bucket_wait(&b, 0, 3000), 0);
	ck_assert_uint_eq(impair_bucket_wait(&b, 0, 3001), NSTIME_US);
	impair_bucket_take(&b, 0, 2000);
	ck_assert_uint_eq(impair_bucket_wait(&b, 0, 1000), 0);
	ck_assert_uint_eq(impair_bucket_wait(&b, 0, 1500), 500 * NSTIME_US);
	ck_assert_uint_eq(impair_bucket_wait(&b, 200 * NSTIME_US, 1500), 300 * NSTIME_US);
	/* No more than its depth, however long nothing comes. */
	impair_bucket_take(&b, 100 * NSTIME_S, 3000);
	ck_assert_uint_eq(impair_bucket_wait(&b, 0, 1), NSTIME_US);
	/* Without a rate there is none. */
	impair_bucket_fill(&b, 0, 0);
	impair_bucket_take(&b, 0, 3000);
	ck_assert_uint_eq(impair_bucket_wait(&b, 0, 3000), 0);
}
END_TEST

/* At 7 Mbit/s a byte takes 1142.857 ns: no rounding may add up over many packets, nor go below it. */
START_TEST(bucket_is_exact)
{
	struct impair_bucket b;
	nstime at = 0;

	impair_bucket_fill(&b, 7000000, 1514);
	for (uint64_t i = 1; i <= 10000; i++) {
		nstime wait = impair_bucket_wait(&b, 0, 114);

		impair_bucket_take(&b, wait, 114);
		at += wait;
		if (i * 114 > 1514)
			ck_assert_uint_eq(at, ((i * 114 - 1514) * 8000 + 6) / 7);
	}
}
END_TEST

START_TEST(bucket_at_its_largest)
{
	struct impair_bucket b;

	impair_bucket_fill(&b, IMPAIR_RATE_MAX, IMPAIR_BUCKET_DEPTH_MAX);
	impair_bucket_take(&b, 0, IMPAIR_BUCKET_DEPTH_MAX);
	impair_bucket_take(&b, 0, 65549);
	ck_assert_uint_eq(impair_bucket_wait(&b, 0, 65549), (2 * 65549 * 8 + 9999) / 10000);
	ck_assert_uint_eq(impair_bucket_wait(&b, NSTIME_NEVER, 65549), 0);
}
END_TEST

/* A burst goes at once, what follows at the rate; behind a pause there is a burst again. */
START_TEST(burst_then_rate)
{
	nstime at;

	set(&(struct impairments){.rate_bps = 912000, .burst_bytes = 3 * FRAME_LEN}); /* 1 ms a packet */
	for (uint32_t i = 0; i < 5; i++)
		impair_input(&dir, packet(i), 0);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
		ck_assert_uint_eq(at, i < 3 ? 0 : (i - 2) * NSTIME_MS);
	}
	/* 1.5 packets' tokens since. */
	for (uint32_t i = 0; i < 2; i++)
		impair_input(&dir, packet(i), 3 * NSTIME_MS + NSTIME_MS / 2);
	take(NSTIME_NEVER, &at);
	ck_assert_uint_eq(at, 3 * NSTIME_MS + NSTIME_MS / 2);
	take(NSTIME_NEVER, &at);
	ck_assert_uint_eq(at, 4 * NSTIME_MS);
}
END_TEST

/* With a peak rate even a burst has its pace: 1 ms a packet while the bucket lasts, 10 ms then. */
START_TEST(burst_at_its_peak)
{
	nstime at;

	set(&(struct impairments){
		.rate_bps = BIG_RATE / 10, .burst_bytes = 3 * BIG_LEN, .peak_bps = BIG_RATE, .delay_ns = NSTIME_S});
	for (uint32_t i = 0; i < 5; i++)
		impair_input(&dir, big(i), 0);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
		ck_assert_uint_eq(at, NSTIME_S + (i < 3 ? i : (i - 2) * 10) * NSTIME_MS);
	}
}
END_TEST

/* A change of rate or a link that comes up begins with a full bucket. */
START_TEST(bucket_is_filled_anew)
{
	struct impairments v = {.rate_bps = 912000, .burst_bytes = FRAME_LEN};
	nstime at;

	set(&v);
	for (uint32_t i = 0; i < 3; i++)
		impair_input(&dir, packet(i), 0);
	impair_set_down(&dir, true, 0);
	impair_set_down(&dir, false, 0);
	impair_input(&dir, packet(3), 0);
	ck_assert_int_eq(take(0, &at), 3);
	impair_input(&dir, packet(4), 0);
	ck_assert_int_eq(take(0, &at), -1);
	v.rate_bps = 1824000;
	set(&v);
	impair_input(&dir, packet(5), 0);
	impair_input(&dir, packet(6), 0);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 4);
	ck_assert_uint_eq(at, NSTIME_MS);
	/* In order behind what had its time already. */
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 5);
	ck_assert_uint_eq(at, NSTIME_MS);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 6);
	ck_assert_uint_eq(at, NSTIME_MS + NSTIME_MS / 2);
}
END_TEST

/* Section 4.1: interval / sqrt(count), to the nanosecond below. */
START_TEST(codel_control_law)
{
	struct impair_codel_config config = {5 * NSTIME_MS, 100 * NSTIME_MS};

	ck_assert_uint_eq(impair_codel_control(&config, 7, 1), 7 + 100000000);
	ck_assert_uint_eq(impair_codel_control(&config, 0, 2), 70710678);
	ck_assert_uint_eq(impair_codel_control(&config, 0, 4), 50000000);
	for (uint64_t count = 1; count < 2000; count++)
		ck_assert_double_eq_tol((double)impair_codel_control(&config, 0, count), 1e8 / sqrt((double)count), 1);
	config.interval = IMPAIR_CODEL_TIME_MAX;
	ck_assert_uint_eq(impair_codel_control(&config, 0, 9), IMPAIR_CODEL_TIME_MAX / 3);
	ck_assert_uint_eq(impair_codel_control(&config, NSTIME_NEVER, 9), NSTIME_NEVER);
}
END_TEST

/* The wait stays above target, asked every millisecond: the first drop an interval after, then by the control law. */
START_TEST(codel_drops_by_its_law)
{
	const struct impair_codel_config config = {5 * NSTIME_MS, 100 * NSTIME_MS};
	struct impair_codel c = {0};
	double due = 100;
	uint64_t drops = 0;

	for (nstime now = NSTIME_MS; now < 2 * NSTIME_S; now += NSTIME_MS) {
		bool dropped = impair_codel_drop(&c, &config, 20 * NSTIME_MS, 100000, now);

		if (dropped) {
			drops++;
			/* Within the millisecond behind the time of the law. */
			ck_assert_double_ge((double)now / NSTIME_MS, due);
			ck_assert_double_le((double)now / NSTIME_MS, due + 1.001);
			due = drops == 1 ? (double)now / NSTIME_MS + 100 : due + 100 / sqrt((double)drops);
			/* The packet behind a drop goes, unless the next drop is due too. */
			ck_assert(!impair_codel_drop(&c, &config, 20 * NSTIME_MS, 100000, now));
		}
	}
	/* The sum of 100 / sqrt(n) passes the 1899 ms that are left with n = 105; then the next would be due. */
	ck_assert_uint_ge(drops, 103);
	ck_assert_uint_le(drops, 105);
}
END_TEST

/* One wait below target, or hardly anything behind, and the interval begins anew. */
START_TEST(codel_bears_what_goes_below)
{
	const struct impair_codel_config config = {5 * NSTIME_MS, 100 * NSTIME_MS};
	struct impair_codel c = {0};

	for (nstime now = NSTIME_MS; now < 10 * NSTIME_S; now += NSTIME_MS) {
		bool good = now % (99 * NSTIME_MS) == 0;

		ck_assert(!impair_codel_drop(&c, &config, good ? 5 * NSTIME_MS - 1 : NSTIME_S, 100000, now));
	}
	for (nstime now = 10 * NSTIME_S; now < 11 * NSTIME_S; now += NSTIME_MS)
		ck_assert(!impair_codel_drop(&c, &config, NSTIME_S, IMPAIR_CODEL_BACKLOG, now));
}
END_TEST

/* A queue that grows bad again soon is met with the drops that were needed the last time; late, with one. */
START_TEST(codel_remembers)
{
	const struct impair_codel_config config = {5 * NSTIME_MS, 100 * NSTIME_MS};
	struct impair_codel c = {0};
	nstime now = 0;
	uint64_t reached;

	for (; now < NSTIME_S; now += NSTIME_MS)
		impair_codel_drop(&c, &config, NSTIME_S, 100000, now);
	reached = c.count - c.lastcount;
	ck_assert_uint_gt(reached, 10);
	impair_codel_drop(&c, &config, 0, 100000, now);
	ck_assert(!c.dropping);
	while (!impair_codel_drop(&c, &config, NSTIME_S, 100000, now))
		now += NSTIME_MS;
	ck_assert_uint_eq(c.count, reached);
	ck_assert_uint_eq(c.drop_next, impair_codel_control(&config, now, reached));
	impair_codel_empty(&c);
	ck_assert(!c.dropping);
	now += 20 * config.interval;
	while (!impair_codel_drop(&c, &config, NSTIME_S, 100000, now))
		now += NSTIME_MS;
	ck_assert_uint_eq(c.count, 1);
}
END_TEST

#define CODEL .queue = IMPAIR_QUEUE_CODEL, .codel = {.target = 5 * NSTIME_MS, .interval = 100 * NSTIME_MS}

/* Below its target the queue is as if it were not there. */
START_TEST(codel_leaves_a_good_queue_alone)
{
	nstime at;

	set(&(struct impairments){.rate_bps = BIG_RATE, .delay_ns = 10 * NSTIME_MS, CODEL});
	for (uint32_t i = 0; i < 1000; i++)
		impair_input(&dir, big(i), i * NSTIME_MS);
	for (uint32_t i = 0; i < 1000; i++) {
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
		ck_assert_uint_eq(at, (i + 11) * NSTIME_MS);
	}
	ck_assert_uint_eq(impair_in_flight(&dir), 0);
}
END_TEST

/* 2 packets come for each that goes. The first drop is at the head, an interval after the wait passed the target. */
START_TEST(codel_drops_at_the_head)
{
	uint32_t next = 0, in = 0;
	nstime at = 0;

	set(&(struct impairments){.rate_bps = BIG_RATE, CODEL});
	while (!dir.counters.dropped[IMPAIR_DROP_CODEL]) {
		int64_t number;

		impair_input(&dir, big(in), in * NSTIME_MS / 2);
		in++;
		while ((number = take(in * NSTIME_MS / 2 - 1, &at)) >= 0) {
			ck_assert_int_eq(number, next);
			next++;
		}
		ck_assert_uint_lt(in, 1000);
	}
	/* Packet n enters at n/2 ms and is taken at n: its wait passes 5 ms with packet 10, at 10 ms, and is still
	 * above at 110 ms, when packet 110 is dropped and 111 goes. */
	ck_assert_uint_eq(next, 110);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 111);
	while (impair_in_flight(&dir))
		take(NSTIME_NEVER, &at);
	ck_assert_uint_eq(dir.counters.delivered + dir.counters.dropped[IMPAIR_DROP_CODEL], in);
}
END_TEST

START_TEST(queue_counts_for_the_limit)
{
	nstime at;

	set(&(struct impairments){.rate_bps = BIG_RATE, .limit_packets = 10, CODEL});
	for (uint32_t i = 0; i < 20; i++)
		impair_input(&dir, big(i), 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LIMIT], 10);
	ck_assert_uint_eq(impair_in_flight(&dir), 10);
	set(&(struct impairments){.rate_bps = BIG_RATE, .limit_bytes = 11 * BIG_LEN, CODEL});
	impair_input(&dir, big(20), 0);
	impair_input(&dir, big(21), 0);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_LIMIT], 11);
	for (uint32_t i = 0; i < 10; i++)
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 20);
	ck_assert_uint_eq(at, 11 * NSTIME_MS);
}
END_TEST

/* What waits when CoDel is switched off, or the rate, goes in order before what comes then. */
START_TEST(queue_ends_in_order)
{
	nstime at;

	set(&(struct impairments){.rate_bps = BIG_RATE, CODEL});
	for (uint32_t i = 0; i < 4; i++)
		impair_input(&dir, big(i), 0);
	set(&(struct impairments){.rate_bps = 2 * BIG_RATE});
	impair_input(&dir, big(4), 0);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
		ck_assert_uint_eq(at, NSTIME_MS + i * NSTIME_MS / 2);
	}
	ck_assert(!dir.queueing);
	set(&(struct impairments){.rate_bps = BIG_RATE, CODEL});
	for (uint32_t i = 0; i < 4; i++)
		impair_input(&dir, big(i), NSTIME_S);
	set(&(struct impairments){0});
	impair_input(&dir, big(4), NSTIME_S);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
		ck_assert_uint_eq(at, NSTIME_S + NSTIME_MS);
	}
}
END_TEST

/* Under only: the delay is behind the queue, so that it holds up nobody else. */
START_TEST(queue_before_the_delay_under_only)
{
	nstime at;

	set(&(struct impairments){
		.rate_bps = 912000, .delay_ns = 10 * NSTIME_MS, .only = {.kind = IMPAIR_MATCH_COURIER}, CODEL});
	impair_input(&dir, courier(1), 0);
	impair_input(&dir, packet(2), 0);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 2);
	ck_assert_uint_eq(at, 2 * NSTIME_MS);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 1);
	ck_assert_uint_eq(at, 11 * NSTIME_MS);
}
END_TEST

START_TEST(down_empties_the_queue)
{
	nstime at;

	set(&(struct impairments){.rate_bps = BIG_RATE, .delay_ns = NSTIME_MS, CODEL});
	for (uint32_t i = 0; i < 4; i++)
		impair_input(&dir, big(i), 0);
	ck_assert_int_eq(take(NSTIME_MS, &at), -1); /* in the queue now, and one in hand */
	impair_input(&dir, big(4), NSTIME_MS);
	impair_set_down(&dir, true, NSTIME_MS);
	ck_assert_uint_eq(dir.counters.dropped[IMPAIR_DROP_DOWN], 5);
	ck_assert(impair_books_balance(&dir));
	impair_set_down(&dir, false, NSTIME_MS);
	impair_input(&dir, big(5), NSTIME_MS);
	ck_assert_int_eq(take(NSTIME_NEVER, &at), 5);
	ck_assert_uint_eq(at, 3 * NSTIME_MS);
	/* The fixture ends with some in the queue. */
	for (uint32_t i = 0; i < 4; i++)
		impair_input(&dir, big(i), 2 * NSTIME_MS);
	take(3 * NSTIME_MS, &at);
}
END_TEST

START_TEST(what_makes_no_sense_is_refused)
{
	const struct impairments bad[] = {
		{.burst_bytes = 3000},
		{.rate_bps = 1000, .burst_bytes = IMPAIR_BUCKET_DEPTH_MAX + 1},
		{.rate_bps = 1000, .peak_bps = 2000},
		{.rate_bps = 1000, .burst_bytes = 3000, .peak_bps = IMPAIR_RATE_MAX + 1},
		{CODEL},
		{.rate_bps = 1000, .queue = IMPAIR_QUEUE_CODEL},
		{.rate_bps = 1000, .queue = IMPAIR_QUEUE_CODEL, .codel = {1, IMPAIR_CODEL_TIME_MAX + 1}},
		{.rate_bps = 1000, .queue = IMPAIR_QUEUE_COUNT},
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		ck_assert_int_eq(impair_set(&dir, &bad[i]), E_INVAL);
}
END_TEST

/* Five packets at once take 1, 2, 3, 4 and 5 ms through the rate, whether CoDel has the queue or not; the delay before
 * it does not count. */
START_TEST(times_in_the_queue_are_noted)
{
	nstime at;

	set(&(struct impairments){
		.rate_bps = BIG_RATE,
		.delay_ns = 7 * NSTIME_MS,
		.queue = _i ? IMPAIR_QUEUE_CODEL : IMPAIR_QUEUE_DROP_TAIL,
		.codel = {.target = NSTIME_S, .interval = NSTIME_S},
	});
	for (uint32_t i = 0; i < 5; i++)
		impair_input(&dir, big(i), 0);
	for (uint32_t i = 0; i < 5; i++)
		ck_assert_int_eq(take(NSTIME_NEVER, &at), i);
	ck_assert_uint_eq(at, 12 * NSTIME_MS);
	ck_assert_uint_eq(dir.counters.queue_max, 5 * NSTIME_MS);
	ck_assert_uint_eq(dir.counters.held_max, 5);
	ck_assert_uint_eq(queue_us.count, 5);
	ck_assert_uint_eq(queue_us.max, 5000);
	ck_assert_uint_eq(queue_us.buckets[histogram_bucket(1000)], 1);
	ck_assert_uint_eq(queue_us.buckets[histogram_bucket(3000)], 1);
}
END_TEST

/* Without a rate there is no queue. */
START_TEST(a_delay_is_no_queue)
{
	nstime at;

	set(&(struct impairments){.delay_ns = 7 * NSTIME_MS});
	impair_input(&dir, big(0), 0);
	impair_input(&dir, big(1), 0);
	take(NSTIME_NEVER, &at);
	take(NSTIME_NEVER, &at);
	ck_assert_uint_eq(dir.counters.queue_max, 0);
	ck_assert_uint_eq(dir.counters.held_max, 2);
	ck_assert_uint_eq(queue_us.count, 0);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("impair_queue");
	TCase *c = tcase_create("impair_queue");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, bucket_waits_for_its_tokens);
	tcase_add_test(c, bucket_is_exact);
	tcase_add_test(c, bucket_at_its_largest);
	tcase_add_test(c, burst_then_rate);
	tcase_add_test(c, burst_at_its_peak);
	tcase_add_test(c, bucket_is_filled_anew);
	tcase_add_test(c, codel_control_law);
	tcase_add_test(c, codel_drops_by_its_law);
	tcase_add_test(c, codel_bears_what_goes_below);
	tcase_add_test(c, codel_remembers);
	tcase_add_test(c, codel_leaves_a_good_queue_alone);
	tcase_add_test(c, codel_drops_at_the_head);
	tcase_add_test(c, queue_counts_for_the_limit);
	tcase_add_test(c, queue_ends_in_order);
	tcase_add_test(c, queue_before_the_delay_under_only);
	tcase_add_test(c, down_empties_the_queue);
	tcase_add_loop_test(c, times_in_the_queue_are_noted, 0, 2);
	tcase_add_test(c, a_delay_is_no_queue);
	tcase_add_test(c, what_makes_no_sense_is_refused);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
