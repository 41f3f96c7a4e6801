/* SPDX-License-Identifier: BSD-3-Clause */
/* lb/hello: ClientHellos whole and in pieces, over several records, good, bad, large and damaged ones. */
#include "base/random.h"
#include "lb/hello.h"
#include "node/tls.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

/* A hello out of parts, so that each part can be wrong. */
struct parts {
	uint8_t type;           /* of the handshake message; 0: ClientHello */
	const char *extensions; /* all of them, without the length before */
	size_t extensions_bytes;
	bool no_extensions;                   /* not even their length */
	size_t message_more, extensions_more; /* lengths that say too much */
	size_t ciphers, session, compressions;
	uint16_t version;
};

static void put(struct vec *v, uint64_t value, size_t bytes)
{
	while (bytes-- > 0)
		vec_append(v, &(uint8_t){(uint8_t)(value >> (8 * bytes))}, 1);
}

static void put_zeros(struct vec *v, size_t count)
{
	while (count-- > 0)
		put(v, 0, 1);
}

static struct vec message_of(const struct parts *p)
{
	struct vec body = {0}, m = {0};

	put(&body, p->version ? p->version : 0x0303, 2);
	put_zeros(&body, 32);
	put(&body, p->session, 1);
	put_zeros(&body, p->session);
	put(&body, p->ciphers ? p->ciphers : 2, 2);
	put_zeros(&body, p->ciphers ? p->ciphers : 2);
	put(&body, p->compressions ? p->compressions : 1, 1);
	put_zeros(&body, p->compressions ? p->compressions : 1);
	if (!p->no_extensions) {
		put(&body, p->extensions_bytes + p->extensions_more, 2);
		vec_append(&body, p->extensions, p->extensions_bytes);
	}
	put(&m, p->type ? p->type : 1, 1);
	put(&m, body.len + p->message_more, 3);
	vec_append(&m, body.data, body.len);
	vec_fini(&body);
	return m;
}

/* The message in records of at most `fragment` bytes. */
static struct vec records_of(const struct vec *m, size_t fragment)
{
	struct vec out = {0};

	for (size_t at = 0; at < m->len; at += fragment)
		tls_record(&out, TLS_HANDSHAKE, m->data + at, m->len - at < fragment ? m->len - at : fragment);
	return out;
}

static enum hello_result feed(struct hello *h, const uint8_t *bytes, size_t len, size_t step)
{
	enum hello_result result = HELLO_NEED_MORE;

	for (size_t at = 0; at < len; at += step)
		result = hello_input(h, bytes + at, len - at < step ? len - at : step);
	return result;
}

#define LITERAL(s) .extensions = (s), .extensions_bytes = sizeof(s) - 1

/* Extensions beside the name: GREASE (RFC 8701), an encrypted hello, an unknown one. */
#define GREASE "\x0a\x0a\0\0\x5a\x5a\0\1\0"
#define ECH    "\xfe\x0d\0\4\0\1\2\3"
#define NAME_A                                                                                                         \
	"\0\0\0\x0e\0\x0c\0\0\x09"                                                                                     \
	"A.Example"

static const struct good {
	struct parts parts;
	const char *name;
} goods[] = {
	{{LITERAL(NAME_A)}, "a.example"},
	{{LITERAL(GREASE NAME_A ECH)}, "a.example"},
	{{LITERAL(ECH GREASE)}, ""},
	{{LITERAL("")}, ""},
	{{.no_extensions = true}, ""},
	/* a name of another type before the host's */
	{{LITERAL("\0\0\0\x0a\0\x08\7\0\1x\0\0\1b")}, "b"},
	{{LITERAL("\0\0\0\6\0\4\7\0\1x")}, ""},
	{{LITERAL(NAME_A), .session = 32, .ciphers = 400, .compressions = 2, .version = 0x0301}, "a.example"},
	/* a trailing dot and an address stay as they are */
	{{LITERAL("\0\0\0\7\0\5\0\0\2a.")}, "a."},
};

START_TEST(good)
{
	struct vec m = message_of(&goods[_i].parts);
	static const size_t fragments[] = {1, 2, 3, 7, 16384};

	vec_append(&m, "\0", 1); /* what stands behind in the record is not looked at */
	for (size_t f = 0; f < sizeof fragments / sizeof *fragments; f++) {
		struct vec wire = records_of(&m, fragments[f]);

		for (size_t step = 1; step <= wire.len; step += step < 20 ? 1 : 50) {
			struct hello h;

			hello_init(&h, 0);
			ck_assert_int_eq(feed(&h, wire.data, wire.len, step), HELLO_COMPLETE);
			ck_assert_str_eq(hello_server_name(&h), goods[_i].name);
			ck_assert_str_eq(hello_reason(&h), "");
			hello_fini(&h);
		}
		vec_fini(&wire);
	}
	vec_fini(&m);
}
END_TEST

