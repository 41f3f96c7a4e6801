/* SPDX-License-Identifier: BSD-3-Clause */
/* services: and whether the nodes are where a service needs them. */
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

static const char *const http_conditions[] = {"method", "host", "path", "header", "cookie", NULL};
static const char *const tls_conditions[] = {"server_name", NULL};

size_t network_of(const struct scenario *s, const struct addr *a)
{
	for (size_t i = 0; i < s->networks_count; i++)
		if (scenario_network_holds(&s->networks[i], a))
			return i;
	return SIZE_MAX;
}

size_t service_forwarder(const struct scenario *s, const struct scenario_service *service)
{
	size_t network = network_of(s, &service->vip);

	for (size_t i = 0; i < s->nodes_count && network != SIZE_MAX; i++)
		if ((s->nodes[i].roles & ROLE_FORWARDER) && node_attachment(&s->nodes[i], network) != SIZE_MAX)
			return i;
	return SIZE_MAX;
}

static void parse_vip(struct parse *p, struct doc *d, struct scenario_service *service)
{
	const struct scenario *s = p->s;
	const char *text;
	char *address;
	bool sound;

	if (!parse_text(p, d, &text) || !parse_host_port(p, d, text, &address, &service->port))
		return;
	sound = parse_address(p, d, address, &service->vip);
	free(address);
	if (!sound)
		return;
	size_t vips = 0;

	for (size_t i = 0; i < s->services_count; i++) {
		bool first = true;

		if (addr_equal(&s->services[i].vip, &service->vip) && s->services[i].port == service->port) {
			MISTAKE(p, d, "'%s' is the VIP of service '%s' already", text, s->services[i].name);
			return;
		}
		for (size_t j = 0; j < i && first; j++)
			first = !addr_equal(&s->services[i].vip, &s->services[j].vip);
		vips += first && !addr_equal(&s->services[i].vip, &service->vip);
	}
	if (vips >= SCENARIO_VIPS_MAX)
		MISTAKE(p, d, "more than %u VIPs; services on several ports can share one", SCENARIO_VIPS_MAX);
}

/* A rule's text: printable and without spaces, as a request line has it. */
static bool rule_text(struct parse *p, struct doc *rule, const char *key, char **out)
{
	struct doc *d = doc_get(rule, key);
	const char *text;

	if (!d || !parse_text(p, d, &text))
		return false;
	if (strpbrk(text, " \t\r\n")) {
		MISTAKE(p, d, "'%s' holds a space, which no %s has", text, key);
		return false;
	}
	*out = parse_copy(text);
	return true;
}

/* "NAME<separator>GLOB" into its two halves. */
static void rule_pair(struct parse *p, struct doc *rule, const char *key, char separator, char **name, char **value)
{
	struct doc *d = doc_get(rule, key);
	const char *text, *middle;

	if (!d)
		return;
	if (d->kind == DOC_MAP) {
		MISTAKE(p, d, "'%s' is one text: quote it: \"%s\"", key, separator == ':' ? "Name: glob" : "name=glob");
		return;
	}
	if (!parse_text(p, d, &text))
		return;
	middle = strchr(text, separator);
	if (!middle || middle == text || strcspn(text, " \t") < (size_t)(middle - text)) {
		MISTAKE(p, d, "'%s' is not \"%s\"", text, separator == ':' ? "Name: glob" : "name=glob");
		return;
	}
	*name = scenario_strndup(text, (size_t)(middle - text));
	middle++;
	while (*middle == ' ')
		middle++;
	*value = parse_copy(middle);
}

static void conditions_never(struct parse *p, const struct doc *rule, const char *const *keys, const char *why)
{
	for (; *keys; keys++)
		parse_never(p, rule, *keys, why);
}

static bool has_condition(const struct doc *rule, const char *const *keys)
{
	while (*keys && !doc_get(rule, *keys))
		keys++;
	return *keys;
}

/* Which conditions the protocol has. */
static void check_conditions(struct parse *p, struct doc *rule, enum service_protocol protocol)
{
	switch (protocol) {
	case PROTOCOL_NONE:
		conditions_never(p, rule, http_conditions, "the protocol is none, so no request is read");
		conditions_never(p, rule, tls_conditions, "the protocol is none, so no hello is read");
		break;
	case PROTOCOL_HTTP:
		conditions_never(p, rule, tls_conditions, "the protocol is http, which has a 'host'");
		break;
	case PROTOCOL_TLS:
		conditions_never(p, rule, http_conditions, "the protocol is tls: what is in the request is a secret");
		break;
	case PROTOCOL_AUTO:
		if (has_condition(rule, http_conditions) && has_condition(rule, tls_conditions))
			MISTAKE(p, rule,
				"the rule matches nothing: no connection has both a request and a server name");
		break;
	}
}

