/* SPDX-License-Identifier: BSD-3-Clause */
/* Routes: each node's way to every network, by the fewest nodes that forward; and following them.
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
	size_t *forwarding; /* the nodes that forward */
	size_t forwarding_count;
	bool avoid_forwarders;
};

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

static bool ways_init(struct parse *p, struct ways *w, bool avoid_forwarders)
{
	const struct scenario *s = p->s;
	size_t n = s->networks_count;

	*w = (struct ways){
		.list = calloc(n * n, sizeof(*w->list)), .networks = n, .avoid_forwarders = avoid_forwarders};
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

/* Routes beyond the node's own networks: one default when all leave by one exit. */
static bool node_routes(struct parse *p, const struct ways *w, struct scenario_node *n)
{
	const struct scenario *s = p->s;
	size_t first = n->routes_count;
	bool one_exit = true;

	for (size_t to = 0; to < s->networks_count; to++) {
		const struct scenario_network *network = &s->networks[to];
		struct scenario_route r = {.prefix = network->subnet, .prefix_len = network->prefix_len};
		const struct way *way;

		if (node_attachment(n, to) != SIZE_MAX || !(way = node_way(w, n, to, &r.attachment)))
			continue;
		r.next_hop = s->nodes[way->node].attachments[way->attachment].address;
		if (!route_add(p, n, &r))
			return false;
		one_exit &= r.attachment == n->routes[first].attachment &&
			    addr_equal(&r.next_hop, &n->routes[first].next_hop);
	}
	if (n->routes_count > first && one_exit) {
		n->routes[first].prefix = addr_v4(0);
		n->routes[first].prefix_len = 0;
		n->routes_count = first + 1;
	}
	return true;
}

/* `to:` of a route in the file: default, a network or a subnet. */
static bool route_to(struct parse *p, const struct doc *d, struct scenario_route *r)
{
	const struct scenario *s = p->s;
	const char *text, *slash, *why;
	char address[ADDR_TEXT_MAX] = "";
	uint64_t len;

	if (!parse_text(p, d, &text))
		return false;
	if (!strcmp(text, "default")) {
		r->prefix = addr_v4(0);
		return true;
	}
	for (size_t i = 0; i < s->networks_count; i++)
		if (!strcmp(s->networks[i].name, text)) {
			r->prefix = s->networks[i].subnet;
			r->prefix_len = s->networks[i].prefix_len;
			return true;
		}
	slash = strchr(text, '/');
	if (!slash || (size_t)(slash - text) >= sizeof(address) || units_parse_count(slash + 1, &len, &why) ||
	    len > 32) {
		MISTAKE(p, d, "'%s' is not 'default', a network or a subnet, such as 10.0.0.0/24", text);
		return false;
	}
	memcpy(address, text, (size_t)(slash - text));
	if (!parse_address(p, d, address, &r->prefix))
		return false;
	r->prefix_len = (uint8_t)len;
	if (len < 32 && address_number(&r->prefix) & (UINT32_MAX >> len)) {
		MISTAKE(p, d, "'%s' is an address in a subnet: its host bits are not zero", text);
		return false;
	}
	return true;
}

/* `via:` of a route in the file: a node or an address on a network that the node is on. */
static bool route_via(struct parse *p, const struct doc *d, const struct scenario_node *n, struct scenario_route *r)
{
	const struct scenario *s = p->s;
	const char *text;
	struct addr address;

	if (!parse_text(p, d, &text))
		return false;
	if (!addr_parse(&address, text)) {
		for (size_t i = 0; i < n->attachments_count; i++) {
			const struct scenario_network *network = &s->networks[n->attachments[i].network];

			if (!addr_in_prefix(&address, &network->subnet, network->prefix_len))
				continue;
			r->attachment = i;
			r->next_hop = address;
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
		r->next_hop = s->nodes[via].attachments[attachment].address;
		return true;
	}
	MISTAKE(p, d, "node '%s' shares no network with '%s'", n->name, text);
	return false;
}

/* routes: of a node, which take the place of computed ones. */
static void file_routes(struct parse *p, struct doc *routes, struct scenario_node *n)
{
	static const char *const known[] = {"to", "via", NULL};

	if (!parse_list(p, routes, "routes"))
		return;
	for (size_t i = 0; i < routes->count; i++) {
		struct doc *d = routes->items[i], *to = doc_get(d, "to"), *via = doc_get(d, "via");
		struct scenario_route r = {0};

		if (!parse_map(p, d, "a route", known, NULL))
			continue;
		if (!to || !via)
			MISTAKE(p, d, "a route has a 'to' and a 'via'");
		else if (route_to(p, to, &r) && route_via(p, via, n, &r) && !route_add(p, n, &r))
			return;
	}
}

static void routes_copy(struct parse *p, struct scenario_node *to, const struct scenario_node *from)
{
	for (size_t i = 0; i < from->routes_count; i++)
		if (!route_add(p, to, &from->routes[i]))
			return;
}

void parse_routes(struct parse *p)
{
	struct scenario *s = p->s;
	struct ways ways;
	bool direct = false;

	for (size_t i = 0; i < s->services_count; i++)
		direct |= s->services[i].return_path == RETURN_DIRECT;
	if (!ways_init(p, &ways, direct)) {
		ways_fini(&ways);
		p->addressed = false;
		return;
	}
	for (size_t i = 0; i < s->nodes_count; i++) {
		struct scenario_node *n = &s->nodes[i];
		struct doc *routes = doc_get(p->node_docs[i], "routes");

		/* The nodes of a range have the same networks, and so the same routes. */
		if (i && p->node_docs[i] == p->node_docs[i - 1]) {
			routes_copy(p, n, &s->nodes[i - 1]);
			continue;
		}
		for (size_t j = 0; j < n->attachments_count; j++) {
			const struct scenario_network *network = &s->networks[n->attachments[j].network];

			route_add(p, n, &(struct scenario_route){network->subnet, network->prefix_len, j, {0}});
		}
		if (routes)
			file_routes(p, routes, n);
		else if (!parse_work(p, p->root, s->networks_count) || !node_routes(p, &ways, n))
			break;
	}
	ways_fini(&ways);
}

static const struct owner *owner_find(const struct parse *p, const struct addr *a)
{
	size_t low = 0, high = p->owners_count;
	uint32_t address = address_number(a);

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->owners[middle].address == address)
			return &p->owners[middle];
		if (p->owners[middle].address < address)
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
				if (!(s->nodes[c].roles & ROLE_CLIENT) || (c && p->node_docs[c] == p->node_docs[c - 1]))
					continue;
				if (routes_follow(p, d, backend, &s->nodes[c].attachments[0].address, forwarder))
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

			if (j && p->node_docs[from] == p->node_docs[t->from[j - 1]])
				continue;
			if (!routes_follow(p, d, from, to, SIZE_MAX)) {
				MISTAKE(p, d, "no path from %s to %s", s->nodes[from].name,
					t->to_service ? s->services[t->service].name : s->nodes[end->node].name);
				break;
			}
			if (!t->to_service &&
			    !routes_follow(p, d, end->node, &s->nodes[from].attachments[0].address, SIZE_MAX)) {
				MISTAKE(p, d, "no path back from %s to %s", s->nodes[end->node].name,
					s->nodes[from].name);
				break;
			}
		}
	}
}