static const struct bad {
	struct parts parts;
	enum hello_alert alert;
} bads[] = {
	{{.type = 2}, HELLO_ALERT_UNEXPECTED_MESSAGE},
	{{LITERAL(""), .version = 0x0200}, HELLO_ALERT_PROTOCOL_VERSION},
	{{LITERAL(NAME_A), .extensions_more = 1}, HELLO_ALERT_DECODE_ERROR},
	{{LITERAL(NAME_A), .session = 33}, HELLO_ALERT_DECODE_ERROR},
	{{LITERAL(NAME_A), .ciphers = 3}, HELLO_ALERT_DECODE_ERROR},
	{{LITERAL("\0\0\0")}, HELLO_ALERT_DECODE_ERROR},
	{{LITERAL("\1\0\0\5abc")}, HELLO_ALERT_DECODE_ERROR},
	{{LITERAL("\0\0\0\0")}, HELLO_ALERT_DECODE_ERROR},             /* empty, as only a server's may be */
	{{LITERAL("\0\0\0\2\0\0")}, HELLO_ALERT_DECODE_ERROR},         /* a list of nothing */
	{{LITERAL("\0\0\0\5\0\3\0\0\0")}, HELLO_ALERT_DECODE_ERROR},   /* an empty name */
	{{LITERAL("\0\0\0\6\0\4\0\0\2a")}, HELLO_ALERT_DECODE_ERROR},  /* a name cut short */
	{{LITERAL("\0\0\0\7\0\4\0\0\1ab")}, HELLO_ALERT_DECODE_ERROR}, /* more than the list */
	{{LITERAL("\0\0\0\x0a\0\x08\0\0\1a\0\0\1b")}, HELLO_ALERT_ILLEGAL_PARAMETER}, /* two names */
	{{LITERAL(NAME_A NAME_A)}, HELLO_ALERT_ILLEGAL_PARAMETER},
	{{LITERAL("\0\0\0\7\0\5\0\0\2a\0")}, HELLO_ALERT_ILLEGAL_PARAMETER}, /* NUL */
	{{LITERAL("\0\0\0\7\0\5\0\0\2\xc3\xa4")}, HELLO_ALERT_ILLEGAL_PARAMETER},
	{{LITERAL("\0\0\0\7\0\5\0\0\2a ")}, HELLO_ALERT_ILLEGAL_PARAMETER},
};

START_TEST(bad)
{
	struct vec m = message_of(&bads[_i].parts), wire = records_of(&m, 50);

	for (size_t step = 1; step <= wire.len; step++) {
		struct hello h;

		hello_init(&h, 0);
		ck_assert_int_eq(feed(&h, wire.data, wire.len, step), HELLO_BAD);
		ck_assert_int_eq(hello_alert(&h), bads[_i].alert);
		ck_assert_str_ne(hello_reason(&h), "");
		hello_fini(&h);
	}
	vec_fini(&m);
	vec_fini(&wire);
}
END_TEST

/* What is no hello is told at the first byte that cannot be of one. */
START_TEST(no_hello)
{
	static const struct {
		const char *bytes;
		size_t len;
		enum hello_alert alert;
	} cases[] = {
		{"G", 1, HELLO_ALERT_UNEXPECTED_MESSAGE},
		{"\x80\x2e\1\0\2", 1, HELLO_ALERT_PROTOCOL_VERSION}, /* SSLv2 */
		{"\x15\3\1\0\2", 1, HELLO_ALERT_UNEXPECTED_MESSAGE}, /* an alert */
		{"\x17\3\3", 1, HELLO_ALERT_UNEXPECTED_MESSAGE},
		{"\x16\2", 2, HELLO_ALERT_PROTOCOL_VERSION},
		{"\x16\4", 2, HELLO_ALERT_PROTOCOL_VERSION},
		{"\x16\3\1\0\0", 5, HELLO_ALERT_DECODE_ERROR},
		{"\x16\3\1\x40\1", 5, HELLO_ALERT_RECORD_OVERFLOW},
		{"\x16\3\1\0\1\2", 6, HELLO_ALERT_UNEXPECTED_MESSAGE},
		{"\x16\3\1\0\1\1\x17", 7, HELLO_ALERT_UNEXPECTED_MESSAGE}, /* another record within */
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		const uint8_t *bytes = (const uint8_t *)cases[i].bytes;
		struct hello h;

		hello_init(&h, 0);
		if (cases[i].len > 1)
			ck_assert_int_eq(hello_input(&h, bytes, cases[i].len - 1), HELLO_NEED_MORE);
		ck_assert_int_eq(hello_input(&h, bytes + cases[i].len - 1, 1), HELLO_BAD);
		ck_assert_int_eq(hello_alert(&h), cases[i].alert);
		hello_fini(&h);
		ck_assert(cases[i].bytes[0] == 'G' || hello_begins(bytes[0]));
	}
	ck_assert(!hello_begins('G') && !hello_begins('\r') && !hello_begins('\n'));
}
END_TEST

