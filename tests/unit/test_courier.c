/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier delivers: over a clean network, and through heavy loss. */
#include "tests/lib/unit.h"

#include "test_courier_net.h"

#include <stdio.h>

START_TEST(configurations_are_checked)
{
	struct courier_config good = {.self = 1, .boot = 1, .mtu = NET_MTU}, bad;
	struct courier *c;

	bad = good, bad.self = 0;
	ck_assert_int_eq(courier_new(&c, &bad), E_INVAL);
	bad = good, bad.boot = 0;
	ck_assert_int_eq(courier_new(&c, &bad), E_INVAL);
	bad = good, bad.mtu = COURIER_MTU_MIN - 1;
	ck_assert_int_eq(courier_new(&c, &bad), E_INVAL);
	bad = good, bad.mtu = COURIER_MTU_MAX + 1;
	ck_assert_int_eq(courier_new(&c, &bad), E_INVAL);
	ck_assert_int_eq(courier_new(&c, &good), 0);
	ck_assert_int_eq(courier_peer_add(c, 0), E_INVAL);
	ck_assert_int_eq(courier_peer_add(c, 1), E_INVAL);
	ck_assert_int_eq(courier_peer_add(c, 2), 0);
	ck_assert_int_eq(courier_peer_add(c, 2), E_EXISTS);
	for (uint16_t i = 3; i < COURIER_PEERS_MAX + 2; i++)
		ck_assert_int_eq(courier_peer_add(c, i), 0);
	ck_assert_int_eq(courier_peer_add(c, 5000), E_FULL);
	ck_assert_uint_eq(courier_expiry(c), NSTIME_NEVER);
	courier_free(c);
	courier_free(NULL);
}
END_TEST

START_TEST(a_clean_network_carries_each_size_without_repetition)
{
	static const size_t lens[] = {0,    1,    383,  384,   385,   1400,    1401,
				      1402, 2802, 2803, 65536, 65537, 1048576, COURIER_MESSAGE_MAX};
	struct net *n = net_new(1);

	n->config.cipher = (enum seal_cipher)_i;
	if (seal_cipher_check(n->config.cipher)) {
		net_free(n);
		return;
	}
	net_start_all(n);
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		net_send(n, 1, 2, (uint8_t)i, lens[i]);
		net_send(n, 2, 1, (uint8_t)i, lens[i]);
		net_send(n, 3, 2, (uint8_t)i, lens[i]);
	}
	net_run_settled(n, 10 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_eq(NET_SUM(n, retransmitted), 0);
	ck_assert_uint_eq(NET_SUM(n, lost), 0);
	ck_assert_uint_eq(NET_SUM(n, messages_delivered), n->send_count);
	ck_assert_uint_eq(NET_SUM(n, messages_received), n->send_count);
	for (unsigned r = 0; r < COURIER_REJECT_COUNT; r++)
		ck_assert_uint_eq(NET_SUM(n, rejected[r]), 0);
	/* Nothing is left: no timer, no byte. */
	net_run_until(n, n->now + NSTIME_S);
	for (uint16_t i = 1; i <= NET_COURIERS; i++) {
		ck_assert_uint_eq(courier_expiry(n->c[i]), NSTIME_NEVER);
		for (uint16_t k = 1; k <= NET_COURIERS; k++) {
			struct net_stats s;

			if (i == k)
				continue;
			s = net_stats(n, i, k);
			ck_assert_uint_eq(s.in_flight, 0);
			ck_assert_uint_eq(s.queued, 0);
			ck_assert_uint_eq(s.queue_bytes, 0);
			ck_assert_uint_eq(s.inbox_bytes, 0);
		}
	}
	net_free(n);
}
END_TEST

