/* SPDX-License-Identifier: BSD-3-Clause */
/* Relays: applications whose connections go to servers of the machine that `baton live` runs on. */
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

#define UNIX_WORD       "unix:"
#define CONNECT_MIN     NSTIME_MS
#define SERVER_KEYS     "to", "connect", "idle", "proxy_protocol"
#define RELAYS_PER_NODE 64U /* of a node that is no backend */

static const char *const server_keys[] = {SERVER_KEYS, NULL};
static const char *const listener_keys[] = {"port", SERVER_KEYS, NULL};

/* ---- where it goes ---- */

static bool parse_unix(struct parse *p, const struct doc *d, const char *path, struct relay_target *t)
{
	if (*path != '/')
		MISTAKE(p, d, "'%s' is not a whole path: write unix:/run/server.sock", path);
	else if (strlen(path) >= sizeof(t->path))
		MISTAKE(p, d, "'%s' is longer than a socket's path, %zu bytes at most", path, sizeof(t->path) - 1);
	else
		strcpy(t->path, path);
	return *t->path;
}

/* An address that the kernel connects to: nothing of the scenario's networks. */
static bool parse_server(struct parse *p, const struct doc *d, struct relay_target *t)
{
	static const struct addr none4 = {.family = 4}, none6 = {.family = 6};
	const char *text;
	char *host;
	bool good;

	if (!parse_text(p, d, &text))
		return false;
	if (!strncmp(text, UNIX_WORD, strlen(UNIX_WORD)))
		return parse_unix(p, d, text + strlen(UNIX_WORD), t);
	if (!parse_host_port(p, d, text, &host, &t->port))
		return false;
	good = !addr_parse(&t->address, host) && !addr_equal(&t->address, &none4) && !addr_equal(&t->address, &none6);
	if (!good)
		MISTAKE(p, d, "'%s' is not the address of a server: 127.0.0.1:%u, \"[::1]:%u\" or unix:/PATH", text,
			t->port, t->port);
	free(host);
	return good;
}

static void parse_wait(struct parse *p, struct doc *map, const char *key, nstime *out)
{
	const struct doc *d = doc_get(map, key);

	if (d && parse_duration(p, d, out) && *out < CONNECT_MIN)
		MISTAKE(p, d, "'%s' is less than 1 ms", key);
}

/* The terms, in a mapping whose keys are known. */
static bool parse_terms(struct parse *p, struct doc *map, struct relay_target *t)
{
	static const char *const versions[] = {"v2", NULL};
	const struct doc *to = doc_get(map, "to"), *proxy = doc_get(map, "proxy_protocol");
	size_t version;

	parse_wait(p, map, "connect", &t->connect_max);
	parse_wait(p, map, "idle", &t->idle_max);
	t->proxy_protocol = proxy && parse_word(p, proxy, versions, NULL, &version);
	if (!to)
		MISTAKE(p, map, "'to' is missing: where does the relay connect to? to: 127.0.0.1:8080");
	return to && parse_server(p, to, t);
}

/* ---- a node that is no backend: ports ---- */

static void parse_listener(struct parse *p, struct doc *d, struct scenario_node *n)
{
	struct scenario_app app = {.kind = APP_RELAY};
	struct doc *port_doc;
	uint64_t port = 0;

	if (d->kind == DOC_SCALAR) {
		MISTAKE(p, d, "where does the relay listen? Only a backend's has the VIPs: { port: PORT, to: %s }",
			d->text);
		return;
	}
	if (!parse_map(p, d, "a relay", listener_keys, NULL))
		return;
	port_doc = doc_get(d, "port");
	if (!port_doc)
		MISTAKE(p, d, "'port' is missing: where does the relay listen?");
	else
		parse_count(p, port_doc, 1, UINT16_MAX, &port);
	if (!parse_terms(p, d, &app.relay) || !port)
		return;
	app.port = (uint16_t)port;
	parse_app_add(p, port_doc, n, &app);
}

void parse_relay_ports(struct parse *p, struct doc *d, struct scenario_node *n)
{
	if (n->roles & ROLE_BACKEND)
		return; /* parse_relays */
	if (d->kind != DOC_LIST) {
		parse_listener(p, d, n);
		return;
	}
	if (!d->count)
		MISTAKE_KEY(p, d, "'relay' is empty");
	for (size_t i = 0; i < d->count && i < RELAYS_PER_NODE; i++)
		parse_listener(p, d->items[i], n);
	if (d->count > RELAYS_PER_NODE)
		MISTAKE(p, d, "more than %u relays", RELAYS_PER_NODE);
}

/* ---- a backend: services ---- */

