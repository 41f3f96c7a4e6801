/* SPDX-License-Identifier: BSD-3-Clause */
/* The blob's format: what goes in comes out, and nothing else is taken for a blob. */
#include "base/cursor.h"
#include "base/err.h"
#include "base/random.h"
#include "lb/blob.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct random_stream rng;

/* Where the values of blob_fields stand, in its order. */
#define AT_HANDOFF(type, member, unit) offsetof(struct blob_mapping, member),
#define AT_SOCKET(type, member, unit)  offsetof(struct conn_socket, member),
#define AT_TCP(type, member, unit)     offsetof(struct conn_tcp, member),
#define AT_IP(type, member, unit)      offsetof(struct conn_ip, member),
#define AT_QUEUE(type, member, unit)   offsetof(struct conn_state, member),
#define AT_SEGMENT(type, member, unit) offsetof(struct conn_segment, member),
/* clang-format off */
static const size_t field_offsets[] = {
	BLOB_HANDOFF_FIELDS(AT_HANDOFF)
	BLOB_SOCKET_FIELDS(AT_SOCKET)
	BLOB_TCP_FIELDS(AT_TCP)
	BLOB_IP_FIELDS(AT_IP)
	BLOB_QUEUE_FIELDS(AT_QUEUE)
	BLOB_SEGMENT_FIELDS(AT_SEGMENT)
};
/* clang-format on */

/* Where a field's value stands: in the mapping, in the state's layers, or in a segment. */
static void *field_at(const struct blob_field *f, struct blob_mapping *m, struct conn_state *s, size_t segment)
{
	void *base = s;

	switch (f->section) {
	case BLOB_HANDOFF:
		base = m;
		break;
	case BLOB_SOCKET:
		base = &s->socket;
		break;
	case BLOB_TCP:
		base = &s->tcp;
		break;
	case BLOB_IP:
		base = &s->ip;
		break;
	case BLOB_SEGMENTS:
		if (f->per_segment)
			base = &s->segments[segment];
		break;
	case BLOB_DATA:
	case BLOB_APP:
		break;
	}
	return (uint8_t *)base + field_offsets[f - blob_fields];
}

static uint64_t load_field(const struct blob_field *f, const void *p)
{
	uint64_t v = 0;

	switch (f->type) {
	case BLOB_U8:
		return *(const uint8_t *)p;
	case BLOB_U16:
		return *(const uint16_t *)p;
	case BLOB_U32:
		return *(const uint32_t *)p;
	case BLOB_U64:
		return *(const uint64_t *)p;
	case BLOB_I32:
		return (uint64_t)(int64_t) * (const int32_t *)p;
	case BLOB_I64:
		return (uint64_t) * (const int64_t *)p;
	case BLOB_COUNT:
		return *(const size_t *)p;
	case BLOB_ADDR:
		for (size_t i = 0; i < sizeof(struct addr); i++)
			v = v * 257 + ((const uint8_t *)p)[i];
		return v;
	}
	return 0;
}

static void random_field(const struct blob_field *f, void *p)
{
	const uint64_t v = random_u64(&rng);

	switch (f->type) {
	case BLOB_U8:
		*(uint8_t *)p = (uint8_t)v;
		break;
	case BLOB_U16:
		*(uint16_t *)p = (uint16_t)v;
		break;
	case BLOB_U32:
		*(uint32_t *)p = (uint32_t)v;
		break;
	case BLOB_U64:
		*(uint64_t *)p = v;
		break;
	case BLOB_I32:
		*(int32_t *)p = (int32_t)v;
		break;
	case BLOB_I64:
		*(int64_t *)p = (int64_t)v;
		break;
	case BLOB_COUNT:
	case BLOB_ADDR:
		break;
	}
}