START_TEST(sends_are_bounded)
{
	struct net *n = net_new(1);
	uint64_t id;
	int rc = 0;
	size_t count = 0;

	net_start_all(n);
	ck_assert_int_eq(courier_send(n->c[1], 9, 1, "x", 1, 0, &id), E_NOENT);
	ck_assert_int_eq(courier_send(n->c[1], 1, 1, "x", 1, 0, &id), E_NOENT);
	net_send_try(n, 1, 2, 1, COURIER_MESSAGE_MAX + 1, &rc);
	ck_assert_int_eq(rc, E_TOOBIG);
	while (net_send_try(n, 1, 2, 1, 3, &rc), !rc)
		count++;
	ck_assert_int_eq(rc, E_FULL);
	ck_assert_uint_eq(count, COURIER_SPAN);
	count = 0;
	while (net_send_try(n, 1, 3, 1, COURIER_MESSAGE_MAX, &rc), !rc)
		count++;
	ck_assert_int_eq(rc, E_FULL);
	ck_assert_uint_eq(count, COURIER_QUEUE_BYTES_MAX / COURIER_MESSAGE_MAX);
	ck_assert_uint_eq(courier_counters(n->c[1])->messages_refused, 2);
	net_run_settled(n, 10 * NSTIME_S);
	net_check_delivered(n);
	net_send(n, 1, 2, 1, 3); /* there is room again */
	net_run_settled(n, 20 * NSTIME_S);
	net_check_delivered(n);
	net_free(n);
}
END_TEST

/* C1.7's regime: blobs from nothing to 1 MiB, in all directions. */
static struct net *lossy_run(uint64_t seed)
{
	static const size_t lens[] = {0, 1, 17, 300, 1000, 1500, 4096, 20000, 65536, 200000};
	struct net *n = net_new(seed);

	n->loss = 40 * PERCENT;
	n->corrupt = 20 * PERCENT;
	n->duplicate = 5 * PERCENT;
	n->reorder = 10 * PERCENT;
	n->jitter = 200 * NSTIME_US;
	net_start_all(n);
	net_run_until(n, 2 * NSTIME_S);
	net_send(n, 1, 2, 7, 1024 * 1024);
	for (unsigned round = 0; round < 10; round++)
		for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
			net_send(n, (uint16_t)(1 + (round + i) % 3), (uint16_t)(1 + (round + i + 1) % 3),
				 (uint8_t)n->send_count, lens[i]);
	net_run_settled(n, 60 * NSTIME_S);
	net_check_delivered(n);
	return n;
}

START_TEST(delivers_intact_through_40_percent_loss_and_20_percent_corruption)
{
	struct net *n = lossy_run((uint64_t)_i);

	ck_assert_uint_gt(NET_SUM(n, retransmitted), 0);
	ck_assert_uint_gt(NET_SUM(n, rejected[COURIER_REJECT_AUTH]), 0);
	ck_assert_uint_gt(NET_SUM(n, rejected[COURIER_REJECT_REPLAY]), 0);
	printf("lossy run, seed %d: %.3f s for 1 MiB and 100 blobs, %llu frames, %llu retransmitted, %llu spurious\n",
	       _i, (double)(n->now - 2 * NSTIME_S) / 1e9, (unsigned long long)NET_SUM(n, frames_sent),
	       (unsigned long long)NET_SUM(n, retransmitted), (unsigned long long)NET_SUM(n, spurious));
	ck_assert_uint_lt(n->now, 7 * NSTIME_S);
	net_free(n);
}
END_TEST

START_TEST(the_same_seed_makes_the_same_bytes)
{
	struct net *a = lossy_run(5), *b = lossy_run(5), *c = lossy_run(6);

	ck_assert_uint_eq(a->count, b->count);
	ck_assert_uint_eq(a->digest, b->digest);
	ck_assert_uint_eq(a->now, b->now);
	ck_assert_uint_ne(a->digest, c->digest);
	net_free(a);
	net_free(b);
	net_free(c);
}
END_TEST

