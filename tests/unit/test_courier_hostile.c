/* SPDX-License-Identifier: BSD-3-Clause */
/* The courier against an enemy on the network, against restarts, and at its bounds. */
#include "tests/lib/unit.h"

#include "test_courier_net.h"

#define KEPT 512U

/* Frames taken off the network: those from device 1 to 2 while `keeping`. */
static struct {
	uint8_t bytes[COURIER_MTU_MAX];
	size_t len;
} kept[KEPT];
static size_t kept_count;
static bool keeping;

static void watch_keep(struct net *n, const struct net_frame *f)
{
	(void)n;
	if (!keeping || f->from != 1 || f->to != 2 || kept_count == KEPT)
		return;
	memcpy(kept[kept_count].bytes, f->bytes, f->len);
	kept[kept_count++].len = f->len;
}

static int feed(struct net *n, uint16_t to, const uint8_t *bytes, size_t len)
{
	uint8_t *copy = malloc(len ? len : 1);
	int rc;

	memcpy(copy, bytes, len);
	rc = courier_input(n->c[to], copy, len, n->now);
	free(copy);
	return rc;
}

static struct net *hostile_net(void)
{
	struct net *n = net_new(1);

	kept_count = 0;
	keeping = false;
	n->watch = watch_keep;
	return n;
}

/* A network in which device 1 sent one frame of a message to 2 that is in kept[0] and did not arrive. */
static struct net *net_with_lost_frame(void)
{
	struct net *n = hostile_net();

	net_start_all(n);
	net_run_until(n, NSTIME_S);
	n->cut = keeping = true;
	net_send(n, 1, 2, 1, 60);
	net_pump(n);
	keeping = false;
	ck_assert_uint_eq(kept_count, 1);
	return n;
}

START_TEST(bits_and_lengths_are_guarded)
{
	struct net *n = net_with_lost_frame();
	uint8_t *frame = kept[0].bytes;
	size_t len = kept[0].len;
	uint64_t rejected = 0;
	nstime expiry = courier_expiry(n->c[2]);

	for (size_t bit = 0; bit < len * 8; bit++) {
		frame[bit / 8] ^= (uint8_t)(1 << (bit % 8));
		ck_assert_int_lt(feed(n, 2, frame, len), 0);
		frame[bit / 8] ^= (uint8_t)(1 << (bit % 8));
	}
	for (size_t cut = 0; cut < len; cut++)
		ck_assert_int_lt(feed(n, 2, frame, cut), 0);
	for (unsigned r = 0; r < COURIER_REJECT_COUNT; r++)
		rejected += courier_counters(n->c[2])->rejected[r];
	ck_assert_uint_eq(rejected, len * 9);
	ck_assert_uint_eq(courier_expiry(n->c[2]), expiry);
	ck_assert_uint_eq(net_stats(n, 2, 1).boot, 100);
	ck_assert_uint_eq(courier_counters(n->c[2])->messages_received, 0);
	ck_assert_int_eq(feed(n, 2, frame, len), 0); /* nothing was spoilt */
	ck_assert_uint_eq(courier_counters(n->c[2])->messages_received, 1);
	net_free(n);
}
END_TEST

START_TEST(replayed_frames_are_refused)
{
	struct net *n = hostile_net();
	uint64_t received;

	keeping = true;
	net_start_all(n);
	net_run_until(n, NSTIME_S);
	net_send(n, 1, 2, 1, 100000);
	net_run_settled(n, 10 * NSTIME_S);
	keeping = false;
	net_check_delivered(n);
	received = courier_counters(n->c[2])->frames_received;
	for (size_t i = 0; i < kept_count; i++)
		ck_assert_int_eq(feed(n, 2, kept[i].bytes, kept[i].len), E_REPLAY);
	ck_assert_uint_eq(courier_counters(n->c[2])->rejected[COURIER_REJECT_REPLAY], kept_count);
	ck_assert_uint_eq(courier_counters(n->c[2])->frames_received, received);
	net_pump(n); /* fails if anything is delivered twice */
	net_free(n);
}
END_TEST

