/* SPDX-License-Identifier: BSD-3-Clause */
/* node/tls, node/client_tls, node/app_tls, node/app_auto: every byte verified at both ends, whatever the shape. */
#include "node/body.h"
#include "node/tls.h"
#include "tests/unit/apps_wire.h"

#include <stdio.h>
#include <string.h>

static struct client_spec tls_spec(void)
{
	return (struct client_spec){.kind = CLIENT_TLS, .address = host(2), .port = 443, .server_name = "a.example"};
}

/* Requests and replies of all sizes, hellos of all shapes, without loss and with. */
START_TEST(shapes)
{
	static const uint64_t sizes[] = {0, 1, 16384, 16385, 100000};
	static const uint32_t records[] = {0, 1, 2, 40, 1024}, bytes[] = {0, 1000, 20000, TLS_HELLO_BYTES_MAX, 0};
	struct wire w;

	wire_init(&w);
	w.loss_ppb = _i ? 50000000U : 0;
	for (size_t i = 0; i < 5; i++)
		for (size_t j = 0; j < 5; j++) {
			struct client_spec spec = tls_spec();

			spec.body_bytes = sizes[i];
			spec.reply_bytes = sizes[4 - i];
			spec.hello_records = records[j];
			spec.hello_bytes = bytes[j];
			spec.port = j % 2 ? 443 : 8443;
			if (j == 4)
				spec.server_name = NULL;
			expect_done(&w, &spec, spec.body_bytes,
				    spec.reply_bytes ? spec.reply_bytes : APP_REPLY_BYTES_DEFAULT);
		}
	ck_assert_uint_eq(app_counters(w.tls)->requests, 10);
	ck_assert_uint_eq(app_counters(w.mixed)->requests, 15);
	ck_assert_uint_eq(app_counters(w.mixed)->connections, 15);
	ck_assert_uint_eq(app_counters(w.tls)->bytes_in, 2 * 132770);
	ck_assert_uint_eq(
		app_counters(w.tls)->corrupted + app_counters(w.tls)->bad_requests + app_counters(w.tls)->errors, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(keep_alive)
{
	struct client_spec spec = tls_spec();
	struct wire w;

	wire_init(&w);
	spec.group = 5;
	spec.body_bytes = 3000;
	for (int i = 0; i < 10; i++) {
		spec.group_last = i == 9;
		spec.reply_bytes = (uint64_t)(1 + i * 1000);
		if (i == 5)
			wire_run(&w, NSTIME_NEVER);
		ck_assert_uint_eq(client_start(w.client, &spec, w.now), (uint64_t)(1 + i));
	}
	wire_run(&w, NSTIME_NEVER);
	ck_assert_uint_eq(w.done, 10);
	ck_assert_uint_eq(app_counters(w.tls)->connections, 1);
	ck_assert_uint_eq(app_counters(w.tls)->requests, 10);
	wire_fini(&w);
}
END_TEST

/* HTTP goes on where the first byte decides. */
START_TEST(http_on_the_same_port)
{
	struct client_spec spec = {.kind = CLIENT_HTTP, .address = host(2), .port = 8443, .body_bytes = 5000};
	struct wire w;

	wire_init(&w);
	expect_done(&w, &spec, 5000, APP_REPLY_BYTES_DEFAULT);
	ck_assert_uint_eq(app_counters(w.mixed)->requests, 1);
	wire_fini(&w);
}
END_TEST

/* A server of another seed sends another flight. A client that speaks no TLS gets an alert, not a reset. */
START_TEST(wrong_peers)
{
	struct client_spec spec = tls_spec();
	struct app *other;
	struct wire w;

	wire_init(&w);
	other = app_new(APP_TYPE_TLS, w.stacks[1], host(2), 444, SEED + 1);
	spec.port = 444;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "corrupted");
	spec = (struct client_spec){.kind = CLIENT_HTTP, .address = host(2), .port = 443};
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "malformed");
	ck_assert_uint_eq(app_counters(w.tls)->bad_requests, 1);
	spec = tls_spec();
	spec.port = 80;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "malformed");
	wire_fini(&w);
	app_free(other);
}
END_TEST

/* A socket of the client's host that says what a test likes. */
struct liar {
	struct sock_owner owner;
	struct sock *sock;
	const uint8_t *bytes;
	size_t len;
	uint8_t read[8192];
	size_t read_bytes;
	bool ended;
};

