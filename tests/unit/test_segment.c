/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/capture.h"
#include "sim/segment.h"

#include "base/cursor.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Steps until nothing is due by `until`. */
static void run_until(struct engine *e, nstime until)
{
	while (engine_step(e, until))
		;
}

#define NODES     4U
#define FRAME_LEN 60U
#define LOG_MAX   64U
#define BROADCAST 0xffU

static struct engine engine;
static struct segment segment;
static struct attachment *attached[NODES];

/* What was delivered: to which port, from where, when, with what number. */
static struct {
	unsigned to, from, number;
	nstime at;
} delivered[LOG_MAX];
static unsigned delivered_count;
static unsigned alone;      /* of them, not to be joined */
static bool sending;        /* inside segment_send: nothing may be delivered */
static unsigned replies;    /* how many of the coming frames each receiver answers */
static unsigned drop_count; /* packet.drop events */

static struct buf *frame_make(unsigned from, unsigned to, unsigned number)
{
	struct buf *b = buf_alloc(FRAME_LEN);

	b->len = FRAME_LEN;
	memset(b->data, 0, b->len);
	if (to == BROADCAST)
		memset(b->data, 0xff, 6);
	else
		store_be16(b->data + 4, (uint16_t)(to + 1));
	store_be16(b->data + 10, (uint16_t)(from + 1));
	store_be16(b->data + 12, 0x0800);
	b->data[14] = 0x45;
	store_be32(b->data + FRAME_LEN - 4, number);
	return b;
}

static void send(unsigned from, unsigned to, unsigned number)
{
	sending = true;
	segment_send(attached[from], frame_make(from, to, number), engine.now);
	sending = false;
}

static void deliver(void *node, unsigned port, struct buf *frame, nstime now)
{
	unsigned number = load_be32(frame->data + FRAME_LEN - 4);
	unsigned from = load_be16(frame->data + 10) - 1U;

	ck_assert_ptr_eq(node, &attached[port]);
	ck_assert(!sending);
	ck_assert_uint_eq(now, engine.now);
	ck_assert_uint_lt(delivered_count, LOG_MAX);
	delivered[delivered_count].to = port;
	delivered[delivered_count].from = from;
	delivered[delivered_count].number = number;
	delivered[delivered_count++].at = now;
	alone += frame->alone;
	buf_free(frame);
	if (replies) {
		replies--;
		send(port, from, number + 100);
	}
	ck_assert(segment_books_check(&segment));
}

static void sink_count(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
		       size_t count)
{
	(void)sink;
	(void)now;
	(void)fields;
	(void)count;
	drop_count += event == TRACE_PACKET_DROP;
}

static struct trace_sink sink = {.emit = sink_count};

static void world_make(void)
{
	struct segment_config config = {.engine = &engine, .seed = 7, .trace = &sink};
	char name[16];

	engine_init(&engine);
	segment_init(&segment, &config);
	for (unsigned i = 0; i < NODES; i++) {
		snprintf(name, sizeof name, "n%u.lan", i);
		attached[i] = segment_attach(&segment, name, &attached[i], i, deliver);
	}
	delivered_count = 0;
	drop_count = 0;
	replies = 0;
}

static void world_end(void)
{
	segment_fini(&segment);
	engine_fini(&engine);
	ck_assert_uint_eq(buf_outstanding(), 0);
}

static void set(unsigned node, unsigned directions, const struct impairments *v)
{
	ck_assert_int_eq(segment_set(attached[node], directions, v), 0);
}

static void run(void)
{
	run_until(&engine, NSTIME_NEVER);
}

