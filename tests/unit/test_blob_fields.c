/* SPDX-License-Identifier: BSD-3-Clause */
/* Every field of the blob matters: each is changed in turn, in the blob's bytes, and either the blob is refused or the
 * connection behaves otherwise. A field whose change nothing here can tell is a defect, of the field or of this test.
 *
 * A connection is infused from a base state and taken through a battery of probes: a scripted peer that acknowledges,
 * repeats itself, closes and opens its window, sends in and out of order, and an application that reads, writes and
 * closes. All that comes out of the stack, packets with their times and what the socket says, makes a digest. The
 * hand-off's own fields are for driver and migrator, and so is their probe. */
#include "base/err.h"
#include "lb/blob.h"
#include "lb/migrator.h"
#include "tests/lib/unit.h"
#include "tests/unit/blob_fields_probes.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define START (1000 * NSTIME_S)

static const struct endpoint_ops *const ops = &stack_endpoint_ops;

static const struct blob_mapping mapping = {.flow = 0x12345678,
					    .generation = 5,
					    .handoff = 6,
					    .first = 1,
					    .second = 2,
					    .first_boot = 3,
					    .origin = 9,
					    .origin_boot = 10,
					    .service = 11,
					    .rule = 12};

/* Infuses the state and probes it. 0 with the digest, or why the state is refused. */
static int behaviour(const struct conn_state *state, const struct conn_state *base, size_t probe, uint64_t *digest)
{
	static const struct stack_config config = {.name = "second", .seed = 1};
	struct world w = {.now = START, .digest = 0xcbf29ce484222325U, .base = base};
	struct endpoint_conn *conn;
	struct sock *listener;
	int err;

	w.stack = stack_new(&config, w.now);
	stack_netif_add(w.stack, (struct mac){{2, 0, 0, 0, 0, 9}}, addr_v4(0x0a000009), 24);
	stack_vip_add(w.stack, addr_v4(VIP), 0, (struct addr){0});
	listener = sock_listen(w.stack, addr_v4(VIP), PORT, NULL);
	err = ops->infuse(w.stack, state, &conn, w.now);
	if (!err) {
		ops->activate(w.stack, conn, w.now);
		w.k = sock_accept(listener);
		ck_assert_ptr_nonnull(w.k);
		probes[probe](&w);
		drain(&w);
	}
	stack_free(w.stack);
	*digest = w.digest;
	return err;
}

/* ---- changing fields ---- */

static struct {
	struct conn_state state;
	struct vec blob;
	uint64_t digest[PROBES];
} prepared[BASES];

static void prepare(void)
{
	for (size_t b = 0; b < BASES; b++) {
		const char *why = "";
		uint64_t again;
		bases[b].make(&prepared[b].state);
		ck_assert_msg(conn_state_validate(&prepared[b].state, &why) == 0, "%s: %s", bases[b].name, why);
		ck_assert_int_eq(blob_encode(&prepared[b].blob, &mapping, &prepared[b].state), 0);
		for (size_t p = 0; p < PROBES; p++) {
			ck_assert_int_eq(behaviour(&prepared[b].state, &prepared[b].state, p, &prepared[b].digest[p]),
					 0);
			ck_assert_int_eq(behaviour(&prepared[b].state, &prepared[b].state, p, &again), 0);
			ck_assert_uint_eq(prepared[b].digest[p], again); /* nothing but the state decides */
		}
	}
}

static void unprepare(void)
{
	for (size_t b = 0; b < BASES; b++) {
		conn_state_fini(&prepared[b].state);
		vec_fini(&prepared[b].blob);
	}
}

enum verdict { REFUSED, SAME, OTHER };

/* Whether base b, with its blob changed, is refused, behaves the same, or otherwise. */
static enum verdict judge(size_t b, const struct vec *blob)
{
	struct conn_state changed = {0};
	enum verdict verdict = REFUSED;
	struct blob_mapping m;
	const char *why;
	uint64_t digest;

