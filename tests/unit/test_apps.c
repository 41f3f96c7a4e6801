/* SPDX-License-Identifier: BSD-3-Clause */
/* node/app, node/client: clients and servers on two stacks joined back to back, under a virtual clock. */
#include "node/body.h"
#include "tests/unit/apps_wire.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct client_spec http_spec(void)
{
	return (struct client_spec){.kind = CLIENT_HTTP, .address = host(2), .port = 80, .path = "/a?b=c"};
}

/* Every shape of request and reply, without loss and with. */
START_TEST(http_shapes)
{
	static const uint64_t sizes[] = {0, 1, 1000, 8192, 100000};
	struct wire w;

	wire_init(&w);
	w.loss_ppb = _i ? 50000000U : 0;
	for (unsigned shape = 0; shape < 8; shape++)
		for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
			struct client_spec spec = http_spec();

			spec.chunked = shape & 1;
			spec.reply_chunked = shape & 2;
			spec.half_close = shape & 4;
			spec.body_bytes = sizes[i];
			spec.reply_bytes = sizes[sizeof sizes / sizeof *sizes - 1 - i];
			expect_done(&w, &spec, spec.body_bytes,
				    spec.reply_bytes ? spec.reply_bytes : APP_REPLY_BYTES_DEFAULT);
			ck_assert_uint_eq(w.last.status, 200);
			ck_assert_uint_le(w.last.first_byte, w.last.ended);
			ck_assert_uint_gt(w.last.first_byte, w.last.started);
		}
	ck_assert_uint_eq(w.done, 40);
	ck_assert_uint_eq(w.events[TRACE_REQUEST_START], 40);
	ck_assert_uint_eq(w.events[TRACE_REQUEST_DONE], 40);
	ck_assert_uint_eq(app_counters(w.http)->requests, 40);
	ck_assert_uint_eq(app_counters(w.http)->connections, 40);
	ck_assert_uint_eq(app_counters(w.http)->corrupted + app_counters(w.http)->bad_requests, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(head_has_no_body)
{
	struct client_spec spec = http_spec();
	struct wire w;

	wire_init(&w);
	spec.method = "HEAD";
	spec.reply_bytes = 5000;
	expect_done(&w, &spec, 0, 0);
	wire_fini(&w);
}
END_TEST

/* Ten requests over one connection: five queued at once, the others when it is idle. */
START_TEST(keep_alive)
{
	struct client_spec spec = http_spec();
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
	ck_assert_uint_eq(app_counters(w.http)->connections, 1);
	ck_assert_uint_eq(app_counters(w.http)->requests, 10);
	ck_assert_uint_eq(w.client->connections, 0);
	ck_assert_uint_eq(w.http->connections, 0);
	wire_fini(&w);
}
END_TEST

/* A reply of a server with another seed, or of another length, is seen to be wrong. A request that is refused while its
 * body is still being sent gets its answer. */
START_TEST(corrupted_and_bad_status)
{
	static const char *const lie[] = {"Baton-Body: 0123456789abcdef"};
	static const char *const shorter[] = {"Baton-Reply: 10"}, *const longer[] = {"Baton-Reply: 2000"};
	struct client_spec spec = http_spec();
	struct app *other;
	struct wire w;

	wire_init(&w);
	other = app_new(APP_TYPE_HTTP, w.stacks[1], host(2), 81, SEED + 1);
	spec.port = 81;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "corrupted");
	ck_assert_uint_eq(w.last.bytes_received, 0);
	spec.port = 80;
	spec.headers = lie;
	spec.headers_count = 1;
	spec.method = "POST";
	spec.body_bytes = 200000;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "bad-status");
	ck_assert_uint_eq(w.last.status, 400);
	spec = http_spec();
	spec.headers = shorter;
	spec.headers_count = 1;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "short");
	spec.headers = longer;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "corrupted");
	ck_assert_uint_eq(w.failed, 4);
	ck_assert_uint_eq(w.events[TRACE_REQUEST_FAIL], 4);
	wire_fini(&w);
	app_free(other);
}
END_TEST

