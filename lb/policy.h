/* SPDX-License-Identifier: BSD-3-Clause */
/* Balancing: which of a rule's backends takes the next connection (claim C2.1).
 *
 * Devices are known by number; each has a health and a count of connections, shared by all rules; each group (a rule's
 * backends) has its own weights, place in the round, Maglev table or sticky table. No chance: the same calls choose the
 * same devices. It knows no requests: what a choice goes by (an address, a path, a cookie) comes as bytes. Caller:
 * lb/classifier.h. */
#ifndef BATON_LB_POLICY_H
#define BATON_LB_POLICY_H

#include "base/hash.h"
#include "base/nstime.h"
#include "lb/maglev.h"
#include "lb/sticky.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define POLICY_WEIGHT_MAX 1000U

enum policy_balance {
	POLICY_ROUND_ROBIN,       /* in the order of the file, unhealthy ones skipped; weighted: smoothly interleaved */
	POLICY_LEAST_CONNECTIONS, /* fewest connections for the weight; ties by the order of the file */
	POLICY_MAGLEV,            /* by a consistent hash of the key: all classifiers choose alike */
	POLICY_STICKY,            /* as this key before; a new one, or one without key, by the round */
};

struct policy_device {
	uint16_t device;
	bool healthy;
	uint32_t connections; /* known here */
	uint32_t others;      /* that it said it has beyond those */
};

/* Every device that some group names. Zero-initialised is empty. */
struct policy {
	struct policy_device *devices; /* in order of first mention */
	size_t devices_count;
	struct hash_key key; /* of keys and of Maglev's permutations: the same at all that shall choose alike */
	struct sticky_counters sticky; /* of all groups */
};

struct policy_member {
	size_t index; /* into policy.devices */
	uint32_t weight;
	int64_t current; /* smooth round: how far it is behind its share; at most the sum of all weights */
};

/* One rule's backends. */
struct policy_group {
	enum policy_balance balance;
	struct policy_member *members;
	size_t members_count;
	bool weighted; /* the weights differ */
	size_t next;   /* plain round: where the search begins */
	uint32_t sticky_entries;
	nstime sticky_expire;
	struct maglev maglev; /* both made when first needed */
	struct sticky sticky;
};

struct policy_group_config {
	enum policy_balance balance;
	const uint16_t *devices; /* one that is listed twice counts once, with its first weight */
	const uint32_t *weights; /* 1 to POLICY_WEIGHT_MAX, one a device; NULL: all 1 */
	size_t count;
	uint32_t sticky_entries; /* POLICY_STICKY; 0: STICKY_ENTRIES_DEFAULT */
	nstime sticky_expire;    /* POLICY_STICKY; 0: STICKY_EXPIRE_DEFAULT */
};

/* One choice to make. */
struct policy_ask {
	const void *key; /* POLICY_MAGLEV, POLICY_STICKY: what it goes by; may be NULL when key_len is 0 */
	size_t key_len;
	nstime now;               /* never falls */
	const uint16_t *excluded; /* devices that must not be chosen */
	size_t excluded_count;
};

void policy_fini(struct policy *p);

/* Fills `g` with the devices listed, which become known (and healthy) where they are not yet. */
void policy_group_init(struct policy *p, struct policy_group *g, const struct policy_group_config *config);
void policy_group_fini(struct policy_group *g);

/* Makes `g` what the configuration says and keeps what still holds: the members' turns when members and weights are the
 * same, the place in the round otherwise, and what a sticky group remembers, of members that stay. `keep_keys`: keys
 * are made of the same as before. Counts of connections and health belong to the devices and stay in any case. */
void policy_group_change(struct policy *p, struct policy_group *g, const struct policy_group_config *config,
			 bool keep_keys);

/* The device for the next connection among the healthy members that are not excluded, or E_NOENT. *candidates says how
 * many there were to choose from. Counts no connection: policy_connections does.
 *
 * POLICY_MAGLEV: keys whose device may not be chosen go to that of the next slot that may, and come back with it; no
 * other key moves. POLICY_STICKY: keys whose device may not be chosen move to another, and stay there. */
int policy_choose(struct policy *p, struct policy_group *g, const struct policy_ask *ask, uint16_t *device,
		  size_t *candidates);

/* Sets a device's health; an unknown device is ignored. */
void policy_health(struct policy *p, uint16_t device, bool healthy);

/* Adds to a device's count of connections; it does not fall below 0. An unknown device is ignored. */
void policy_connections(struct policy *p, uint16_t device, int delta);

/* The device says how many connections it has in all: what is beyond those known here counts too, until it speaks
 * again. An unknown device is ignored. */
void policy_load(struct policy *p, uint16_t device, uint32_t connections);

/* The device's entry, or NULL. */
const struct policy_device *policy_device_find(const struct policy *p, uint16_t device);

#endif
