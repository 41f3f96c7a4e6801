/* SPDX-License-Identifier: BSD-3-Clause */
/* The hand-off, case by case: each a short story with its order of events, on the cluster of handoff_cluster.h. */
#include "handoff_cluster.h"
#include "tests/lib/unit.h"

static struct cluster c;
static const struct cluster_options calm = {.delay_max = NSTIME_MS, .entries = 64, .flow_count = 1U << 20};

static struct device *device_of(uint16_t id)
{
	return &c.devices[id];
}

static const struct forwarder_counters *forwarder_counts(void)
{
	return forwarder_counters(device_of(FORWARDER)->forwarder);
}

static uint16_t forwarder_says(const struct conn *k, uint32_t *flow)
{
	uint32_t f;
	bool prepared;
	uint16_t device = forwarder_owner(device_of(FORWARDER)->forwarder, &k->tuple, &f, &prepared);

	if (flow)
		*flow = f;
	return device;
}

/* The device that has the connection's frozen copy. */
static struct device *owner_frozen(const struct conn *k)
{
	for (uint16_t id = CLASSIFIER; id < DEVICES; id++) {
		struct endpoint_conn *e = copy_find(device_of(id), &k->tuple);

		if (e && e->state == COPY_FROZEN)
			return device_of(id);
	}
	ck_abort_msg("no device has it frozen");
	return NULL;
}

/* Runs until a message of this type was delivered. */
static void run_until(enum message_type type)
{
	uint64_t before = c.messages[type];

	while (c.messages[type] == before)
		ck_assert(cluster_step(&c, NSTIME_NEVER));
}

/* Everybody forgets in time, and every packet is accounted for. */
static void end(void)
{
	for (uint32_t i = 0; i < c.conn_count; i++)
		if (owner_of(&c, &c.conns[i]))
			conn_close(&c, &c.conns[i]);
	cluster_run(&c, 1500 * NSTIME_S);
	holdings_check(&c);
	cluster_fini(&c);
}

START_TEST(happy_path)
{
	static const enum message_type order[] = {MESSAGE_PREPARE, MESSAGE_PREPARED, MESSAGE_BLOB, MESSAGE_READY,
						  MESSAGE_COMMITTED};
	struct conn *k;
	uint32_t flow;

	cluster_init(&c, 1, &calm);
	k = conn_open(&c);
	c.block[MESSAGE_BLOB] = true;
	ck_assert(conn_handoff(&c, k, 5));
	for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
		if (order[i] == MESSAGE_BLOB) {
			/* Early packets: their blob is still on its way. */
			for (uint32_t n = 3; n-- > 0;)
				inject(&c, &k->tuple, TCP_FLAG_ACK, 1000 + 8 * n);
			cluster_run(&c, 10 * NSTIME_MS);
			ck_assert_uint_eq(driver_counters(device_of(5)->driver)->buffered, 3);
			ck_assert_ptr_null(owner_of(&c, k));
			cluster_unblock(&c, MESSAGE_BLOB);
		}
		run_until(order[i]);
	}
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, k), device_of(5));
	ck_assert_uint_eq(c.outcomes[HANDOFF_COMMITTED], 1);
	ck_assert_uint_gt(c.last_outcome.latency, 10 * NSTIME_MS);
	ck_assert_uint_eq(forwarder_says(k, &flow), 5);
	ck_assert_uint_eq(flow, c.last_outcome.flow);
	ck_assert_uint_eq(driver_counters(device_of(5)->driver)->drained, 3);
	ck_assert_uint_eq(c.messages[MESSAGE_PREPARE], 1);
	ck_assert_uint_eq(c.messages[MESSAGE_COMMITTED], 2);
	ck_assert_uint_eq(c.consumed, c.injected);
	end();
}
END_TEST

