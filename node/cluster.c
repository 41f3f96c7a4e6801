/* SPDX-License-Identifier: BSD-3-Clause */
/* A node as a member of its cluster: courier frames in UDP datagrams, messages to the roles, the roles' messages to the
 * courier, and which role looks at which packet below the stack. All courier traffic of a device other than the
 * forwarder goes to the forwarder, which relays what is for others unopened (C1.7: via the forwarder). */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/log.h"
#include "base/wire.h"
#include "lb/too_big.h"
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

#define ETHERTYPE_IPV4   0x0800U
#define ETHERTYPE_IPV6   0x86ddU
#define IPV4_HEADER_MIN  20U
#define IPV6_HEADER      40U
#define PROTOCOL_UDP     17U
#define PROTOCOL_ICMPV6  58U
#define ICMPV6_SOLICIT   135U /* neighbour solicitation and advertisement */
#define ICMPV6_ADVERTISE 136U

int node_cluster_join(struct node *n, const struct node_cluster *cluster, const struct addr_pair *address, int netif)
{
	struct courier_config config = {
		.self = n->config.device,
		.boot = n->config.boot,
		.cipher = cluster->cipher,
		.mtu = (uint32_t)(STACK_MTU - datagram_headers(addr_pair_first(address)->family)),
		.queue_bytes_max = n->config.limits.courier_queue,
		.inbox_bytes_max = n->config.limits.courier_inbox,
		.trace = n->config.trace,
	};
	memcpy(config.key, cluster->key, sizeof(config.key));
	config.epoch = cluster->key_epoch;
	int r = courier_new(&n->courier, &config);
	for (size_t i = 0; !r && i < cluster->devices_count; i++)
		if (cluster->devices[i].id != n->config.device)
			r = courier_peer_add(n->courier, cluster->devices[i].id);
	if (r < 0)
		return r;
	n->cluster = cluster;
	n->address = *address;
	n->courier_mtu = config.mtu;
	n->cluster_netif = netif;
	n->endpoint = (struct endpoint){.ops = &node_endpoint_ops, .ep = n};
	return 0;
}

int node_rekey(struct node *n, nstime now)
{
	int r = courier_rekey(n->courier, n->cluster->key, now);
	node_pump(n, now);
	return r;
}

uint64_t node_outlived(const struct node *n)
{
	return n->courier ? courier_outlived(n->courier) : 0;
}

bool node_rekeying(const struct node *n)
{
	return n->courier && courier_rekeying(n->courier);
}

void node_reconfigure(struct node *n, nstime now)
{
	const struct node_cluster *c = n->cluster;

	if (n->reporter)
		health_reporter_pace(n->reporter, c->health_interval, now);
	if (n->classifier)
		role_classifier_reconfigure(n, now);
	node_pump(n, now);
}

/* The cluster addresses of a device, or NULL. */
static const struct addr_pair *node_device_address(const struct node *n, uint16_t device)
{
	for (size_t i = 0; i < n->cluster->devices_count; i++)
		if (n->cluster->devices[i].id == device)
			return &n->cluster->devices[i].address;
	return NULL;
}

uint16_t *cluster_devices(const struct node *n, bool classifiers, size_t *count)
{
	const struct node_cluster *c = n->cluster;
	uint16_t *list = calloc(c->devices_count + 1, sizeof(*list));
	if (!list)
		log_fatal("out of memory for %zu devices", c->devices_count);
	*count = 0;
	for (size_t i = 0; i < c->devices_count; i++)
		if (classifiers ? c->devices[i].classifier : c->devices[i].backend)
			list[(*count)++] = c->devices[i].id;
	return list;
}

void cluster_send(struct node *n, uint16_t device, struct buf *packet, nstime now)
{
	const struct addr_pair *address = node_device_address(n, device);
	if (!address)
		node_drop(n, NODE_DROP_RELAY, packet);
	else
		stack_output_ip(n->stack, packet, n->cluster_netif, *addr_pair_get(address, packet->data[0] >> 4), now);
}

/* ---- courier datagrams ---- */

/* Where a frame for `to` goes first. */
static uint16_t courier_hop(const struct node *n, uint16_t to)
{
	return n->forwarder ? to : n->cluster->forwarder;
}

static bool courier_flush(struct node *n, nstime now)
{
	bool moved = false;
	for (;;) {
		struct buf *b = buf_alloc((uint32_t)n->courier_mtu);
		size_t len;
		uint16_t to;
		if (!courier_output(n->courier, b->data, n->courier_mtu, &len, &to, now)) {
			buf_free(b);
			return moved;
		}
		b->len = (uint32_t)len;
		uint16_t hop = courier_hop(n, to);
		datagram_wrap(b, addr_pair_first(&n->address), addr_pair_first(node_device_address(n, hop)));
		cluster_send(n, hop, b, now);
		moved = true;
	}
}

