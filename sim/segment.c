/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/segment.h"

#include "base/log.h"
#include "sim/capture.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAC_GROUP UINT64_C(0x010000000000) /* the bit that makes an address a multicast or broadcast one */

static void *memory_resize(void *p, size_t count, size_t size)
{
	void *resized = reallocarray(p, count, size);

	if (!resized)
		log_fatal("out of memory: %zu attachments", count);
	return resized;
}

/* The 48 bits at p. Precondition: two more bytes are there. */
static uint64_t mac_load(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof word);
	return be64toh(word) >> 16;
}

/* The first of the slots that an address may take. They do not wrap: the table has that many more behind its end. */
static struct segment_mac *mac_slots(const struct segment *s, uint64_t mac)
{
	uint64_t mixed = mac * UINT64_C(0x9e3779b97f4a7c15);

	return &s->macs[(mixed ^ mixed >> 32) >> 16 & (s->macs_count - 1)];
}

static struct attachment *mac_find(const struct segment *s, uint64_t mac)
{
	const struct segment_mac *slot = mac_slots(s, mac);

	for (unsigned i = 0; i < SEGMENT_MACS_WAY && slot[i].mac; i++)
		if (slot[i].mac == mac)
			return slot[i].port;
	return NULL;
}

/* Whether the address is that of a node which is attached elsewhere: only a port behind which others are can say so. */
static bool mac_is_owned(const struct segment *s, uint64_t mac, const struct attachment *port)
{
	for (unsigned i = 0; i < s->count && !port->mac; i++)
		if (s->attachments[i]->mac == mac)
			return true;
	return false;
}

static void mac_learn(struct segment *s, uint64_t mac, struct attachment *port)
{
	struct segment_mac *slot = mac_slots(s, mac);
	unsigned i = 0;

	if (!mac || mac & MAC_GROUP)
		return;
	while (i < SEGMENT_MACS_WAY && slot[i].mac && slot[i].mac != mac)
		i++;
	if ((i < SEGMENT_MACS_WAY && slot[i].mac == mac && slot[i].port == port) || mac_is_owned(s, mac, port))
		return;
	if (i == SEGMENT_MACS_WAY)
		i = 0; /* forget one: the frames for it are flooded until it speaks again */
	slot[i] = (struct segment_mac){.mac = mac, .port = port};
}

/* Makes room for the addresses of `count` attachments, four times over: the few slots of one are never all taken. */
static void macs_fit(struct segment *s, unsigned count)
{
	struct segment_mac *old = s->macs;
	size_t old_slots = old ? s->macs_count + SEGMENT_MACS_WAY : 0;

	if (s->macs_count >= 4 * count)
		return;
	s->macs_count = s->macs_count ? 2 * s->macs_count : SEGMENT_MACS_MIN;
	s->macs = calloc(s->macs_count + SEGMENT_MACS_WAY, sizeof *s->macs);
	if (!s->macs)
		log_fatal("out of memory: a switch's addresses");
	for (size_t i = 0; i < old_slots; i++)
		mac_learn(s, old[i].mac, old[i].port);
	free(old);
}

static void tap_begin(struct attachment *a, const struct buf *frame, enum pcapng_direction direction, nstime now)
{
	struct tap *tap = &a->tap;

	if (tap->watch)
		tap->watch(tap->context, a, frame, direction == PCAPNG_IN, now);
	if (tap->point)
		capture_begin(tap->point, frame, direction, now);
}

/* What became of the frame is known. */
static inline void tap_end(struct attachment *a)
{
	if (a->tap.point)
		capture_end(a->tap.point);
}

static void tap_act(void *context, const struct impair *i, const struct buf *frame, enum impair_act act,
		    const char *text, nstime now)
{
	struct attachment *a = context;
	bool out = i->config.direction == IMPAIR_DIRECTION_OUT;

	if (frame->len >= SEGMENT_FRAME_MIN)
		capture_act(a->tap.point, frame, out ? PCAPNG_OUT : PCAPNG_IN, act, text, now);
}

void segment_capture(struct attachment *a, struct capture_point *point)
{
	a->tap.point = point;
	a->out.observer = a->in.observer = (struct impair_observer){.act = tap_act, .context = a};
}

static void frame_deliver(struct attachment *a, struct buf *frame, nstime now)
{
	tap_begin(a, frame, PCAPNG_IN, now);
	a->deliver(a->node, a->port, frame, now);
	tap_end(a);
}

/* Sets a direction's timer for its head, unless it stands there already. */
static void timer_follow(struct engine *e, struct timer *t, const struct impair *i)
{
	nstime due = impair_expiry(i);

	if (due == NSTIME_NEVER) {
		engine_timer_cancel(e, t);
		return;
	}
	if (t->at != due || t->order != impair_order(i))
		engine_timer_set_ordered(e, t, due, impair_order(i));
}

static bool is_parted(const struct attachment *from, const struct attachment *to)
{
	for (const struct segment_partition *p = from->segment->partitions; p; p = p->next)
		if (from->index < p->count && to->index < p->count && p->sides[from->index] && p->sides[to->index] &&
		    p->sides[from->index] != p->sides[to->index])
			return true;
	return false;
}

