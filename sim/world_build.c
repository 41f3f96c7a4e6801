/* SPDX-License-Identifier: BSD-3-Clause */
/* From the scenario's plain values to nodes, networks and the cluster they share. */
#include "sim/world_build.h"
#include "base/err.h"
#include "base/log.h"
#include "sim/replay.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FLOW_FIRST 0x00010001U /* the lowest flow identifier that is valid */
#define NODE_ANY   (ROLE_FORWARDER | ROLE_CLASSIFIER | ROLE_BACKEND)

/* ---- the cluster ---- */

/* Whether a pair holds an address at all. */
static bool has_address(const struct addr_pair *p)
{
	return addr_pair_first(p)->family;
}

static bool is_device(const struct scenario_node *s)
{
	return s->roles & NODE_ANY;
}

/* The index of a device's attachment to the cluster: for the forwarder the one with its tunnel address, for others the
 * one on that network. SIZE_MAX when there is none. */
static size_t cluster_attachment(const struct scenario_node *forwarder, const struct scenario_node *node)
{
	for (size_t f = 0; f < forwarder->attachments_count; f++) {
		if (!has_address(&forwarder->attachments[f].tunnel))
			continue;
		for (size_t a = 0; a < node->attachments_count; a++)
			if (node->attachments[a].network == forwarder->attachments[f].network)
				return a;
	}
	return SIZE_MAX;
}

static const struct scenario_node *forwarder_find(const struct scenario *s, uint16_t *device)
{
	const struct scenario_node *found = NULL;
	for (size_t n = 0; n < s->nodes_count; n++) {
		if (!(s->nodes[n].roles & ROLE_FORWARDER))
			continue;
		if (found)
			return NULL;
		found = &s->nodes[n];
		*device = (uint16_t)(n + 1);
	}
	return found;
}

_Static_assert(SCENARIO_KEY_LEN == SEAL_KEY_LEN, "a scenario's key is a cluster key");

/* The cluster key of the present epoch: the file's, or (NULL) drawn from the seed; in real time from the process's own
 * secret, as the seed is none. */
static void cluster_key(struct world *w, const uint8_t *key)
{
	static const uint8_t name[] = "baton cluster key";
	uint8_t seed[9];
	const uint8_t *secret = w->options.live ? w->options.live->key : NULL;

	if (!key && !w->cluster.key_epoch)
		key = secret;
	if (key) {
		memcpy(w->cluster.key, key, SEAL_KEY_LEN);
		return;
	}
	for (unsigned i = 0; i < 8; i++)
		seed[i] = (uint8_t)(w->options.seed >> (8 * i));
	seed[8] = w->cluster.key_epoch;
	crypto_generichash(w->cluster.key, SEAL_KEY_LEN, seed, sizeof(seed), secret ? secret : name,
			   secret ? SEAL_KEY_LEN : sizeof(name) - 1);
}

void world_cluster_rekey(struct world *w, const uint8_t *key)
{
	w->cluster.key_epoch++;
	cluster_key(w, key);
}

static enum policy_balance balance_of(enum balance b)
{
	switch (b) {
	case BALANCE_LEAST_CONNECTIONS:
		return POLICY_LEAST_CONNECTIONS;
	case BALANCE_MAGLEV:
		return POLICY_MAGLEV;
	case BALANCE_STICKY:
		return POLICY_STICKY;
	case BALANCE_ROUND_ROBIN:
		break;
	}
	return POLICY_ROUND_ROBIN;
}

static enum classifier_key key_of(enum balance_key k)
{
	switch (k) {
	case BALANCE_BY_HOST:
		return CLASSIFIER_KEY_HOST;
	case BALANCE_BY_PATH:
		return CLASSIFIER_KEY_PATH;
	case BALANCE_BY_SERVER_NAME:
		return CLASSIFIER_KEY_SERVER_NAME;
	case BALANCE_BY_COOKIE:
		return CLASSIFIER_KEY_COOKIE;
	case BALANCE_BY_CLIENT:
		break;
	}
	return CLASSIFIER_KEY_CLIENT;
}

