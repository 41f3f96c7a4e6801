/* SPDX-License-Identifier: BSD-3-Clause */
/* The migrator driver alone: order of what drains, and flows that end. */
#include "handoff_cluster.h"
#include "tests/lib/unit.h"

START_TEST(drained_in_order)
{
	static const uint32_t seqs[] = {0xfffffff0, 24, 0xfffffff8, 0, 16, 8, 0, 24};
	struct driver_config config = {.name = "d", .seed = 1, .address = {.v4 = device_address(5)}, .tunnel = tunnel};
	struct blob_mapping m = {
		.flow = 0x00010001, .generation = 1, .handoff = 1, .first = 2, .second = 5, .first_boot = 1};
	struct conn_state s = {0}, got = {0};
	struct tuple t = {
		.remote = addr_v4(0xc6336401), .local = addr_v4(0xc6336450), .remote_port = 9, .local_port = 80};
	struct endpoint_conn conn = {.tuple = t, .state = COPY_ACTIVE};
	struct driver *d = driver_new(&config);
	struct driver_action a;
	enum driver_drop drop;
	struct vec blob = {0};
	uint32_t last = 0xffffff00;
	const char *why;
	unsigned n = 0;

	for (size_t i = 0; i < sizeof seqs / sizeof *seqs; i++) {
		struct buf *b = packet_make(&t, TCP_FLAG_ACK, seqs[i]);
		struct packet p;

		packet_parse(&p, b);
		ck_assert(packet_encapsulate(&p, b, &tunnel.v4, &config.address.v4, m.flow));
		ck_assert_int_eq(driver_packet(d, b, 0, &drop), DRIVER_TAKEN);
	}
	ck_assert_int_eq(fake_migrate(NULL, &conn, 5, &s, 0), 0);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
	ck_assert_int_eq(driver_blob(d, blob.data, blob.len, &m, &got, &why, 0), 0);
	driver_flow_activate(d, m.flow, 0);
	while (driver_output(d, &a)) {
		struct packet p;

		ck_assert_int_eq(a.kind, DRIVER_PACKET_TO_STACK);
		ck_assert_int_eq(packet_parse(&p, a.packet), PACKET_TCP);
		ck_assert(tuple_equal(&p.tuple, &t));
		ck_assert_int_ge((int32_t)(p.seq - last), 0);
		last = p.seq;
		buf_free(a.packet);
		n++;
	}
	ck_assert_uint_eq(n, sizeof seqs / sizeof *seqs);
	vec_fini(&blob);
	conn_state_fini(&s);
	conn_state_fini(&got);
	driver_free(d);
}
END_TEST

/* A flow whose connection ended is delivered (TIME_WAIT answers) until its 4-tuple is somebody else's. */
START_TEST(closed_flow_gives_way)
{
	struct driver_config config = {.name = "d", .seed = 1, .address = {.v4 = device_address(5)}, .tunnel = tunnel};
	struct tuple t = {
		.remote = addr_v4(0xc6336401), .local = addr_v4(0xc6336450), .remote_port = 9, .local_port = 80};
	struct driver *d = driver_new(&config);
	struct driver_holdings h;
	struct driver_action a;

	for (uint32_t n = 1; n <= 2; n++) {
		struct blob_mapping m = {.flow = 0x00010000 + n,
					 .generation = n,
					 .handoff = n,
					 .first = 2,
					 .second = 5,
					 .first_boot = 1};
		struct endpoint_conn conn = {.tuple = t, .state = COPY_ACTIVE};
		struct conn_state s = {0}, got = {0};
		struct vec blob = {0};
		enum driver_drop drop;
		const char *why;
		struct packet p;
		struct buf *b;

		ck_assert_int_eq(fake_migrate(NULL, &conn, 5, &s, 0), 0);
		ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
		ck_assert_int_eq(driver_blob(d, blob.data, blob.len, &m, &got, &why, 0), 0);
		ck_assert_int_eq(driver_blob(d, blob.data, blob.len, &m, &got, &why, 0), E_EXISTS);
		m.second = 6; /* not this device */
		ck_assert_int_eq(driver_blob(d, blob.data, blob.len, &m, &got, &why, 0), E_REFUSED);
		driver_flow_activate(d, 0x00010000 + n, 0);
		driver_flow_close(d, 0x00010000 + n, 0);
		b = packet_make(&t, TCP_FLAG_ACK, 1000);
		packet_parse(&p, b);
		ck_assert(packet_encapsulate(&p, b, &tunnel.v4, &config.address.v4, 0x00010001));
		ck_assert_int_eq(driver_packet(d, b, 0, &drop), n == 1 ? DRIVER_DELIVER : DRIVER_TAKEN);
		if (n == 1)
			buf_free(b);
		/* a SYN would find the listener: neither where the connection ended nor where it is still to come */
		b = packet_make(&t, TCP_FLAG_SYN, 1000);
		packet_parse(&p, b);
		ck_assert(packet_encapsulate(&p, b, &tunnel.v4, &config.address.v4, 0x00010000 + n));
		ck_assert_int_eq(driver_packet(d, b, 0, &drop), DRIVER_DROP);
		ck_assert_int_eq(drop, DRIVER_DROP_SYN);
		packet_encapsulate(&p, b, &tunnel.v4, &config.address.v4, 0x00020002);
		ck_assert_int_eq(driver_packet(d, b, 0, &drop), DRIVER_DROP);
		ck_assert_int_eq(drop, DRIVER_DROP_SYN);
		buf_free(b);
		vec_fini(&blob);
		conn_state_fini(&s);
		conn_state_fini(&got);
	}
	ck_assert(driver_output(d, &a));
	ck_assert_int_eq(a.kind, DRIVER_PACKET_TO_FORWARDER);
	buf_free(a.packet);
	driver_expire(d, 31 * NSTIME_S);
	driver_holdings(d, &h);
	ck_assert_uint_eq(h.flows, 0);
	ck_assert_uint_eq(driver_expiry(d), NSTIME_NEVER);
	driver_free(d);
}
END_TEST