/* The nodes of a range: they share what is said of them. */
struct span {
	size_t first, last;
};

static bool rules_name(const struct scenario_service *service, size_t node)
{
	for (size_t r = 0; r < service->rules_count; r++)
		for (size_t i = 0; i < service->rules[r].to_count; i++)
			if (service->rules[r].to[i] == node)
				return true;
	return false;
}

/* A server for one service at the nodes that its rules name. False: they name none. */
static bool relay_add(struct parse *p, const struct span *span, size_t service, const struct relay_target *t)
{
	bool named = false;

	for (size_t i = span->first; i <= span->last; i++) {
		struct scenario_node *n = &p->s->nodes[i];

		if (!rules_name(&p->s->services[service], i))
			continue;
		n->relays = scenario_grow(n->relays, n->relays_count, sizeof(*n->relays));
		n->relays[n->relays_count++] = (struct scenario_relay){.service = service, .target = *t};
		named = true;
	}
	return named;
}

/* One server for all services. */
static void relay_all(struct parse *p, const struct doc *d, const struct span *span, const struct relay_target *t)
{
	bool named = false;

	for (size_t i = 0; i < p->s->services_count; i++)
		named |= relay_add(p, span, i, t);
	if (!named)
		MISTAKE_KEY(p, d, "this relay is never applied: no rule of a service names '%s'",
			    p->node_docs[span->first]->key);
}

static void service_unknown(struct parse *p, const struct doc *d)
{
	const struct scenario *s = p->s;
	const char **names = NULL, *nearest;
	size_t count = 0;

	for (size_t i = 0; i < s->services_count + sizeof(server_keys) / sizeof(*server_keys) - 1; i++) {
		names = scenario_grow(names, count, sizeof(*names));
		names[count++] = i < s->services_count ? s->services[i].name : server_keys[i - s->services_count];
	}
	names = scenario_grow(names, count, sizeof(*names));
	names[count] = NULL;
	nearest = mistake_nearest(d->key, names);
	MISTAKE_KEY(p, d, "a relay has no key '%s', and there is no such service%s%s%s", d->key,
		    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
	free(names);
}

static void relay_service(struct parse *p, struct doc *d, const struct span *span)
{
	size_t service = scenario_service_find(p->s, d->key);
	struct relay_target t = {0};
	bool good;

	if (service == SIZE_MAX) {
		service_unknown(p, d);
		return;
	}
	if (d->kind == DOC_MAP)
		good = parse_map(p, d, "a server", server_keys, NULL) && parse_terms(p, d, &t);
	else
		good = parse_server(p, d, &t);
	if (good && !relay_add(p, span, service, &t))
		MISTAKE_KEY(p, d, "this relay is never applied: no rule of service '%s' names '%s'", d->key,
			    p->node_docs[span->first]->key);
}

/* Whether a mapping is one server's terms, and not servers by service; a service may have a term's name. */
static bool is_server(const struct parse *p, const struct doc *d)
{
	bool term = doc_get(d, "port");

	for (size_t i = 0; server_keys[i]; i++)
		term |= doc_get(d, server_keys[i]) != NULL;
	for (size_t i = 0; i < d->count; i++)
		if (scenario_service_find(p->s, d->items[i]->key) != SIZE_MAX)
			return doc_get(d, "to");
	return term;
}

static void parse_backend(struct parse *p, struct doc *d, const struct span *span)
{
	struct relay_target t = {0};

	if (d->kind != DOC_MAP) {
		if (parse_server(p, d, &t))
			relay_all(p, d, span, &t);
	} else if (is_server(p, d)) {
		parse_never(p, d, "port", "a backend's relay serves the VIPs of services");
		if (parse_map(p, d, "a relay", listener_keys, NULL) && parse_terms(p, d, &t))
			relay_all(p, d, span, &t);
	} else {
		if (!d->count)
			MISTAKE_KEY(p, d, "'relay' is empty");
		for (size_t i = 0; i < d->count; i++)
			relay_service(p, d->items[i], span);
	}
}

void parse_relays(struct parse *p)
{
	struct span span;

	for (span.first = 0; span.first < p->s->nodes_count; span.first = span.last + 1) {
		struct doc *d = p->node_docs[span.first], *apps = doc_get(d, "apps");
		struct doc *relay = apps ? doc_get(apps, "relay") : NULL;

		for (span.last = span.first; span.last + 1 < p->s->nodes_count; span.last++)
			if (p->node_docs[span.last + 1] != d)
				break;
		if (relay && (p->s->nodes[span.first].roles & ROLE_BACKEND))
			parse_backend(p, relay, &span);
	}
}
