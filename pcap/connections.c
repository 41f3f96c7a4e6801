/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/connections.h"

#include "base/hash.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define NONE     UINT32_MAX
#define FLAG_SYN 0x02U
#define FLAG_ACK 0x10U

struct connections {
	struct hash_key key;
	struct connection *list; /* `used` of `room` */
	uint32_t *buckets;       /* a power of two: mask + 1 */
	uint32_t mask, used, room, max;
	uint32_t newest, oldest;
	uint64_t count, forgotten;
};

struct connections *connections_new(uint32_t max)
{
	struct connections *t = calloc(1, sizeof(*t));
	uint32_t buckets = 1;

	assert(max > 0);
	if (!t)
		return NULL;
	while (buckets < max && buckets < UINT32_C(1) << 20)
		buckets *= 2;
	t->buckets = malloc(buckets * sizeof(*t->buckets));
	if (!t->buckets) {
		free(t);
		return NULL;
	}
	memset(t->buckets, 0xff, buckets * sizeof(*t->buckets));
	t->mask = buckets - 1;
	t->max = max;
	t->newest = t->oldest = NONE;
	hash_key_init(&t->key, 0, "captured connections");
	return t;
}

void connections_free(struct connections *t)
{
	if (!t)
		return;
	free(t->list);
	free(t->buckets);
	free(t);
}

uint64_t connections_forgotten(const struct connections *t)
{
	return t->forgotten;
}

/* Both directions' packets have the same key: the lesser endpoint is remote. True when the packet's was turned round.
 */
static bool key_make(struct tuple *key, const struct tuple *t)
{
	int order = memcmp(&t->remote, &t->local, sizeof(t->remote));
	bool turned = order > 0 || (!order && t->remote_port > t->local_port);

	*key = turned ? tuple_reverse(t) : *t;
	return turned;
}

static void use_unlink(struct connections *t, uint32_t i)
{
	struct connection *c = &t->list[i];

	*(c->newer == NONE ? &t->newest : &t->list[c->newer].older) = c->older;
	*(c->older == NONE ? &t->oldest : &t->list[c->older].newer) = c->newer;
}

static void use_link(struct connections *t, uint32_t i)
{
	struct connection *c = &t->list[i];

	c->newer = NONE;
	c->older = t->newest;
	*(t->newest == NONE ? &t->oldest : &t->list[t->newest].newer) = i;
	t->newest = i;
}

static uint32_t *bucket_of(struct connections *t, const struct tuple *key)
{
	return &t->buckets[hash_bytes(&t->key, key, sizeof(*key)) & t->mask];
}

/* A place for one more: a new one, or that of the connection that was quiet longest. */
static uint32_t place_take(struct connections *t)
{
	if (t->used < t->max && t->used == t->room) {
		uint32_t room = t->room ? t->room * 2 : 64;
		struct connection *list = realloc(t->list, room * sizeof(*list));

		if (!list)
			log_fatal("out of memory");
		t->list = list;
		t->room = room;
	}
	if (t->used < t->max)
		return t->used++;
	uint32_t i = t->oldest, *link = bucket_of(t, &t->list[i].key);

	while (*link != i)
		link = &t->list[*link].next;
	*link = t->list[i].next;
	use_unlink(t, i);
	t->forgotten++;
	return i;
}

/* Who opened it: the sender, but of a SYN with ACK its receiver. */
static void connection_begin(struct connections *t, struct connection *c, const struct dissection *d, bool turned)
{
	bool answer = (d->flags & (FLAG_SYN | FLAG_ACK)) == (FLAG_SYN | FLAG_ACK);

	c->number = ++t->count;
	c->flipped = turned != answer;
	memset(c->sides, 0, sizeof(c->sides));
}

static struct connection *connection_find(struct connections *t, const struct dissection *d, const struct tuple *key,
					  bool turned)
{
	uint32_t *bucket = bucket_of(t, key), i = *bucket;

	while (i != NONE && !tuple_equal(&t->list[i].key, key))
		i = t->list[i].next;
	if (i == NONE) {
		i = place_take(t);
		struct connection *c = &t->list[i];

		c->key = *key;
		c->next = *bucket;
		*bucket = i;
		connection_begin(t, c, d, turned);
	} else {
		use_unlink(t, i);
	}
	use_link(t, i);
	return &t->list[i];
}

/* A SYN is the ISN itself; what else is first seen counts as the first byte behind it. */
static void side_learn(struct connection_side *own, struct connection_side *peer, const struct dissection *d)
{
	bool syn = d->flags & FLAG_SYN;

	if (!own->seq_known || (syn && !own->seq_sent)) {
		own->seq = d->seq - !syn;
		own->seq_known = true;
		own->seq_sent = syn;
	}
	if (d->flags & FLAG_ACK && !peer->seq_known) {
		peer->seq = d->ack - 1;
		peer->seq_known = true;
	}
}

struct connection *connections_get(struct connections *t, const struct dissection *d, unsigned *side)
{
	struct tuple key;
	bool turned = key_make(&key, &d->tuple);
	struct connection *c = connection_find(t, d, &key, turned);
	const struct connection_side *own = &c->sides[turned != c->flipped];

	if ((d->flags & (FLAG_SYN | FLAG_ACK)) == FLAG_SYN && own->seq_known && own->seq != d->seq)
		connection_begin(t, c, d, turned);
	*side = turned != c->flipped;
	side_learn(&c->sides[*side], &c->sides[!*side], d);
	return c;
}
