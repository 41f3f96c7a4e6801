/* SPDX-License-Identifier: BSD-3-Clause */
/* What cards do for kernels: checksums completed, large packets cut, segments joined, and headers that lie. */
#include "base/checksum.h"
#include "base/random.h"
#include "live/offload.h"
#include "stack/packet.h"
#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <check.h>
#include <string.h>

#define MSS        1000U
#define FLAG_FIN   0x01U
#define FLAG_SYN   0x02U
#define FLAG_PSH   0x08U
#define FLAG_ACK   0x10U
#define FLAG_CWR   0x80U
#define UDP_GSO    5U
#define EMITTED    300U
#define TCP_OPTION 12U /* bytes of options, as Linux has them: timestamps */

/* Segments that a cut emitted. */
struct emitted {
	struct buf *frames[EMITTED];
	unsigned count;
};

static void emit(void *context, struct buf *segment)
{
	struct emitted *e = context;

	ck_assert_uint_lt(e->count, EMITTED);
	e->frames[e->count++] = segment;
}

static void emitted_free(struct emitted *e)
{
	while (e->count)
		buf_free(e->frames[--e->count]);
}

static uint8_t text_byte(uint32_t at)
{
	return (uint8_t)(at * 7 + (at >> 8) * 13 + 1);
}

/* ---- frames, made here without the code under test ---- */

static uint32_t headers_len(bool v6, bool tcp)
{
	return 14U + (v6 ? 40U : 20U) + (tcp ? 20U + TCP_OPTION : 8U);
}

static uint16_t pseudo(const uint8_t *ip, bool v6, uint8_t protocol, uint32_t len)
{
	uint8_t bytes[40] = {0};
	unsigned addresses = v6 ? 32 : 8;

	memcpy(bytes, ip + (v6 ? 8 : 12), addresses);
	bytes[addresses + 1] = protocol;
	bytes[addresses + 2] = (uint8_t)(len >> 8);
	bytes[addresses + 3] = (uint8_t)len;
	return checksum_sum(bytes, addresses + 4);
}

static void ip_put(uint8_t *ip, bool v6, uint8_t protocol, uint32_t len, uint16_t id)
{
	uint16_t check;

	if (v6) {
		memcpy(ip, "\x60\x00\x12\x34", 4);
		packet_u16_put(ip + 4, (uint16_t)len);
		ip[6] = protocol;
		ip[7] = 60;
		memset(ip + 8, 0x20, 32);
		ip[39] = 1;
		return;
	}
	memcpy(ip, "\x45\x00", 2);
	packet_u16_put(ip + 2, (uint16_t)(20 + len));
	packet_u16_put(ip + 4, id);
	memcpy(ip + 6, "\x40\x00\x3c", 3);
	ip[9] = protocol;
	memcpy(ip + 10, "\0\0\xc6\x33\x64\x01\xc6\x33\x64\x50", 10);
	check = (uint16_t)~checksum_sum(ip, 20);
	memcpy(ip + 10, &check, 2);
}

/* A frame of `len` bytes of the stream's text from `at` on, whole: with a good checksum, or (partial) with the
 * pseudo-header's sum in its place. */
static struct buf *frame_make(bool v6, bool tcp, uint32_t at, uint32_t len, uint8_t flags, uint16_t id, bool partial)
{
	uint32_t headers = headers_len(v6, tcp), l4 = 14U + (v6 ? 40U : 20U);
	struct buf *b = buf_alloc(headers + len);
	uint8_t *l4_at = b->data + l4;
	uint16_t sum;

