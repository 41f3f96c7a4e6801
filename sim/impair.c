/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/impair.h"

#include "base/cursor.h"
#include "base/err.h"
#include "base/log.h"

#include <assert.h>
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

#define BILLION         UINT64_C(1000000000)
#define RING_MIN        32U
#define ETHERNET_LEN    14U
#define ETHERTYPE_IP    0x0800U
#define ETHERTYPE_IPV6  0x86ddU
#define IPV6_LEN        40U
#define PROTOCOL_ICMPV6 58U
#define ND_TYPE_FIRST   133U /* router solicitation; RFC 4861 */
#define ND_TYPE_LAST    137U /* redirect */
#define DIGEST_BYTES    64U  /* of a frame that count */
#define OUTCOME_PASSED  IMPAIR_DROP_COUNT

/* What is done with a frame of the ring when it is due; kept in buf.mark. */
enum {
	DUE_DELIVER,
	DUE_QUEUE,  /* it was delayed and joins the queue */
	DUE_SERVED, /* the rate is done with it, and free for the next */
};

const char *impair_drop_name(enum impair_drop reason)
{
	static const char *const names[] = {
#define DROP_NAME(id, text) [IMPAIR_DROP_##id] = (text),
		IMPAIR_DROP_LIST(DROP_NAME)
#undef DROP_NAME
	};

	return names[reason];
}

/* Both halves of the product: cheap, and every bit of the operands reaches every bit of the result. */
static inline uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t word_load(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof w);
	return le64toh(w);
}

/* Digits of the square roots of 2, 3, 5, 7, 11, 13, 17 and 19, made odd. */
static const uint64_t digest_odd[] = {
	UINT64_C(0x6a09e667f3bcc909), UINT64_C(0xbb67ae8584caa73b), UINT64_C(0x3c6ef372fe94f82b),
	UINT64_C(0xa54ff53a5f1d36f1), UINT64_C(0x510e527fade682d1), UINT64_C(0x9b05688c2b3e6c1f),
	UINT64_C(0x1f83d9abfb41bd6b), UINT64_C(0x5be0cd19137e2179),
};

/* Mixes what happened to a packet, when, its length and its first bytes. The products are independent of each other but
 * for the last, so they overlap. */
static void digest_mix(struct impair *i, nstime now, const struct buf *frame, unsigned outcome)
{
	const uint8_t *p = frame->data;
	uint8_t padded[DIGEST_BYTES];
	uint64_t mixed = fold(now ^ digest_odd[6], ((uint64_t)frame->len << 8 | outcome) ^ digest_odd[7]);

	if (frame->len < DIGEST_BYTES) {
		memset(padded, 0, sizeof padded);
		memcpy(padded, p, frame->len);
		p = padded;
	}
	for (unsigned k = 0; k < DIGEST_BYTES / 16; k++)
		mixed ^= fold(word_load(p + 16 * k) ^ digest_odd[k], word_load(p + 16 * k + 8) ^ digest_odd[k + 2]);
	i->digest = fold(i->digest ^ mixed ^ digest_odd[5], digest_odd[1]) + mixed;
}

static const char *direction_name(const struct impair_config *config)
{
	return config->direction == IMPAIR_DIRECTION_OUT ? "out" : "in";
}

static void packet_drop(struct impair *i, struct buf *frame, enum impair_drop reason, nstime now)
{
	i->counters.dropped[reason]++;
	i->dropped_total++;
	digest_mix(i, now, frame, reason);
	TRACE(i->config.trace, now, TRACE_PACKET_DROP, TF_TEXT("link", i->config.name),
	      TF_TEXT("direction", direction_name(&i->config)), TF_TEXT("reason", impair_drop_name(reason)),
	      TF_U64("bytes", frame->len));
	if (__builtin_expect(i->observer.act != NULL, 0))
		impair_tell_drop(i, frame, reason, now);
	buf_free(frame);
}

static inline void packet_sent(struct impair *i, const struct buf *frame)
{
	i->counters.sent++;
	i->counters.sent_bytes += frame->len;
}

static inline void packet_delivered(struct impair *i, const struct buf *frame, nstime now)
{
	i->counters.delivered++;
	i->counters.delivered_bytes += frame->len;
	digest_mix(i, now, frame, OUTCOME_PASSED);
}

