/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/policy.h"

#include "base/err.h"
#include "base/log.h"

#include <stdlib.h>

/* Grows in powers of two, so that no capacity needs to be kept. */
static void *grow(void *list, size_t count, size_t size)
{
	if (count & (count - 1))
		return list;
	list = reallocarray(list, count ? count * 2 : 1, size);
	if (!list)
		log_fatal("out of memory: %zu backends", count);
	return list;
}

static size_t device_index(const struct policy *p, uint16_t device)
{
	size_t i = 0;

	while (i < p->devices_count && p->devices[i].device != device)
		i++;
	return i;
}

static size_t device_add(struct policy *p, uint16_t device)
{
	size_t index = device_index(p, device);

	if (index == p->devices_count) {
		p->devices = grow(p->devices, p->devices_count, sizeof *p->devices);
		p->devices[p->devices_count++] = (struct policy_device){.device = device, .healthy = true};
	}
	return index;
}

void policy_fini(struct policy *p)
{
	free(p->devices);
	*p = (struct policy){0};
}

void policy_group_init(struct policy *p, struct policy_group *g, enum policy_balance balance, const uint16_t *devices,
		       size_t count)
{
	*g = (struct policy_group){.balance = balance};
	for (size_t i = 0; i < count; i++) {
		size_t index = device_add(p, devices[i]), known = 0;

		while (known < g->members_count && g->members[known] != index)
			known++;
		if (known < g->members_count)
			continue;
		g->members = grow(g->members, g->members_count, sizeof *g->members);
		g->members[g->members_count++] = index;
	}
}

void policy_group_fini(struct policy_group *g)
{
	free(g->members);
	*g = (struct policy_group){0};
}

static bool device_eligible(const struct policy_device *d, const uint16_t *excluded, size_t excluded_count)
{
	if (!d->healthy)
		return false;
	for (size_t i = 0; i < excluded_count; i++)
		if (excluded[i] == d->device)
			return false;
	return true;
}

int policy_choose(struct policy *p, struct policy_group *g, const uint16_t *excluded, size_t excluded_count,
		  uint16_t *device, size_t *candidates)
{
	const struct policy_device *best = NULL;
	size_t best_place = 0, start = g->balance == POLICY_ROUND_ROBIN ? g->next : 0;

	*candidates = 0;
	for (size_t i = 0; i < g->members_count; i++) {
		size_t place = (start + i) % g->members_count;
		const struct policy_device *d = &p->devices[g->members[place]];

		if (!device_eligible(d, excluded, excluded_count))
			continue;
		++*candidates;
		if (!best || (g->balance == POLICY_LEAST_CONNECTIONS && d->connections < best->connections)) {
			best = d;
			best_place = place;
		}
	}
	if (!best)
		return E_NOENT;
	g->next = (best_place + 1) % g->members_count;
	*device = best->device;
	return 0;
}

void policy_health(struct policy *p, uint16_t device, bool healthy)
{
	size_t index = device_index(p, device);

	if (index < p->devices_count)
		p->devices[index].healthy = healthy;
}

void policy_connections(struct policy *p, uint16_t device, int delta)
{
	size_t index = device_index(p, device);
	int64_t connections;

	if (index == p->devices_count)
		return;
	connections = (int64_t)p->devices[index].connections + delta;
	p->devices[index].connections = connections < 0            ? 0
					: connections > UINT32_MAX ? UINT32_MAX
								   : (uint32_t)connections;
}
