/* SPDX-License-Identifier: BSD-3-Clause */
/* A forwarder that lost its table, and a backend that tells it what it has: in portions, as far as the table goes. */
#include "forwarder_look.h"
#include "handoff_stacks.h"
#include "tests/lib/unit.h"

enum { CONNECTIONS = 300, ENTRIES = 256 };

static struct device backend;
static struct driver *driver;
static struct migrator *migrator;
static struct forwarder *forwarder;
static uint64_t told;

static struct tuple tuple_of(uint32_t n)
{
	return (struct tuple){.remote = addr_v4(0xc6336401U + n),
			      .local = addr_v4(0xc6336450U),
			      .remote_port = 40000,
			      .local_port = 80};
}

/* One connection is handed over and becomes active. */
static void take(uint32_t n)
{
	struct endpoint_conn first = {.tuple = tuple_of(n), .state = COPY_ACTIVE, .stamp = n};
	struct blob_mapping mapping = {.flow = 0x00010001U + n,
				       .generation = 1,
				       .handoff = n + 1,
				       .first = CLASSIFIER,
				       .second = BACKEND,
				       .first_boot = 1,
				       .origin = CLASSIFIER,
				       .origin_boot = 1,
				       .tuple = tuple_of(n)};
	struct message committed = {.type = MESSAGE_COMMITTED,
				    .flow = mapping.flow,
				    .generation = 1,
				    .handoff = n + 1,
				    .first = CLASSIFIER,
				    .second = BACKEND,
				    .first_boot = 1,
				    .second_boot = 1,
				    .tuple = tuple_of(n)};
	struct conn_state state = {0};
	struct vec blob = {0};
	uint8_t bytes[MESSAGE_LEN];

	ck_assert_int_eq(fake_migrate(NULL, &first, BACKEND, &state, 0), 0);
	ck_assert_int_eq(blob_encode(&blob, &mapping, &state), 0);
	migrator_message(migrator, CLASSIFIER, 1, MESSAGE_BLOB, blob.data, blob.len, 0);
	message_encode(&committed, bytes);
	migrator_message(migrator, FORWARDER, 1, MESSAGE_COMMITTED, bytes, sizeof bytes, 0);
	outbox_clear(migrator_outbox(migrator));
	conn_state_fini(&state);
	vec_fini(&blob);
}

static void setup(void)
{
	struct addr_pair address = {.v4 = device_address(BACKEND)}, other = {.v4 = device_address(CLASSIFIER)};

	backend = (struct device){.id = BACKEND, .endpoint = {&fake_ops, &backend}};
	driver =
		driver_new(&(struct driver_config){.name = "backend", .seed = 1, .address = address, .tunnel = tunnel});
	migrator = migrator_new(&(struct migrator_config){.name = "backend",
							  .seed = 1,
							  .self = BACKEND,
							  .boot = 1,
							  .forwarder = FORWARDER,
							  .connections_max = 2 * CONNECTIONS},
				driver, &backend.endpoint);
	forwarder = forwarder_new(
		&(struct forwarder_config){.name = "forwarder", .seed = 1, .tunnel = tunnel, .entries = ENTRIES});
	ck_assert_int_eq(forwarder_device_add(forwarder, BACKEND, &address, false), 0);
	ck_assert_int_eq(forwarder_device_add(forwarder, CLASSIFIER, &other, true), 0);
	migrator_peer_restarted(migrator, FORWARDER, 1, 0);
	for (uint32_t n = 0; n < CONNECTIONS; n++)
		take(n);
	told = 0;
}

static void teardown(void)
{
	while (backend.copies)
		copy_free(&backend, backend.copies);
	migrator_free(migrator);
	driver_free(driver);
	forwarder_free(forwarder);
}

/* Carries what the backend has to say to the forwarder; how many messages that was. */
static unsigned carry(nstime now)
{
	struct outbox_message *m;
	unsigned count = 0;

	while ((m = outbox_get(migrator_outbox(migrator)))) {
		ck_assert_uint_eq(m->type, MESSAGE_ALIVE);
		forwarder_message(forwarder, BACKEND, 1, m->type, m->bytes.data, m->bytes.len, now);
		outbox_message_free(m);
		count++;
	}
	return count;
}

START_TEST(told_in_portions)
{
	const struct forwarder_counters *counts = forwarder_counters(forwarder);
	uint32_t flow;
	bool prepared;

	ck_assert_uint_eq(migrator_expiry(migrator), NSTIME_NEVER);
	migrator_peer_restarted(migrator, FORWARDER, 2, NSTIME_S);
	for (uint32_t left = CONNECTIONS; left;) {
		uint32_t now_told = left < MIGRATOR_ANNOUNCED ? left : MIGRATOR_ANNOUNCED;
		nstime now = migrator_expiry(migrator);

		ck_assert_uint_eq(now,
				  NSTIME_S + (CONNECTIONS - left) / MIGRATOR_ANNOUNCED * MIGRATOR_ANNOUNCE_INTERVAL);
		migrator_expire(migrator, now);
		ck_assert_uint_eq(carry(now), now_told);
		left -= now_told;
	}
	ck_assert_uint_eq(migrator_expiry(migrator), NSTIME_NEVER);
	ck_assert_uint_eq(migrator_counters(migrator)->announced, CONNECTIONS);
	/* as far as the table goes */
	ck_assert_uint_eq(counts->adopted, ENTRIES);
	ck_assert_uint_eq(counts->refused[MESSAGE_REASON_TABLE_FULL], CONNECTIONS - ENTRIES);
	for (uint32_t n = 0; n < ENTRIES; n++) {
		struct tuple t = tuple_of(n);

		ck_assert_uint_eq(forwarder_owner(forwarder, &t, &flow, &prepared), BACKEND);
		ck_assert_uint_eq(flow, 0x00010001U + n);
		ck_assert(!prepared);
	}
	/* and soon asked after */
	while (forwarder_expiry(forwarder) < 7 * NSTIME_S)
		forwarder_expire(forwarder, forwarder_expiry(forwarder));
	ck_assert_uint_eq(forwarder_outbox(forwarder)->count, ENTRIES);
	ck_assert_uint_eq(forwarder_outbox(forwarder)->head->type, MESSAGE_QUERY);
}
END_TEST

/* Told again, or by another boot of the backend: nothing of it is believed. */
START_TEST(told_once)
{
	const struct forwarder_counters *counts = forwarder_counters(forwarder);
	struct outbox_message *m;

	migrator_peer_restarted(migrator, FORWARDER, 2, 0);
	migrator_expire(migrator, 0);
	m = outbox_get(migrator_outbox(migrator));
	carry(0);
	forwarder_message(forwarder, BACKEND, 2, m->type, m->bytes.data, m->bytes.len, 0);
	forwarder_message(forwarder, BACKEND, 1, m->type, m->bytes.data, m->bytes.len, 0);
	forwarder_message(forwarder, CLASSIFIER, 1, m->type, m->bytes.data, m->bytes.len, 0);
	ck_assert_uint_eq(counts->adopted, MIGRATOR_ANNOUNCED - 1);
	ck_assert_uint_eq(counts->stale, 2);
	ck_assert_uint_eq(counts->unexpected + counts->stale, 3);
	outbox_message_free(m);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("adopt");
	TCase *t = tcase_create("adopt");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, told_in_portions);
	tcase_add_test(t, told_once);
	suite_add_tcase(s, t);
	return unit_run(s);
}