static struct impair_slot *ring_at(const struct impair *i, uint32_t n)
{
	return &i->ring[(i->ring_head + n) & i->ring_mask];
}

static void ring_grow(struct impair *i)
{
	uint32_t capacity = i->ring ? (i->ring_mask + 1) * 2 : RING_MIN;
	struct impair_slot *ring = calloc(capacity, sizeof *ring);

	if (!ring || !capacity)
		log_fatal("out of memory: %u packets on %s", i->ring_count, i->config.name);
	for (uint32_t n = 0; n < i->ring_count; n++)
		ring[n] = *ring_at(i, n);
	free(i->ring);
	i->ring = ring;
	i->ring_mask = capacity - 1;
	i->ring_head = 0;
}

/* Queues by (due, order). The order is fresh, so among equals a packet goes last. Nearly all go to the tail; a packet
 * that overtakes all (reorder) goes to the head; jitter moves a few. */
static void ring_put(struct impair *i, nstime due, struct buf *frame, uint64_t what)
{
	struct impair_slot slot = {.due = due, .order = heap_order_next(i->config.heap), .frame = frame};
	uint32_t n = i->ring_count;

	frame->mark = what;
	if (!i->ring || n > i->ring_mask)
		ring_grow(i);
	i->ring_count++;
	i->ring_bytes += frame->len;
	if (n && due < i->ring[i->ring_head].due) {
		i->ring_head = (i->ring_head - 1) & i->ring_mask;
		i->ring[i->ring_head] = slot;
		return;
	}
	for (; n && ring_at(i, n - 1)->due > due; n--)
		*ring_at(i, n) = *ring_at(i, n - 1);
	*ring_at(i, n) = slot;
}

static struct buf *ring_take(struct impair *i)
{
	struct buf *frame = i->ring[i->ring_head].frame;

	i->ring_head = (i->ring_head + 1) & i->ring_mask;
	i->ring_count--;
	i->ring_bytes -= frame->len;
	return frame;
}

static void stream_init(struct random_stream *r, const struct impair_config *config, const char *kind)
{
	char component[IMPAIR_NAME_MAX + 32];

	snprintf(component, sizeof component, "link %s %s %s", config->name, direction_name(config), kind);
	random_init(r, config->seed, component);
}

void impair_init(struct impair *i, const struct impair_config *config)
{
	assert(strlen(config->name) < IMPAIR_NAME_MAX);
	*i = (struct impair){.config = *config, .plain = true};
	i->set.limit_packets = IMPAIR_LIMIT_DEFAULT;
	i->chain_state = IMPAIR_CHAIN_START;
	stream_init(&i->stream_loss, config, "loss");
	stream_init(&i->stream_corrupt, config, "corrupt");
	stream_init(&i->stream_duplicate, config, "duplicate");
	stream_init(&i->stream_reorder, config, "reorder");
	stream_init(&i->stream_jitter, config, "jitter");
	stream_init(&i->stream_fault, config, "fault");
}

void impair_fini(struct impair *i)
{
	while (i->ring_count)
		buf_free(ring_take(i));
	buf_queue_clear(&i->queue);
	free(i->ring);
	i->ring = NULL;
	impair_predicate_fini(&i->predicate);
}

static bool codel_time_valid(nstime t)
{
	return t && t <= IMPAIR_CODEL_TIME_MAX;
}

static bool rate_valid(const struct impairments *v)
{
	if (v->rate_bps > IMPAIR_RATE_MAX || v->peak_bps > IMPAIR_RATE_MAX || v->queue >= IMPAIR_QUEUE_COUNT)
		return false;
	if (v->burst_bytes ? !v->rate_bps || v->burst_bytes > IMPAIR_BUCKET_DEPTH_MAX : v->peak_bps)
		return false;
	return v->queue != IMPAIR_QUEUE_CODEL ||
	       (v->rate_bps && codel_time_valid(v->codel.target) && codel_time_valid(v->codel.interval));
}

