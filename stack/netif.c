/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces: frames in, frames out, and which packets are lwIP's business. lwIP sees IP packets only; Ethernet, ARP
 * and neighbour discovery are ours. A packet goes in without being copied (the buffer carries the pbuf that describes
 * it) and comes out as one copy, so that no reference to a pbuf of lwIP outlives the call. */
#include "base/checksum.h"
#include "base/err.h"
#include "base/log.h"
#include "stack/arp.h"
#include "stack/internal.h"
#include "stack/nd.h"
#include "stack/packet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <lwip/ip.h>

static_assert(sizeof(struct pbuf_custom) <= sizeof(((struct buf *)0)->opaque), "a pbuf_custom fits into a buf");

void stack_drop(struct stack *s, enum stack_drop reason, struct buf *b)
{
	s->counters.dropped[reason]++;
	buf_free(b);
}

struct addr stack_addr_from_lwip(const ip_addr_t *a)
{
	if (IP_IS_V6(a))
		return addr_from_bytes(6, (const uint8_t *)ip_2_ip6(a)->addr);
	return packet_addr4((const uint8_t *)&ip_2_ip4(a)->addr);
}

void stack_addr_to_lwip(const struct addr *a, ip_addr_t *out)
{
	memset(out, 0, sizeof(*out));
	if (a->family == 6) {
		memcpy(ip_2_ip6(out)->addr, a->bytes, 16);
		IP_SET_TYPE_VAL(*out, IPADDR_TYPE_V6);
	} else {
		memcpy(&ip_2_ip4(out)->addr, a->bytes, 4);
		IP_SET_TYPE_VAL(*out, a->family == 4 ? IPADDR_TYPE_V4 : IPADDR_TYPE_ANY);
	}
}

struct stack_vip *stack_vip_find(const struct stack *s, const struct addr *a)
{
	for (unsigned i = 0; i < s->vip_count; i++)
		if (addr_equal(&s->vips[i]->address, a))
			return s->vips[i];
	return NULL;
}

static struct stack_netif *stack_netif_find(const struct stack *s, const struct addr *a)
{
	for (unsigned i = 0; i < s->netif_count; i++)
		if (addr_equal(&s->netifs[i]->addresses[a->family == 6], a))
			return s->netifs[i];
	return NULL;
}

bool stack_address_local(const struct stack *s, const struct addr *a)
{
	return stack_netif_find(s, a) || stack_vip_find(s, a);
}

/* ---- out ---- */

/* The frame that waits for segments does so no longer. */
static void netif_large_end(struct stack *s)
{
	if (s->large.frame)
		buf_queue_put(&s->output, large_end(&s->large));
}

/* Appends a frame to the output queue. Takes ownership. */
static void stack_frame_send(struct stack *s, unsigned netif, struct buf *frame)
{
	netif_large_end(s);
	if (s->output.count == STACK_OUTPUT_MAX) {
		stack_drop(s, STACK_DROP_OUTPUT, frame);
		return;
	}
	frame->mark = netif;
	s->counters.packets_out++;
	if (!s->join || !frame->checksum_good || !large_begin(&s->large, frame))
		buf_queue_put(&s->output, frame);
}

static void stack_neighbours_drain(struct stack *s, struct stack_netif *n)
{
	struct buf *b;
	while ((b = neighbours_output(&n->neighbours)))
		stack_frame_send(s, n->index, b);
	s->counters.dropped[STACK_DROP_NEIGHBOUR] += n->neighbours.dropped;
	n->neighbours.dropped = 0;
}

void stack_neighbours_expire(struct stack *s, nstime now)
{
	for (unsigned i = 0; i < s->netif_count; i++) {
		neighbours_expire(&s->netifs[i]->neighbours, now);
		stack_neighbours_drain(s, s->netifs[i]);
	}
}

void stack_neighbour_send(struct stack *s, unsigned netif, const struct addr *next_hop, struct buf *packet)
{
	struct stack_netif *n = s->netifs[netif];
	neighbours_send(&n->neighbours, next_hop, packet, s->now);
	stack_neighbours_drain(s, n);
}