static enum classifier_protocol protocol_of(enum service_protocol p)
{
	switch (p) {
	case PROTOCOL_NONE:
		return CLASSIFIER_NONE;
	case PROTOCOL_TLS:
		return CLASSIFIER_TLS;
	case PROTOCOL_AUTO:
		return CLASSIFIER_AUTO;
	case PROTOCOL_HTTP:
		break;
	}
	return CLASSIFIER_HTTP;
}

/* A rule as lb/classifier takes it; `to` are device ids, owned by the caller. */
static void rule_build(const struct scenario_rule *s, struct classifier_rule_config *out)
{
	uint16_t *to = calloc(s->to_count ? s->to_count : 1, sizeof(*to));
	if (!to)
		log_fatal("out of memory for a rule");
	for (size_t i = 0; i < s->to_count; i++)
		to[i] = (uint16_t)(s->to[i] + 1);
	*out = (struct classifier_rule_config){
		.match = {.method = s->method,
			  .host = s->host,
			  .path = s->path,
			  .header_name = s->header_name,
			  .header_value = s->header_value,
			  .cookie_name = s->cookie_name,
			  .cookie_value = s->cookie_value,
			  .server_name = s->server_name},
		.to = to,
		.to_count = s->to_count,
		.weights = s->weights,
		.balance = balance_of(s->balance),
		.key = key_of(s->key),
		.key_cookie = s->key_cookie,
		.sticky_entries = s->sticky_entries,
		.sticky_expire = s->sticky_expire,
	};
}

static void services_build(struct world *w)
{
	const struct scenario *s = w->scenario;
	struct node_cluster *c = &w->cluster;
	size_t count = s->services_count ? s->services_count : 1;
	c->services_count = s->services_count;
	c->services = calloc(count, sizeof(*c->services));
	c->vips = calloc(count, sizeof(*c->vips));
	if (!c->services || !c->vips)
		log_fatal("out of memory for %zu services", count);
	for (size_t n = 0; n < s->services_count; n++) {
		const struct scenario_service *from = &s->services[n];
		struct classifier_rule_config *rules = calloc(from->rules_count + 1, sizeof(*rules));
		if (!rules)
			log_fatal("out of memory for %zu rules", from->rules_count);
		for (size_t r = 0; r < from->rules_count; r++)
			rule_build(&from->rules[r], &rules[r]);
		c->vips[n] = (struct node_vip){from->vip, from->port};
		c->services[n] = (struct classifier_service_config){
			.name = from->name,
			.protocol = protocol_of(from->protocol),
			.rules = rules,
			.rules_count = from->rules_count,
		};
	}
	c->health_interval = s->health.interval;
	c->health_rise = s->health.rise;
	c->health_fall = s->health.fall;
}

static void services_fini(struct node_cluster *c)
{
	for (size_t n = 0; n < c->services_count; n++) {
		for (size_t r = 0; r < c->services[n].rules_count; r++)
			free((void *)c->services[n].rules[r].to);
		free((void *)c->services[n].rules);
	}
	free(c->services);
	free(c->vips);
}

void world_cluster_reload(struct world *w)
{
	services_fini(&w->cluster);
	services_build(w);
}

