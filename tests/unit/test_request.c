/* SPDX-License-Identifier: BSD-3-Clause */
/* lb/request: heads in pieces of any size, good and bad ones, large ones, and damaged ones. */
#include "base/random.h"
#include "lb/request.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static enum request_result feed(struct request *r, const char *text, size_t len, size_t step)
{
	enum request_result result = REQUEST_NEED_MORE;

	for (size_t at = 0; at < len; at += step)
		result = request_input(r, (const uint8_t *)text + at, len - at < step ? len - at : step);
	return result;
}

struct good_head {
	const char *text, *method, *path, *host;
};

static const struct good_head good_heads[] = {
	{"GET /a/b?c=/d HTTP/1.1\r\nHost: Example.ORG:8080\r\n\r\n", "GET", "/a/b", "example.org"},
	{"GET / HTTP/1.0\r\n\r\n", "GET", "/", ""},
	{"\r\nHEAD /x#y HTTP/1.1\r\nhost: a\r\nAccept:\r\nEmpty: \t \r\n\r\n", "HEAD", "/x", "a"},
	{"POST /%2e/Up HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\nContent-Length: 5\r\n\r\nhello", "POST", "/%2e/Up",
	 "[2001:db8::1]"},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\n", "POST", "/", "a"},
	{"GET http://Target:80/p?q HTTP/1.1\r\nHost: tarGet\r\n\r\n", "GET", "/p", "target"},
	{"GET HTTP://[::A]/p HTTP/1.1\r\nHost: [::a]:80\r\n\r\n", "GET", "/p", "[::a]"},
	{"GET http://target?q HTTP/1.1\r\nHost: target\r\n\r\n", "GET", "/", "target"},
	{"GET http://target HTTP/1.0\r\n\r\n", "GET", "/", "target"},
	{"GET / HTTP/1.1\r\nHost:\r\n\r\n", "GET", "/", ""},
	{"GET //b/c HTTP/1.1\r\nHost: a:\r\n\r\n", "GET", "//b/c", "a"},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\tChunked \r\n\r\n", "POST", "/", "a"},
	{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "OPTIONS", "*", "a"},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\001\002", "GET", "/", "a"},
};

static const char *const bad_heads[] = {
	"\026\003\001\002", /* TLS */
	"nonsense\r\n\r\n",
	"\r\n\r\n\r\nx",
	"GET /\r\n\r\n",
	"GET / HTTP/2.0\r\nHost: a\r\n\r\n",
	"GET / HTTP/11.1\r\nHost: a\r\n\r\n",
	"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET * HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET nowhere HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\nHost: a\n\n",
	"GET / HTTP/1.1\r\nHost: a\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\rX: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n\rX",
	"GET / HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
	"GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost : a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX[: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX Y: b\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a\r\nX: a\001b\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\nContent-Length: 5\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
	"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1e1\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 6\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: , chunked\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked;x=y\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \vchunked\r\n\r\n",
	"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n",
	/* two hosts, one way or another */
	"GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET http://user@a/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET https://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: user@a\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a:80:90\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
	"GET / HTTP/1.1\r\nHost: [::1]a\r\n\r\n",
	/* a request line that can be cut in two ways */
	"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /  HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET / HTTP/1.1 \r\nHost: a\r\n\r\n",
	"GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /\ta HTTP/1.1\r\nHost: a\r\n\r\n",
	"GET /\x80 HTTP/1.1\r\nHost: a\r\n\r\n",
	"get / HTTP/1.1\r\nHost: a\r\n\r\n",
	"SOURCE / ICE/1.0\r\nHost: a\r\n\r\n",
	"GET\r\n\r\n",
};

START_TEST(good)
{
	const struct good_head *g = &good_heads[_i];

	for (size_t step = 1; step <= strlen(g->text); step++) {
		struct request r;

		request_init(&r, 0);
		ck_assert_int_eq(feed(&r, g->text, strlen(g->text), step), REQUEST_COMPLETE);
		ck_assert_str_eq(request_method(&r), g->method);
		ck_assert_str_eq(request_path(&r), g->path);
		ck_assert_str_eq(request_host(&r), g->host);
		ck_assert_str_eq(request_reason(&r), "");
		request_fini(&r);
	}
}
END_TEST

START_TEST(bad)
{
	const char *text = bad_heads[_i];

	for (size_t step = 1; step <= strlen(text); step++) {
		struct request r;

		request_init(&r, 0);
		ck_assert_msg(feed(&r, text, strlen(text), step) == REQUEST_BAD, "step %zu: %s", step, text);
		ck_assert_str_ne(request_reason(&r), "");
		ck_assert_int_eq(request_input(&r, (const uint8_t *)"GET / HTTP/1.0\r\n\r\n", 18), REQUEST_BAD);
		request_fini(&r);
	}
}
END_TEST

START_TEST(nul_is_bad)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n";
	struct request r;

	request_init(&r, 0);
	ck_assert_int_eq(feed(&r, text, sizeof text - 1, sizeof text), REQUEST_BAD);
	request_fini(&r);
}
END_TEST

/* Nothing but the whole head is complete, and what follows it is not looked at. */
START_TEST(complete_at_the_last_byte)
{
	const char *text = good_heads[0].text;
	struct request r;

	request_init(&r, 0);
	for (size_t i = 0; i + 1 < strlen(text); i++)
		ck_assert_int_eq(feed(&r, text + i, 1, 1), REQUEST_NEED_MORE);
	ck_assert_int_eq(feed(&r, "\n\0\0garbage", 10, 10), REQUEST_COMPLETE);
	ck_assert_int_eq(feed(&r, "\0more", 5, 1), REQUEST_COMPLETE);
	request_fini(&r);
}
END_TEST

