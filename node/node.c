/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/node.h"

#include "base/err.h"
#include "base/log.h"
#include "node/internal.h"

#include <stdlib.h>

const char *node_drop_name(enum node_drop reason)
{
	static const char *const names[] = {
#define NODE_DROP_NAME(id, text) [NODE_DROP_##id] = (text),
		NODE_DROP_LIST(NODE_DROP_NAME)
#undef NODE_DROP_NAME
	};
	return names[reason];
}

struct node *node_new(const struct node_config *config, nstime now)
{
	struct node *n = calloc(1, sizeof(*n));
	if (!n)
		log_fatal("out of memory for a node");
	n->config = *config;
	n->stack = stack_new(&(struct stack_config){.name = config->name,
						    .seed = config->seed,
						    .trace = config->trace,
						    .forwarding = config->forwarding,
						    .join = config->join,
						    .half_open_max = config->limits.half_open,
						    .connections_max = config->limits.sockets},
			     now);
	STAILQ_INIT(&n->ended);
	STAILQ_INIT(&n->blobs);
	return n;
}

void node_free(struct node *n)
{
	nstime latency;
	struct vec blob;
	uint32_t flow;
	if (!n)
		return;
	for (size_t i = 0; i < n->apps_count; i++)
		app_free(n->apps[i]);
	client_free(n->client);
	role_classifier_free(n->classifier);
	role_drain_free(n->drain);
	handing_free(n);
	migrator_free(n->migrator);
	driver_free(n->driver);
	health_reporter_free(n->reporter);
	health_judge_free(n->judge);
	role_forwarder_free(n);
	courier_free(n->courier);
	stack_free(n->stack);
	while (node_handoff_next(n, &latency))
		;
	while (node_blob_next(n, &flow, &blob))
		vec_fini(&blob);
	free(n->tags);
	free(n);
}

int node_netif_add(struct node *n, struct mac mac, struct addr address, uint8_t prefix_len)
{
	int index = stack_netif_add(n->stack, mac, address, prefix_len);
	if (index >= 0)
		n->macs[index] = mac;
	return index;
}

struct stack *node_stack(struct node *n)
{
	return n->stack;
}

/* Takes ownership of what an application's maker gave. */
static int app_keep(struct node *n, struct app *a)
{
	if (!a)
		return E_EXISTS;
	n->apps[n->apps_count++] = a;
	return 0;
}

int node_app_listen(struct node *n, enum app_type type, struct addr address, uint16_t port)
{
	if (n->apps_count == NODE_APPS_MAX)
		return E_FULL;
	return app_keep(n, app_new(type, n->stack, address, port, n->config.seed));
}

int node_proxy_listen(struct node *n, struct addr address, uint16_t port, const struct app_target *targets,
		      size_t targets_count)
{
	if (n->apps_count == NODE_APPS_MAX)
		return E_FULL;
	return app_keep(n, app_proxy_new(n->stack, address, port, targets, targets_count));
}

int node_relay_listen(struct node *n, struct addr address, uint16_t port, struct relay *relay,
		      const struct relay_target *target, void *context)
{
	if (n->apps_count == NODE_APPS_MAX)
		return E_FULL;
	return app_keep(n, app_relay_new(n->stack, address, port, relay, target, context, n->config.trace));
}

int node_script_listen(struct node *n, struct addr address, uint16_t port, const struct script_source *source)
{
	if (n->apps_count == NODE_APPS_MAX)
		return E_FULL;
	return app_keep(n, app_script_new(n->stack, address, port, source));
}

struct client *node_client(struct node *n)
{
	if (!n->client)
		n->client = client_new(n->stack, n->config.seed, n->config.trace);
	return n->client;
}

void node_drop(struct node *n, enum node_drop reason, struct buf *packet)
{
	n->drops[reason]++;
	buf_free(packet);
}

void node_start(struct node *n, nstime now)
{
	if (n->classifier)
		role_classifier_start(n, now);
	if (n->migrator)
		role_backend_start(n, now);
	if (n->courier)
		courier_start(n->courier, now);
	node_pump(n, now);
}

bool node_gather(struct node *n, unsigned netif, struct buf *frame, nstime now)
{
	if (n->cluster && cluster_frame(n, netif, frame, now))
		return n->burst && n->burst->count;
	if (n->forwarder)
		role_forwarder_flush(n, now);
	stack_input(n->stack, (int)netif, frame, now);
	return false;
}

/* Gives ready sockets to their owners and tells of connections that ended. */
static bool sockets_pump(struct node *n, nstime now)
{
	bool moved = false;
	struct sock *k;
	struct tuple t;
	unsigned ready;
	while ((k = sock_next_ready(n->stack, &ready))) {
		struct sock_owner *owner = sock_user(k);
		owner->ready(owner, k, ready, now);
		moved = true;
	}
	while (stack_next_closed(n->stack, &t)) {
		TRACE(n->config.trace, now, TRACE_CONNECTION_CLOSE, TF_TUPLE("tuple", &t));
		if (n->migrator && migrator_active(n->migrator, &t)) {
			drain_ended(role_drain_mind(n->drain));
			migrator_connection_closed(n->migrator, &t, now);
		}
		moved = true;
	}
	return moved;
}

