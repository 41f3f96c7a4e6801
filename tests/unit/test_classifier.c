/* SPDX-License-Identifier: BSD-3-Clause */
/* lb/classifier: decisions (C1.4, C2.1), repeated choices, answers, the time limit, bounds and counters. */
#include "lb/classifier.h"
#include "node/tls.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdio.h>
#include <string.h>

#define HTTP_SERVICE 0
#define NONE_SERVICE 1
#define DEAD_SERVICE 2
#define TLS_SERVICE  3
#define AUTO_SERVICE 4

static const uint16_t images[] = {1, 2}, others[] = {3, 4, 5};

static const struct classifier_rule_config http_rules[] = {
	{.match = {.path = "/img/*"}, .to = images, .to_count = 2, .balance = POLICY_LEAST_CONNECTIONS},
	{.match = {.host = "web"}, .to = others, .to_count = 3, .balance = POLICY_ROUND_ROBIN},
};
static const struct classifier_rule_config none_rules[] = {
	{.match = {.path = "/img/*"}, .to = images, .to_count = 2},
	{.to = others, .to_count = 3},
};
static const struct classifier_rule_config tls_rules[] = {
	{.match = {.server_name = "*.example"}, .to = images, .to_count = 2},
};
static const struct classifier_rule_config auto_rules[] = {
	{.match = {.server_name = "*.example"}, .to = images, .to_count = 2},
	{.match = {.path = "/*"}, .to = others, .to_count = 3},
};
static const struct classifier_service_config services[] = {
	{.name = "web", .protocol = CLASSIFIER_HTTP, .rules = http_rules, .rules_count = 2},
	{.name = "raw", .protocol = CLASSIFIER_NONE, .rules = none_rules, .rules_count = 2},
	{.name = "dead", .protocol = CLASSIFIER_NONE},
	{.name = "tls", .protocol = CLASSIFIER_TLS, .rules = tls_rules, .rules_count = 1},
	{.name = "auto", .protocol = CLASSIFIER_AUTO, .rules = auto_rules, .rules_count = 2},
};

/* Events counted, and the fields of the last one. */
struct events {
	struct trace_sink sink;
	unsigned counts[TRACE_EVENT_COUNT];
	uint64_t device, candidates, status, alert, rule;
};

static void events_emit(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
			size_t count)
{
	struct events *e = sink->context;

	(void)now;
	e->counts[event]++;
	for (size_t i = 0; i < count; i++) {
		if (strcmp(fields[i].name, "device") == 0)
			e->device = fields[i].u64;
		else if (strcmp(fields[i].name, "candidates") == 0)
			e->candidates = fields[i].u64;
		else if (strcmp(fields[i].name, "status") == 0)
			e->status = fields[i].u64;
		else if (strcmp(fields[i].name, "alert") == 0)
			e->alert = fields[i].u64;
		else if (strcmp(fields[i].name, "rule") == 0)
			e->rule = fields[i].u64;
	}
}

static struct events events;
static const struct tuple tuple = {.remote_port = 1000, .local_port = 80};

static struct classifier *make(uint32_t connections_max)
{
	struct classifier_config config = {
		.services = services,
		.services_count = sizeof services / sizeof *services,
		.connections_max = connections_max,
		.read_limit = 10 * NSTIME_S,
		.trace = &events.sink,
	};

	events = (struct events){.sink = {.emit = events_emit, .context = &events}};
	return classifier_new(&config);
}

static struct classifier_conn *open_http(struct classifier *c, nstime now)
{
	struct classifier_decision d;
	struct classifier_conn *conn = classifier_open(c, HTTP_SERVICE, &tuple, c, now, &d);

	ck_assert_ptr_nonnull(conn);
	ck_assert_int_eq(d.verdict, CLASSIFIER_WAIT);
	ck_assert_ptr_eq(classifier_conn_user(conn), c);
	return conn;
}