	memset(b->data, 0, headers);
	memcpy(b->data, "\x02\0\0\0\0\x01\x02\0\0\0\0\x02", 12);
	packet_u16_put(b->data + 12, v6 ? 0x86dd : 0x0800);
	b->len = headers + len;
	for (uint32_t i = 0; i < len; i++)
		b->data[headers + i] = text_byte(at + i);
	packet_u16_put(l4_at, 80);
	packet_u16_put(l4_at + 2, 4000);
	if (tcp) {
		uint32_t seq = htonl(0xffffff00U + at); /* (it wraps) */

		memcpy(l4_at + 4, &seq, 4);
		l4_at[12] = (20 + TCP_OPTION) << 2;
		l4_at[13] = flags;
		packet_u16_put(l4_at + 14, 501);
		memcpy(l4_at + 20, "\x01\x01\x08\x0a\x11\x22\x33\x44\x55\x66\x77\x88", TCP_OPTION);
	} else {
		packet_u16_put(l4_at + 4, (uint16_t)(b->len - l4));
	}
	ip_put(b->data + 14, v6, tcp ? 6 : 17, b->len - l4, id);
	sum = pseudo(b->data + 14, v6, tcp ? 6 : 17, b->len - l4);
	memcpy(l4_at + (tcp ? 16 : 6), &sum, 2);
	if (!partial) {
		sum = (uint16_t)~checksum_sum(l4_at, b->len - l4);
		memcpy(l4_at + (tcp ? 16 : 6), &sum, 2);
	}
	return b;
}

static struct virtio_net_hdr header_make(bool v6, bool tcp, uint16_t gso_size)
{
	return (struct virtio_net_hdr){
		.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
		.gso_type = !gso_size ? VIRTIO_NET_HDR_GSO_NONE
			    : !tcp    ? UDP_GSO
			    : v6      ? VIRTIO_NET_HDR_GSO_TCPV6
				      : VIRTIO_NET_HDR_GSO_TCPV4,
		.hdr_len = (uint16_t)headers_len(v6, tcp),
		.gso_size = gso_size,
		.csum_start = v6 ? 54 : 34,
		.csum_offset = tcp ? 16 : 6,
	};
}

static void same(const struct buf *a, const struct buf *b)
{
	ck_assert_uint_eq(a->len, b->len);
	ck_assert_mem_eq(a->data, b->data, a->len);
}

/* ---- what is read ---- */

START_TEST(checksum_left_to_the_device)
{
	bool v6 = _i & 1, tcp = _i & 2;
	struct buf *want = frame_make(v6, tcp, 0, 333, FLAG_ACK, 9, false);
	struct buf *b = frame_make(v6, tcp, 0, 333, FLAG_ACK, 9, true);
	struct virtio_net_hdr h = header_make(v6, tcp, 0);

	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_TAKEN);
	same(b, want);
	ck_assert_uint_eq(b->checksum_good, tcp);
	ck_assert_uint_eq(b->segment_bytes, 0);
	buf_free(b);
	buf_free(want);
}
END_TEST

/* Of UDP, 0 is no checksum: one that comes to that is sent in its other form (RFC 768). */
START_TEST(udp_checksum_is_never_none)
{
	struct buf *b = frame_make(false, false, 0, 2 * MSS, 0, 9, false);
	struct virtio_net_hdr h = header_make(false, false, _i ? MSS : 0);
	uint16_t sum = pseudo(b->data + 14, false, 17, _i ? 8 + MSS : 8 + 2 * MSS);
	struct emitted out = {0};

	packet_u16_put(b->data + 38, (uint16_t)(_i ? 8 + MSS : 8 + 2 * MSS));
	memset(b->data + 42, 0, 2);
	memset(b->data + 40, 0, 2);
	sum = (uint16_t)~checksum_add(sum, checksum_sum(b->data + 34, _i ? 8 + MSS : 8 + 2 * MSS));
	memcpy(b->data + 42, &sum, 2); /* text that makes all of it 0xffff */
	packet_u16_put(b->data + 38, 8 + 2 * MSS);
	sum = pseudo(b->data + 14, false, 17, 8 + 2 * MSS);
	memcpy(b->data + 40, &sum, 2);
	ck_assert_int_eq(offload_accept(b, &h, emit, &out), _i ? OFFLOAD_CUT : OFFLOAD_TAKEN);
	ck_assert_uint_eq(packet_u16((_i ? out.frames[0] : b)->data + 40), 0xffff);
	emitted_free(&out);
	if (!_i)
		buf_free(b);
}
END_TEST