/* The switch hands a frame to the attachment of its receiver. */
static void frame_arrive(struct attachment *from, struct attachment *a, struct buf *frame, nstime now)
{
	if (__builtin_expect(a->segment->partitions != NULL, 0) && is_parted(from, a)) {
		impair_refuse(&a->in, frame, IMPAIR_DROP_PARTITION, now);
		return;
	}
	if (impair_is_plain(&a->in)) {
		impair_pass(&a->in, frame, now);
		frame_deliver(a, frame, now);
		return;
	}
	impair_input(&a->in, frame, now);
	timer_follow(a->segment->config.engine, &a->timer_in, &a->in);
}

static void frame_switch(struct attachment *from, struct buf *frame, nstime now)
{
	struct segment *s = from->segment;
	uint64_t to = mac_load(frame->data);
	struct attachment *port = to & MAC_GROUP ? NULL : mac_find(s, to);
	struct attachment *last = NULL;

	mac_learn(s, mac_load(frame->data + 6), from);
	if (port) {
		if (port == from)
			buf_free(frame); /* the receiver is on the side it came from */
		else
			frame_arrive(from, port, frame, now);
		return;
	}
	s->flooded++;
	for (unsigned i = 0; i < s->count; i++) {
		struct attachment *to_port = s->attachments[i];

		if (to_port == from || !to_port->deliver)
			continue;
		if (last)
			frame_arrive(from, last, buf_clone(frame), now);
		last = to_port;
	}
	if (last)
		frame_arrive(from, last, frame, now);
	else
		buf_free(frame);
}

static void out_fire(struct timer *t, nstime now)
{
	struct attachment *a = (struct attachment *)(void *)((char *)t - offsetof(struct attachment, timer_out));
	struct engine *e = a->segment->config.engine;
	struct buf *frame;

	do {
		frame = impair_output(&a->out, now);
		if (frame)
			frame_switch(a, frame, now);
	} while (a->out.ring_count && engine_continue(e, impair_expiry(&a->out), impair_order(&a->out)));
	timer_follow(e, t, &a->out);
}

static void in_fire(struct timer *t, nstime now)
{
	struct attachment *a = (struct attachment *)(void *)((char *)t - offsetof(struct attachment, timer_in));
	struct engine *e = a->segment->config.engine;
	struct buf *frame;

	do {
		frame = impair_output(&a->in, now);
		if (frame)
			frame_deliver(a, frame, now);
	} while (a->in.ring_count && engine_continue(e, impair_expiry(&a->in), impair_order(&a->in)));
	timer_follow(e, t, &a->in);
}

void segment_init(struct segment *s, const struct segment_config *config)
{
	*s = (struct segment){.config = *config};
}

void segment_fini(struct segment *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		struct attachment *a = s->attachments[i];

		engine_timer_cancel(s->config.engine, &a->timer_out);
		engine_timer_cancel(s->config.engine, &a->timer_in);
		impair_fini(&a->out);
		impair_fini(&a->in);
		impair_faults_fini(&a->faults);
		free(a);
	}
	while (s->partitions)
		segment_heal(s, s->partitions->id);
	free(s->attachments);
	free(s->macs);
	*s = (struct segment){0};
}

struct attachment *segment_attach(struct segment *s, const char *name, void *node, unsigned port,
				  segment_deliver deliver)
{
	struct attachment *a = memory_resize(NULL, 1, sizeof *a);
	struct impair_config config = {
		.name = a->name,
		.direction = IMPAIR_DIRECTION_OUT,
		.seed = s->config.seed,
		.heap = &s->config.engine->heap,
		.faults = &a->faults,
		.trace = s->config.trace,
		.tunnels = s->config.tunnels,
		.tunnel_count = s->config.tunnel_count,
		.queue_us = s->config.queue_us,
	};

	assert(strlen(name) < sizeof a->name);
	*a = (struct attachment){.segment = s, .index = s->count, .node = node, .port = port, .deliver = deliver};
	strcpy(a->name, name);
	impair_faults_init(&a->faults);
	impair_init(&a->out, &config);
	config.direction = IMPAIR_DIRECTION_IN;
	impair_init(&a->in, &config);
	timer_init(&a->timer_out, out_fire);
	timer_init(&a->timer_in, in_fire);
	if (!(s->count & (s->count - 1))) /* a power of two: full */
		s->attachments =
			memory_resize(s->attachments, s->count ? 2 * s->count : 1, sizeof(struct attachment *));
	s->attachments[s->count++] = a;
	macs_fit(s, s->count);
	return a;
}

void segment_own(struct attachment *a, const uint8_t mac[6])
{
	uint8_t padded[8] = {0};

	memcpy(padded, mac, 6);
	a->mac = mac_load(padded);
}

void segment_join(struct attachment *a, void *node, segment_deliver deliver)
{
	a->node = node;
	a->deliver = deliver;
}