static bool impairments_valid(const struct impairments *v)
{
	return v->delay_ns <= IMPAIR_DELAY_MAX && v->jitter_ns <= IMPAIR_DELAY_MAX && v->loss_ppb <= BILLION &&
	       v->corrupt_ppb <= BILLION && v->duplicate_ppb <= BILLION && v->reorder_ppb <= BILLION &&
	       v->limit_packets <= IMPAIR_LIMIT_MAX && v->limit_bytes <= IMPAIR_LIMIT_BYTES_MAX &&
	       impair_chain_valid(&v->chain) && !(v->loss_ppb && v->chain.kind) && v->loss_rho_ppb <= BILLION &&
	       v->corrupt_rho_ppb <= BILLION && v->duplicate_rho_ppb <= BILLION && v->reorder_rho_ppb <= BILLION &&
	       v->jitter_rho_ppb <= BILLION && v->distribution < IMPAIR_DISTRIBUTION_COUNT && rate_valid(v);
}

/* What the values in force, and a queue that one before has left, let be skipped. */
static void shortcuts_update(struct impair *i)
{
	const struct impairments *v = &i->set;

	i->queueing = v->queue == IMPAIR_QUEUE_CODEL || i->queue.count;
	i->holds = v->delay_ns || v->jitter_ns || v->rate_bps;
	i->plain = !i->holds && !i->queueing && !v->loss_ppb && !v->chain.kind && !v->corrupt_ppb &&
		   !v->duplicate_ppb && !v->reorder_ppb;
}

/* A rate that changes starts with a full bucket and without fractions, which count in parts of the rate. */
static void rate_change(struct impair *i, const struct impairments *values)
{
	if (values->rate_bps == i->set.rate_bps && values->burst_bytes == i->set.burst_bytes &&
	    values->peak_bps == i->set.peak_bps)
		return;
	i->rate_remainder = 0;
	impair_bucket_fill(&i->bucket, values->rate_bps, values->burst_bytes);
	impair_bucket_fill(&i->peak, values->peak_bps, IMPAIR_BURST_MIN);
}

int impair_set(struct impair *i, const struct impairments *values)
{
	struct impair_predicate predicate;
	int err;

	if (!impairments_valid(values))
		return E_INVAL;
	err = impair_predicate_init(&predicate, &values->only, i->config.tunnels, i->config.tunnel_count);
	if (err)
		return err;
	impair_predicate_fini(&i->predicate);
	i->predicate = predicate;
	rate_change(i, values);
	if (i->set.chain.kind != values->chain.kind)
		i->chain_state = IMPAIR_CHAIN_START;
	i->set = *values;
	i->set.only = (struct impair_match){0};
	if (!i->set.limit_packets)
		i->set.limit_packets = IMPAIR_LIMIT_DEFAULT;
	shortcuts_update(i);
	return 0;
}

void impair_set_down(struct impair *i, bool down, nstime now)
{
	i->down = down;
	if (!down)
		return;
	while (i->ring_count)
		packet_drop(i, ring_take(i), IMPAIR_DROP_DOWN, now);
	while (i->queue.count)
		packet_drop(i, buf_queue_get(&i->queue), IMPAIR_DROP_DOWN, now);
	/* The serialiser is free: nothing waits for what is gone. */
	i->rate_free_at = 0;
	i->rate_remainder = 0;
	i->bucket.missing = 0;
	i->peak.missing = 0;
	i->serving = false;
	impair_codel_empty(&i->codel);
}

/* A draw from its own stream; none when the impairment is off. */
static inline bool draw(struct random_stream *r, uint32_t ppb, struct impair_correlation *c, uint32_t rho_ppb)
{
	if (!ppb)
		return false;
	return rho_ppb ? impair_correlated_chance(c, ppb, rho_ppb, r) : random_chance(r, ppb);
}

static inline bool loss_draw(struct impair *i)
{
	if (i->set.chain.kind) {
		unsigned before = i->chain_state;
		bool lost = impair_chain_lose(&i->set.chain, &i->chain_state, &i->stream_loss);

		if (lost)
			i->chain_met = i->set.chain.kind == IMPAIR_CHAIN_GEMODEL ? before : i->chain_state;
		return lost;
	}
	return draw(&i->stream_loss, i->set.loss_ppb, &i->rho_loss, i->set.loss_rho_ppb);
}

