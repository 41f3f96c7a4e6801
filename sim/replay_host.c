/* SPDX-License-Identifier: BSD-3-Clause */
/* Where captured clients run: at the scenario's client nodes, below their stacks. The node's stack answers for its
 * address and knows the way; what comes for a port that a captured client has does not reach it. */
#include "base/err.h"
#include "base/log.h"
#include "lb/packet.h"
#include "sim/replay_internal.h"

#include <stdlib.h>

#define PORTS                     65536U
#define PORT_FIRST                1024U
#define ETHERNET_HEADER           14U
#define ISN_AFTER                 65536U /* what lies between the numbers of two connections that use one port */
#define CAPTURED_IS_FREE(h, port) ((port) >= PORT_FIRST && !(h)->isn_next[port])

static bool port_is_used(const struct replay_host *h, uint32_t port)
{
	return h->used[port / 64] >> (port % 64) & 1;
}

/* A packet for a client's node. */
static void host_deliver(void *context, unsigned port, struct buf *frame, nstime now)
{
	struct replay_host *h = context;
	struct replay_conn *c = NULL;
	uint8_t *data = frame->data;
	uint32_t len = frame->len;
	struct packet p;

	if (h->ports_used && len > ETHERNET_HEADER) {
		buf_pull(frame, ETHERNET_HEADER);
		if (packet_parse(&p, frame) == PACKET_TCP && port_is_used(h, p.tuple.local_port)) {
			const struct tuple t = tuple_reverse(&p.tuple);

			c = replay_live_find(h->replay, &t);
		}
	}
	if (c && !c->socket) {
		replay_client_input(c, &p, frame);
		return;
	}
	frame->data = data;
	frame->len = len;
	h->deliver(h->node, port, frame, now);
}

static bool host_has(const struct world_node *wn, uint8_t family)
{
	for (size_t a = 0; a < wn->spec->attachments_count; a++)
		if (addr_pair_get(&wn->spec->attachments[a].address, family)->family)
			return true;
	return false;
}

static struct addr host_address(const struct replay_host *h, uint8_t family)
{
	const struct scenario_node *spec = h->node->spec;
	struct addr none = {0};

	for (size_t a = 0; a < spec->attachments_count; a++)
		if (addr_pair_get(&spec->attachments[a].address, family)->family)
			return *addr_pair_get(&spec->attachments[a].address, family);
	return none;
}

static void host_init(struct replay_host *h, struct replay *r, struct world_node *wn)
{
	h->replay = r;
	h->node = wn;
	h->port_next = PORT_FIRST;
	h->isn_next = calloc(PORTS, sizeof(*h->isn_next));
	h->used = calloc(PORTS / 64, sizeof(*h->used));
	if (!h->isn_next || !h->used)
		log_fatal("out of memory: ports");
	for (size_t a = 0; a < wn->spec->attachments_count; a++) {
		h->deliver = wn->attachments[a]->deliver;
		wn->attachments[a]->deliver = host_deliver;
		wn->attachments[a]->node = h;
	}
}

int replay_hosts_init(struct replay *r, const char **why)
{
	const struct scenario *s = r->world->scenario;
	bool reached = false;

	if (!s->services_count) {
		*why = "the scenario has no service to replay a capture to";
		return E_INVAL;
	}
	r->hosts = calloc(s->nodes_count + 1, sizeof(*r->hosts));
	if (!r->hosts)
		log_fatal("out of memory: client nodes");
	for (size_t n = 0; n < s->nodes_count; n++) {
		if (!(s->nodes[n].roles & ROLE_CLIENT))
			continue;
		for (size_t v = 0; v < s->services_count; v++)
			reached |= host_has(&r->world->nodes[n], s->services[v].vip.family);
		host_init(&r->hosts[r->hosts_count++], r, &r->world->nodes[n]);
	}
	if (reached)
		return 0;
	*why = "the scenario has no client node with an address of a service's family";
	return E_INVAL;
}

void replay_hosts_fini(struct replay *r)
{
	for (size_t n = 0; n < r->hosts_count; n++) {
		free(r->hosts[n].isn_next);
		free(r->hosts[n].used);
	}
	free(r->hosts);
	r->hosts = NULL;
	r->hosts_count = 0;
}

/* The service at the captured server's port, of its family if there is one; else the first. */
static size_t service_choose(const struct scenario *s, const struct tuple *captured)
{
	size_t found = SIZE_MAX;

	for (size_t n = 0; n < s->services_count; n++) {
		if (s->services[n].port != captured->local_port)
			continue;
		if (s->services[n].vip.family == captured->local.family)
			return n;
		if (found == SIZE_MAX)
			found = n;
	}
	return found == SIZE_MAX ? 0 : found;
}

/* A captured client's connections are all of one host. */
static struct replay_host *host_choose(const struct replay *r, const struct addr *client, uint8_t family)
{
	uint64_t first = hash_bytes(&r->key, client, sizeof(*client));

	for (size_t n = 0; n < r->hosts_count; n++) {
		struct replay_host *h = &r->hosts[(first + n) % r->hosts_count];

		if (h->ports_used < PORTS - PORT_FIRST && host_has(h->node, family))
			return h;
	}
	return NULL;
}

/* The captured port if nobody had it, else the next that is free. Precondition: one is. */
static uint16_t port_choose(struct replay_host *h, uint16_t captured)
{
	if (CAPTURED_IS_FREE(h, captured))
		return captured;
	for (;;) {
		uint32_t port = h->port_next;

		h->port_next = port + 1 < PORTS ? port + 1 : PORT_FIRST;
		if (!port_is_used(h, port))
			return (uint16_t)port;
	}
}

bool replay_host_take(struct replay_conn *c)
{
	struct replay *r = c->replay;
	const struct scenario *s = r->world->scenario;
	const struct scenario_service *service;
	struct replay_host *h;

	c->service = service_choose(s, &c->captured);
	service = &s->services[c->service];
	h = host_choose(r, &c->captured.remote, service->vip.family);
	if (!h)
		return false;
	c->host = h;
	c->live = (struct tuple){
		.remote = host_address(h, service->vip.family), .local = service->vip, .local_port = service->port};
	if (r->options.stream)
		return true; /* the stack chooses a port */
	c->live.remote_port = port_choose(h, c->captured.remote_port);
	c->isn = h->isn_next[c->live.remote_port];
	if (!c->isn)
		c->isn = (uint32_t)hash_bytes(&r->key, &c->live, sizeof(c->live));
	h->isn_next[c->live.remote_port] = c->isn | 1;
	h->used[c->live.remote_port / 64] |= UINT64_C(1) << (c->live.remote_port % 64);
	h->ports_used++;
	return true;
}

void replay_host_give_back(struct replay_conn *c)
{
	struct replay_host *h = c->host;
	uint16_t port = c->live.remote_port;

	if (!h || c->replay->options.stream)
		return;
	/* Never 0, which means unused. */
	h->isn_next[port] = (c->isn + (uint32_t)(c->sent + 1) + ISN_AFTER) | 1;
	h->used[port / 64] &= ~(UINT64_C(1) << (port % 64));
	h->ports_used--;
}

void replay_host_send(struct replay_conn *c, struct buf *packet)
{
	struct world_node *wn = c->host->node;

	if (wn->node)
		stack_output_ip(node_stack(wn->node), packet, -1, c->live.local, replay_now(c->replay));
	else
		buf_free(packet);
}

void replay_host_settle(struct replay_conn *c)
{
	if (c->host->node->node)
		world_node_settle(c->host->node);
}
