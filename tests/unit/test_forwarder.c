/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarder alone: who may prepare, what it answers, and nonsense. */
#include "handoff_cluster.h"
#include "tests/lib/unit.h"

/* One message straight to a forwarder; the answers' types go to `got` (0 at the end), the last answer to *last. */
static void ask_forwarder(struct forwarder *f, uint16_t from, const struct message *m, uint8_t got[4],
			  struct message *last)
{
	uint8_t bytes[MESSAGE_LEN];
	struct outbox_message *answer;
	unsigned n = 0;

	message_encode(m, bytes);
	forwarder_message(f, from, 1, (uint8_t)m->type, bytes, sizeof bytes, 1);
	memset(got, 0, 4);
	while ((answer = outbox_get(forwarder_outbox(f)))) {
		ck_assert_uint_lt(n, 3);
		got[n++] = answer->type;
		ck_assert_int_eq(message_decode(last, answer->type, answer->bytes.data, answer->bytes.len), 0);
		outbox_message_free(answer);
	}
}

/* From the classifier to one backend, and from there to another: the entry's owner is the one that may prepare. */
START_TEST(owner_hands_on)
{
	struct forwarder *f = forwarder_new(&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel});
	struct message m = {.type = MESSAGE_PREPARE,
			    .flow = 0x00020001,
			    .generation = 5,
			    .handoff = 1,
			    .first = 2,
			    .second = 4,
			    .first_boot = 1,
			    .second_boot = 1,
			    .tuple = {.remote = addr_v4(0xc6336401),
				      .local = addr_v4(0xc6336450),
				      .remote_port = 9,
				      .local_port = 80}};
	struct message last;
	uint32_t flow;
	bool prepared;
	uint8_t got[4];

	for (uint16_t i = 2; i < DEVICES; i++) {
		struct addr_pair a = {.v4 = device_address(i)};

		if (i != 3)
			ck_assert_int_eq(forwarder_device_add(f, i, &a, i == 2), 0);
	}
	ask_forwarder(f, 2, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_PREPARED, 0}), 2);
	m.type = MESSAGE_READY;
	ask_forwarder(f, 4, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_COMMITTED, MESSAGE_COMMITTED, 0}), 3);
	ask_forwarder(f, 4, &m, got, &last); /* as often as asked */
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_COMMITTED, 0}), 2);
	m.type = MESSAGE_ABORT;
	ask_forwarder(f, 2, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_COMMITTED, 0}), 2);

	/* The classifier is not the owner any more; the owner is, but must go forward in generations. */
	m = (struct message){.type = MESSAGE_PREPARE,
			     .flow = 0x00020002,
			     .generation = 6,
			     .handoff = 2,
			     .first = 2,
			     .second = 5,
			     .first_boot = 1,
			     .second_boot = 1,
			     .tuple = m.tuple};
	ask_forwarder(f, 2, &m, got, &last);
	ck_assert_int_eq(last.reason, MESSAGE_REASON_OWNER);
	m.first = 4;
	m.flow++;
	m.generation = 5;
	ask_forwarder(f, 4, &m, got, &last);
	ck_assert_int_eq(last.reason, MESSAGE_REASON_GENERATION);
	m.flow++;
	m.generation = 7;
	ask_forwarder(f, 4, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_PREPARED, 0}), 2);
	ck_assert_uint_eq(forwarder_owner(f, &m.tuple, &flow, &prepared), 4);
	ck_assert(prepared && flow == 0x00020001);

	/* The new device restarts: the old one owns it again, under its own identifier. */
	forwarder_peer_restarted(f, 5, 2, 2);
	ck_assert_uint_eq(forwarder_outbox(f)->count, 2);
	ck_assert_uint_eq(forwarder_outbox(f)->head->type, MESSAGE_ABORTED);
	outbox_clear(forwarder_outbox(f));
	ck_assert_uint_eq(forwarder_owner(f, &m.tuple, &flow, &prepared), 4);
	ck_assert(!prepared && flow == 0x00020001);

	/* And hands it to a third; what is bounced with the first identifier finds it there. */
	m = (struct message){.type = MESSAGE_PREPARE,
			     .flow = 0x00020008,
			     .generation = 8,
			     .handoff = 3,
			     .first = 4,
			     .second = 6,
			     .first_boot = 1,
			     .second_boot = 1,
			     .tuple = m.tuple};
	ask_forwarder(f, 4, &m, got, &last);
	m.type = MESSAGE_READY;
	ask_forwarder(f, 6, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_COMMITTED, MESSAGE_COMMITTED, 0}), 3);
	{
		struct buf *b = packet_make(&m.tuple, TCP_FLAG_ACK, 1000);
		struct addr from = device_address(4);
		struct forwarder_decision d;
		struct packet p;

		packet_parse(&p, b);
		ck_assert(packet_encapsulate(&p, b, &from, &tunnel.v4, 0x00020001));
		forwarder_packets(f, &b, 1, 3, &d);
		ck_assert(d.verdict == FORWARDER_SEND && d.encapsulated && d.device == 6);
		packet_parse(&p, b);
		ck_assert_uint_eq(packet_flow(&p), 0x00020008);
		ck_assert(packet_tcp_checksum_ok(&p, b));
		buf_free(b);
	}
	forwarder_free(f);
}
END_TEST