static struct classifier_decision ask(struct classifier_conn *conn, const char *text)
{
	return classifier_data(conn, (const uint8_t *)text, strlen(text), 1);
}

START_TEST(decides_by_rule)
{
	struct classifier *c = make(0);
	static const uint16_t round[] = {3, 4, 5, 3};
	struct classifier_conn *conn[3];
	struct classifier_decision d;

	for (int i = 0; i < 3; i++) {
		conn[i] = open_http(c, 0);
		ck_assert_int_eq(ask(conn[i], "GET /img/a HTTP/1.1\r\nHost: w").verdict, CLASSIFIER_WAIT);
		d = ask(conn[i], "eb\r\n\r\n");
		ck_assert_int_eq(d.verdict, CLASSIFIER_DEVICE);
		ck_assert_uint_eq(d.device, i % 2 ? 2 : 1);
		ck_assert_uint_eq(d.rule, 0);
		ck_assert_uint_eq(d.candidates, 2);
		ck_assert_uint_eq(events.device, d.device);
		ck_assert_uint_eq(events.candidates, 2);
		ck_assert_int_eq(ask(conn[i], "more").device, d.device);
	}
	ck_assert_uint_eq(classifier_expiry(c), NSTIME_NEVER);
	/* Devices 1 and 2 have 2 and 1 connections; a lost one gives its place back, one handed off keeps it. */
	classifier_close(conn[0], false);
	classifier_close(conn[1], true);
	classifier_close(conn[2], false);
	conn[0] = open_http(c, 0);
	ck_assert_uint_eq(ask(conn[0], "GET /img/a HTTP/1.0\r\n\r\n").device, 1);
	classifier_close(conn[0], false);
	classifier_backend_connections(c, 1, 2);
	conn[0] = open_http(c, 0);
	ck_assert_uint_eq(ask(conn[0], "GET /img/a HTTP/1.0\r\n\r\n").device, 2);
	classifier_close(conn[0], false);
	for (int i = 0; i < 4; i++) {
		conn[0] = open_http(c, 0);
		d = ask(conn[0], "GET /other HTTP/1.1\r\nHost: web\r\n\r\n");
		ck_assert_uint_eq(d.device, round[i]);
		ck_assert_uint_eq(d.rule, 1);
		ck_assert_uint_eq(events.rule, 1);
		classifier_close(conn[0], true);
	}
	ck_assert_uint_eq(classifier_counters(c)->chosen, 9);
	ck_assert_uint_eq(events.counts[TRACE_CLASSIFIER_OPEN], 9);
	ck_assert_uint_eq(events.counts[TRACE_CLASSIFIER_CHOOSE], 9);
	classifier_free(c);
}
END_TEST

START_TEST(chooses_again)
{
	struct classifier *c = make(0);
	struct classifier_conn *conn = open_http(c, 0);
	struct classifier_decision d;

	classifier_backend_health(c, 4, false);
	ck_assert_uint_eq(ask(conn, "GET / HTTP/1.1\r\nHost: WEB\r\n\r\n").device, 3);
	d = classifier_choose_again(conn, 2);
	ck_assert_int_eq(d.verdict, CLASSIFIER_DEVICE);
	ck_assert_uint_eq(d.device, 5);
	ck_assert_uint_eq(d.candidates, 1);
	d = classifier_choose_again(conn, 3);
	ck_assert_int_eq(d.verdict, CLASSIFIER_ANSWER);
	ck_assert_int_eq(d.answer, CLASSIFIER_ANSWER_503);
	ck_assert_uint_eq(events.status, 503);
	ck_assert_int_eq(classifier_conn_decision(conn).answer, CLASSIFIER_ANSWER_503);
	ck_assert_uint_eq(classifier_counters(c)->answered[CLASSIFIER_ANSWER_503], 1);
	classifier_close(conn, false);
	classifier_free(c);
}
END_TEST

