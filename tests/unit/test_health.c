/* SPDX-License-Identifier: BSD-3-Clause */
/* Health as a script: what happens when, line by line, and exactly what a reporter and a judge make of it. A line is a
 * time in milliseconds and an event; between events both expire when they want to. */
#include "base/err.h"
#include "lb/health.h"
#include "tests/lib/unit.h"
#include "tests/unit/said.h"

#include <stdio.h>
#include <string.h>

enum { CLASSIFIER = 2, BACKEND = 4, BACKENDS = 2 };

/* ---- the judge ---- */

static void judge_told(struct health_judge *j)
{
	struct health_status s;

	while (health_judge_output(j, &s))
		said("%u %s%s%s%s %u\n", s.device, s.up ? "up" : "down", s.draining ? " draining" : "",
		     s.full ? " full" : "", s.reported ? " has" : "", s.connections);
}

static void judge_until(struct health_judge *j, nstime until)
{
	while (health_judge_expiry(j) <= until) {
		now = health_judge_expiry(j);
		health_judge_expire(j, now);
		judge_told(j);
	}
	now = until;
}

/* "TIME DEVICE BOOT SEQUENCE CONNECTIONS/LIMIT[d]": a report. */
static void judge_line(struct health_judge *j, const char *line)
{
	unsigned long long time, boot, sequence;
	unsigned device, connections, limit;
	char state = 0;
	struct outbox o = {0};
	struct outbox_message *m;
	int fields = sscanf(line, "%llu %u %llu %llu %u/%u%c", &time, &device, &boot, &sequence, &connections, &limit,
			    &state);

	ck_assert_int_ge(fields, 6);
	judge_until(j, time * NSTIME_MS);
	outbox_put_health(
		&o, CLASSIFIER,
		&(struct message_health){
			.draining = state == 'd', .connections = connections, .limit = limit, .sequence = sequence});
	m = outbox_get(&o);
	health_judge_message(j, (uint16_t)device, boot, m->bytes.data, m->bytes.len, now);
	outbox_message_free(m);
	judge_told(j);
}

static struct health_judge *judge_new(nstime interval)
{
	static const uint16_t backends[BACKENDS] = {BACKEND, BACKEND + 1};

	out[0] = '\0';
	now = 0;
	return health_judge_new(
		&(struct health_judge_config){
			.backends = backends, .backends_count = BACKENDS, .interval = interval, .rise = 2, .fall = 3},
		now);
}

START_TEST(judge_has_hysteresis)
{
	static const char *const script[] = {
		"100 4 1 1 3/0",  "100 5 1 1 0/0", "200 4 1 2 4/0", "200 5 1 2 0/0", /* both well */
		"450 4 1 3 4/0",                                                     /* one missed: not enough */
		"550 4 1 4 4/0",  "560 4 1 5 4/0", /* a second one so soon does not count */
		"1300 4 1 6 9/0",                  /* fell meanwhile; one is not enough */
		"1340 4 1 7 9/0",                  /* nor is another at once */
		"1700 4 1 8 9/0",                  /* missed again: counted anew */
		"1800 4 1 9 1/0",                  /* now it is up */
	};
	struct health_judge *j = judge_new(100 * NSTIME_MS);

	for (size_t i = 0; i < sizeof script / sizeof script[0]; i++)
		judge_line(j, script[i]);
	judge_until(j, 2100 * NSTIME_MS);
	ck_assert_str_eq(out, "100 4 up has 3\n"
			      "100 5 up has 0\n"
			      "200 4 up has 4\n"
			      "200 5 up has 0\n"
			      "450 4 up has 4\n"
			      "550 5 down 0\n"
			      "550 4 up has 4\n"
			      "560 4 up has 4\n"
			      "910 4 down 4\n"
			      "1300 4 down has 9\n"
			      "1340 4 down has 9\n"
			      "1700 4 down has 9\n"
			      "1800 4 up has 1\n");
	ck_assert_uint_eq(health_judge_falls(j, BACKEND), 1);
	ck_assert_uint_eq(health_judge_rises(j, BACKEND), 1);
	ck_assert_uint_eq(health_judge_falls(j, BACKEND + 1), 1);
	ck_assert_uint_eq(health_judge_rises(j, BACKEND + 1), 0);
	ck_assert_uint_eq(health_judge_falls(j, CLASSIFIER), 0);
	health_judge_free(j);
}
END_TEST