/* No SYN stands for several. */
START_TEST(large_syn)
{
	struct buf *b = frame_make(false, true, 0, 3 * MSS, FLAG_SYN, 3, true);
	struct virtio_net_hdr h = header_make(false, true, MSS);

	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_WRONG);
	buf_free(b);
}
END_TEST

START_TEST(complete_checksum_left_alone)
{
	struct buf *b = frame_make(false, true, 0, 100, FLAG_ACK, 9, false), *before = buf_clone(b);
	struct virtio_net_hdr h = {0};

	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_TAKEN);
	same(b, before);
	ck_assert(!b->checksum_good); /* nobody looked */
	ck_assert(offload_checksum_check(b));
	h.flags = VIRTIO_NET_HDR_F_DATA_VALID;
	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_TAKEN);
	ck_assert(b->checksum_good);
	b->data[60] ^= 4;
	ck_assert(!offload_checksum_check(b));
	buf_free(b);
	buf_free(before);
}
END_TEST

/* A wrong sum of the pseudo-header makes a wrong checksum, which must stay one. */
START_TEST(wrong_pseudo_sum_stays_wrong)
{
	struct buf *b = frame_make(false, true, 0, 100, FLAG_ACK, 9, true);
	struct virtio_net_hdr h = header_make(false, true, 0);

	b->data[34 + 16] ^= 1;
	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_TAKEN);
	ck_assert(!b->checksum_good);
	ck_assert(!offload_checksum_check(b));
	buf_free(b);
	b = frame_make(false, true, 0, 5000, FLAG_ACK, 9, true);
	h = header_make(false, true, MSS);
	b->data[34 + 16] ^= 1;
	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_WRONG);
	buf_free(b);
}
END_TEST

/* A large packet, completed and then cut, is the segments that it stands for. */
START_TEST(large_packet_cut)
{
	static const uint32_t lens[] = {MSS + 1, 2 * MSS, 64000, 65535 - 60 - TCP_OPTION};
	bool v6 = _i & 1;
	uint32_t len = lens[_i >> 1], count = (len + MSS - 1) / MSS;
	uint8_t ends = FLAG_ACK | FLAG_PSH | FLAG_FIN;
	struct buf *b = frame_make(v6, true, 0, len, ends | FLAG_CWR, 0xfff0, true);
	struct virtio_net_hdr h = header_make(v6, true, MSS);
	struct emitted out = {0};

	h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	ck_assert_int_eq(offload_accept(b, &h, emit, &out), OFFLOAD_TAKEN);
	ck_assert_uint_eq(out.count, 0);
	ck_assert_uint_eq(b->segment_bytes, MSS);
	ck_assert(b->checksum_good && offload_checksum_check(b));
	ck_assert_uint_eq(offload_packets(b), count);
	offload_cut(b, emit, &out);
	ck_assert_uint_eq(out.count, count);
	for (uint32_t i = 0; i < count; i++) {
		bool last = i + 1 == count;
		uint8_t flags = (uint8_t)((last ? ends : FLAG_ACK) | (i ? 0 : FLAG_CWR));
		struct buf *want =
			frame_make(v6, true, i * MSS, last ? len - i * MSS : MSS, flags, (uint16_t)(0xfff0 + i), false);

		same(out.frames[i], want);
		ck_assert_uint_eq(out.frames[i]->segment_bytes, 0);
		ck_assert(out.frames[i]->checksum_good);
		buf_free(want);
	}
	emitted_free(&out);
	ck_assert_uint_eq(buf_outstanding(), 0);
}
END_TEST

