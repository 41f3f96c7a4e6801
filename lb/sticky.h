/* SPDX-License-Identifier: BSD-3-Clause */
/* Which device a client (or a cookie's value) was given before: a bounded table of keyed hashes, each with a device and
 * the time of its last use.
 *
 * An entry not used for `expire` is forgotten; where the table is full, the one that was used least recently makes
 * room. Only the 64-bit hash of a key is kept: two keys that share one share a device, which harms nobody and which no
 * client can bring about without the hash's key. It chooses no device and keeps no timer: what is too old goes when it
 * is next looked at. Caller: lb/policy.h. */
#ifndef BATON_LB_STICKY_H
#define BATON_LB_STICKY_H

#include "base/nstime.h"
#include "lb/index.h"

#include <stdbool.h>
#include <stdint.h>

#define STICKY_ENTRIES_DEFAULT 65536U
#define STICKY_ENTRIES_MAX     (1U << 20)
#define STICKY_EXPIRE_DEFAULT  (30 * 60 * NSTIME_S)

struct sticky_counters {
	uint64_t kept;    /* entries given their device again */
	uint64_t added;   /* new entries */
	uint64_t moved;   /* entries given another device */
	uint64_t expired; /* entries forgotten for their age */
	uint64_t evicted; /* entries that made room */
};

struct sticky_entry {
	uint64_t hash;
	nstime used;
	uint32_t newer, older; /* entries, INDEX_NONE at the ends; of an entry in use */
	uint16_t device;
};

struct sticky {
	struct index index;
	struct sticky_entry *entries;
	uint32_t entries_max, fresh; /* numbers from `fresh` on were never used */
	uint32_t unused;             /* the chain (by `older`) of numbers given back */
	uint32_t newest, oldest;     /* by use */
	nstime expire;
};

/* Precondition: 1 <= entries_max <= STICKY_ENTRIES_MAX. */
void sticky_init(struct sticky *s, uint32_t entries_max, nstime expire);
void sticky_fini(struct sticky *s); /* zero-initialised is allowed */

/* From now on it holds so many, and forgets after so long: the entries used last stay, as far as there is room. */
void sticky_resize(struct sticky *s, uint32_t entries_max, nstime expire);

/* The entries in use. */
static inline uint32_t sticky_count(const struct sticky *s)
{
	return s->index.count;
}

/* Forgets what is too old, then looks for `hash`: *device on success. Does not count as a use. `now` never falls. */
bool sticky_find(struct sticky *s, uint64_t hash, nstime now, uint16_t *device, struct sticky_counters *c);

/* The key was given `device` now: adds, moves or keeps its entry, which becomes the one used last. */
void sticky_put(struct sticky *s, uint64_t hash, uint16_t device, nstime now, struct sticky_counters *c);

#endif