START_TEST(protocol_none)
{
	struct classifier *c = make(0);
	struct classifier_decision d;
	struct classifier_conn *conn = classifier_open(c, NONE_SERVICE, &tuple, NULL, 0, &d);

	ck_assert_int_eq(d.verdict, CLASSIFIER_DEVICE);
	ck_assert_uint_eq(d.device, 3);
	ck_assert_uint_eq(d.rule, 1);
	ck_assert_uint_eq(d.candidates, 3);
	classifier_choose_again(conn, 0);
	classifier_choose_again(conn, 0);
	ck_assert_int_eq(classifier_choose_again(conn, 0).verdict, CLASSIFIER_ABORT);
	classifier_close(conn, false);
	conn = classifier_open(c, DEAD_SERVICE, &tuple, NULL, 0, &d);
	ck_assert_int_eq(d.verdict, CLASSIFIER_ABORT);
	classifier_close(conn, false);
	ck_assert_uint_eq(classifier_counters(c)->answered[CLASSIFIER_ANSWER_503], 2);
	/* what cannot move is not answered in a protocol that is not known */
	conn = classifier_open(c, NONE_SERVICE, &tuple, NULL, 0, &d);
	ck_assert_int_eq(classifier_give_up(conn, 0).verdict, CLASSIFIER_ABORT);
	ck_assert_uint_eq(classifier_counters(c)->answered[CLASSIFIER_ANSWER_503], 3);
	classifier_close(conn, false);
	classifier_free(c);
}
END_TEST

START_TEST(answers)
{
	static const struct {
		const char *text;
		enum classifier_answer answer;
		uint16_t status;
	} cases[] = {
		{"GET / HTTP/1.1\r\nHost: nobody\r\n\r\n", CLASSIFIER_ANSWER_404, 404},
		{"\026\003\001", CLASSIFIER_ANSWER_400, 400},
		{"GET / HTTP/1.1\r\n\r\n", CLASSIFIER_ANSWER_400, 400},
	};
	struct classifier *c = make(0);
	struct classifier_conn *conn;
	static char large[REQUEST_HEAD_BYTES_DEFAULT + 1];
	static const char not_found[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
	const void *text;
	size_t len;

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct classifier_decision d;

		conn = open_http(c, 0);
		d = ask(conn, cases[i].text);
		ck_assert_int_eq(d.verdict, CLASSIFIER_ANSWER);
		ck_assert_int_eq(d.answer, cases[i].answer);
		ck_assert_uint_eq(events.status, cases[i].status);
		classifier_close(conn, false);
	}
	conn = open_http(c, 0);
	memset(large, 'a', sizeof large);
	memcpy(large, "GET /", 5);
	ck_assert_int_eq(classifier_data(conn, (uint8_t *)large, sizeof large, 0).answer, CLASSIFIER_ANSWER_431);
	classifier_close(conn, false);
	conn = open_http(c, 0);
	ask(conn, "GET ");
	ck_assert_int_eq(classifier_eof(conn, 0).answer, CLASSIFIER_ANSWER_400);
	classifier_close(conn, false);
	ck_assert_uint_eq(classifier_counters(c)->answered[CLASSIFIER_ANSWER_404], 1);
	ck_assert_uint_eq(classifier_counters(c)->answered[CLASSIFIER_ANSWER_400], 3);
	ck_assert_uint_eq(classifier_counters(c)->answered[CLASSIFIER_ANSWER_431], 1);
	ck_assert_uint_eq(events.counts[TRACE_CLASSIFIER_ANSWER], 5);
	ck_assert_uint_eq(classifier_expiry(c), NSTIME_NEVER);
	text = classifier_answer_bytes(CLASSIFIER_ANSWER_404, &len);
	ck_assert_uint_eq(len, sizeof not_found - 1);
	ck_assert_mem_eq(text, not_found, len);
	ck_assert_str_eq(classifier_answer_name(CLASSIFIER_ANSWER_404), "404");
	ck_assert(!classifier_answer_is_alert(CLASSIFIER_ANSWER_404));
	classifier_free(c);
}
END_TEST