/* UDP, and IPv4 with options, do not go whole. */
START_TEST(others_are_cut_at_once)
{
	struct buf *b = frame_make(_i, false, 0, 2 * MSS + 7, 0, 3, true);
	struct virtio_net_hdr h = header_make(_i, false, MSS);
	struct emitted out = {0};

	ck_assert_int_eq(offload_accept(b, &h, emit, &out), OFFLOAD_CUT);
	ck_assert_uint_eq(out.count, 3);
	for (uint32_t i = 0; i < 3; i++) {
		struct buf *want = frame_make(_i, false, i * MSS, i == 2 ? 7 : MSS, 0, (uint16_t)(3 + i), false);

		same(out.frames[i], want);
		buf_free(want);
	}
	emitted_free(&out);
}
END_TEST

START_TEST(options_are_cut_at_once)
{
	struct buf *plain = frame_make(false, true, 0, 2 * MSS, FLAG_ACK, 3, true), *b = buf_alloc(plain->len + 4);
	struct virtio_net_hdr h = header_make(false, true, MSS);
	struct emitted out = {0};
	uint8_t *ip = b->data + 14;
	uint16_t check = 0;

	memcpy(b->data, plain->data, 34);
	memset(b->data + 34, 1, 4); /* four options of nothing */
	memcpy(b->data + 38, plain->data + 34, plain->len - 34);
	b->len = plain->len + 4;
	ip[0] = 0x46;
	packet_u16_put(ip + 2, (uint16_t)(b->len - 14));
	memcpy(ip + 10, &check, 2);
	check = (uint16_t)~checksum_sum(ip, 24);
	memcpy(ip + 10, &check, 2);
	h.csum_start = 38;
	ck_assert_int_eq(offload_accept(b, &h, emit, &out), OFFLOAD_CUT);
	ck_assert_uint_eq(out.count, 2);
	for (unsigned i = 0; i < 2; i++) {
		ck_assert_uint_eq(out.frames[i]->len, 38 + 20 + TCP_OPTION + MSS);
		ck_assert_mem_eq(out.frames[i]->data + 34, "\1\1\1\1", 4);
		ck_assert_uint_eq(checksum_sum(out.frames[i]->data + 14, 24), 0xffff);
		ck_assert(offload_checksum_check(out.frames[i]));
	}
	emitted_free(&out);
	buf_free(plain);
}
END_TEST

/* Damage in a large packet is in each of its segments, never mended. */
START_TEST(damage_survives_a_cut)
{
	struct buf *b = frame_make(_i, true, 0, 3 * MSS, FLAG_ACK, 3, true);
	struct virtio_net_hdr h = header_make(_i, true, MSS);
	struct emitted out = {0};

	ck_assert_int_eq(offload_accept(b, &h, emit, &out), OFFLOAD_TAKEN);
	b->data[1700] ^= 0x10;
	b->corrupted = 1;
	offload_cut(b, emit, &out);
	ck_assert_uint_eq(out.count, 3);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert(!offload_checksum_check(out.frames[i]));
		ck_assert(!out.frames[i]->checksum_good);
		ck_assert_uint_eq(out.frames[i]->corrupted, 1);
	}
	emitted_free(&out);
}
END_TEST