void node_pump(struct node *n, nstime now)
{
	bool moved;
	if (n->forwarder)
		role_forwarder_flush(n, now);
	do {
		moved = sockets_pump(n, now);
		if (n->cluster)
			moved |= cluster_pump(n, now);
	} while (moved);
}

struct buf *node_output(struct node *n, unsigned *netif)
{
	int index;
	struct buf *frame = stack_output(n->stack, &index);
	*netif = (unsigned)index;
	return frame;
}

nstime node_expiry(const struct node *n)
{
	nstime at = stack_expiry(n->stack);
	if (n->client)
		at = nstime_min(at, client_expiry(n->client));
	if (!n->cluster)
		return at;
	at = nstime_min(at, courier_expiry(n->courier));
	if (n->forwarder)
		at = nstime_min(at, forwarder_expiry(n->forwarder));
	if (n->classifier)
		at = nstime_min(at, role_classifier_expiry(n->classifier));
	if (n->handoff)
		at = nstime_min(at, handoff_expiry(n->handoff));
	if (n->migrator) {
		at = nstime_min(at, driver_expiry(n->driver));
		at = nstime_min(at, migrator_expiry(n->migrator));
		at = nstime_min(at, health_reporter_expiry(n->reporter));
		at = nstime_min(at, drain_expiry(role_drain_mind(n->drain)));
	}
	return at;
}

void node_expire(struct node *n, nstime now)
{
	if (stack_expiry(n->stack) <= now)
		stack_expire(n->stack, now);
	if (n->client && client_expiry(n->client) <= now)
		client_expire(n->client, now);
	if (n->cluster) {
		if (courier_expiry(n->courier) <= now)
			courier_expire(n->courier, now);
		if (n->forwarder && forwarder_expiry(n->forwarder) <= now)
			forwarder_expire(n->forwarder, now);
		if (n->handoff)
			handing_expire(n, now);
		if (n->classifier && role_classifier_expiry(n->classifier) <= now)
			role_classifier_expire(n, now);
		if (n->migrator && driver_expiry(n->driver) <= now)
			driver_expire(n->driver, now);
		if (n->migrator && migrator_expiry(n->migrator) <= now)
			migrator_expire(n->migrator, now);
		if (n->migrator && health_reporter_expiry(n->reporter) <= now)
			health_reporter_expire(n->reporter, now);
		if (n->migrator && drain_expiry(role_drain_mind(n->drain)) <= now)
			drain_expire(role_drain_mind(n->drain), now);
	}
	node_pump(n, now);
}

const struct forwarder_counters *node_forwarder_counters(const struct node *n)
{
	return n->forwarder ? forwarder_counters(n->forwarder) : NULL;
}

const struct classifier_counters *node_classifier_counters(const struct node *n)
{
	return n->classifier ? classifier_counters(role_classifier_mind(n->classifier)) : NULL;
}

const struct sticky_counters *node_sticky_counters(const struct node *n)
{
	return n->classifier ? classifier_sticky_counters(role_classifier_mind(n->classifier)) : NULL;
}

const struct handoff_counters *node_handoff_counters(const struct node *n)
{
	return n->handoff ? handoff_counters(n->handoff) : NULL;
}

const struct driver_counters *node_driver_counters(const struct node *n)
{
	return n->driver ? driver_counters(n->driver) : NULL;
}

const struct migrator_counters *node_migrator_counters(const struct node *n)
{
	return n->migrator ? migrator_counters(n->migrator) : NULL;
}

const struct courier_counters *node_courier_counters(const struct node *n)
{
	return n->courier ? courier_counters(n->courier) : NULL;
}

const struct health_reporter_counters *node_reporter_counters(const struct node *n)
{
	return n->reporter ? health_reporter_counters(n->reporter) : NULL;
}

const struct drain_counters *node_drain_counters(const struct node *n)
{
	return drain_counters(role_drain_mind(n->drain));
}

const struct health_judge *node_judge(const struct node *n)
{
	return n->judge;
}

const uint64_t *node_drops(const struct node *n)
{
	return n->drops;
}

const struct app *node_app(const struct node *n, size_t index)
{
	return index < n->apps_count ? n->apps[index] : NULL;
}

bool node_handoff_next(struct node *n, nstime *latency)
{
	struct node_ended *e = STAILQ_FIRST(&n->ended);
	if (!e)
		return false;
	STAILQ_REMOVE_HEAD(&n->ended, next);
	*latency = e->latency;
	free(e);
	return true;
}

bool node_blob_next(struct node *n, uint32_t *flow, struct vec *blob)
{
	struct node_saved_blob *b = STAILQ_FIRST(&n->blobs);
	if (!b)
		return false;
	STAILQ_REMOVE_HEAD(&n->blobs, next);
	*flow = b->flow;
	*blob = b->bytes;
	free(b);
	return true;
}

bool node_idle(struct node *n)
{
	struct stack_holdings stack;
	stack_holdings(n->stack, &stack);
	if (stack.pcbs || stack.frames || (n->client && client_pending(n->client)))
		return false;
	if (n->handoff) {
		struct handoff_holdings h;
		handoff_holdings(n->handoff, &h);
		if (h.handoffs || h.held_packets)
			return false;
	}
	if (n->migrator) {
		struct migrator_holdings m;
		migrator_holdings(n->migrator, &m);
		if (m.held)
			return false;
	}
	return true;
}
