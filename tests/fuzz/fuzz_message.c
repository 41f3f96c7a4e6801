/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a control message: the first is the courier's type byte, the others the message. A message has one encoding,
 * so that what decodes must encode to the bytes it came from. */
#include "fuzz.h"

#include "base/err.h"
#include "lb/message.h"

#include <string.h>

static void outbox_check(struct outbox *o, const uint8_t *bytes, size_t len)
{
	struct outbox_message *m = outbox_get(o);

	FUZZ_CHECK(m && m->bytes.len == len && !memcmp(m->bytes.data, bytes, len));
	FUZZ_CHECK(!outbox_get(o));
	outbox_message_free(m);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct outbox outbox = {0};
	struct message message;
	struct message_health health;
	struct message_choice choice;

	if (!size)
		return 0;
	if (!message_decode(&message, data[0], data + 1, size - 1)) {
		FUZZ_CHECK(strcmp(message_reason_text(message.reason), "unknown"));
		outbox_put(&outbox, 1, &message, 0);
		outbox_check(&outbox, data + 1, size - 1);
	}
	if (!message_health_decode(&health, data + 1, size - 1)) {
		outbox_put_health(&outbox, 1, &health);
		outbox_check(&outbox, data + 1, size - 1);
	}
	if (!message_choice_decode(&choice, data[0], data + 1, size - 1)) {
		outbox_put_choice(&outbox, 1, &choice);
		outbox_check(&outbox, data + 1, size - 1);
	}
	return 0;
}