START_TEST(unknown_is_flooded_known_is_not)
{
	send(0, 2, 1);
	ck_assert_uint_eq(delivered_count, 0);
	run();
	ck_assert_uint_eq(delivered_count, NODES - 1);
	for (unsigned i = 0; i < NODES - 1; i++)
		ck_assert_uint_eq(delivered[i].to, i + 1);
	send(2, 0, 2);
	run();
	ck_assert_uint_eq(delivered_count, NODES);
	ck_assert_uint_eq(delivered[NODES - 1].to, 0);
	send(0, 2, 3);
	run();
	ck_assert_uint_eq(delivered_count, NODES + 1);
	ck_assert_uint_eq(delivered[NODES].to, 2);
	ck_assert_uint_eq(segment.flooded, 1);
}
END_TEST

START_TEST(broadcast_goes_to_all_others)
{
	send(3, BROADCAST, 1);
	run();
	ck_assert_uint_eq(delivered_count, NODES - 1);
	for (unsigned i = 0; i < NODES - 1; i++)
		ck_assert_uint_eq(delivered[i].to, i);
}
END_TEST

/* An address that moves is followed; a frame for the port it came from goes nowhere. */
START_TEST(learning_follows)
{
	send(0, BROADCAST, 1);
	run();
	sending = true;
	segment_send(attached[1], frame_make(0, BROADCAST, 2), engine.now);
	sending = false;
	run();
	delivered_count = 0;
	send(2, 0, 3);
	run();
	ck_assert_uint_eq(delivered_count, 1);
	ck_assert_uint_eq(delivered[0].to, 1);
	send(1, 0, 4);
	run();
	ck_assert_uint_eq(delivered_count, 1);
	ck_assert(segment_books_check(&segment));
}
END_TEST

/* But not to a port behind which others are, when it is a node's own: before it has spoken, and after. */
START_TEST(own_addresses_stay)
{
	static const uint8_t first[6] = {0, 0, 0, 0, 0, 1}, second[6] = {0, 0, 0, 0, 0, 2};

	segment_own(attached[0], first);
	for (unsigned round = 0; round < 2; round++) {
		sending = true;
		segment_send(attached[1], frame_make(0, BROADCAST, 1), engine.now);
		sending = false;
		run();
		delivered_count = 0;
		send(1, 0, 2);
		run();
		ck_assert_uint_eq(delivered[0].to, 0);
		send(0, 1, 3);
		run();
	}
	/* One that has an address of its own is followed: it is a node that was moved. */
	segment_own(attached[1], second);
	sending = true;
	segment_send(attached[1], frame_make(0, BROADCAST, 4), engine.now);
	sending = false;
	run();
	delivered_count = 0;
	send(2, 0, 5);
	run();
	ck_assert_uint_eq(delivered_count, 1);
	ck_assert_uint_eq(delivered[0].to, 1);
}
END_TEST

/* delay: 20 ms at one end is 40 ms for a round trip; each direction can be set by itself. */
START_TEST(delays_add_up)
{
	set(0, 3, &(struct impairments){.delay_ns = 20 * NSTIME_MS});
	set(2, IMPAIR_DIRECTION_IN, &(struct impairments){.delay_ns = NSTIME_MS});
	send(0, BROADCAST, 0);
	send(2, BROADCAST, 0);
	run();
	delivered_count = 0;
	replies = 1;
	send(0, 2, 1);
	nstime start = engine.now;
	run();
	ck_assert_uint_eq(delivered_count, 2);
	ck_assert_uint_eq(delivered[0].at - start, 21 * NSTIME_MS);
	ck_assert_uint_eq(delivered[1].at - start, 41 * NSTIME_MS);
	ck_assert_uint_eq(delivered[1].number, 101);
}
END_TEST

/* Frames due at one time are delivered in the order in which they were sent, whoever sends
 * and whoever receives. */
START_TEST(ties_keep_the_order_of_sending)
{
	for (unsigned i = 0; i < NODES; i++)
		set(i, 3, &(struct impairments){.delay_ns = NSTIME_MS});
	for (unsigned i = 0; i < NODES; i++)
		send(i, BROADCAST, 0);
	run();
	delivered_count = 0;
	for (unsigned n = 0; n < 12; n++)
		send(n % 2, 2 + n / 2 % 2, n);
	run();
	ck_assert_uint_eq(delivered_count, 12);
	for (unsigned n = 0; n < 12; n++)
		ck_assert_uint_eq(delivered[n].number, n);
}
END_TEST

