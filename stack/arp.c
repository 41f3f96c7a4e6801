/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/arp.h"

#include "base/log.h"
#include "stack/packet.h"

#include <stdlib.h>
#include <string.h>

#define ARP_LEN         28U
#define ARP_OP_REQUEST  1U
#define ARP_OP_REPLY    2U
#define ARP_BUCKETS_MIN 16U

/* Offsets within an ARP packet (RFC 826, Ethernet and IPv4). */
#define ARP_AT_OP         6U
#define ARP_AT_SENDER_MAC 8U
#define ARP_AT_SENDER     14U
#define ARP_AT_TARGET_MAC 18U
#define ARP_AT_TARGET     24U

struct arp_entry {
	struct arp_entry *next;       /* in its bucket */
	TAILQ_ENTRY(arp_entry) order; /* arp->all */
	TAILQ_ENTRY(arp_entry) ask;   /* arp->asking, when asking */
	struct addr address;
	struct mac mac;
	bool known;  /* mac holds */
	bool asking; /* a request is out */
	unsigned requests;
	nstime due;       /* of the next request */
	nstime confirmed; /* when mac was heard last */
	struct buf_queue queue;
};

static const struct mac mac_broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
static const uint8_t arp_header[ARP_AT_OP] = {0, 1, 8, 0, 6, 4}; /* Ethernet, IPv4, address lengths */

static size_t arp_bucket(const struct arp *a, const struct addr *address)
{
	return hash_bytes(&a->key, address->bytes, addr_len(address)) & (a->bucket_count - 1);
}

static struct arp_entry *arp_find(struct arp *a, const struct addr *address)
{
	if (a->last && addr_equal(&a->last->address, address))
		return a->last;
	if (!a->bucket_count)
		return NULL;
	for (struct arp_entry *e = a->buckets[arp_bucket(a, address)]; e; e = e->next)
		if (addr_equal(&e->address, address)) {
			a->last = e;
			return e;
		}
	return NULL;
}

static void arp_grow(struct arp *a)
{
	size_t count = a->bucket_count ? a->bucket_count * 2 : ARP_BUCKETS_MIN;
	struct arp_entry *e;
	free(a->buckets);
	a->buckets = calloc(count, sizeof(struct arp_entry *));
	if (!a->buckets)
		log_fatal("out of memory");
	a->bucket_count = count;
	TAILQ_FOREACH (e, &a->all, order) {
		size_t b = arp_bucket(a, &e->address);
		e->next = a->buckets[b];
		a->buckets[b] = e;
	}
}

static void arp_ask_end(struct arp *a, struct arp_entry *e)
{
	if (!e->asking)
		return;
	TAILQ_REMOVE(&a->asking, e, ask);
	e->asking = false;
	a->asking_count--;
}

static void arp_remove(struct arp *a, struct arp_entry *e)
{
	struct arp_entry **at = &a->buckets[arp_bucket(a, &e->address)];
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	TAILQ_REMOVE(&a->all, e, order);
	arp_ask_end(a, e);
	if (a->last == e)
		a->last = NULL;
	a->count--;
	a->queued -= e->queue.count;
	a->dropped += e->queue.count;
	buf_queue_clear(&e->queue);
	free(e);
}

static struct arp_entry *arp_add(struct arp *a, const struct addr *address)
{
	struct arp_entry *e;
	if (a->count == ARP_NEIGHBOURS_MAX)
		arp_remove(a, TAILQ_FIRST(&a->all));
	e = calloc(1, sizeof(*e));
	if (!e)
		log_fatal("out of memory");
	e->address = *address;
	if (a->count >= a->bucket_count)
		arp_grow(a);
	size_t b = arp_bucket(a, address);
	e->next = a->buckets[b];
	a->buckets[b] = e;
	TAILQ_INSERT_TAIL(&a->all, e, order);
	a->count++;
	return e;
}

static void arp_ethernet(struct buf *b, const struct mac *dst, const struct mac *src, uint16_t type)
{
	uint8_t *p = buf_push(b, ETHERNET_HEADER_LEN);
	memcpy(p, dst->bytes, 6);
	memcpy(p + 6, src->bytes, 6);
	p[12] = (uint8_t)(type >> 8);
	p[13] = (uint8_t)type;
}

static void arp_packet_send(struct arp *a, uint8_t op, const struct mac *dst, const struct addr *sender,
			    const struct mac *target_mac, const struct addr *target)
{
	struct buf *b = buf_alloc(ARP_LEN);
	uint8_t *p = b->data;
	b->len = ARP_LEN;
	memcpy(p, arp_header, sizeof(arp_header));
	p[ARP_AT_OP] = 0;
	p[ARP_AT_OP + 1] = op;
	memcpy(p + ARP_AT_SENDER_MAC, a->mac.bytes, 6);
	memcpy(p + ARP_AT_SENDER, sender->bytes, 4);
	memcpy(p + ARP_AT_TARGET_MAC, target_mac->bytes, 6);
	memcpy(p + ARP_AT_TARGET, target->bytes, 4);
	arp_ethernet(b, dst, &a->mac, ETHERNET_TYPE_ARP);
	buf_queue_put(&a->out, b);
}

