/* SPDX-License-Identifier: BSD-3-Clause */
/* Packets as seen and rewritten by the balancer, and control messages on the wire. */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/random.h"
#include "lb/message.h"
#include "lb/packet.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 2000U

static struct random_stream rng;

static struct addr random_addr(uint8_t family)
{
	uint8_t bytes[16];

	random_bytes(&rng, bytes, sizeof bytes);
	return addr_from_bytes(family, bytes);
}

static void tcp_checksum_set(struct buf *b, uint8_t family, uint32_t l4)
{
	uint8_t pseudo[40] = {0};
	uint32_t n = family == 6 ? 32 : 8;
	uint16_t sum;

	memcpy(pseudo, b->data + (family == 6 ? 8 : 12), n);
	store_be32(pseudo + n, b->len - l4);
	pseudo[n + 7] = 6;
	memset(b->data + l4 + 16, 0, 2);
	sum = (uint16_t)~checksum_add(checksum_sum(pseudo, n + 8), checksum_sum(b->data + l4, b->len - l4));
	memcpy(b->data + l4 + 16, &sum, 2);
}

static void ip_checksum_set(struct buf *b)
{
	uint16_t sum;

	memset(b->data + 10, 0, 2);
	sum = (uint16_t)~checksum_sum(b->data, (b->data[0] & 15U) * 4U);
	memcpy(b->data + 10, &sum, 2);
}

/* A good packet of random addresses, ports, options and payload. */
static struct buf *random_packet(uint8_t family)
{
	uint32_t ip_len =
		family == 6 ? 40 + 8 * (uint32_t)random_below(&rng, 3) : 20 + 4 * (uint32_t)random_below(&rng, 5);
	uint32_t tcp_len = 20 + 4 * (uint32_t)random_below(&rng, 11);
	uint32_t payload = (uint32_t)random_below(&rng, 1400);
	struct buf *b = buf_alloc(2000);
	uint8_t *p = b->data;

	b->len = ip_len + tcp_len + payload;
	random_bytes(&rng, p, b->len);
	if (family == 4) {
		p[0] = (uint8_t)(0x40 | ip_len / 4);
		store_be16(p + 2, (uint16_t)b->len);
		store_be16(p + 6, 0x4000);
		p[9] = 6;
		ip_checksum_set(b);
	} else {
		p[0] = 0x60;
		store_be16(p + 4, (uint16_t)(b->len - 40));
		p[6] = ip_len > 40 ? 0 : 6;
		if (ip_len > 40) { /* one hop-by-hop header, padded */
			p[40] = 6;
			p[41] = (uint8_t)((ip_len - 40) / 8 - 1);
		}
	}
	p[ip_len + 12] = (uint8_t)(tcp_len / 4 << 4);
	tcp_checksum_set(b, family, ip_len);
	return b;
}

START_TEST(encapsulate_and_back)
{
	uint8_t family = _i ? 6 : 4;

	for (unsigned n = 0; n < ROUNDS; n++) {
		struct buf *b = random_packet(family);
		struct buf *original = buf_clone(b);
		struct addr source = random_addr(family), destination = random_addr(family);
		uint32_t flow = random_u32(&rng) | 0x00010001;
		struct packet p, again;
		struct tuple t;

		ck_assert_int_eq(packet_parse(&p, b), PACKET_TCP);
		ck_assert(packet_tcp_checksum_ok(&p, b));
		t = p.tuple;
		ck_assert(packet_encapsulate(&p, b, &source, &destination, flow));
		ck_assert_uint_eq(b->len, original->len); /* not one byte longer */
		ck_assert_uint_eq(load_be16(b->data + p.l4_offset), flow >> 16);
		ck_assert_uint_eq(load_be16(b->data + p.l4_offset + 2), flow & 0xffff);
		ck_assert_int_eq(packet_parse(&again, b), PACKET_TCP);
		ck_assert(packet_tcp_checksum_ok(&again, b));
		ck_assert_uint_eq(packet_flow(&again), flow);
		ck_assert(addr_equal(&again.tuple.remote, &source) && addr_equal(&again.tuple.local, &destination));
		ck_assert_uint_eq(again.seq, load_be32(original->data + p.l4_offset + 4));
		packet_rewrite(&again, b, &t);
		ck_assert_mem_eq(b->data, original->data, original->len); /* identity */
		buf_free(b);
		buf_free(original);
	}
}
END_TEST

