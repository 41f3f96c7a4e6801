/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier while the cluster key changes: nothing is lost, nothing old is taken for longer than it must be. */
#include "tests/lib/unit.h"

#include "test_courier_net.h"

static const uint8_t new_key[SEAL_KEY_LEN] = {9, 8, 7};

/* Keeps a copy of the last frame of each epoch that device 1 sent to 2. */
static struct {
	uint8_t bytes[COURIER_MTU_MAX];
	size_t len;
	uint64_t count;
} seen[256];

static void watch_epochs(struct net *n, const struct net_frame *f)
{
	(void)n;
	if (f->from != 1 || f->to != 2)
		return;
	memcpy(seen[f->bytes[3]].bytes, f->bytes, f->len);
	seen[f->bytes[3]].len = f->len;
	seen[f->bytes[3]].count++;
}

static uint64_t key_rejects(const struct net *n)
{
	return NET_SUM(n, rejected[COURIER_REJECT_KEY]);
}

/* Messages every way for a while, as long as the net runs. */
static void traffic(struct net *n, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		for (uint16_t from = 1; from <= NET_COURIERS; from++)
			net_send(n, from, (uint16_t)(from % NET_COURIERS + 1), 1,
				 (size_t)random_below(&n->random, i % 8 ? 300 : 40000));
		net_run_until(n, n->now + 20 * NSTIME_MS);
	}
}

static struct net *running(uint64_t seed)
{
	struct net *n = net_new(seed);

	memset(seen, 0, sizeof(seen));
	n->watch = watch_epochs;
	n->jitter = NSTIME_MS;
	net_start_all(n);
	traffic(n, 10);
	return n;
}

static void rekey(struct net *n, uint16_t device)
{
	ck_assert_int_eq(courier_rekey(n->c[device], new_key, n->now), 0);
}

START_TEST(all_at_once)
{
	struct net *n = running(1);
	uint64_t before;

	n->loss = n->corrupt = 5 * PERCENT;
	for (uint16_t d = 1; d <= NET_COURIERS; d++)
		rekey(n, d);
	ck_assert_int_eq(courier_rekey(n->c[1], new_key, n->now), E_STATE);
	before = seen[0].count;
	traffic(n, 40); /* 800 ms: the old one is still used */
	ck_assert_uint_gt(seen[0].count, before);
	ck_assert_uint_eq(seen[1].count, 0);
	traffic(n, 40);
	ck_assert_uint_gt(seen[1].count, 0);
	before = seen[0].count;
	traffic(n, 10);
	net_run_settled(n, n->now + 10 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_eq(seen[0].count, before); /* by now only the new one */
	ck_assert_uint_gt(NET_SUM(n, old_key), 0);
	ck_assert_uint_eq(n->restarted, 0);
	/* and in the end the old one is not taken any more, nor waited for */
	net_run_until(n, n->now + 5 * NSTIME_S);
	ck_assert_int_eq(courier_input(n->c[2], seen[0].bytes, seen[0].len, n->now), E_KEY);
	for (uint16_t d = 1; d <= NET_COURIERS; d++)
		ck_assert_uint_eq(courier_expiry(n->c[d]), NSTIME_NEVER);
	net_free(n);
}
END_TEST

/* While both are taken, a replay under either is refused. */
START_TEST(no_replay_across)
{
	struct net *n = running(2);

	for (uint16_t d = 1; d <= NET_COURIERS; d++)
		rekey(n, d);
	traffic(n, 60);
	ck_assert_uint_gt(seen[1].count, 0);
	ck_assert_int_eq(courier_input(n->c[2], seen[0].bytes, seen[0].len, n->now), E_REPLAY);
	ck_assert_int_eq(courier_input(n->c[2], seen[1].bytes, seen[1].len, n->now), E_REPLAY);
	net_run_settled(n, n->now + 10 * NSTIME_S);
	net_check_delivered(n);
	net_free(n);
}
END_TEST

/* One device after the other, within the lead: nobody notices. */
START_TEST(one_after_the_other)
{
	struct net *n = running(3);
	uint64_t before = NET_SUM(n, retransmitted);

	n->jitter = 0;
	for (uint16_t d = 1; d <= NET_COURIERS; d++) {
		rekey(n, d);
		traffic(n, 20);
	}
	traffic(n, 100);
	net_run_settled(n, n->now + 10 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_eq(key_rejects(n), 0);
	ck_assert_uint_eq(NET_SUM(n, retransmitted), before);
	net_free(n);
}
END_TEST

/* One that gets it too late cannot read what others seal, until it can: then all comes. */
START_TEST(one_too_late)
{
	struct net *n = running(4);

	rekey(n, 1);
	rekey(n, 3);
	net_run_until(n, n->now + 1500 * NSTIME_MS);
	traffic(n, 20);
	ck_assert_uint_gt(courier_counters(n->c[2])->rejected[COURIER_REJECT_KEY], 0);
	ck_assert(!net_settled(n));
	rekey(n, 2);
	net_run_settled(n, n->now + 10 * NSTIME_S);
	net_check_delivered(n);
	net_free(n);
}
END_TEST

/* A device that restarts during the change has the new key alone; those that still seal under the old one learn it from
 * its first frame. */
START_TEST(a_restart_in_between)
{
	struct net *n = running(5);

	net_run_settled(n, n->now + 10 * NSTIME_S);
	net_check_delivered(n);
	n->send_count = 0; /* another boot numbers its messages anew */
	for (uint16_t d = 1; d <= NET_COURIERS; d++)
		rekey(n, d);
	memcpy(n->config.key, new_key, sizeof(new_key));
	n->config.epoch = 1;
	net_run_until(n, n->now + 100 * NSTIME_MS);
	net_start(n, 2, 101);
	net_run_until(n, n->now + 100 * NSTIME_MS);
	traffic(n, 10);
	net_run_settled(n, n->now + 10 * NSTIME_S);
	net_check_delivered(n);
	ck_assert_uint_eq(n->restarted, 2);
	net_free(n);
}
END_TEST

/* The epoch goes round; each change is over before the next, and no timer is left behind. */
START_TEST(many_changes)
{
	struct net *n = running(6);
	uint8_t key[SEAL_KEY_LEN] = {1};

	for (unsigned i = 0; i < 260; i++) {
		key[1] = (uint8_t)i;
		for (uint16_t d = 1; d <= NET_COURIERS; d++)
			ck_assert_int_eq(courier_rekey(n->c[d], key, n->now), 0);
		net_run_until(n, n->now + COURIER_KEY_LEAD);
		net_send(n, 1, 2, 1, 100);
		net_run_until(n, n->now + COURIER_KEY_OVERLAP);
	}
	net_check_delivered(n);
	ck_assert_uint_eq(key_rejects(n), 0);
	ck_assert_uint_eq(courier_counters(n->c[1])->rekeyed, 260);
	ck_assert_uint_gt(seen[255].count, 0);
	ck_assert_uint_gt(seen[3].count, 1); /* twice: 3 and 259 */
	net_free(n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("courier rekey");
	TCase *t = tcase_create("rekey");

	tcase_add_test(t, all_at_once);
	tcase_add_test(t, no_replay_across);
	tcase_add_test(t, one_after_the_other);
	tcase_add_test(t, one_too_late);
	tcase_add_test(t, a_restart_in_between);
	tcase_add_test(t, many_changes);
	suite_add_tcase(s, t);
	return unit_run(s);
}
