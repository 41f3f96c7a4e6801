/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/opened.h"

#include "lb/message.h"
#include "lb/seal.h"

bool opened_frame(const struct node_cluster *cluster, const uint64_t *boots, size_t devices,
		  const struct frame_header *h, uint8_t *frame, size_t len, struct frame_body *body)
{
	struct seal_path path = {
		.purpose = SEAL_PURPOSE_DATA, .sender = h->from, .receiver = h->to, .sender_boot = h->boot};
	struct seal_key key;
	int r;

	if (!h->from || !h->to || h->from > devices || h->to > devices)
		return false;
	path.receiver_boot = boots[h->to - 1];
	seal_key_derive(&key, cluster->cipher, cluster->key, &path);
	r = seal_open(&key, h->number, frame, FRAME_HEADER_LEN, len);
	seal_key_wipe(&key);
	return !r && !frame_body_decode(body, FRAME_KIND_DATA, frame + FRAME_HEADER_LEN, len - FRAME_OVERHEAD);
}

const char *opened_message_name(uint8_t type)
{
	static const char *const names[] = {
		[MESSAGE_PREPARE] = "PREPARE", [MESSAGE_PREPARED] = "PREPARED", [MESSAGE_REFUSED] = "REFUSED",
		[MESSAGE_BLOB] = "BLOB",       [MESSAGE_READY] = "READY",       [MESSAGE_COMMITTED] = "COMMITTED",
		[MESSAGE_REJECT] = "REJECT",   [MESSAGE_ABORT] = "ABORT",       [MESSAGE_ABORTED] = "ABORTED",
		[MESSAGE_CLOSED] = "CLOSED",   [MESSAGE_QUERY] = "QUERY",       [MESSAGE_ALIVE] = "ALIVE",
		[MESSAGE_GONE] = "GONE",       [MESSAGE_LOST] = "LOST",         [MESSAGE_MOVED] = "MOVED",
		[MESSAGE_HEALTH] = "HEALTH",   [MESSAGE_CHOOSE] = "CHOOSE",     [MESSAGE_CHOSEN] = "CHOSEN",
	};

	return type < sizeof names / sizeof names[0] && names[type] ? names[type] : "message";
}