/* A bit that was wrong before stays detectable after any number of rewritings, in the ports too. */
START_TEST(corruption_stays_detectable)
{
	uint8_t family = _i ? 6 : 4;

	for (unsigned n = 0; n < ROUNDS; n++) {
		struct buf *b = random_packet(family);
		struct addr source = random_addr(family), destination = random_addr(family);
		struct tuple t;
		struct packet p;
		uint32_t at;

		packet_parse(&p, b);
		at = p.l4_offset + (uint32_t)random_below(&rng, n % 2 ? 4 : b->len - p.l4_offset);
		if (at == p.l4_offset + 12)
			at++; /* the header's length: another packet altogether */
		b->data[at] ^= (uint8_t)(1U << random_below(&rng, 8));
		ck_assert_int_eq(packet_parse(&p, b), PACKET_TCP);
		ck_assert(!packet_tcp_checksum_ok(&p, b));
		t = p.tuple;
		ck_assert(packet_encapsulate(&p, b, &source, &destination, 0x12345678));
		ck_assert(!packet_tcp_checksum_ok(&p, b));
		packet_rewrite(&p, b, &t);
		ck_assert(!packet_tcp_checksum_ok(&p, b));
		buf_free(b);
	}
}
END_TEST

START_TEST(hostile_packets)
{
	struct packet p;

	for (unsigned n = 0; n < 20 * ROUNDS; n++) {
		struct buf *b = random_packet(n % 2 ? 4 : 6);

		for (uint64_t flips = random_below(&rng, 4); flips-- > 0;)
			b->data[random_below(&rng, 60)] ^= (uint8_t)random_u32(&rng);
		if (n % 3 == 0)
			b->len = (uint32_t)random_below(&rng, b->len + 1);
		if (n % 5 == 0 && b->len >= 20)
			ip_checksum_set(b);
		if (packet_parse(&p, b) == PACKET_TCP) {
			ck_assert_uint_le(p.payload_offset + p.payload_len, b->len);
			ck_assert_uint_ge(p.payload_offset, p.l4_offset + 20);
			packet_tcp_checksum_ok(&p, b);
			packet_rewrite(&p, b, &p.tuple);
		}
		buf_free(b);
	}
}
END_TEST

START_TEST(kinds)
{
	struct buf *b = random_packet(4);
	struct packet p;
	uint32_t len = b->len;

	b->len += 6; /* Ethernet padding */
	ck_assert_int_eq(packet_parse(&p, b), PACKET_TCP);
	ck_assert_uint_eq(b->len, len);
	store_be16(b->data + 6, 0x2000);
	ip_checksum_set(b);
	ck_assert_int_eq(packet_parse(&p, b), PACKET_FRAGMENT);
	store_be16(b->data + 6, 0x0001);
	ip_checksum_set(b);
	ck_assert_int_eq(packet_parse(&p, b), PACKET_FRAGMENT);
	store_be16(b->data + 6, 0);
	ck_assert_int_eq(packet_parse(&p, b), PACKET_MALFORMED); /* checksum */
	b->data[9] = 1;
	ip_checksum_set(b);
	ck_assert_int_eq(packet_parse(&p, b), PACKET_OTHER);
	ck_assert_uint_eq(p.tuple.local.family, 4);
	b->len = 19;
	ck_assert_int_eq(packet_parse(&p, b), PACKET_MALFORMED);
	b->len = 0;
	ck_assert_int_eq(packet_parse(&p, b), PACKET_MALFORMED);
	buf_free(b);
	b = random_packet(6);
	b->data[6] = 44;
	ck_assert_int_eq(packet_parse(&p, b), PACKET_FRAGMENT);
	b->data[6] = 43; /* routing header: the checksum counts another destination */
	ck_assert_int_eq(packet_parse(&p, b), PACKET_OTHER);
	buf_free(b);
}
END_TEST

START_TEST(other_family_is_refused)
{
	struct buf *b = random_packet(6);
	struct buf *original = buf_clone(b);
	struct addr a4 = random_addr(4), a6 = random_addr(6);
	struct packet p;

	packet_parse(&p, b);
	ck_assert(!packet_encapsulate(&p, b, &a4, &a6, 0x10001));
	ck_assert(!packet_encapsulate(&p, b, &a6, &a4, 0x10001));
	ck_assert_mem_eq(b->data, original->data, b->len);
	buf_free(b);
	buf_free(original);
}
END_TEST

static struct message random_message(void)
{
	uint8_t family = random_below(&rng, 2) ? 4 : 6;
	enum message_type type = (enum message_type)(1 + random_below(&rng, MESSAGE_LAST));