static struct classifier_conn *open_service(struct classifier *c, size_t service)
{
	struct classifier_decision d;
	struct classifier_conn *conn = classifier_open(c, service, &tuple, NULL, 0, &d);

	ck_assert_int_eq(d.verdict, CLASSIFIER_WAIT);
	return conn;
}

/* Shows a ClientHello, but for its last `less` bytes. */
static struct classifier_decision ask_hello(struct classifier_conn *conn, const char *name, uint32_t bytes, size_t less)
{
	struct classifier_decision d;
	struct tls_session session;
	struct vec wire = {0};

	tls_client_hello(&wire, 1, name, 3, bytes, &session);
	d = classifier_data(conn, wire.data, wire.len - less, 1);
	vec_fini(&wire);
	return d;
}

/* What a client of protocol tls is told, byte for byte. */
static void expect_alert(struct classifier *c, struct classifier_conn *conn, struct classifier_decision d,
			 enum classifier_answer answer, uint8_t level, uint8_t number)
{
	const uint8_t wanted[] = {21, 3, 3, 0, 2, level, number};
	const void *bytes;
	size_t len;

	ck_assert_int_eq(d.verdict, CLASSIFIER_ANSWER);
	ck_assert_int_eq(d.answer, answer);
	bytes = classifier_answer_bytes(answer, &len);
	ck_assert_uint_eq(len, sizeof wanted);
	ck_assert_mem_eq(bytes, wanted, len);
	ck_assert(classifier_answer_is_alert(answer));
	ck_assert_uint_eq(classifier_counters(c)->answered[answer], 1);
	ck_assert_uint_eq(events.alert, number);
	classifier_close(conn, false);
}

START_TEST(tls)
{
	struct classifier *c = make(0);
	struct classifier_conn *conn = open_service(c, TLS_SERVICE);

	ck_assert_int_eq(ask_hello(conn, "A.Example", 0, 1).verdict, CLASSIFIER_WAIT);
	expect_alert(c, conn, classifier_eof(conn, 1), CLASSIFIER_ANSWER_DECODE_ERROR, 2, 50);
	conn = open_service(c, TLS_SERVICE);
	ck_assert_uint_eq(ask_hello(conn, "A.Example", 0, 0).device, 1);
	ck_assert_uint_eq(classifier_choose_again(conn, 1).device, 2);
	expect_alert(c, conn, classifier_choose_again(conn, 1), CLASSIFIER_ANSWER_INTERNAL_ERROR, 2, 80);
	conn = open_service(c, TLS_SERVICE);
	expect_alert(c, conn, ask_hello(conn, "a.test", 0, 0), CLASSIFIER_ANSWER_UNRECOGNIZED_NAME, 2, 112);
	conn = open_service(c, TLS_SERVICE);
	ck_assert_int_eq(ask_hello(conn, NULL, 0, 0).answer, CLASSIFIER_ANSWER_UNRECOGNIZED_NAME);
	classifier_close(conn, false);
	conn = open_service(c, TLS_SERVICE);
	expect_alert(c, conn, ask_hello(conn, "a.example", HELLO_BYTES_DEFAULT, 0), CLASSIFIER_ANSWER_HANDSHAKE_FAILURE,
		     2, 40);
	conn = open_service(c, TLS_SERVICE);
	expect_alert(c, conn, ask(conn, "GET / HTTP/1.1\r\n"), CLASSIFIER_ANSWER_UNEXPECTED_MESSAGE, 2, 10);
	conn = open_service(c, TLS_SERVICE);
	expect_alert(c, conn, ask(conn, "\x80\x2e\1"), CLASSIFIER_ANSWER_PROTOCOL_VERSION, 2, 70);
	conn = open_service(c, TLS_SERVICE);
	expect_alert(c, conn, ask(conn, "\x16\3\1\xff\xff"), CLASSIFIER_ANSWER_RECORD_OVERFLOW, 2, 22);
	conn = open_service(c, TLS_SERVICE);
	expect_alert(c, conn, ask_hello(conn, "a b", 0, 0), CLASSIFIER_ANSWER_ILLEGAL_PARAMETER, 2, 47);
	conn = open_service(c, TLS_SERVICE);
	ask_hello(conn, "a.example", 0, 1);
	ck_assert_ptr_eq(classifier_expire(c, 10 * NSTIME_S), conn);
	expect_alert(c, conn, classifier_conn_decision(conn), CLASSIFIER_ANSWER_CLOSE_NOTIFY, 1, 0);
	ck_assert_str_eq(classifier_answer_name(CLASSIFIER_ANSWER_UNRECOGNIZED_NAME), "unrecognized_name");
	classifier_free(c);
}
END_TEST