	if (!blob_decode(blob->data, blob->len, &m, &changed, &why) && !conn_state_validate(&changed, &why)) {
		verdict = SAME;
		for (size_t p = 0; p < PROBES && verdict == SAME; p++) {
			if (behaviour(&changed, &prepared[b].state, p, &digest))
				verdict = REFUSED;
			else if (digest != prepared[b].digest[p])
				verdict = OTHER;
		}
	}
	conn_state_fini(&changed);
	return verdict;
}

/* Where field `name` of `section` (of segment `segment`) stands in a blob; before a section's first one its header
 * counts in. */
static size_t find(const struct vec *blob, const char *section, const char *name, size_t segment, size_t *width)
{
	struct blob_item item;
	struct blob_walk w;
	size_t before = 0;

	for (blob_walk_init(&w, blob->data, blob->len); blob_walk_next(&w, &item); before = w.offset) {
		if (strcmp(item.section, section) || strcmp(item.name, name) ||
		    (item.in_segment && item.segment != segment))
			continue;
		*width = w.offset - before;
		return before;
	}
	return 0;
}

/* Values to try in the place of v. */
static size_t alternatives(uint64_t v, uint64_t *out)
{
	static const int64_t steps[] = {1,         -1,        2,         7,          16,         100,     -100,
					1000,      -1000,     2000,      -2000,      20000,      500000,  -500000,
					1000000,   -1000000,  1500000,   3000000,    -3000000,   6000000, 10000000,
					100000000, 200000000, -10000000, 0x40000000, -0x40000000};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		out[n++] = v + (uint64_t)steps[i];
	out[n++] = v * 2;
	out[n++] = v / 2;
	out[n++] = v / 4;
	out[n++] = 0;
	out[n++] = UINT64_MAX;
	return n;
}

#define ALTERNATIVES_MAX 64

struct tally {
	unsigned refused, same, other;
	const char *base; /* in which a change was told first */
};

static void try_value(size_t b, struct vec *blob, size_t at, size_t width, uint64_t v, struct tally *t)
{
	uint8_t old[8];

	memcpy(old, blob->data + at, width);
	for (size_t i = 0; i < width; i++)
		blob->data[at + i] = (uint8_t)(v >> 8 * (width - 1 - i));
	if (memcmp(old, blob->data + at, width) != 0) {
		switch (judge(b, blob)) {
		case REFUSED:
			t->refused++;
			break;
		case SAME:
			t->same++;
			break;
		case OTHER:
			t->other++;
			t->base = bases[b].name;
			break;
		}
	}
	memcpy(blob->data + at, old, width);
}

/* Changes the number at one place of base b in many ways, or one bit of it; stops when a change was told. */
static void try_place(size_t b, size_t at, size_t width, int bit, struct tally *t)
{
	struct vec *blob = &prepared[b].blob;
	struct reader r = reader_make(blob->data + at, width);
	uint64_t values[ALTERNATIVES_MAX], v = width <= 8 ? reader_be(&r, width) : 0;
	size_t n;

	if (bit >= 0) {
		try_value(b, blob, at, width, v ^ 1U << bit, t);
		return;
	}
	n = alternatives(v, values);
	for (size_t i = 0; i < n && !t->other; i++)
		try_value(b, blob, at, width, values[i], t);
}

/* Every byte of an address. */
static void try_address(size_t b, size_t at, struct tally *t)
{
	for (size_t i = 0; i < 17; i++)
		try_value(b, &prepared[b].blob, at + i, 1, prepared[b].blob.data[at + i] ^ 3U, t);
}

static struct tally try_field(const struct blob_field *f, const char *section, int bit)
{
	struct tally t = {0};

	for (size_t b = 0; b < BASES && !t.other; b++) {
		const size_t n = f->per_segment ? conn_segment_count(&prepared[b].state) : 1;
		for (size_t g = 0; g < n && !t.other; g++) {
			size_t width = 0, at = find(&prepared[b].blob, section, f->name, g, &width);
			const size_t real = f->type == BLOB_ADDR                           ? 17
					    : f->type == BLOB_U8                           ? 1
					    : f->type == BLOB_U16 || f->type == BLOB_COUNT ? 2
					    : f->type == BLOB_U32 || f->type == BLOB_I32   ? 4
											   : 8;
			ck_assert_uint_ge(width, real);
			at += width - real;
			if (f->type == BLOB_ADDR)
				try_address(b, at, &t);
			else
				try_place(b, at, real, bit, &t);
		}
	}
	return t;
}