START_TEST(headers_and_cookies)
{
	static const char text[] = "GET / HTTP/1.1\r\nHost: a:8080\r\nX-Thing:  one \t\r\nCookie: sid=abc; b=2;c=3\r\n"
				   "x-thing: two\r\nCookie: sid=\"q\"; empty=; xsid=no\r\nEmpty:\r\n\r\n";
	struct request_cookie_cursor cookies = {0};
	struct request r;
	const char *value;
	size_t cursor = 0, len;

	request_init(&r, 0);
	ck_assert_int_eq(feed(&r, text, sizeof text - 1, 7), REQUEST_COMPLETE);
	ck_assert_str_eq(request_header_next(&r, "X-THING", &cursor), "one");
	ck_assert_str_eq(request_header_next(&r, "X-THING", &cursor), "two");
	ck_assert_ptr_null(request_header_next(&r, "X-THING", &cursor));
	cursor = 0;
	ck_assert_str_eq(request_header_next(&r, "host", &cursor), "a:8080");
	cursor = 0;
	ck_assert_str_eq(request_header_next(&r, "empty", &cursor), "");
	value = request_cookie_next(&r, "sid", &cookies, &len);
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(value, "abc", 3);
	value = request_cookie_next(&r, "sid", &cookies, &len);
	ck_assert_uint_eq(len, 3);
	ck_assert_mem_eq(value, "\"q\"", 3);
	ck_assert_ptr_null(request_cookie_next(&r, "sid", &cookies, &len));
	cookies = (struct request_cookie_cursor){0};
	ck_assert_ptr_nonnull(request_cookie_next(&r, "empty", &cookies, &len));
	ck_assert_uint_eq(len, 0);
	cookies = (struct request_cookie_cursor){0};
	ck_assert_ptr_null(request_cookie_next(&r, "id", &cookies, &len));
	request_fini(&r);
}
END_TEST

/* A head of exactly the bound is complete; one byte more is too large, whole or in single bytes, and so is a request
 * line or an empty prefix that never ends. */
START_TEST(large)
{
	static const char *const endless[] = {"GET /", "GET / HTTP/1.1\r\nHost: a\r\nX: ", "\r\n"};
	size_t bound = _i ? 300 : REQUEST_HEAD_BYTES_DEFAULT;
	char *text = malloc(bound + 2);
	struct request r;

	ck_assert_ptr_nonnull(text);
	for (size_t more = 0; more < 2; more++)
		for (size_t step = 1; step < 2 * bound; step += bound) {
			static const char start[] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";

			memset(text, 'x', bound + more);
			memcpy(text, start, sizeof start - 1);
			memcpy(text + bound + more - 4, "\r\n\r\n", 4);
			request_init(&r, _i ? (uint32_t)bound : 0);
			ck_assert_int_eq(feed(&r, text, bound + more, step),
					 more ? REQUEST_TOO_LARGE : REQUEST_COMPLETE);
			ck_assert_uint_le(r.text.capacity, 4 * bound);
			request_fini(&r);
		}
	for (size_t i = 0; i < sizeof endless / sizeof *endless; i++) {
		enum request_result result = REQUEST_NEED_MORE;

		request_init(&r, (uint32_t)bound);
		result = feed(&r, endless[i], strlen(endless[i]), 5);
		for (size_t n = 0; n < bound; n++)
			result = feed(&r, i == 2 ? "\r\n" : "a", i == 2 ? 2 : 1, 1);
		ck_assert_int_eq(result, REQUEST_TOO_LARGE);
		request_fini(&r);
	}
	free(text);
}
END_TEST

/* However a damaged head is cut, the outcome, the reason and what was read are the same. */
START_TEST(damaged)
{
	struct random_stream random;

	random_init(&random, 1, "test request damaged");
	for (size_t round = 0; round < 20000; round++) {
		const char *source = good_heads[random_below(&random, sizeof good_heads / sizeof *good_heads)].text;
		size_t len = strlen(source), step = 1 + random_below(&random, len);
		enum request_result whole, pieces;
		struct request a, b;
		char text[256];

		memcpy(text, source, len);
		for (uint64_t n = random_below(&random, 4); n > 0; n--)
			text[random_below(&random, len)] = random_chance(&random, 500000000U)
								   ? "\r\n :/,;\t*0"[random_below(&random, 10)]
								   : (char)random_u32(&random);
		request_init(&a, 0);
		request_init(&b, 0);
		whole = feed(&a, text, len, len);
		pieces = feed(&b, text, len, step);
		ck_assert_int_eq(whole, pieces);
		ck_assert_str_eq(request_reason(&a), request_reason(&b));
		if (whole == REQUEST_COMPLETE) {
			ck_assert_str_eq(request_path(&a), request_path(&b));
			ck_assert_str_eq(request_host(&a), request_host(&b));
			ck_assert_uint_eq(a.text.len, b.text.len);
			ck_assert_mem_eq(a.text.data, b.text.data, a.text.len);
		}
		request_fini(&a);
		request_fini(&b);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("request");
	TCase *tcase = tcase_create("request");

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, good, 0, sizeof good_heads / sizeof *good_heads);
	tcase_add_loop_test(tcase, bad, 0, sizeof bad_heads / sizeof *bad_heads);
	tcase_add_test(tcase, nul_is_bad);
	tcase_add_test(tcase, complete_at_the_last_byte);
	tcase_add_test(tcase, headers_and_cookies);
	tcase_add_loop_test(tcase, large, 0, 2);
	tcase_add_test(tcase, damaged);
	return unit_run(suite);
}
