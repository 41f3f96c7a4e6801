/* SPDX-License-Identifier: BSD-3-Clause */
/* What lb/forwarder.c (packets, time) and lb/forwarder_message.c (messages) share. */
#ifndef BATON_LB_FORWARDER_INTERNAL_H
#define BATON_LB_FORWARDER_INTERNAL_H

#include "lb/forwarder.h"

#define SEEN_SLOTS   4096U /* connections remembered for trace events only */
#define EXPIRE_BATCH 256U  /* records handled in one forwarder_expire */

enum entry_state {
	ENTRY_PREPARED = 1,
	ENTRY_COMMITTED,
	ENTRY_RETURNED,
	ENTRY_CLOSING,
};

/* Bits of table_entry.flags. */
#define ENTRY_OWNED  0x01U /* PREPARED, and the record behind the current one is the first device's own */
#define ENTRY_TRACED 0x02U /* a packet of this generation was encapsulated */

/* What was decided of a generation. */
enum record_state {
	RECORD_PREPARED = 1,
	RECORD_COMMITTED,
	RECORD_ABORTED,
};

/* The table's lists. Each has one interval, so that appending keeps it in order of time. */
enum forwarder_list {
	LIST_PREPARED, /* prepared_max */
	LIST_IDLE,     /* idle */
	LIST_QUERY,    /* query_interval */
	LIST_CLOSING,  /* linger */
	LIST_MARK,     /* mark */
	LIST_REST,     /* rest */
	LIST_COUNT
};
_Static_assert(LIST_COUNT == TABLE_LISTS, "TABLE_LISTS");

struct forwarder_device {
	uint16_t number;
	struct addr_pair address;
	uint64_t boot;  /* 0: not known yet */
	bool restarted; /* since this forwarder knows it */
	/* Of this boot's hand-offs, those up to this number which are not known are aborted: what stands in for the
	 * records that the table has no room for. */
	uint64_t aborted_upto;
};

struct forwarder {
	struct forwarder_config config;
	struct table table;
	struct hash_key classifier_key;
	struct forwarder_device devices[FORWARDER_DEVICES_MAX];
	uint32_t device_count;
	uint16_t device_slots[UINT16_MAX + 1]; /* by number: place in devices + 1 */
	struct index by_address;               /* of devices */
	uint16_t classifiers[FORWARDER_CLASSIFIERS_MAX];
	uint32_t classifier_count;
	struct outbox outbox;
	struct forwarder_counters counters;
	uint32_t live; /* entries PREPARED or COMMITTED */
	/* A direct-mapped memory of un-mapped connections, so that accept and data are traced once each. Two that share
	 * a slot may be traced again; nothing but the trace depends on it. */
	struct forwarder_seen {
		uint32_t tag, isn;
		bool used, data;
	} seen[SEEN_SLOTS];
};

/* NULL when there is none. */
static inline const struct forwarder_device *forwarder_device(const struct forwarder *f, uint16_t device)
{
	uint16_t slot = f->device_slots[device];

	return slot ? &f->devices[slot - 1] : NULL;
}

/* The classifier whose connection an un-mapped tuple is, DEVICE_NONE when there are none. */
uint16_t forwarder_classifier(const struct forwarder *f, const struct tuple *t);

/* The entry's number, or TABLE_NONE; one whose owner's boot is over is removed on the way. `hash` is the tuple's. */
uint32_t forwarder_find(struct forwarder *f, const struct tuple *t, uint32_t hash, nstime now);

/* Keeps the count of live entries. */
void forwarder_entry_state(struct forwarder *f, struct table_entry *e, enum entry_state state);

/* In a full table, removes the CLOSING entry that was quiet longest, if there is one. */
void forwarder_room_make(struct forwarder *f, nstime now);

/* Removes an entry because its owner is gone; the first device is told. */
void forwarder_entry_lost(struct forwarder *f, uint32_t entry, nstime now);

/* Takes back a PREPARED record's generation: the first device owns the connection again; both are told. */
void forwarder_abort(struct forwarder *f, uint32_t record, enum message_reason reason, nstime now);

/* A message about a record to one of its devices. */
void forwarder_tell(struct forwarder *f, uint16_t to, enum message_type type, const struct table_flow *r,
		    const struct tuple *t);

#endif