/* IP packet by the routing table (or its source's VIP). Takes ownership. */
static void stack_packet_send(struct stack *s, struct buf *packet)
{
	struct addr src = packet_src(packet->data), dst = packet_dst(packet->data);
	const struct stack_vip *vip = stack_vip_find(s, &src);
	const struct route *r;
	if (vip && vip->next_hop.family) {
		stack_neighbour_send(s, (unsigned)vip->netif, &vip->next_hop, packet);
		return;
	}
	r = route_find(&s->routes, &dst);
	if (!r)
		stack_drop(s, STACK_DROP_ROUTE, packet);
	else
		stack_neighbour_send(s, (unsigned)r->netif, r->next_hop.family ? &r->next_hop : &dst, packet);
}

/* Identifiers of packets that start here begin at a place of the instance's own. */
static void netif_identify(struct stack *s, struct buf *packet)
{
	uint8_t *h = packet->data, old[2];
	uint16_t id = (uint16_t)(packet_u16(h + IP4_AT_ID) + s->ip_id_offset), check;
	memcpy(old, h + IP4_AT_ID, 2);
	packet_u16_put(h + IP4_AT_ID, id);
	memcpy(&check, h + IP4_AT_CHECKSUM, 2);
	check = checksum_update(check, old, h + IP4_AT_ID, 2);
	memcpy(h + IP4_AT_CHECKSUM, &check, 2);
}

/* Whether tcp_output, at work on a pcb, sends this segment again. It raises snd_nxt only afterwards, so what begins
 * below was sent before; but a connecting pcb's snd_nxt is past its SYN from the start. Probes of windows and
 * keepalives do not come by tcp_output and are none. */
static bool netif_retransmits(const struct tcp_pcb *pcb, const uint8_t *h, uint32_t packet_len)
{
	const uint8_t *tcp;
	bool v6 = h[0] >> 4 == 6;
	uint32_t len, header_len = v6 ? IP6_HEADER_LEN : ip4_header_len(h);
	if (!pcb || h[v6 ? IP6_AT_NEXT : IP4_AT_PROTOCOL] != IP_PROTO_TCP)
		return false;
	tcp = h + header_len;
	len = packet_len - header_len - tcp_header_len(tcp);
	if (!len && !(tcp[TCP_AT_FLAGS] & (TCP_SYN | TCP_FIN)))
		return false;
	return pcb->state == SYN_SENT ? pcb->nrtx > 0 : TCP_SEQ_LT(packet_u32(tcp + TCP_AT_SEQ), pcb->snd_nxt);
}

/* Adds what lwIP sends to the frame that went before, when it is the segment behind it: no other way leads to the
 * neighbour. */
static bool netif_packet_join(struct stack *s, struct pbuf *p)
{
	const uint8_t *h = p->payload;
	uint16_t id = (uint16_t)(packet_u16(h + IP4_AT_ID) + s->ip_id_offset);
	if (!large_takes(&s->large, h, p->len, p->tot_len, id) || netif_retransmits(s->output_pcb, h, p->tot_len))
		return false;
	pbuf_copy_partial(p, large_room(&s->large), p->tot_len, (u16_t)(s->large.view.text - ETHERNET_HEADER_LEN));
	large_add(&s->large, h, p->tot_len);
	s->counters.packets_out++;
	return true;
}

/* What lwIP sends, copied. */
static void netif_packet_out(struct stack *s, struct pbuf *p)
{
	struct buf *b;
	struct addr src;
	if (s->silent || (s->large.frame && netif_packet_join(s, p)))
		return;
	b = buf_alloc(p->tot_len);
	b->len = pbuf_copy_partial(p, b->data, p->tot_len, 0);
	src = packet_src(b->data);
	if (stack_address_local(s, &src)) {
		b->checksum_good = true;
		if (src.family == 4)
			netif_identify(s, b);
		if (netif_retransmits(s->output_pcb, b->data, b->len)) {
			struct sock *k = s->output_pcb->callback_arg;
			s->counters.retransmissions++;
			if (k)
				k->retransmissions++;
		}
	}
	stack_packet_send(s, b);
}

