/* SPDX-License-Identifier: BSD-3-Clause */
/* The backend's role: the migrator driver below the stack, the connection migrator beside it. */
#include "base/err.h"
#include "node/internal.h"

#include <stdlib.h>

void role_backend_start(struct node *n, nstime now)
{
	size_t count;
	uint16_t *classifiers = cluster_devices(n, true, &count);
	n->reporter = health_reporter_new(&(struct health_reporter_config){.classifiers = classifiers,
									   .classifiers_count = count,
									   .interval = n->cluster->health_interval,
									   .limit = n->config.limits.connections},
					  now);
	free(classifiers);
	role_drain_start(n);
}

int node_backend_enable(struct node *n, uint32_t flow_base, uint32_t flow_count)
{
	const struct node_cluster *c = n->cluster;
	const struct node_limits *limits = &n->config.limits;
	if (n->forwarder || n->classifier)
		return E_STATE;
	n->driver = driver_new(&(struct driver_config){
		.name = n->config.name,
		.seed = n->config.seed,
		.address = n->address,
		.tunnel = c->tunnel,
		.flows_max = limits->flows,
		.flow_bytes_max = limits->flow_buffer,
		.bytes_max = limits->buffer,
		.trace = n->config.trace,
	});
	n->migrator = migrator_new(&(struct migrator_config){.name = n->config.name,
							     .seed = n->config.seed,
							     .self = n->config.device,
							     .boot = n->config.boot,
							     .forwarder = c->forwarder,
							     .connections_max = limits->connections,
							     .trace = n->config.trace},
				   n->driver, &n->endpoint);
	handing_enable(n, flow_base, flow_count);
	return 0;
}

void role_backend_packet(struct node *n, struct buf *packet, nstime now)
{
	enum driver_drop drop;
	switch (driver_packet(n->driver, packet, now, &drop)) {
	case DRIVER_NOT_OURS:
		stack_input_ip(n->stack, packet, now);
		break;
	case DRIVER_DELIVER:
		handing_packet(n, packet, now);
		break;
	case DRIVER_TAKEN:
		break;
	case DRIVER_DROP: /* counted by its reason there */
		buf_free(packet);
		break;
	}
}

void role_backend_message(struct node *n, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
			  size_t len, nstime now)
{
	struct message m;
	migrator_message(n->migrator, from, from_boot, type, bytes, len, now);
	/* A connection that comes back to this backend: its packets are not to be sent on any more. */
	if (type == MESSAGE_COMMITTED && !message_decode(&m, type, bytes, len) &&
	    migrator_active(n->migrator, &m.tuple))
		handoff_tombstone_remove(n->handoff, &m.tuple);
}

bool role_backend_pump(struct node *n, nstime now)
{
	struct driver_action a;
	bool moved = false;
	struct migrator_holdings h;
	migrator_holdings(n->migrator, &h);
	health_reporter_connections(n->reporter, h.held + h.active);
	while (driver_output(n->driver, &a)) {
		moved = true;
		switch (a.kind) {
		case DRIVER_PACKET_TO_STACK:
			handing_packet(n, a.packet, now);
			break;
		case DRIVER_PACKET_TO_FORWARDER:
			cluster_send(n, n->cluster->forwarder, a.packet, now);
			break;
		}
	}
	return moved;
}