/* A receiver that answers within its delivery: its answer comes behind what is already on its way. */
START_TEST(answers_wait_their_turn)
{
	send(0, BROADCAST, 0);
	send(1, BROADCAST, 0);
	run();
	delivered_count = 0;
	replies = 2;
	send(0, 1, 1);
	send(0, 1, 2);
	run();
	ck_assert_uint_eq(delivered_count, 4);
	ck_assert_uint_eq(delivered[0].number, 1);
	ck_assert_uint_eq(delivered[1].number, 2);
	ck_assert_uint_eq(delivered[2].number, 101);
	ck_assert_uint_eq(delivered[3].number, 102);
}
END_TEST

START_TEST(books_count_every_traversal)
{
	struct impair_counters sum = {0};
	uint64_t in_flight = 0, missed = 0;

	set(1, IMPAIR_DIRECTION_IN, &(struct impairments){.loss_ppb = 1000000000});
	set(2, IMPAIR_DIRECTION_IN, &(struct impairments){.duplicate_ppb = 1000000000});
	set(3, IMPAIR_DIRECTION_IN, &(struct impairments){.delay_ns = NSTIME_S});
	send(0, BROADCAST, 1);
	run_until(&engine, 10);
	ck_assert_int_eq(segment_fault(attached[1], &(struct impair_fault){.directions = 3, .nth = 2}), 0);
	segment_count(&segment, &sum, &in_flight, &missed);
	ck_assert_uint_eq(missed, 1);
	ck_assert_uint_eq(sum.sent, 1 + 1 + 2 + 1);
	ck_assert_uint_eq(sum.delivered, 1 + 2);
	ck_assert_uint_eq(sum.dropped[IMPAIR_DROP_LOSS], 1);
	ck_assert_uint_eq(in_flight, 1);
	ck_assert_uint_eq(drop_count, 1);
	ck_assert(segment_books_check(&segment));
	attached[2]->in.counters.delivered++;
	ck_assert(!segment_books_check(&segment));
	attached[2]->in.counters.delivered--;
}
END_TEST

START_TEST(down_and_up)
{
	set(0, 3, &(struct impairments){.delay_ns = NSTIME_MS});
	send(0, BROADCAST, 1);
	segment_set_down(attached[0], true, engine.now);
	ck_assert_uint_eq(engine_next_at(&engine), NSTIME_NEVER);
	send(1, BROADCAST, 2);
	run();
	ck_assert_uint_eq(delivered_count, 2);
	ck_assert_uint_eq(attached[0]->out.counters.dropped[IMPAIR_DROP_DOWN], 1);
	ck_assert_uint_eq(attached[0]->in.counters.dropped[IMPAIR_DROP_DOWN], 1);
	segment_set_down(attached[0], false, engine.now);
	send(1, 0, 3);
	run();
	ck_assert_uint_eq(delivered_count, 5);
}
END_TEST

START_TEST(faults_reach_both_directions)
{
	send(0, BROADCAST, 0);
	send(1, BROADCAST, 0);
	run();
	delivered_count = 0;
	ck_assert_int_eq(segment_fault(attached[0], &(struct impair_fault){.directions = 3, .nth = 2}), 0);
	send(0, 1, 1);
	run();
	send(1, 0, 2);
	run();
	send(1, 0, 3);
	run();
	ck_assert_uint_eq(delivered_count, 2);
	ck_assert_uint_eq(delivered[1].number, 3);
	ck_assert_uint_eq(attached[0]->in.counters.dropped[IMPAIR_DROP_FAULT], 1);
}
END_TEST