START_TEST(refused_and_impossible)
{
	static const char *const injected[] = {"A: b\r\nC: d"};
	struct client_spec spec = http_spec();
	struct wire w;

	wire_init(&w);
	spec.port = 1;
	client_start(w.client, &spec, w.now);
	wire_run(&w, NSTIME_NEVER);
	ck_assert_str_eq(w.last.reason, "refused");
	spec.headers = injected;
	spec.headers_count = 1;
	ck_assert_uint_eq(client_start(w.client, &spec, w.now), 0);
	spec = http_spec();
	spec.path = "/a b";
	ck_assert_uint_eq(client_start(w.client, &spec, w.now), 0);
	ck_assert_uint_eq(client_pending(w.client), 0);
	wire_fini(&w);
}
END_TEST

START_TEST(streams)
{
	static const uint64_t sizes[] = {0, 1, 5000, 2000000};
	struct wire w;

	wire_init(&w);
	w.loss_ppb = _i ? 30000000U : 0;
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		struct client_spec spec = {.kind = CLIENT_ECHO, .address = host(2), .port = 7, .body_bytes = sizes[i]};

		expect_done(&w, &spec, sizes[i], sizes[i]);
		spec.kind = CLIENT_BULK;
		spec.port = 9;
		expect_done(&w, &spec, sizes[i], 0);
	}
	ck_assert_uint_eq(app_counters(w.echo)->requests, 4);
	ck_assert_uint_eq(app_counters(w.echo)->bytes_out, 2005001);
	ck_assert_uint_eq(app_counters(w.sink)->requests, 4);
	ck_assert_uint_eq(app_counters(w.sink)->bytes_in, 2005001);
	ck_assert_uint_eq(app_counters(w.sink)->corrupted + app_counters(w.sink)->errors, 0);
	wire_fini(&w);
}
END_TEST

START_TEST(many_at_once)
{
	struct wire w;

	wire_init(&w);
	w.loss_ppb = 20000000U;
	for (unsigned i = 0; i < 300; i++) {
		struct client_spec spec = http_spec();
		char path[32];

		snprintf(path, sizeof path, "/%u", i);
		spec.path = path;
		spec.reply_bytes = 1 + 100 * i;
		spec.group = i % 3 ? 1 + i / 6 : 0;
		spec.group_last = i % 6 == 5;
		ck_assert_uint_ne(client_start(w.client, &spec, w.now), 0);
	}
	wire_run(&w, 600 * NSTIME_S);
	ck_assert_uint_eq(w.done, 300);
	ck_assert_uint_eq(w.failed, 0);
	ck_assert_uint_eq(w.client->connections, 0);
	wire_fini(&w);
}
END_TEST

/* A client that sends these bytes, ends its side, and keeps what it gets. */
struct raw_client {
	struct sock_owner owner;
	const char *text;
	size_t len, step, sent;
	struct vec got;
	bool eof, error;
};

static void raw_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct raw_client *raw = (struct raw_client *)owner;
	const uint8_t *bytes;
	size_t len;

	if (ready & SOCK_ERROR) {
		raw->error = true;
		sock_close(k, now);
		return;
	}
	while (raw->sent < raw->len) {
		size_t left = raw->len - raw->sent;
		long n = sock_send(k, raw->text + raw->sent, left < raw->step ? left : raw->step);

		if (n <= 0)
			break;
		raw->sent += (size_t)n;
		sock_flush(k, now);
		if (raw->sent == raw->len)
			sock_shutdown_write(k, now);
	}
	while ((bytes = sock_peek(k, &len)) && len > 0) {
		vec_append(&raw->got, bytes, len);
		sock_consume(k, len, now);
	}
	if (sock_eof(k)) {
		raw->eof = true;
		sock_close(k, now);
	}
}

static void raw_run(struct wire *w, struct raw_client *raw, uint16_t port, const char *text, size_t len, size_t step)
{
	struct sock *k;

	*raw = (struct raw_client){.owner = {.ready = raw_ready}, .text = text, .len = len, .step = step};
	k = sock_connect(w->stacks[0], host(2), port, &raw->owner, w->now);
	ck_assert_ptr_nonnull(k);
	sock_nodelay(k, true);
	wire_run(w, NSTIME_NEVER);
	vec_append(&raw->got, "", 1);
}