/* A router's Packet Too Big to the VIP, about a packet of t. */
static struct buf *too_big_make(const struct tuple *t)
{
	struct buf *b = buf_alloc(128);
	uint8_t *p = b->data;

	b->len = 40 + 8 + 40 + 20;
	memset(p, 0, b->len);
	p[0] = p[48] = 0x60;
	store_be16(p + 4, (uint16_t)(b->len - 40));
	p[6] = 58;
	p[7] = p[55] = 64;
	memcpy(p + 8, (const uint8_t[16]){0x20, 0x01, 0x0d, 0xb8, [15] = 99}, 16);
	memcpy(p + 24, t->local.bytes, 16);
	p[40] = 2;
	store_be32(p + 44, 1280);
	store_be16(p + 52, 1460);
	p[54] = 6;
	memcpy(p + 56, t->local.bytes, 16);
	memcpy(p + 72, t->remote.bytes, 16);
	store_be16(p + 88, t->local_port);
	store_be16(p + 90, t->remote_port);
	return b;
}

/* Where a packet goes, which is left as it is. Frees it. */
static struct forwarder_decision decision_of(struct forwarder *f, struct buf *b)
{
	struct forwarder_decision d;
	uint8_t before[128];

	memcpy(before, b->data, b->len);
	forwarder_packets(f, &b, 1, 3, &d);
	ck_assert_mem_eq(before, b->data, b->len);
	buf_free(b);
	return d;
}

/* Packet Too Big goes, as it is, where its connection's packets go; what is not one, to the node's own stack. */
START_TEST(too_big)
{
	static const struct {
		uint32_t at;
		uint8_t flip;
	} others[] = {{40, 1}, {48, 0x20}, {54, 6 ^ 17}, {56, 1}, {71, 1}, {39, 1}};
	struct forwarder *f = forwarder_new(&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel});
	struct message m = {.type = MESSAGE_PREPARE,
			    .flow = 0x00020001,
			    .generation = 5,
			    .handoff = 1,
			    .first_boot = 1,
			    .second = 4,
			    .second_boot = 1,
			    .tuple = {.remote = {.family = 6, .bytes = {0x20, 0x01, [15] = 7}},
				      .local = {.family = 6, .bytes = {0x20, 0x01, [15] = 80}},
				      .remote_port = 9,
				      .local_port = 80}};
	struct tuple t = m.tuple;
	struct message last;
	struct forwarder_decision d;
	unsigned to[DEVICES] = {0};
	struct buf *b;
	uint8_t got[4];

	d = decision_of(f, too_big_make(&t));
	ck_assert(d.verdict == FORWARDER_DROP && d.drop == FORWARDER_DROP_NO_CLASSIFIER);
	for (uint16_t i = 2; i < DEVICES; i++) {
		struct addr_pair a = {.v4 = device_address(i), .v6 = {.family = 6, .bytes = {0xfd, [15] = (uint8_t)i}}};

		ck_assert_int_eq(forwarder_device_add(f, i, &a, i < 4), 0);
	}
	/* Nobody's yet: the classifier that its packets go to. */
	for (t.remote_port = 1; t.remote_port <= 32; t.remote_port++) {
		d = decision_of(f, too_big_make(&t));
		ck_assert(d.verdict == FORWARDER_SEND && !d.encapsulated);
		ck_assert_uint_eq(d.device, forwarder_classifier(f, &t));
		to[d.device]++;
	}
	ck_assert(to[2] && to[3]);
	ck_assert_uint_eq(forwarder_counters(f)->too_big, 32);

	t = m.tuple;
	m.first = forwarder_classifier(f, &t);
	ask_forwarder(f, m.first, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_PREPARED, 0}), 2);
	m.type = MESSAGE_READY;
	ask_forwarder(f, 4, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_COMMITTED, MESSAGE_COMMITTED, 0}), 3);
	d = decision_of(f, too_big_make(&t));
	ck_assert(d.verdict == FORWARDER_SEND && !d.encapsulated);
	ck_assert_uint_eq(d.device, 4);
	ck_assert_uint_eq(forwarder_counters(f)->too_big, 33);

	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		b = too_big_make(&t);
		b->data[others[i].at] ^= others[i].flip;
		ck_assert_int_eq(decision_of(f, b).verdict, FORWARDER_NOT_OURS);
	}
	for (uint32_t len = 40; len < 96; len++) {
		b = too_big_make(&t);
		b->len = len;
		store_be16(b->data + 4, (uint16_t)(len - 40));
		ck_assert_int_eq(decision_of(f, b).verdict, FORWARDER_NOT_OURS);
	}
	ck_assert_uint_eq(forwarder_counters(f)->too_big, 33);
	forwarder_free(f);
}
END_TEST

