/* SPDX-License-Identifier: BSD-3-Clause */
/* Balancing: which of a rule's backends takes the next connection (claim C2.1).
 *
 * Devices are known by number; each has a health and a count of connections, shared by all rules; each group (a rule's
 * backends) has its own place in the round. No time, no chance: the same calls choose the same devices. It knows no
 * requests. Caller: lb/classifier.h. */
#ifndef BATON_LB_POLICY_H
#define BATON_LB_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum policy_balance {
	POLICY_ROUND_ROBIN,       /* in the order of the file, unhealthy ones skipped */
	POLICY_LEAST_CONNECTIONS, /* fewest connections; ties by the order of the file */
};

struct policy_device {
	uint16_t device;
	bool healthy;
	uint32_t connections;
};

/* Every device that some group names. Zero-initialised is empty. */
struct policy {
	struct policy_device *devices; /* in order of first mention */
	size_t devices_count;
};

/* One rule's backends. */
struct policy_group {
	enum policy_balance balance;
	size_t *members; /* indices into policy.devices */
	size_t members_count;
	size_t next; /* round-robin: where the search begins */
};

void policy_fini(struct policy *p);

/* Fills `g` with the devices listed, which become known (and healthy) where they are not yet; one that is listed twice
 * counts once. */
void policy_group_init(struct policy *p, struct policy_group *g, enum policy_balance balance, const uint16_t *devices,
		       size_t count);
void policy_group_fini(struct policy_group *g);

/* The device for the next connection among the healthy members that are not excluded, or E_NOENT. *candidates says how
 * many there were to choose from. Counts no connection: policy_connections does. */
int policy_choose(struct policy *p, struct policy_group *g, const uint16_t *excluded, size_t excluded_count,
		  uint16_t *device, size_t *candidates);

/* Sets a device's health; an unknown device is ignored. */
void policy_health(struct policy *p, uint16_t device, bool healthy);

/* Adds to a device's count of connections; it does not fall below 0. An unknown device is ignored. */
void policy_connections(struct policy *p, uint16_t device, int delta);

#endif
