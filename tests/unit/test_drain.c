/* SPDX-License-Identifier: BSD-3-Clause */
/* Draining as a script: what happens when, and exactly what lb/drain asks for and wants done. */
#include "base/err.h"
#include "lb/drain.h"
#include "tests/lib/unit.h"
#include "tests/unit/said.h"

#include <stdio.h>
#include <string.h>

enum { SELF = 9, ORIGIN = 2, OTHER = 3 };

static struct drain *d;
static struct drain_move *last; /* handed last */
static unsigned offers;         /* made in each sweep */
static unsigned next_user;

static struct tuple tuple_of(unsigned user)
{
	return (struct tuple){.remote = addr_v4(0xc6336401U),
			      .local = addr_v4(0xc6336450U),
			      .remote_port = (uint16_t)(40000 + user),
			      .local_port = 80};
}

/* Pulls everything, sweeping as the node would. */
static void pull(void)
{
	struct drain_action a;
	struct outbox_message *m;
	struct message_choice c;

	while (drain_output(d, &a)) {
		if (a.kind == DRAIN_HAND) {
			said("hand %u to %u\n", (unsigned)(uintptr_t)a.user, a.device);
			last = a.move;
		} else if (a.kind == DRAIN_NOWHERE) {
			said("nowhere for %u\n", (unsigned)(uintptr_t)a.user);
		} else {
			unsigned made = 0;

			while (made < offers) {
				struct blob_mapping b = {.origin = ORIGIN, .service = 1, .rule = 2};

				b.tuple = tuple_of(next_user);
				if (!drain_offer(d, &b, (void *)(uintptr_t)next_user, now))
					break;
				made++;
				next_user++;
			}
			drain_swept(d, now);
			said("sweep, %u\n", made);
		}
	}
	while ((m = outbox_get(drain_outbox(d)))) {
		ck_assert_int_eq(message_choice_decode(&c, m->type, m->bytes.data, m->bytes.len), 0);
		ck_assert_uint_eq(c.service, 1);
		ck_assert_uint_eq(c.rule, 2);
		ck_assert_uint_eq(c.devices[0], SELF);
		said("ask %u for %u, not %zu\n", m->to, c.tuple.remote_port - 40000, c.devices_count);
		outbox_message_free(m);
	}
}

static void until(nstime at)
{
	while (drain_expiry(d) <= at) {
		now = drain_expiry(d);
		drain_expire(d, now);
		pull();
	}
	now = at;
}

/* A classifier answers; device 0: none. */
static void answer(unsigned user, uint16_t device)
{
	struct message_choice c = {.type = MESSAGE_CHOSEN,
				   .service = 1,
				   .rule = 2,
				   .tuple = tuple_of(user),
				   .devices = {device},
				   .devices_count = device != 0};
	struct outbox o = {0};
	struct outbox_message *m;

	outbox_put_choice(&o, SELF, &c);
	m = outbox_get(&o);
	drain_message(d, ORIGIN, m->bytes.data, m->bytes.len, now);
	outbox_message_free(m);
	pull();
}

static void setup(void)
{
	static const uint16_t classifiers[] = {ORIGIN, OTHER};

	out[0] = '\0';
	now = 0;
	next_user = 1;
	offers = 1;
	d = drain_new(&(struct drain_config){
		.self = SELF, .classifiers = classifiers, .classifiers_count = 2, .moves_max = 2, .asks_max = 3});
}

static void teardown(void)
{
	drain_free(d);
}

START_TEST(moves_one)
{
	drain_connections(d, 1, now);
	ck_assert_uint_eq(drain_expiry(d), NSTIME_NEVER); /* idle as long as nobody drains */
	drain_begin(d, NSTIME_S, now);
	pull();
	offers = 0;
	answer(7, 4); /* nobody asked for that one */
	answer(1, 4);
	answer(1, 5); /* answered already */
	drain_moved(d, last);
	drain_connections(d, 0, now);
	until(2 * NSTIME_S);
	ck_assert_str_eq(out, "0 sweep, 1\n"
			      "0 ask 2 for 1, not 1\n"
			      "0 hand 1 to 4\n");
	ck_assert_uint_eq(drain_counters(d)->moved, 1);
	ck_assert_uint_eq(drain_counters(d)->stayed, 0);
	ck_assert_uint_eq(drain_moves(d), 0);
}
END_TEST