/* Messages of any kind about few connections, flows, generations, devices and boots, from anybody: most make no sense,
 * and whatever is made of them goes again in time. */
START_TEST(nonsense)
{
	struct forwarder *f =
		forwarder_new(&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel, .entries = 64});
	struct forwarder_holdings h;
	struct message pasts[8] = {0};
	struct random_stream r;
	nstime now = 0;

	random_init(&r, (uint64_t)_i, "nonsense");
	for (uint16_t i = 2; i < DEVICES; i++) {
		struct addr_pair a = {.v4 = device_address(i)};

		ck_assert_int_eq(forwarder_device_add(f, i, &a, i < BACKEND), 0);
	}
	for (unsigned step = 0; step < 100000; step++) {
		struct message m = {
			.type = (enum message_type)(1 + random_below(&r, MESSAGE_LAST)),
			.flow = 0x00010001 + (uint32_t)random_below(&r, 4000),
			.generation = 1 + step / 50 + (uint32_t)random_below(&r, 4),
			.handoff = random_below(&r, 2),
			.first = (uint16_t)(2 + random_below(&r, 5)),
			.second = (uint16_t)(2 + random_below(&r, 5)),
			.first_boot = 2 + step / 20000 - random_below(&r, 50) / 49,
			.second_boot = 2 + step / 20000,
			.tuple = {.remote = addr_v4(1),
				  .local = addr_v4(2),
				  .local_port = 80,
				  .remote_port = (uint16_t)(1 + random_below(&r, 5))},
		};
		struct message *past = &pasts[random_below(&r, 8)];
		uint16_t from;
		struct buf *b;
		struct addr address;
		struct forwarder_decision d;
		uint8_t bytes[MESSAGE_LEN];
		struct packet p;

		m.type = m.type == MESSAGE_BLOB ? MESSAGE_PREPARE : m.type;
		if (past->type && random_below(&r, 4)) { /* another message about the same hand-off */
			enum message_type type = m.type;

			m = *past;
			m.type = type;
		} else if (m.type == MESSAGE_PREPARE) {
			*past = m;
		}
		from = random_below(&r, 2) ? m.first : m.second;
		b = packet_make(&m.tuple, (uint8_t)random_below(&r, 32), 1);
		address = device_address(from);
		message_encode(&m, bytes);
		forwarder_message(f, from, from == m.first ? m.first_boot : m.second_boot, (uint8_t)m.type, bytes,
				  sizeof bytes, now);
		packet_parse(&p, b);
		if (random_below(&r, 2))
			packet_encapsulate(&p, b, &address, &tunnel.v4, m.flow);
		forwarder_packets(f, &b, 1, now, &d);
		buf_free(b);
		outbox_clear(forwarder_outbox(f));
		now += random_below(&r, 4) ? NSTIME_MS : random_below(&r, 5 * NSTIME_S);
		forwarder_expire(f, now);
		forwarder_holdings(f, &h);
		ck_assert_uint_le(h.entries, 5);
		ck_assert_uint_le(h.live, h.entries);
	}
	ck_assert_uint_gt(forwarder_counters(f)->prepared, 100);
	ck_assert_uint_gt(forwarder_counters(f)->committed, 10);
	while (forwarder_expiry(f) != NSTIME_NEVER) {
		now = forwarder_expiry(f);
		forwarder_expire(f, now);
		outbox_clear(forwarder_outbox(f));
	}
	forwarder_holdings(f, &h);
	ck_assert_uint_eq(h.entries + h.live + h.flows, 0);
	forwarder_free(f);
}
END_TEST