/* Three of each. */
static void cut(struct buf *frame, void (*emit)(void *context, struct buf *segment), void *context)
{
	for (unsigned i = 0; i < 3; i++) {
		struct buf *b = buf_clone(frame);

		b->segment_bytes = 0;
		emit(context, b);
	}
	buf_free(frame);
}

/* Sends two frames that stand for several at once; how many frames arrive. */
static unsigned large_arrive(void)
{
	delivered_count = alone = 0;
	sending = true;
	for (unsigned i = 0; i < 2; i++) {
		struct buf *b = frame_make(0, 1, i);

		b->segment_bytes = 10;
		segment_send(attached[0], b, engine.now);
	}
	sending = false;
	run();
	ck_assert_uint_eq(alone, delivered_count == 2 ? 0 : delivered_count);
	return delivered_count;
}

/* Where something happens to packets, each is one: on whatever attachment of the segment. */
START_TEST(large_frames_go_whole_where_nothing_happens)
{
	const struct impairments slow = {.delay_ns = NSTIME_MS};

	segment.config.cut = cut;
	send(1, BROADCAST, 0);
	run();
	ck_assert_uint_eq(large_arrive(), 2);
	set(3, IMPAIR_DIRECTION_IN, &slow);
	ck_assert_uint_eq(large_arrive(), 6);
	set(3, IMPAIR_DIRECTION_IN, &(struct impairments){0});
	set(0, IMPAIR_DIRECTION_OUT, &slow);
	ck_assert_uint_eq(large_arrive(), 6);
	set(0, IMPAIR_DIRECTION_OUT, &(struct impairments){0});
	ck_assert_uint_eq(large_arrive(), 2);
	ck_assert_int_eq(segment_fault(attached[1], &(struct impair_fault){.directions = 2, .nth = 2}), 0);
	ck_assert_uint_eq(large_arrive(), 5);
	ck_assert_uint_eq(large_arrive(), 2);
	attached[2]->tap.point = (struct capture_point *)(void *)&segment; /* (nothing comes there) */
	ck_assert_uint_eq(large_arrive(), 6);
	attached[2]->tap.point = NULL;
}
END_TEST

/* Neither side hears the other, those on neither hear both, and a second partition holds when the first heals. */
START_TEST(partitions_part_their_sides)
{
	segment_partition(&segment, 7, (const uint8_t[NODES]){1, 2});
	send(0, BROADCAST, 1);
	run();
	ck_assert_uint_eq(delivered_count, NODES - 2);
	ck_assert_uint_eq(attached[1]->in.counters.dropped[IMPAIR_DROP_PARTITION], 1);
	send(2, BROADCAST, 2);
	run();
	ck_assert_uint_eq(delivered_count, NODES - 2 + NODES - 1);
	/* By a learned port, in both directions. */
	send(1, 0, 3);
	send(0, 2, 4);
	run();
	ck_assert_uint_eq(delivered_count, NODES - 2 + NODES - 1 + 1);
	ck_assert_uint_eq(attached[0]->in.counters.dropped[IMPAIR_DROP_PARTITION], 1);
	segment_partition(&segment, 8, (const uint8_t[NODES]){2, 1, 1});
	segment_heal(&segment, 7);
	segment_heal(&segment, 7);
	delivered_count = 0;
	send(1, 0, 5);
	send(2, 0, 6);
	send(1, 2, 7);
	run();
	ck_assert_uint_eq(delivered_count, 1);
	segment_heal(&segment, 8);
	send(1, 0, 8);
	run();
	ck_assert_uint_eq(delivered_count, 2);
	ck_assert(segment_books_check(&segment));
	/* The fixture ends with one in force. */
	segment_partition(&segment, 9, (const uint8_t[NODES]){0});
}
END_TEST

