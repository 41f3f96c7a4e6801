/* SPDX-License-Identifier: BSD-3-Clause */
/* Looks into a forwarder for its tests: what it holds, and who owns a connection. */
#ifndef BATON_TESTS_FORWARDER_LOOK_H
#define BATON_TESTS_FORWARDER_LOOK_H

#include "lb/forwarder_internal.h"

struct forwarder_holdings {
	uint32_t entries, live, flows; /* `live`: PREPARED or COMMITTED */
};

static inline void forwarder_holdings(const struct forwarder *f, struct forwarder_holdings *out)
{
	*out = (struct forwarder_holdings){
		.entries = table_entry_count(&f->table),
		.live = f->live,
		.flows = table_flow_count(&f->table),
	};
}

/* The device, its flow identifier (0: it is a classifier's), whether a hand-off is under way. DEVICE_NONE when there
 * are no classifiers. */
static inline uint16_t forwarder_owner(const struct forwarder *f, const struct tuple *t, uint32_t *flow, bool *prepared)
{
	uint32_t number = table_find(&f->table, t, table_hash(&f->table, t));
	const struct table_entry *e = number == TABLE_NONE ? NULL : table_entry(&f->table, number);
	const struct table_flow *r = e ? table_flow(&f->table, e->record) : NULL;
	const struct forwarder_device *d;

	*flow = 0;
	*prepared = e && e->state == ENTRY_PREPARED;
	if (*prepared)
		r = e->flags & ENTRY_OWNED ? table_flow(&f->table, r->older) : NULL;
	else if (r && r->state != RECORD_COMMITTED)
		r = NULL;
	d = r ? forwarder_device(f, r->second) : NULL;
	if (!d || r->second_boot < d->boot) /* an owner that restarted has lost it */
		return forwarder_classifier(f, t);
	*flow = r->flow;
	return r->second;
}

#endif