static unsigned occurrences(const struct vec *v, const char *word)
{
	unsigned n = 0;

	for (const char *p = (const char *)v->data; (p = strstr(p, word)); p++)
		n++;
	return n;
}

/* Pipelined requests get their replies in order, in whatever pieces they come. */
START_TEST(pipelined)
{
	static const char text[] =
		"GET /1 HTTP/1.1\r\nHost: a\r\nEmpty:\r\nBaton-Reply: 0\r\n\r\n"
		"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nBaton-Reply: 0 \r\n\r\nabc"
		"HEAD /3 HTTP/1.1\r\nHost: a\r\nBaton-Reply: 7\r\n\r\n"
		"POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nBaton-Reply: 0\r\n\r\n"
		"3\r\nabc\r\n0\r\n\r\n"
		"GET /5 HTTP/1.0\r\nConnection: keep-alive\r\nBaton-Chunked: 1\r\nBaton-Reply: 0\r\n\r\n";
	static const size_t steps[] = {1, 7, 50, 1000};
	struct raw_client raw;
	struct wire w;
	const char *at;

	wire_init(&w);
	raw_run(&w, &raw, 80, text, sizeof text - 1, steps[_i]);
	ck_assert(raw.eof && !raw.error);
	ck_assert_uint_eq(occurrences(&raw.got, "HTTP/1.1 200 OK"), 5);
	at = (const char *)raw.got.data;
	for (char n = '1'; n <= '5'; n++) {
		char path[3] = {'/', n, '\0'}, key[40];

		snprintf(key, sizeof key, "Baton-Key: %016llx", (unsigned long long)body_key(SEED, path, 2));
		at = strstr(at, key);
		ck_assert_ptr_nonnull(at);
	}
	ck_assert_ptr_nonnull(strstr(at, "Connection: keep-alive"));
	/* None has a body: behind each head there is the next one. */
	for (at = (const char *)raw.got.data; (at = strstr(at, "\r\n\r\n")); at += 4)
		ck_assert(at[4] == '\0' || strncmp(at + 4, "HTTP/1.1 ", 9) == 0);
	ck_assert_uint_eq(occurrences(&raw.got, "chunked"), 0);
	ck_assert_uint_eq(w.http->connections, 0);
	vec_fini(&raw.got);
	wire_fini(&w);
}
END_TEST

struct answer_case {
	const char *text, *start;
	unsigned replies, bad;
};

static const struct answer_case answer_cases[] = {
	{"GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 200", 1,
	 0},
	{"GET /1 HTTP/1.0\r\n\r\n", "HTTP/1.1 200", 1, 0},
	{"POST /1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 30\r\n\r\n"
	 "0123456789abcdefghijklmnopqrst",
	 "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", 1, 0},
	{"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.1\r\n\r\n", "HTTP/1.1 200", 2, 0},
	{"nonsense\r\n\r\n", "HTTP/1.1 400", 0, 1},
	{"GET / HTTP/1.1\r\nBaton-Reply: -1\r\n\r\n", "HTTP/1.1 400", 0, 1},
	{"GET / HTTP/1.1\r\nBaton-Reply: 99999999999999999999\r\n\r\n", "HTTP/1.1 400", 0, 1},
	{"GET / HTTP/1.1\r\nBaton-Body: 1\r\n\r\n", "HTTP/1.1 400", 0, 1},
	{"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", "HTTP/1.1 400", 0, 1},
	{"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", "HTTP/1.1 400", 0, 1},
	{"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nnonsense and more", "HTTP/1.1 200", 1, 1},
	{"POST / HTTP/1.1\r\nContent-Length: 8\r\nBaton-Body: 0000000000000000\r\n\r\nabcdefgh", "HTTP/1.1 400", 0, 0},
};