START_TEST(runts_and_giants_are_refused)
{
	struct buf *runt = frame_make(0, 1, 1), *giant = buf_alloc(SEGMENT_FRAME_MAX + 1);

	runt->len = SEGMENT_FRAME_MIN - 1;
	giant->len = SEGMENT_FRAME_MAX + 1;
	memset(giant->data, 0, giant->len);
	segment_send(attached[0], runt, 0);
	segment_send(attached[0], giant, 0);
	run();
	ck_assert_uint_eq(delivered_count, 0);
	ck_assert_uint_eq(attached[0]->out.counters.dropped[IMPAIR_DROP_RUNT], 2);
	ck_assert(segment_books_check(&segment));
}
END_TEST

/* More addresses than the switch remembers: bounded, and still every frame arrives. */
START_TEST(a_flood_of_addresses_is_bounded)
{
	for (unsigned i = 0; i < 100 * SEGMENT_MACS_MIN; i++) {
		struct buf *b = frame_make(0, 1, i);

		store_be32(b->data + 6, i * 2654435761U & 0xfeffffff);
		segment_send(attached[0], b, engine.now);
		delivered_count = 0;
		run();
		ck_assert_uint_eq(delivered_count, NODES - 1);
	}
	ck_assert_uint_eq(segment.macs_count, SEGMENT_MACS_MIN);
	delivered_count = 0;
	send(1, BROADCAST, 1);
	run();
	delivered_count = 0;
	send(0, 1, 2);
	run();
	ck_assert_uint_eq(delivered_count, 1);
}
END_TEST

#define CROWD       3000U
#define CROWD_FIRST 1000U /* the first one's number, behind BROADCAST */

static void deliver_count(void *node, unsigned port, struct buf *frame, nstime now)
{
	(void)now;
	ck_assert_uint_eq(load_be16(frame->data + 4) - 1U, CROWD_FIRST + port);
	++*(unsigned *)node;
	buf_free(frame);
}

/* A switch remembers every attachment's address, however many there are: what it has seen once it does not flood for.
 */
START_TEST(a_crowd_is_remembered)
{
	struct segment large;
	struct attachment *crowd[CROWD];
	unsigned count = 0;

	segment_init(&large, &(struct segment_config){.engine = &engine, .seed = 7});
	for (unsigned i = 0; i < CROWD; i++) {
		char name[16];

		snprintf(name, sizeof name, "n%u.crowd", i);
		crowd[i] = segment_attach(&large, name, &count, i, deliver_count);
		segment_send(crowd[i], frame_make(CROWD_FIRST + i, CROWD_FIRST, 0), engine.now);
		run(); /* what is learned by now outlives that the table grows */
	}
	large.flooded = 0;
	count = 0;
	for (unsigned i = 0; i < CROWD; i++)
		segment_send(crowd[i], frame_make(CROWD_FIRST + i, CROWD_FIRST + (i + 1) % CROWD, 0), engine.now);
	run();
	ck_assert_uint_eq(large.flooded, 0);
	ck_assert_uint_eq(count, CROWD);
	segment_fini(&large);
}
END_TEST

START_TEST(ends_with_frames_on_their_way)
{
	set(0, 3, &(struct impairments){.delay_ns = NSTIME_S, .duplicate_ppb = 1000000000});
	send(0, BROADCAST, 1);
	send(0, BROADCAST, 2);
	ck_assert_uint_eq(buf_outstanding(), 4);
}
END_TEST

static void deliver_any(void *node, unsigned port, struct buf *frame, nstime now)
{
	(void)node;
	(void)port;
	(void)now;
	buf_free(frame);
	ck_assert(segment_books_check(&segment));
}

/* Frames of any length and content, every impairment, changes at any time: the books balance at every event and nothing
 * is left. */
