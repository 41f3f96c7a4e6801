/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarder's role: packets that come together go through the mapping table together, and what it decides is done
 * with the stack's links. */
#include "base/err.h"
#include "base/log.h"
#include "node/internal.h"

#include <stdlib.h>

int node_forwarder_enable(struct node *n)
{
	const struct node_cluster *c = n->cluster;
	n->forwarder = forwarder_new(&(struct forwarder_config){
		.name = n->config.name,
		.seed = n->config.seed,
		.tunnel = c->tunnel,
		.entries = n->config.limits.table,
		.trace = n->config.trace,
	});
	n->burst = calloc(1, sizeof(*n->burst));
	if (!n->burst)
		log_fatal("out of memory: a forwarder's packets");
	for (size_t i = 0; i < c->devices_count; i++) {
		int r = forwarder_device_add(n->forwarder, c->devices[i].id, &c->devices[i].address,
					     c->devices[i].classifier);
		if (r < 0)
			return r;
	}
	return 0;
}

static void decided(struct node *n, struct buf *packet, const struct forwarder_decision *d, nstime now)
{
	switch (d->verdict) {
	case FORWARDER_SEND:
		if (d->device != n->config.device)
			cluster_send(n, d->device, packet, now);
		else if (n->classifier)
			handing_packet(n, packet, now);
		else
			node_drop(n, NODE_DROP_FOREIGN, packet);
		break;
	case FORWARDER_NOT_OURS:
		stack_input_ip(n->stack, packet, now);
		break;
	case FORWARDER_DROP: /* counted by its reason there */
		buf_free(packet);
		break;
	}
}

void role_forwarder_flush(struct node *n, nstime now)
{
	struct forwarder_decision decisions[FORWARDER_BURST_MAX];
	unsigned count = n->burst->count;

	if (!count)
		return;
	forwarder_packets(n->forwarder, n->burst->packets, count, now, decisions);
	n->burst->count = 0;
	for (unsigned i = 0; i < count; i++)
		decided(n, n->burst->packets[i], &decisions[i], now);
}

void role_forwarder_packet(struct node *n, struct buf *packet, nstime now)
{
	n->burst->packets[n->burst->count++] = packet;
	if (n->classifier || n->burst->count == FORWARDER_BURST_MAX)
		role_forwarder_flush(n, now);
}

void role_forwarder_free(struct node *n)
{
	if (!n->burst)
		return;
	for (unsigned i = 0; i < n->burst->count; i++)
		buf_free(n->burst->packets[i]);
	free(n->burst);
	forwarder_free(n->forwarder);
}