/* One that refuses is excluded; when there is nobody left, sweeps pause. */
START_TEST(refused_then_nowhere)
{
	drain_connections(d, 1, now);
	drain_begin(d, NSTIME_S, now);
	pull();
	offers = 0;
	answer(1, 4);
	ck_assert(drain_refused(d, last, now));
	pull();
	answer(1, 4); /* late: to the first question */
	answer(1, 0);
	until(250 * NSTIME_MS);
	ck_assert_str_eq(out, "0 sweep, 1\n"
			      "0 ask 2 for 1, not 1\n"
			      "0 hand 1 to 4\n"
			      "0 ask 2 for 1, not 2\n"
			      "0 nowhere for 1\n"
			      "200 sweep, 0\n"
			      "210 sweep, 0\n"
			      "220 sweep, 0\n"
			      "230 sweep, 0\n"
			      "240 sweep, 0\n"
			      "250 sweep, 0\n");
	ck_assert_uint_eq(drain_counters(d)->refused, 1);
	ck_assert_uint_eq(drain_counters(d)->nowhere, 1);
}
END_TEST

/* As many as a question can name are excluded; then it stays, for now. */
START_TEST(everybody_refuses)
{
	drain_connections(d, 1, now);
	drain_begin(d, NSTIME_S, now);
	pull();
	offers = 0;
	for (uint16_t device = 20; device < 20 + MESSAGE_DEVICES_MAX - 1; device++) {
		answer(1, device);
		ck_assert(drain_refused(d, last, now));
		pull();
	}
	answer(1, 50);
	ck_assert(!drain_refused(d, last, now));
	ck_assert_uint_eq(drain_counters(d)->refused, MESSAGE_DEVICES_MAX);
	ck_assert_uint_eq(drain_moves(d), 0);
}
END_TEST

/* A silent classifier: the others are asked in turn, a bounded number of times. */
START_TEST(nobody_answers)
{
	drain_connections(d, 1, now);
	drain_begin(d, 350 * NSTIME_MS, now);
	pull();
	offers = 0;
	out[0] = '\0';
	until(99 * NSTIME_MS);
	out[0] = '\0';
	drain_connections(d, 1, now);
	while (drain_moves(d)) {
		drain_expire(d, now = drain_expiry(d));
		pull();
	}
	ck_assert_ptr_nonnull(strstr(out, "100 ask 2 for 1, not 1\n"));
	ck_assert_ptr_nonnull(strstr(out, "200 ask 3 for 1, not 1\n"));
	ck_assert_ptr_nonnull(strstr(out, "300 nowhere for 1\n"));
	out[0] = '\0';
	until(NSTIME_S); /* no more sweeps when time is over: it stays until it ends */
	ck_assert_str_eq(out, "");
	ck_assert_uint_eq(drain_counters(d)->stayed, 1);
	ck_assert_uint_eq(drain_expiry(d), NSTIME_NEVER);
	drain_ended(d);
	ck_assert_uint_eq(drain_counters(d)->ended, 1);
}
END_TEST

/* The limit of how many are under way, and that the next goes when there is room. */
START_TEST(bounded)
{
	offers = 3;
	drain_connections(d, 3, now);
	drain_begin(d, NSTIME_S, now);
	pull();
	answer(2, 4);
	drain_moved(d, last);
	drain_connections(d, 2, now);
	offers = 1;
	until(10 * NSTIME_MS);
	ck_assert_str_eq(out, "0 sweep, 2\n"
			      "0 ask 2 for 1, not 1\n"
			      "0 ask 2 for 2, not 1\n"
			      "0 hand 2 to 4\n"
			      "10 sweep, 1\n"
			      "10 ask 2 for 3, not 1\n");
	ck_assert_uint_eq(drain_moves(d), 2);
	ck_assert_uint_eq(drain_counters(d)->waited, 1);
}
END_TEST