/* lwIP's netif->output and netif->output_ip6. */
static err_t netif_output(struct netif *netif, struct pbuf *p, const ip4_addr_t *dst)
{
	(void)dst;
	netif_packet_out(netif->state, p);
	return ERR_OK;
}

static err_t netif_output_ip6(struct netif *netif, struct pbuf *p, const ip6_addr_t *dst)
{
	(void)dst;
	netif_packet_out(netif->state, p);
	return ERR_OK;
}

/* lwIP would send to itself by way of its thread; here stack_leave delivers. */
void stack_loopback(struct stack *s, struct pbuf *p)
{
	struct buf *b;
	if (s->silent)
		return;
	if (s->loopback.count == STACK_LOOPBACK_MAX) {
		s->counters.dropped[STACK_DROP_OUTPUT]++;
		return;
	}
	b = buf_alloc(p->tot_len);
	b->len = pbuf_copy_partial(p, b->data, p->tot_len, 0);
	buf_queue_put(&s->loopback, b);
}

/* ---- in ---- */

static void netif_pbuf_free(struct pbuf *p)
{
	buf_free((struct buf *)(void *)((uint8_t *)p - offsetof(struct buf, opaque)));
}

void stack_lwip_input(struct stack *s, struct netif *in, struct buf *packet)
{
	struct pbuf_custom *c = (struct pbuf_custom *)(void *)packet->opaque;
	struct pbuf *p;
	const uint8_t *h = packet->data;
	bool v6 = h[0] >> 4 == 6;
	if (v6 ? h[IP6_AT_NEXT] == IP6_NEXT_FRAGMENT : packet_u16(h + IP4_AT_FRAGMENT) & (IP_MF | IP_OFFMASK))
		stack_timers_note_fragment(s, v6);
	s->input_good = packet->segment_bytes && packet->checksum_good && !packet->corrupted;
	c->custom_free_function = netif_pbuf_free;
	p = pbuf_alloced_custom(PBUF_RAW, (u16_t)packet->len, PBUF_REF, c, packet->data, (u16_t)packet->len);
	if (v6)
		ip6_input(p, in);
	else
		ip4_input(p, in);
}

/* Checks the header and takes off what Ethernet padded. False: malformed. */
static bool netif_ip4_check(struct buf *packet)
{
	const uint8_t *h = packet->data;
	uint32_t header_len, total_len;
	if (packet->len < IP4_HEADER_MIN || h[0] >> 4 != 4)
		return false;
	header_len = ip4_header_len(h);
	total_len = packet_u16(h + IP4_AT_LENGTH);
	if (header_len < IP4_HEADER_MIN || total_len < header_len || total_len > packet->len ||
	    checksum_sum(h, header_len) != 0xffff)
		return false;
	packet->len = total_len;
	/* a source that nobody can have (RFC 1122 3.2.1.3): "this" network, loopback, multicast, broadcast */
	return h[IP4_AT_SRC] != 0 && h[IP4_AT_SRC] != 127 && h[IP4_AT_SRC] < 224;
}

static bool netif_broadcast(const struct stack *s, const struct addr *a)
{
	if (a->family == 6)
		return false; /* (those for a group do not come so far) */
	if (a->bytes[0] >= 224 || a->bytes[0] == 0 || a->bytes[0] == 127)
		return true;
	for (unsigned i = 0; i < s->netif_count; i++) {
		const struct stack_netif *n = s->netifs[i];
		uint32_t host = n->prefix_lens[0] >= 31 ? 0 : UINT32_MAX >> n->prefix_lens[0];
		if (host && addr_in_prefix(a, &n->addresses[0], n->prefix_lens[0]) &&
		    (packet_u32(a->bytes) & host) == host)
			return true;
	}
	return false;
}

/* What is let through to lwIP. It was built with more, which nobody here speaks: of UDP-Lite it asserts that the
 * checksum covers no more than there is; IGMP has groups and timers that nobody keeps. */
static bool netif_protocol_spoken(uint8_t protocol)
{
	return protocol == IP_PROTO_TCP || protocol == IP_PROTO_ICMP || protocol == IP_PROTO_UDP;
}

