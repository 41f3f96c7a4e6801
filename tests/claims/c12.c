/* SPDX-License-Identifier: BSD-3-Clause */
/* C12: a migrator intermediate driver buffers packets that arrive before the injected state is active. */
#include "tests/claims/claims.h"

#include "base/cursor.h"
#include "lb/driver.h"

#include <string.h>

/* The blob is slow, the client is not. What comes before the state is active is kept below the stack, and goes up, all
 * of it and in order, when it is. */
static void early_packets_are_buffered(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *active = NULL, *drained, *up;
	unsigned buffered = 0, events = 0, came = 0;
	size_t sent_len, read_len;
	const uint8_t *sent = claims_sent(t, &sent_len), *read = claims_read(h.second, t, &read_len);

	while ((active = claims_step(active, "driver_flow_activate", NULL)))
		if (claims_u64(active, "flow") == h.flow)
			break;
	ck_assert_ptr_nonnull(active);
	for (const struct claims_step *s = NULL;
	     (s = claims_step(s, "driver_packet", NULL)) && s->order < active->order;)
		if (claims_u64(s, "ports") == h.flow) {
			ck_assert_uint_eq(claims_u64(s, "verdict"), DRIVER_TAKEN);
			buffered++;
		}
	for (const struct claims_step *s = NULL; (s = claims_step(s, "driver.buffer", NULL));)
		events += claims_u64(s, "flow") == h.flow;
	ck_assert_uint_ge(buffered, 2);
	ck_assert_uint_eq(events, buffered);
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, claims_cluster(h.second)));)
		came += !p->out && p->encapsulated && p->flow == h.flow && p->at < active->at;
	ck_assert_uint_eq(came, buffered);
	/* the stack sees the first of them after the state is active */
	up = claims_step(NULL, "stack_input_ip", t);
	while (up && strcmp(up->node, h.second) != 0)
		up = claims_step(up, "stack_input_ip", t);
	ck_assert_ptr_nonnull(up);
	claims_in_order(claims_only("endpoint.infuse", t), claims_only("endpoint.activate", t), active, up, NULL);
	for (uint32_t n = 0, seq = load_be32(up->bytes + 24); n < buffered; n++) {
		ck_assert_ptr_nonnull(up);
		ck_assert_uint_eq(up->at, active->at);
		ck_assert_int_ge((int32_t)(load_be32(up->bytes + 24) - seq), 0);
		seq = load_be32(up->bytes + 24);
		up = claims_step(up, "stack_input_ip", t);
	}
	drained = claims_step(active, "driver.drain", NULL);
	ck_assert_ptr_nonnull(drained);
	ck_assert_uint_eq(claims_u64(drained, "flow"), h.flow);
	ck_assert_uint_eq(claims_u64(drained, "packets"), buffered);
	ck_assert_uint_eq(read_len, sent_len);
	ck_assert_mem_eq(read, sent, sent_len);
}

START_TEST(C12)
{
	claims_run("early.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		early_packets_are_buffered(claims_connection(i));
	ck_assert_uint_eq(claims_metric("driver.overflowed"), 0);
	ck_assert_uint_eq(claims_metric("client.retransmissions"), 0);
}
END_TEST

CLAIMS_MAIN(C12)
