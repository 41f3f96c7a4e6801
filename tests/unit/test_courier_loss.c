/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier's sending: what is sent again and when, the round-trip estimate, the window, pacing. */
#include "tests/lib/unit.h"

#include "test_courier_net.h"

#define LARGE 1000U /* bytes: a frame this large from device 1 holds a full piece */

static struct net *warm_net(nstime delay)
{
	struct net *n = net_new(1);

	n->delay = delay;
	net_start_all(n);
	net_run_until(n, 1 * NSTIME_S);
	for (unsigned i = 0; i < 20; i++) {
		net_send(n, 1, 2, 1, 5000);
		net_run_settled(n, 60 * NSTIME_S);
	}
	net_check_delivered(n);
	ck_assert_uint_eq(NET_SUM(n, retransmitted), 0);
	return n;
}

/* Drops the large frames whose places are listed; state[0] counts them, state[1] the dropped. */
static bool drop_some(struct net *n, const struct net_frame *f)
{
	static const uint64_t places[] = {0, 3, 10, 11, 12, 50, 200, 201, 202, 203, 204, 400, 600};
	uint64_t place;

	if (f->from != 1 || f->len < LARGE)
		return false;
	place = n->state[0]++;
	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (places[i] == place) {
			n->state[1]++;
			return true;
		}
	}
	return false;
}