/* A fragment with nothing in it. lwIP puts it at the end of a datagram, whose copy then fails: an assert. */
static bool netif_fragment_empty(const struct buf *packet)
{
	const uint8_t *h = packet->data;
	return (packet_u16(h + IP4_AT_FRAGMENT) & (IP_MF | IP_OFFMASK)) && packet->len == ip4_header_len(h);
}

/* Whether an IPv4 packet to ourselves is lwIP's business; otherwise *why not. */
static bool netif_ip4_accept(const struct buf *packet, enum stack_drop *why)
{
	*why = netif_fragment_empty(packet) ? STACK_DROP_HEADER : STACK_DROP_PROTOCOL;
	return *why == STACK_DROP_PROTOCOL && netif_protocol_spoken(packet->data[IP4_AT_PROTOCOL]);
}

/* A packet that passed the checks of its header. in: the interface it came by, or -1 when it did not come from outside.
 */
static void netif_ip_input(struct stack *s, int in, struct buf *packet, nstime now)
{
	struct addr src = packet_src(packet->data), dst = packet_dst(packet->data);
	struct stack_vip *vip = stack_vip_find(s, &dst);
	struct stack_netif *n = vip ? NULL : stack_netif_find(s, &dst);
	enum stack_drop why;
	/* From outside with a source of ours: lwIP would answer to itself. A VIP is others' too: what they send from it
	 * passes a router that has it. */
	if (in >= 0 && (stack_netif_find(s, &src) || ((vip || n) && stack_vip_find(s, &src)))) {
		stack_drop(s, STACK_DROP_HEADER, packet);
		return;
	}
	if (vip || n) {
		if (!(dst.family == 6 ? stack_ip6_accept(packet, &why) : netif_ip4_accept(packet, &why))) {
			stack_drop(s, why, packet);
			return;
		}
		stack_enter(s, now);
		stack_lwip_input(s, vip ? &vip->lwip : &n->lwip, packet);
	} else if (!s->forwarding || in < 0 || netif_broadcast(s, &dst)) {
		stack_drop(s, STACK_DROP_ROUTE, packet);
	} else if (!stack_forward(s, packet)) {
		stack_enter(s, now);
		stack_lwip_input(s, &s->netifs[in]->lwip, packet);
	}
}

static bool netif_ours(const void *context, const struct addr *target)
{
	const struct stack_netif *n = context;
	if (target->family && addr_equal(&n->addresses[target->family == 6], target))
		return true;
	for (unsigned i = 0; i < n->proxy_count; i++)
		if (addr_equal(&n->proxies[i], target))
			return true;
	return false;
}

/* Whether a group is one of those by which neighbours are asked for our addresses. */
static bool netif_group_ours(const struct stack_netif *n, const uint8_t *mac)
{
	if (n->addresses[1].family && nd_group(mac, &n->addresses[1]))
		return true;
	for (unsigned i = 0; i < n->proxy_count; i++)
		if (n->proxies[i].family == 6 && nd_group(mac, &n->proxies[i]))
			return true;
	return false;
}

/* A frame for us, or for a group of ours, of a type that we speak. */
static void netif_frame_input(struct stack *s, struct stack_netif *n, struct buf *frame, uint16_t type, nstime now)
{
	if (type == ETHERNET_TYPE_ARP || (type == ETHERNET_TYPE_IP6 && nd_frame(frame))) {
		bool good = type == ETHERNET_TYPE_ARP ? arp_input(&n->neighbours, frame, netif_ours, n, now)
						      : nd_input(&n->neighbours, frame, netif_ours, n, now);
		s->counters.dropped[STACK_DROP_DISCOVERY] += !good;
		stack_neighbours_drain(s, n);
		return;
	}
	if (frame->data[0] & 1) { /* nothing else is sent to more than one */
		stack_drop(s, STACK_DROP_FRAME, frame);
		return;
	}
	buf_pull(frame, ETHERNET_HEADER_LEN);
	if (type == ETHERNET_TYPE_IP4 ? netif_ip4_check(frame) : stack_ip6_check(frame))
		netif_ip_input(s, (int)n->index, frame, now);
	else
		stack_drop(s, STACK_DROP_HEADER, frame);
	stack_leave(s);
}

