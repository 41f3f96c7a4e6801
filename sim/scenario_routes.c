/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes: each node's way to every network, by the fewest nodes that forward, each family by itself; and following
 * them.
 *
 * Nodes that forward are routers and forwarders. Where a service returns directly, forwarders count as far away, so
 * that its backends' packets and the routers between prefer any path around them. */
#include "sim/scenario_parse.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define HOPS_MAX       64U
#define COST_NEAR      1U
#define COST_FORWARDER 4096U
#define COST_NONE      UINT32_MAX

/* From one network to another: how far, and the attachment to hand packets to. */
struct way {
	uint32_t cost;
	size_t node, attachment;
};

struct ways {
	struct way *list; /* [from * networks + to] */
	size_t networks;
	uint8_t family;
	size_t *forwarding; /* the nodes that forward */
	size_t forwarding_count;
	bool avoid_forwarders;
};

static bool network_has(const struct scenario *s, size_t network, uint8_t family)
{
	return scenario_subnet(&s->networks[network], family)->address.family;
}

static bool node_forwards(const struct scenario_node *n)
{
	return n->roles & (ROLE_ROUTER | ROLE_FORWARDER);
}

static uint32_t node_cost(const struct scenario_node *n, bool avoid_forwarders)
{
	return avoid_forwarders && (n->roles & ROLE_FORWARDER) ? COST_FORWARDER : COST_NEAR;
}

static uint32_t cost_add(uint32_t cost, uint32_t more)
{
	return cost == COST_NONE ? COST_NONE : cost + more;
}

static uint32_t node_nearest(const struct ways *w, const struct scenario_node *n, size_t to)
{
	uint32_t nearest = COST_NONE;

	for (size_t i = 0; i < n->attachments_count; i++) {
		uint32_t cost = w->list[n->attachments[i].network * w->networks + to].cost;

		if (cost < nearest)
			nearest = cost;
	}
	return nearest;
}

/* One round over all nodes that forward. In the last one costs stand and the ways are noted: the first in the file. */
static bool ways_round(const struct scenario *s, struct ways *w, size_t to, bool last)
{
	bool changed = false;

	for (size_t i = 0; i < w->forwarding_count; i++) {
		const struct scenario_node *n = &s->nodes[w->forwarding[i]];
		uint32_t cost = cost_add(node_nearest(w, n, to), node_cost(n, w->avoid_forwarders));

		for (size_t j = 0; j < n->attachments_count && cost != COST_NONE; j++) {
			struct way *way = &w->list[n->attachments[j].network * w->networks + to];

			if (!network_has(s, n->attachments[j].network, w->family))
				continue;
			if (last && way->cost == cost && way->node == SIZE_MAX) {
				way->node = w->forwarding[i];
				way->attachment = j;
			} else if (cost < way->cost) {
				way->cost = cost;
				changed = true;
			}
		}
	}
	return changed;
}

static void ways_fini(struct ways *w)
{
	free(w->list);
	free(w->forwarding);
}

static bool ways_init(struct parse *p, struct ways *w, uint8_t family, bool avoid_forwarders)
{
	const struct scenario *s = p->s;
	size_t n = s->networks_count;

	*w = (struct ways){.list = calloc(n * n, sizeof(*w->list)),
			   .networks = n,
			   .family = family,
			   .avoid_forwarders = avoid_forwarders};
	if (!w->list)
		log_fatal("out of memory reading a scenario");
	for (size_t i = 0; i < s->nodes_count; i++)
		if (node_forwards(&s->nodes[i])) {
			w->forwarding = scenario_grow(w->forwarding, w->forwarding_count, sizeof(*w->forwarding));
			w->forwarding[w->forwarding_count++] = i;
		}
	for (size_t i = 0; i < n * n; i++)
		w->list[i] = (struct way){.cost = i % n == i / n ? 0 : COST_NONE, .node = SIZE_MAX};
	for (size_t to = 0; to < n; to++) {
		if (!network_has(s, to, family))
			continue;
		do {
			if (!parse_work(p, p->root, w->forwarding_count + 1))
				return false;
		} while (ways_round(s, w, to, false));
		ways_round(s, w, to, true);
	}
	return true;
}

static bool route_add(struct parse *p, struct scenario_node *n, const struct scenario_route *r)
{
	if (++p->routes_count > SCENARIO_ROUTES_MAX)
		return parse_work(p, p->root, SCENARIO_WORK_MAX + 1); /* says so: there is never as much */
	n->routes = scenario_grow(n->routes, n->routes_count, sizeof(*r));
	n->routes[n->routes_count++] = *r;
	return true;
}