static void parse_rule(struct parse *p, struct doc *d, struct scenario_service *service)
{
	static const char *const known[] = {"method",  "host",    "path", "header", "cookie", "server_name", "to",
					    "balance", "weights", "hash", "stick",  "expire", "entries",     NULL};
	struct scenario_rule r = {0};
	struct doc *to = doc_get(d, "to");
	size_t mistakes;

	if (!parse_map(p, d, "a rule", known, NULL))
		return;
	check_conditions(p, d, service->protocol);
	rule_text(p, d, "method", &r.method);
	rule_text(p, d, "host", &r.host);
	if (rule_text(p, d, "path", &r.path) && r.path[0] != '/' && r.path[0] != '*')
		MISTAKE(p, doc_get(d, "path"), "'%s' matches nothing: a path begins with /", r.path);
	rule_pair(p, d, "header", ':', &r.header_name, &r.header_value);
	rule_pair(p, d, "cookie", '=', &r.cookie_name, &r.cookie_value);
	rule_text(p, d, "server_name", &r.server_name);
	mistakes = p->mistakes->count;
	if (to)
		parse_node_list(p, to, ROLE_BACKEND, "backend", &r.to, &r.to_count);
	else
		MISTAKE(p, d, "the rule has no 'to': which backends?");
	parse_balance(p, d, p->mistakes->count == mistakes, service->protocol, &r);
	service->rules = scenario_grow(service->rules, service->rules_count, sizeof(r));
	service->rules[service->rules_count++] = r;
}

/* Behind a rule that matches all no other is reached. */
static void check_order(struct parse *p, const struct doc *rules)
{
	for (size_t i = 0; i + 1 < rules->count; i++) {
		const struct doc *rule = rules->items[i];
		if (rule->kind != DOC_MAP || has_condition(rule, http_conditions) ||
		    has_condition(rule, tls_conditions))
			continue;
		MISTAKE(p, rules->items[i + 1], "this rule is never applied: the one in line %u matches all",
			doc_where(rule).line);
		return;
	}
}

static void parse_rules(struct parse *p, struct doc *d, struct scenario_service *service)
{
	struct doc *rules = doc_get(d, "rules");

	if (!rules || doc_is_empty(rules) || (rules->kind == DOC_LIST && !rules->count)) {
		mistake_add(p->mistakes, rules ? doc_where(rules) : d->key_place,
			    "service '%s' has no 'rules': rules: [ { to: \"backend*\" } ]", d->key);
		return;
	}
	if (!parse_list(p, rules, "rules"))
		return;
	for (size_t i = 0; i < rules->count; i++) {
		if (i == SCENARIO_RULES_MAX) {
			MISTAKE(p, rules->items[i], "more than %u rules", SCENARIO_RULES_MAX);
			return;
		}
		parse_rule(p, rules->items[i], service);
	}
	check_order(p, rules);
}

static void parse_service(struct parse *p, struct doc *d)
{
	static const char *const known[] = {"vip", "protocol", "return", "rules", NULL};
	static const char *const protocols[] = {"http", "none", "tls", "auto", NULL};
	static const char *const returns[] = {"forwarder", "direct", NULL};
	struct scenario *s = p->s;
	struct scenario_service service = {0};
	struct doc *vip = doc_get(d, "vip"), *protocol = doc_get(d, "protocol"), *way = doc_get(d, "return");
	size_t word;

	parse_name(p, d->key_place, d->key, strlen(d->key));
	if (!parse_map(p, d, "a service", known, NULL))
		return;
	if (vip)
		parse_vip(p, vip, &service);
	else
		MISTAKE_KEY(p, d, "service '%s' has no 'vip': vip: ADDRESS:PORT", d->key);
	if (protocol && parse_word(p, protocol, protocols, NULL, &word))
		service.protocol = (enum service_protocol)word;
	if (way && parse_word(p, way, returns, NULL, &word))
		service.return_path = (enum service_return)word;
	parse_rules(p, d, &service);
	service.name = parse_copy(d->key);
	p->service_docs = scenario_grow(p->service_docs, s->services_count, sizeof(*p->service_docs));
	p->service_docs[s->services_count] = d;
	s->services = scenario_grow(s->services, s->services_count, sizeof(service));
	s->services[s->services_count++] = service;
}