START_TEST(anything_goes)
{
	static struct mac mac = {{2}};
	static struct addr address = {.family = 4};
	static const struct impair_party party = {&mac, 1, &address, 1};
	static const struct impair_match only[] = {
		{0},
		{.kind = IMPAIR_MATCH_COURIER},
		{.kind = IMPAIR_MATCH_ENCAPSULATED},
		{.filter = "udp or (ip6 and tcp)"},
		{.kind = IMPAIR_MATCH_DATA, .from = &party},
		{.kind = IMPAIR_MATCH_COURIER_DATA, .to = &party},
	};
	uint8_t sides[NODES];
	struct random_stream r;

	random_init(&r, 3, "anything");
	for (unsigned i = 0; i < NODES; i++)
		attached[i]->deliver = deliver_any;
	for (unsigned n = 0; n < 20000; n++) {
		struct attachment *a = attached[random_below(&r, NODES)];
		struct buf *b = buf_alloc(200);

		b->len = (uint32_t)random_below(&r, 200);
		random_bytes(&r, b->data, b->len);
		store_be16(b->data + 12, random_below(&r, 2) ? 0x0800 : 0x86dd);
		b->data[14] = random_below(&r, 2) ? 0x45 : 0x60;
		segment_send(a, b, engine.now);
		if (random_below(&r, 50) == 0) {
			struct impairments v = {
				.delay_ns = random_below(&r, 1000),
				.jitter_ns = random_below(&r, 1000),
				.rate_bps = random_below(&r, 2) * 1000000000,
				.loss_ppb = (uint32_t)random_below(&r, 500000000),
				.corrupt_ppb = (uint32_t)random_below(&r, 1000000000),
				.duplicate_ppb = (uint32_t)random_below(&r, 500000000),
				.reorder_ppb = (uint32_t)random_below(&r, 500000000),
				.limit_packets = 1 + (uint32_t)random_below(&r, 20),
				.only = only[random_below(&r, 6)],
			};
			if (v.rate_bps) {
				v.burst_bytes = random_below(&r, 2) * 2000;
				v.peak_bps = v.burst_bytes ? random_below(&r, 2) * 2000000000 : 0;
				v.queue = (enum impair_queue)random_below(&r, 2);
				v.codel = (struct impair_codel_config){1 + random_below(&r, 1000),
								       1 + random_below(&r, 1000)};
			}
			ck_assert_int_eq(segment_set(a, 1 + (unsigned)random_below(&r, 3), &v), 0);
			segment_set_down(a, random_below(&r, 8) == 0, engine.now);
			segment_fault(a, &(struct impair_fault){.kind = (enum impair_fault_kind)random_below(&r, 4),
								.directions = 3,
								.nth = 1 + random_below(&r, 9),
								.delay_ns = random_below(&r, 1000),
								.match = only[random_below(&r, 6)]});
			segment_heal(&segment, random_below(&r, 3));
			for (unsigned i = 0; i < NODES; i++)
				sides[i] = (uint8_t)random_below(&r, 3);
			if (random_below(&r, 2))
				segment_partition(&segment, random_below(&r, 3), sides);
		}
		ck_assert(segment_books_check(&segment));
		run_until(&engine, engine.now + random_below(&r, 300));
	}
	run();
	ck_assert_uint_eq(buf_outstanding(), 0);
}
END_TEST

static uint64_t digests_of_a_run(bool differ)
{
	struct impairments v = {.delay_ns = 1000, .jitter_ns = 900, .loss_ppb = 100000000, .corrupt_ppb = 100000000};
	uint64_t sum = 0;

	world_make();
	for (unsigned i = 0; i < NODES; i++)
		set(i, 3, &v);
	for (unsigned n = 0; n < 16; n++)
		send(n % NODES, differ && n == 9 ? 3 : 2, n);
	run();
	for (unsigned i = 0; i < NODES; i++)
		sum = sum * 31 + (attached[i]->out.digest ^ attached[i]->in.digest * 3);
	world_end();
	return sum;
}

START_TEST(equal_runs_have_equal_digests)
{
	uint64_t first = digests_of_a_run(false);

	ck_assert_uint_eq(digests_of_a_run(false), first);
	ck_assert_uint_ne(digests_of_a_run(true), first);
}
END_TEST