/* The best way of a node to a network that it is not on; NULL when there is none. */
static const struct way *node_way(const struct ways *w, const struct scenario_node *n, size_t to, size_t *attachment)
{
	const struct way *best = NULL;

	for (size_t i = 0; i < n->attachments_count; i++) {
		const struct way *way = &w->list[n->attachments[i].network * w->networks + to];

		if (way->cost == COST_NONE || (best && way->cost >= best->cost))
			continue;
		best = way;
		*attachment = i;
	}
	return best;
}

/* Routes beyond the node's own networks: one default when all leave by one exit. What forwards has none: two such nodes
 * would pass a packet for nowhere, as a flipped bit makes it, to and fro until its hops are used up. */
static bool node_routes(struct parse *p, const struct ways *w, struct scenario_node *n)
{
	const struct scenario *s = p->s;
	size_t first = n->routes_count;
	bool one_exit = true;

	for (size_t to = 0; to < s->networks_count; to++) {
		const struct scenario_subnet *subnet = scenario_subnet(&s->networks[to], w->family);
		struct scenario_route r = {.prefix = subnet->address, .prefix_len = subnet->prefix_len};
		const struct way *way;

		if (!subnet->address.family || node_attachment(n, to) != SIZE_MAX ||
		    !(way = node_way(w, n, to, &r.attachment)))
			continue;
		r.next_hop = *addr_pair_get(&s->nodes[way->node].attachments[way->attachment].address, w->family);
		if (!route_add(p, n, &r))
			return false;
		one_exit &= r.attachment == n->routes[first].attachment &&
			    addr_equal(&r.next_hop, &n->routes[first].next_hop);
	}
	if (n->routes_count > first && one_exit && !node_forwards(n)) {
		n->routes[first].prefix = (struct addr){.family = w->family};
		n->routes[first].prefix_len = 0;
		n->routes_count = first + 1;
	}
	return true;
}

/* What is behind a device of the machine is reached by way of the machine: the first of the node's networks that has
 * one with an address. */
static bool outside_route(struct parse *p, uint8_t family, struct scenario_node *n)
{
	const struct scenario *s = p->s;

	for (size_t r = 0; r < n->routes_count; r++)
		if (!n->routes[r].prefix_len && n->routes[r].prefix.family == family)
			return true; /* it has a default route */
	for (size_t i = 0; i < n->attachments_count; i++)
		for (size_t o = 0; o < s->outsides_count; o++) {
			const struct scenario_attachment *outside = s->nodes[s->outsides[o].node].attachments;
			const struct addr *gateway = addr_pair_get(&outside->address, family);

			if (outside->network == n->attachments[i].network && gateway->family)
				return route_add(p, n, &(struct scenario_route){{.family = family}, 0, i, *gateway});
		}
	return true;
}

/* A route of the file: of each family that both ends have. */
struct file_route {
	struct scenario_subnet to[2]; /* of IPv4 and IPv6 */
	size_t attachment;
	struct addr_pair via;
};

/* `to:` of a route in the file: default, a network or a subnet. */
static bool route_to(struct parse *p, const struct doc *d, struct file_route *r)
{
	const struct scenario *s = p->s;
	struct scenario_subnet subnet;
	const char *text;

	if (!parse_text(p, d, &text))
		return false;
	if (!strcmp(text, "default")) {
		r->to[0].address.family = 4;
		r->to[1].address.family = 6;
		return true;
	}
	for (size_t i = 0; i < s->networks_count; i++)
		if (!strcmp(s->networks[i].name, text)) {
			r->to[0] = s->networks[i].v4;
			r->to[1] = s->networks[i].v6;
			return true;
		}
	if (!parse_subnet(p, d, "'default', a network or a subnet", &subnet))
		return false;
	r->to[subnet.address.family == 6] = subnet;
	return true;
}

/* `via:` of a route in the file: a node or an address on a network that the node is on. */
static bool route_via(struct parse *p, const struct doc *d, const struct scenario_node *n, struct file_route *r)
{
	const struct scenario *s = p->s;
	const char *text;
	struct addr address;

	if (!parse_text(p, d, &text))
		return false;
	if (!addr_parse(&address, text)) {
		for (size_t i = 0; i < n->attachments_count; i++) {
			if (!scenario_network_holds(&s->networks[n->attachments[i].network], &address))
				continue;
			r->attachment = i;
			addr_pair_put(&r->via, &address);
			return true;
		}
		MISTAKE(p, d, "'%s' is on no network of node '%s'", text, n->name);
		return false;
	}
	size_t via = parse_node_ref(p, d, text, strlen(text));

	if (via == SIZE_MAX)
		return false;
	for (size_t i = 0; i < n->attachments_count && &s->nodes[via] != n; i++) {
		size_t attachment = node_attachment(&s->nodes[via], n->attachments[i].network);

		if (attachment == SIZE_MAX)
			continue;
		r->attachment = i;
		r->via = s->nodes[via].attachments[attachment].address;
		return true;
	}
	MISTAKE(p, d, "node '%s' shares no network with '%s'", n->name, text);
	return false;
}

