/* SPDX-License-Identifier: BSD-3-Clause */
/* A node as a member of its cluster: courier frames in UDP datagrams, messages to the roles, the roles' messages to the
 * courier, and which role looks at which packet below the stack. All courier traffic of a device other than the
 * forwarder goes to the forwarder, which relays what is for others unopened (C1.7: via the forwarder). */
#include "base/checksum.h"
#include "base/cursor.h"
#include "base/err.h"
#include "base/log.h"
#include "base/wire.h"
#include "node/internal.h"

#include <stdlib.h>
#include <string.h>

#define COURIER_TTL        64U
#define COURIER_MTU        (STACK_MTU - IPV4_HEADER_MIN - UDP_HEADER)
#define ETHERTYPE_IPV4     0x0800U
#define IPV4_DONT_FRAGMENT 0x4000U
#define IPV4_FRAGMENT      0x3fffU /* more-fragments and offset */

int node_cluster_join(struct node *n, const struct node_cluster *cluster, struct addr address, int netif)
{
	struct courier_config config = {
		.self = n->config.device,
		.boot = n->config.boot,
		.cipher = cluster->cipher,
		.mtu = COURIER_MTU,
		.trace = n->config.trace,
	};
	memcpy(config.key, cluster->key, sizeof(config.key));
	int r = courier_new(&n->courier, &config);
	for (size_t i = 0; !r && i < cluster->devices_count; i++)
		if (cluster->devices[i].id != n->config.device)
			r = courier_peer_add(n->courier, cluster->devices[i].id);
	if (r < 0)
		return r;
	n->cluster = cluster;
	n->address = address;
	n->cluster_netif = netif;
	n->endpoint = (struct endpoint){.ops = &stack_endpoint_ops, .ep = n->stack};
	return 0;
}

/* The cluster address of a device, or NULL. */
static const struct addr *node_device_address(const struct node *n, uint16_t device)
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
	const struct addr *address = node_device_address(n, device);
	if (!address)
		node_drop(n, NODE_DROP_RELAY, packet);
	else
		stack_output_ip(n->stack, packet, n->cluster_netif, *address, now);
}

/* ---- courier datagrams ---- */

/* One's-complement sum of a UDP datagram with its pseudo-header (RFC 768), in memory order. */
static uint16_t udp_sum(const uint8_t *ip, const uint8_t *udp, size_t len)
{
	uint8_t pseudo[12];
	memcpy(pseudo, ip + 12, 8);
	pseudo[8] = 0;
	pseudo[9] = IP_PROTOCOL_UDP;
	store_be16(pseudo + 10, (uint16_t)len);
	return checksum_add(checksum_sum(pseudo, sizeof(pseudo)), checksum_sum(udp, len));
}

/* Puts UDP and IPv4 headers before the frame in b. */
static void datagram_wrap(struct node *n, struct buf *b, const struct addr *to)
{
	uint16_t udp_len = (uint16_t)(b->len + UDP_HEADER);
	uint8_t *udp = buf_push(b, UDP_HEADER);
	store_be16(udp, COURIER_PORT);
	store_be16(udp + 2, COURIER_PORT);
	store_be16(udp + 4, udp_len);
	store_be16(udp + 6, 0);
	uint8_t *ip = buf_push(b, IPV4_HEADER_MIN);
	memset(ip, 0, IPV4_HEADER_MIN);
	ip[0] = 0x45;
	store_be16(ip + 2, (uint16_t)b->len);
	store_be16(ip + 6, IPV4_DONT_FRAGMENT); /* and so no identifier is needed (RFC 6864) */
	ip[8] = COURIER_TTL;
	ip[9] = IP_PROTOCOL_UDP;
	memcpy(ip + 12, n->address.bytes, 4);
	memcpy(ip + 16, to->bytes, 4);
	uint16_t check = (uint16_t)~checksum_sum(ip, IPV4_HEADER_MIN);
	memcpy(ip + 10, &check, 2);
	check = (uint16_t)~udp_sum(ip, udp, udp_len);
	if (!check) /* 0 means "no checksum" */
		check = 0xffff;
	memcpy(udp + 6, &check, 2);
}

