/* SPDX-License-Identifier: BSD-3-Clause */
/* Proxies: applications that connect to others. */
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

#define TARGETS_MAX 1024U /* of one proxy */

const struct doc *parse_proxy_port(struct parse *p, struct doc *d)
{
	static const char *const known[] = {"port", "to", NULL};

	if (!parse_map(p, d, "a proxy", known, NULL))
		return NULL;
	if (!doc_get(d, "to"))
		MISTAKE(p, d, "'to' is missing: where does the proxy connect to? to: NODE:PORT");
	if (!doc_get(d, "port"))
		MISTAKE(p, d, "'port' is missing: where does the proxy listen?");
	return doc_get(d, "port");
}

/* What listens on the port, but another proxy: connections in a circle would never end. */
static bool check_target(struct parse *p, const struct doc *d, const struct scenario_node *n, uint16_t port)
{
	for (size_t i = 0; i < n->apps_count; i++) {
		if (n->apps[i].port != port)
			continue;
		if (n->apps[i].kind != APP_PROXY)
			return true;
		MISTAKE(p, d, "port %u of node '%s' is a proxy too, and proxies do not stand behind one another", port,
			n->name);
		return false;
	}
	MISTAKE(p, d, "nothing listens on port %u of node '%s': apps: { http: %u }", port, n->name, port);
	return false;
}

static void parse_target(struct parse *p, const struct doc *d, size_t from, struct scenario_app *app)
{
	struct app_target t;
	const char *text;
	char *host;

	if (!parse_text(p, d, &text) || !parse_host_port(p, d, text, &host, &t.port))
		return;
	size_t node = parse_node_ref(p, d, host, strlen(host));
	free(host);
	if (node == SIZE_MAX || !check_target(p, d, &p->s->nodes[node], t.port) || !p->addressed)
		return;
	t.address = node_address_near(p, d, &p->s->nodes[node], from);
	if (!routes_follow(p, d, from, &t.address, SIZE_MAX)) {
		MISTAKE(p, d, "there is no path from '%s' to '%s'", p->s->nodes[from].name, p->s->nodes[node].name);
		return;
	}
	app->targets = scenario_grow(app->targets, app->targets_count, sizeof(t));
	app->targets[app->targets_count++] = t;
}

static void parse_targets(struct parse *p, const struct doc *to, size_t from, struct scenario_app *app)
{
	if (to->kind != DOC_LIST) {
		parse_target(p, to, from, app);
		return;
	}
	if (!to->count)
		MISTAKE(p, to, "a proxy without a target");
	if (to->count > TARGETS_MAX)
		MISTAKE(p, to, "more than %u targets", TARGETS_MAX);
	for (size_t i = 0; i < to->count && i < TARGETS_MAX; i++)
		parse_target(p, to->items[i], from, app);
}

void parse_proxies(struct parse *p)
{
	for (size_t n = 0; n < p->s->nodes_count; n++) {
		struct scenario_node *node = &p->s->nodes[n];
		for (size_t i = 0; i < node->apps_count; i++) {
			if (node->apps[i].kind != APP_PROXY)
				continue;
			struct doc *proxy = doc_get(doc_get(p->node_docs[n], "apps"), "proxy");
			struct doc *to = doc_get(proxy, "to");
			if (node->roles & ROLE_BACKEND)
				MISTAKE_KEY(p, proxy,
					    "a backend serves connections that were handed over: a proxy is for "
					    "other nodes");
			else if (to)
				parse_targets(p, to, n, &node->apps[i]);
		}
	}
}