/* Whether a packet goes at once; as in netem, one that the gap delays draws nothing. */
static bool reorder_draw(struct impair *i)
{
	if (!i->set.reorder_ppb)
		return false;
	if ((i->reorder_count + 1 >= i->set.reorder_gap) &&
	    draw(&i->stream_reorder, i->set.reorder_ppb, &i->rho_reorder, i->set.reorder_rho_ppb)) {
		i->reorder_count = 0;
		return true;
	}
	i->reorder_count += i->reorder_count < i->set.reorder_gap;
	return false;
}

/* Bytes of the IP packet in a frame, padding left out; 0 when it is none, or neighbour discovery. */
static uint32_t ip_packet_len(const struct buf *frame)
{
	const uint8_t *ip = frame->data + ETHERNET_LEN;
	uint32_t room = frame->len - ETHERNET_LEN, len;

	if (frame->len < ETHERNET_LEN + 20)
		return 0;
	switch (load_be16(frame->data + 12)) {
	case ETHERTYPE_IP:
		len = load_be16(ip + 2);
		break;
	case ETHERTYPE_IPV6:
		len = IPV6_LEN + load_be16(ip + 4);
		if (room > IPV6_LEN && ip[6] == PROTOCOL_ICMPV6 && ip[IPV6_LEN] >= ND_TYPE_FIRST &&
		    ip[IPV6_LEN] <= ND_TYPE_LAST)
			return 0;
		break;
	default:
		return 0;
	}
	return len && len < room ? len : room;
}

/* Flips a bit of the IP packet. False: there is none to flip, the frame is to be dropped. */
static bool packet_corrupt(struct impair *i, struct buf *frame, struct random_stream *r, nstime now)
{
	uint32_t len = ip_packet_len(frame);
	uint64_t bit;

	i->counters.corrupted++;
	if (!len)
		return false;
	bit = random_below(r, (uint64_t)len * 8);
	frame->data[ETHERNET_LEN + bit / 8] ^= (uint8_t)(1U << bit % 8);
	if (frame->corrupted)
		i->counters.corrupted_again++;
	frame->corrupted = (uint32_t)bit + 1;
	if (__builtin_expect(i->observer.act != NULL, 0))
		impair_tell_corrupt(i, frame, now);
	return true;
}

/* When a packet that may start at `start` has left; exact over any number of packets. */
static nstime packet_depart(struct impair *i, nstime start, uint32_t len)
{
	uint64_t bits;

	if (i->set.burst_bytes) {
		nstime idle = start > i->rate_free_at ? start - i->rate_free_at : 0;
		nstime wait = impair_bucket_wait(&i->bucket, idle, len);
		nstime peak = impair_bucket_wait(&i->peak, idle, len);

		idle += peak > wait ? peak : wait;
		impair_bucket_take(&i->bucket, idle, len);
		impair_bucket_take(&i->peak, idle, len);
		i->rate_free_at = nstime_add(i->rate_free_at, idle);
		return i->rate_free_at;
	}
	if (start > i->rate_free_at) {
		i->rate_free_at = start;
		i->rate_remainder = 0;
	}
	bits = (uint64_t)len * 8 * BILLION + i->rate_remainder;
	i->rate_free_at = nstime_add(i->rate_free_at, bits / i->set.rate_bps);
	i->rate_remainder = bits % i->set.rate_bps;
	return i->rate_free_at;
}

/* A packet that could go at `since` has left at `left`. */
static inline void queue_note(struct impair *i, nstime since, nstime left)
{
	if (left - since > i->counters.queue_max)
		i->counters.queue_max = left - since;
	if (i->config.queue_us)
		histogram_add(i->config.queue_us, (left - since) / NSTIME_US);
}