/* Where a frame for `to` goes first. */
static uint16_t courier_hop(const struct node *n, uint16_t to)
{
	return n->forwarder ? to : n->cluster->forwarder;
}

static bool courier_flush(struct node *n, nstime now)
{
	bool moved = false;
	for (;;) {
		struct buf *b = buf_alloc(COURIER_MTU);
		size_t len;
		uint16_t to;
		if (!courier_output(n->courier, b->data, COURIER_MTU, &len, &to, now)) {
			buf_free(b);
			return moved;
		}
		b->len = (uint32_t)len;
		uint16_t hop = courier_hop(n, to);
		datagram_wrap(n, b, node_device_address(n, hop));
		cluster_send(n, hop, b, now);
		moved = true;
	}
}

/* A courier frame for another device: the forwarder sends it on, unopened, as from itself. */
static void courier_relay(struct node *n, struct buf *packet, uint8_t *udp, uint16_t to, nstime now)
{
	uint8_t *ip = packet->data, old[8];
	const struct addr *address = node_device_address(n, to);
	uint16_t check;
	if (!address || ip[8] <= 1) {
		node_drop(n, NODE_DROP_RELAY, packet);
		return;
	}
	memcpy(old, ip + 12, 8);
	memcpy(ip + 12, n->address.bytes, 4);
	memcpy(ip + 16, address->bytes, 4);
	memcpy(&check, udp + 6, 2);
	check = checksum_update(check, old, ip + 12, 8); /* a corrupted datagram stays one */
	memcpy(udp + 6, &check, 2);
	ip[8]--;
	memset(ip + 10, 0, 2);
	check = (uint16_t)~checksum_sum(ip, (size_t)(udp - ip));
	memcpy(ip + 10, &check, 2);
	cluster_send(n, to, packet, now);
}

