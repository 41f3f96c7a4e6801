/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.7: it goes asynchronously, via the forwarder, reliably: intact even if packets that make up the blob are lost
 * or corrupted. */
#include "tests/claims/claims.h"

#include <string.h>

static bool worked_on; /* the classifier did something else while a blob was on its way */

/* A frame of the classifier for the backend leaves it addressed to the forwarder, and comes to the backend from there.
 */
static void way_is_by_the_forwarder(void)
{
	struct addr forwarder = claims_address("forwarder.cluster"), backend = claims_address("backend1.cluster");
	struct mac mac = claims_mac("forwarder.cluster");
	unsigned left = 0, came = 0;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "classifier.cluster"));) {
		if (!p->out || p->kind != CLAIMS_COURIER || p->courier_to != claims_device("backend1"))
			continue;
		ck_assert(addr_equal(&p->destination, &forwarder));
		ck_assert_mem_eq(&p->to, &mac, sizeof(mac));
		left++;
	}
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "backend1.cluster"));) {
		if (p->out || p->kind != CLAIMS_COURIER || p->courier_from != claims_device("classifier"))
			continue;
		ck_assert(addr_equal(&p->source, &forwarder) && addr_equal(&p->destination, &backend));
		ck_assert_mem_eq(&p->from, &mac, sizeof(mac));
		came++;
	}
	ck_assert_uint_gt(left, 6);
	ck_assert_uint_gt(came, 6);
}

static bool same(const struct claims_packet *a, const struct claims_packet *b)
{
	return a->len == b->len && !memcmp(a->frame, b->frame, a->len);
}

/* How often this frame, byte for byte, is at the attachment. */
static unsigned count(const struct claims_packet *frame, const char *attachment, bool out)
{
	unsigned n = 0;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, attachment));)
		n += p->out == out && same(p, frame);
	return n;
}

/* On the backend's link: four frames of blobs do not come as they were sent, two of those not at all. */
static void frames_are_lost_and_corrupted(void)
{
	struct mac backend = claims_mac("backend1.cluster");
	unsigned missing = 0, corrupted = 0, rejected = 0;

	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "forwarder.cluster"));)
		if (p->out && p->kind == CLAIMS_COURIER && p->courier_to == claims_device("backend1") &&
		    !memcmp(&p->to, &backend, sizeof(backend)))
			missing += !count(p, "backend1.cluster", false);
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "backend1.cluster"));)
		corrupted += !p->out && p->ip && !count(p, "forwarder.cluster", true) && !memcmp(&p->to, &backend, 6) &&
			     !p->checksums_good;
	for (const struct claims_step *s = NULL; (s = claims_step(s, "courier.reject", NULL));)
		rejected += !strcmp(s->node, "backend1");
	ck_assert_uint_eq(missing, 4);
	ck_assert_uint_eq(corrupted, 2);
	ck_assert_uint_ge(rejected, 2);
	ck_assert_ptr_nonnull(claims_step(NULL, "courier.retransmit", NULL));
	ck_assert_ptr_nonnull(claims_step(NULL, "courier.deliver", NULL));
}

/* What reaches the driver is what the classifier gave to the courier, and neither side waited for the other. */
static void blob_is_intact(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *sent = claims_blob_sent(&h), *received = claims_blob_received(t);

	ck_assert_uint_gt(sent->len, 1500); /* several frames */
	ck_assert_uint_eq(sent->len, received->len);
	ck_assert_mem_eq(sent->bytes, received->bytes, sent->len);
	ck_assert_uint_gt(received->at, sent->at);
	claims_in_order(claims_only("blob.send", t), received, NULL);
	for (const struct claims_step *s = sent;
	     (s = claims_step(s, "stack_input_ip", NULL)) && s->order < received->order;)
		worked_on |= !strcmp(s->node, h.first);
}

START_TEST(C1_7)
{
	claims_run("lossy.yaml");
	way_is_by_the_forwarder();
	ck_assert_uint_eq(claims_metric("packets.dropped_by.fault"), 2);
	frames_are_lost_and_corrupted();
	for (size_t i = 0; i < claims_connections(); i++)
		blob_is_intact(claims_connection(i));
	ck_assert(worked_on);
}
END_TEST

CLAIMS_MAIN(C1_7)