START_TEST(a_replay_to_a_restarted_receiver_fails)
{
	struct net *n = hostile_net();
	unsigned hellos = 0, data = 0;

	keeping = true;
	net_start_all(n);
	net_run_until(n, NSTIME_S);
	net_send(n, 1, 2, 1, 100000);
	net_run_settled(n, 10 * NSTIME_S);
	keeping = false;
	n->cut = true;
	net_start(n, 2, 101);
	n->up = 0;
	for (size_t i = 0; i < kept_count; i++) {
		int rc = feed(n, 2, kept[i].bytes, kept[i].len);

		/* A recorded HELLO opens, its key knows no receiver's boot, but it starts no session. */
		if (kept[i].bytes[2] == FRAME_KIND_HELLO)
			hellos += rc == 0;
		else
			data += rc == E_AUTH;
	}
	ck_assert_uint_gt(hellos, 0);
	ck_assert_uint_eq(hellos + data, kept_count);
	net_pump(n);
	ck_assert_uint_eq(n->up, 0);
	ck_assert_uint_eq(courier_peer_boot(n->c[2], 1), 0);
	ck_assert_uint_eq(courier_counters(n->c[2])->messages_received, 0);
	n->cut = false;
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(courier_peer_boot(n->c[2], 1), 100); /* the true one comes through nevertheless */
	net_send(n, 1, 2, 1, 1000);
	net_run_settled(n, 20 * NSTIME_S);
	net_check_delivered(n);
	net_free(n);
}
END_TEST

START_TEST(frames_belong_to_their_sender_and_receiver)
{
	struct net *n = net_with_lost_frame();
	uint8_t frame[COURIER_MTU_MAX];
	size_t len = kept[0].len;
	uint16_t from, to;

	memcpy(frame, kept[0].bytes, len);
	ck_assert_int_eq(courier_frame_peek(frame, len, &from, &to), 0);
	ck_assert_uint_eq(from, 1);
	ck_assert_uint_eq(to, 2);
	ck_assert_int_eq(courier_frame_peek(frame, 10, &from, &to), E_TRUNCATED);
	ck_assert_int_eq(feed(n, 1, frame, len), E_NOENT); /* reflected */
	ck_assert_int_eq(feed(n, 3, frame, len), E_NOENT); /* gone astray */
	store_be16(frame + 4, 2);
	store_be16(frame + 6, 1);
	ck_assert_int_eq(feed(n, 1, frame, len), E_AUTH); /* reflected, turned round */
	store_be16(frame + 4, 1);
	store_be16(frame + 6, 3);
	ck_assert_int_eq(feed(n, 3, frame, len), E_AUTH); /* for another */
	store_be16(frame + 4, 3);
	store_be16(frame + 6, 2);
	ck_assert_int_eq(feed(n, 2, frame, len), E_AUTH); /* from another */
	store_be16(frame + 4, 77);
	ck_assert_int_eq(feed(n, 2, frame, len), E_NOENT); /* from nobody */
	ck_assert_uint_eq(courier_counters(n->c[2])->rejected[COURIER_REJECT_AUTH], 1);
	ck_assert_uint_eq(courier_counters(n->c[2])->rejected[COURIER_REJECT_ADDRESS], 1);
	net_free(n);
}
END_TEST

START_TEST(forgeries_make_no_state)
{
	struct net *n = net_with_lost_frame();
	struct random_stream r;
	nstime expiry = courier_expiry(n->c[2]);
	uint8_t frame[200];

	random_init(&r, 1, "forgeries");
	for (unsigned i = 0; i < 20000; i++) {
		size_t len = random_below(&r, sizeof(frame));
		struct frame_header h = {
			.kind = i % 2 ? FRAME_KIND_HELLO : FRAME_KIND_DATA,
			.from = 1,
			.to = 2,
			.boot = 100 + random_below(&r, 1000),
			.number = 1 + random_below(&r, 100000),
		};

		random_bytes(&r, frame, sizeof(frame));
		if (i % 4 && len >= FRAME_HEADER_LEN)
			frame_header_encode(frame, &h);
		ck_assert_int_lt(feed(n, 2, frame, len), 0);
	}
	ck_assert_uint_eq(net_stats(n, 2, 1).boot, 100);
	ck_assert(net_stats(n, 2, 1).confirmed);
	ck_assert_uint_eq(courier_expiry(n->c[2]), expiry);
	n->events = 0;
	net_pump(n);
	ck_assert_uint_eq(n->events, 0);
	ck_assert_int_eq(feed(n, 2, kept[0].bytes, kept[0].len), 0);
	net_free(n);
}
END_TEST