/* The first byte decides, and each kind of rule matches its own kind of connection. */
START_TEST(automatic)
{
	struct classifier *c = make(0);
	struct classifier_conn *conn = open_service(c, AUTO_SERVICE);

	ck_assert_int_eq(classifier_data(conn, NULL, 0, 1).verdict, CLASSIFIER_WAIT);
	ck_assert_int_eq(ask(conn, "G").verdict, CLASSIFIER_WAIT);
	ck_assert_uint_eq(ask(conn, "ET / HTTP/1.1\r\nHost: a.example\r\n\r\n").device, 3);
	classifier_close(conn, false);
	conn = open_service(c, AUTO_SERVICE);
	ck_assert_int_eq(ask(conn, "\x16").verdict, CLASSIFIER_WAIT);
	classifier_close(conn, false);
	conn = open_service(c, AUTO_SERVICE);
	ck_assert_uint_eq(ask_hello(conn, "a.example", 0, 0).device, 1);
	classifier_close(conn, false);
	conn = open_service(c, AUTO_SERVICE);
	ck_assert_int_eq(ask_hello(conn, "a.test", 0, 0).answer, CLASSIFIER_ANSWER_UNRECOGNIZED_NAME);
	classifier_close(conn, false);
	conn = open_service(c, AUTO_SERVICE);
	ck_assert_int_eq(ask(conn, "GET * HTTP/1.1\r\n").answer, CLASSIFIER_ANSWER_400);
	classifier_close(conn, false);
	/* what never said anything is answered as HTTP */
	conn = open_service(c, AUTO_SERVICE);
	ck_assert_ptr_eq(classifier_expire(c, 10 * NSTIME_S), conn);
	ck_assert_int_eq(classifier_conn_decision(conn).answer, CLASSIFIER_ANSWER_408);
	classifier_free(c);
}
END_TEST

START_TEST(time_limit)
{
	struct classifier *c = make(0);
	struct classifier_conn *a = open_http(c, 0), *b = open_http(c, 2 * NSTIME_S), *d = open_http(c, 4 * NSTIME_S);

	ask(b, "GET / HTTP/1.1\r\nHost: web\r\n\r\n");
	ask(a, "GET / HTTP");
	ck_assert_uint_eq(classifier_expiry(c), 10 * NSTIME_S);
	ck_assert_ptr_null(classifier_expire(c, 10 * NSTIME_S - 1));
	ck_assert_ptr_eq(classifier_expire(c, 10 * NSTIME_S), a);
	ck_assert_ptr_null(classifier_expire(c, 10 * NSTIME_S));
	ck_assert_int_eq(classifier_conn_decision(a).answer, CLASSIFIER_ANSWER_408);
	ck_assert_int_eq(ask(a, "/1.1\r\nHost: web\r\n\r\n").answer, CLASSIFIER_ANSWER_408);
	ck_assert_uint_eq(classifier_expiry(c), 14 * NSTIME_S);
	classifier_close(d, false);
	ck_assert_uint_eq(classifier_expiry(c), NSTIME_NEVER);
	ck_assert_uint_eq(classifier_counters(c)->timeouts, 1);
	ck_assert_uint_eq(classifier_counters(c)->answered[CLASSIFIER_ANSWER_408], 1);
	classifier_close(a, false);
	classifier_close(b, false);
	classifier_free(c);
}
END_TEST

