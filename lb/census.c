/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/census.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

void census_init(struct census *c, uint64_t seed, uint32_t connections_max, uint32_t per_client_max)
{
	*c = (struct census){.free_first = INDEX_NONE, .per_client_max = per_client_max};
	hash_key_init(&c->key, seed, "census");
	index_init(&c->index, connections_max);
	c->clients = calloc(connections_max, sizeof *c->clients);
	if (!c->clients)
		log_fatal("out of memory: %u clients", connections_max);
}

void census_fini(struct census *c)
{
	index_fini(&c->index);
	free(c->clients);
	*c = (struct census){0};
}

static uint32_t census_hash(const struct census *c, const struct addr *address)
{
	return (uint32_t)hash_bytes(&c->key, address, sizeof *address);
}

/* The record's number, or INDEX_NONE. */
static uint32_t census_find(const struct census *c, uint32_t hash, const struct addr *address)
{
	uint32_t cursor = 0, number;

	while ((number = index_next(&c->index, hash, &cursor)) != INDEX_NONE)
		if (addr_equal(&c->clients[number].address, address))
			break;
	return number;
}

static uint32_t record_take(struct census *c)
{
	uint32_t number = c->free_first;

	if (number == INDEX_NONE)
		return c->clients_used++;
	c->free_first = c->clients[number].free_next;
	return number;
}

bool census_add(struct census *c, const struct addr *address)
{
	uint32_t hash = census_hash(c, address), number = census_find(c, hash, address);

	if (number == INDEX_NONE) {
		number = record_take(c);
		c->clients[number] = (struct census_client){.address = *address};
		index_insert(&c->index, hash, number);
	}
	if (c->clients[number].connections == c->per_client_max)
		return false;
	c->clients[number].connections++;
	return true;
}

void census_remove(struct census *c, const struct addr *address)
{
	uint32_t hash = census_hash(c, address), number = census_find(c, hash, address);

	assert(number != INDEX_NONE);
	if (--c->clients[number].connections)
		return;
	index_remove(&c->index, hash, number);
	c->clients[number].free_next = c->free_first;
	c->free_first = number;
}