/* The rate is free: it takes the next packet that CoDel lets go. */
static void queue_serve(struct impair *i, nstime now)
{
	struct buf *frame;

	while ((frame = buf_queue_get(&i->queue))) {
		if (i->set.queue == IMPAIR_QUEUE_CODEL &&
		    impair_codel_drop(&i->codel, &i->set.codel, now - frame->mark, i->queue.bytes, now)) {
			packet_drop(i, frame, IMPAIR_DROP_CODEL, now);
			continue;
		}
		i->serving = true;
		if (i->set.rate_bps) {
			nstime since = frame->mark, left = packet_depart(i, now, frame->len);

			queue_note(i, since, left);
			ring_put(i, left, frame, DUE_SERVED);
		} else {
			ring_put(i, now, frame, DUE_SERVED);
		}
		return;
	}
	impair_codel_empty(&i->codel);
	shortcuts_update(i);
}

static void queue_join(struct impair *i, struct buf *frame, nstime now)
{
	frame->mark = now;
	buf_queue_put(&i->queue, frame);
	if (!i->serving)
		queue_serve(i, now);
}

/* A frame is due that is not there yet: the frame if it is now, or NULL. */
static struct buf *queue_step(struct impair *i, struct buf *frame, nstime now)
{
	if (frame->mark == DUE_QUEUE) {
		queue_join(i, frame, now);
		return NULL;
	}
	i->serving = false;
	queue_serve(i, now);
	if (!frame->mark2)
		return frame;
	ring_put(i, nstime_add(now, frame->mark2), frame, DUE_DELIVER);
	return NULL;
}

static nstime jitter_add(struct impair *i, nstime delay)
{
	int64_t deviation;

	if (i->set.distribution == IMPAIR_DISTRIBUTION_UNIFORM && !i->set.jitter_rho_ppb) {
		delay += random_below(&i->stream_jitter, 2 * i->set.jitter_ns + 1);
		return delay - nstime_min(delay, i->set.jitter_ns);
	}
	deviation = impair_distribution_ns(i->set.distribution, i->set.jitter_ns,
					   impair_correlated(&i->rho_jitter, i->set.jitter_rho_ppb, &i->stream_jitter));
	if (deviation < 0)
		return delay - nstime_min(delay, (nstime)-deviation);
	return delay + (nstime)deviation;
}

/* Delay, queue and rate. Under `only:` the delay is behind the rate; what an exact fault adds, `behind`, always is. */
static void packet_schedule(struct impair *i, struct buf *frame, bool matches, nstime behind, nstime now)
{
	nstime delay = matches ? i->set.delay_ns : 0;

	if (matches && i->set.jitter_ns)
		delay = jitter_add(i, delay);
	if (i->predicate.limited) {
		behind += delay;
		delay = 0;
	}
	if (i->queueing) {
		frame->mark2 = behind;
		if (delay)
			ring_put(i, nstime_add(now, delay), frame, DUE_QUEUE);
		else
			queue_join(i, frame, now);
		return;
	}
	delay = nstime_add(now, delay);
	if (i->set.rate_bps) {
		nstime left = packet_depart(i, delay, frame->len);

		queue_note(i, delay, left);
		delay = left;
	}
	ring_put(i, nstime_add(delay, behind), frame, DUE_DELIVER);
}

static bool queue_is_full(const struct impair *i, uint32_t len)
{
	uint64_t held = impair_in_flight(i);

	if (i->set.limit_bytes)
		return i->ring_bytes + i->queue.bytes + len > i->set.limit_bytes || held >= IMPAIR_LIMIT_MAX;
	return held >= i->set.limit_packets;
}

/* One packet, booked as sent and not lost: corrupt, limit, reorder, delay, rate. */
static void packet_admit(struct impair *i, struct buf *frame, bool matches, struct impair_strike struck, nstime now)
{
	if (matches && draw(&i->stream_corrupt, i->set.corrupt_ppb, &i->rho_corrupt, i->set.corrupt_rho_ppb)) {
		if (!packet_corrupt(i, frame, &i->stream_corrupt, now)) {
			packet_drop(i, frame, IMPAIR_DROP_FCS, now);
			return;
		}
	}
	if (struck.kinds & 1U << IMPAIR_FAULT_CORRUPT && !packet_corrupt(i, frame, &i->stream_fault, now)) {
		packet_drop(i, frame, IMPAIR_DROP_FCS, now);
		return;
	}
	if (i->holds && queue_is_full(i, frame->len)) {
		packet_drop(i, frame, IMPAIR_DROP_LIMIT, now);
		return;
	}
	if (matches && reorder_draw(i)) {
		i->counters.reordered++;
		ring_put(i, nstime_add(now, struck.delay_ns), frame, DUE_DELIVER);
		return;
	}
	packet_schedule(i, frame, matches, struck.delay_ns, now);
	if (impair_in_flight(i) > i->counters.held_max)
		i->counters.held_max = impair_in_flight(i);
}