START_TEST(bounded)
{
	struct classifier *c = make(2);
	struct classifier_decision d;
	struct classifier_conn *a = open_http(c, 0);

	open_http(c, 0);
	ck_assert_ptr_null(classifier_open(c, HTTP_SERVICE, &tuple, NULL, 0, &d));
	ck_assert_uint_eq(classifier_counters(c)->refused, 1);
	classifier_close(a, false);
	open_http(c, 0);
	ck_assert_ptr_null(classifier_open(c, HTTP_SERVICE, &tuple, NULL, 0, &d));
	ck_assert_uint_eq(classifier_counters(c)->refused, 2);
	classifier_free(c);
}
END_TEST

START_TEST(per_client)
{
	struct classifier_config config = {
		.services = services, .services_count = sizeof services / sizeof *services, .per_client_max = 2};
	struct classifier *c = classifier_new(&config);
	struct tuple a = {.remote = addr_v4(1), .remote_port = 1}, b = {.remote = addr_v4(2), .remote_port = 1};
	struct classifier_decision d;
	struct classifier_conn *first = classifier_open(c, HTTP_SERVICE, &a, NULL, 0, &d);

	ck_assert_ptr_nonnull(classifier_open(c, HTTP_SERVICE, &a, NULL, 0, &d));
	ck_assert_ptr_null(classifier_open(c, HTTP_SERVICE, &a, NULL, 0, &d));
	ck_assert_uint_eq(classifier_counters(c)->refused_client, 1);
	ck_assert_uint_eq(classifier_counters(c)->refused, 1);
	ck_assert_ptr_nonnull(classifier_open(c, HTTP_SERVICE, &b, NULL, 0, &d));
	/* one that is answered counts until it is closed */
	ask(first, "bad");
	ck_assert_ptr_null(classifier_open(c, TLS_SERVICE, &a, NULL, 0, &d));
	classifier_close(first, false);
	ck_assert_ptr_nonnull(classifier_open(c, TLS_SERVICE, &a, NULL, 0, &d));
	classifier_free(c);
}
END_TEST

/* What a classifier chooses for a request of client 10.0.0.`client`. */
static uint16_t choice_of(struct classifier *c, uint8_t client, const char *text, nstime now)
{
	struct tuple t = {.remote = {.family = 4, .bytes = {10, 0, 0, client}}, .remote_port = 1, .local_port = 80};
	struct classifier_decision d;
	struct classifier_conn *conn = classifier_open(c, 0, &t, NULL, now, &d);

	d = classifier_data(conn, (const uint8_t *)text, strlen(text), now);
	ck_assert_int_eq(d.verdict, CLASSIFIER_DEVICE);
	classifier_close(conn, true);
	return d.device;
}

static struct classifier *make_balanced(uint64_t seed, enum policy_balance balance, enum classifier_key key)
{
	struct classifier_rule_config rule = {
		.to = others, .to_count = 3, .balance = balance, .key = key, .key_cookie = "id"};
	struct classifier_service_config service = {.name = "web", .rules = &rule, .rules_count = 1};

	return classifier_new(&(struct classifier_config){.services = &service, .services_count = 1, .seed = seed});
}

