/* SPDX-License-Identifier: BSD-3-Clause */
/* C19: the mapping is stored in an encapsulation mapping table accessed by flow identifier. */
#include "tests/claims/claims.h"

#include "lb/driver.h"

#include <stdlib.h>
#include <string.h>

static void event_says_so(const struct tuple *t)
{
	const struct claims_step *event = claims_only("driver.mapping", t);

	ck_assert_uint_eq(claims_u64(event, "flow"), claims_handoff(t).flow);
	ck_assert_str_eq(event->node, claims_handoff(t).second);
}

static void store(struct driver *d, const struct claims_step *blob)
{
	struct blob_mapping m = {.first = claims_device("classifier"), .second = claims_device(blob->node)};
	struct conn_state state = {0};
	const char *why;

	/* the boot that the courier vouched for is in the blob: HANDOFF's field behind 20 bytes of others */
	size_t len;
	const uint8_t *mapping = claims_section(blob, BLOB_HANDOFF, &len);

	for (size_t i = 0; i < 8; i++)
		m.first_boot = m.first_boot << 8 | mapping[20 + i];
	ck_assert_int_eq(driver_blob(d, blob->bytes, blob->len, &m, &state, &why, 0), 0);
	conn_state_fini(&state);
}

static uint32_t flows(const struct driver *d)
{
	struct driver_holdings holds;

	driver_holdings(d, &holds);
	return holds.flows;
}

/* A packet that came to the backend, given to the driver under a flow identifier; whose it is then, if it comes out. */
static bool restored(struct driver *d, const struct claims_packet *p, uint32_t flow, struct tuple *t)
{
	struct buf *b = buf_alloc(p->ip_len);
	struct packet view;
	enum driver_drop drop;

	memcpy(b->data, p->ip, p->ip_len);
	b->len = p->ip_len;
	ck_assert_int_eq(packet_parse(&view, b), PACKET_TCP);
	ck_assert(packet_encapsulate(&view, b, &p->source, &p->destination, flow));
	if (driver_packet(d, b, 0, &drop) != DRIVER_DELIVER)
		return false; /* buffered: it is the driver's */
	packet_parse(&view, b);
	*t = view.tuple;
	buf_free(b);
	return true;
}

/* A table of our own gets the two blobs of the run; then the same packet under either identifier, and under neither. */
static void table_is_accessed_by_flow(const struct claims_step *one, const struct claims_step *two)
{
	uint32_t flow_one = (uint32_t)claims_u64(one, "flow"), flow_two = (uint32_t)claims_u64(two, "flow");
	struct driver *d = driver_new(&(struct driver_config){
		.name = "table",
		.address.v4 = claims_address(claims_cluster(one->node)),
		.tunnel.v4 = claims_tunnel(),
	});
	const struct claims_packet *p = NULL;
	struct tuple t;

	while ((p = claims_packet(p, claims_cluster(one->node))) && !(p->encapsulated && !p->out))
		;
	ck_assert_ptr_nonnull(p);
	ck_assert_uint_eq(flows(d), 0);
	store(d, one);
	ck_assert_uint_eq(flows(d), 1);
	store(d, two);
	ck_assert_uint_eq(flows(d), 2);
	ck_assert(!restored(d, p, flow_one, &t)); /* held */
	driver_flow_activate(d, flow_one, 0);
	driver_flow_activate(d, flow_two, 0);
	ck_assert(restored(d, p, flow_one, &t));
	ck_assert(tuple_equal(&t, claims_tuple(one, "tuple")));
	ck_assert(restored(d, p, flow_two, &t));
	ck_assert(tuple_equal(&t, claims_tuple(two, "tuple")));
	ck_assert(!restored(d, p, 0x7fff7fff, &t)); /* nobody's */
	driver_free(d);
}

START_TEST(C19)
{
	const struct claims_step *one, *two;
	const struct tuple *first, *second = NULL;

	claims_run("standard.yaml");
	first = claims_connection(0);
	for (size_t i = 0; i < claims_connections(); i++)
		event_says_so(claims_connection(i));
	for (size_t i = 1; i < claims_connections() && !second; i++)
		if (!strcmp(claims_handoff(claims_connection(i)).second, claims_handoff(first).second))
			second = claims_connection(i);
	ck_assert_ptr_nonnull(second);
	one = claims_blob_received(first);
	two = claims_blob_received(second);
	table_is_accessed_by_flow(one, two);
}
END_TEST

CLAIMS_MAIN(C19)
