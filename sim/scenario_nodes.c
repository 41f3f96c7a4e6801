/* SPDX-License-Identifier: BSD-3-Clause */
/* networks: and nodes:, ranges expanded. */
#include "sim/scenario_parse.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX_LEN_MIN  8U
#define PREFIX_LEN_MAX  30U
#define PREFIX6_LEN_MIN 16U
#define PREFIX6_LEN_MAX 126U

/* scenario_roles but the last, which is no word of the format. */
static const char *const role_words[] = {"client", "forwarder", "classifier", "backend",
					 "host",   "router",    "bridge",     NULL};

/* One of a network's subnets: it may have one of each family. */
static bool network_subnet(struct parse *p, const struct doc *d, struct scenario_network *n)
{
	struct scenario_subnet subnet = {0}, *place;
	unsigned min, max;

	if (!parse_subnet(p, d, "a subnet", &subnet))
		return false;
	place = subnet.address.family == 6 ? &n->v6 : &n->v4;
	min = subnet.address.family == 6 ? PREFIX6_LEN_MIN : PREFIX_LEN_MIN;
	max = subnet.address.family == 6 ? PREFIX6_LEN_MAX : PREFIX_LEN_MAX;
	if (subnet.prefix_len < min || subnet.prefix_len > max) {
		MISTAKE(p, d, "the length of an IPv%u subnet is %u to %u bits, not %u", subnet.address.family, min, max,
			subnet.prefix_len);
		return false;
	}
	if (place->address.family) {
		MISTAKE(p, d, "a network has one subnet of IPv%u", subnet.address.family);
		return false;
	}
	*place = subnet;
	return true;
}

/* `subnet:` is one or a list of them. */
static bool network_subnets(struct parse *p, const struct doc *d, struct scenario_network *n)
{
	bool sound = true;

	if (d->kind != DOC_LIST)
		return network_subnet(p, d, n);
	for (size_t i = 0; i < d->count; i++)
		sound &= network_subnet(p, d->items[i], n);
	if (!d->count)
		MISTAKE_KEY(p, d, "'subnet' is empty");
	return sound && d->count;
}

static bool subnets_overlap(const struct scenario_subnet *a, const struct scenario_subnet *b)
{
	uint8_t shorter = a->prefix_len < b->prefix_len ? a->prefix_len : b->prefix_len;

	return a->address.family && addr_in_prefix(&a->address, &b->address, shorter);
}

/* One with a device of the machine needs no addresses where only bridges are on it. */
static bool network_may_lack_subnet(const struct doc *d)
{
	return doc_get(d, "tap") || doc_get(d, "veth");
}

/* True when sound. */
static bool parse_network(struct parse *p, struct doc *d)
{
	static const char *const known[] = {"subnet", "tap", "veth", "host", NULL};
	static const char *const later[] = {"mtu", NULL};
	struct scenario *s = p->s;
	struct scenario_network n = {0};
	struct doc *subnet = doc_get(d, "subnet");
	bool sound = parse_name(p, d->key_place, d->key, strlen(d->key));

	if (!parse_map(p, d, "a network", known, later))
		return false;
	if (!subnet) {
		if (!network_may_lack_subnet(d)) {
			MISTAKE_KEY(p, d, "network '%s' has no 'subnet'", d->key);
			sound = false;
		}
	} else {
		sound &= network_subnets(p, subnet, &n);
	}
	for (size_t i = 0; i < s->networks_count; i++) {
		const struct scenario_network *other = &s->networks[i];

		if (subnets_overlap(&n.v4, &other->v4) || subnets_overlap(&n.v6, &other->v6)) {
			MISTAKE(p, subnet, "this subnet overlaps that of network '%s'", other->name);
			sound = false;
			break;
		}
	}
	n.name = parse_copy(d->key);
	p->network_docs = scenario_grow(p->network_docs, s->networks_count, sizeof(*p->network_docs));
	p->network_docs[s->networks_count] = d;
	s->networks = scenario_grow(s->networks, s->networks_count, sizeof(*s->networks));
	s->networks[s->networks_count++] = n;
	return sound;
}