/* The bound counts all bytes of the connection; a message that says it is longer is refused at once. */
START_TEST(bounded)
{
	struct tls_session session;
	struct vec wire = {0};
	struct hello h;

	tls_client_hello(&wire, 1, "big.example", 1, 4000, &session);
	ck_assert_uint_eq(wire.len, 4005);
	for (size_t step = 1; step <= wire.len; step += 801) {
		hello_init(&h, 4005);
		ck_assert_int_eq(feed(&h, wire.data, wire.len, step), HELLO_COMPLETE);
		hello_fini(&h);
		hello_init(&h, 4004);
		ck_assert_int_eq(feed(&h, wire.data, 9, step), HELLO_TOO_LARGE);
		ck_assert_int_eq(feed(&h, wire.data, wire.len, step), HELLO_TOO_LARGE);
		ck_assert_uint_le(h.message.len, 4004);
		hello_fini(&h);
	}
	/* the same hello in many records: their headers count */
	vec_clear(&wire);
	tls_client_hello(&wire, 1, "big.example", 1000, 4000, &session);
	ck_assert_uint_eq(wire.len, 9000);
	for (size_t step = 1; step <= wire.len; step += 801) {
		hello_init(&h, 8999);
		ck_assert_int_eq(feed(&h, wire.data, wire.len - 1, step), HELLO_NEED_MORE);
		ck_assert_int_eq(hello_input(&h, wire.data + wire.len - 1, 1), HELLO_TOO_LARGE);
		hello_fini(&h);
		hello_init(&h, 9000);
		ck_assert_int_eq(feed(&h, wire.data, wire.len, step), HELLO_COMPLETE);
		hello_fini(&h);
	}
	vec_fini(&wire);
}
END_TEST

/* Damaged hellos: whatever is made of them, it is the same in pieces. */
START_TEST(damaged)
{
	struct random_stream random;
	unsigned seen[4] = {0};

	random_init(&random, 1, "test hello");
	for (int round = 0; round < 20000; round++) {
		struct tls_session session;
		struct vec wire = {0};
		struct hello whole, pieces;
		size_t flips = (size_t)random_below(&random, 4), step = 1 + (size_t)random_below(&random, 40), len;

		tls_client_hello(&wire, (uint64_t)round, "damaged.example", 1 + (uint32_t)random_below(&random, 9), 0,
				 &session);
		for (size_t i = 0; i < flips; i++) /* half of them in the first record's headers */
			wire.data[random_below(&random, random_below(&random, 2) ? 12 : wire.len)] =
				(uint8_t)random_u32(&random);
		len = random_below(&random, 4) ? wire.len : (size_t)random_below(&random, wire.len);
		hello_init(&whole, 300);
		hello_init(&pieces, 300);
		feed(&whole, wire.data, len, len ? len : 1);
		feed(&pieces, wire.data, len, step);
		ck_assert_uint_eq(whole.result, pieces.result);
		seen[whole.result]++;
		if (whole.result == HELLO_COMPLETE)
			ck_assert_str_eq(hello_server_name(&whole), hello_server_name(&pieces));
		if (whole.result == HELLO_BAD) {
			ck_assert_int_eq(hello_alert(&whole), hello_alert(&pieces));
			ck_assert_str_eq(hello_reason(&whole), hello_reason(&pieces));
		}
		hello_fini(&whole);
		hello_fini(&pieces);
		vec_fini(&wire);
	}
	for (int i = 0; i < 4; i++)
		ck_assert_uint_gt(seen[i], 100);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("hello");
	TCase *tcase = tcase_create("hello");

	suite_add_tcase(suite, tcase);
	tcase_add_loop_test(tcase, good, 0, sizeof goods / sizeof *goods);
	tcase_add_loop_test(tcase, bad, 0, sizeof bads / sizeof *bads);
	tcase_add_test(tcase, no_hello);
	tcase_add_test(tcase, bounded);
	tcase_add_test(tcase, damaged);
	return unit_run(suite);
}