/* Infuses flow n of a client's port; driver_blob's result. */
static int infuse_port(struct driver *d, uint32_t n, uint16_t port, nstime now)
{
	struct blob_mapping m = {
		.flow = 0x00010000 + n, .generation = n, .handoff = n, .first = 2, .second = 5, .first_boot = 1};
	struct endpoint_conn conn = {.state = COPY_ACTIVE};
	struct conn_state s = {0}, got = {0};
	struct vec blob = {0};
	const char *why;
	int r;

	conn.tuple = (struct tuple){
		.remote = addr_v4(0xc6336401), .local = addr_v4(0xc6336450), .remote_port = port, .local_port = 80};
	m.tuple = conn.tuple;
	ck_assert_int_eq(fake_migrate(NULL, &conn, 5, &s, now), 0);
	ck_assert_int_eq(blob_encode(&blob, &m, &s), 0);
	r = driver_blob(d, blob.data, blob.len, &m, &got, &why, now);
	vec_fini(&blob);
	conn_state_fini(&s);
	conn_state_fini(&got);
	return r;
}

static int infuse(struct driver *d, uint32_t n, nstime now)
{
	return infuse_port(d, n, (uint16_t)(1000 + n), now);
}

/* Where the table is full, a new flow takes the place of the one whose connection ended and that was quiet longest; one
 * whose connection is open gives way to none. */
START_TEST(full_of_ended)
{
	struct driver_config config = {
		.name = "d", .seed = 1, .address = {.v4 = device_address(5)}, .tunnel = tunnel, .flows_max = 4};
	struct driver *d = driver_new(&config);
	enum driver_drop drop;
	struct tuple t = {
		.remote = addr_v4(0xc6336401), .local = addr_v4(0xc6336450), .remote_port = 1002, .local_port = 80};
	struct buf *b = packet_make(&t, TCP_FLAG_ACK, 1000);
	struct packet p;

	for (uint32_t n = 1; n <= 4; n++) {
		ck_assert_int_eq(infuse(d, n, n), 0);
		driver_flow_activate(d, 0x00010000 + n, n);
	}
	ck_assert_int_eq(infuse(d, 5, 5), E_FULL);
	for (uint32_t n = 2; n <= 4; n++)
		driver_flow_close(d, 0x00010000 + n, n);
	/* the second one's client still says something: the third is quiet longest */
	packet_parse(&p, b);
	ck_assert(packet_encapsulate(&p, b, &tunnel.v4, &config.address.v4, 0x00010002));
	ck_assert_int_eq(driver_packet(d, b, NSTIME_S, &drop), DRIVER_DELIVER);
	buf_free(b);
	ck_assert_int_eq(infuse(d, 5, NSTIME_S), 0);
	ck_assert_int_eq(infuse(d, 3, NSTIME_S), 0); /* E_EXISTS, were it still known; the fourth goes */
	ck_assert_int_eq(infuse(d, 2, NSTIME_S), E_EXISTS);
	ck_assert_uint_eq(driver_counters(d)->forgotten, 2);
	ck_assert_int_eq(infuse(d, 6, NSTIME_S), 0);
	ck_assert_int_eq(infuse(d, 7, NSTIME_S), E_FULL);
	ck_assert_uint_eq(driver_counters(d)->forgotten, 3);
	driver_free(d);
}
END_TEST