START_TEST(lies)
{
	static const struct {
		const char *what;
		struct virtio_net_hdr header; /* xor-ed into a good one of a large TCP packet over IPv4 */
	} told[] = {
		{"no checksum to complete", {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM}},
		{"checksum elsewhere", {.csum_start = 34 ^ 36}},
		{"checksum far outside", {.csum_start = 0xff00}},
		{"field outside", {.csum_offset = 0xff00}},
		{"field elsewhere", {.csum_offset = 16 ^ 18}},
		{"segments of nothing", {.gso_size = MSS}},
		{"IPv6", {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 ^ VIRTIO_NET_HDR_GSO_TCPV6}},
		{"UDP", {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 ^ UDP_GSO}},
		{"fragments of UDP", {.gso_type = VIRTIO_NET_HDR_GSO_TCPV4 ^ VIRTIO_NET_HDR_GSO_UDP}},
		{"nothing known", {.gso_type = 0x40}},
	};
	const uint8_t *lie = (const uint8_t *)&told[_i].header;
	struct buf *b = frame_make(false, true, 0, 3 * MSS, FLAG_ACK, 3, true), *before = buf_clone(b);
	struct virtio_net_hdr h = header_make(false, true, MSS);
	uint8_t bytes[sizeof h];

	memcpy(bytes, &h, sizeof h);
	for (size_t i = 0; i < sizeof h; i++)
		bytes[i] ^= lie[i];
	memcpy(&h, bytes, sizeof h);
	ck_assert_msg(offload_accept(b, &h, emit, NULL) == OFFLOAD_WRONG, "%s", told[_i].what);
	same(b, before);
	buf_free(b);
	buf_free(before);
}
END_TEST

START_TEST(lies_about_one_packet)
{
	static const struct {
		uint16_t start, offset;
	} outside[] = {{0, 16}, {13, 2}, {34, 500}, {0xffff, 0xffff}, {133 + 33, 0}};
	struct buf *b = frame_make(false, true, 0, 100, FLAG_ACK, 3, true);
	struct virtio_net_hdr h = header_make(false, true, 0);

	h.csum_start = outside[_i].start;
	h.csum_offset = outside[_i].offset;
	b->len = 167;
	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_WRONG);
	buf_free(b);
}
END_TEST

/* A size that makes one packet of it. */
START_TEST(absurd_size)
{
	struct buf *b = frame_make(true, true, 0, 3 * MSS, FLAG_ACK, 3, true);
	struct virtio_net_hdr h = header_make(true, true, 0xffff);

	h.hdr_len = 0xffff; /* nobody needs it */
	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_TAKEN);
	ck_assert_uint_eq(b->segment_bytes, 0);
	ck_assert(offload_checksum_check(b));
	buf_free(b);
	/* and one that makes 253 of it */
	b = frame_make(true, true, 0, 253, FLAG_ACK, 3, true);
	h = header_make(true, true, 1);
	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_TAKEN);
	ck_assert_uint_eq(offload_packets(b), 253);
	buf_free(b);
}
END_TEST

/* Frames and headers of mutated and of random bytes: what is taken is in bounds, what is cut is whole. (The sanitizers
 * look.) */
START_TEST(enemies)
{
	struct random_stream r;

	random_init(&r, 1, "enemies");
	for (unsigned n = 0; n < 20000; n++) {
		bool v6 = random_below(&r, 2), tcp = random_below(&r, 4);
		struct buf *b = frame_make(v6, tcp, 0, (uint32_t)random_below(&r, 3000), FLAG_ACK, 3, true);
		struct virtio_net_hdr h = header_make(v6, tcp, (uint16_t)random_below(&r, 1500));
		struct emitted out = {0};

		if (h.gso_size && h.gso_size < 20)
			h.gso_size = 20;
		for (uint64_t i = random_below(&r, 4); i--;)
			b->data[random_below(&r, 100)] = (uint8_t)random_u32(&r);
		if (!random_below(&r, 3))
			((uint8_t *)&h)[random_below(&r, sizeof h)] = (uint8_t)random_u32(&r);
		if (!random_below(&r, 8))
			random_bytes(&r, &h, sizeof h);
		if (h.gso_size && h.gso_size < 12)
			h.gso_size = 12;
		if (!random_below(&r, 4))
			b->len = 14 + (uint32_t)random_below(&r, b->len - 13);
		switch (offload_accept(b, &h, emit, &out)) {
		case OFFLOAD_TAKEN:
			ck_assert_uint_lt(b->segment_bytes, b->len);
			offload_cut(b, emit, &out);
			break;
		case OFFLOAD_CUT:
			break;
		case OFFLOAD_WRONG:
			buf_free(b);
		}
		for (unsigned i = 0; i < out.count; i++)
			if (out.count > 1 && packet_u16(out.frames[i]->data + 12) == 0x0800)
				ck_assert_uint_eq(packet_u16(out.frames[i]->data + 16) + 14U, out.frames[i]->len);
		emitted_free(&out);
		ck_assert_uint_eq(buf_outstanding(), 0);
	}
}
END_TEST