/* A state with every field drawn at random; the format does not judge their sense. */
static void random_state(struct blob_mapping *m, struct conn_state *s, bool v6)
{
	const size_t count = (size_t)random_below(&rng, 12);
	const uint32_t unread = (uint32_t)random_below(&rng, 300);

	conn_state_clear(s);
	memset(m, 0, sizeof(*m));
	random_bytes(&rng, vec_append(&s->data, NULL, unread), unread);
	for (size_t i = 0; i < count; i++) {
		const uint16_t len = (uint16_t)random_below(&rng, 100);
		uint8_t *room = conn_state_segment_add(s, 0, len, 0);
		random_bytes(&rng, room, len);
		if (i % 3 == 0)
			s->unacked_count++;
		else if (i % 3 == 1)
			s->unsent_count++;
		else
			s->ooseq_count++;
	}
	for (size_t i = 0; i < blob_field_count; i++) {
		const struct blob_field *f = &blob_fields[i];
		if (f->per_segment && strcmp(f->name, "len") != 0)
			for (size_t g = 0; g < count; g++)
				random_field(f, field_at(f, m, s, g));
		else if (!f->per_segment)
			random_field(f, field_at(f, m, s, 0));
	}
	s->socket.unread = unread;
	m->flow |= 0x00010001;
	s->ip.local = v6 ? addr_from_bytes(6, (const uint8_t *)"0123456789abcdef") : addr_v4(random_u32(&rng));
	s->ip.remote = v6 ? addr_from_bytes(6, (const uint8_t *)"fedcba9876543210") : addr_v4(random_u32(&rng));
}

static void assert_same(const struct blob_mapping *ma, struct conn_state *a, const struct blob_mapping *mb,
			struct conn_state *b)
{
	struct blob_mapping m1 = *ma, m2 = *mb;

	for (size_t i = 0; i < blob_field_count; i++) {
		const struct blob_field *f = &blob_fields[i];
		const size_t n = f->per_segment ? conn_segment_count(a) : 1;
		for (size_t g = 0; g < n; g++)
			if (load_field(f, field_at(f, &m1, a, g)) != load_field(f, field_at(f, &m2, b, g)))
				ck_abort_msg("%s of section %d differs", f->name, (int)f->section);
	}
	for (size_t g = 0; g < conn_segment_count(a); g++)
		ck_assert_uint_eq(a->segments[g].offset, b->segments[g].offset);
	ck_assert_uint_eq(a->data.len, b->data.len);
	ck_assert(a->data.len == 0 || !memcmp(a->data.data, b->data.data, a->data.len));
}

START_TEST(round_trip)
{
	struct conn_state s = {0}, t = {0};
	struct vec blob = {0}, again = {0};
	struct blob_mapping m, n;
	const char *why;

	for (int i = 0; i < 500; i++) {
		random_state(&m, &s, i & 1);
		ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
		ck_assert_int_eq(blob_decode(blob.data, blob.len, &n, &t, &why), 0);
		assert_same(&m, &s, &n, &t);
		ck_assert(addr_equal(&n.tuple.remote, &s.ip.remote));
		ck_assert_uint_eq(n.tuple.local_port, s.tcp.local_port);
		ck_assert_int_eq(blob_encode(&again, &n, &t), 0);
		ck_assert_uint_eq(again.len, blob.len);
		ck_assert_int_eq(memcmp(again.data, blob.data, blob.len), 0);
	}
	vec_fini(&blob);
	vec_fini(&again);
	conn_state_fini(&s);
	conn_state_fini(&t);
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	struct conn_state s = {0}, t = {0};
	struct vec blob = {0};
	struct blob_mapping m, n;
	struct blob_item item;
	struct blob_walk w;

	random_state(&m, &s, false);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
	for (size_t len = 0; len < blob.len; len++) {
		uint8_t *copy = malloc(len ? len : 1); /* so that a sanitizer sees a read behind the end */
		const char *why = NULL;
		ck_assert_ptr_nonnull(copy);
		memcpy(copy, blob.data, len);
		ck_assert_int_lt(blob_decode(copy, len, &n, &t, &why), 0);
		ck_assert_ptr_nonnull(why);
		ck_assert_uint_eq(conn_segment_count(&t), 0);
		for (blob_walk_init(&w, copy, len); blob_walk_next(&w, &item);)
			ck_assert_ptr_nonnull(item.text);
		free(copy);
	}
	vec_fini(&blob);
	conn_state_fini(&s);
	conn_state_fini(&t);
}
END_TEST