/* A courier frame for another device: the forwarder sends it on, unopened, as from itself. */
static void courier_relay(struct node *n, struct buf *packet, const struct datagram *d, uint16_t to, nstime now)
{
	const struct addr_pair *pair = node_device_address(n, to);
	const struct addr *address = pair ? addr_pair_get(pair, d->family) : NULL;
	if (address && address->family &&
	    datagram_relay(d, packet->data, addr_pair_get(&n->address, d->family), address))
		cluster_send(n, to, packet, now);
	else
		node_drop(n, NODE_DROP_RELAY, packet);
}

/* A datagram to the courier's port at this node's address. */
static void courier_datagram(struct node *n, struct buf *packet, const struct datagram *d, nstime now)
{
	uint16_t from, to;
	if (!d->whole) {
		node_drop(n, NODE_DROP_HEADER, packet);
		return;
	}
	if (n->forwarder && !courier_frame_peek(d->contents, d->contents_len, &from, &to) && to != n->config.device) {
		courier_relay(n, packet, d, to, now);
		return;
	}
	/* counts what it rejects; its seal is the check, not UDP's sum */
	courier_input(n->courier, d->contents, d->contents_len, now);
	buf_free(packet);
}

/* ---- packets below the stack ---- */

static bool is_vip(const struct node *n, const struct addr *a)
{
	for (size_t i = 0; i < n->cluster->services_count; i++)
		if (addr_equal(&n->cluster->vips[i].address, a))
			return true;
	return false;
}

/* The family of an IP frame for this node with a whole header; 0 for any other, and for neighbour discovery, which is
 * the stack's whatever address it is for. */
static uint8_t frame_family(const struct node *n, unsigned netif, const struct buf *frame)
{
	const uint8_t *eth = frame->data, *ip = eth + ETHERNET_HEADER;
	if (frame->len < ETHERNET_HEADER + IPV4_HEADER_MIN || memcmp(eth, n->macs[netif].bytes, 6) != 0)
		return 0;
	if (load_be16(eth + 12) == ETHERTYPE_IPV4)
		return ip[0] >> 4 == 4 ? 4 : 0;
	if (load_be16(eth + 12) != ETHERTYPE_IPV6 || frame->len < ETHERNET_HEADER + IPV6_HEADER || ip[0] >> 4 != 6)
		return 0;
	if (ip[6] != PROTOCOL_ICMPV6 || frame->len == ETHERNET_HEADER + IPV6_HEADER)
		return 6;
	return ip[IPV6_HEADER] == ICMPV6_SOLICIT || ip[IPV6_HEADER] == ICMPV6_ADVERTISE ? 0 : 6;
}

/* Whether the lengths are sound and the header's checksum is good; cuts Ethernet padding off. */
static bool packet_whole(struct buf *packet)
{
	const uint8_t *ip = packet->data;
	const bool v6 = ip[0] >> 4 == 6;
	size_t header = v6 ? IPV6_HEADER : (size_t)(ip[0] & 15) * 4;
	size_t total = v6 ? IPV6_HEADER + load_be16(ip + 4) : load_be16(ip + 2);
	if (header < IPV4_HEADER_MIN || header > packet->len || total < header || total > packet->len)
		return false;
	packet->len = (uint32_t)total;
	return v6 || checksum_sum(ip, header) == 0xffff;
}

/* Whether an IP frame is for the courier of one of our devices. */
static bool courier_port(const struct node *n, const struct buf *frame, const struct addr *destination)
{
	struct datagram d;
	if (!datagram_parse(&d, frame->data + ETHERNET_HEADER, frame->len - ETHERNET_HEADER) || d.port != COURIER_PORT)
		return false;
	for (size_t i = 0; i < n->cluster->devices_count; i++)
		if (addr_equal(addr_pair_get(&n->cluster->devices[i].address, destination->family), destination))
			return true;
	return false;
}

/* Gives a packet to the role it is for. */
static void cluster_packet(struct node *n, struct buf *packet, bool for_forwarder, bool own, nstime now)
{
	struct tuple about;
	if (n->forwarder && for_forwarder)
		role_forwarder_packet(n, packet, now);
	else if (own)
		role_backend_packet(n, packet, now);
	else if (n->classifier)
		handing_packet(n, packet, now);
	else if (n->driver && too_big_parse(packet, &about))
		stack_input_ip(n->stack, packet, now);
	else
		node_drop(n, NODE_DROP_FOREIGN, packet);
}