/* Asks: a stranger by broadcast, one whose entry has aged by unicast (RFC 1122 2.3.2.1). */
static void arp_ask(struct arp *a, struct arp_entry *e, nstime now)
{
	static const struct mac none;
	arp_packet_send(a, ARP_OP_REQUEST, e->known ? &e->mac : &mac_broadcast, &a->address, &none, &e->address);
	e->requests++;
	if (e->asking)
		TAILQ_REMOVE(&a->asking, e, ask);
	else
		a->asking_count++;
	e->asking = true;
	e->due = nstime_add(now, ARP_RETRY);
	TAILQ_INSERT_TAIL(&a->asking, e, ask);
}

static void arp_packet_out(struct arp *a, const struct arp_entry *e, struct buf *packet)
{
	arp_ethernet(packet, &e->mac, &a->mac, ETHERNET_TYPE_IP4);
	buf_queue_put(&a->out, packet);
}

static void arp_confirm(struct arp *a, struct arp_entry *e, const struct mac *mac, nstime now)
{
	struct buf *b;
	e->mac = *mac;
	e->known = true;
	e->confirmed = now;
	e->requests = 0;
	arp_ask_end(a, e);
	TAILQ_REMOVE(&a->all, e, order);
	TAILQ_INSERT_TAIL(&a->all, e, order);
	while ((b = buf_queue_get(&e->queue))) {
		a->queued--;
		arp_packet_out(a, e, b);
	}
}

void arp_init(struct arp *a, struct mac mac, struct addr address, const struct hash_key *key)
{
	*a = (struct arp){.mac = mac, .address = address, .key = *key};
	TAILQ_INIT(&a->all);
	TAILQ_INIT(&a->asking);
}

void arp_fini(struct arp *a)
{
	while (!TAILQ_EMPTY(&a->all))
		arp_remove(a, TAILQ_FIRST(&a->all));
	buf_queue_clear(&a->out);
	free(a->buckets);
	a->buckets = NULL;
	a->bucket_count = 0;
}

void arp_input(struct arp *a, struct buf *frame, bool (*ours)(const void *context, const struct addr *target),
	       const void *context, nstime now)
{
	const uint8_t *p = frame->data + ETHERNET_HEADER_LEN;
	struct addr sender, target;
	struct mac mac;
	struct arp_entry *e;
	uint8_t op;
	if (frame->len < ETHERNET_HEADER_LEN + ARP_LEN || memcmp(p, arp_header, sizeof(arp_header)) != 0 ||
	    p[ARP_AT_OP] || (p[ARP_AT_OP + 1] != ARP_OP_REQUEST && p[ARP_AT_OP + 1] != ARP_OP_REPLY) ||
	    (p[ARP_AT_SENDER_MAC] & 1))
		goto done;
	op = p[ARP_AT_OP + 1];
	memcpy(mac.bytes, p + ARP_AT_SENDER_MAC, 6);
	sender = packet_addr4(p + ARP_AT_SENDER);
	target = packet_addr4(p + ARP_AT_TARGET);
	if (ours(context, &sender))
		goto done; /* our own address, from elsewhere: not to be learnt */
	/* RFC 826, packet reception: merge when the sender is known, add when we are the target, then answer. The
	 * sender of a probe (RFC 5227) has no address yet. */
	e = arp_find(a, &sender);
	if (e)
		arp_confirm(a, e, &mac, now);
	if (!ours(context, &target))
		goto done;
	if (!e && memcmp(sender.bytes, (const uint8_t[4]){0}, 4) != 0)
		arp_confirm(a, arp_add(a, &sender), &mac, now);
	if (op == ARP_OP_REQUEST)
		arp_packet_send(a, ARP_OP_REPLY, &mac, &target, &mac, &sender);
done:
	buf_free(frame);
}

void arp_send(struct arp *a, const struct addr *next_hop, struct buf *packet, nstime now)
{
	struct arp_entry *e = arp_find(a, next_hop);
	if (e && e->known) {
		if (now - e->confirmed >= ARP_AGE && !e->asking && a->asking_count < ARP_ASKING_MAX)
			arp_ask(a, e, now);
		arp_packet_out(a, e, packet);
		return;
	}
	if (!e) {
		if (a->asking_count == ARP_ASKING_MAX) {
			a->dropped++;
			buf_free(packet);
			return;
		}
		e = arp_add(a, next_hop);
		arp_ask(a, e, now);
	}
	if (e->queue.count == ARP_QUEUE_MAX) { /* keep the latest (RFC 1122 2.3.2.2) */
		buf_free(buf_queue_get(&e->queue));
		a->queued--;
		a->dropped++;
	}
	buf_queue_put(&e->queue, packet);
	a->queued++;
}

struct buf *arp_output(struct arp *a)
{
	return buf_queue_get(&a->out);
}

nstime arp_expiry(const struct arp *a)
{
	const struct arp_entry *e = TAILQ_FIRST(&a->asking);
	return e ? e->due : NSTIME_NEVER;
}

void arp_expire(struct arp *a, nstime now)
{
	struct arp_entry *e;
	while ((e = TAILQ_FIRST(&a->asking)) && e->due <= now) {
		if (e->requests < ARP_RETRIES_MAX)
			arp_ask(a, e, now);
		else
			arp_remove(a, e);
	}
}