static void report(const char *section, const char *name, int bit, const struct tally *t)
{
	if (getenv("BATON_TEST_VERBOSE"))
		printf("%-9s %-20s %3d  refused %4u same %4u  %s\n", section, name, bit, t->refused, t->same,
		       t->other ? t->base : "-");
}

START_TEST(every_field_matters)
{
	static const char *const sections[] = {"", "handoff", "socket", "tcp", "ip", "segments"};
	unsigned untold = 0;

	prepare();
	for (size_t i = 0; i < blob_field_count; i++) {
		const struct blob_field *f = &blob_fields[i];
		const char *section = sections[f->section];
		const bool bits = !strcmp(f->unit, "bits") && strcmp(f->name, "tos") != 0;
		const int count = !bits ? 1 : f->type == BLOB_U8 ? 8 : 16;
		if (f->section == BLOB_HANDOFF)
			continue; /* the stack does not see it: below */
		for (int bit = 0; bit < count; bit++) {
			const struct tally t = try_field(f, section, bits ? bit : -1);
			report(section, f->name, bits ? bit : -1, &t);
			if (t.other || (t.refused && !t.same))
				continue;
			fprintf(stderr, "nothing tells a change of %s.%s (bit %d): refused %u, same %u\n", section,
				f->name, bits ? bit : -1, t.refused, t.same);
			untold++;
		}
	}
	unprepare();
	ck_assert_uint_eq(untold, 0);
}
END_TEST

/* ---- the hand-off's fields: what driver and migrator do with them ---- */

#define FORWARDER      9
#define FORWARDER_BOOT 90
#define OWN_BOOT       20
#define OWN            0x0a000009U
#define TUNNEL         0x0a000008U

static int stub_infuse(void *ep, const struct conn_state *state, struct endpoint_conn **conn, nstime now)
{
	(void)state, (void)now;
	*conn = ep;
	return 0;
}

static void stub_activate(void *ep, struct endpoint_conn *conn, nstime now)
{
	(void)ep, (void)conn, (void)now;
}

static void stub_discard(void *ep, struct endpoint_conn *conn)
{
	(void)ep, (void)conn;
}

static const struct endpoint_ops stub_ops = {.infuse = stub_infuse, .activate = stub_activate, .discard = stub_discard};

/* Messages that went out. */
static void mix_outbox(struct world *w, struct migrator *m)
{
	struct outbox_message *o;

	while ((o = outbox_get(migrator_outbox(m)))) {
		mix_number(w, o->to);
		mix_number(w, o->type);
		mix(w, o->bytes.data, o->bytes.len);
		outbox_message_free(o);
	}
}

/* An encapsulated packet of the flow that the forwarder knows. */
static void mix_encapsulated(struct world *w, struct driver *d)
{
	struct buf *b = buf_alloc(40);
	uint8_t *ip = buf_push(b, 0);
	enum driver_verdict verdict;
	enum driver_drop drop;

	b->len = 40;
	memset(ip, 0, 40);
	ip[0] = 0x45;
	store_be16(ip + 2, 40);
	ip[8] = 64;
	ip[9] = 6;
	store_be32(ip + 12, TUNNEL);
	store_be32(ip + 16, OWN);
	store_be32(ip + 20, mapping.flow);
	ip[32] = 0x50;
	ip[33] = 0x10;
	verdict = driver_packet(d, b, START, &drop);
	mix_number(w, verdict);
	if (verdict == DRIVER_DELIVER)
		mix(w, b->data, b->len);
	if (verdict != DRIVER_TAKEN)
		buf_free(b);
}