#define PAIR_DEVICES 7U
#define PAIR_FLOWS   40U

/* A message of one of the few hand-offs of this age, to both; `boot` is the first backend's. */
static void pair_message(struct forwarder *pair[2], struct random_stream *r, unsigned age, uint64_t boot, nstime now)
{
	static const enum message_type types[] = {MESSAGE_PREPARE, MESSAGE_READY, MESSAGE_ABORT, MESSAGE_CLOSED};
	uint32_t n = (uint32_t)random_below(r, PAIR_FLOWS);
	struct message m = {.type = types[random_below(r, 4)],
			    .flow = 0x00010001 + age * PAIR_FLOWS + n,
			    .generation = 1 + age * PAIR_FLOWS + n / 8,
			    .handoff = age * PAIR_FLOWS + n,
			    .first = 2,
			    .second = (uint16_t)(BACKEND + n % 3),
			    .first_boot = 1,
			    .second_boot = n % 3 ? 1 : boot,
			    .tuple = {.remote = addr_v4(1),
				      .local = addr_v4(2),
				      .remote_port = (uint16_t)(1 + n % 8),
				      .local_port = 80}};
	uint8_t bytes[MESSAGE_LEN];

	bool first = m.type == MESSAGE_PREPARE || m.type == MESSAGE_ABORT;

	message_encode(&m, bytes);
	for (unsigned k = 0; k < 2; k++) {
		forwarder_message(pair[k], first ? m.first : m.second, first ? m.first_boot : m.second_boot,
				  (uint8_t)m.type, bytes, sizeof bytes, now);
		outbox_clear(forwarder_outbox(pair[k]));
	}
}

/* Of a connection that may be mapped, bounced by a device, no TCP at all, or broken. */
static struct buf *pair_packet(struct random_stream *r, unsigned age)
{
	struct tuple t = {.remote = addr_v4(1),
			  .local = addr_v4(2),
			  .remote_port = (uint16_t)(1 + random_below(r, 9)),
			  .local_port = 80};
	struct addr from = device_address((uint16_t)(BACKEND + random_below(r, 3)));
	struct buf *b = packet_make(&t, random_below(r, 4) ? TCP_FLAG_ACK : TCP_FLAG_SYN, (uint32_t)random_u32(r));
	struct packet p;

	packet_parse(&p, b);
	if (!random_below(r, 4))
		packet_encapsulate(&p, b, &from, &tunnel.v4,
				   0x00010001 + age * PAIR_FLOWS + (uint32_t)random_below(r, PAIR_FLOWS));
	if (!random_below(r, 16))
		b->data[random_below(r, b->len)] ^= 1;
	return b;
}

/* Bursts change what later packets of the same burst meet (a SYN that reuses a closing entry, an owner that is gone):
 * whatever comes of it is what one by one brings. */