void stack_input(struct stack *s, int netif, struct buf *frame, nstime now)
{
	static const uint8_t broadcast[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
	struct stack_netif *n;
	uint16_t type;
	bool to_us;
	assert(netif >= 0 && (unsigned)netif < s->netif_count);
	n = s->netifs[netif];
	s->now = now;
	s->counters.packets_in++;
	if (frame->len < ETHERNET_HEADER_LEN) {
		stack_drop(s, STACK_DROP_FRAME, frame);
		return;
	}
	type = packet_u16(frame->data + ETHERNET_AT_TYPE);
	to_us = !memcmp(frame->data, n->mac.bytes, 6);
	if (type == ETHERNET_TYPE_ARP)
		to_us = to_us || !memcmp(frame->data, broadcast, 6);
	else if (type == ETHERNET_TYPE_IP6)
		to_us = to_us || netif_group_ours(n, frame->data);
	else
		to_us = to_us && type == ETHERNET_TYPE_IP4;
	if (to_us)
		netif_frame_input(s, n, frame, type, now);
	else
		stack_drop(s, STACK_DROP_FRAME, frame);
}

void stack_input_ip(struct stack *s, struct buf *packet, nstime now)
{
	bool v6 = packet->len && packet->data[0] >> 4 == 6;
	s->now = now;
	if (v6 ? stack_ip6_check(packet) : netif_ip4_check(packet))
		netif_ip_input(s, -1, packet, now);
	else
		stack_drop(s, STACK_DROP_HEADER, packet);
	stack_leave(s);
}

void stack_output_ip(struct stack *s, struct buf *packet, int netif, struct addr next_hop, nstime now)
{
	const struct route *r;
	s->now = now;
	if (!next_hop.family || !stack_packet_fits(packet)) {
		stack_drop(s, STACK_DROP_ROUTE, packet);
		return;
	}
	if (netif >= 0) {
		assert((unsigned)netif < s->netif_count);
		stack_neighbour_send(s, (unsigned)netif, &next_hop, packet);
		return;
	}
	r = route_find(&s->routes, &next_hop);
	if (!r)
		stack_drop(s, STACK_DROP_ROUTE, packet);
	else
		stack_neighbour_send(s, (unsigned)r->netif, r->next_hop.family ? &r->next_hop : &next_hop, packet);
}

struct buf *stack_output(struct stack *s, int *netif)
{
	struct buf *b = buf_queue_get(&s->output);
	if (!b && s->large.frame)
		b = large_end(&s->large);
	if (b)
		*netif = (int)b->mark;
	return b;
}

/* ---- configuration ---- */

static err_t netif_init_link(struct netif *n)
{
	n->name[0] = 'b';
	n->name[1] = 'n';
	n->output = netif_output;
	n->output_ip6 = netif_output_ip6;
	n->mtu = STACK_MTU;
	n->flags = NETIF_FLAG_LINK_UP;
	return ERR_OK;
}

static void netif_lwip_add(struct stack *s, struct netif *n)
{
	stack_enter_untimed(s);
	if (!netif_add(n, NULL, NULL, NULL, s, netif_init_link, ip_input))
		log_fatal("lwIP took no interface");
	netif_set_up(n);
}

/* An address of an lwIP interface, one of each family. An IPv6 one is preferred at once: there is no duplicate address
 * detection. */
static void netif_lwip_address(struct netif *n, const struct addr *address, uint8_t prefix_len)
{
	ip_addr_t a;
	stack_addr_to_lwip(address, &a);
	if (address->family == 6) {
		netif_ip6_addr_set(n, 0, ip_2_ip6(&a));
		netif_ip6_addr_set_state(n, 0, IP6_ADDR_PREFERRED);
	} else {
		ip4_addr_t mask = {.addr = lwip_htonl(prefix_len ? UINT32_MAX << (32 - prefix_len) : 0)}, gateway = {0};
		netif_set_addr(n, ip_2_ip4(&a), &mask, &gateway);
	}
}

static void netif_address_put(struct stack_netif *n, const struct addr *address, uint8_t prefix_len)
{
	bool v6 = address->family == 6;
	n->addresses[v6] = n->neighbours.addresses[v6] = *address;
	n->prefix_lens[v6] = prefix_len;
	netif_lwip_address(&n->lwip, address, prefix_len);
	if (!v6 && prefix_len < 31) /* RFC 3021: the last address of a /31 is a host's */
		n->lwip.flags |= NETIF_FLAG_BROADCAST;
}

int stack_netif_add(struct stack *s, struct mac mac, struct addr address, uint8_t prefix_len)
{
	struct stack_netif *n;
	struct hash_key key;
	struct route link = {.prefix = address, .prefix_len = prefix_len, .netif = (int)s->netif_count};
	if (s->netif_count == STACK_NETIFS_MAX)
		return E_FULL;
	if (route_add(&s->routes, &link) < 0)
		return E_INVAL;
	n = calloc(1, sizeof(*n));
	if (!n)
		log_fatal("out of memory");
	n->index = s->netif_count;
	n->mac = mac;
	random_bytes(&s->random, key.bytes, sizeof(key.bytes));
	neighbours_init(&n->neighbours, mac, s->forwarding, &key);
	s->netifs[s->netif_count++] = n;
	netif_lwip_add(s, &n->lwip);
	netif_address_put(n, &address, prefix_len);
	return (int)n->index;
}

int stack_address_add(struct stack *s, int netif, struct addr address, uint8_t prefix_len)
{
	struct stack_netif *n;
	struct route link = {.prefix = address, .prefix_len = prefix_len, .netif = netif};
	assert(netif >= 0 && (unsigned)netif < s->netif_count);
	n = s->netifs[netif];
	if (n->addresses[address.family == 6].family)
		return E_EXISTS;
	if (route_add(&s->routes, &link) < 0)
		return E_INVAL;
	stack_enter_untimed(s);
	netif_address_put(n, &address, prefix_len);
	return 0;
}

void stack_address_proxy(struct stack *s, int netif, struct addr address)
{
	struct stack_netif *n;
	assert(netif >= 0 && (unsigned)netif < s->netif_count);
	n = s->netifs[netif];
	n->proxies = realloc(n->proxies, (n->proxy_count + 1) * sizeof(*n->proxies));
	if (!n->proxies)
		log_fatal("out of memory");
	n->proxies[n->proxy_count++] = address;
}

int stack_vip_add(struct stack *s, struct addr vip, int netif, struct addr next_hop)
{
	struct stack_vip *v;
	if (stack_address_local(s, &vip))
		return E_EXISTS;
	if (!vip.family || netif < 0 || (unsigned)netif >= s->netif_count ||
	    (next_hop.family && next_hop.family != vip.family))
		return E_INVAL;
	if (s->vip_count == STACK_VIPS_MAX)
		return E_FULL;
	v = calloc(1, sizeof(*v));
	if (!v)
		log_fatal("out of memory");
	v->address = vip;
	v->netif = netif;
	v->next_hop = next_hop;
	s->vips[s->vip_count++] = v;
	netif_lwip_add(s, &v->lwip);
	netif_lwip_address(&v->lwip, &vip, (uint8_t)(8 * addr_len(&vip)));
	return 0;
}

int stack_route_add(struct stack *s, struct addr prefix, uint8_t prefix_len, int netif, struct addr next_hop)
{
	struct route r = {.prefix = prefix, .prefix_len = prefix_len, .netif = netif, .next_hop = next_hop};
	if (netif < 0 || (unsigned)netif >= s->netif_count)
		return E_INVAL;
	return route_add(&s->routes, &r);
}

/* lwIP's ip4_route and ip6_route: only which interface; the neighbour is chosen on the way out. What has no route but
 * may leave from a VIP by its own next hop goes to a VIP's interface. */
struct netif *stack_route_lwip(struct stack *s, const struct addr *dst)
{
	const struct route *r = route_find(&s->routes, dst);
	if (r)
		return &s->netifs[r->netif]->lwip;
	for (unsigned i = 0; i < s->vip_count; i++)
		if (s->vips[i]->next_hop.family == dst->family)
			return &s->vips[i]->lwip;
	return NULL;
}