START_TEST(answers)
{
	const struct answer_case *c = &answer_cases[_i];
	struct raw_client raw;
	struct wire w;

	wire_init(&w);
	raw_run(&w, &raw, 80, c->text, strlen(c->text), 5);
	ck_assert(raw.eof && !raw.error);
	ck_assert_msg(strncmp((char *)raw.got.data, c->start, strlen(c->start)) == 0, "%s", (char *)raw.got.data);
	ck_assert_uint_eq(app_counters(w.http)->requests, c->replies);
	ck_assert_uint_eq(app_counters(w.http)->bad_requests, c->bad);
	ck_assert_uint_eq(app_counters(w.http)->corrupted, strstr(c->text, "Baton-Body: 0000") != NULL);
	ck_assert_uint_eq(w.http->connections, 0);
	vec_fini(&raw.got);
	wire_fini(&w);
}
END_TEST

/* Cut short within a request: counted, closed. */
START_TEST(cut_short)
{
	static const char text[] = "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc";
	struct raw_client raw;
	struct wire w;

	wire_init(&w);
	raw_run(&w, &raw, 80, text, sizeof text - 1, 100);
	ck_assert(raw.eof && raw.got.len == 1);
	ck_assert_uint_eq(app_counters(w.http)->errors, 1);
	ck_assert_uint_eq(w.http->connections, 0);
	vec_fini(&raw.got);
	wire_fini(&w);
}
END_TEST

struct failure_case {
	enum client_kind kind;
	uint16_t port;
	bool half_close;
	uint64_t body_bytes;
	const char *reason;
};

/* Each client against the wrong server. */
static const struct failure_case failure_cases[] = {
	{CLIENT_HTTP, 7, false, 0, "malformed"},     {CLIENT_HTTP, 9, true, 0, "short"},
	{CLIENT_ECHO, 9, false, 1000, "short"},      {CLIENT_ECHO, 80, false, 1000, "corrupted"},
	{CLIENT_BULK, 7, false, 10000, "corrupted"}, {CLIENT_ECHO, 1, false, 1000, "refused"},
};

START_TEST(failures)
{
	const struct failure_case *c = &failure_cases[_i];
	struct client_spec spec = http_spec();
	struct wire w;

	wire_init(&w);
	spec.kind = c->kind;
	spec.port = c->port;
	spec.half_close = c->half_close;
	spec.body_bytes = c->body_bytes;
	client_start(w.client, &spec, w.now);
	wire_run(&w, 60 * NSTIME_S);
	ck_assert_str_eq(w.last.reason, c->reason);
	ck_assert_uint_eq(w.client->connections, 0);
	wire_fini(&w);
}
END_TEST

/* A group goes on over another connection when the server ends one. */
START_TEST(group_reconnects)
{
	static const char *const close[] = {"Connection: close"};
	struct client_spec spec = http_spec();
	struct wire w;

	wire_init(&w);
	spec.group = 1;
	spec.headers = close;
	spec.headers_count = 1;
	for (int i = 0; i < 3; i++) {
		spec.group_last = i == 2;
		client_start(w.client, &spec, w.now);
	}
	wire_run(&w, NSTIME_NEVER);
	ck_assert_uint_eq(w.done, 3);
	ck_assert_uint_eq(app_counters(w.http)->connections, 3);
	wire_fini(&w);
}
END_TEST

struct sink_case {
	const char *text;
	size_t len;
	uint64_t bytes_in, requests, corrupted, errors;
};

#define PREAMBLE(n)                                                                                                    \
	"baton-s1"                                                                                                     \
	"\0\0\0\0\0\0\0\0"                                                                                             \
	"\0\0\0\0\0\0\0" n

static const struct sink_case sink_cases[] = {
	{"hello", 5, 5, 1, 0, 0},
	{"a longer text than any preamble is", 34, 34, 1, 0, 0},
	{"baton", 5, 5, 1, 0, 0},
	{PREAMBLE("\0"), 24, 0, 1, 0, 0},
	{PREAMBLE("\0") "x", 25, 0, 0, 1, 0},
	{PREAMBLE("\5"), 24, 0, 0, 0, 1},
	{PREAMBLE("\5") "wrong", 29, 0, 0, 1, 0},
};