/* Duplication and loss, drawn together as netem does; then the rest for each that is left. */
static void packet_enter(struct impair *i, struct buf *frame, bool matches, struct impair_strike struck, nstime now)
{
	bool duplicate = matches &&
			 draw(&i->stream_duplicate, i->set.duplicate_ppb, &i->rho_duplicate, i->set.duplicate_rho_ppb);
	bool lost = matches && loss_draw(i);

	if (duplicate || struck.kinds & 1U << IMPAIR_FAULT_DUPLICATE) {
		struct buf *copy = buf_clone(frame);

		i->counters.duplicated++;
		if (__builtin_expect(i->observer.act != NULL, 0))
			impair_tell_duplicate(i, frame, now);
		packet_sent(i, copy);
		if (lost || (matches && loss_draw(i)))
			packet_drop(i, copy, IMPAIR_DROP_LOSS, now);
		else
			packet_admit(i, copy, matches, (struct impair_strike){0}, now);
		lost = false;
	}
	if (lost)
		packet_drop(i, frame, IMPAIR_DROP_LOSS, now);
	else
		packet_admit(i, frame, matches, struck, now);
}

/* Exact faults that struck a packet which goes on; one that is dropped is told as that. */
static void struck_trace(const struct impair *i, const struct buf *frame, unsigned kinds, nstime now)
{
	static const char *const names[] = {
		[IMPAIR_FAULT_CORRUPT] = "corrupt",
		[IMPAIR_FAULT_DUPLICATE] = "duplicate",
		[IMPAIR_FAULT_DELAY] = "delay",
	};

	for (unsigned kind = IMPAIR_FAULT_CORRUPT; kind <= IMPAIR_FAULT_DELAY; kind++)
		if (kinds & 1U << kind)
			TRACE(i->config.trace, now, TRACE_PACKET_FAULT, TF_TEXT("link", i->config.name),
			      TF_TEXT("direction", direction_name(&i->config)), TF_TEXT("what", names[kind]),
			      TF_U64("bytes", frame->len));
}

void impair_input(struct impair *i, struct buf *frame, nstime now)
{
	struct impair_faults *faults = i->config.faults;
	struct impair_strike struck = {0};
	bool matches;

	packet_sent(i, frame);
	if (i->down) {
		packet_drop(i, frame, IMPAIR_DROP_DOWN, now);
		return;
	}
	if (faults->count)
		struck = impair_faults_strike(faults, i->config.direction, frame->data, frame->len);
	if (struck.kinds & 1U << IMPAIR_FAULT_DROP) {
		packet_drop(i, frame, IMPAIR_DROP_FAULT, now);
		return;
	}
	if (struck.kinds) {
		struck_trace(i, frame, struck.kinds, now);
	} else if (i->plain) {
		ring_put(i, now, frame, DUE_DELIVER);
		return;
	}
	matches = !i->predicate.limited || impair_predicate_frame(&i->predicate, frame->data, frame->len);
	packet_enter(i, frame, matches, struck, now);
}

struct buf *impair_output(struct impair *i, nstime now)
{
	struct buf *frame;
	nstime due = impair_expiry(i);

	if (!i->ring_count || due > now)
		return NULL;
	frame = ring_take(i);
	if (__builtin_expect(frame->mark != DUE_DELIVER, 0) && !(frame = queue_step(i, frame, due)))
		return NULL;
	packet_delivered(i, frame, now);
	return frame;
}

void impair_pass(struct impair *i, const struct buf *frame, nstime now)
{
	packet_sent(i, frame);
	packet_delivered(i, frame, now);
}

void impair_refuse(struct impair *i, struct buf *frame, enum impair_drop reason, nstime now)
{
	packet_sent(i, frame);
	packet_drop(i, frame, reason, now);
}