START_TEST(rejected_then_another)
{
	struct conn *k;
	struct device *first;

	cluster_init(&c, 2, &calm);
	c.options.manual = true;
	k = conn_open(&c);
	first = owner_of(&c, k);
	device_of(4)->infuse_error = E_REFUSED;
	ck_assert(conn_handoff(&c, k, 4));
	run_until(MESSAGE_PREPARED);
	inject(&c, &k->tuple, TCP_FLAG_ACK, 1000);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(c.outcomes[HANDOFF_REJECTED], 1);
	ck_assert_int_eq(c.last_outcome.reason, MESSAGE_REASON_LISTENER);
	ck_assert_uint_eq(c.consumed, 1); /* the SYN; the packet waits with the undecided connection */
	ck_assert_int_eq(handoff_retry(first->handoff, k->number, 6, 1, c.now), 0);
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, k), device_of(6));
	ck_assert_uint_eq(c.last_outcome.generation, 2);
	ck_assert_uint_eq(c.consumed, c.injected); /* bounced by the first backend, received by the second */
	ck_assert_uint_eq(driver_counters(device_of(4)->driver)->bounced, 1);
	ck_assert_uint_eq(handoff_counters(first->handoff)->bounced, 1);
	end();
}
END_TEST

START_TEST(rejected_then_thawed)
{
	struct conn *k;
	struct device *first;

	cluster_init(&c, 3, &calm);
	c.options.manual = true;
	k = conn_open(&c);
	first = owner_of(&c, k);
	device_of(4)->infuse_error = E_FULL;
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, NSTIME_S);
	inject(&c, &k->tuple, TCP_FLAG_ACK, 1000);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(handoff_counters(first->handoff)->held, 1);
	ck_assert_int_eq(c.last_outcome.reason, MESSAGE_REASON_BUSY);
	ck_assert_int_eq(handoff_thaw(first->handoff, k->number, c.now), 0);
	ck_assert_int_eq(handoff_thaw(first->handoff, k->number, c.now), E_STATE);
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, k), first);
	ck_assert_uint_eq(c.consumed, c.injected);
	end();
}
END_TEST

START_TEST(timed_out_and_late_ready)
{
	struct conn *k;

	cluster_init(&c, 4, &calm);
	c.options.manual = true;
	k = conn_open(&c);
	c.block[MESSAGE_READY] = true;
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, 5 * NSTIME_S);
	ck_assert_uint_eq(c.outcomes[HANDOFF_ROLLED_BACK], 1);
	ck_assert_int_eq(c.last_outcome.reason, MESSAGE_REASON_TIMEOUT);
	ck_assert_uint_eq(forwarder_counts()->aborted, 1);
	ck_assert_ptr_null(copy_find(device_of(4), &k->tuple));
	cluster_unblock(&c, MESSAGE_READY); /* dozens of them, all late */
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(forwarder_counts()->committed, 0);
	ck_assert_uint_gt(forwarder_counts()->repeated, 1);
	ck_assert_int_eq(handoff_thaw(device_of(forwarder_says(k, NULL))->handoff, k->number, c.now), 0);
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, k), device_of(forwarder_says(k, NULL)));
	end();
}
END_TEST

START_TEST(abort_before_prepare)
{
	struct conn *k;

	cluster_init(&c, 5, &calm);
	k = conn_open(&c);
	c.options.manual = true;
	c.block[MESSAGE_PREPARE] = true;
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, 5 * NSTIME_S);
	ck_assert_uint_eq(c.outcomes[HANDOFF_ROLLED_BACK], 1);
	ck_assert_int_eq(handoff_thaw(device_of(forwarder_says(k, NULL))->handoff, k->number, c.now), 0);
	cluster_unblock(&c, MESSAGE_PREPARE);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(forwarder_counts()->prepared, 0);
	ck_assert_uint_eq(forwarder_counts()->refused[MESSAGE_REASON_GENERATION], 1);
	ck_assert_ptr_null(copy_find(device_of(4), &k->tuple)); /* its READYs were answered ABORTED */
	end();
}
END_TEST

START_TEST(ready_before_prepare)
{
	struct conn *k;

	cluster_init(&c, 6, &calm);
	k = conn_open(&c);
	c.block[MESSAGE_PREPARE] = true;
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_gt(forwarder_counts()->ready_unknown, 3); /* repeated, backing off */
	ck_assert_uint_lt(forwarder_counts()->ready_unknown, 20);
	cluster_unblock(&c, MESSAGE_PREPARE);
	cluster_run(&c, 300 * NSTIME_MS);
	ck_assert_ptr_eq(owner_of(&c, k), device_of(4));
	end();
}
END_TEST