START_TEST(only_lost_frames_are_sent_again)
{
	struct net *n = warm_net(1 * NSTIME_MS);

	n->drop = drop_some;
	net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_settled(n, 10 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_eq(n->state[1], 13);
	ck_assert_uint_eq(courier_counters(n->c[1])->retransmitted, n->state[1]);
	ck_assert_uint_eq(courier_counters(n->c[1])->lost, n->state[1]);
	ck_assert_uint_eq(courier_counters(n->c[1])->spurious, 0);
	net_free(n);
}
END_TEST

/* Drops the next data frame of device 1, once; state[0] is armed. */
static bool drop_next(struct net *n, const struct net_frame *f)
{
	if (f->from != 1 || !n->state[0])
		return false;
	n->state[0]--;
	return true;
}

START_TEST(a_lost_tail_is_probed_for_in_about_two_round_trips)
{
	static const nstime delays[] = {50 * NSTIME_US, 1 * NSTIME_MS, 10 * NSTIME_MS, 40 * NSTIME_MS};
	struct net *n = warm_net(delays[_i]);
	nstime srtt = net_stats(n, 1, 2).srtt, allowed = 2 * srtt + COURIER_ACK_DELAY_MAX;
	struct net_send *s;

	ck_assert_uint_ge(srtt, 2 * n->delay - 1);
	ck_assert_uint_le(srtt, 2 * n->delay + 2 * NSTIME_MS);
	if (allowed < COURIER_RTO_FLOOR)
		allowed = COURIER_RTO_FLOOR;
	n->drop = drop_next;
	n->state[0] = 1;
	s = net_send(n, 1, 2, 1, 100);
	net_run_settled(n, 60 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_eq(n->state[0], 0);
	ck_assert_uint_le(s->received_at - s->at, allowed + n->delay);
	ck_assert_uint_eq(courier_counters(n->c[1])->probes, 1);
	ck_assert_uint_eq(courier_counters(n->c[1])->retransmitted, 1);
	net_free(n);
}
END_TEST

START_TEST(probes_back_off)
{
	struct net *n = warm_net(1 * NSTIME_MS);
	uint64_t probes[6];

	n->cut = true;
	net_send(n, 1, 2, 1, 100);
	for (unsigned i = 0; i < 6; i++) {
		net_run_until(n, n->now + NSTIME_S);
		probes[i] = courier_counters(n->c[1])->probes;
	}
	/* At COURIER_RTO_MAX, COURIER_PROBE_FRAMES_MAX each: four times a second. */
	ck_assert_uint_le(probes[5] - probes[4], 4 * COURIER_PROBE_FRAMES_MAX);
	ck_assert_uint_ge(probes[5] - probes[4], 3 * COURIER_PROBE_FRAMES_MAX);
	ck_assert_uint_eq(net_stats(n, 1, 2).window, COURIER_WINDOW_MIN * NET_MTU);
	net_free(n);
}
END_TEST

static void stream(struct net *n, nstime span)
{
	for (nstime end = n->now + span; n->now < end;) {
		net_send(n, 1, 2, 1, 5000);
		net_run_until(n, n->now + 10 * NSTIME_MS);
	}
}

START_TEST(the_estimate_adapts)
{
	struct net *n = warm_net(1 * NSTIME_MS);
	uint64_t spurious;

	ck_assert_uint_lt(net_stats(n, 1, 2).srtt, 3 * NSTIME_MS);
	ck_assert_uint_le(net_stats(n, 1, 2).rto, 2 * COURIER_RTO_FLOOR);
	n->delay = 25 * NSTIME_MS;
	stream(n, 2 * NSTIME_S);
	ck_assert_uint_gt(net_stats(n, 1, 2).srtt, 48 * NSTIME_MS);
	ck_assert_uint_lt(net_stats(n, 1, 2).srtt, 53 * NSTIME_MS);
	ck_assert_uint_gt(net_stats(n, 1, 2).rto, 50 * NSTIME_MS);
	spurious = courier_counters(n->c[1])->retransmitted;
	ck_assert_uint_le(spurious, 20); /* of 800: those sent before the first sample of the longer trip */
	stream(n, 2 * NSTIME_S);
	ck_assert_uint_eq(courier_counters(n->c[1])->retransmitted, spurious);
	n->delay = 1 * NSTIME_MS;
	stream(n, 2 * NSTIME_S);
	ck_assert_uint_lt(net_stats(n, 1, 2).srtt, 4 * NSTIME_MS);
	net_run_settled(n, n->now + NSTIME_S);
	net_check_delivered(n);
	net_free(n);
}
END_TEST

/* The window holds at every frame; state[0]: frames back to back, state[1]: since when, state[2]: most in flight. */
static void watch_window(struct net *n, const struct net_frame *f)
{
	struct net_stats s;

	if (f->from != 1 || f->to != 2)
		return;
	s = net_stats(n, 1, 2);
	ck_assert_uint_le(s.in_flight, s.window);
	if (s.in_flight > n->state[2])
		n->state[2] = s.in_flight;
	if (n->state[1] != n->now)
		n->state[0] = 0;
	n->state[1] = n->now;
	ck_assert_uint_le(++n->state[0], COURIER_BURST_MAX);
}

START_TEST(the_window_holds_and_frames_are_spaced)
{
	struct net *n = warm_net(10 * NSTIME_MS);

	n->watch = watch_window;
	for (unsigned i = 0; i < 8; i++)
		net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_settled(n, 60 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_gt(n->state[2], 2 * COURIER_WINDOW_INITIAL * NET_MTU); /* it grew, and was used */
	ck_assert_uint_le(net_stats(n, 1, 2).window, COURIER_WINDOW_BYTES_MAX);
	net_free(n);
}
END_TEST

/* Drops the large frames 500, 502, 504: one round trip's. state[1] is the window then. */
static bool drop_three(struct net *n, const struct net_frame *f)
{
	uint64_t place;

	if (f->from != 1 || f->len < LARGE)
		return false;
	place = n->state[0]++;
	if (place == 500)
		n->state[1] = net_stats(n, 1, 2).window;
	if (place > 520 && courier_counters(n->c[1])->lost == 3 && !n->state[2])
		n->state[2] = net_stats(n, 1, 2).window;
	return place == 500 || place == 502 || place == 504;
}

START_TEST(the_window_is_halved_once_a_round_trip)
{
	struct net *n = warm_net(10 * NSTIME_MS);

	n->drop = drop_three;
	net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_settled(n, 60 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_gt(n->state[1], 2 * COURIER_WINDOW_FLOOR * NET_MTU);
	/* In slow start it grew somewhat between the frame and the news of its loss. */
	ck_assert_uint_ge(n->state[2], n->state[1] / 2);
	ck_assert_uint_le(n->state[2], n->state[1] * 5 / 4);
	net_free(n);
}
END_TEST

/* Holds every fifth data frame of device 1 back by state[1] ns; state[0] counts. */
static bool hold_back(struct net *n, const struct net_frame *f)
{
	n->delay = 10 * NSTIME_MS;
	if (f->from == 1 && f->len > 400 && ++n->state[0] % 5 == 0)
		n->delay += n->state[1];
	return false;
}

START_TEST(a_frame_that_few_overtake_is_not_lost)
{
	struct net *n = warm_net(10 * NSTIME_MS);

	n->drop = hold_back;
	n->state[1] = 1500 * NSTIME_US;
	for (unsigned i = 0; i < 203; i++) {
		net_send(n, 1, 2, 1, 450);
		net_run_until(n, n->now + NSTIME_MS);
	}
	net_run_settled(n, 60 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_ge(n->state[0], 200);
	ck_assert_uint_eq(courier_counters(n->c[1])->retransmitted, 0);
	net_free(n);
}
END_TEST

START_TEST(deeper_reordering_is_learnt)
{
	struct net *n = warm_net(10 * NSTIME_MS);

	n->drop = hold_back;
	n->state[1] = 1 * NSTIME_MS;
	net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_settled(n, 60 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_gt(courier_counters(n->c[1])->spurious, 0);
	ck_assert_uint_ge(n->state[0], 750);
	ck_assert_uint_le(courier_counters(n->c[1])->spurious, 3); /* of 150 held back */
	net_free(n);
}
END_TEST

#define LINK_NS_PER_BYTE 80U /* 100 Mbit/s */
#define LINK_QUEUE       50U /* frames */

/* A link of limited rate and queue from device 1; state[0]: when it is free, state[1]: dropped. */
static bool drop_queue(struct net *n, const struct net_frame *f)
{
	nstime wait;

	n->delay = 1 * NSTIME_MS;
	if (f->from != 1)
		return false;
	if (n->state[0] < n->now)
		n->state[0] = n->now;
	wait = n->state[0] - n->now;
	if (wait > LINK_QUEUE * NET_MTU * LINK_NS_PER_BYTE) {
		n->state[1]++;
		return true;
	}
	n->state[0] += f->len * LINK_NS_PER_BYTE;
	n->delay += n->state[0] - n->now;
	return false;
}

START_TEST(a_burst_of_blobs_does_not_drown_a_link)
{
	struct net *n = warm_net(1 * NSTIME_MS);
	uint64_t frames = courier_counters(n->c[1])->frames_sent;
	nstime start = n->now;

	n->drop = drop_queue;
	for (unsigned i = 0; i < 120; i++)
		net_send(n, 1, (uint16_t)(2 + i % 2), 1, 65536);
	net_run_settled(n, 60 * NSTIME_S);
	net_check_delivered(n);
	frames = courier_counters(n->c[1])->frames_sent - frames;
	ck_assert_uint_lt(n->state[1] * 20, frames);                                 /* under 5 % dropped */
	ck_assert_uint_lt(n->now - start, 120U * 65536U * LINK_NS_PER_BYTE * 5 / 4); /* over 80 % of the rate */
	net_free(n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("courier_loss");
	TCase *t = tcase_create("courier_loss");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, only_lost_frames_are_sent_again);
	tcase_add_loop_test(t, a_lost_tail_is_probed_for_in_about_two_round_trips, 0, 4);
	tcase_add_test(t, probes_back_off);
	tcase_add_test(t, the_estimate_adapts);
	tcase_add_test(t, the_window_holds_and_frames_are_spaced);
	tcase_add_test(t, the_window_is_halved_once_a_round_trip);
	tcase_add_test(t, a_frame_that_few_overtake_is_not_lost);
	tcase_add_test(t, deeper_reordering_is_learnt);
	tcase_add_test(t, a_burst_of_blobs_does_not_drown_a_link);
	suite_add_tcase(s, t);
	return unit_run(s);
}