/* Undrain in the middle: what is handed goes on, what is refused stays. */
START_TEST(ends_in_the_middle)
{
	offers = 2;
	drain_connections(d, 2, now);
	drain_begin(d, NSTIME_NEVER, now);
	drain_begin(d, 1, now); /* no effect */
	pull();
	offers = 0;
	answer(1, 4);
	drain_end(d, now);
	drain_end(d, now);
	ck_assert(!drain_active(d));
	ck_assert(!drain_refused(d, last, now));
	answer(2, 4);
	drain_not_now(d, last);
	until(NSTIME_S);
	drain_ended(d);
	ck_assert_str_eq(out, "0 sweep, 2\n"
			      "0 ask 2 for 1, not 1\n"
			      "0 ask 2 for 2, not 1\n"
			      "0 hand 1 to 4\n"
			      "0 hand 2 to 4\n");
	ck_assert_uint_eq(drain_counters(d)->drains, 1);
	ck_assert_uint_eq(drain_counters(d)->ended, 0);
	ck_assert_uint_eq(drain_moves(d), 0);
	ck_assert_uint_eq(drain_expiry(d), NSTIME_NEVER);
}
END_TEST

/* Every prefix and every changed shape of a message is refused. */
START_TEST(malformed)
{
	struct message_choice c = {.type = MESSAGE_CHOOSE, .service = 1, .rule = 2}, got;
	struct outbox o = {0};
	struct outbox_message *m;

	c.tuple = tuple_of(1);
	for (uint16_t i = 0; i < MESSAGE_DEVICES_MAX; i++)
		c.devices[c.devices_count++] = (uint16_t)(i + 1);
	outbox_put_choice(&o, ORIGIN, &c);
	m = outbox_get(&o);
	ck_assert_int_eq(message_choice_decode(&got, MESSAGE_CHOOSE, m->bytes.data, m->bytes.len), 0);
	ck_assert_mem_eq(got.devices, c.devices, sizeof c.devices);
	ck_assert(tuple_equal(&got.tuple, &c.tuple));
	ck_assert_int_eq(message_choice_decode(&got, MESSAGE_CHOSEN, m->bytes.data, m->bytes.len), E_FORMAT);
	for (size_t len = 0; len < m->bytes.len; len++)
		ck_assert_int_ne(message_choice_decode(&got, MESSAGE_CHOOSE, m->bytes.data, len), 0);
	m->bytes.data[1] = MESSAGE_CHOSEN; /* an answer names one device at most */
	ck_assert_int_eq(message_choice_decode(&got, MESSAGE_CHOSEN, m->bytes.data, m->bytes.len), E_FORMAT);
	m->bytes.data[1] = MESSAGE_CHOOSE;
	for (unsigned at = 0; at < 4; at++) { /* version, type, family, count */
		m->bytes.data[at] ^= 0x40;
		ck_assert_int_ne(message_choice_decode(&got, MESSAGE_CHOOSE, m->bytes.data, m->bytes.len), 0);
		m->bytes.data[at] ^= 0x40;
	}
	memset(m->bytes.data + m->bytes.len - 2, 0, 2);
	ck_assert_int_eq(message_choice_decode(&got, MESSAGE_CHOOSE, m->bytes.data, m->bytes.len), E_FORMAT);
	memset(m->bytes.data + MESSAGE_CHOICE_LEN - 4, 0, 4); /* ports */
	ck_assert_int_eq(message_choice_decode(&got, MESSAGE_CHOOSE, m->bytes.data, m->bytes.len), E_FORMAT);
	outbox_message_free(m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("drain");
	TCase *t = tcase_create("drain");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, moves_one);
	tcase_add_test(t, refused_then_nowhere);
	tcase_add_test(t, everybody_refuses);
	tcase_add_test(t, nobody_answers);
	tcase_add_test(t, bounded);
	tcase_add_test(t, ends_in_the_middle);
	tcase_add_test(t, malformed);
	suite_add_tcase(s, t);
	return unit_run(s);
}