/* The same for a flow that rests, as its 4-tuple is another connection's. */
START_TEST(full_of_resting)
{
	struct driver_config config = {
		.name = "d", .seed = 1, .address = {.v4 = device_address(5)}, .tunnel = tunnel, .flows_max = 2};
	struct driver *d = driver_new(&config);

	ck_assert_int_eq(infuse(d, 1, 1), 0);
	driver_flow_activate(d, 0x00010001, 1);
	driver_flow_close(d, 0x00010001, 1);
	ck_assert_int_eq(infuse_port(d, 2, 1001, 2), 0);
	ck_assert_uint_eq(driver_counters(d)->forgotten, 0);
	ck_assert_int_eq(infuse(d, 3, 3), 0);
	ck_assert_uint_eq(driver_counters(d)->forgotten, 1);
	ck_assert_int_eq(infuse(d, 4, 4), E_FULL);
	driver_free(d);
}
END_TEST

/* One packet of a flow that nobody knows yet; what became of it. */
static enum driver_verdict early_packet(struct driver *d, const struct driver_config *config, uint32_t flow,
					enum driver_drop *drop)
{
	struct tuple t = {
		.remote = addr_v4(0xc6336401), .local = addr_v4(0xc6336450), .remote_port = 9, .local_port = 80};
	struct buf *b = packet_make(&t, TCP_FLAG_ACK, 1000);
	enum driver_verdict verdict;
	struct packet p;

	packet_parse(&p, b);
	ck_assert(packet_encapsulate(&p, b, &tunnel.v4, &config->address.v4, flow));
	verdict = driver_packet(d, b, 0, drop);
	if (verdict == DRIVER_DROP)
		buf_free(b);
	return verdict;
}

/* Flows, packets and bytes of a flow, and bytes in all: each is reached by itself, counted, and gone in time. */
START_TEST(bounded)
{
	static const struct {
		uint32_t flows_max, packets_max, flow_bytes_max, bytes_max;
		unsigned flows, packets; /* sent: flows, and packets of each */
		unsigned taken;
		enum driver_drop drop;
	} cases[] = {
		{3, 0, 0, 0, 4, 1, 3, DRIVER_DROP_FLOWS_FULL},
		{0, 5, 0, 0, 2, 6, 10, DRIVER_DROP_FLOW_FULL},
		{0, 0, 4096, 0, 1, 200, 0, DRIVER_DROP_FLOW_FULL},
		{0, 0, 0, 4096, 100, 2, 0, DRIVER_DROP_BUFFER_FULL},
	};

	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct driver_config config = {.name = "d",
					       .seed = 1,
					       .address = {.v4 = device_address(5)},
					       .tunnel = tunnel,
					       .flows_max = cases[i].flows_max,
					       .flow_packets_max = cases[i].packets_max,
					       .flow_bytes_max = cases[i].flow_bytes_max,
					       .bytes_max = cases[i].bytes_max};
		struct driver *d = driver_new(&config);
		struct driver_holdings h;
		unsigned taken = 0, sent = cases[i].flows * cases[i].packets;
		enum driver_drop drop = DRIVER_DROP_COUNT;

		for (unsigned n = 0; n < sent; n++)
			taken += early_packet(d, &config, 0x00010001 + n % cases[i].flows, &drop) == DRIVER_TAKEN;
		ck_assert_int_eq(drop, cases[i].drop);
		ck_assert_uint_gt(taken, 0);
		ck_assert(!cases[i].taken || taken == cases[i].taken);
		ck_assert_uint_eq(driver_counters(d)->dropped[drop], sent - taken);
		ck_assert_uint_eq(driver_counters(d)->overflowed, sent - taken);
		driver_holdings(d, &h);
		ck_assert_uint_eq(h.buffered_packets, taken);
		if (cases[i].flow_bytes_max || cases[i].bytes_max)
			ck_assert_uint_le(h.buffered_bytes, 4096);
		driver_expire(d, 3 * NSTIME_S);
		driver_holdings(d, &h);
		ck_assert_uint_eq(h.flows + h.buffered_packets + h.buffered_bytes, 0);
		driver_free(d);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("driver");
	TCase *t = tcase_create("driver");

	tcase_add_test(t, drained_in_order);
	tcase_add_test(t, closed_flow_gives_way);
	tcase_add_test(t, full_of_ended);
	tcase_add_test(t, full_of_resting);
	tcase_add_test(t, bounded);
	suite_add_tcase(s, t);
	return unit_run(s);
}
