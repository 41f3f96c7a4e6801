/* SPDX-License-Identifier: BSD-3-Clause */
/* How many connections each client address has, and no more than a bound each.
 *
 * Memory is bounded by the number of addresses, which the caller bounds: it counts no more connections than it said.
 * Caller: lb/classifier.h. */
#ifndef BATON_LB_CENSUS_H
#define BATON_LB_CENSUS_H

#include "base/addr.h"
#include "base/hash.h"
#include "lb/index.h"

#include <stdbool.h>
#include <stdint.h>

struct census_client {
	struct addr address;
	uint32_t connections; /* 0: the record is free */
	uint32_t free_next;   /* of a free one */
};

struct census {
	struct hash_key key;
	struct index index;
	struct census_client *clients;
	uint32_t clients_used; /* records that were ever used: those behind are untouched */
	uint32_t free_first;   /* INDEX_NONE: none of those is free */
	uint32_t per_client_max;
};

/* connections_max in all, per_client_max (at least 1) for each address. */
void census_init(struct census *c, uint64_t seed, uint32_t connections_max, uint32_t per_client_max);
void census_fini(struct census *c);

/* One more of this address; false when it has as many as it may. Precondition: fewer than connections_max are counted.
 */
bool census_add(struct census *c, const struct addr *address);

/* One less. Precondition: it was added. */
void census_remove(struct census *c, const struct addr *address);

#endif