int world_cluster_build(struct world *w, const char **why)
{
	const struct scenario *s = w->scenario;
	struct node_cluster *c = &w->cluster;
	c->devices = calloc(s->nodes_count + 1, sizeof(*c->devices));
	if (!c->devices)
		log_fatal("out of memory for %zu devices", s->nodes_count);
	if (!s->services_count)
		return 0;
	const struct scenario_node *forwarder = forwarder_find(s, &c->forwarder);
	if (!forwarder) {
		*why = "the scenario has services and not exactly one forwarder";
		return E_INVAL;
	}
	c->cipher = s->cipher_aes ? SEAL_AES256_GCM : SEAL_CHACHA20_POLY1305;
	if (seal_cipher_check(c->cipher) < 0) {
		*why = "this processor lacks what cipher aes256-gcm needs";
		return E_UNSUPPORTED;
	}
	cluster_key(w, s->key);
	for (size_t a = 0; a < forwarder->attachments_count; a++)
		if (has_address(&forwarder->attachments[a].tunnel))
			c->tunnel = forwarder->attachments[a].tunnel;
	if (!has_address(&c->tunnel)) {
		*why = "the forwarder shares no network with a classifier or backend";
		return E_INVAL;
	}
	for (uint8_t family = 4; family <= 6; family += 2)
		if (addr_pair_get(&c->tunnel, family)->family)
			w->tunnels[w->tunnels_count++] = *addr_pair_get(&c->tunnel, family);
	for (size_t n = 0; n < s->nodes_count; n++) {
		if (!is_device(&s->nodes[n]))
			continue;
		size_t a = cluster_attachment(forwarder, &s->nodes[n]);
		if (a == SIZE_MAX) {
			*why = "a classifier or backend shares no network with the forwarder";
			return E_INVAL;
		}
		c->devices[c->devices_count++] = (struct node_device){
			.id = (uint16_t)(n + 1),
			.address = s->nodes[n].attachments[a].address,
			.classifier = s->nodes[n].roles & ROLE_CLASSIFIER,
			.backend = s->nodes[n].roles & ROLE_BACKEND,
		};
	}
	services_build(w);
	return 0;
}

void world_cluster_fini(struct world *w)
{
	struct node_cluster *c = &w->cluster;
	services_fini(c);
	free(c->devices);
	sodium_memzero(c->key, sizeof(c->key));
}

/* ---- networks ---- */

int world_segments_build(struct world *w, segment_deliver (*receiver)(const struct world *w, size_t node),
			 const char **why)
{
	const struct scenario *s = w->scenario;
	w->segments = calloc(s->networks_count ? s->networks_count : 1, sizeof(*w->segments));
	if (!w->segments)
		log_fatal("out of memory for %zu networks", s->networks_count);
	for (size_t n = 0; n < s->networks_count; n++)
		segment_init(&w->segments[n],
			     &(struct segment_config){.engine = &w->engine,
						      .seed = w->options.seed,
						      .trace = &w->sink,
						      .tunnels = w->tunnels,
						      .tunnel_count = w->tunnels_count,
						      .queue_us = &w->queue_us,
						      .cut = w->options.live ? w->options.live->cut : NULL});
	for (size_t n = 0; n < s->nodes_count; n++) {
		struct world_node *wn = &w->nodes[n];
		wn->attachments = calloc(wn->spec->attachments_count + 1, sizeof(struct attachment *));
		if (!wn->attachments)
			log_fatal("out of memory for attachments");
		for (size_t a = 0; a < wn->spec->attachments_count; a++) {
			const struct scenario_attachment *from = &wn->spec->attachments[a];
			char name[IMPAIR_NAME_MAX];
			snprintf(name, sizeof(name), "%s.%s", wn->spec->name, s->networks[from->network].name);
			struct attachment *at =
				segment_attach(&w->segments[from->network], name, wn, (unsigned)a, receiver(w, n));
			wn->attachments[a] = at;
			if (!(wn->spec->roles & ROLE_STACKLESS) && world_node_here(w, n))
				segment_own(at, from->mac.bytes);
			int r = segment_set(at, IMPAIR_DIRECTION_OUT, &from->out);
			if (!r)
				r = segment_set(at, IMPAIR_DIRECTION_IN, &from->in);
			if (r < 0) {
				*why = "an impairment cannot be applied";
				return r;
			}
		}
	}
	return 0;
}

void world_segments_fini(struct world *w)
{
	for (size_t n = 0; w->segments && n < w->scenario->networks_count; n++)
		segment_fini(&w->segments[n]);
	free(w->segments);
}

/* ---- nodes ---- */

static enum app_type app_type_of(enum app_kind kind)
{
	switch (kind) {
	case APP_HTTP:
		return APP_TYPE_HTTP;
	case APP_TLS:
		return APP_TYPE_TLS;
	case APP_AUTO:
	case APP_RELAY: /* nobody relays: what a server behind it may speak */
		return APP_TYPE_AUTO;
	case APP_ECHO:
		return APP_TYPE_ECHO;
	case APP_BULK:
	case APP_SINK:
	case APP_PROXY: /* no service has it */
		break;
	}
	return APP_TYPE_SINK;
}