static void liar_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct liar *l = (struct liar *)owner;
	const uint8_t *bytes;
	size_t len;

	ck_assert(!(ready & SOCK_ERROR));
	if (ready & SOCK_CONNECTED) {
		ck_assert_int_eq(sock_send(k, l->bytes, l->len), (long)l->len);
		sock_flush(k, now);
	}
	while ((bytes = sock_peek(k, &len)) && len > 0 && l->read_bytes + len <= sizeof l->read) {
		memcpy(l->read + l->read_bytes, bytes, len);
		l->read_bytes += len;
		sock_consume(k, len, now);
	}
	if (sock_eof(k) && !l->ended) {
		l->ended = true;
		sock_close(k, now);
	}
}

/* What the server answers to these bytes, behind its flight if it sent one: an alert, then its end. */
static void expect_refused(struct wire *w, const struct vec *bytes, enum hello_alert alert)
{
	struct liar l = {.owner.ready = liar_ready, .bytes = bytes->data, .len = bytes->len};

	l.sock = sock_connect(w->stacks[0], host(2), 443, &l.owner, w->now);
	ck_assert_ptr_nonnull(l.sock);
	do
		wire_run(w, w->now + NSTIME_S);
	while (!l.ended && stack_expiry(w->stacks[0]) != NSTIME_NEVER);
	ck_assert(l.ended);
	ck_assert_uint_ge(l.read_bytes, 7);
	ck_assert_mem_eq(l.read + l.read_bytes - 7, ((const uint8_t[]){21, 3, 3, 0, 2, 2, (uint8_t)alert}), 7);
}

/* The server finds each byte that is wrong: in the hello, in the client's second flight, in the request, in its body.
 */
START_TEST(damaged)
{
	struct tls_session session;
	struct tls_request q = {.key = 7, .body_bytes = 50, .reply_bytes = 100};
	struct vec good = {0};
	size_t hello, flight, request;
	uint8_t body[50];
	struct wire w;

	wire_init(&w);
	tls_client_hello(&good, 3, "a.example", 2, 0, &session);
	hello = good.len;
	tls_client_flight(&good, SEED, &session);
	flight = good.len;
	tls_request_write(&good, &q);
	request = good.len;
	body_fill(q.key, 0, body, sizeof body);
	tls_record(&good, TLS_APPLICATION_DATA, body, sizeof body);
	const struct {
		size_t at;
		enum hello_alert alert;
		bool corrupted;
	} cases[] = {
		{0, HELLO_ALERT_DECODE_ERROR, false},          /* no record */
		{0, HELLO_ALERT_UNEXPECTED_MESSAGE, false},    /* the record's type, below */
		{5 + 6, HELLO_ALERT_HANDSHAKE_FAILURE, false}, /* the mark: not ours */
		{5 + 20, HELLO_ALERT_DECODE_ERROR, true},       {hello - 1, HELLO_ALERT_DECODE_ERROR, true},
		{hello + 5, HELLO_ALERT_DECODE_ERROR, true},    {flight - 1, HELLO_ALERT_DECODE_ERROR, true},
		{flight + 5, HELLO_ALERT_DECODE_ERROR, true},   {request + 5, HELLO_ALERT_DECODE_ERROR, true},
		{good.len - 1, HELLO_ALERT_DECODE_ERROR, true},
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const struct app_counters *counters = app_counters(w.tls);
		uint64_t corrupted = counters->corrupted, bad = counters->bad_requests;
		uint8_t was = good.data[cases[i].at];

		good.data[cases[i].at] = i == 1 ? TLS_APPLICATION_DATA : was ^ 0x40;
		expect_refused(&w, &good, cases[i].alert);
		good.data[cases[i].at] = was;
		ck_assert_uint_eq(counters->corrupted, corrupted + cases[i].corrupted);
		ck_assert_uint_eq(counters->bad_requests, bad + !cases[i].corrupted);
	}
	vec_fini(&good);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("tls");
	TCase *tcase = tcase_create("tls");

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, shapes, 0, 2);
	tcase_add_test(tcase, keep_alive);
	tcase_add_test(tcase, http_on_the_same_port);
	tcase_add_test(tcase, wrong_peers);
	tcase_add_test(tcase, damaged);
	return unit_run(suite);
}
