/* SPDX-License-Identifier: BSD-3-Clause */
/* C1.4: the classifier determines a second device for the connection. */
#include "tests/claims/claims.h"

#include "lb/classifier.h"

#include <string.h>

/* What the client asked for decides, as the scenario's rules say, and the connection goes there. */
static void device_is_determined(const struct tuple *t)
{
	const struct claims_step *read = NULL, *choice = claims_only("classifier.choose", t);
	const struct claims_handoff h = claims_handoff(t);
	size_t len;
	const uint8_t *request = claims_sent(t, &len);
	bool image = !memcmp(request, "POST /img/", 10);

	ck_assert(image || !memcmp(request, "POST /other/", 12));
	while ((read = claims_step(read, "classifier_data", t)))
		if (claims_u64(read, "verdict") == CLASSIFIER_DEVICE)
			break;
	ck_assert_ptr_nonnull(read);
	ck_assert_str_eq(read->node, "classifier");
	ck_assert_uint_eq(claims_u64(read, "device"), claims_device(h.second));
	ck_assert_uint_eq(claims_u64(choice, "device"), claims_device(h.second));
	ck_assert_int_eq(image, !strcmp(h.second, "backend1") || !strcmp(h.second, "backend2"));
	ck_assert_int_eq(!image, !strcmp(h.second, "backend3"));
	claims_in_order(read, choice, claims_only("endpoint.migrate", t), NULL);
	ck_assert_str_eq(claims_blob_received(t)->node, h.second);
}

START_TEST(C1_4)
{
	claims_run("standard.yaml");
	for (size_t i = 0; i < claims_connections(); i++)
		device_is_determined(claims_connection(i));
}
END_TEST

CLAIMS_MAIN(C1_4)