START_TEST(blob_after_aborted)
{
	struct conn *k;

	cluster_init(&c, 7, &calm);
	k = conn_open(&c);
	c.options.manual = true;
	c.block[MESSAGE_BLOB] = true;
	ck_assert(conn_handoff(&c, k, 4));
	run_until(MESSAGE_PREPARED);
	inject(&c, &k->tuple, TCP_FLAG_ACK, 1000);
	cluster_run(&c, 3 * NSTIME_S);
	ck_assert_uint_eq(c.outcomes[HANDOFF_ROLLED_BACK], 1);
	ck_assert_int_eq(handoff_thaw(device_of(forwarder_says(k, NULL))->handoff, k->number, c.now), 0);
	cluster_unblock(&c, MESSAGE_BLOB);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(migrator_counters(device_of(4)->migrator)->infused, 0);
	ck_assert_uint_eq(migrator_counters(device_of(4)->migrator)->duplicates, 1);
	ck_assert_uint_eq(c.consumed, c.injected); /* buffered at the backend, bounced, received here */
	end();
}
END_TEST

START_TEST(everything_twice)
{
	struct conn *k;

	cluster_init(&c, 8, &calm);
	c.options.message_repeat_ppm = 1000000;
	k = conn_open(&c);
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, 3 * NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, k), device_of(4));
	ck_assert_uint_eq(c.outcomes[HANDOFF_COMMITTED], 1);
	ck_assert_uint_eq(forwarder_counts()->committed, 1);
	ck_assert_uint_eq(migrator_counters(device_of(4)->migrator)->activated, 1);
	conn_close(&c, k);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(forwarder_counts()->closed, 1);
	end();
}
END_TEST

START_TEST(second_device_restarts)
{
	struct conn *k;

	cluster_init(&c, 9, &calm);
	k = conn_open(&c);
	c.options.manual = true;
	c.block[MESSAGE_READY] = true;
	ck_assert(conn_handoff(&c, k, 4));
	run_until(MESSAGE_PREPARED);
	cluster_run(&c, 10 * NSTIME_MS);
	device_stop(&c, 4);
	cluster_run(&c, 10 * NSTIME_MS);
	device_start(&c, 4);
	cluster_run(&c, 100 * NSTIME_MS); /* long before the time-out */
	ck_assert_uint_eq(c.outcomes[HANDOFF_ROLLED_BACK], 1);
	ck_assert_int_eq(handoff_retry(device_of(forwarder_says(k, NULL))->handoff, k->number, 4, 2, c.now), 0);
	cluster_unblock(&c, MESSAGE_READY);
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, k), device_of(4));
	/* Now it owns the connection, and dies: nothing is left to own it. */
	device_stop(&c, 4);
	device_start(&c, 4);
	cluster_run(&c, NSTIME_S);
	inject(&c, &k->tuple, TCP_FLAG_ACK, 1000);
	cluster_run(&c, 40 * NSTIME_S); /* the tombstone bounced it; now it is gone */
	inject(&c, &k->tuple, TCP_FLAG_ACK, 1000);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(forwarder_counts()->lost, 1);
	ck_assert_uint_eq(c.resets, 1);
	end();
}
END_TEST

START_TEST(first_device_restarts)
{
	struct conn *k;

	cluster_init(&c, 10, &calm);
	k = conn_open(&c);
	c.block[MESSAGE_READY] = true;
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, 10 * NSTIME_MS);
	device_stop(&c, forwarder_says(k, NULL));
	cluster_unblock(&c, MESSAGE_READY);
	cluster_run(&c, NSTIME_S); /* the connection survives its first device */
	ck_assert_ptr_eq(owner_of(&c, k), device_of(4));
	end();
}
END_TEST

START_TEST(forwarder_restarts)
{
	struct conn *k;

	cluster_init(&c, 11, &calm);
	k = conn_open(&c);
	c.block[MESSAGE_READY] = true;
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, 10 * NSTIME_MS);
	device_stop(&c, FORWARDER);
	device_start(&c, FORWARDER);
	cluster_unblock(&c, MESSAGE_READY);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(c.outcomes[HANDOFF_FAILED], 1);
	cluster_run(&c, 11 * NSTIME_S); /* the second device asks, then asks to abort */
	ck_assert_uint_eq(copies_count(&c, k, false), 0);
	end();
}
END_TEST

/* An idle connection outlives its forwarder: its owner tells the new boot, which sends packets on, lets it be handed
 * on, and asks after it. */