	return (struct message){
		.type = type == MESSAGE_BLOB ? MESSAGE_READY : type,
		.reason = (enum message_reason)random_below(&rng, MESSAGE_REASON_COUNT),
		.flow = random_u32(&rng) | 0x00010001,
		.generation = random_u32(&rng) | 1,
		.handoff = random_u64(&rng),
		.first = (uint16_t)(random_u32(&rng) | 1),
		.second = (uint16_t)(random_u32(&rng) | 1),
		.first_boot = random_u64(&rng) | 1,
		.second_boot = random_u64(&rng) | 1,
		.tuple = {.remote = random_addr(family),
			  .local = random_addr(family),
			  .remote_port = (uint16_t)(random_u32(&rng) | 1),
			  .local_port = (uint16_t)(random_u32(&rng) | 1)},
	};
}

START_TEST(messages)
{
	uint8_t bytes[MESSAGE_LEN + 1], again[MESSAGE_LEN];

	for (unsigned n = 0; n < ROUNDS; n++) {
		struct message m = random_message(), d;

		message_encode(&m, bytes);
		ck_assert_int_eq(message_decode(&d, (uint8_t)m.type, bytes, MESSAGE_LEN), 0);
		ck_assert(d.type == m.type && d.reason == m.reason && d.flow == m.flow);
		ck_assert(d.generation == m.generation && d.handoff == m.handoff);
		ck_assert(d.first == m.first && d.second == m.second);
		ck_assert(d.first_boot == m.first_boot && d.second_boot == m.second_boot);
		ck_assert(tuple_equal(&d.tuple, &m.tuple));
		for (size_t len = 0; len < MESSAGE_LEN; len++)
			ck_assert_int_eq(message_decode(&d, (uint8_t)m.type, bytes, len), E_TRUNCATED);
		ck_assert_int_eq(message_decode(&d, (uint8_t)m.type, bytes, MESSAGE_LEN + 1), E_FORMAT);
		ck_assert_int_eq(message_decode(&d, (uint8_t)(m.type % MESSAGE_LAST + 1), bytes, MESSAGE_LEN),
				 E_FORMAT);
		/* What decodes encodes to the same bytes: nothing is ignored. */
		bytes[random_below(&rng, MESSAGE_LEN)] ^= (uint8_t)(1U << random_below(&rng, 8));
		if (message_decode(&d, bytes[1], bytes, MESSAGE_LEN) == 0) {
			message_encode(&d, again);
			ck_assert_mem_eq(bytes, again, MESSAGE_LEN);
		}
	}
	for (int reason = 0; reason < MESSAGE_REASON_COUNT; reason++)
		ck_assert_str_ne(message_reason_text((enum message_reason)reason), "unknown");
}
END_TEST

START_TEST(zeroes_are_refused)
{
	/* Offsets of fields that must not be zero: both halves of flow, generation, devices, boots, ports. */
	static const struct {
		size_t at, len;
	} fields[] = {{4, 2}, {6, 2}, {8, 4}, {20, 2}, {22, 2}, {24, 8}, {32, 8}, {72, 2}, {74, 2}};
	uint8_t bytes[MESSAGE_LEN];

	for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
		struct message m = random_message(), d;

		message_encode(&m, bytes);
		memset(bytes + fields[i].at, 0, fields[i].len);
		ck_assert_int_eq(message_decode(&d, (uint8_t)m.type, bytes, MESSAGE_LEN), E_FORMAT);
	}
}
END_TEST

START_TEST(outbox_is_fifo)
{
	struct outbox o = {0};
	struct vec blob = {0};
	struct outbox_message *got;
	struct message m = random_message();

	vec_append(&blob, "blob", 4);
	outbox_put(&o, 7, &m, 1);
	outbox_put_blob(&o, 8, &blob, 2);
	ck_assert_ptr_null(blob.data);
	outbox_put(&o, 9, &m, 3);
	ck_assert_uint_eq(o.count, 3);
	for (uint16_t i = 0; i < 2; i++) {
		got = outbox_get(&o);
		ck_assert_uint_eq(got->to, 7 + i);
		ck_assert_uint_eq(got->tag, 1U + i);
		ck_assert_uint_eq(got->type, i ? MESSAGE_BLOB : m.type);
		ck_assert_uint_eq(got->bytes.len, i ? 4 : MESSAGE_LEN);
		outbox_message_free(got);
	}
	outbox_clear(&o);
	ck_assert_ptr_null(outbox_get(&o));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("packet");
	TCase *t = tcase_create("packet");

	random_init(&rng, 1, "test packet");
	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, encapsulate_and_back, 0, 2);
	tcase_add_loop_test(t, corruption_stays_detectable, 0, 2);
	tcase_add_test(t, hostile_packets);
	tcase_add_test(t, kinds);
	tcase_add_test(t, other_family_is_refused);
	tcase_add_test(t, messages);
	tcase_add_test(t, zeroes_are_refused);
	tcase_add_test(t, outbox_is_fifo);
	suite_add_tcase(s, t);
	return unit_run(s);
}