/* A flipped bit is either refused or a different state: encoded again it gives the bytes with the bit flipped. */
START_TEST(every_bit_flip_is_refused_or_kept)
{
	struct conn_state s = {0}, t = {0};
	struct vec blob = {0}, again = {0};
	struct blob_mapping m, n;
	struct blob_item item;
	struct blob_walk w;
	size_t refused = 0, kept = 0;

	for (int round = 0; round < 4; round++) {
		random_state(&m, &s, round & 1);
		ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
		for (size_t bit = 0; bit < blob.len * 8; bit++) {
			const char *why = NULL;
			blob.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
			if (blob_decode(blob.data, blob.len, &n, &t, &why)) {
				ck_assert_ptr_nonnull(why);
				refused++;
			} else {
				ck_assert_int_eq(blob_encode(&again, &n, &t), 0);
				ck_assert_uint_eq(again.len, blob.len);
				ck_assert_int_eq(memcmp(again.data, blob.data, blob.len), 0);
				kept++;
			}
			for (blob_walk_init(&w, blob.data, blob.len); blob_walk_next(&w, &item);)
				;
			blob.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
	}
	ck_assert_uint_gt(refused, 1000);
	ck_assert_uint_gt(kept, 1000);
	vec_fini(&blob);
	vec_fini(&again);
	conn_state_fini(&s);
	conn_state_fini(&t);
}
END_TEST

/* Appends a section behind the last one and corrects the header. */
static void add_section(struct vec *blob, uint16_t type, const void *p, uint32_t len)
{
	uint8_t *at = vec_append(blob, NULL, BLOB_SECTION_LEN);

	store_be16(at, type);
	store_be32(at + 2, len);
	vec_append(blob, p, len);
	store_be16(blob->data + 6, (uint16_t)(load_be16(blob->data + 6) + 1));
	store_be32(blob->data + 8, (uint32_t)blob->len);
}

/* Where the n-th section begins. */
static size_t section_at(const struct vec *blob, unsigned n)
{
	size_t at = BLOB_HEADER_LEN;

	while (n--)
		at += BLOB_SECTION_LEN + load_be32(blob->data + at + 2);
	return at;
}

static int decode(const struct vec *blob, const char **why)
{
	struct conn_state t = {0};
	struct blob_mapping n;
	int err = blob_decode(blob->data, blob->len, &n, &t, why);

	conn_state_fini(&t);
	return err;
}

START_TEST(sections)
{
	struct conn_state s = {0};
	struct vec blob = {0}, bad = {0};
	struct blob_mapping m;
	const char *why = NULL;

	random_state(&m, &s, false);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);

	/* an unknown section is skipped, wherever it stands, one that must be understood is not */
	vec_append(&bad, blob.data, blob.len);
	add_section(&bad, 0x0123, "SACK", 4);
	ck_assert_int_eq(decode(&bad, &why), 0);
	add_section(&bad, 0x0123, "", 0);
	ck_assert_int_eq(decode(&bad, &why), 0);
	add_section(&bad, BLOB_MUST | 7, "TS", 2);
	ck_assert_int_eq(decode(&bad, &why), E_UNSUPPORTED);

	for (unsigned n = 0; n < 6; n++) {
		const size_t at = section_at(&blob, n);
		const uint32_t len = load_be32(blob.data + at + 2);
		const uint16_t type = load_be16(blob.data + at);

		/* twice */
		vec_clear(&bad);
		vec_append(&bad, blob.data, blob.len);
		add_section(&bad, type, blob.data + at + BLOB_SECTION_LEN, len);
		ck_assert_int_eq(decode(&bad, &why), E_FORMAT);
		ck_assert_str_eq(why, "a section is there twice");

		/* missing: it is renamed */
		vec_clear(&bad);
		vec_append(&bad, blob.data, blob.len);
		store_be16(bad.data + at, 0x0777);
		ck_assert_int_eq(decode(&bad, &why), E_FORMAT);
		ck_assert_str_eq(why, "a section is missing");

		/* a byte longer */
		vec_clear(&bad);
		vec_append(&bad, blob.data, at + BLOB_SECTION_LEN + len);
		vec_append(&bad, "", 1);
		vec_append(&bad, blob.data + at + BLOB_SECTION_LEN + len, blob.len - at - BLOB_SECTION_LEN - len);
		store_be32(bad.data + at + 2, len + 1);
		store_be32(bad.data + 8, (uint32_t)bad.len);
		ck_assert_int_eq(decode(&bad, &why), E_FORMAT);

		/* moved to the end */
		vec_clear(&bad);
		vec_append(&bad, blob.data, at);
		vec_append(&bad, blob.data + at + BLOB_SECTION_LEN + len, blob.len - at - BLOB_SECTION_LEN - len);
		store_be16(bad.data + 6, 5);
		add_section(&bad, type, blob.data + at + BLOB_SECTION_LEN, len);
		ck_assert_int_eq(decode(&bad, &why), 0);
	}

	/* too many */
	vec_clear(&bad);
	vec_append(&bad, blob.data, blob.len);
	for (unsigned i = 0; i < BLOB_SECTIONS_MAX; i++)
		add_section(&bad, 0x0123, "", 0);
	ck_assert_int_eq(decode(&bad, &why), E_TOOBIG);

	/* bytes behind the end */
	vec_clear(&bad);
	vec_append(&bad, blob.data, blob.len);
	vec_append(&bad, "x", 1);
	ck_assert_int_eq(decode(&bad, &why), E_FORMAT);
	store_be32(bad.data + 8, (uint32_t)bad.len);
	ck_assert_int_eq(decode(&bad, &why), E_FORMAT);
	ck_assert_str_eq(why, "bytes behind the last section");
	vec_fini(&blob);
	vec_fini(&bad);
	conn_state_fini(&s);
}
END_TEST