START_TEST(idle_outlives_the_forwarder)
{
	struct conn *a, *b;
	uint32_t flow, again;

	cluster_init(&c, 22, &calm);
	a = conn_open(&c);
	b = conn_open(&c);
	ck_assert(conn_handoff(&c, a, 4));
	ck_assert(conn_handoff(&c, b, 5));
	cluster_run(&c, NSTIME_S);
	forwarder_says(a, &flow);
	device_stop(&c, FORWARDER);
	device_start(&c, FORWARDER);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(forwarder_counts()->adopted, 2);
	ck_assert_uint_eq(forwarder_says(a, &again), 4);
	ck_assert_uint_eq(flow, again);
	inject(&c, &a->tuple, TCP_FLAG_ACK, 1000);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(c.consumed, c.injected);
	ck_assert(conn_handoff(&c, a, 6));
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, a), device_of(6));
	/* one whose end overtook what was told of it is found out by the question */
	b->open = false;
	c.block[MESSAGE_CLOSED] = true;
	conn_close(&c, b);
	cluster_run(&c, 10 * NSTIME_S);
	ck_assert_uint_eq(c.messages[MESSAGE_GONE], 1);
	ck_assert_uint_lt(forwarder_says(b, NULL), BACKEND);
	end();
}
END_TEST

START_TEST(unanswered_for_ever)
{
	struct conn *k;

	cluster_init(&c, 12, &calm);
	k = conn_open(&c);
	k->may_be_lost = true;
	c.block[MESSAGE_READY] = c.block[MESSAGE_ABORT] = c.block[MESSAGE_ABORTED] = true;
	ck_assert(conn_handoff(&c, k, 4));
	while (copies_count(&c, k, false)) {
		ck_assert_uint_lt(c.now, 60 * NSTIME_S);
		c.devices[FORWARDER].boot = 2; /* silences the cluster's own check that only a restart may lose one */
		cluster_step(&c, NSTIME_NEVER);
		c.devices[FORWARDER].boot = 1;
	}
	ck_assert_uint_eq(c.outcomes[HANDOFF_FAILED], 1);
	ck_assert_uint_eq(migrator_counters(device_of(4)->migrator)->given_up, 1);
	ck_assert_uint_gt(migrator_counters(device_of(4)->migrator)->asked, 10);
	for (int type = MESSAGE_PREPARE; type <= MESSAGE_LAST; type++)
		cluster_unblock(&c, (enum message_type)type);
	end();
}
END_TEST

START_TEST(table_full)
{
	struct cluster_options options = calm;
	struct conn *a, *b;

	options.entries = 1;
	cluster_init(&c, 13, &options);
	c.options.manual = true;
	a = conn_open(&c);
	b = conn_open(&c);
	ck_assert(conn_handoff(&c, a, 4));
	cluster_run(&c, NSTIME_S);
	ck_assert(conn_handoff(&c, b, 5));
	cluster_run(&c, NSTIME_S);
	ck_assert_int_eq(c.last_outcome.result, HANDOFF_REJECTED);
	ck_assert_int_eq(c.last_outcome.reason, MESSAGE_REASON_TABLE_FULL);
	ck_assert_ptr_null(copy_find(device_of(5), &b->tuple)); /* told at once, not after hold_max */
	ck_assert_int_eq(handoff_thaw(device_of(forwarder_says(b, NULL))->handoff, b->number, c.now), 0);
	inject(&c, &a->tuple, TCP_FLAG_ACK, 1000);
	inject(&c, &b->tuple, TCP_FLAG_ACK, 1000);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(c.consumed, c.injected); /* the others go on */
	end();
}
END_TEST

START_TEST(identifiers_exhausted)
{
	struct cluster_options options = calm;
	struct conn *k[4];
	unsigned started = 0;

	options.flow_count = 2; /* 0x?000000 has a zero half: one is left */
	cluster_init(&c, 14, &options);
	for (unsigned i = 0; i < 4; i++)
		k[i] = conn_open(&c);
	for (unsigned i = 0; i < 4; i++)
		started += conn_handoff(&c, k[i], 4);
	ck_assert_uint_le(started, 2); /* one a classifier */
	ck_assert_uint_ge(started, 1);
	cluster_run(&c, 40 * NSTIME_S); /* tombstones are gone; the identifiers are in use at the forwarder */
	c.options.manual = true;
	for (unsigned i = 0; i < 4; i++)
		if (owner_of(&c, k[i]) && !owner_of(&c, k[i])->migrator && conn_handoff(&c, k[i], 5))
			break;
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_gt(forwarder_counts()->refused[MESSAGE_REASON_FLOW], 0);
	ck_assert_int_eq(c.last_outcome.result, HANDOFF_REJECTED);
	ck_assert_int_eq(handoff_thaw(device_of(forwarder_says(conn_find(&c, &c.last_outcome.tuple), NULL))->handoff,
				      (int)c.last_outcome.number, c.now),
			 0);
	end();
}
END_TEST

