/* SPDX-License-Identifier: BSD-3-Clause */
/* Metrics: their text, and who asks for them over HTTP, on real sockets. */
#include "live/exporter.h"

#include "base/err.h"
#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURN_NS (20 * NSTIME_MS)

/* ---- text ---- */

START_TEST(families_and_samples)
{
	struct exposition e = {0};

	exposition_family(&e, "a_total", EXPOSITION_COUNTER, "What a is.");
	exposition_number(&e, NULL, UINT64_MAX);
	exposition_number(&e, LABELS({"x", "1"}, {"y", "a\\b\"c\nd\xc3\xa4"}), 0);
	exposition_family(&e, "b_seconds", EXPOSITION_GAUGE, "What b is.");
	exposition_time(&e, LABELS({"z", ""}), 3 * NSTIME_S + 7);
	char *text = strndup(e.text, e.len);

	ck_assert_str_eq(text, "# HELP a_total What a is.\n"
			       "# TYPE a_total counter\n"
			       "a_total 18446744073709551615\n"
			       "a_total{x=\"1\",y=\"a\\\\b\\\"c\\nd\xc3\xa4\"} 0\n"
			       "# HELP b_seconds What b is.\n"
			       "# TYPE b_seconds gauge\n"
			       "b_seconds{z=\"\"} 3.000000007\n");
	free(text);
	free(e.text);
}
END_TEST

/* ---- HTTP ---- */

static struct loop loop;
static struct exporter *exporter;
static uint16_t port;

static void collect(void *context, struct exposition *e)
{
	(void)context;
	exposition_family(e, "a_total", EXPOSITION_COUNTER, "What a is.");
	for (unsigned i = 0; i < 5000; i++)
		exposition_number(e, NULL, i);
}

static int exporter_at(struct exporter **out, struct addr address, uint16_t at, char why[EXPORTER_WHY_MAX])
{
	return exporter_open(out, &loop, &(struct exporter_config){.address = address, .port = at, .collect = collect},
			     why);
}

/* A port that nobody has. */
static uint16_t port_free(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	ck_assert_int_eq(bind(fd, (const struct sockaddr *)&a, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	close(fd);
	return ntohs(a.sin_port);
}

static void setup(void)
{
	char why[EXPORTER_WHY_MAX];

	port = port_free();
	ck_assert_int_eq(loop_init(&loop), 0);
	ck_assert_int_eq(exporter_at(&exporter, addr_v4(INADDR_LOOPBACK), port, why), 0);
}

static void teardown(void)
{
	exporter_close(exporter);
	loop_fini(&loop);
}

static void turn(void)
{
	ck_assert_int_eq(loop_wait(&loop, loop_now(&loop) + TURN_NS), 0);
	loop_dispatch(&loop);
}

static int client(void)
{
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
	ck_assert_int_eq(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
	return fd;
}

/* Says `request`, and hears what comes until the connection is closed or `seconds` have passed; whether it was. */
static bool exchange(int fd, const char *request, char *heard, size_t size, unsigned seconds)
{
	nstime end = loop_now(&loop) + seconds * NSTIME_S;
	size_t len = 0;
	ssize_t n = -1;

	(void)!send(fd, request, strlen(request), MSG_NOSIGNAL);
	while (n && loop_now(&loop) < end) {
		turn();
		n = recv(fd, heard + len, size - 1 - len, 0);
		len += n > 0 ? (size_t)n : 0;
		if (n < 0 && errno == ECONNRESET)
			n = 0;
	}
	heard[len] = '\0';
	return n == 0;
}

static const struct {
	const char *request, *answer, *body;
} exchanges[] = {
	{"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n",
	 "\r\n\r\n# HELP a_total What a is.\n"},
	{"GET /metrics?x=y HTTP/1.0\r\n\r\n", "HTTP/1.1 200 OK\r\n", "\na_total 4999\n"},
	{"HEAD /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "HTTP/1.1 200 OK\r\n",
	 "Content-Type: " EXPOSITION_TYPE "\r\n"},
	{"GET / HTTP/1.0\r\n\r\n", "HTTP/1.1 404 ", "the metrics are at /metrics"},
	{"POST /metrics HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc", "HTTP/1.1 405 ", "Allow: GET, HEAD\r\n"},
	{"\x16\x03\x01 what is this\r\n\r\n", "HTTP/1.", "400"},
};

START_TEST(answers)
{
	static char heard[1U << 18];
	int fd = client();

	ck_assert(exchange(fd, exchanges[_i].request, heard, sizeof heard, 10));
	ck_assert_msg(!strncmp(heard, exchanges[_i].answer, strlen(exchanges[_i].answer)), "%.100s", heard);
	ck_assert_msg(strstr(heard, exchanges[_i].body), "%.300s", heard);
	ck_assert_uint_eq(exporter_scrapes(exporter), _i < 3);
	if (_i == 2)
		ck_assert_ptr_null(strstr(heard, "# HELP"));
	close(fd);
}
END_TEST

/* A head that does not end costs no more memory than there is for it. */
START_TEST(endless_head)
{
	static char request[4 * EXPORTER_BYTES_MAX], heard[1U << 16];
	int fd = client();

	memset(request, 'x', sizeof request - 1);
	memcpy(request, "GET /", 5);
	ck_assert(exchange(fd, request, heard, sizeof heard, 10));
	ck_assert_ptr_null(strstr(heard, " 200 "));
	close(fd);
}
END_TEST

/* Silent ones take every place; after a while they are gone, and whoever waited is served. */
START_TEST(silent_clients)
{
	static char heard[1U << 18];
	int fds[EXPORTER_CLIENTS_MAX], fd;

	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++) {
		fds[i] = client();
		(void)!send(fds[i], "GET", 3, MSG_NOSIGNAL);
		turn();
	}
	fd = client();
	nstime begin = loop_now(&loop);

	ck_assert(exchange(fd, exchanges[0].request, heard, sizeof heard, 4 * EXPORTER_PATIENCE_S));
	ck_assert_ptr_nonnull(strstr(heard, "a_total 4999"));
	ck_assert_uint_gt(loop_now(&loop) - begin, NSTIME_S);
	for (unsigned i = 0; i < EXPORTER_CLIENTS_MAX; i++)
		close(fds[i]);
	close(fd);
}
END_TEST

START_TEST(says_what_is_wrong)
{
	struct exporter *none;
	char why[EXPORTER_WHY_MAX], expected[EXPORTER_WHY_MAX];

	ck_assert_int_eq(exporter_at(&none, addr_v4(INADDR_LOOPBACK), port, why), E_EXISTS);
	ck_assert_ptr_null(none);
	snprintf(expected, sizeof expected,
		 "metrics on 127.0.0.1:%u: the address is in use: another process listens there", port);
	ck_assert_str_eq(why, expected);
	ck_assert_int_eq(exporter_at(&none, addr_v4(0xc0000201), port, why), E_NOENT);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("exporter");
	TCase *text = tcase_create("text"), *http = tcase_create("http");

	tcase_add_test(text, families_and_samples);
	suite_add_tcase(suite, text);
	tcase_add_checked_fixture(http, setup, teardown);
	tcase_set_timeout(http, 60);
	tcase_add_loop_test(http, answers, 0, sizeof exchanges / sizeof exchanges[0]);
	tcase_add_test(http, endless_head);
	tcase_add_test(http, silent_clients);
	tcase_add_test(http, says_what_is_wrong);
	suite_add_tcase(suite, http);
	return unit_run(suite);
}
