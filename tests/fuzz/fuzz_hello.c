/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as the beginning of a TLS connection. The first byte says into how long pieces the rest is cut: the reader must
 * find the same in them as in the whole. */
#include "fuzz.h"

#include "lb/hello.h"

#include <string.h>

#define HELLO_MAX 4096U /* bytes; short, so that inputs reach it */

static enum hello_result read_in_pieces(struct hello *h, const uint8_t *bytes, size_t len, size_t piece)
{
	enum hello_result result = HELLO_NEED_MORE;

	hello_init(h, HELLO_MAX);
	for (size_t at = 0; at < len; at += piece)
		result = hello_input(h, bytes + at, len - at < piece ? len - at : piece);
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct hello whole, pieces;

	if (size < 2)
		return 0;
	enum hello_result result = read_in_pieces(&whole, data + 1, size - 1, size - 1);

	FUZZ_CHECK(read_in_pieces(&pieces, data + 1, size - 1, data[0] + 1U) == result);
	if (result == HELLO_COMPLETE) {
		FUZZ_CHECK(!strcmp(hello_server_name(&whole), hello_server_name(&pieces)));
		FUZZ_CHECK(hello_begins(data[1]));
	} else if (result == HELLO_BAD) {
		FUZZ_CHECK(*hello_reason(&whole) && !strcmp(hello_reason(&whole), hello_reason(&pieces)));
		FUZZ_CHECK(hello_alert(&whole) == hello_alert(&pieces));
	}
	hello_fini(&whole);
	hello_fini(&pieces);
	return 0;
}