/* A bounce to the forwarder with this flow identifier, from this device. */
static void bounce_from(uint16_t device, const struct tuple *t, uint32_t flow)
{
	struct buf *b = packet_make(t, TCP_FLAG_ACK, 1000);
	struct addr from = device_address(device);
	struct packet p;

	ck_assert_int_eq(packet_parse(&p, b), PACKET_TCP);
	ck_assert(packet_encapsulate(&p, b, &from, &tunnel.v4, flow));
	c.injected++;
	packet_send(&c, 0, FORWARDER, b);
	cluster_run(&c, 10 * NSTIME_MS);
}

START_TEST(bounces)
{
	struct conn *k;
	uint32_t flow;

	cluster_init(&c, 15, &calm);
	k = conn_open(&c);
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, NSTIME_S);
	forwarder_says(k, &flow);
	bounce_from(2, &k->tuple, flow); /* a classifier's, late: to the owner */
	ck_assert_uint_eq(c.consumed, 2);
	bounce_from(4, &k->tuple, flow); /* the owner's own: would come back for ever */
	ck_assert_uint_eq(forwarder_counts()->dropped[FORWARDER_DROP_BOUNCE_LOOP], 1);
	bounce_from(5, &k->tuple, flow + 1);
	ck_assert_uint_eq(forwarder_counts()->dropped[FORWARDER_DROP_BOUNCE_FLOW], 1);
	bounce_from(99, &k->tuple, flow);
	ck_assert_uint_eq(forwarder_counts()->dropped[FORWARDER_DROP_BOUNCE_SOURCE], 1);
	ck_assert_uint_eq(c.consumed, 2);
	end();
}
END_TEST

START_TEST(closing_and_reused)
{
	struct conn *k;

	cluster_init(&c, 16, &calm);
	k = conn_open(&c);
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, NSTIME_S);
	conn_close(&c, k);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(forwarder_counts()->closed, 1);
	inject(&c, &k->tuple, TCP_FLAG_ACK, 1000); /* the last acknowledgement: still to the backend */
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(c.resets, 1); /* which keeps no TIME_WAIT here */
	k->open = true;
	k->may_be_lost = true;
	k->stamp = ++c.stamps;
	inject(&c, &k->tuple, TCP_FLAG_SYN, 999);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(forwarder_counts()->reused, 1);
	ck_assert_ptr_nonnull(owner_of(&c, k));
	ck_assert_ptr_nonnull(owner_of(&c, k)->handoff);
	ck_assert(conn_handoff(&c, k, 5)); /* and the new one can be handed off too */
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, k), device_of(5));
	end();
}
END_TEST

START_TEST(idle_is_asked_after)
{
	struct conn *a, *b;

	cluster_init(&c, 17, &calm);
	a = conn_open(&c);
	b = conn_open(&c);
	ck_assert(conn_handoff(&c, a, 4));
	ck_assert(conn_handoff(&c, b, 5));
	cluster_run(&c, NSTIME_S);
	/* One backend's stack forgets its connection without a word. */
	b->open = false;
	c.block[MESSAGE_CLOSED] = true;
	copy_free(device_of(5), copy_find(device_of(5), &b->tuple));
	migrator_connection_closed(device_of(5)->migrator, &b->tuple, c.now);
	cluster_run(&c, 700 * NSTIME_S);
	ck_assert_uint_ge(c.messages[MESSAGE_ALIVE], 1);
	ck_assert_uint_eq(c.messages[MESSAGE_GONE], 1);
	ck_assert_uint_eq(forwarder_says(a, NULL), 4);
	ck_assert_uint_lt(forwarder_says(b, NULL), BACKEND);
	cluster_unblock(&c, MESSAGE_CLOSED);
	/* And one that does not answer at all loses the entry. */
	c.block[MESSAGE_ALIVE] = true;
	cluster_run(&c, 1400 * NSTIME_S);
	ck_assert_uint_lt(forwarder_says(a, NULL), BACKEND);
	cluster_unblock(&c, MESSAGE_ALIVE);
	end();
}
END_TEST