START_TEST(sinks)
{
	const struct sink_case *c = &sink_cases[_i];
	struct raw_client raw;
	struct wire w;

	wire_init(&w);
	raw_run(&w, &raw, 9, c->text, c->len, 1000);
	ck_assert_int_eq(raw.error, c->corrupted > 0);
	ck_assert_uint_eq(app_counters(w.sink)->bytes_in, c->bytes_in);
	ck_assert_uint_eq(app_counters(w.sink)->requests, c->requests);
	ck_assert_uint_eq(app_counters(w.sink)->corrupted, c->corrupted);
	ck_assert_uint_eq(app_counters(w.sink)->errors, c->errors);
	ck_assert_uint_eq(w.sink->connections, 0);
	vec_fini(&raw.got);
	wire_fini(&w);
}
END_TEST

/* The state of a connection that can move: taken by its own kind of application, whole; what is cut short or malformed
 * breaks nothing. */
START_TEST(saved_states)
{
	struct client_spec spec = {.address = host(2), .port = 80, .reply_bytes = 1U << 20, .reply_chunked = true};
	struct app_conn *conn;
	struct vec saved = {0};
	struct wire w;

	wire_init(&w);
	client_start(w.client, &spec, 0);
	wire_run(&w, 20 * NSTIME_MS);
	conn = LIST_FIRST(&w.http->conns);
	ck_assert_ptr_nonnull(conn);
	ck_assert(conn->owner.save(&conn->owner, &saved)); /* in the middle of the reply */
	ck_assert_uint_le(saved.len, CONN_APP_MAX);
	ck_assert(app_can_resume(w.http, saved.data, saved.len));
	ck_assert(!app_can_resume(w.echo, saved.data, saved.len));
	ck_assert(!app_can_resume(w.sink, saved.data, saved.len));
	for (size_t len = 0; len < saved.len; len++)
		ck_assert(!app_can_resume(w.http, saved.data, len));
	for (size_t bit = 0; bit < 8 * saved.len; bit++) {
		saved.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		app_can_resume(w.http, saved.data, saved.len);
		saved.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
	}
	vec_append(&saved, "x", 1);
	ck_assert(!app_can_resume(w.http, saved.data, saved.len));
	vec_fini(&saved);
	wire_run(&w, 10 * NSTIME_S);
	ck_assert_uint_eq(w.done, 1);
	wire_fini(&w);
}
END_TEST

/* Within a request, of which the parser has a part, a connection cannot move. */
START_TEST(half_a_request_stays)
{
	struct client_spec spec = {.address = host(2), .port = 80, .method = "POST", .body_bytes = 1U << 20};
	struct app_conn *conn;
	struct vec saved = {0};
	struct wire w;

	wire_init(&w);
	client_start(w.client, &spec, 0);
	wire_run(&w, 8 * NSTIME_MS);
	conn = LIST_FIRST(&w.http->conns);
	ck_assert_ptr_nonnull(conn);
	ck_assert(!conn->owner.save(&conn->owner, &saved));
	vec_fini(&saved);
	wire_run(&w, 10 * NSTIME_S);
	ck_assert_uint_eq(w.done, 1);
	wire_fini(&w);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("apps");
	TCase *tcase = tcase_create("apps");

	suite_add_tcase(suite, tcase);
	tcase_set_timeout(tcase, 60);
	tcase_add_loop_test(tcase, http_shapes, 0, 2);
	tcase_add_test(tcase, head_has_no_body);
	tcase_add_test(tcase, keep_alive);
	tcase_add_test(tcase, corrupted_and_bad_status);
	tcase_add_test(tcase, refused_and_impossible);
	tcase_add_loop_test(tcase, streams, 0, 2);
	tcase_add_test(tcase, many_at_once);
	tcase_add_loop_test(tcase, pipelined, 0, 4);
	tcase_add_loop_test(tcase, answers, 0, sizeof answer_cases / sizeof *answer_cases);
	tcase_add_test(tcase, cut_short);
	tcase_add_loop_test(tcase, failures, 0, sizeof failure_cases / sizeof *failure_cases);
	tcase_add_test(tcase, group_reconnects);
	tcase_add_loop_test(tcase, sinks, 0, sizeof sink_cases / sizeof *sink_cases);
	tcase_add_test(tcase, saved_states);
	tcase_add_test(tcase, half_a_request_stays);
	return unit_run(suite);
}