START_TEST(maglev_keys)
{
	/* Classifiers of one seed choose alike, and by nothing but the key; another seed chooses otherwise. */
	static const enum classifier_key keys[] = {CLASSIFIER_KEY_CLIENT, CLASSIFIER_KEY_HOST, CLASSIFIER_KEY_PATH};
	unsigned others_differ = 0;
	char text[100];

	for (size_t k = 0; k < 3; k++) {
		struct classifier *a = make_balanced(1, POLICY_MAGLEV, keys[k]);
		struct classifier *b = make_balanced(1, POLICY_MAGLEV, keys[k]);
		struct classifier *other = make_balanced(2, POLICY_MAGLEV, keys[k]);
		unsigned seen = 0;

		for (uint8_t i = 0; i < 60; i++) {
			/* All but the key differs between a and b. */
			snprintf(text, sizeof text, "GET /%d?a HTTP/1.1\r\nHost: %d\r\n\r\n", k == 2 ? i : 1,
				 k == 1 ? i : 1);
			uint16_t chosen = choice_of(a, k ? 1 : i, text, 0);

			snprintf(text, sizeof text, "GET /%d?b HTTP/1.0\r\nHost: %d\r\n\r\n", k == 2 ? i : 2,
				 k == 1 ? i : 2);
			ck_assert_uint_eq(choice_of(b, k ? 2 : i, text, 0), chosen);
			others_differ += choice_of(other, k ? 2 : i, text, 0) != chosen;
			seen |= 1U << chosen;
		}
		ck_assert_uint_eq(seen, 1U << 3 | 1U << 4 | 1U << 5);
		ck_assert_ptr_null(classifier_sticky_counters(a));
		classifier_free(a);
		classifier_free(b);
		classifier_free(other);
	}
	ck_assert_uint_gt(others_differ, 60);
}
END_TEST

START_TEST(sticky_keys)
{
	struct classifier *c = make_balanced(1, POLICY_STICKY, CLASSIFIER_KEY_COOKIE);
	static const char plain[] = "GET / HTTP/1.0\r\n\r\n";
	static const char ann[] = "GET / HTTP/1.0\r\nCookie: a=b; id=ann; id=x\r\n\r\n";
	static const char bob[] = "GET / HTTP/1.0\r\nCookie: id=bob\r\n\r\n";
	static const char empty[] = "GET / HTTP/1.0\r\nCookie: id=\r\n\r\n";

	ck_assert_uint_eq(choice_of(c, 1, ann, 0), 3);
	ck_assert_uint_eq(choice_of(c, 1, bob, 0), 4);
	/* The cookie counts, whoever sends it; none, or an empty one, is not remembered. */
	ck_assert_uint_eq(choice_of(c, 2, ann, 1), 3);
	ck_assert_uint_eq(choice_of(c, 1, plain, 2), 5);
	ck_assert_uint_eq(choice_of(c, 1, empty, 3), 3);
	ck_assert_uint_eq(choice_of(c, 1, bob, 4), 4);
	ck_assert_uint_eq(classifier_sticky_counters(c)->added, 2);
	ck_assert_uint_eq(classifier_sticky_counters(c)->kept, 2);
	/* Its time over, ann goes where the turn is. */
	ck_assert_uint_eq(choice_of(c, 1, ann, 1 + STICKY_EXPIRE_DEFAULT), 4);
	ck_assert_uint_eq(classifier_sticky_counters(c)->expired, 1);
	classifier_free(c);
}
END_TEST