/* The application's state: there when an application had the connection, within its bound, once. */
START_TEST(application)
{
	struct conn_state s = {0}, t = {0};
	struct vec blob = {0}, bad = {0};
	struct blob_mapping m, n;
	const char *why = NULL;

	random_state(&m, &s, false);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
	vec_append(&bad, blob.data, blob.len);
	add_section(&bad, BLOB_APP, "", 0);
	ck_assert_int_eq(decode(&bad, &why), E_FORMAT);
	while (s.app.len < CONN_APP_MAX)
		vec_append(&s.app, "how it goes on! ", 16);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
	ck_assert_int_eq(blob_decode(blob.data, blob.len, &n, &t, &why), 0);
	ck_assert_uint_eq(t.app.len, CONN_APP_MAX);
	ck_assert_mem_eq(t.app.data, s.app.data, CONN_APP_MAX);
	assert_same(&m, &s, &n, &t);
	vec_clear(&bad);
	vec_append(&bad, blob.data, blob.len);
	add_section(&bad, BLOB_APP, "x", 1);
	ck_assert_int_eq(decode(&bad, &why), E_FORMAT);
	ck_assert_str_eq(why, "a section is there twice");
	vec_append(&s.app, "x", 1);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), E_FULL);
	vec_clear(&bad);
	blob_encode(&bad, &m, &(struct conn_state){.ip = s.ip});
	add_section(&bad, BLOB_APP, s.app.data, (uint32_t)s.app.len);
	ck_assert_int_eq(decode(&bad, &why), E_TOOBIG);
	vec_fini(&blob);
	vec_fini(&bad);
	conn_state_fini(&s);
	conn_state_fini(&t);
}
END_TEST

