/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/policy.h"

#include "base/err.h"
#include "base/log.h"

#include <assert.h>
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

void policy_group_init(struct policy *p, struct policy_group *g, const struct policy_group_config *config)
{
	*g = (struct policy_group){
		.balance = config->balance,
		.sticky_entries = config->sticky_entries ? config->sticky_entries : STICKY_ENTRIES_DEFAULT,
		.sticky_expire = config->sticky_expire ? config->sticky_expire : STICKY_EXPIRE_DEFAULT,
	};
	for (size_t i = 0; i < config->count; i++) {
		uint32_t weight = config->weights ? config->weights[i] : 1;
		size_t index = device_add(p, config->devices[i]), known = 0;

		assert(weight && weight <= POLICY_WEIGHT_MAX);
		while (known < g->members_count && g->members[known].index != index)
			known++;
		if (known < g->members_count)
			continue;
		g->members = grow(g->members, g->members_count, sizeof *g->members);
		g->members[g->members_count++] = (struct policy_member){.index = index, .weight = weight};
		g->weighted |= weight != g->members[0].weight;
	}
}

void policy_group_fini(struct policy_group *g)
{
	free(g->members);
	maglev_fini(&g->maglev);
	sticky_fini(&g->sticky);
	*g = (struct policy_group){0};
}

static bool same_members(const struct policy_group *a, const struct policy_group *b)
{
	if (a->members_count != b->members_count)
		return false;
	for (size_t i = 0; i < a->members_count; i++)
		if (a->members[i].index != b->members[i].index || a->members[i].weight != b->members[i].weight)
			return false;
	return true;
}

/* The place of a device among the members; members_count: it is none. */
static size_t member_place(const struct policy_group *g, size_t index)
{
	size_t place = 0;

	while (place < g->members_count && g->members[place].index != index)
		place++;
	return place;
}

/* Where the round goes on: at the first of the old members, from the one whose turn it was on, that stays. */
static void round_carry(struct policy_group *to, const struct policy_group *from)
{
	for (size_t i = 0; i < from->members_count; i++) {
		size_t place = member_place(to, from->members[(from->next + i) % from->members_count].index);

		if (place < to->members_count) {
			to->next = place;
			return;
		}
	}
}

void policy_group_change(struct policy *p, struct policy_group *g, const struct policy_group_config *config,
			 bool keep_keys)
{
	struct policy_group fresh;

	policy_group_init(p, &fresh, config);
	if (same_members(g, &fresh)) {
		fresh.next = g->next;
		for (size_t i = 0; i < g->members_count; i++)
			fresh.members[i].current = g->members[i].current;
		fresh.maglev = g->maglev; /* from the same members and key, whatever the balance */
		g->maglev = (struct maglev){0};
	} else {
		round_carry(&fresh, g);
	}
	if (keep_keys && fresh.balance == POLICY_STICKY && g->sticky.entries) {
		fresh.sticky = g->sticky;
		g->sticky = (struct sticky){0};
		sticky_resize(&fresh.sticky, fresh.sticky_entries, fresh.sticky_expire);
	}
	policy_group_fini(g);
	*g = fresh;
}

static bool device_eligible(const struct policy_device *d, const struct policy_ask *ask)
{
	if (!d->healthy)
		return false;
	for (size_t i = 0; i < ask->excluded_count; i++)
		if (ask->excluded[i] == d->device)
			return false;
	return true;
}

static bool member_eligible(const struct policy *p, const struct policy_group *g, size_t place,
			    const struct policy_ask *ask)
{
	return device_eligible(&p->devices[g->members[place].index], ask);
}

/* The next in the file's order. */
static size_t choose_round(const struct policy *p, struct policy_group *g, const struct policy_ask *ask)
{
	size_t place = g->next;

	while (!member_eligible(p, g, place, ask))
		place = (place + 1) % g->members_count;
	g->next = (place + 1) % g->members_count;
	return place;
}

/* Each that may be chosen comes closer to its turn by its weight; whoever is closest has it and goes back by the sum.
 * Heavy members so come often, yet not in a row while others wait. */
static size_t choose_smooth(const struct policy *p, struct policy_group *g, const struct policy_ask *ask)
{
	size_t best = SIZE_MAX;
	int64_t sum = 0;

	for (size_t i = 0; i < g->members_count; i++) {
		struct policy_member *m = &g->members[i];

		if (!member_eligible(p, g, i, ask))
			continue;
		m->current += m->weight;
		sum += m->weight;
		if (best == SIZE_MAX || m->current > g->members[best].current)
			best = i;
	}
	g->members[best].current -= sum;
	return best;
}