START_TEST(frames_of_an_old_boot_are_stale)
{
	struct net *n = net_with_lost_frame();

	n->cut = false;
	keeping = true;
	net_start(n, 1, 101);
	n->send_count = 0; /* what the former device 1 sent is gone with it */
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(courier_peer_boot(n->c[2], 1), 101);
	ck_assert_int_eq(feed(n, 2, kept[0].bytes, kept[0].len), E_STALE);
	net_start(n, 1, 99); /* a clock that went back: refused */
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(courier_peer_boot(n->c[2], 1), 101);
	ck_assert_uint_gt(courier_counters(n->c[2])->rejected[COURIER_REJECT_STALE], 1);
	net_free(n);
}
END_TEST

/* A boot id that went back: the device learns of it, from a session's peer alone, and is heard once it is beyond. */
START_TEST(a_boot_before_the_last_one_learns_of_that)
{
	struct net *n = net_new(1);

	net_start_all(n);
	net_send(n, 1, 2, 1, 1000);
	net_run_until(n, NSTIME_S);
	ck_assert_uint_eq(courier_peer_boot(n->c[2], 1), 100);
	ck_assert_uint_eq(courier_outlived(n->c[1]), 0);
	net_start(n, 1, 50);
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(courier_outlived(n->c[1]), 100);
	ck_assert_uint_eq(courier_peer_boot(n->c[2], 1), 100); /* still: nothing old is taken */
	net_start(n, 1, 101);
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(courier_outlived(n->c[1]), 0);
	ck_assert_uint_eq(courier_peer_boot(n->c[2], 1), 101);
	ck_assert_uint_eq(courier_peer_boot(n->c[1], 2), 100);
	net_free(n);
}
END_TEST

START_TEST(a_receiver_that_restarts_within_a_blob_fails_it)
{
	struct net *n = net_new((uint64_t)_i);
	struct net_send *blob, *other, *later;

	n->loss = 20 * PERCENT;
	net_start_all(n);
	net_run_until(n, NSTIME_S);
	blob = net_send(n, 1, 2, 1, 1024 * 1024);
	other = net_send(n, 1, 3, 1, 1024 * 1024);
	net_run_until(n, n->now + 20 * NSTIME_MS);
	ck_assert_uint_eq(blob->received, 0);
	net_start(n, 2, 101);
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(n->restarted, 2); /* at 1 and at 3 */
	ck_assert_uint_eq(blob->failed, 1);
	ck_assert_uint_eq(blob->received, 0);
	ck_assert_uint_eq(courier_counters(n->c[1])->restarts, 1);
	ck_assert_uint_eq(courier_peer_boot(n->c[1], 2), 101);
	later = net_send(n, 1, 2, 1, 100000);
	net_run_settled(n, 30 * NSTIME_S);
	ck_assert_uint_eq(later->delivered, 1);
	ck_assert_uint_eq(other->delivered, 1);
	net_free(n);
}
END_TEST

START_TEST(a_sender_that_restarts_within_a_blob_leaves_nothing)
{
	struct net *n = net_new((uint64_t)_i);
	struct net_send *later;

	n->loss = 20 * PERCENT;
	net_start_all(n);
	net_run_until(n, NSTIME_S);
	net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_until(n, n->now + 20 * NSTIME_MS);
	ck_assert_uint_gt(net_stats(n, 2, 1).inbox_bytes, 1024 * 1024);
	net_start(n, 1, 101);
	n->send_count = 0;
	later = net_send(n, 1, 2, 2, 70000);
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(net_stats(n, 2, 1).inbox_bytes, 0);
	ck_assert_uint_eq(courier_counters(n->c[2])->messages_received, 1);
	ck_assert_uint_eq(later->delivered, 1);
	net_free(n);
}
END_TEST

/* Both restart at once, in the middle of messages to each other. */
START_TEST(both_ends_restart)
{
	struct net *n = net_new((uint64_t)_i);

	n->loss = 40 * PERCENT;
	net_start_all(n);
	net_run_until(n, 2 * NSTIME_S);
	net_send(n, 1, 2, 1, 300000);
	net_send(n, 2, 1, 1, 300000);
	net_run_until(n, n->now + 20 * NSTIME_MS);
	net_start(n, 1, 101);
	net_start(n, 2, 101);
	n->send_count = 0;
	net_send(n, 1, 2, 2, 70000);
	net_send(n, 2, 1, 2, 70000);
	net_run_settled(n, 30 * NSTIME_S);
	net_check_delivered(n);
	net_free(n);
}
END_TEST