START_TEST(judge_takes_state)
{
	static const char *const script[] = {
		"10 4 1 1 3/8",  "20 4 1 2 8/8", "30 4 1 3 7/8d", "35 4 1 2 1/8", /* overtaken */
		"40 4 1 4 7/8d", "50 4 2 1 0/8",                                  /* restarted: counts anew */
		"60 4 1 9 5/8",                                                   /* its last boot's, late */
		"70 9 1 1 0/0",                                                   /* nobody's */
	};
	struct health_judge *j = judge_new(100 * NSTIME_MS);

	for (size_t i = 0; i < sizeof script / sizeof script[0]; i++)
		judge_line(j, script[i]);
	ck_assert_str_eq(out, "10 4 up has 3\n"
			      "20 4 up full has 8\n"
			      "30 4 up draining has 7\n"
			      "40 4 up draining has 7\n"
			      "50 4 up has 0\n");
	ck_assert_uint_eq(health_judge_counters(j)->stale, 2);
	ck_assert_uint_eq(health_judge_counters(j)->malformed, 1);
	ck_assert_uint_eq(health_judge_counters(j)->drains, 1);
	ck_assert(health_usable(health_judge_status(j, BACKEND)));
	ck_assert_ptr_null(health_judge_status(j, CLASSIFIER));
	health_judge_free(j);
}
END_TEST

/* Without an interval nobody falls, and there is nothing to wait for. */
START_TEST(judge_without_interval)
{
	struct health_judge *j = judge_new(0);

	ck_assert_uint_eq(health_judge_expiry(j), NSTIME_NEVER);
	judge_line(j, "10 4 1 1 3/0d");
	judge_line(j, "90 4 1 2 2/0");
	ck_assert_uint_eq(health_judge_expiry(j), NSTIME_NEVER);
	ck_assert_str_eq(out, "10 4 up draining 3\n90 4 up 2\n");
	health_judge_free(j);
}
END_TEST

/* Every mutation of a report is refused or understood; none breaks anything. */
START_TEST(judge_refuses_malformed)
{
	struct health_judge *j = judge_new(0);
	struct outbox o = {0};
	struct outbox_message *m;
	struct message_health h;

	outbox_put_health(&o, CLASSIFIER, &(struct message_health){.sequence = 1});
	m = outbox_get(&o);
	for (size_t len = 0; len < MESSAGE_HEALTH_LEN; len++)
		health_judge_message(j, BACKEND, 1, m->bytes.data, len, 0);
	for (unsigned at = 0; at < 4; at++) {
		m->bytes.data[at] ^= 0x80;
		ck_assert_int_ne(message_health_decode(&h, m->bytes.data, m->bytes.len), 0);
		m->bytes.data[at] ^= 0x80;
	}
	vec_append(&m->bytes, "", 1);
	ck_assert_int_eq(message_health_decode(&h, m->bytes.data, m->bytes.len), E_FORMAT);
	m->bytes.data[19] = 0; /* sequence 0 */
	ck_assert_int_eq(message_health_decode(&h, m->bytes.data, m->bytes.len - 1), E_FORMAT);
	ck_assert_uint_eq(health_judge_counters(j)->malformed, MESSAGE_HEALTH_LEN);
	ck_assert_uint_eq(health_judge_counters(j)->received, 0);
	outbox_message_free(m);
	health_judge_free(j);
}
END_TEST

/* ---- the reporter ---- */

static void reporter_told(struct health_reporter *r)
{
	struct outbox_message *m;
	struct message_health h;

	while ((m = outbox_get(health_reporter_outbox(r)))) {
		ck_assert_int_eq(m->type, MESSAGE_HEALTH);
		ck_assert_int_eq(message_health_decode(&h, m->bytes.data, m->bytes.len), 0);
		said("to %u: %s%u/%u #%llu\n", m->to, h.draining ? "draining " : "", h.connections, h.limit,
		     (unsigned long long)h.sequence);
		outbox_message_free(m);
	}
}

static void reporter_until(struct health_reporter *r, nstime until)
{
	while (health_reporter_expiry(r) <= until) {
		now = health_reporter_expiry(r);
		health_reporter_expire(r, now);
		reporter_told(r);
	}
	now = until;
}

static struct health_reporter *reporter_new(nstime interval)
{
	static const uint16_t classifiers[] = {CLASSIFIER, CLASSIFIER + 1};

	out[0] = '\0';
	now = 0;
	return health_reporter_new(
		&(struct health_reporter_config){
			.classifiers = classifiers, .classifiers_count = 2, .interval = interval, .limit = 5},
		now);
}

