/* SPDX-License-Identifier: BSD-3-Clause */
#include "stack/neighbour.h"

#include "base/log.h"
#include "stack/arp.h"
#include "stack/nd.h"
#include "stack/packet.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS_MIN 16U

struct neighbour {
	struct neighbour *next;       /* in its bucket */
	TAILQ_ENTRY(neighbour) order; /* neighbours->all */
	TAILQ_ENTRY(neighbour) ask;   /* neighbours->asking, when asking */
	struct addr address;
	struct mac mac;
	bool known;  /* mac holds */
	bool asking; /* a request is out */
	unsigned requests;
	nstime due;       /* of the next request */
	nstime confirmed; /* when mac was heard last */
	nstime doubted;   /* until then, another mac is not asked after again */
	struct buf_queue queue;
};

static size_t neighbour_bucket(const struct neighbours *t, const struct addr *address)
{
	return hash_bytes(&t->key, address->bytes, addr_len(address)) & (t->bucket_count - 1);
}

static struct neighbour *neighbour_find(struct neighbours *t, const struct addr *address)
{
	if (t->last && addr_equal(&t->last->address, address))
		return t->last;
	if (!t->bucket_count)
		return NULL;
	for (struct neighbour *e = t->buckets[neighbour_bucket(t, address)]; e; e = e->next)
		if (addr_equal(&e->address, address)) {
			t->last = e;
			return e;
		}
	return NULL;
}

static void neighbours_grow(struct neighbours *t)
{
	size_t count = t->bucket_count ? t->bucket_count * 2 : BUCKETS_MIN;
	struct neighbour *e;
	free(t->buckets);
	t->buckets = calloc(count, sizeof(struct neighbour *));
	if (!t->buckets)
		log_fatal("out of memory");
	t->bucket_count = count;
	TAILQ_FOREACH (e, &t->all, order) {
		size_t b = neighbour_bucket(t, &e->address);
		e->next = t->buckets[b];
		t->buckets[b] = e;
	}
}

static void neighbour_ask_end(struct neighbours *t, struct neighbour *e)
{
	if (!e->asking)
		return;
	TAILQ_REMOVE(&t->asking, e, ask);
	e->asking = false;
	t->asking_count--;
}

static void neighbour_remove(struct neighbours *t, struct neighbour *e)
{
	struct neighbour **at = &t->buckets[neighbour_bucket(t, &e->address)];
	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	TAILQ_REMOVE(&t->all, e, order);
	neighbour_ask_end(t, e);
	if (t->last == e)
		t->last = NULL;
	t->count--;
	t->queued -= e->queue.count;
	t->dropped += e->queue.count;
	buf_queue_clear(&e->queue);
	free(e);
}

static struct neighbour *neighbour_add(struct neighbours *t, const struct addr *address)
{
	struct neighbour *e;
	if (t->count == NEIGHBOURS_MAX)
		neighbour_remove(t, TAILQ_FIRST(&t->all));
	e = calloc(1, sizeof(*e));
	if (!e)
		log_fatal("out of memory");
	e->address = *address;
	if (t->count >= t->bucket_count)
		neighbours_grow(t);
	size_t b = neighbour_bucket(t, address);
	e->next = t->buckets[b];
	t->buckets[b] = e;
	TAILQ_INSERT_TAIL(&t->all, e, order);
	t->count++;
	return e;
}

/* Asks: `to` alone (RFC 1122 2.3.2.1, RFC 4861 7.3.3), or with NULL all, by broadcast or multicast. */
static void neighbour_ask(struct neighbours *t, struct neighbour *e, const struct mac *to, nstime now)
{
	if (e->address.family == 6)
		nd_solicit(t, &e->address, to);
	else
		arp_request(t, &e->address, to);
	e->requests++;
	if (e->asking)
		TAILQ_REMOVE(&t->asking, e, ask);
	else
		t->asking_count++;
	e->asking = true;
	e->due = nstime_add(now, NEIGHBOUR_RETRY);
	TAILQ_INSERT_TAIL(&t->asking, e, ask);
}

static void neighbour_packet_out(struct neighbours *t, const struct neighbour *e, struct buf *packet)
{
	neighbours_frame_put(t, packet, &e->mac, e->address.family == 6 ? ETHERNET_TYPE_IP6 : ETHERNET_TYPE_IP4);
}

