/* SPDX-License-Identifier: BSD-3-Clause */
/* Courier datagrams over IPv4 and IPv6: their headers, and what the relay changes. Checksums are summed word by word
 * here, by no code of Baton's. */
#include "base/cursor.h"
#include "base/random.h"
#include "base/wire.h"
#include "node/internal.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

#define FRAME_MAX 1500U

/* Each test is run for IPv4 (0) and IPv6 (1). */
static struct addr host(int v6, uint8_t number)
{
	if (!v6)
		return addr_v4(0x0a000000U + number);
	return (struct addr){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = number}};
}

static uint32_t words(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	return sum;
}

static bool good(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static bool udp_good(const struct buf *b)
{
	const bool v6 = b->data[0] >> 4 == 6;
	const uint32_t header = v6 ? 40 : 20, len = b->len - header;
	const uint32_t addresses = v6 ? words(b->data + 8, 32) : words(b->data + 12, 8);

	return good(addresses + 17 + len + words(b->data + header, len));
}

static struct buf *wrapped(int v6, struct random_stream *r, uint32_t len)
{
	const struct addr from = host(v6, 1), to = host(v6, 2);
	struct buf *b = buf_alloc(FRAME_MAX);

	b->len = len;
	random_bytes(r, b->data, len);
	datagram_wrap(b, &from, &to);
	return b;
}

START_TEST(wrap_and_parse)
{
	struct random_stream r;
	struct datagram d;

	random_init(&r, 1, "datagram");
	for (uint32_t len = 0; len < FRAME_MAX - 48; len += 7) {
		struct buf *b = wrapped(_i, &r, len);

		ck_assert_uint_eq(b->len, len + datagram_headers(_i ? 6 : 4));
		ck_assert_uint_eq(datagram_headers(_i ? 6 : 4), _i ? 48 : 28);
		ck_assert(udp_good(b));
		ck_assert(_i || good(words(b->data, 20)));
		ck_assert_uint_eq(load_be16(b->data + (_i ? 4 : 2)), b->len - (_i ? 40 : 0));
		ck_assert(datagram_parse(&d, b->data, b->len));
		ck_assert(d.whole);
		ck_assert_uint_eq(d.family, _i ? 6 : 4);
		ck_assert_uint_eq(d.port, COURIER_PORT);
		ck_assert_uint_eq(d.contents_len, len);
		ck_assert_ptr_eq(d.contents, b->data + b->len - len);
		buf_free(b);
	}
}
END_TEST

START_TEST(cut_short)
{
	struct random_stream r;
	struct datagram d;
	struct buf *b;

	random_init(&r, 2, "datagram");
	b = wrapped(_i, &r, 30);
	for (uint32_t len = 0; len <= b->len; len++) {
		const bool there = datagram_parse(&d, b->data, len);

		ck_assert(there == (len >= b->len - 30));
		ck_assert(!there || d.whole == (len == b->len));
	}
	store_be16(d.udp + 4, 7); /* less than its own header */
	ck_assert(datagram_parse(&d, b->data, b->len) && !d.whole);
	store_be16(d.udp + 4, 38);
	store_be16(d.udp + 6, 0); /* without a checksum, which IPv6 does not allow */
	ck_assert(datagram_parse(&d, b->data, b->len));
	ck_assert(d.whole == !_i);
	b->data[_i ? 6 : 9] = 6;
	ck_assert(!datagram_parse(&d, b->data, b->len));
	b->data[_i ? 6 : 9] = 17;
	if (!_i) {
		b->data[7] = 1; /* a fragment */
		ck_assert(!datagram_parse(&d, b->data, b->len));
	}
	buf_free(b);
}
END_TEST

/* A good datagram stays good and a corrupted one bad, and neither ever says that it has no checksum. */
START_TEST(relay)
{
	const struct addr from = host(_i, 2), to = host(_i, 3);
	struct random_stream r;
	struct datagram d;
	unsigned ones = 0;

	random_init(&r, 3, "datagram");
	for (unsigned i = 0; i < 1000000 && !ones; i++) {
		const uint32_t len = 2 + 2 * (uint32_t)random_below(&r, 4);
		struct buf *b = wrapped(_i, &r, len);
		const bool corrupt = i % 2;
		const uint32_t hops = _i ? 7 : 8;

		if (corrupt)
			b->data[b->len - len + random_below(&r, len)] ^= (uint8_t)(1U << random_below(&r, 8));
		/* (each ck_assert writes to a file, and this runs often) */
		if (!datagram_parse(&d, b->data, b->len) || !load_be16(d.udp + 6) || b->data[hops] != 64)
			ck_abort_msg("datagram %u is wrong", i);
		const bool was = load_be16(d.udp + 6) == 0xffff;
		if (!datagram_relay(&d, b->data, &from, &to))
			ck_abort_msg("datagram %u is not relayed", i);
		if (udp_good(b) == corrupt || b->data[hops] != 63 || !load_be16(d.udp + 6) ||
		    memcmp(b->data + (_i ? 8 : 12), from.bytes, addr_len(&from)) != 0 ||
		    memcmp(b->data + (_i ? 24 : 16), to.bytes, addr_len(&to)) != 0 ||
		    (!_i && !good(words(b->data, 20))))
			ck_abort_msg("datagram %u is wrong behind the relay", i);
		ones += !was && load_be16(d.udp + 6) == 0xffff;
		buf_free(b);
	}
	ck_assert_uint_eq(ones, 1); /* such as would have been 0 */
}
END_TEST

START_TEST(hops_end)
{
	const struct addr from = host(_i, 2), to = host(_i, 3);
	struct random_stream r;
	struct datagram d;

	random_init(&r, 4, "datagram");
	for (uint8_t hops = 0; hops < 2; hops++) {
		struct buf *b = wrapped(_i, &r, 10), *before;

		b->data[_i ? 7 : 8] = hops;
		before = buf_clone(b);
		ck_assert(datagram_parse(&d, b->data, b->len));
		ck_assert(!datagram_relay(&d, b->data, &from, &to));
		ck_assert_mem_eq(b->data, before->data, b->len);
		buf_free(before);
		buf_free(b);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("datagram");
	TCase *c = tcase_create("datagram");

	suite_add_tcase(suite, c);
	tcase_add_loop_test(c, wrap_and_parse, 0, 2);
	tcase_add_loop_test(c, cut_short, 0, 2);
	tcase_add_loop_test(c, relay, 0, 2);
	tcase_add_loop_test(c, hops_end, 0, 2);
	return unit_run(suite);
}