START_TEST(reporter_has_one_on_the_way)
{
	struct health_reporter *r = reporter_new(100 * NSTIME_MS);

	health_reporter_connections(r, 2);
	reporter_until(r, 100 * NSTIME_MS);
	health_reporter_done(r, CLASSIFIER, true);
	reporter_until(r, 200 * NSTIME_MS); /* only to the one that has the last */
	health_reporter_done(r, CLASSIFIER, true);
	now = 250 * NSTIME_MS;
	health_reporter_drain(r, true); /* at once to the one, behind the last to the other */
	reporter_told(r);
	now = 260 * NSTIME_MS;
	health_reporter_done(r, CLASSIFIER + 1, true);
	reporter_told(r);
	health_reporter_done(r, CLASSIFIER, true);
	health_reporter_done(r, CLASSIFIER + 1, true);
	health_reporter_done(r, BACKEND, true); /* none of ours */
	health_reporter_drain(r, true);         /* nothing new */
	reporter_told(r);
	health_reporter_connections(r, 5);
	reporter_told(r);
	now = 270 * NSTIME_MS;
	health_reporter_connections(r, 4); /* full no more: told when the last has arrived */
	reporter_told(r);
	health_reporter_done(r, CLASSIFIER, false);
	reporter_told(r);
	ck_assert_str_eq(out, "100 to 2: 2/5 #1\n"
			      "100 to 3: 2/5 #2\n"
			      "200 to 2: 2/5 #3\n"
			      "250 to 2: draining 2/5 #4\n"
			      "260 to 3: draining 2/5 #5\n"
			      "260 to 2: draining 5/5 #6\n"
			      "260 to 3: draining 5/5 #7\n"
			      "270 to 2: draining 4/5 #8\n");
	ck_assert_uint_eq(health_reporter_counters(r)->sent, 8);
	ck_assert_uint_eq(health_reporter_counters(r)->skipped, 1);
	health_reporter_free(r);
}
END_TEST

/* Without an interval: changes alone, made sure of. */
START_TEST(reporter_without_interval)
{
	struct health_reporter *r = reporter_new(0);

	ck_assert_uint_eq(health_reporter_expiry(r), NSTIME_NEVER);
	health_reporter_connections(r, 5);
	health_reporter_peer(r, CLASSIFIER);
	reporter_told(r);
	ck_assert_str_eq(out, "");
	health_reporter_drain(r, true);
	reporter_told(r);
	health_reporter_done(r, CLASSIFIER, true);
	health_reporter_done(r, CLASSIFIER + 1, false); /* given up: again */
	health_reporter_peer(r, CLASSIFIER);            /* restarted: it knows nothing */
	reporter_told(r);
	ck_assert_str_eq(out, "0 to 2: draining 5/5 #1\n"
			      "0 to 3: draining 5/5 #2\n"
			      "0 to 3: draining 5/5 #3\n"
			      "0 to 2: draining 5/5 #4\n");
	ck_assert_uint_eq(health_reporter_expiry(r), NSTIME_NEVER);
	health_reporter_free(r);
}
END_TEST

/* Another interval is waited for from now on, and without one nobody is down. */
START_TEST(judge_changes_pace)
{
	struct health_judge *j = judge_new(100 * NSTIME_MS);

	judge_line(j, "240 4 1 1 0/0"); /* the other has missed one of three */
	health_judge_pace(j, 1000 * NSTIME_MS, 1, 1, now);
	judge_until(j, 1739 * NSTIME_MS);
	ck_assert_str_eq(out, "240 4 up has 0\n");
	judge_until(j, 1740 * NSTIME_MS); /* one and a half intervals; one missed is enough now */
	judge_line(j, "1900 5 1 1 0/0");  /* and one report */
	ck_assert_str_eq(out, "240 4 up has 0\n"
			      "1740 4 down 0\n"
			      "1740 5 down 0\n"
			      "1900 5 up has 0\n");
	health_judge_pace(j, 0, 0, 0, now);
	out[0] = '\0';
	judge_told(j);
	ck_assert_str_eq(out, "1900 4 up 0\n");
	ck_assert_uint_eq(health_judge_expiry(j), NSTIME_NEVER);
	health_judge_free(j);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("health");
	TCase *judge = tcase_create("judge"), *reporter = tcase_create("reporter");

	tcase_add_test(judge, judge_has_hysteresis);
	tcase_add_test(judge, judge_takes_state);
	tcase_add_test(judge, judge_without_interval);
	tcase_add_test(judge, judge_changes_pace);
	tcase_add_test(judge, judge_refuses_malformed);
	tcase_add_test(reporter, reporter_has_one_on_the_way);
	tcase_add_test(reporter, reporter_without_interval);
	suite_add_tcase(s, judge);
	suite_add_tcase(s, reporter);
	return unit_run(s);
}