/* How often bytes stand in a file. */
static size_t file_count(const char *path, const char *wanted, size_t n)
{
	static char bytes[65536];
	FILE *f = fopen(path, "rb");
	size_t len, found = 0;

	ck_assert_ptr_nonnull(f);
	len = fread(bytes, 1, sizeof bytes, f);
	fclose(f);
	for (size_t i = 0; i + n <= len; i++)
		found += !memcmp(bytes + i, wanted, n);
	return found;
}

/* The sender's capture has what it sends, the receiver's what it gets, and what a link drops is in the capture of the
 * attachment that drops it: each once, with the words for it. */
START_TEST(captures_have_both_ways)
{
	static const struct scenario scenario;
	const struct pcapng_section about = {.application = "test"};
	struct captures *captures = captures_new(&scenario, NULL, 0);
	char path[] = "test_segment.XXXXXX";
	int fd = mkstemp(path), err;
	struct capture_file *file = captures_file_add(captures, path, &about, &err);
	const struct impairments lossy = {.loss_ppb = 1000000000}, bad = {.corrupt_ppb = 1000000000};

	ck_assert_int_ge(fd, 0);
	ck_assert_ptr_nonnull(file);
	for (unsigned i = 0; i < 2; i++) {
		struct capture_point_config config = {.name = attached[i]->name, .node = i};
		struct capture_point *point = captures_point_add(captures, file, &config, &err);

		ck_assert_ptr_nonnull(point);
		segment_capture(attached[i], point);
	}
	set(0, IMPAIR_DIRECTION_OUT, &lossy);
	send(0, BROADCAST, 0x11223344);
	run();
	set(0, IMPAIR_DIRECTION_OUT, &(struct impairments){0});
	set(1, IMPAIR_DIRECTION_IN, &lossy);
	send(0, BROADCAST, 0x11223344);
	run();
	set(1, IMPAIR_DIRECTION_IN, &bad);
	send(0, BROADCAST, 0x11223344);
	run();
	set(1, IMPAIR_DIRECTION_IN, &(struct impairments){0});
	send(0, BROADCAST, 0x11223344);
	run();
	ck_assert_int_eq(captures_free(captures), 0);
	ck_assert_uint_eq(file_count(path, "\x11\x22\x33\x44", 4), 7); /* once lost, three times sent and seen */
	ck_assert_uint_eq(file_count(path, "dropped: loss", 13), 2);
	ck_assert_uint_eq(file_count(path, "corrupted by link: bit ", 23), 1);
	ck_assert_uint_eq(file_count(path, "dropped: ", 9), 2);
	close(fd);
	unlink(path);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("segment");
	TCase *c = tcase_create("segment"), *runs = tcase_create("runs");

	tcase_add_checked_fixture(c, world_make, world_end);
	tcase_add_test(c, unknown_is_flooded_known_is_not);
	tcase_add_test(c, broadcast_goes_to_all_others);
	tcase_add_test(c, learning_follows);
	tcase_add_test(c, own_addresses_stay);
	tcase_add_test(c, delays_add_up);
	tcase_add_test(c, ties_keep_the_order_of_sending);
	tcase_add_test(c, answers_wait_their_turn);
	tcase_add_test(c, books_count_every_traversal);
	tcase_add_test(c, down_and_up);
	tcase_add_test(c, faults_reach_both_directions);
	tcase_add_test(c, large_frames_go_whole_where_nothing_happens);
	tcase_add_test(c, partitions_part_their_sides);
	tcase_add_test(c, runts_and_giants_are_refused);
	tcase_add_test(c, a_flood_of_addresses_is_bounded);
	tcase_add_test(c, a_crowd_is_remembered);
	tcase_add_test(c, ends_with_frames_on_their_way);
	tcase_add_test(c, captures_have_both_ways);
	tcase_add_test(c, anything_goes);
	tcase_add_test(runs, equal_runs_have_equal_digests);
	suite_add_tcase(suite, c);
	suite_add_tcase(suite, runs);
	return unit_run(suite);
}