/* The blob arrives from device 1 with boot id 3; the forwarder commits the hand-off that it knows. */
static uint64_t handoff_behaviour(const struct vec *blob)
{
	struct world w = {.digest = 0xcbf29ce484222325U};
	const struct driver_config dc = {
		.name = "second", .seed = 1, .address = {.v4 = addr_v4(OWN)}, .tunnel = {.v4 = addr_v4(TUNNEL)}};
	const struct migrator_config mc = {
		.name = "second", .seed = 1, .self = 2, .boot = OWN_BOOT, .forwarder = FORWARDER};
	struct message committed = {.type = MESSAGE_COMMITTED,
				    .flow = mapping.flow,
				    .generation = mapping.generation,
				    .handoff = mapping.handoff,
				    .first = mapping.first,
				    .second = mapping.second,
				    .first_boot = mapping.first_boot,
				    .second_boot = OWN_BOOT,
				    .tuple = conn_state_tuple(&prepared[0].state)};
	const struct endpoint endpoint = {&stub_ops, &committed};
	const struct blob_mapping *active;
	struct migrator_holdings held;
	uint8_t bytes[MESSAGE_LEN];
	struct driver *d = driver_new(&dc);
	struct migrator *m = migrator_new(&mc, d, &endpoint);

	migrator_peer_restarted(m, FORWARDER, FORWARDER_BOOT, START);
	migrator_message(m, mapping.first, mapping.first_boot, MESSAGE_BLOB, blob->data, blob->len, START);
	mix_outbox(&w, m);
	message_encode(&committed, bytes);
	migrator_message(m, FORWARDER, FORWARDER_BOOT, MESSAGE_COMMITTED, bytes, sizeof(bytes), START);
	mix_outbox(&w, m);
	mix_encapsulated(&w, d);
	active = migrator_active(m, &committed.tuple);
	mix_number(&w, active ? active->service : 0);
	mix_number(&w, active ? active->rule : 0);
	migrator_holdings(m, &held);
	mix_number(&w, held.held);
	mix_number(&w, held.active);
	migrator_connection_closed(m, &committed.tuple, START);
	mix_outbox(&w, m);
	migrator_free(m);
	driver_free(d);
	return w.digest;
}

/* The flow identifier, its generation, the hand-off, the devices and where it comes from: any change is refused, or
 * told to the forwarder or the origin, or the forwarder's packets and decision do not reach the connection, or whoever
 * hands it on sees it. */
START_TEST(every_handoff_field_matters)
{
	uint64_t values[ALTERNATIVES_MAX], unchanged;
	unsigned tried = 0;

	prepare();
	unchanged = handoff_behaviour(&prepared[0].blob);
	ck_assert_uint_eq(unchanged, handoff_behaviour(&prepared[0].blob));
	for (size_t i = 0; i < blob_field_count && blob_fields[i].section == BLOB_HANDOFF; i++) {
		struct vec *blob = &prepared[0].blob;
		const size_t real = blob_fields[i].type == BLOB_U16 ? 2 : blob_fields[i].type == BLOB_U32 ? 4 : 8;
		size_t width = 0, at = find(blob, "handoff", blob_fields[i].name, 0, &width) + width - real;
		struct reader r = reader_make(blob->data + at, real);
		const size_t n = alternatives(reader_be(&r, real), values);
		uint8_t old[8];
		memcpy(old, blob->data + at, real);
		for (size_t v = 0; v < n; v++) {
			for (size_t k = 0; k < real; k++)
				blob->data[at + k] = (uint8_t)(values[v] >> 8 * (real - 1 - k));
			ck_assert_msg(memcmp(old, blob->data + at, real) == 0 || handoff_behaviour(blob) != unchanged,
				      "nothing tells a change of handoff.%s", blob_fields[i].name);
			tried++;
		}
		memcpy(blob->data + at, old, real);
	}
	ck_assert_uint_gt(tried, 100);
	unprepare();
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("blob_fields");
	TCase *c = tcase_create("blob_fields");

	if (stack_library_check())
		return EXIT_FAILURE;
	tcase_set_timeout(c, 300);
	tcase_add_test(c, every_field_matters);
	tcase_add_test(c, every_handoff_field_matters);
	suite_add_tcase(suite, c);
	return unit_run(suite);
}