void parse_networks(struct parse *p)
{
	struct doc *d = doc_get(p->root, "networks");

	if (!d || d->kind != DOC_MAP || !d->count) {
		mistake_add(p->mistakes, d ? doc_where(d) : p->root->place,
			    "'networks' is missing or empty: networks: { lan: { subnet: 10.0.0.0/24 } }");
		p->addressed = false;
		return;
	}
	for (size_t i = 0; i < d->count; i++) {
		if (i == SCENARIO_NETWORKS_MAX) {
			MISTAKE_KEY(p, d->items[i], "more than %u networks", SCENARIO_NETWORKS_MAX);
			p->addressed = false;
			return;
		}
		p->addressed &= parse_network(p, d->items[i]);
	}
}

static void parse_role(struct parse *p, const struct doc *d, unsigned *roles)
{
	size_t role;

	if (!parse_word(p, d, role_words, NULL, &role))
		return;
	if (*roles & (1U << role))
		MISTAKE(p, d, "role '%s' stands twice", role_words[role]);
	*roles |= 1U << role;
}

static void parse_roles(struct parse *p, const struct doc *node, unsigned *roles)
{
	const struct doc *d = doc_get(node, "role");

	if (!d) {
		MISTAKE_KEY(p, node, "node '%s' has no 'role'", node->key);
		return;
	}
	if (d->kind != DOC_LIST) {
		parse_role(p, d, roles);
		return;
	}
	for (size_t i = 0; i < d->count; i++)
		parse_role(p, d->items[i], roles);
	if (!d->count)
		MISTAKE_KEY(p, d, "'role' is empty");
	if ((*roles & ROLE_CLIENT) && (*roles & (ROLE_FORWARDER | ROLE_CLASSIFIER | ROLE_BACKEND)))
		MISTAKE_KEY(p, d, "a client cannot be forwarder, classifier or backend as well");
	if ((*roles & ROLE_BACKEND) && (*roles & (ROLE_FORWARDER | ROLE_CLASSIFIER)))
		MISTAKE_KEY(p, d, "a backend cannot be forwarder or classifier as well");
	if ((*roles & ROLE_BRIDGE) && *roles != ROLE_BRIDGE)
		MISTAKE_KEY(p, d, "'bridge' passes frames on, has no stack, and goes with no other role");
	if ((*roles & ROLE_HOST) && *roles != ROLE_HOST)
		MISTAKE_KEY(p, d, "'host' is a plain node and goes with no other role");
}

static size_t network_find(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < s->networks_count; i++)
		if (!strcmp(s->networks[i].name, name))
			return i;
	return SIZE_MAX;
}

static void network_unknown(struct parse *p, const struct doc *d)
{
	const struct scenario *s = p->s;
	const char *names[SCENARIO_NETWORKS_MAX + 1];
	const char *nearest;

	for (size_t i = 0; i < s->networks_count; i++)
		names[i] = s->networks[i].name;
	names[s->networks_count] = NULL;
	nearest = mistake_nearest(d->key, names);
	if (nearest)
		MISTAKE_KEY(p, d, "there is no network '%s'; did you mean '%s'?", d->key, nearest);
	else
		MISTAKE_KEY(p, d, "there is no network '%s'", d->key);
}

static bool attachment_address(struct parse *p, const struct doc *d, struct scenario_attachment *a)
{
	struct addr address;
	const char *text;

	if (!parse_text(p, d, &text) || !parse_address(p, d, text, &address))
		return false;
	if (addr_pair_get(&a->address, address.family)->family) {
		MISTAKE(p, d, "a node has one address of IPv%u on a network", address.family);
		return false;
	}
	addr_pair_put(&a->address, &address);
	return true;
}

