/* SPDX-License-Identifier: BSD-3-Clause */
/* node/client: requests pipelined on one connection, and messages written in pieces. */
#include "tests/unit/apps_wire.h"

#include <stdio.h>
#include <string.h>

static struct client_spec spec_of(enum client_kind kind, uint16_t port)
{
	return (struct client_spec){.kind = kind, .address = host(2), .port = port, .path = "/a"};
}

/* Twelve requests, four under way at a time; bodies chunked, with a length, and none. */
START_TEST(pipelined)
{
	struct wire w;

	wire_init(&w);
	w.loss_ppb = _i ? 50000000U : 0;
	for (int i = 0; i < 12; i++) {
		struct client_spec spec = spec_of(CLIENT_HTTP, 80);
		char path[16];

		snprintf(path, sizeof path, "/%d", i);
		spec.path = path;
		spec.group = 5;
		spec.group_last = i == 11;
		spec.pipeline = 4;
		spec.body_bytes = (uint64_t)(i % 3) * 1000;
		spec.chunked = i % 3 == 1;
		spec.reply_bytes = 1 + (uint64_t)i * 3000;
		spec.reply_chunked = i & 1;
		ck_assert_uint_eq(client_start(w.client, &spec, w.now), (uint64_t)(1 + i));
	}
	/* Only so many begin; the others wait for replies. */
	ck_assert_uint_eq(w.events[TRACE_REQUEST_START], 1);
	while (w.done == 0) {
		wire_run(&w, w.now + DELAY);
		ck_assert_uint_le(w.events[TRACE_REQUEST_START], w.done + 4);
	}
	ck_assert_uint_ge(w.events[TRACE_REQUEST_START], 4);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_uint_eq(w.done, 12);
	ck_assert_uint_eq(w.last.request, 12);
	ck_assert_uint_eq(w.last.bytes_sent, 2000);
	ck_assert_uint_eq(app_counters(w.http)->connections, 1);
	ck_assert_uint_eq(app_counters(w.http)->requests, 12);
	ck_assert_uint_eq(app_counters(w.http)->corrupted, 0);
	wire_fini(&w);
}
END_TEST

/* The server ends the connection behind the first; what was sent behind it is sent again, over others. */
START_TEST(sent_again)
{
	static const char *const closing[] = {"Connection: close"};
	struct wire w;

	wire_init(&w);
	for (int i = 0; i < 6; i++) {
		struct client_spec spec = spec_of(CLIENT_HTTP, 80);

		spec.group = 5;
		spec.group_last = i == 5;
		spec.pipeline = 6;
		spec.body_bytes = 100;
		if (i < 2) {
			spec.headers = closing;
			spec.headers_count = 1;
		}
		client_start(w.client, &spec, w.now);
	}
	wire_run(&w, NSTIME_NEVER);
	ck_assert_uint_eq(w.done, 6);
	ck_assert_uint_eq(w.failed, 0);
	ck_assert_uint_eq(app_counters(w.http)->connections, 3);
	ck_assert_uint_eq(app_counters(w.http)->requests, 6);
	ck_assert_uint_eq(w.events[TRACE_REQUEST_START], 6 + 5 + 4);
	wire_fini(&w);
}
END_TEST

/* One byte at a time, at once or with pauses; in each of the protocols. */
START_TEST(in_pieces)
{
	static const struct {
		enum client_kind kind;
		uint16_t port;
	} cases[] = {{CLIENT_HTTP, 80}, {CLIENT_TLS, 443}, {CLIENT_ECHO, 7}, {CLIENT_BULK, 9}};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct client_spec spec = spec_of(cases[i].kind, cases[i].port);
		uint64_t received = spec.kind == CLIENT_ECHO ? 50 : spec.kind == CLIENT_BULK ? 0 : 1024;
		struct wire w;
		nstime began;

		wire_init(&w);
		w.loss_ppb = _i == 2 ? 50000000U : 0;
		spec.body_bytes = 50;
		spec.piece_bytes = 1;
		spec.pause = _i ? 20 * NSTIME_MS : 0;
		began = w.now;
		expect_done(&w, &spec, 50, received);
		/* so many pauses at least: the body's */
		if (_i)
			ck_assert_uint_ge(w.now - began, 49 * spec.pause);
		else
			ck_assert_uint_lt(w.now - began, 500 * NSTIME_MS);
		ck_assert_uint_ge(stack_counters(w.stacks[0])->packets_out, 50);
		wire_fini(&w);
	}
}
END_TEST

/* What is being written slowly when the server answers by an end is given up. */
START_TEST(cut_off)
{
	struct client_spec spec = spec_of(CLIENT_HTTP, 80);
	static const char *const bad[] = {"Baton-Reply: none"};
	struct wire w;

	wire_init(&w);
	spec.headers = bad;
	spec.headers_count = 1;
	spec.body_bytes = 1000;
	spec.piece_bytes = 100;
	spec.pause = 100 * NSTIME_MS;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "bad-status");
	ck_assert_uint_lt(w.last.bytes_sent, 1000);
	ck_assert_uint_eq(client_expiry(w.client), NSTIME_NEVER);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("pipeline");
	TCase *tcase = tcase_create("pipeline");

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, pipelined, 0, 2);
	tcase_add_test(tcase, sent_again);
	tcase_add_loop_test(tcase, in_pieces, 0, 3);
	tcase_add_test(tcase, cut_off);
	return unit_run(suite);
}
