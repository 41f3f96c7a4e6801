/* SPDX-License-Identifier: BSD-3-Clause */
/* C9.1: the classifier selects the flow identifier from its connection counter (several classifiers partition the 32
 * bits). */
#include "tests/claims/claims.h"

#include <string.h>

static uint64_t end(const struct claims_step *part)
{
	return claims_u64(part, "flow_base") + claims_u64(part, "flow_count");
}

/* The identifier behind one, round the part's end, leaving out those with a zero half. */
static uint64_t after(const struct claims_step *part, uint64_t flow)
{
	do
		flow = flow + 1 < end(part) ? flow + 1 : claims_u64(part, "flow_base");
	while (!(flow >> 16) || !(flow & 0xffff));
	return flow;
}

/* The identifiers of one classifier, in the order in which it bundled: wherever its counter began, each is the next. */
static unsigned flows_are_counted(const struct claims_step *part)
{
	uint64_t next = 0;
	unsigned n = 0;

	for (const struct claims_step *s = NULL; (s = claims_step(s, "blob_encode", NULL));) {
		if (strcmp(s->node, part->node) != 0)
			continue;
		if (n++)
			ck_assert_uint_eq(claims_u64(s, "flow"), next);
		ck_assert_uint_ge(claims_u64(s, "flow"), claims_u64(part, "flow_base"));
		ck_assert_uint_lt(claims_u64(s, "flow"), end(part));
		next = after(part, claims_u64(s, "flow"));
	}
	return n;
}

/* It is the one that was announced, mapped and put on the link. */
static void flow_is_used(const struct tuple *t)
{
	const struct claims_handoff h = claims_handoff(t);
	const struct claims_step *event = claims_only("classifier.flow", t);
	unsigned packets = 0;

	ck_assert_str_eq(event->node, h.first);
	ck_assert_uint_eq(claims_u64(event, "flow"), h.flow);
	ck_assert_uint_eq(claims_u64(claims_only("forwarder.prepared", t), "flow"), h.flow);
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, "forwarder.cluster"));)
		packets += p->out && p->encapsulated && p->flow == h.flow;
	ck_assert_uint_gt(packets, 0);
}

START_TEST(C9_1)
{
	const struct claims_step *parts[2];

	claims_run("two-classifiers.yaml");
	parts[0] = claims_step(NULL, "node_classifier_enable", NULL);
	parts[1] = claims_step(parts[0], "node_classifier_enable", NULL);
	ck_assert_ptr_nonnull(parts[1]);
	ck_assert_str_ne(parts[0]->node, parts[1]->node);
	for (size_t i = 0; i < 2; i++)
		ck_assert_uint_ge(flows_are_counted(parts[i]), 3);
	/* the parts have nothing in common and end within 32 bits */
	ck_assert(end(parts[0]) <= claims_u64(parts[1], "flow_base") ||
		  end(parts[1]) <= claims_u64(parts[0], "flow_base"));
	ck_assert_uint_le(end(parts[0]), UINT64_C(1) << 32);
	ck_assert_uint_le(end(parts[1]), UINT64_C(1) << 32);
	for (size_t i = 0; i < claims_connections(); i++)
		flow_is_used(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C9_1)