/* From backend to backend, back again, and on: each time a new flow identifier and a higher generation; packets that
 * come late to whoever had it are sent on, and whoever has it back keeps them. */
START_TEST(moves_on_and_back)
{
	static const uint16_t way[] = {4, 5, 4, 6, 5};
	uint32_t flow, before = 0;
	struct conn *k;

	cluster_init(&c, 20, &calm);
	k = conn_open(&c);
	for (unsigned i = 0; i < 5; i++) {
		ck_assert(conn_handoff(&c, k, way[i]));
		for (uint32_t n = 0; n < 8; n++) {
			inject(&c, &k->tuple, TCP_FLAG_ACK, 1000 + 8 * n);
			cluster_run(&c, 200 * NSTIME_US);
		}
		cluster_run(&c, NSTIME_S);
		ck_assert_ptr_eq(owner_of(&c, k), device_of(way[i]));
		ck_assert_uint_eq(forwarder_says(k, &flow), way[i]);
		ck_assert_uint_ne(flow, before);
		ck_assert_uint_eq(c.last_outcome.generation, i + 1);
		ck_assert_uint_eq(c.consumed, c.injected);
		/* whoever had it bounces what comes late by its own tombstone; nobody answers */
		if (i)
			bounce_from(2, &k->tuple, before);
		ck_assert_uint_eq(c.consumed, c.injected);
		before = flow;
	}
	ck_assert_uint_eq(c.resets, 0);
	ck_assert_uint_eq(c.moves, 4);
	/* The end is told to the forwarder, and to the classifier that chose the first backend. */
	conn_close(&c, k);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(c.messages[MESSAGE_CLOSED], 2);
	ck_assert_uint_eq(forwarder_counts()->closed, 1);
	end();
}
END_TEST

/* A draining backend takes no more, and goes on with what it holds already. */
START_TEST(draining_rejects)
{
	struct conn *a, *b;

	cluster_init(&c, 21, &calm);
	c.options.manual = true;
	a = conn_open(&c);
	b = conn_open(&c);
	c.block[MESSAGE_COMMITTED] = true;
	ck_assert(conn_handoff(&c, a, 4));
	cluster_run(&c, 100 * NSTIME_MS);
	migrator_drain(device_of(4)->migrator, true);
	ck_assert(conn_handoff(&c, b, 4));
	cluster_run(&c, 100 * NSTIME_MS);
	ck_assert_int_eq(c.last_outcome.result, HANDOFF_REJECTED);
	ck_assert_int_eq(c.last_outcome.reason, MESSAGE_REASON_DRAINING);
	cluster_unblock(&c, MESSAGE_COMMITTED);
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, a), device_of(4));
	ck_assert(conn_handoff(&c, a, 5));
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, a), device_of(5));
	migrator_drain(device_of(4)->migrator, false);
	ck_assert_int_eq(handoff_retry(owner_frozen(b)->handoff, b->number, 4, 1, c.now), 0);
	cluster_run(&c, NSTIME_S);
	ck_assert_ptr_eq(owner_of(&c, b), device_of(4));
	end();
}
END_TEST