bool cluster_frame(struct node *n, unsigned netif, struct buf *frame, nstime now)
{
	const uint8_t family = frame_family(n, netif, frame), *ip = frame->data + ETHERNET_HEADER;
	struct datagram d;
	if (!family)
		return false;
	const struct addr source = addr_from_bytes(family, ip + (family == 6 ? 8 : 12));
	const struct addr destination = addr_from_bytes(family, ip + (family == 6 ? 24 : 16));
	const struct addr *tunnel_address = addr_pair_get(&n->cluster->tunnel, family);
	bool own = addr_equal(&destination, addr_pair_get(&n->address, family));
	bool tunnel = addr_equal(&destination, tunnel_address), from_tunnel = addr_equal(&source, tunnel_address);
	bool vip = !own && !tunnel && is_vip(n, &destination);
	if ((int)netif != n->cluster_netif && (from_tunnel || tunnel || courier_port(n, frame, &destination))) {
		node_drop(n, NODE_DROP_SPOOFED, frame);
		return true;
	}
	bool datagram = own && ip[family == 6 ? 6 : 9] == PROTOCOL_UDP;
	if (n->forwarder && !vip && !tunnel)
		role_forwarder_flush(n, now); /* what came before this frame is done before it */
	if (!vip && !datagram && !(tunnel && n->forwarder) && !(own && from_tunnel && n->driver))
		return false;
	buf_pull(frame, ETHERNET_HEADER);
	if (!packet_whole(frame)) {
		node_drop(n, NODE_DROP_HEADER, frame);
	} else if (!datagram) {
		cluster_packet(n, frame, vip || tunnel, own, now);
	} else if (datagram_parse(&d, frame->data, frame->len) && d.port == COURIER_PORT) {
		courier_datagram(n, frame, &d, now);
	} else {
		buf_push(frame, ETHERNET_HEADER);
		return false;
	}
	return true;
}

/* ---- messages ---- */

/* Whether a message about a hand-off is for this device as the one that gives the connection away. */
static bool message_to_first(const struct node *n, uint8_t type, const uint8_t *bytes, size_t len)
{
	struct message m;
	return !message_decode(&m, type, bytes, len) && m.first == n->config.device;
}