static uint64_t device_load(const struct policy_device *d)
{
	return (uint64_t)d->connections + d->others;
}

static size_t choose_least(const struct policy *p, const struct policy_group *g, const struct policy_ask *ask)
{
	size_t best = SIZE_MAX;

	for (size_t i = 0; i < g->members_count; i++) {
		const struct policy_member *m = &g->members[i], *b = &g->members[best == SIZE_MAX ? i : best];

		if (!member_eligible(p, g, i, ask))
			continue;
		/* Fewest for the weight: the fractions compared crosswise. */
		if (best == SIZE_MAX ||
		    device_load(&p->devices[m->index]) * b->weight < device_load(&p->devices[b->index]) * m->weight)
			best = i;
	}
	return best;
}

static void maglev_fill(const struct policy *p, struct policy_group *g)
{
	struct maglev_member *members = calloc(g->members_count, sizeof *members);

	if (!members)
		log_fatal("out of memory: %zu backends", g->members_count);
	for (size_t i = 0; i < g->members_count; i++)
		members[i] = (struct maglev_member){p->devices[g->members[i].index].device, g->members[i].weight};
	maglev_init(&g->maglev, MAGLEV_SLOTS_DEFAULT, &p->key, members, g->members_count);
	free(members);
}

static size_t choose_maglev(const struct policy *p, struct policy_group *g, const struct policy_ask *ask)
{
	uint64_t hash = hash_bytes(&p->key, ask->key, ask->key_len);

	if (!g->maglev.table)
		maglev_fill(p, g);
	for (uint32_t step = 0; step < g->maglev.slots; step++) {
		size_t place = maglev_lookup(&g->maglev, hash, step);

		if (member_eligible(p, g, place, ask))
			return place;
	}
	/* Only members too light for a single slot are left. */
	return choose_round(p, g, ask);
}

static size_t choose_in_turn(const struct policy *p, struct policy_group *g, const struct policy_ask *ask)
{
	return g->weighted ? choose_smooth(p, g, ask) : choose_round(p, g, ask);
}

static size_t choose_sticky(struct policy *p, struct policy_group *g, const struct policy_ask *ask)
{
	uint64_t hash = hash_bytes(&p->key, ask->key, ask->key_len);
	uint16_t device;
	size_t place;

	if (!ask->key_len)
		return choose_in_turn(p, g, ask);
	if (!g->sticky.entries)
		sticky_init(&g->sticky, g->sticky_entries, g->sticky_expire);
	place = sticky_find(&g->sticky, hash, ask->now, &device, &p->sticky) ? member_place(g, device_index(p, device))
									     : g->members_count;
	if (place == g->members_count ||
	    !member_eligible(p, g, place, ask)) /* (the device may be no member any more) */
		place = choose_in_turn(p, g, ask);
	sticky_put(&g->sticky, hash, p->devices[g->members[place].index].device, ask->now, &p->sticky);
	return place;
}

int policy_choose(struct policy *p, struct policy_group *g, const struct policy_ask *ask, uint16_t *device,
		  size_t *candidates)
{
	size_t place = 0;

	*candidates = 0;
	for (size_t i = 0; i < g->members_count; i++)
		*candidates += member_eligible(p, g, i, ask);
	if (!*candidates)
		return E_NOENT;
	switch (g->balance) {
	case POLICY_ROUND_ROBIN:
		place = choose_in_turn(p, g, ask);
		break;
	case POLICY_LEAST_CONNECTIONS:
		place = choose_least(p, g, ask);
		break;
	case POLICY_MAGLEV:
		place = choose_maglev(p, g, ask);
		break;
	case POLICY_STICKY:
		place = choose_sticky(p, g, ask);
		break;
	}
	*device = p->devices[g->members[place].index].device;
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

void policy_load(struct policy *p, uint16_t device, uint32_t connections)
{
	size_t index = device_index(p, device);
	struct policy_device *d = &p->devices[index];

	if (index < p->devices_count)
		d->others = connections > d->connections ? connections - d->connections : 0;
}

const struct policy_device *policy_device_find(const struct policy *p, uint16_t device)
{
	size_t index = device_index(p, device);

	return index < p->devices_count ? &p->devices[index] : NULL;
}
