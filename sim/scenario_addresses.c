/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses: given ones are checked, the others assigned, network by network in file order of the nodes. */
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

/* Addresses of a network that are not free to assign. */
struct reserved {
	uint32_t address;
	size_t node; /* SIZE_MAX: a VIP */
};

struct pool {
	uint32_t next, last;    /* host addresses; next > last: none is left */
	struct reserved *taken; /* sorted */
	size_t taken_count, taken_at;
};

static int reserved_compare(const void *a, const void *b)
{
	const struct reserved *x = a, *y = b;

	if (x->address != y->address)
		return x->address < y->address ? -1 : 1;
	/* VIPs first, so that a clash is told of the node. */
	return (x->node + 1 > y->node + 1) - (x->node + 1 < y->node + 1);
}

static void pool_take(struct pool *pool, uint32_t address, size_t node)
{
	pool->taken = scenario_grow(pool->taken, pool->taken_count, sizeof(*pool->taken));
	pool->taken[pool->taken_count++] = (struct reserved){address, node};
}

/* The place of a node's own address in the file. */
static const struct doc *address_doc(const struct parse *p, size_t node, size_t network)
{
	const struct doc *on = doc_get(p->node_docs[node], "on");
	const struct doc *attachment = on ? doc_get(on, p->s->networks[network].name) : NULL;

	return attachment ? doc_get(attachment, "address") : NULL;
}

static void pool_take_given(struct parse *p, struct pool *pool, size_t network, size_t node, const struct addr *a)
{
	const struct scenario_network *n = &p->s->networks[network];
	const struct doc *d = address_doc(p, node, network);
	uint32_t host = address_number(a) & (UINT32_MAX >> n->prefix_len);

	if (!addr_in_prefix(a, &n->subnet, n->prefix_len)) {
		MISTAKE(p, d, "'%s' is not in the subnet of network '%s'", d->text, n->name);
		p->addressed = false;
	} else if (!host || host == UINT32_MAX >> n->prefix_len) {
		MISTAKE(p, d, "'%s' is the %s address of network '%s'", d->text, host ? "broadcast" : "first", n->name);
		p->addressed = false;
	} else {
		pool_take(pool, address_number(a), node);
	}
}

static void pool_init(struct parse *p, struct pool *pool, size_t network)
{
	const struct scenario *s = p->s;
	const struct scenario_network *n = &s->networks[network];

	*pool = (struct pool){.next = address_number(&n->subnet) + 1};
	pool->last = (address_number(&n->subnet) | UINT32_MAX >> n->prefix_len) - 1;
	for (size_t i = 0; i < s->services_count; i++)
		if (addr_in_prefix(&s->services[i].vip, &n->subnet, n->prefix_len))
			pool_take(pool, address_number(&s->services[i].vip), SIZE_MAX);
	for (size_t i = 0; i < s->nodes_count; i++) {
		size_t attachment = node_attachment(&s->nodes[i], network);

		if (attachment != SIZE_MAX && s->nodes[i].attachments[attachment].address.family)
			pool_take_given(p, pool, network, i, &s->nodes[i].attachments[attachment].address);
	}
	if (pool->taken_count)
		qsort(pool->taken, pool->taken_count, sizeof(*pool->taken), reserved_compare);
	for (size_t i = 1; i < pool->taken_count; i++) {
		const struct reserved *a = &pool->taken[i - 1], *b = &pool->taken[i];

		if (a->address != b->address || b->node == SIZE_MAX)
			continue;
		const struct doc *d = address_doc(p, b->node, network);

		MISTAKE(p, d, "'%s' is %s%s%s already", d->text, a->node == SIZE_MAX ? "a VIP" : "the address of '",
			a->node == SIZE_MAX ? "" : s->nodes[a->node].name, a->node == SIZE_MAX ? "" : "'");
		p->addressed = false;
	}
}

static bool pool_assign(struct pool *pool, struct addr *out)
{
	/* Several VIPs of different ports share an address, so that it may stand there more than once. */
	for (; pool->taken_at < pool->taken_count && pool->taken[pool->taken_at].address <= pool->next;
	     pool->taken_at++)
		if (pool->taken[pool->taken_at].address == pool->next)
			pool->next++;
	if (pool->next > pool->last)
		return false;
	*out = addr_v4(pool->next++);
	return true;
}

static void owner_add(struct parse *p, const struct addr *a, size_t node, size_t attachment)
{
	p->owners = scenario_grow(p->owners, p->owners_count, sizeof(*p->owners));
	p->owners[p->owners_count++] = (struct owner){address_number(a), node, attachment};
}

static int owner_compare(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return (x->address > y->address) - (x->address < y->address);
}

/* `cluster`: the forwarder has its tunnel address on this network. */
static void network_assign(struct parse *p, size_t network, bool cluster)
{
	struct scenario *s = p->s;
	bool room = true;
	struct pool pool;

	pool_init(p, &pool, network);
	for (size_t i = 0; i < s->nodes_count && room; i++) {
		size_t index = node_attachment(&s->nodes[i], network);

		if (index == SIZE_MAX)
			continue;
		struct scenario_attachment *a = &s->nodes[i].attachments[index];

		if (!a->address.family)
			room = pool_assign(&pool, &a->address);
		if (room && cluster && (s->nodes[i].roles & ROLE_FORWARDER))
			room = pool_assign(&pool, &a->tunnel);
		if (room)
			owner_add(p, &a->address, i, index);
		else
			MISTAKE(p, p->network_docs[network], "the subnet of network '%s' is too small for its nodes",
				s->networks[network].name);
	}
	p->addressed &= room;
	free(pool.taken);
}

void parse_addresses(struct parse *p)
{
	const struct scenario *s = p->s;
	size_t cluster = cluster_network(s);

	for (size_t i = 0; i < s->networks_count; i++)
		network_assign(p, i, i == cluster);
	/* The VIPs are their forwarders'. */
	for (size_t i = 0; i < s->services_count; i++) {
		size_t forwarder = service_forwarder(s, &s->services[i]);

		if (forwarder != SIZE_MAX)
			owner_add(p, &s->services[i].vip, forwarder,
				  node_attachment(&s->nodes[forwarder], network_of(s, &s->services[i].vip)));
	}
	if (p->owners_count)
		qsort(p->owners, p->owners_count, sizeof(*p->owners), owner_compare);
}