START_TEST(a_partition_longer_than_every_timer_heals)
{
	struct net *n = net_new(1);
	struct net_send *s;

	net_start_all(n);
	net_run_until(n, NSTIME_S);
	n->cut = true;
	net_start(n, 2, 101); /* nobody hears of it */
	net_run_until(n, n->now + 60 * NSTIME_S);
	ck_assert_uint_eq(courier_expiry(n->c[2]), NSTIME_NEVER);
	n->cut = false;
	s = net_send(n, 1, 2, 1, 1000); /* to the boot it knew */
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(s->failed, 1);
	ck_assert_uint_eq(courier_peer_boot(n->c[1], 2), 101);
	s = net_send(n, 1, 2, 1, 1000);
	net_run_until(n, n->now + NSTIME_S);
	ck_assert_uint_eq(s->delivered, 1);
	net_free(n);
}
END_TEST

START_TEST(a_receiver_nobody_empties_stays_bounded_and_recovers)
{
	struct net *n = net_new(1);

	net_start_all(n);
	net_run_until(n, NSTIME_S);
	n->hold = true;
	for (unsigned i = 0; i < 12; i++)
		net_send(n, 1, 2, 1, 1024 * 1024);
	for (unsigned i = 0; i < 100; i++)
		net_send(n, 1, 2, 2, 10);
	for (nstime end = n->now + 3 * NSTIME_S; net_step(n, end);)
		ck_assert_uint_le(net_stats(n, 2, 1).inbox_bytes, COURIER_INBOX_PEER_MAX);
	ck_assert_uint_gt(courier_counters(n->c[2])->rejected[COURIER_REJECT_FULL], 0);
	ck_assert_uint_ge(courier_counters(n->c[2])->messages_received, 100);
	n->hold = false;
	net_pump(n);
	net_run_settled(n, n->now + 5 * NSTIME_S);
	net_check_delivered(n);
	net_free(n);
}
END_TEST

/* Blobs that nobody takes leave room for control messages, at the receiver and at the sender. */
START_TEST(blobs_do_not_shut_control_messages_out)
{
	struct net *n = net_new(1);
	unsigned delivered = 0;
	int rc = 0;

	net_start_all(n);
	net_run_until(n, NSTIME_S);
	n->hold = true;
	for (size_t len = 1024 * 1024; len > COURIER_CONTROL_MAX; len /= 2)
		while (net_send_try(n, 1, 2, 1, len, &rc) && !rc)
			;
	ck_assert_int_eq(rc, E_FULL);
	for (unsigned i = 0; i < 100; i++)
		net_send(n, 1, 2, 2, COURIER_CONTROL_MAX);
	net_run_until(n, n->now + 2 * NSTIME_S);
	ck_assert_uint_gt(courier_counters(n->c[2])->rejected[COURIER_REJECT_FULL], 0);
	ck_assert_uint_le(net_stats(n, 2, 1).inbox_bytes, COURIER_INBOX_PEER_MAX);
	for (size_t i = 0; i < n->send_count; i++)
		delivered += n->sends[i].type == 2 && n->sends[i].delivered;
	ck_assert_uint_eq(delivered, 100);
	net_free(n);
}
END_TEST

START_TEST(what_nobody_completes_is_dropped)
{
	struct net *n = net_new(1);
	struct net_send *s;

	net_start_all(n);
	net_run_until(n, NSTIME_S);
	s = net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_until(n, n->now + 6 * NSTIME_MS);
	ck_assert_uint_gt(net_stats(n, 2, 1).inbox_bytes, 1024 * 1024);
	n->cut = true;
	net_run_until(n, n->now + 2 * COURIER_GIVE_UP + NSTIME_S);
	ck_assert_uint_eq(s->failed, 1);
	ck_assert_uint_eq(net_stats(n, 2, 1).inbox_bytes, 0);
	ck_assert_uint_eq(courier_expiry(n->c[2]), NSTIME_NEVER);
	n->cut = false;
	s = net_send(n, 1, 2, 1, 1024 * 1024);
	net_run_settled(n, n->now + 5 * NSTIME_S);
	ck_assert_uint_eq(s->delivered, 1);
	net_free(n);
}
END_TEST

/* A peer with the key that breaks the rules: sealed well, and nonsense. */
static int feed_sealed(struct net *n, uint64_t number, const struct writer *body)
{
	struct seal_path path = {SEAL_PURPOSE_DATA, 1, 2, 100, 100};
	struct frame_header h = {FRAME_KIND_DATA, 0, 1, 2, 100, number};
	uint8_t frame[2048];
	struct seal_key key;

	seal_key_derive(&key, n->config.cipher, n->config.key, &path);
	frame_header_encode(frame, &h);
	memcpy(frame + FRAME_HEADER_LEN, body->start, writer_len(body));
	seal_frame(&key, number, frame, FRAME_HEADER_LEN, writer_len(body));
	return feed(n, 2, frame, FRAME_OVERHEAD + writer_len(body));
}