static void message_dispatch(struct node *n, uint16_t from, uint64_t boot, uint8_t type, const uint8_t *bytes,
			     size_t len, nstime now)
{
	switch (type) {
	case MESSAGE_PREPARE:
	case MESSAGE_READY:
	case MESSAGE_ABORT:
	case MESSAGE_ALIVE:
	case MESSAGE_GONE:
		if (n->forwarder)
			forwarder_message(n->forwarder, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_CLOSED:
		if (n->forwarder)
			forwarder_message(n->forwarder, from, boot, type, bytes, len, now);
		if (n->classifier)
			role_classifier_message(n, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_MOVED:
	case MESSAGE_CHOOSE:
		if (n->classifier)
			role_classifier_message(n, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_PREPARED:
	case MESSAGE_REFUSED:
	case MESSAGE_REJECT:
	case MESSAGE_LOST:
		if (n->handoff)
			handing_message(n, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_BLOB:
	case MESSAGE_QUERY:
		if (n->migrator)
			role_backend_message(n, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_COMMITTED:
	case MESSAGE_ABORTED: /* to both sides */
		if (n->handoff && (!n->migrator || message_to_first(n, type, bytes, len)))
			handing_message(n, from, boot, type, bytes, len, now);
		else if (n->migrator)
			role_backend_message(n, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_CHOSEN:
		if (n->drain)
			drain_message(role_drain_mind(n->drain), from, bytes, len, now);
		break;
	case MESSAGE_HEALTH:
		if (n->judge)
			health_judge_message(n->judge, from, boot, bytes, len, now);
		break;
	default:
		break;
	}
}

/* A message that is no hand-off's is over: it arrived, was given up, or found no room. */
static void message_over(struct node *n, uint16_t to, uint8_t type, bool delivered)
{
	if (type == MESSAGE_HEALTH && n->reporter)
		health_reporter_done(n->reporter, to, delivered);
}

static void tag_put(struct node *n, uint64_t message, uint64_t tag)
{
	if (n->tags_count == n->tags_capacity) {
		size_t capacity = n->tags_capacity ? 2 * n->tags_capacity : 64;
		struct node_tag *tags = malloc(capacity * sizeof(*tags));
		if (!tags)
			log_fatal("out of memory for %zu messages", capacity);
		for (size_t i = 0; i < n->tags_count; i++)
			tags[i] = n->tags[(n->tags_head + i) % n->tags_capacity];
		free(n->tags);
		n->tags = tags;
		n->tags_head = 0;
		n->tags_capacity = capacity;
	}
	n->tags[(n->tags_head + n->tags_count++) % n->tags_capacity] = (struct node_tag){message, tag};
}

/* The tag of a message that is over, 0 when it had none. Messages end about in the order in which they were sent, so
 * the search begins at the oldest. */
static uint64_t tag_take(struct node *n, uint64_t message)
{
	for (size_t i = 0; i < n->tags_count; i++) {
		struct node_tag *t = &n->tags[(n->tags_head + i) % n->tags_capacity];
		if (t->message != message)
			continue;
		uint64_t tag = t->tag;
		for (; i > 0; i--)
			n->tags[(n->tags_head + i) % n->tags_capacity] =
				n->tags[(n->tags_head + i - 1) % n->tags_capacity];
		n->tags_head = (n->tags_head + 1) % n->tags_capacity;
		n->tags_count--;
		return tag;
	}
	return 0;
}

/* Keeps a copy of an outgoing blob for node_blob_next. */
static void blob_keep(struct node *n, const struct outbox_message *m)
{
	struct node_saved_blob *b = calloc(1, sizeof(*b));
	if (!b)
		log_fatal("out of memory for a blob's copy");
	vec_append(&b->bytes, m->bytes.data, m->bytes.len);
	struct reader r = reader_make(m->bytes.data, m->bytes.len);
	reader_bytes(&r,
		     BLOB_HEADER_LEN + BLOB_SECTION_LEN); /* HANDOFF is the first section that blob_encode writes, */
	b->flow = reader_u32(&r);                         /* and the flow identifier its first field */
	STAILQ_INSERT_TAIL(&n->blobs, b, next);
}

/* Hands an outbox's messages to the courier, or to this node's own roles. */
static bool outbox_flush(struct node *n, struct outbox *o, nstime now)
{
	bool moved = false;
	struct outbox_message *m;
	while ((m = outbox_get(o))) {
		uint64_t message = 0;
		moved = true;
		if (m->type == MESSAGE_BLOB && n->config.keep_blobs)
			blob_keep(n, m);
		if (m->to == n->config.device)
			message_dispatch(n, m->to, n->config.boot, m->type, m->bytes.data, m->bytes.len, now);
		else if (courier_send(n->courier, m->to, m->type, m->bytes.data, m->bytes.len, now, &message) < 0) {
			handing_message_failed(n, m->tag, false, now);
			message_over(n, m->to, m->type, false);
		} else if (m->tag)
			tag_put(n, message, m->tag);
		outbox_message_free(m);
	}
	return moved;
}

static bool courier_events(struct node *n, nstime now)
{
	bool moved = false;
	struct courier_event e;
	struct courier_message m;
	while (courier_event_next(n->courier, &e)) {
		bool restarted = e.kind == COURIER_PEER_RESTARTED;
		moved = true;
		switch (e.kind) {
		case COURIER_PEER_UP:
		case COURIER_PEER_RESTARTED:
			if (n->forwarder)
				forwarder_peer_restarted(n->forwarder, e.device, e.boot, now);
			if (n->handoff)
				handing_peer(n, e.device, e.boot, now);
			if (n->classifier)
				role_classifier_peer(n, e.device, restarted, now);
			if (n->migrator)
				migrator_peer_restarted(n->migrator, e.device, e.boot, now);
			if (n->reporter)
				health_reporter_peer(n->reporter, e.device);
			break;
		case COURIER_MESSAGE_DELIVERED:
			tag_take(n, e.message);
			message_over(n, e.device, e.type, true);
			break;
		case COURIER_MESSAGE_FAILED:
			handing_message_failed(n, tag_take(n, e.message), true, now);
			message_over(n, e.device, e.type, false);
			break;
		}
	}
	while (courier_message_next(n->courier, &m)) {
		message_dispatch(n, m.from, m.from_boot, m.type, m.bytes, m.len, now);
		moved = true;
	}
	return moved;
}

bool cluster_pump(struct node *n, nstime now)
{
	bool moved = courier_events(n, now);
	if (n->forwarder)
		moved |= outbox_flush(n, forwarder_outbox(n->forwarder), now);
	if (n->classifier) {
		role_classifier_pump(n);
		moved |= outbox_flush(n, role_classifier_outbox(n->classifier), now);
	}
	if (n->handoff) {
		moved |= handing_pump(n, now);
		moved |= outbox_flush(n, handoff_outbox(n->handoff), now);
	}
	if (n->migrator) {
		moved |= role_backend_pump(n, now);
		moved |= role_drain_pump(n, now);
		moved |= outbox_flush(n, migrator_outbox(n->migrator), now);
		moved |= outbox_flush(n, drain_outbox(role_drain_mind(n->drain)), now);
		moved |= outbox_flush(n, health_reporter_outbox(n->reporter), now);
	}
	moved |= courier_flush(n, now);
	return moved;
}