START_TEST(burst_as_one_by_one)
{
	struct forwarder *pair[2];
	struct random_stream r;
	nstime now = 0;

	random_init(&r, (uint64_t)_i, "burst");
	for (unsigned k = 0; k < 2; k++) {
		pair[k] = forwarder_new(
			&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel, .entries = 64});
		for (uint16_t i = 2; i < PAIR_DEVICES; i++)
			forwarder_device_add(pair[k], i, &(struct addr_pair){.v4 = device_address(i)}, i < BACKEND);
	}
	for (unsigned step = 0; step < 3000; step++) {
		unsigned count = (unsigned)random_below(&r, FORWARDER_BURST_MAX + 1);
		struct buf *burst[FORWARDER_BURST_MAX], *single[FORWARDER_BURST_MAX];
		struct forwarder_decision got[FORWARDER_BURST_MAX], expected;
		uint64_t boot = 1 + step / 250;

		for (unsigned n = 0; n < 4; n++)
			pair_message(pair, &r, step / 100, boot, now);
		for (unsigned n = 0; n < count; n++) {
			burst[n] = pair_packet(&r, step / 100);
			single[n] = buf_clone(burst[n]);
		}
		if (step % 250 == 249) /* its connections are lost as packets find them */
			for (unsigned k = 0; k < 2; k++)
				forwarder_peer_restarted(pair[k], BACKEND, boot + 1, now);
		forwarder_packets(pair[0], burst, count, now, got);
		for (unsigned n = 0; n < count; n++) {
			forwarder_packets(pair[1], &single[n], 1, now, &expected);
			ck_assert_int_eq(got[n].verdict, expected.verdict);
			ck_assert_uint_eq(got[n].device, expected.device);
			ck_assert_int_eq(got[n].encapsulated, expected.encapsulated);
			ck_assert_int_eq(got[n].drop, expected.drop);
			ck_assert_uint_eq(burst[n]->len, single[n]->len);
			ck_assert_mem_eq(burst[n]->data, single[n]->data, burst[n]->len);
			buf_free(burst[n]);
			buf_free(single[n]);
		}
		ck_assert_mem_eq(forwarder_counters(pair[0]), forwarder_counters(pair[1]),
				 sizeof(struct forwarder_counters));
		for (unsigned k = 0; k < 2; k++)
			outbox_clear(forwarder_outbox(pair[k]));
		now += random_below(&r, NSTIME_S);
		for (unsigned k = 0; k < 2; k++)
			forwarder_expire(pair[k], now);
	}
	ck_assert_uint_gt(forwarder_counters(pair[0])->encapsulated, 1000);
	ck_assert_uint_gt(forwarder_counters(pair[0])->bounced, 10);
	ck_assert_uint_gt(forwarder_counters(pair[0])->reused, 5);
	ck_assert_uint_gt(forwarder_counters(pair[0])->lost, 0);
	for (unsigned k = 0; k < 2; k++)
		forwarder_free(pair[k]);
}
END_TEST

static struct addr addr6(uint8_t last)
{
	return (struct addr){.family = 6, .bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = last}};
}

static struct buf *packet6_make(const struct tuple *t)
{
	struct buf *b = buf_alloc(64);
	uint8_t *p = b->data, pseudo[40] = {[35] = 20, [39] = 6};
	uint16_t sum;

	b->len = 60;
	memset(p, 0, b->len);
	p[0] = 0x60;
	p[5] = 20;
	p[6] = 6;
	memcpy(p + 8, t->remote.bytes, 16);
	memcpy(p + 24, t->local.bytes, 16);
	store_be16(p + 40, t->remote_port);
	store_be16(p + 42, t->local_port);
	p[52] = 0x50;
	p[53] = TCP_FLAG_ACK;
	memcpy(pseudo, p + 8, 32);
	sum = (uint16_t)~checksum_add(checksum_sum(pseudo, sizeof pseudo), checksum_sum(p + 40, 20));
	memcpy(p + 56, &sum, 2);
	return b;
}