/* An attachment's keys: an address of its own (or one of each family) besides the impairments. */
static bool parse_attachment(struct parse *p, struct doc *d, bool alone, struct scenario_attachment *a)
{
	static const char *const known[] = {"address", IMPAIRMENT_KEYS, "in", "out", NULL};
	struct doc *address = doc_get(d, "address");
	bool sound = true;

	if (!parse_map(p, d, "an attachment", known, NULL))
		return true;
	parse_impairments(p, d, &a->in, &a->out);
	if (!address)
		return true;
	if (!alone) {
		MISTAKE_KEY(p, address, "one 'address' cannot be that of all nodes of a range");
		return false;
	}
	if (address->kind != DOC_LIST)
		return attachment_address(p, address, a);
	for (size_t i = 0; i < address->count; i++)
		sound &= attachment_address(p, address->items[i], a);
	if (!address->count)
		MISTAKE_KEY(p, address, "'address' is empty");
	return sound && address->count;
}

/* What only nodes with a stack have. */
static bool attachment_fits(struct parse *p, struct doc *d, const struct scenario_node *n, size_t network)
{
	const struct scenario_network *to = &p->s->networks[network];

	if (n->roles & ROLE_BRIDGE) {
		parse_never(p, d, "address", "a bridge has no address");
		return !doc_get(d, "address");
	}
	if (to->v4.address.family || to->v6.address.family || !n->roles)
		return true;
	if (!network_may_lack_subnet(p->network_docs[network]) || doc_get(p->network_docs[network], "subnet"))
		return false; /* a mistake of its own */
	MISTAKE_KEY(p, d, "network '%s' has no 'subnet', so that only a bridge can be on it", to->name);
	return false;
}

static bool parse_on(struct parse *p, struct doc *node, bool alone, struct scenario_node *n)
{
	struct doc *on = doc_get(node, "on");
	bool sound = true;

	if (!on || on->kind != DOC_MAP || !on->count) {
		mistake_add(p->mistakes, on ? doc_where(on) : node->key_place,
			    "node '%s' is on no network: on: { NETWORK: {} }", node->key);
		return false;
	}
	for (size_t i = 0; i < on->count; i++) {
		struct scenario_attachment a = {.network = network_find(p->s, on->items[i]->key)};

		if (i == SCENARIO_INTERFACES_MAX) {
			MISTAKE_KEY(p, on->items[i], "more than %u networks on one node", SCENARIO_INTERFACES_MAX);
			return false;
		}
		sound &= parse_attachment(p, on->items[i], alone, &a);
		if (a.network == SIZE_MAX) {
			if (p->s->networks_count)
				network_unknown(p, on->items[i]);
			sound = false;
			continue;
		}
		sound &= attachment_fits(p, on->items[i], n, a.network);
		n->attachments = scenario_grow(n->attachments, n->attachments_count, sizeof(a));
		n->attachments[n->attachments_count++] = a;
	}
	return sound;
}

static const char *const app_keys[] = {"echo", "http", "bulk", "sink", "tls", "proxy", "relay", NULL};

void parse_app_add(struct parse *p, const struct doc *d, struct scenario_node *n, const struct scenario_app *app)
{
	for (size_t i = 0; i < n->apps_count; i++)
		if (n->apps[i].port == app->port)
			MISTAKE(p, d, "port %u is taken by %s", app->port, app_keys[n->apps[i].kind]);
	n->apps = scenario_grow(n->apps, n->apps_count, sizeof(*n->apps));
	n->apps[n->apps_count++] = *app;
}

static void parse_app(struct parse *p, struct doc *d, enum app_kind kind, struct scenario_node *n)
{
	const struct doc *port_doc = kind == APP_PROXY ? parse_proxy_port(p, d) : d;
	uint64_t port;

	if (kind == APP_RELAY)
		parse_relay_ports(p, d, n);
	else if (port_doc && parse_count(p, port_doc, 1, UINT16_MAX, &port))
		parse_app_add(p, d, n, &(struct scenario_app){.kind = kind, .port = (uint16_t)port});
}

static void parse_apps(struct parse *p, struct doc *node, struct scenario_node *n)
{
	struct doc *d = doc_get(node, "apps");

	if (!d || !parse_map(p, d, "apps", app_keys, NULL))
		return;
	for (size_t i = 0; i < d->count; i++) {
		size_t kind = 0;

		while (app_keys[kind] && strcmp(app_keys[kind], d->items[i]->key))
			kind++;
		if (app_keys[kind])
			parse_app(p, d->items[i], (enum app_kind)kind, n);
	}
}