START_TEST(values)
{
	struct conn_state s = {0};
	struct vec blob = {0};
	struct blob_mapping m;
	const char *why = NULL;

	random_state(&m, &s, false);
	m.flow = 0x00010000;
	ck_assert_int_eq(blob_encode(&blob, &m, &s), E_INVAL);
	m.flow = 0x00000001;
	ck_assert_int_eq(blob_encode(&blob, &m, &s), E_INVAL);
	m.flow = 0x00010001;
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
	store_be32(blob.data + section_at(&blob, 0) + BLOB_SECTION_LEN, 0x80000000);
	ck_assert_int_eq(decode(&blob, &why), E_FORMAT);
	store_be32(blob.data + section_at(&blob, 0) + BLOB_SECTION_LEN, 0x80000001);
	ck_assert_int_eq(decode(&blob, &why), 0);

	/* addresses: family, the bytes behind IPv4, one of each family */
	const size_t ip = section_at(&blob, 3) + BLOB_SECTION_LEN;
	blob.data[ip] = 5;
	ck_assert_int_eq(decode(&blob, &why), E_FORMAT);
	blob.data[ip] = 6;
	ck_assert_int_eq(decode(&blob, &why), E_FORMAT);
	blob.data[ip] = 4;
	ck_assert_int_eq(decode(&blob, &why), 0);
	blob.data[ip + 16] = 1;
	ck_assert_int_eq(decode(&blob, &why), E_FORMAT);

	/* more than the bounds */
	vec_append(&s.data, NULL, CONN_DATA_MAX);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), E_FULL);
	ck_assert_uint_eq(blob.len, 0);
	vec_fini(&blob);
	conn_state_fini(&s);
}
END_TEST

/* The walk names every field once, in the format's order, with its value. */
START_TEST(walk)
{
	struct conn_state s = {0};
	struct vec blob = {0};
	struct blob_mapping m;
	struct blob_item item;
	struct blob_walk w;
	size_t items = 0, addresses = 0, fixed = 0;
	char text[ADDR_TEXT_MAX], flow[24];

	for (size_t i = 0; i < blob_field_count; i++)
		fixed += !blob_fields[i].per_segment;
	random_state(&m, &s, true);
	s.tcp.state = CONN_FIN_WAIT_2;
	s.tcp.srtt_us = -1;
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
	snprintf(flow, sizeof(flow), "%lu", (unsigned long)m.flow);
	for (blob_walk_init(&w, blob.data, blob.len); blob_walk_next(&w, &item); items++) {
		if (!strcmp(item.name, "local") && !strcmp(item.section, "ip")) {
			ck_assert_str_eq(item.text, addr_text(&s.ip.local, text));
			addresses++;
		}
		if (!strcmp(item.name, "state"))
			ck_assert_str_eq(item.text, "FIN_WAIT_2");
		if (!strcmp(item.name, "flow"))
			ck_assert_str_eq(item.text, flow);
		if (!strcmp(item.name, "srtt_us"))
			ck_assert_str_eq(item.text, "-1");
		if (item.in_segment && !strcmp(item.name, "len"))
			ck_assert_int_eq(atoi(item.text), s.segments[item.segment].len);
		if (!strcmp(item.section, "data")) {
			ck_assert_uint_eq(item.len, s.data.len);
			ck_assert(item.len == 0 || !memcmp(item.bytes, s.data.data, item.len));
		}
	}
	ck_assert_int_eq(w.error, 0);
	ck_assert_uint_eq(addresses, 1);
	ck_assert_uint_eq(items, 4 + fixed + 3 * conn_segment_count(&s) + 1);

	/* a bad blob is walked up to where it is bad */
	blob_walk_init(&w, blob.data, section_at(&blob, 3) + BLOB_SECTION_LEN + 5);
	items = 0;
	while (blob_walk_next(&w, &item))
		items++;
	ck_assert_int_eq(w.error, E_TRUNCATED);
	ck_assert_ptr_nonnull(w.why);
	ck_assert_uint_gt(items, 30);
	ck_assert_uint_eq(w.offset, section_at(&blob, 3) + BLOB_SECTION_LEN);

	blob_walk_init(&w, (const uint8_t *)"GET / HTTP/1.1\r\n", 16);
	ck_assert(blob_walk_next(&w, &item));
	ck_assert(!blob_walk_next(&w, &item));
	ck_assert_int_eq(w.error, E_FORMAT);
	vec_fini(&blob);
	conn_state_fini(&s);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blob");
	TCase *c = tcase_create("blob");

	random_init(&rng, 1, "test_blob");
	tcase_set_timeout(c, 120);
	tcase_add_test(c, round_trip);
	tcase_add_test(c, every_truncation_is_refused);
	tcase_add_test(c, every_bit_flip_is_refused_or_kept);
	tcase_add_test(c, sections);
	tcase_add_test(c, application);
	tcase_add_test(c, values);
	tcase_add_test(c, walk);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