START_TEST(introductions_survive_heavy_loss)
{
	struct net *n = net_new((uint64_t)_i);

	n->loss = 64 * PERCENT;
	net_start_all(n);
	while (n->up < 6 && net_step(n, 10 * NSTIME_S))
		;
	ck_assert_uint_eq(n->up, 6);
	for (uint16_t i = 1; i <= NET_COURIERS; i++)
		for (uint16_t k = 1; k <= NET_COURIERS; k++)
			if (i != k)
				ck_assert_uint_eq(courier_peer_boot(n->c[i], k), 100);
	net_free(n);
}
END_TEST

START_TEST(control_overtakes_blobs)
{
	struct net *n = net_new(1);
	struct net_send *blob, *control;

	net_start_all(n);
	net_run_until(n, 100 * NSTIME_MS);
	blob = net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_until(n, n->now + 4 * NSTIME_MS);
	control = net_send(n, 1, 2, 2, 100);
	net_run_settled(n, 10 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_lt(control->received_at, blob->received_at);
	ck_assert_uint_le(control->received_at - control->at, 3 * NSTIME_MS + n->delay);
	net_free(n);
}
END_TEST

/* More comes all the time than the path carries of the class above: a blob is passed over, but not for ever. */
START_TEST(nothing_starves)
{
	static const size_t above[] = {60 * 1024, COURIER_CONTROL_MAX};
	static const size_t below[] = {512 * 1024, 16 * 1024};
	static const unsigned kept[] = {40, 400};
	struct net *n = net_new(1);
	struct net_send *blob;
	nstime end;

	n->delay = 20 * NSTIME_MS;
	net_start_all(n);
	net_run_until(n, NSTIME_S);
	n->loss = _i ? 40 * PERCENT : 0; /* so that control messages alone fill the window */
	end = n->now + 2 * NSTIME_S;
	for (unsigned i = 0; i < kept[_i]; i++)
		net_send(n, 1, 2, 1, above[_i]);
	blob = net_send(n, 1, 2, 2, below[_i]);
	do
		while (net_stats(n, 1, 2).queued < kept[_i] && n->send_count < NET_SENDS - 1)
			net_send(n, 1, 2, 1, above[_i]);
	while (!blob->delivered && net_step(n, end));
	ck_assert_uint_lt(n->send_count, NET_SENDS - 1);
	ck_assert_uint_eq(blob->delivered, 1);
	net_free(n);
}
END_TEST

START_TEST(a_message_is_given_up_in_time)
{
	struct net *n = net_new(1);
	struct net_send *s;

	net_start_all(n);
	net_run_until(n, 100 * NSTIME_MS);
	n->cut = true;
	s = net_send(n, 1, 2, 1, 5000);
	net_run_until(n, n->now + COURIER_GIVE_UP - 1);
	ck_assert_uint_eq(s->failed, 0);
	net_run_until(n, n->now + 1);
	ck_assert_uint_eq(s->failed, 1);
	ck_assert_uint_eq(courier_expiry(n->c[1]), NSTIME_NEVER);
	ck_assert_uint_eq(courier_counters(n->c[1])->messages_failed, 1);
	n->cut = false;
	s = net_send(n, 1, 2, 1, 5000);
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(s->delivered, 1);
	net_free(n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("courier");
	TCase *t = tcase_create("courier");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, configurations_are_checked);
	tcase_add_loop_test(t, a_clean_network_carries_each_size_without_repetition, 0, 2);
	tcase_add_test(t, sends_are_bounded);
	tcase_add_loop_test(t, delivers_intact_through_40_percent_loss_and_20_percent_corruption, 1, 4);
	tcase_add_test(t, the_same_seed_makes_the_same_bytes);
	tcase_add_loop_test(t, introductions_survive_heavy_loss, 0, 20);
	tcase_add_test(t, control_overtakes_blobs);
	tcase_add_loop_test(t, nothing_starves, 0, 2);
	tcase_add_test(t, a_message_is_given_up_in_time);
	suite_add_tcase(s, t);
	return unit_run(s);
}
