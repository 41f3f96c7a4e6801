/* SPDX-License-Identifier: BSD-3-Clause */
/* Maglev consistent hashing (Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016,
 * section 3.4): a table of a prime number of slots, filled by the members' turns at their own permutations of it.
 *
 * Every device that fills a table from the same members and key gets the same table, in whatever order the members are
 * listed; a member that is added or removed changes little but its own slots. Weights give members turns in proportion.
 * It knows no health: whoever looks up asks for the slots behind until one will do, which moves only the keys of
 * members that will not. Caller: lb/policy.h. */
#ifndef BATON_LB_MAGLEV_H
#define BATON_LB_MAGLEV_H

#include "base/hash.h"

#include <stddef.h>
#include <stdint.h>

#define MAGLEV_SLOTS_DEFAULT 65537U /* a prime above the number of devices there can be; the paper's small size */
#define MAGLEV_MEMBERS_MAX   65535U

struct maglev_member {
	uint16_t id;     /* what its permutation is drawn from; not twice in a table */
	uint32_t weight; /* at least 1 */
};

struct maglev {
	uint16_t *table; /* by slot: the member's place in the list it was filled from */
	uint32_t slots;
};

/* Fills a table. Preconditions: `slots` is a prime, 1 <= count <= MAGLEV_MEMBERS_MAX, count <= slots. */
void maglev_init(struct maglev *m, uint32_t slots, const struct hash_key *key, const struct maglev_member *members,
		 size_t count);
void maglev_fini(struct maglev *m); /* zero-initialised is allowed */

/* The place of the member whose slot is `step` slots behind the one that belongs to `hash`. */
static inline uint16_t maglev_lookup(const struct maglev *m, uint64_t hash, uint32_t step)
{
	return m->table[(hash % m->slots + step) % m->slots];
}

#endif