/* A datagram to the courier's port at this node's address. */
static void courier_datagram(struct node *n, struct buf *packet, uint8_t *udp, nstime now)
{
	uint16_t from, to;
	size_t len = load_be16(udp + 4);
	if (len < UDP_HEADER || (size_t)(packet->data + packet->len - udp) < len) {
		node_drop(n, NODE_DROP_HEADER, packet);
		return;
	}
	uint8_t *frame = udp + UDP_HEADER;
	len -= UDP_HEADER;
	if (n->forwarder && !courier_frame_peek(frame, len, &from, &to) && to != n->config.device) {
		courier_relay(n, packet, udp, to, now);
		return;
	}
	courier_input(n->courier, frame, len, now); /* counts what it rejects; its seal is the check, not UDP's sum */
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

/* Whether the IPv4 header is whole and its checksum good; cuts Ethernet padding off. */
static bool ipv4_whole(struct buf *packet)
{
	const uint8_t *ip = packet->data;
	size_t header = (size_t)(ip[0] & 15) * 4, total = load_be16(ip + 2);
	if (header < IPV4_HEADER_MIN || header > packet->len || total < header || total > packet->len)
		return false;
	packet->len = (uint32_t)total;
	return checksum_sum(ip, header) == 0xffff;
}

/* Whether an IPv4 frame is for the courier of one of our devices. */
static bool courier_port(const struct node *n, const struct buf *frame, const struct addr *destination)
{
	const uint8_t *ip = frame->data + ETHERNET_HEADER, *udp = ip + (size_t)(ip[0] & 15) * 4;
	if (ip[9] != IP_PROTOCOL_UDP || frame->data + frame->len < udp + UDP_HEADER ||
	    load_be16(udp + 2) != COURIER_PORT)
		return false;
	for (size_t i = 0; i < n->cluster->devices_count; i++)
		if (addr_equal(&n->cluster->devices[i].address, destination))
			return true;
	return false;
}

bool cluster_frame(struct node *n, unsigned netif, struct buf *frame, nstime now)
{
	const uint8_t *eth = frame->data;
	if (frame->len < ETHERNET_HEADER + IPV4_HEADER_MIN || load_be16(eth + 12) != ETHERTYPE_IPV4 ||
	    memcmp(eth, n->macs[netif].bytes, 6) != 0 || eth[ETHERNET_HEADER] >> 4 != 4)
		return false;
	const uint8_t *ip = eth + ETHERNET_HEADER;
	struct addr source = addr_from_bytes(4, ip + 12), destination = addr_from_bytes(4, ip + 16);
	bool own = addr_equal(&destination, &n->address);
	bool tunnel = addr_equal(&destination, &n->cluster->tunnel);
	bool vip = !own && !tunnel && is_vip(n, &destination);
	bool from_tunnel = addr_equal(&source, &n->cluster->tunnel);
	bool datagram = own && ip[9] == IP_PROTOCOL_UDP;
	if ((int)netif != n->cluster_netif && (from_tunnel || tunnel || courier_port(n, frame, &destination))) {
		node_drop(n, NODE_DROP_SPOOFED, frame);
		return true;
	}
	if (n->forwarder && !vip && !tunnel)
		role_forwarder_flush(n, now); /* what came before this frame is done before it */
	if (!vip && !datagram && !(tunnel && n->forwarder) && !(own && from_tunnel && n->driver))
		return false;
	buf_pull(frame, ETHERNET_HEADER);
	if (!ipv4_whole(frame)) {
		node_drop(n, NODE_DROP_HEADER, frame);
		return true;
	}
	if (datagram) {
		uint8_t *udp = frame->data + (size_t)(ip[0] & 15) * 4;
		if (!(load_be16(ip + 6) & IPV4_FRAGMENT) && (size_t)(frame->data + frame->len - udp) >= UDP_HEADER &&
		    load_be16(udp + 2) == COURIER_PORT) {
			courier_datagram(n, frame, udp, now);
			return true;
		}
		buf_push(frame, ETHERNET_HEADER);
		return false;
	}
	if (n->forwarder && (vip || tunnel))
		role_forwarder_packet(n, frame, now);
	else if (vip && n->classifier)
		role_classifier_packet(n, frame, now);
	else if (own)
		role_backend_packet(n, frame, now);
	else
		node_drop(n, NODE_DROP_FOREIGN, frame);
	return true;
}

/* ---- messages ---- */

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
	case MESSAGE_PREPARED:
	case MESSAGE_REFUSED:
	case MESSAGE_REJECT:
	case MESSAGE_LOST:
		if (n->classifier)
			role_classifier_message(n, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_BLOB:
	case MESSAGE_QUERY:
		if (n->migrator)
			migrator_message(n->migrator, from, boot, type, bytes, len, now);
		break;
	case MESSAGE_COMMITTED:
	case MESSAGE_ABORTED: /* to both sides; which one is meant, each tells from the devices named in it */
		if (n->classifier)
			role_classifier_message(n, from, boot, type, bytes, len, now);
		if (n->migrator)
			migrator_message(n->migrator, from, boot, type, bytes, len, now);
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
			role_classifier_message_failed(n, m->tag, false, now);
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
			if (n->classifier)
				role_classifier_peer(n, e.device, e.boot, restarted, now);
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
			role_classifier_message_failed(n, tag_take(n, e.message), true, now);
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
		moved |= role_classifier_pump(n, now);
		moved |= outbox_flush(n, handoff_outbox(role_classifier_handoff(n->classifier)), now);
	}
	if (n->migrator) {
		moved |= role_backend_pump(n, now);
		moved |= outbox_flush(n, migrator_outbox(n->migrator), now);
		moved |= outbox_flush(n, health_reporter_outbox(n->reporter), now);
	}
	moved |= courier_flush(n, now);
	return moved;
}