/* ---- what is written ---- */

/* The frame that a kernel would get: writev's bytes. */
static struct buf *joined(struct offload_join *j)
{
	struct buf *b = buf_alloc(j->len);

	offload_join_finish(j);
	for (unsigned i = 0; i < j->count; i++) {
		uint32_t from = i ? j->headers_len : 0;

		memcpy(b->data + b->len, j->frames[i]->data + from, j->frames[i]->len - from);
		b->len += j->frames[i]->len - from;
	}
	ck_assert_uint_eq(b->len, j->len);
	return b;
}

/* Segments of random sizes, joined, taken as read, and cut again, are what they were. */
START_TEST(round_trip)
{
	struct random_stream r;
	struct emitted out = {0};

	random_init(&r, (uint64_t)_i, "round trip");
	for (unsigned n = 0; n < 300; n++) {
		bool v6 = random_below(&r, 2);
		uint32_t mss = 1 + (uint32_t)random_below(&r, 1448), count = 2 + (uint32_t)random_below(&r, 44);
		uint32_t last = 1 + (uint32_t)random_below(&r, mss), at = (uint32_t)random_below(&r, 100000);
		uint16_t id = (uint16_t)random_u32(&r);
		struct offload_join j;
		struct buf *want[64], *whole;

		for (uint32_t i = 0; i < count; i++) {
			bool end = i + 1 == count;
			uint8_t ends = (uint8_t)(random_below(&r, 2) * FLAG_PSH + random_below(&r, 2) * FLAG_FIN);
			struct buf *b = frame_make(v6, true, at + i * mss, end ? last : mss,
						   (uint8_t)(FLAG_ACK | (end ? ends : 0)), (uint16_t)(id + i), false);

			b->checksum_good = random_below(&r, 2);
			want[i] = buf_clone(b);
			if (!i)
				offload_join_begin(&j, b);
			else
				ck_assert(offload_join_add(&j, b));
		}
		whole = joined(&j);
		ck_assert_int_eq(offload_accept(whole, &j.header, emit, &out), OFFLOAD_TAKEN);
		ck_assert_uint_eq(whole->segment_bytes, mss);
		offload_cut(whole, emit, &out);
		ck_assert_uint_eq(out.count, count);
		for (uint32_t i = 0; i < count; i++) {
			same(out.frames[i], want[i]);
			buf_free(want[i]);
			buf_free(j.frames[i]);
		}
		emitted_free(&out);
	}
	ck_assert_uint_eq(buf_outstanding(), 0);
}
END_TEST

/* PSH of any is that of the last; what follows it leaves with it. */
START_TEST(pushed_as_one)
{
	struct emitted out = {0};
	struct buf *frames[3], *whole;
	struct offload_join j;

	for (uint32_t i = 0; i < 3; i++) {
		frames[i] = frame_make(false, true, i * MSS, MSS,
				       (uint8_t)(FLAG_ACK | (i == (uint32_t)_i ? FLAG_PSH : 0)), (uint16_t)i, false);
		if (i)
			ck_assert(offload_join_add(&j, frames[i]));
		else
			offload_join_begin(&j, frames[0]);
	}
	whole = joined(&j);
	ck_assert_int_eq(offload_accept(whole, &j.header, emit, &out), OFFLOAD_TAKEN);
	offload_cut(whole, emit, &out);
	for (uint32_t i = 0; i < 3; i++) {
		struct buf *want = frame_make(false, true, i * MSS, MSS, (uint8_t)(FLAG_ACK | (i == 2 ? FLAG_PSH : 0)),
					      (uint16_t)i, false);

		same(out.frames[i], want);
		buf_free(want);
		buf_free(frames[i]);
	}
	emitted_free(&out);
}
END_TEST