/* False: there are too many routes. */
static bool file_route_add(struct parse *p, const struct doc *d, struct scenario_node *n, const struct file_route *f)
{
	bool some = false;

	for (uint8_t family = 4; family <= 6; family += 2) {
		const struct scenario_subnet *to = &f->to[family == 6];
		struct scenario_route r = {to->address, to->prefix_len, f->attachment, *addr_pair_get(&f->via, family)};

		if (!to->address.family || !r.next_hop.family)
			continue;
		if (!route_add(p, n, &r))
			return false;
		some = true;
	}
	if (!some)
		MISTAKE(p, d, "'to' and 'via' have no family of addresses in common");
	return true;
}

/* routes: of a node, which take the place of computed ones. */
static void file_routes(struct parse *p, struct doc *routes, struct scenario_node *n)
{
	static const char *const known[] = {"to", "via", NULL};

	if (!parse_list(p, routes, "routes"))
		return;
	for (size_t i = 0; i < routes->count; i++) {
		struct doc *d = routes->items[i], *to = doc_get(d, "to"), *via = doc_get(d, "via");
		struct file_route r = {0};

		if (!parse_map(p, d, "a route", known, NULL))
			continue;
		if (!to || !via)
			MISTAKE(p, d, "a route has a 'to' and a 'via'");
		else if (route_to(p, to, &r) && route_via(p, via, n, &r) && !file_route_add(p, d, n, &r))
			return;
	}
}

static void routes_copy(struct parse *p, struct scenario_node *to, const struct scenario_node *from)
{
	for (size_t i = 0; i < from->routes_count; i++)
		if (!route_add(p, to, &from->routes[i]))
			return;
}

/* The subnets of the node's own networks. */
static void link_routes(struct parse *p, struct scenario_node *n)
{
	for (size_t i = 0; i < n->attachments_count; i++)
		for (uint8_t family = 4; family <= 6; family += 2) {
			const struct scenario_subnet *subnet =
				scenario_subnet(&p->s->networks[n->attachments[i].network], family);

			if (subnet->address.family)
				route_add(p, n, &(struct scenario_route){subnet->address, subnet->prefix_len, i, {0}});
		}
}

/* Routes of one family that are computed. False: too much work. */
static bool family_routes(struct parse *p, uint8_t family, bool avoid_forwarders)
{
	struct scenario *s = p->s;
	struct ways ways;
	bool good = ways_init(p, &ways, family, avoid_forwarders);

	for (size_t i = 0; i < s->nodes_count && good; i++) {
		/* The nodes of a range have the same networks, and so the same routes: they are copied. */
		if ((i && p->node_docs[i] == p->node_docs[i - 1]) || doc_get(p->node_docs[i], "routes"))
			continue;
		if (s->nodes[i].roles & ROLE_STACKLESS)
			continue;
		good = parse_work(p, p->root, s->networks_count) && node_routes(p, &ways, &s->nodes[i]) &&
		       outside_route(p, family, &s->nodes[i]);
	}
	ways_fini(&ways);
	return good;
}

void parse_routes(struct parse *p)
{
	struct scenario *s = p->s;
	bool direct = false, has[2] = {false, false};

	for (size_t i = 0; i < s->services_count; i++)
		direct |= s->services[i].return_path == RETURN_DIRECT;
	for (size_t i = 0; i < s->networks_count; i++) {
		has[0] |= network_has(s, i, 4);
		has[1] |= network_has(s, i, 6);
	}
	for (size_t i = 0; i < s->nodes_count; i++) {
		struct doc *routes = doc_get(p->node_docs[i], "routes");

		if (i && p->node_docs[i] == p->node_docs[i - 1])
			continue;
		link_routes(p, &s->nodes[i]);
		if (routes)
			file_routes(p, routes, &s->nodes[i]);
	}
	if ((has[0] && !family_routes(p, 4, direct)) || (has[1] && !family_routes(p, 6, direct))) {
		p->addressed = false;
		return;
	}
	for (size_t i = 1; i < s->nodes_count; i++)
		if (p->node_docs[i] == p->node_docs[i - 1])
			routes_copy(p, &s->nodes[i], &s->nodes[i - 1]);
}

