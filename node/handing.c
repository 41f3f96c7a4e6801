/* SPDX-License-Identifier: BSD-3-Clause */
/* A node as the first side of hand-offs, whether it is a classifier or a backend that drains: its lb/handoff, and what
 * becomes of its packets and outcomes. */
#include "base/err.h"
#include "base/log.h"
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

void handing_enable(struct node *n, uint32_t flow_base, uint32_t flow_count)
{
	n->handoff = handoff_new(&(struct handoff_config){
		.name = n->config.name,
		.seed = n->config.seed,
		.self = n->config.device,
		.boot = n->config.boot,
		.forwarder = n->cluster->forwarder,
		.address = n->address,
		.tunnel = n->cluster->tunnel,
		.flow_base = flow_base,
		.flow_count = flow_count,
		.handoffs_max = n->config.limits.handoffs,
		.held_bytes_max = n->config.limits.held,
		.tombstones_max = n->config.limits.tombstones,
		.trace = n->config.trace,
	});
}

void handing_free(struct node *n)
{
	handoff_free(n->handoff);
	free(n->handing);
}

/* Notes whose hand-off this number is. */
static void handing_put(struct node *n, size_t number, void *user)
{
	size_t capacity = n->handing_capacity ? n->handing_capacity : 64;
	while (number >= capacity)
		capacity *= 2;
	if (capacity != n->handing_capacity) {
		n->handing = realloc(n->handing, capacity * sizeof(*n->handing));
		if (!n->handing)
			log_fatal("out of memory for %zu hand-offs", capacity);
		n->handing_capacity = capacity;
	}
	n->handing[number] = user;
}

int handing_start(struct node *n, struct sock *k, uint16_t device, const struct handoff_claim *claim, void *user,
		  nstime now)
{
	struct tuple t = sock_tuple(k);
	int number = handoff_start(n->handoff, &n->endpoint, (struct endpoint_conn *)k, &t, device,
				   courier_peer_boot(n->courier, device), claim, now);
	if (number >= 0)
		handing_put(n, (size_t)number, user);
	return number;
}

void handing_packet(struct node *n, struct buf *packet, nstime now)
{
	if (handoff_packet(n->handoff, packet, now) == HANDOFF_NOT_MINE)
		stack_input_ip(n->stack, packet, now);
}

static void ended_put(struct node *n, nstime latency)
{
	struct node_ended *e = calloc(1, sizeof(*e));
	if (!e)
		log_fatal("out of memory for an outcome");
	e->latency = latency;
	STAILQ_INSERT_TAIL(&n->ended, e, next);
}

static void outcome_apply(struct node *n, const struct handoff_outcome *o, nstime now)
{
	void *user = n->handing[o->number];
	if (o->result == HANDOFF_COMMITTED)
		ended_put(n, o->latency);
	if (n->classifier)
		role_classifier_outcome(n, user, o, now);
	else
		role_drain_outcome(n, user, o, now);
}

bool handing_pump(struct node *n, nstime now)
{
	struct handoff_action a;
	bool moved = false;
	while (handoff_output(n->handoff, &a)) {
		moved = true;
		switch (a.kind) {
		case HANDOFF_PACKET_TO_STACK:
			stack_input_ip(n->stack, a.packet, now);
			break;
		case HANDOFF_PACKET_TO_FORWARDER:
			if (n->forwarder)
				role_forwarder_packet(n, a.packet, now);
			else
				cluster_send(n, n->cluster->forwarder, a.packet, now);
			break;
		case HANDOFF_OUTCOME:
			outcome_apply(n, &a.outcome, now);
			break;
		}
	}
	return moved;
}

/* The pump follows at once: a number is used again after its outcome. */
void handing_message(struct node *n, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes, size_t len,
		     nstime now)
{
	handoff_message(n->handoff, from, from_boot, type, bytes, len, now);
	handing_pump(n, now);
}

void handing_message_failed(struct node *n, uint64_t tag, bool taken, nstime now)
{
	if (!n->handoff || !tag)
		return;
	handoff_message_failed(n->handoff, tag, taken, now);
	handing_pump(n, now);
}

void handing_peer(struct node *n, uint16_t device, uint64_t boot, nstime now)
{
	handoff_peer_restarted(n->handoff, device, boot, now);
	handing_pump(n, now);
}

void handing_expire(struct node *n, nstime now)
{
	if (handoff_expiry(n->handoff) <= now)
		handoff_expire(n->handoff, now);
	handing_pump(n, now);
}