/* What may not be joined with the segment before it. */
struct stranger {
	const char *what;
	uint32_t at, len;
	unsigned offset; /* of a byte that differs; 0: none */
	uint8_t flags, first_flags;
	uint16_t id;
	bool checksum_bad; /* the byte differs after the checksum was made */
	uint32_t corrupted;
	bool alone;
};

static const struct stranger strangers[] = {
	{"nothing strange", MSS, MSS, 0, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"a gap", MSS + 1, MSS, 0, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"the same again", 0, MSS, 0, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"longer", MSS, MSS + 1, 0, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"empty", MSS, 0, 0, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another identifier", MSS, MSS, 0, FLAG_ACK, FLAG_ACK, 5, false, 0, false},
	{"SYN", MSS, MSS, 0, FLAG_ACK | FLAG_SYN, FLAG_ACK, 4, false, 0, false},
	{"CWR", MSS, MSS, 0, FLAG_ACK | FLAG_CWR, FLAG_ACK, 4, false, 0, false},
	{"after FIN", MSS, MSS, 0, FLAG_ACK, FLAG_ACK | FLAG_FIN, 4, false, 0, false},
	{"another card", MSS, MSS, 5, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another traffic class", MSS, MSS, 15, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another time to live", MSS, MSS, 22, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another source", MSS, MSS, 29, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another port", MSS, MSS, 37, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another acknowledgement", MSS, MSS, 45, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another window", MSS, MSS, 49, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"another time", MSS, MSS, 60, FLAG_ACK, FLAG_ACK, 4, false, 0, false},
	{"a bad checksum", MSS, MSS, 400, FLAG_ACK, FLAG_ACK, 4, true, 0, false},
	{"a bad checksum of IPv4", MSS, MSS, 25, FLAG_ACK, FLAG_ACK, 4, true, 0, false},
	{"damage by a link", MSS, MSS, 0, FLAG_ACK, FLAG_ACK, 4, false, 77, false},
	{"one that is to stay alone", MSS, MSS, 0, FLAG_ACK, FLAG_ACK, 4, false, 0, true},
};

/* Makes both checksums of an IPv4 frame good again. */
static void checksums_mend(struct buf *b)
{
	uint16_t sum = 0;

	memcpy(b->data + 24, &sum, 2);
	sum = (uint16_t)~checksum_sum(b->data + 14, 20);
	memcpy(b->data + 24, &sum, 2);
	sum = pseudo(b->data + 14, false, 6, b->len - 34);
	memcpy(b->data + 50, &sum, 2);
	sum = (uint16_t)~checksum_sum(b->data + 34, b->len - 34);
	memcpy(b->data + 50, &sum, 2);
}

START_TEST(stranger_is_not_joined)
{
	const struct stranger *s = &strangers[_i];
	struct buf *first = frame_make(false, true, 0, MSS, s->first_flags, 3, false), *next, *before;
	struct offload_join j;

	next = frame_make(false, true, s->at, s->len, s->flags, s->id, false);
	if (s->offset) {
		next->data[s->offset] ^= 2;
		if (!s->checksum_bad)
			checksums_mend(next);
	}
	next->corrupted = s->corrupted;
	next->alone = s->alone;
	before = buf_clone(first);
	offload_join_begin(&j, first);
	ck_assert_msg(offload_join_add(&j, next) == !_i, "%s", s->what);
	if (_i) {
		offload_join_finish(&j);
		same(first, before);
		ck_assert_uint_eq(j.header.flags | j.header.gso_type | j.header.gso_size, 0);
	}
	buf_free(first);
	buf_free(next);
	buf_free(before);
}
END_TEST

/* The first of a would-be frame is looked at too. */
START_TEST(damaged_first_is_not_joined)
{
	struct buf *first = frame_make(false, true, 0, MSS, FLAG_ACK, 3, false), *before;
	struct buf *next = frame_make(false, true, MSS, MSS, FLAG_ACK, 4, false);
	struct offload_join j;

	first->data[500] ^= 1;
	first->corrupted = _i ? 9 : 0;
	first->checksum_good = _i; /* (as far as the sender goes) */
	before = buf_clone(first);
	offload_join_begin(&j, first);
	ck_assert(!offload_join_add(&j, next));
	offload_join_finish(&j);
	same(first, before);
	ck_assert_uint_eq(j.header.flags, 0);
	buf_free(first);
	buf_free(next);
	buf_free(before);
}
END_TEST

/* No frame is longer than an IP packet can be, or of more pieces than writev is given. */
START_TEST(joined_only_so_far)
{
	uint32_t len = _i ? 10 : 1448, count = 0;
	struct buf *frames[100];
	struct offload_join j;

	for (; count < 100; count++) {
		frames[count] = frame_make(false, true, count * len, len, FLAG_ACK, (uint16_t)count, false);
		if (!count)
			offload_join_begin(&j, frames[0]);
		else if (!offload_join_add(&j, frames[count]))
			break;
	}
	ck_assert_uint_eq(count, _i ? OFFLOAD_JOIN_MAX : (65535 - 20 - 20 - TCP_OPTION) / 1448);
	ck_assert_uint_eq(j.count, count);
	for (uint32_t i = 0; i <= count; i++)
		buf_free(frames[i]);
}
END_TEST

/* A large packet that goes out as it came in. */
START_TEST(large_packet_passes)
{
	struct buf *b = frame_make(_i, true, 0, 5 * MSS, FLAG_ACK | FLAG_CWR, 3, true), *before = buf_clone(b);
	struct virtio_net_hdr h = header_make(_i, true, MSS);
	struct offload_join j;

	h.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	ck_assert_int_eq(offload_accept(b, &h, emit, NULL), OFFLOAD_TAKEN);
	offload_join_begin(&j, b);
	offload_join_finish(&j);
	same(b, before);
	ck_assert_uint_eq(j.len, b->len);
	ck_assert_mem_eq(&j.header, &h, sizeof h);
	buf_free(b);
	buf_free(before);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("offload");
	TCase *all = tcase_create("offload");

	tcase_add_loop_test(all, checksum_left_to_the_device, 0, 4);
	tcase_add_loop_test(all, udp_checksum_is_never_none, 0, 2);
	tcase_add_test(all, complete_checksum_left_alone);
	tcase_add_test(all, large_syn);
	tcase_add_test(all, wrong_pseudo_sum_stays_wrong);
	tcase_add_loop_test(all, large_packet_cut, 0, 8);
	tcase_add_loop_test(all, others_are_cut_at_once, 0, 2);
	tcase_add_test(all, options_are_cut_at_once);
	tcase_add_loop_test(all, damage_survives_a_cut, 0, 2);
	tcase_add_loop_test(all, lies, 0, 10);
	tcase_add_loop_test(all, lies_about_one_packet, 0, 5);
	tcase_add_test(all, absurd_size);
	tcase_add_test(all, enemies);
	tcase_add_loop_test(all, round_trip, 0, 4);
	tcase_add_loop_test(all, pushed_as_one, 0, 3);
	tcase_add_loop_test(all, stranger_is_not_joined, 0, (int)(sizeof strangers / sizeof strangers[0]));
	tcase_add_loop_test(all, damaged_first_is_not_joined, 0, 2);
	tcase_add_loop_test(all, joined_only_so_far, 0, 2);
	tcase_add_loop_test(all, large_packet_passes, 0, 2);
	tcase_set_timeout(all, 120);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
