/* SPDX-License-Identifier: BSD-3-Clause */
/* Addresses: given ones are checked, the others assigned, network by network in file order of the nodes, each family by
 * itself. */
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

/* Addresses of a subnet that are not free to assign. */
struct reserved {
	struct addr address;
	size_t node; /* SIZE_MAX: a VIP */
};

/* The addresses of one subnet. */
struct pool {
	size_t network;
	const struct scenario_subnet *subnet;
	struct addr next;       /* the first that may be free */
	struct reserved *taken; /* sorted */
	size_t taken_count, taken_at;
};

static int address_compare(const struct addr *a, const struct addr *b)
{
	return memcmp(a, b, sizeof(*a)); /* (network order: by value) */
}

static int reserved_compare(const void *a, const void *b)
{
	const struct reserved *x = a, *y = b;
	int order = address_compare(&x->address, &y->address);

	if (order)
		return order;
	/* VIPs first, so that a clash is told of the node. */
	return (x->node + 1 > y->node + 1) - (x->node + 1 < y->node + 1);
}

static void pool_take(struct pool *pool, const struct addr *address, size_t node)
{
	pool->taken = scenario_grow(pool->taken, pool->taken_count, sizeof(*pool->taken));
	pool->taken[pool->taken_count++] = (struct reserved){*address, node};
}

/* The place of a node's own address of a family in the file. */
static const struct doc *address_doc(const struct parse *p, size_t node, size_t network, uint8_t family)
{
	const struct doc *on = doc_get(p->node_docs[node], "on");

	if (p->s->nodes[node].roles & ROLE_OUTSIDE)
		return outside_host_doc(p->node_docs[node], family);
	const struct doc *attachment = on ? doc_get(on, p->s->networks[network].name) : NULL;
	const struct doc *d = attachment ? doc_get(attachment, "address") : NULL;
	struct addr a;

	for (size_t i = 0; d && d->kind == DOC_LIST && i < d->count; i++)
		if (!addr_parse(&a, d->items[i]->text) && a.family == family)
			return d->items[i];
	return d;
}

static void pool_take_given(struct parse *p, struct pool *pool, size_t node, const struct addr *a)
{
	const struct scenario_network *n = &p->s->networks[pool->network];
	const char *special = address_special(a, pool->subnet->prefix_len);

	if (special) {
		const struct doc *d = address_doc(p, node, pool->network, a->family);

		MISTAKE(p, d, "'%s' is the %s address of network '%s'", d->text, special, n->name);
		p->addressed = false;
	} else {
		pool_take(pool, a, node);
	}
}

/* Given addresses that are in no subnet of their network. */
static void check_given(struct parse *p, size_t network, size_t node, const struct scenario_attachment *a)
{
	const struct scenario_network *n = &p->s->networks[network];

	for (uint8_t family = 4; family <= 6; family += 2) {
		const struct addr *address = addr_pair_get(&a->address, family);

		if (!address->family || scenario_network_holds(n, address))
			continue;
		const struct doc *d = address_doc(p, node, network, family);

		MISTAKE(p, d, "'%s' is not in the subnet of network '%s'", d->text, n->name);
		p->addressed = false;
	}
}

static void pool_init(struct parse *p, struct pool *pool, size_t network, uint8_t family)
{
	const struct scenario *s = p->s;
	const struct scenario_network *n = &s->networks[network];

	*pool = (struct pool){.network = network, .subnet = scenario_subnet(n, family)};
	pool->next = pool->subnet->address;
	for (size_t i = 0; i < s->services_count; i++)
		if (s->services[i].vip.family == family && scenario_network_holds(n, &s->services[i].vip))
			pool_take(pool, &s->services[i].vip, SIZE_MAX);
	for (size_t i = 0; i < s->nodes_count; i++) {
		size_t index = node_attachment(&s->nodes[i], network);
		const struct addr *a =
			index == SIZE_MAX ? NULL : addr_pair_get(&s->nodes[i].attachments[index].address, family);

		if (a && scenario_network_holds(n, a))
			pool_take_given(p, pool, i, a);
	}
	if (pool->taken_count)
		qsort(pool->taken, pool->taken_count, sizeof(*pool->taken), reserved_compare);
	for (size_t i = 1; i < pool->taken_count; i++) {
		const struct reserved *a = &pool->taken[i - 1], *b = &pool->taken[i];

		if (!addr_equal(&a->address, &b->address) || b->node == SIZE_MAX)
			continue;
		const struct doc *d = address_doc(p, b->node, network, family);

		MISTAKE(p, d, "'%s' is %s%s%s already", d->text, a->node == SIZE_MAX ? "a VIP" : "the address of '",
			a->node == SIZE_MAX ? "" : s->nodes[a->node].name, a->node == SIZE_MAX ? "" : "'");
		p->addressed = false;
	}
}