/* Who owns the VIP; false when nobody or two would. */
static bool check_vip(struct parse *p, const struct doc *d, const struct scenario_service *service)
{
	const struct scenario *s = p->s;
	size_t network = network_of(s, &service->vip), forwarder = service_forwarder(s, service);

	if (network == SIZE_MAX) {
		MISTAKE(p, d, "the VIP is in no network's subnet");
		return false;
	}
	const struct scenario_network *n = &s->networks[network];
	const char *special = address_special(&service->vip, scenario_subnet(n, service->vip.family)->prefix_len);

	if (special) {
		MISTAKE(p, d, "the VIP is the %s address of network '%s'", special, n->name);
		return false;
	}
	if (forwarder == SIZE_MAX) {
		MISTAKE(p, d, "no forwarder is on network '%s', where the VIP is", n->name);
		return false;
	}
	for (size_t i = forwarder + 1; i < s->nodes_count; i++)
		if ((s->nodes[i].roles & ROLE_FORWARDER) && node_attachment(&s->nodes[i], network) != SIZE_MAX) {
			MISTAKE(p, d, "both '%s' and '%s' would own the VIP: one forwarder to a network",
				s->nodes[forwarder].name, s->nodes[i].name);
			return false;
		}
	return true;
}

/* The forwarder must reach classifiers and backends on a network they share: encapsulated packets are not routed. */
static void check_cluster(struct parse *p, struct doc *d, const struct scenario_service *service)
{
	const struct scenario *s = p->s;
	size_t forwarder = service_forwarder(s, service);
	bool classifier = false;

	for (size_t i = 0; i < s->nodes_count && !classifier; i++)
		classifier = (s->nodes[i].roles & ROLE_CLASSIFIER) &&
			     nodes_share_network(&s->nodes[i], &s->nodes[forwarder]);
	if (!classifier)
		MISTAKE_KEY(p, d, "service '%s' has no classifier: none shares a network with forwarder '%s'",
			    service->name, s->nodes[forwarder].name);
	const struct doc *rules = doc_get(d, "rules");

	for (size_t r = 0; r < service->rules_count; r++)
		for (size_t i = 0; i < service->rules[r].to_count; i++) {
			const struct scenario_node *backend = &s->nodes[service->rules[r].to[i]];

			if (nodes_share_network(backend, &s->nodes[forwarder]))
				continue;
			MISTAKE(p, rules, "backend '%s' of service '%s' shares no network with forwarder '%s'",
				backend->name, service->name, s->nodes[forwarder].name);
			return;
		}
}

/* An encapsulated packet is of the VIP's family, and goes to addresses of the cluster's network. */
static void check_families(struct parse *p, const struct scenario_network *cluster)
{
	const struct scenario *s = p->s;

	for (size_t i = 0; i < s->services_count; i++) {
		uint8_t family = s->services[i].vip.family;

		if (scenario_subnet(cluster, family)->address.family)
			continue;
		MISTAKE(p, doc_get(p->service_docs[i], "vip"),
			"an IPv%u VIP needs an IPv%u cluster: network '%s' has no such subnet", family, family,
			cluster->name);
		p->addressed = false;
	}
}

/* The forwarder has one tunnel: all that it hands connections to are on one of its networks. */
static void check_cluster_network(struct parse *p, const struct doc *services)
{
	const struct scenario *s = p->s;
	size_t forwarder = service_forwarder(s, &s->services[0]), network = cluster_network(s);

	if (network != SIZE_MAX) {
		check_families(p, &s->networks[network]);
		return;
	}
	MISTAKE_KEY(p, services, "the classifiers and backends are not all on one network of forwarder '%s'",
		    s->nodes[forwarder].name);
	p->addressed = false;
}

void parse_services(struct parse *p)
{
	struct doc *d = doc_get(p->root, "services");

	if (!d || doc_is_empty(d))
		return;
	if (d->kind != DOC_MAP) {
		MISTAKE(p, d, "services: a mapping { NAME: { vip: ADDRESS:PORT, ... } } is expected");
		return;
	}
	for (size_t i = 0; i < d->count; i++) {
		if (i == SCENARIO_SERVICES_MAX) {
			MISTAKE_KEY(p, d->items[i], "more than %u services", SCENARIO_SERVICES_MAX);
			return;
		}
		parse_service(p, d->items[i]);
	}
	size_t mistakes = p->mistakes->count;

	for (size_t i = 0; i < p->s->services_count; i++) {
		const struct scenario_service *service = &p->s->services[i];

		if (!service->vip.family)
			p->addressed = false;
		else if (p->addressed && !check_vip(p, doc_get(p->service_docs[i], "vip"), service))
			p->addressed = false;
		else if (p->addressed)
			check_cluster(p, p->service_docs[i], service);
	}
	if (p->addressed && p->s->services_count && p->mistakes->count == mistakes)
		check_cluster_network(p, d);
}