START_TEST(forged_messages)
{
	struct message m = {.type = MESSAGE_READY,
			    .flow = 0x00010001,
			    .generation = 1,
			    .handoff = 1,
			    .first = 2,
			    .second = 4,
			    .first_boot = 1,
			    .second_boot = 1};
	uint8_t bytes[MESSAGE_LEN];
	struct forwarder_counters before;
	struct conn *k;

	cluster_init(&c, 18, &calm);
	k = conn_open(&c);
	c.block[MESSAGE_READY] = true;
	ck_assert(conn_handoff(&c, k, 4));
	cluster_run(&c, 100 * NSTIME_MS);
	m.tuple = k->tuple;
	m.first = forwarder_says(k, NULL);
	m.flow = (uint32_t)(0x01000000U * m.first + 1);
	before = *forwarder_counts();
	message_encode(&m, bytes);
	/* From a device that it is not about; of an old boot; about a generation that does not exist. */
	forwarder_message(device_of(FORWARDER)->forwarder, 5, 1, MESSAGE_READY, bytes, sizeof bytes, c.now);
	forwarder_message(device_of(FORWARDER)->forwarder, 77, 1, MESSAGE_READY, bytes, sizeof bytes, c.now);
	ck_assert_uint_eq(forwarder_counts()->unexpected, before.unexpected + 2);
	forwarder_message(device_of(FORWARDER)->forwarder, 4, 9, MESSAGE_READY, bytes, sizeof bytes, c.now);
	ck_assert_uint_eq(forwarder_counts()->stale, before.stale + 1);
	for (size_t n = 0; n < sizeof bytes; n++)
		forwarder_message(device_of(FORWARDER)->forwarder, 4, 9, MESSAGE_READY, bytes, n, c.now);
	ck_assert_uint_eq(forwarder_counts()->malformed, before.malformed + sizeof bytes);
	m.type = MESSAGE_COMMITTED;
	message_encode(&m, bytes);
	handoff_message(device_of(m.first)->handoff, 4, 1, MESSAGE_COMMITTED, bytes, sizeof bytes, c.now);
	migrator_message(device_of(4)->migrator, m.first, 1, MESSAGE_COMMITTED, bytes, sizeof bytes, c.now);
	ck_assert_uint_eq(handoff_counters(device_of(m.first)->handoff)->unexpected, 1);
	ck_assert_uint_eq(migrator_counters(device_of(4)->migrator)->unexpected, 1);
	ck_assert_uint_eq(forwarder_counts()->committed, 0);
	cluster_run(&c, 10 * NSTIME_S);
	end();
}
END_TEST

START_TEST(buffers_are_bounded)
{
	struct conn *k;

	cluster_init(&c, 19, &calm);
	k = conn_open(&c);
	c.block[MESSAGE_PREPARE] = c.block[MESSAGE_BLOB] = true;
	ck_assert(conn_handoff(&c, k, 4));
	for (uint32_t i = 0; i < 100; i++)
		inject(&c, &k->tuple, TCP_FLAG_ACK, 1000 + 8 * i);
	cluster_run(&c, 10 * NSTIME_MS);
	ck_assert_uint_eq(handoff_counters(device_of(forwarder_says(k, NULL))->handoff)->held, 64);
	ck_assert_uint_eq(handoff_counters(device_of(forwarder_says(k, NULL))->handoff)->held_overflow, 36);
	cluster_unblock(&c, MESSAGE_PREPARE);
	cluster_run(&c, 10 * NSTIME_MS);
	for (uint32_t i = 0; i < 300; i++)
		inject(&c, &k->tuple, TCP_FLAG_ACK, 1000 + 8 * i);
	cluster_run(&c, 10 * NSTIME_MS);
	ck_assert_uint_eq(driver_counters(device_of(4)->driver)->overflowed, 364 - 256);
	cluster_unblock(&c, MESSAGE_BLOB);
	cluster_run(&c, NSTIME_S);
	ck_assert_uint_eq(driver_counters(device_of(4)->driver)->drained, 256);
	end();
}
END_TEST

int main(void)
{
	Suite *s = suite_create("handoff cases");
	TCase *t = tcase_create("cases");

	tcase_add_test(t, happy_path);
	tcase_add_test(t, rejected_then_another);
	tcase_add_test(t, rejected_then_thawed);
	tcase_add_test(t, timed_out_and_late_ready);
	tcase_add_test(t, abort_before_prepare);
	tcase_add_test(t, ready_before_prepare);
	tcase_add_test(t, blob_after_aborted);
	tcase_add_test(t, everything_twice);
	tcase_add_test(t, second_device_restarts);
	tcase_add_test(t, first_device_restarts);
	tcase_add_test(t, forwarder_restarts);
	tcase_add_test(t, idle_outlives_the_forwarder);
	tcase_add_test(t, unanswered_for_ever);
	tcase_add_test(t, table_full);
	tcase_add_test(t, identifiers_exhausted);
	tcase_add_test(t, bounces);
	tcase_add_test(t, closing_and_reused);
	tcase_add_test(t, idle_is_asked_after);
	tcase_add_test(t, moves_on_and_back);
	tcase_add_test(t, draining_rejects);
	tcase_add_test(t, forged_messages);
	tcase_add_test(t, buffers_are_bounded);
	suite_add_tcase(s, t);
	return unit_run(s);
}