/* Through forwarder and driver and back to what it was; to a device without an IPv6 address nothing is handed off. */
START_TEST(ipv6)
{
	struct addr_pair tunnel6 = {.v6 = addr6(254)}, first = {.v6 = addr6(2)}, second = {.v6 = addr6(4)};
	struct addr_pair other = {.v4 = device_address(5)};
	struct forwarder *f = forwarder_new(&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel6});
	struct driver *d =
		driver_new(&(struct driver_config){.name = "d", .seed = 1, .tunnel = tunnel6, .address = second});
	struct tuple t = {.remote = addr6(99), .local = addr6(80), .remote_port = 4000, .local_port = 80};
	struct message m = {.type = MESSAGE_PREPARE,
			    .flow = 0x00020001,
			    .generation = 1,
			    .handoff = 1,
			    .first = 2,
			    .second = 5,
			    .first_boot = 1,
			    .second_boot = 1,
			    .tuple = t};
	struct blob_mapping mapping = {
		.flow = m.flow, .generation = 1, .handoff = 1, .first = 2, .second = 4, .first_boot = 1};
	struct buf *b = packet6_make(&t), *original = buf_clone(b);
	struct endpoint_conn conn = {.tuple = t, .state = COPY_ACTIVE};
	struct conn_state state = {0}, got_state = {0};
	struct forwarder_decision decision;
	struct vec blob = {0};
	enum driver_drop drop;
	struct message last;
	const char *why;
	uint8_t got[4];

	ck_assert_int_eq(forwarder_device_add(f, 2, &first, true), 0);
	ck_assert_int_eq(forwarder_device_add(f, 4, &second, false), 0);
	ck_assert_int_eq(forwarder_device_add(f, 5, &other, false), 0);
	ask_forwarder(f, 2, &m, got, &last);
	ck_assert_int_eq(last.reason, MESSAGE_REASON_DEVICE);
	m.second = 4;
	m.generation = 2;
	m.flow++;
	mapping.flow = m.flow;
	ask_forwarder(f, 2, &m, got, &last);
	ck_assert_int_eq(got[0], MESSAGE_PREPARED);
	forwarder_packets(f, &b, 1, 1, &decision);
	ck_assert(decision.verdict == FORWARDER_SEND && decision.encapsulated && decision.device == 4);
	ck_assert_uint_eq(b->len, original->len);

	ck_assert_int_eq(fake_migrate(NULL, &conn, 4, &state, 0), 0);
	ck_assert_int_eq(blob_encode(&blob, &mapping, &state), 0);
	ck_assert_int_eq(driver_blob(d, blob.data, blob.len, &mapping, &got_state, &why, 0), 0);
	driver_flow_activate(d, m.flow, 0);
	ck_assert_int_eq(driver_packet(d, b, 1, &drop), DRIVER_DELIVER);
	ck_assert_mem_eq(b->data, original->data, original->len);
	buf_free(b);
	buf_free(original);
	vec_fini(&blob);
	conn_state_fini(&state);
	conn_state_fini(&got_state);
	driver_free(d);
	forwarder_free(f);
}
END_TEST

/* With no room to remember an ABORT it still answers, and refuses the PREPARE that it overtook. */
START_TEST(abort_without_room)
{
	struct forwarder *f =
		forwarder_new(&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel, .entries = 1});
	struct message m = {.type = MESSAGE_ABORT,
			    .first = 2,
			    .second = 4,
			    .first_boot = 1,
			    .second_boot = 1,
			    .tuple = {.remote = addr_v4(0xc6336401),
				      .local = addr_v4(0xc6336450),
				      .remote_port = 9,
				      .local_port = 80}};
	struct message last;
	uint8_t got[4];

	for (uint16_t i = 2; i < DEVICES; i++) {
		struct addr_pair a = {.v4 = device_address(i)};

		if (i != 3)
			ck_assert_int_eq(forwarder_device_add(f, i, &a, i == 2), 0);
	}
	for (uint32_t n = 1; n <= 100; n++) {
		m.flow = 0x00010000 + n;
		m.generation = n;
		m.handoff = n;
		ask_forwarder(f, 2, &m, got, &last);
		ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_ABORTED, 0}), 2);
	}
	ck_assert_uint_gt(forwarder_counters(f)->abort_full, 0);
	forwarder_expire(f, 100 * NSTIME_S); /* room again: still over */
	m.type = MESSAGE_PREPARE;
	ask_forwarder(f, 2, &m, got, &last);
	ck_assert_int_eq(got[0], MESSAGE_REFUSED);
	m.handoff = m.generation = 101;
	m.flow++;
	ask_forwarder(f, 2, &m, got, &last);
	ck_assert_mem_eq(got, ((uint8_t[]){MESSAGE_PREPARED, 0}), 2);
	forwarder_free(f);
}
END_TEST

/* In a full table an entry that is closing makes room, and a live one does not. */
START_TEST(closing_makes_room)
{
	struct forwarder *f =
		forwarder_new(&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel, .entries = 1});
	struct message m = {.first = 2,
			    .second = 4,
			    .first_boot = 1,
			    .second_boot = 1,
			    .tuple = {.remote = addr_v4(0xc6336401), .local = addr_v4(0xc6336450), .local_port = 80}};
	struct message last;
	uint8_t got[4];

	for (uint16_t i = 2; i < DEVICES; i++) {
		struct addr_pair a = {.v4 = device_address(i)};

		if (i != 3)
			ck_assert_int_eq(forwarder_device_add(f, i, &a, i == 2), 0);
	}
	for (uint16_t n = 1; n <= 3; n++) {
		m.flow = 0x00010000U + n;
		m.handoff = m.generation = n;
		m.tuple.remote_port = n;
		m.type = MESSAGE_PREPARE;
		ask_forwarder(f, 2, &m, got, &last);
		ck_assert_int_eq(got[0], n < 3 ? MESSAGE_PREPARED : MESSAGE_REFUSED);
		m.type = MESSAGE_READY;
		if (n < 3)
			ask_forwarder(f, 4, &m, got, &last);
		m.type = MESSAGE_CLOSED;
		if (n == 1)
			ask_forwarder(f, 4, &m, got, &last);
	}
	ck_assert_int_eq(last.reason, MESSAGE_REASON_TABLE_FULL);
	ck_assert_uint_eq(forwarder_counters(f)->forgotten, 1);
	forwarder_free(f);
}
END_TEST