/* Whether an earlier service has the same VIP address. */
static bool vip_seen(const struct scenario *s, size_t service)
{
	for (size_t n = 0; n < service; n++)
		if (addr_equal(&s->services[n].vip, &s->services[service].vip))
			return true;
	return false;
}

/* The attachment whose network holds an address, or SIZE_MAX. */
static size_t attachment_holding(const struct scenario *s, const struct scenario_node *node, const struct addr *a)
{
	for (size_t n = 0; n < node->attachments_count; n++)
		if (scenario_network_holds(&s->networks[node->attachments[n].network], a))
			return n;
	return SIZE_MAX;
}

/* The VIPs on a device: at the forwarder answered for on the outside; at the others an address that neighbours are not
 * told of, whose packets return as the service says. */
static int vips_build(struct world_node *wn, int cluster_netif)
{
	struct world *w = wn->world;
	const struct scenario *s = w->scenario;
	struct stack *stack = node_stack(wn->node);
	const struct addr none = {0};
	const struct addr_pair *forwarder = NULL;
	int r = 0;
	for (size_t d = 0; d < w->cluster.devices_count; d++)
		if (w->cluster.devices[d].id == w->cluster.forwarder)
			forwarder = &w->cluster.devices[d].address;
	for (size_t n = 0; !r && n < s->services_count; n++) {
		const struct scenario_service *service = &s->services[n];
		if (vip_seen(s, n))
			continue;
		if (wn->spec->roles & ROLE_FORWARDER) {
			size_t outside = attachment_holding(s, wn->spec, &service->vip);
			if (outside == SIZE_MAX)
				return E_INVAL;
			stack_address_proxy(stack, (int)outside, service->vip);
			r = stack_vip_add(stack, service->vip, (int)outside, none);
		} else {
			bool direct = service->return_path == RETURN_DIRECT && (wn->spec->roles & ROLE_BACKEND);
			r = stack_vip_add(stack, service->vip, cluster_netif,
					  direct ? none : *addr_pair_get(forwarder, service->vip.family));
		}
	}
	return r;
}

/* The flow identifiers of a device that hands connections over, a classifier or a backend: an equal part of the 32
 * bits, or fewer when limited. */
static void flow_partition(const struct scenario *s, const struct world_node *wn, uint32_t *base, uint32_t *count)
{
	uint32_t devices = 0, index = 0;
	for (size_t n = 0; n < s->nodes_count; n++) {
		if (&s->nodes[n] == wn->spec)
			index = devices;
		if (s->nodes[n].roles & (ROLE_CLASSIFIER | ROLE_BACKEND))
			devices++;
	}
	uint32_t part = UINT32_MAX / devices;
	*base = index * part;
	*count = part;
	if (wn->spec->limits.identifiers && wn->spec->limits.identifiers < part) {
		*base += FLOW_FIRST; /* a few must not fall among those with a zero half */
		*count = wn->spec->limits.identifiers;
	}
}

static int roles_build(struct world_node *wn, int cluster_netif)
{
	struct world *w = wn->world;
	const struct scenario *s = w->scenario;
	const struct scenario_node *spec = wn->spec;
	int r = vips_build(wn, cluster_netif);
	if (!r && (spec->roles & ROLE_FORWARDER)) {
		for (size_t t = 0; t < w->tunnels_count; t++)
			stack_address_proxy(node_stack(wn->node), cluster_netif, w->tunnels[t]);
		r = node_forwarder_enable(wn->node);
	}
	uint32_t base = 0, count = 0;
	if (spec->roles & (ROLE_BACKEND | ROLE_CLASSIFIER))
		flow_partition(s, wn, &base, &count);
	if (!r && (spec->roles & ROLE_BACKEND))
		r = node_backend_enable(wn->node, base, count);
	if (!r && (spec->roles & ROLE_CLASSIFIER))
		r = node_classifier_enable(wn->node, base, count);
	return r;
}

