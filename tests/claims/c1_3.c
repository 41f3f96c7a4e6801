/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.3: the data is forwarded from the forwarder to a classifier. */
#include "tests/claims/claims.h"

#include <string.h>

/* The next packet at an attachment that is this very IP packet, byte for byte. */
static const struct claims_packet *same_ip(const struct claims_packet *original, const char *attachment, bool out)
{
	for (const struct claims_packet *p = NULL; (p = claims_packet(p, attachment));)
		if (p->out == out && p->ip_len == original->ip_len && p->ip && p->at >= original->at &&
		    !memcmp(p->ip, original->ip, p->ip_len))
			return p;
	return NULL;
}

static void data_is_forwarded(const struct tuple *t)
{
	const struct claims_packet *p = NULL, *sent, *came;
	const struct claims_step *event = claims_only("forwarder.data", t),
				 *read = claims_step(NULL, "classifier_data", t);
	struct mac classifier = claims_mac("classifier.cluster");

	while ((p = claims_packet(p, "forwarder.internet")))
		if (!p->out && claims_from_client(p, t) && p->payload_len)
			break;
	ck_assert_ptr_nonnull(p);
	sent = same_ip(p, "forwarder.cluster", true);
	came = same_ip(p, "classifier.cluster", false);
	ck_assert_msg(sent, "the data did not leave the forwarder unchanged");
	ck_assert_msg(came, "the data did not come to the classifier unchanged");
	ck_assert_mem_eq(&sent->to, &classifier, sizeof(classifier));
	ck_assert_ptr_nonnull(read);
	ck_assert_str_eq(read->node, "classifier");
	ck_assert_uint_ge(read->len, p->payload_len);
	ck_assert_mem_eq(read->bytes, p->payload, p->payload_len);
	ck_assert_uint_eq(claims_u64(event, "device"), claims_device("classifier"));
}

START_TEST(C1_3)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		data_is_forwarded(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_3)