/* The table as people see it: a page at a time, every state, when the owner got the connection. */
START_TEST(mappings_to_look_at)
{
	struct forwarder *f = forwarder_new(&(struct forwarder_config){.name = "f", .seed = 1, .tunnel = tunnel});
	struct message m = {.flow = 0x00020001,
			    .generation = 5,
			    .first = 2,
			    .second = 4,
			    .first_boot = 1,
			    .second_boot = 1,
			    .tuple = {.remote = addr_v4(0xc6336401), .local = addr_v4(0xc6336450), .local_port = 80}};
	struct forwarder_mapping seen[4], found;
	const uint16_t ports = 9;
	struct message last;
	uint32_t cursor = 0;
	uint8_t got[4];

	for (uint16_t i = 2; i < DEVICES; i++) {
		struct addr_pair a = {.v4 = device_address(i)};

		if (i != 3)
			ck_assert_int_eq(forwarder_device_add(f, i, &a, i == 2), 0);
	}
	for (uint16_t n = 0; n < ports; n++) { /* by port: committed, closing, prepared, returned */
		m.tuple.remote_port = (uint16_t)(n + 1);
		m.flow++;
		m.handoff++;
		m.type = MESSAGE_PREPARE;
		ask_forwarder(f, 2, &m, got, &last);
		m.type = n % 4 == 3 ? MESSAGE_ABORT : MESSAGE_READY;
		if (n % 4 != 2)
			ask_forwarder(f, n % 4 == 3 ? 2 : 4, &m, got, &last);
		m.type = MESSAGE_CLOSED;
		if (n % 4 == 1)
			ask_forwarder(f, 4, &m, got, &last);
	}
	for (size_t count, at = 0; cursor != FORWARDER_LOOK_END; at += count) {
		static const char *const states[] = {"committed", "closing", "prepared", "returned"};

		count = forwarder_mappings(f, &cursor, seen, 4);
		ck_assert_uint_eq(count, at < 8 ? 4 : 1);
		for (size_t i = 0; i < count; i++) {
			const size_t n = at + i;

			ck_assert_uint_eq(seen[i].tuple.remote_port, n + 1);
			ck_assert_str_eq(seen[i].state, states[n % 4]);
			ck_assert_uint_eq(seen[i].since, n % 4 < 2 ? 1 : NSTIME_NEVER);
			ck_assert_uint_eq(seen[i].device, n % 4 == 3 ? 2 : 4);
			ck_assert_uint_eq(seen[i].flow, n % 4 == 3 ? 0 : 0x00020002 + n);
		}
	}
	ck_assert_uint_eq(forwarder_live(f), 5);
	m.tuple.remote_port = 2;
	ck_assert(forwarder_mapping_find(f, &m.tuple, &found));
	ck_assert_str_eq(found.state, "closing");
	forwarder_expire(f, 60 * NSTIME_S); /* what closed is gone */
	ck_assert(!forwarder_mapping_find(f, &m.tuple, &found));
	cursor = 0;
	ck_assert_uint_eq(forwarder_mappings(f, &cursor, seen, 4), 4);
	ck_assert_uint_eq(seen[1].tuple.remote_port, 3);
	forwarder_free(f);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("forwarder");
	TCase *t = tcase_create("forwarder");

	tcase_add_test(t, owner_hands_on);
	tcase_add_test(t, too_big);
	tcase_add_test(t, abort_without_room);
	tcase_add_test(t, closing_makes_room);
	tcase_add_test(t, mappings_to_look_at);
	tcase_add_test(t, ipv6);
	tcase_add_loop_test(t, burst_as_one_by_one, 0, 3);
	tcase_add_loop_test(t, nonsense, 0, 3);
	suite_add_tcase(s, t);
	return unit_run(s);
}