static int feed_piece(struct net *n, uint64_t number, uint64_t floor, struct frame_data d)
{
	static const uint8_t bytes[1024];
	uint8_t body[2048];
	struct writer w = writer_make(body, sizeof(body));

	d.bytes = bytes;
	frame_floor_encode(&w, floor);
	frame_data_encode(&w, &d);
	return feed_sealed(n, number, &w);
}

START_TEST(nonsense_under_a_good_seal_is_refused)
{
	struct net *n = net_new(1);
	struct frame_data d = {.id = 1, .type = 1, .total = 1000, .chunk = 500, .index = 0, .len = 500};
	struct frame_ack ack = {.count = 1, .ranges = {{1, 1000000}}};
	uint8_t body[2048];
	struct writer w;

	net_start_all(n);
	net_run_until(n, NSTIME_S);
	n->cut = true;
	ck_assert_int_eq(feed_piece(n, 1, 1, d), 0);
	d.total = 999;
	ck_assert_int_eq(feed_piece(n, 2, 1, d), E_FORMAT); /* of another length than before */
	d = (struct frame_data){.id = 1, .type = 2, .total = 1000, .chunk = 500, .index = 1, .len = 500};
	ck_assert_int_eq(feed_piece(n, 3, 1, d), E_FORMAT); /* of another type */
	d = (struct frame_data){.id = 1 + COURIER_SPAN, .type = 1, .total = 1000, .chunk = 500, .index = 1, .len = 500};
	ck_assert_int_eq(feed_piece(n, 4, 1, d), E_FORMAT); /* beyond the span */
	w = writer_make(body, sizeof(body));
	frame_ack_encode(&w, &ack);
	ck_assert_int_eq(feed_sealed(n, 5, &w), E_FORMAT); /* acknowledges what was never sent */
	w = writer_make(body, sizeof(body));
	writer_u8(&w, 4);
	writer_u16(&w, 500);
	ck_assert_int_eq(feed_sealed(n, 6, &w), E_FORMAT);
	ck_assert_uint_eq(courier_counters(n->c[2])->messages_received, 0);
	d = (struct frame_data){.id = 1, .type = 1, .total = 1000, .chunk = 500, .index = 1, .len = 500};
	ck_assert_int_eq(feed_piece(n, 7, 1, d), 0);
	ck_assert_uint_eq(courier_counters(n->c[2])->messages_received, 1);
	/* The floor passes a partial message: dropped. */
	d = (struct frame_data){.id = 5, .type = 1, .total = 1000, .chunk = 500, .index = 0, .len = 500};
	ck_assert_int_eq(feed_piece(n, 8, 2, d), 0);
	ck_assert_int_eq(feed_piece(n, 9, UINT64_C(1) << 62, (struct frame_data){.id = UINT64_C(1) << 62, .chunk = 1}),
			 0);
	ck_assert_uint_lt(net_stats(n, 2, 1).inbox_bytes, 2000); /* what is whole: 1000 and 0 bytes */
	net_free(n);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("courier_hostile");
	TCase *t = tcase_create("courier_hostile");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, bits_and_lengths_are_guarded);
	tcase_add_test(t, replayed_frames_are_refused);
	tcase_add_test(t, a_replay_to_a_restarted_receiver_fails);
	tcase_add_test(t, frames_belong_to_their_sender_and_receiver);
	tcase_add_test(t, forgeries_make_no_state);
	tcase_add_test(t, frames_of_an_old_boot_are_stale);
	tcase_add_test(t, a_boot_before_the_last_one_learns_of_that);
	tcase_add_loop_test(t, a_receiver_that_restarts_within_a_blob_fails_it, 0, 5);
	tcase_add_loop_test(t, a_sender_that_restarts_within_a_blob_leaves_nothing, 0, 5);
	tcase_add_loop_test(t, both_ends_restart, 0, 5);
	tcase_add_test(t, a_partition_longer_than_every_timer_heals);
	tcase_add_test(t, a_receiver_nobody_empties_stays_bounded_and_recovers);
	tcase_add_test(t, blobs_do_not_shut_control_messages_out);
	tcase_add_test(t, what_nobody_completes_is_dropped);
	tcase_add_test(t, nonsense_under_a_good_seal_is_refused);
	suite_add_tcase(s, t);
	return unit_run(s);
}