static void neighbour_confirm(struct neighbours *t, struct neighbour *e, const struct mac *mac, nstime now)
{
	struct buf *b;
	e->mac = *mac;
	e->known = true;
	e->confirmed = now;
	e->requests = 0;
	neighbour_ask_end(t, e);
	TAILQ_REMOVE(&t->all, e, order);
	TAILQ_INSERT_TAIL(&t->all, e, order);
	while ((b = buf_queue_get(&e->queue))) {
		t->queued--;
		neighbour_packet_out(t, e, b);
	}
}

void neighbours_init(struct neighbours *t, struct mac mac, bool router, const struct hash_key *key)
{
	*t = (struct neighbours){.mac = mac, .router = router, .key = *key};
	TAILQ_INIT(&t->all);
	TAILQ_INIT(&t->asking);
}

void neighbours_fini(struct neighbours *t)
{
	while (!TAILQ_EMPTY(&t->all))
		neighbour_remove(t, TAILQ_FIRST(&t->all));
	buf_queue_clear(&t->out);
	free(t->buckets);
	t->buckets = NULL;
	t->bucket_count = 0;
}

void neighbours_send(struct neighbours *t, const struct addr *next_hop, struct buf *packet, nstime now)
{
	struct neighbour *e = neighbour_find(t, next_hop);
	if (e && e->known) {
		if (now - e->confirmed >= NEIGHBOUR_AGE && !e->asking && t->asking_count < NEIGHBOUR_ASKING_MAX)
			neighbour_ask(t, e, &e->mac, now);
		neighbour_packet_out(t, e, packet);
		return;
	}
	if (!e) {
		if (t->asking_count == NEIGHBOUR_ASKING_MAX) {
			t->dropped++;
			buf_free(packet);
			return;
		}
		e = neighbour_add(t, next_hop);
		neighbour_ask(t, e, NULL, now);
	}
	if (e->queue.count == NEIGHBOUR_QUEUE_MAX) { /* keep the latest (RFC 1122 2.3.2.2) */
		buf_free(buf_queue_get(&e->queue));
		t->queued--;
		t->dropped++;
	}
	buf_queue_put(&e->queue, packet);
	t->queued++;
}

struct buf *neighbours_output(struct neighbours *t)
{
	return buf_queue_get(&t->out);
}

nstime neighbours_expiry(const struct neighbours *t)
{
	const struct neighbour *e = TAILQ_FIRST(&t->asking);
	return e ? e->due : NSTIME_NEVER;
}

void neighbours_expire(struct neighbours *t, nstime now)
{
	struct neighbour *e;
	while ((e = TAILQ_FIRST(&t->asking)) && e->due <= now) {
		if (e->requests < NEIGHBOUR_RETRIES_MAX)
			neighbour_ask(t, e, e->known ? &e->mac : NULL, now);
		else
			neighbour_remove(t, e);
	}
}

enum neighbour_state neighbours_look(struct neighbours *t, const struct addr *address, struct mac *mac)
{
	const struct neighbour *e = neighbour_find(t, address);
	if (!e)
		return NEIGHBOUR_NONE;
	if (!e->known)
		return NEIGHBOUR_ASKED;
	*mac = e->mac;
	return NEIGHBOUR_KNOWN;
}

/* One who has moved is asked after, and whoever has the address by right has the last word: otherwise a forged or
 * damaged packet would keep a neighbour unreachable until its entry ages. */
static void neighbour_doubt(struct neighbours *t, struct neighbour *e, nstime now)
{
	if (now < e->doubted || t->asking_count == NEIGHBOUR_ASKING_MAX)
		return;
	e->doubted = nstime_add(now, NEIGHBOUR_RETRY);
	neighbour_ask(t, e, NULL, now);
}

void neighbours_hear(struct neighbours *t, const struct addr *address, const struct mac *mac, bool add, nstime now)
{
	struct neighbour *e = neighbour_find(t, address);
	if (!e && add)
		e = neighbour_add(t, address);
	if (!e)
		return;
	bool moved = e->known && !e->asking && memcmp(&e->mac, mac, sizeof *mac) != 0;
	neighbour_confirm(t, e, mac, now);
	if (moved)
		neighbour_doubt(t, e, now);
}

void neighbours_frame_put(struct neighbours *t, struct buf *packet, const struct mac *to, uint16_t type)
{
	uint8_t *p = buf_push(packet, ETHERNET_HEADER_LEN);
	memcpy(p, to->bytes, 6);
	memcpy(p + 6, t->mac.bytes, 6);
	packet_u16_put(p + ETHERNET_AT_TYPE, type);
	buf_queue_put(&t->out, packet);
}