/* The rules change under connections that are read, handed over, and long at a backend. */
START_TEST(other_rules)
{
	static const uint16_t more[] = {2, 6}, fewer[] = {4};
	static const struct classifier_rule_config rules[] = {
		{.match = {.path = "/new/*"}, .to = more, .to_count = 2},
		{.match = {.host = "web"}, .to = fewer, .to_count = 1},
		{.match = {.path = "/img/*"}, .to = more, .to_count = 2},
	};
	struct classifier_service_config changed[sizeof services / sizeof *services];
	struct classifier *c = make(0);
	struct classifier_conn *reading = open_http(c, 0), *handing = open_http(c, 0), *lost = open_http(c, 0);
	struct classifier_decision d;
	uint16_t device;

	ck_assert_int_eq(ask(reading, "GET /new/a HTTP/1.1\r\n").verdict, CLASSIFIER_WAIT);
	d = ask(handing, "GET /img/a HTTP/1.1\r\nHost: x\r\n\r\n");
	ck_assert_uint_eq(d.device, 1);
	ck_assert_uint_eq(d.number, 0);
	d = ask(lost, "GET /x HTTP/1.1\r\nHost: web\r\n\r\n");
	ck_assert_uint_eq(d.device, 3);
	ck_assert_uint_eq(d.number, 1);
	memcpy(changed, services, sizeof services);
	changed[HTTP_SERVICE].rules = rules;
	changed[HTTP_SERVICE].rules_count = 3;
	classifier_reconfigure(c, changed);
	ck_assert_uint_eq(classifier_conn_decision(handing).rule, 2);
	ck_assert_uint_eq(classifier_conn_decision(handing).number, 0);
	ck_assert_uint_eq(classifier_rule_index(c, HTTP_SERVICE, 0), 2);
	ck_assert_uint_eq(classifier_rule_index(c, HTTP_SERVICE, 1), 1);
	ck_assert_uint_eq(classifier_rule_index(c, HTTP_SERVICE, 2), 0); /* the new one */
	ck_assert_uint_eq(classifier_rule_index(c, HTTP_SERVICE, 3), SIZE_MAX);
	ck_assert_uint_eq(classifier_backend(c, 1)->connections, 1); /* no rule names it any more */
	d = ask(reading, "Host: x\r\n\r\n");
	ck_assert_uint_eq(d.device, 2);
	ck_assert_uint_eq(d.rule, 0);
	ck_assert_uint_eq(d.number, 2);
	ck_assert_uint_eq(events.rule, 0);
	d = classifier_choose_again(handing, 1); /* by the rule that it is now */
	ck_assert_uint_eq(d.device, 2);
	ck_assert_uint_eq(d.rule, 2);
	ck_assert_uint_eq(d.number, 0);
	ck_assert_uint_eq(classifier_backend(c, 1)->connections, 0);
	/* What a backend has goes by the number, and by nothing when that is gone. */
	ck_assert_int_eq(classifier_choose_for(c, HTTP_SERVICE, 1, &tuple, NULL, 0, 1, &device), 0);
	ck_assert_uint_eq(device, 4);
	changed[HTTP_SERVICE].rules = &rules[2];
	changed[HTTP_SERVICE].rules_count = 1;
	classifier_reconfigure(c, changed);
	ck_assert_int_ne(classifier_choose_for(c, HTTP_SERVICE, 1, &tuple, NULL, 0, 1, &device), 0);
	ck_assert_uint_eq(classifier_conn_decision(lost).rule, SIZE_MAX);
	d = classifier_choose_again(lost, 1);
	ck_assert_int_eq(d.verdict, CLASSIFIER_ANSWER);
	ck_assert_int_eq(d.answer, CLASSIFIER_ANSWER_404);
	classifier_reconfigure(c, services); /* a rule that comes back is a new one: nobody speaks of the old */
	ck_assert_uint_eq(classifier_rule_index(c, HTTP_SERVICE, 1), SIZE_MAX);
	ck_assert_uint_eq(classifier_rule_index(c, HTTP_SERVICE, 3), 1);
	classifier_close(reading, true);
	ck_assert_uint_eq(classifier_backend(c, 2)->connections, 2);
	classifier_free(c);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("classifier");
	TCase *tcase = tcase_create("classifier");

	suite_add_tcase(suite, tcase);
	tcase_add_test(tcase, decides_by_rule);
	tcase_add_test(tcase, chooses_again);
	tcase_add_test(tcase, other_rules);
	tcase_add_test(tcase, protocol_none);
	tcase_add_test(tcase, answers);
	tcase_add_test(tcase, tls);
	tcase_add_test(tcase, automatic);
	tcase_add_test(tcase, time_limit);
	tcase_add_test(tcase, bounded);
	tcase_add_test(tcase, per_client);
	tcase_add_test(tcase, maglev_keys);
	tcase_add_test(tcase, sticky_keys);
	return unit_run(suite);
}