/* One of the file's applications. */
static int app_build(struct world_node *wn, const struct scenario_app *app)
{
	const struct world_live *live = wn->world->options.live;
	const struct addr any = {0};
	if (app->kind == APP_PROXY)
		return node_proxy_listen(wn->node, any, app->port, app->targets, app->targets_count);
	if (app->kind == APP_RELAY && live && live->relay)
		return node_relay_listen(wn->node, any, app->port, live->relay, &app->relay, wn);
	return node_app_listen(wn->node, app_type_of(app->kind), any, app->port);
}

/* What a backend has at a VIP. */
static int service_build(struct world_node *wn, size_t index)
{
	const struct world_live *live = wn->world->options.live;
	const struct scenario_service *service = &wn->world->scenario->services[index];
	const struct relay_target *relay = scenario_service_relay(wn->spec, index);
	const struct script_source scripts = replay_scripts(wn);
	if (wn->world->options.replay)
		return node_script_listen(wn->node, service->vip, service->port, &scripts);
	if (relay && live && live->relay)
		return node_relay_listen(wn->node, service->vip, service->port, live->relay, relay, wn);
	return node_app_listen(wn->node, app_type_of(scenario_service_app(wn->spec, service)), service->vip,
			       service->port);
}

/* What listens: the file's applications, and on a backend one at every VIP. */
static int apps_build(struct world_node *wn)
{
	const struct scenario_node *spec = wn->spec;
	size_t services = spec->roles & ROLE_BACKEND ? wn->world->scenario->services_count : 0;
	int r = 0;
	for (size_t n = 0; !r && n < spec->apps_count; n++)
		r = app_build(wn, &spec->apps[n]);
	for (size_t n = 0; !r && n < services; n++)
		r = service_build(wn, n);
	return r;
}

static uint64_t boot_base(const struct world *w, const char *node)
{
	struct random_stream r;
	char name[160];
	snprintf(name, sizeof(name), "boot %s", node);
	random_init(&r, w->options.seed, name);
	return random_u64(&r) >> 1; /* so that it can grow */
}

int world_node_build(struct world_node *wn, const char **why)
{
	struct world *w = wn->world;
	const struct scenario_node *spec = wn->spec;
	const struct scenario *s = w->scenario;
	if (!wn->boot_base)
		wn->boot_base = w->options.live ? w->options.live->boot : boot_base(w, spec->name);
	wn->node = node_new(&(struct node_config){.name = spec->name,
						  .device = wn->device,
						  .seed = w->options.seed,
						  .boot = wn->boot_base + wn->boots,
						  .forwarding = spec->roles & (ROLE_ROUTER | ROLE_FORWARDER),
						  .join = w->options.live && w->options.live->cut,
						  .keep_blobs = w->options.save_blobs,
						  .limits = spec->limits,
						  .trace = &wn->sink},
			    w->engine.now);
	if (w->flows && (spec->roles & ROLE_CLIENT))
		client_connections_keep(node_client(wn->node));
	int r = 0;
	for (size_t a = 0; r >= 0 && a < spec->attachments_count; a++) {
		const struct scenario_attachment *from = &spec->attachments[a];
		const struct scenario_network *network = &s->networks[from->network];
		const struct addr *first = addr_pair_first(&from->address);
		r = node_netif_add(wn->node, from->mac, *first, scenario_subnet(network, first->family)->prefix_len);
		if (r >= 0 && first->family == 4 && from->address.v6.family)
			r = stack_address_add(node_stack(wn->node), (int)a, from->address.v6, network->v6.prefix_len);
	}
	for (size_t n = 0; r >= 0 && n < spec->routes_count; n++) {
		const struct scenario_route *route = &spec->routes[n];
		r = stack_route_add(node_stack(wn->node), route->prefix, route->prefix_len, (int)route->attachment,
				    route->next_hop);
	}
	if (r >= 0 && s->services_count && is_device(spec)) {
		size_t a = cluster_attachment(&s->nodes[w->cluster.forwarder - 1], spec);
		r = node_cluster_join(wn->node, &w->cluster, &spec->attachments[a].address, (int)a);
		if (!r)
			r = roles_build(wn, (int)a);
	}
	if (r >= 0)
		r = apps_build(wn);
	if (r < 0)
		*why = err_text(r);
	return r < 0 ? r : 0;
}