/* Whether nothing looks at packets one by one: no impairment and no capture. */
static bool segment_is_clear(const struct segment *s)
{
	for (unsigned i = 0; i < s->count; i++) {
		const struct attachment *a = s->attachments[i];

		if (!impair_is_clear(&a->in) || !impair_is_clear(&a->out) || a->tap.point)
			return false;
	}
	return true;
}

/* A packet of a frame that was cut. */
static void segment_cut_send(void *context, struct buf *frame)
{
	struct attachment *a = context;

	segment_send(a, frame, a->segment->config.engine->now);
}

void segment_send(struct attachment *a, struct buf *frame, nstime now)
{
	if (a->segment->config.cut && !segment_is_clear(a->segment)) {
		if (frame->segment_bytes) {
			a->segment->config.cut(frame, segment_cut_send, a);
			return;
		}
		frame->alone = true;
	}
	if (frame->len < SEGMENT_FRAME_MIN || frame->len > SEGMENT_FRAME_MAX) {
		impair_refuse(&a->out, frame, IMPAIR_DROP_RUNT, now);
		return;
	}
	tap_begin(a, frame, PCAPNG_OUT, now);
	impair_input(&a->out, frame, now);
	tap_end(a);
	timer_follow(a->segment->config.engine, &a->timer_out, &a->out);
}

int segment_set(struct attachment *a, unsigned directions, const struct impairments *values)
{
	int err = 0;

	if (directions & IMPAIR_DIRECTION_OUT)
		err = impair_set(&a->out, values);
	if (!err && directions & IMPAIR_DIRECTION_IN)
		err = impair_set(&a->in, values);
	return err;
}

void segment_set_down(struct attachment *a, bool down, nstime now)
{
	impair_set_down(&a->out, down, now);
	impair_set_down(&a->in, down, now);
	timer_follow(a->segment->config.engine, &a->timer_out, &a->out);
	timer_follow(a->segment->config.engine, &a->timer_in, &a->in);
	TRACE(a->segment->config.trace, now, down ? TRACE_LINK_DOWN : TRACE_LINK_UP, TF_TEXT("link", a->name));
}

void segment_partition(struct segment *s, size_t id, const uint8_t *sides)
{
	struct segment_partition *p = memory_resize(NULL, 1, sizeof *p + s->count);

	*p = (struct segment_partition){.next = s->partitions, .id = id, .count = s->count};
	memcpy(p->sides, sides, s->count);
	s->partitions = p;
}

void segment_heal(struct segment *s, size_t id)
{
	for (struct segment_partition **link = &s->partitions; *link; link = &(*link)->next) {
		struct segment_partition *p = *link;

		if (p->id != id)
			continue;
		*link = p->next;
		free(p);
		return;
	}
}

int segment_fault(struct attachment *a, const struct impair_fault *fault)
{
	const struct segment_config *config = &a->segment->config;

	return impair_faults_add(&a->faults, fault, config->tunnels, config->tunnel_count);
}

bool segment_books_check(const struct segment *s)
{
	for (unsigned i = 0; i < s->count; i++)
		if (!impair_books_balance(&s->attachments[i]->out) || !impair_books_balance(&s->attachments[i]->in))
			return false;
	return true;
}

static void direction_count(const struct impair *i, struct impair_counters *sum, uint64_t *in_flight)
{
	const struct impair_counters *c = &i->counters;

	sum->sent += c->sent;
	sum->delivered += c->delivered;
	for (unsigned reason = 0; reason < IMPAIR_DROP_COUNT; reason++)
		sum->dropped[reason] += c->dropped[reason];
	sum->sent_bytes += c->sent_bytes;
	sum->delivered_bytes += c->delivered_bytes;
	sum->corrupted += c->corrupted;
	sum->corrupted_again += c->corrupted_again;
	sum->duplicated += c->duplicated;
	sum->reordered += c->reordered;
	*in_flight += impair_in_flight(i);
}

void segment_count(const struct segment *s, struct impair_counters *sum, uint64_t *in_flight, uint64_t *missed)
{
	for (unsigned i = 0; i < s->count; i++) {
		direction_count(&s->attachments[i]->out, sum, in_flight);
		direction_count(&s->attachments[i]->in, sum, in_flight);
		*missed += s->attachments[i]->faults.count;
	}
}

static void direction_trace(const struct impair *i, struct trace_sink *trace, nstime now)
{
	char digest[17];

	snprintf(digest, sizeof digest, "%016llx", (unsigned long long)i->digest);
	TRACE(trace, now, TRACE_LINK_DIGEST, TF_TEXT("link", i->config.name),
	      TF_TEXT("direction", i->config.direction == IMPAIR_DIRECTION_OUT ? "out" : "in"),
	      TF_U64("packets", i->counters.sent), TF_TEXT("digest", digest));
}

void segment_trace_digests(const struct segment *s, nstime now)
{
	for (unsigned i = 0; i < s->count; i++) {
		direction_trace(&s->attachments[i]->out, s->config.trace, now);
		direction_trace(&s->attachments[i]->in, s->config.trace, now);
	}
}
