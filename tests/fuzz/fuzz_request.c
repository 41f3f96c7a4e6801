/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as the beginning of an HTTP connection. The first byte says into how long pieces the rest is cut: the reader
 * must find the same in them as in the whole. */
#include "fuzz.h"

#include "lb/request.h"

#include <string.h>

#define HEAD_MAX 2048U /* bytes; short, so that inputs reach it */

static enum request_result read_in_pieces(struct request *r, const uint8_t *bytes, size_t len, size_t piece)
{
	enum request_result result = REQUEST_NEED_MORE;

	request_init(r, HEAD_MAX);
	for (size_t at = 0; at < len; at += piece)
		result = request_input(r, bytes + at, len - at < piece ? len - at : piece);
	return result;
}

static void headers_compare(const struct request *a, const struct request *b, const char *name)
{
	size_t cursor_a = 0, cursor_b = 0;
	const char *value_a, *value_b;

	do {
		value_a = request_header_next(a, name, &cursor_a);
		value_b = request_header_next(b, name, &cursor_b);
		FUZZ_CHECK(value_a ? value_b && !strcmp(value_a, value_b) : !value_b);
	} while (value_a);
}

static void cookies_compare(const struct request *a, const struct request *b)
{
	struct request_cookie_cursor cursor_a = {0}, cursor_b = {0};
	const char *value_a, *value_b;
	size_t len_a, len_b;

	do {
		value_a = request_cookie_next(a, "user", &cursor_a, &len_a);
		value_b = request_cookie_next(b, "user", &cursor_b, &len_b);
		FUZZ_CHECK(value_a ? value_b && len_a == len_b && !memcmp(value_a, value_b, len_a) : !value_b);
	} while (value_a);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct request whole, pieces;

	if (size < 2)
		return 0;
	enum request_result result = read_in_pieces(&whole, data + 1, size - 1, size - 1);

	FUZZ_CHECK(read_in_pieces(&pieces, data + 1, size - 1, data[0] + 1U) == result);
	if (result == REQUEST_COMPLETE) {
		FUZZ_CHECK(!strcmp(request_method(&whole), request_method(&pieces)));
		FUZZ_CHECK(!strcmp(request_path(&whole), request_path(&pieces)));
		FUZZ_CHECK(!strcmp(request_host(&whole), request_host(&pieces)));
		headers_compare(&whole, &pieces, "host");
		headers_compare(&whole, &pieces, "cookie");
		headers_compare(&whole, &pieces, "user-agent");
		cookies_compare(&whole, &pieces);
	} else if (result == REQUEST_BAD) {
		FUZZ_CHECK(*request_reason(&whole) && !strcmp(request_reason(&whole), request_reason(&pieces)));
	}
	request_fini(&whole);
	request_fini(&pieces);
	return 0;
}