const struct owner *owner_find(const struct parse *p, const struct addr *a)
{
	size_t low = 0, high = p->owners_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = memcmp(&p->owners[middle].address, a, sizeof(*a));

		if (!order)
			return &p->owners[middle];
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static const struct scenario_route *route_find(const struct scenario_node *n, const struct addr *to)
{
	const struct scenario_route *best = NULL;

	for (size_t i = 0; i < n->routes_count; i++)
		if (addr_in_prefix(to, &n->routes[i].prefix, n->routes[i].prefix_len) &&
		    (!best || n->routes[i].prefix_len > best->prefix_len))
			best = &n->routes[i];
	return best;
}

bool routes_follow(struct parse *p, const struct doc *d, size_t from, const struct addr *to, size_t avoid)
{
	const struct scenario *s = p->s;
	const struct owner *end = owner_find(p, to);

	for (unsigned hops = 0; end && hops < HOPS_MAX; hops++) {
		if (!parse_work(p, d, 1))
			return true; /* that was told: nothing is known of the path */
		const struct scenario_node *n = &s->nodes[from];
		const struct scenario_route *r = route_find(n, to);

		if (from == end->node)
			return true;
		if (!r)
			return false;
		const struct owner *next = r->next_hop.family ? owner_find(p, &r->next_hop) : end;

		if (!next ||
		    s->nodes[next->node].attachments[next->attachment].network != n->attachments[r->attachment].network)
			return false;
		if (next->node == avoid || (next->node != end->node && !node_forwards(&s->nodes[next->node])))
			return false;
		from = next->node;
	}
	return false;
}

/* A service that returns directly: every backend's way to every client, a range's nodes by its first. */
static void check_direct(struct parse *p, size_t index)
{
	const struct scenario *s = p->s;
	const struct scenario_service *service = &s->services[index];
	const struct doc *d = doc_get(p->service_docs[index], "return");
	size_t forwarder = service_forwarder(s, service);

	for (size_t r = 0; r < service->rules_count; r++)
		for (size_t b = 0; b < service->rules[r].to_count; b++) {
			size_t backend = service->rules[r].to[b];

			if (b && p->node_docs[backend] == p->node_docs[service->rules[r].to[b - 1]])
				continue;
			for (size_t c = 0; c < s->nodes_count; c++) {
				const struct addr to = node_address(&s->nodes[c], service->vip.family);

				if (!(s->nodes[c].roles & (ROLE_CLIENT | ROLE_OUTSIDE)) ||
				    (c && p->node_docs[c] == p->node_docs[c - 1]))
					continue;
				/* A client without an address of the VIP's family is none of this service's. */
				if (!to.family || routes_follow(p, d, backend, &to, forwarder))
					continue;
				MISTAKE(p, d, "no path from %s to %s that avoids the forwarder", s->nodes[backend].name,
					s->nodes[c].name);
				return;
			}
		}
}

void parse_reachability(struct parse *p)
{
	const struct scenario *s = p->s;
	const struct doc *traffic = doc_get(p->root, "traffic");

	for (size_t i = 0; i < s->services_count; i++)
		if (s->services[i].return_path == RETURN_DIRECT)
			check_direct(p, i);
	for (size_t i = 0; i < s->traffic_count; i++) {
		const struct scenario_traffic *t = &s->traffic[i];
		const struct doc *d = doc_get(traffic->items[i], "from");
		const struct addr *to = t->to_service ? &s->services[t->service].vip : &t->to_address;
		const struct owner *end = owner_find(p, to);

		for (size_t j = 0; j < t->from_count && end; j++) {
			size_t from = t->from[j];
			const struct addr back = node_address(&s->nodes[from], to->family);

			if (j && p->node_docs[from] == p->node_docs[t->from[j - 1]])
				continue;
			if (!routes_follow(p, d, from, to, SIZE_MAX)) {
				MISTAKE(p, d, "no path from %s to %s", s->nodes[from].name,
					t->to_service ? s->services[t->service].name : s->nodes[end->node].name);
				break;
			}
			if (!t->to_service && !routes_follow(p, d, end->node, &back, SIZE_MAX)) {
				MISTAKE(p, d, "no path back from %s to %s", s->nodes[end->node].name,
					s->nodes[from].name);
				break;
			}
		}
	}
}

struct addr node_address_near(struct parse *p, const struct doc *d, const struct scenario_node *n, size_t from)
{
	const struct scenario_node *client = &p->s->nodes[from];
	struct addr nearest = {0};

	for (uint8_t family = 4; family <= 6; family += 2) {
		for (size_t i = 0; i < n->attachments_count; i++) {
			const struct addr *a = addr_pair_get(&n->attachments[i].address, family);

			if (!a->family)
				continue;
			if (node_attachment(client, n->attachments[i].network) != SIZE_MAX)
				return *a;
			if (!nearest.family && routes_follow(p, d, from, a, SIZE_MAX))
				nearest = *a;
		}
		if (nearest.family)
			return nearest;
	}
	/* there is no path, which is told later of */
	nearest = node_address(n, 4);
	return nearest.family ? nearest : node_address(n, 6);
}
