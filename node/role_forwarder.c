/* SPDX-License-Identifier: BSD-3-Clause */
/* The forwarder's role: what the mapping table decides is done with the stack's links. */
#include "base/err.h"
#include "node/internal.h"

int node_forwarder_enable(struct node *n, uint32_t table_entries)
{
	const struct node_cluster *c = n->cluster;
	n->forwarder = forwarder_new(&(struct forwarder_config){
		.name = n->config.name,
		.seed = n->config.seed,
		.tunnel = addr_pair_of(c->tunnel),
		.entries = table_entries,
		.trace = n->config.trace,
	});
	for (size_t i = 0; i < c->devices_count; i++) {
		struct addr_pair address = addr_pair_of(c->devices[i].address);
		int r = forwarder_device_add(n->forwarder, c->devices[i].id, &address, c->devices[i].classifier);
		if (r < 0)
			return r;
	}
	return 0;
}

void role_forwarder_packet(struct node *n, struct buf *packet, nstime now)
{
	struct forwarder_decision d;
	forwarder_packet(n->forwarder, packet, now, &d);
	switch (d.verdict) {
	case FORWARDER_SEND:
		if (d.device != n->config.device)
			cluster_send(n, d.device, packet, now);
		else if (n->classifier)
			role_classifier_packet(n, packet, now);
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