static void address_increment(struct addr *a)
{
	for (unsigned i = addr_len(a); i-- > 0 && !++a->bytes[i];)
		;
}

/* The next free address. False: none is left. */
static bool pool_assign(struct pool *pool, struct addr *out)
{
	bool taken;

	do {
		address_increment(&pool->next);
		/* Several VIPs of different ports share an address, so that it may stand there more than once. */
		while (pool->taken_at < pool->taken_count &&
		       address_compare(&pool->taken[pool->taken_at].address, &pool->next) < 0)
			pool->taken_at++;
		taken = pool->taken_at < pool->taken_count &&
			addr_equal(&pool->taken[pool->taken_at].address, &pool->next);
	} while (taken);
	if (!addr_in_prefix(&pool->next, &pool->subnet->address, pool->subnet->prefix_len) ||
	    address_special(&pool->next, pool->subnet->prefix_len))
		return false;
	*out = pool->next;
	return true;
}

static void owner_add(struct parse *p, const struct addr *a, size_t node, size_t attachment)
{
	p->owners = scenario_grow(p->owners, p->owners_count, sizeof(*p->owners));
	p->owners[p->owners_count++] = (struct owner){*a, node, attachment};
}

static int owner_compare(const void *a, const void *b)
{
	const struct owner *x = a, *y = b;

	return address_compare(&x->address, &y->address);
}

/* One family's addresses on a network; `cluster`: the forwarder has its tunnel address there. False: the subnet is too
 * small. */
static bool subnet_assign(struct parse *p, struct pool *pool, bool cluster)
{
	struct scenario *s = p->s;

	for (size_t i = 0; i < s->nodes_count; i++) {
		size_t index = node_attachment(&s->nodes[i], pool->network);
		struct scenario_attachment *a = index == SIZE_MAX ? NULL : &s->nodes[i].attachments[index];
		struct addr address;

		if (!a || (s->nodes[i].roles & ROLE_BRIDGE))
			continue;
		address = *addr_pair_get(&a->address, pool->subnet->address.family);
		if (!address.family && (s->nodes[i].roles & ROLE_OUTSIDE))
			continue;
		if (!address.family) {
			if (!pool_assign(pool, &address))
				return false;
			addr_pair_put(&a->address, &address);
		}
		owner_add(p, &address, i, index);
		if (cluster && (s->nodes[i].roles & ROLE_FORWARDER)) {
			if (!pool_assign(pool, &address))
				return false;
			addr_pair_put(&a->tunnel, &address);
		}
	}
	return true;
}

static void network_assign(struct parse *p, size_t network, bool cluster)
{
	const struct scenario *s = p->s;

	for (size_t i = 0; i < s->nodes_count; i++) {
		size_t index = node_attachment(&s->nodes[i], network);

		if (index != SIZE_MAX)
			check_given(p, network, i, &s->nodes[i].attachments[index]);
	}
	for (uint8_t family = 4; family <= 6; family += 2) {
		struct pool pool;

		if (!scenario_subnet(&s->networks[network], family)->address.family)
			continue;
		pool_init(p, &pool, network, family);
		if (!subnet_assign(p, &pool, cluster)) {
			MISTAKE(p, p->network_docs[network], "the subnet of network '%s' is too small for its nodes",
				s->networks[network].name);
			p->addressed = false;
		}
		free(pool.taken);
	}
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