static void *copy_of(const void *array, size_t count, size_t size)
{
	void *copy = count ? calloc(count, size) : NULL;

	if (count && !copy)
		log_fatal("out of memory reading a scenario");
	if (count)
		memcpy(copy, array, count * size);
	return copy;
}

bool node_add(struct parse *p, struct doc *d, const struct scenario_node *model, const char *name)
{
	struct scenario *s = p->s;
	size_t index = s->nodes_count;
	struct scenario_node n = *model;

	p->attachments_count += n.attachments_count;
	if (index == SCENARIO_NODES_MAX || p->attachments_count > SCENARIO_ATTACHMENTS_MAX) {
		MISTAKE_KEY(p, d,
			    index == SCENARIO_NODES_MAX ? "more than %u nodes" : "more than %u attachments of nodes",
			    index == SCENARIO_NODES_MAX ? SCENARIO_NODES_MAX : SCENARIO_ATTACHMENTS_MAX);
		p->addressed = false;
		return false;
	}
	n.name = parse_copy(name);
	n.attachments = copy_of(n.attachments, n.attachments_count, sizeof(*n.attachments));
	n.apps = copy_of(n.apps, n.apps_count, sizeof(*n.apps));
	for (size_t i = 0; i < n.attachments_count; i++)
		n.attachments[i].mac = (struct mac){{0x02, 0xba, (uint8_t)(index >> 8), (uint8_t)index, 0, (uint8_t)i}};
	p->node_docs = scenario_grow(p->node_docs, index, sizeof(*p->node_docs));
	p->node_docs[index] = d;
	s->nodes = scenario_grow(s->nodes, index, sizeof(*s->nodes));
	s->nodes[s->nodes_count++] = n;
	return true;
}

/* False: no more nodes fit. */
static bool parse_node(struct parse *p, struct doc *d)
{
	static const char *const known[] = {"role", "on", "apps", "routes", "limits", NULL};
	struct scenario_node model = {0};
	char name[SCENARIO_NAME_MAX + 24];
	struct range r;
	bool room = true;

	if (!parse_range(p, d->key_place, d->key, &r)) {
		p->addressed = false;
		r = (struct range){.len = 0, .first = 1, .last = 0};
	}
	if (!parse_map(p, d, "a node", known, NULL) || doc_is_empty(d)) {
		if (doc_is_empty(d))
			MISTAKE_KEY(p, d, "node '%s' has no 'role' and is 'on' no network", d->key);
		p->addressed = false;
		return true;
	}
	parse_roles(p, d, &model.roles);
	p->addressed &= parse_on(p, d, r.first >= r.last, &model) && model.roles;
	if (model.roles & ROLE_BRIDGE) {
		parse_never(p, d, "apps", "a bridge has no stack");
		parse_never(p, d, "routes", "a bridge has no stack");
		parse_never(p, d, "limits", "a bridge has no stack");
	}
	parse_apps(p, d, &model);
	parse_limits(p, d, model.roles, &model.limits);
	if (r.first > r.last && r.len)
		room = node_add(p, d, &model, d->key);
	for (uint64_t i = r.first; i <= r.last && room; i++) {
		snprintf(name, sizeof(name), "%.*s%llu", (int)r.len, d->key, (unsigned long long)i);
		room = node_add(p, d, &model, name);
	}
	free(model.attachments);
	free(model.apps);
	return room;
}

void parse_nodes(struct parse *p)
{
	struct doc *d = doc_get(p->root, "nodes");

	if (!d || d->kind != DOC_MAP || !d->count) {
		mistake_add(p->mistakes, d ? doc_where(d) : p->root->place,
			    "'nodes' is missing or empty: nodes: { client: { role: client, on: { NETWORK: {} } } }");
		p->addressed = false;
		return;
	}
	for (size_t i = 0; i < d->count && parse_node(p, d->items[i]); i++)
		;
}
