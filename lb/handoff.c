/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/handoff.h"

#include "base/err.h"
#include "base/log.h"
#include "lb/handoff_internal.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#define HANDOFFS_MAX_DEFAULT     4096U
#define HELD_PACKETS_MAX_DEFAULT 64U
#define HELD_BYTES_MAX_DEFAULT   (4U << 20)
#define TOMBSTONES_MAX_DEFAULT   16384U
#define TIMEOUT_DEFAULT          (2 * NSTIME_S)
#define ABORT_INTERVAL_DEFAULT   (100 * NSTIME_MS)
#define ASK_MAX_DEFAULT          (30 * NSTIME_S)
#define TOMBSTONE_DEFAULT        (30 * NSTIME_S)

static void config_defaults(struct handoff_config *c)
{
	c->handoffs_max = c->handoffs_max ? c->handoffs_max : HANDOFFS_MAX_DEFAULT;
	c->held_packets_max = c->held_packets_max ? c->held_packets_max : HELD_PACKETS_MAX_DEFAULT;
	c->held_bytes_max = c->held_bytes_max ? c->held_bytes_max : HELD_BYTES_MAX_DEFAULT;
	c->tombstones_max = c->tombstones_max ? c->tombstones_max : TOMBSTONES_MAX_DEFAULT;
	c->timeout = c->timeout ? c->timeout : TIMEOUT_DEFAULT;
	c->abort_interval = c->abort_interval ? c->abort_interval : ABORT_INTERVAL_DEFAULT;
	c->ask_max = c->ask_max ? c->ask_max : ASK_MAX_DEFAULT;
	c->tombstone = c->tombstone ? c->tombstone : TOMBSTONE_DEFAULT;
}

static void *records_new(size_t n, size_t size)
{
	void *p = calloc(n, size);

	if (!p)
		log_fatal("out of memory: %zu records of %zu bytes", n, size);
	return p;
}

struct handoff *handoff_new(const struct handoff_config *config)
{
	struct handoff *h = records_new(1, sizeof *h);
	uint32_t numbers;

	h->config = *config;
	config_defaults(&h->config);
	numbers = h->config.handoffs_max + h->config.tombstones_max;
	hash_key_init(&h->key, config->seed, config->name);
	index_init(&h->by_tuple, numbers);
	index_init(&h->by_flow, numbers);
	index_init(&h->by_id, h->config.handoffs_max);
	heap_init(&h->timers);
	h->items = records_new(h->config.handoffs_max, sizeof *h->items);
	h->tombstones = records_new(h->config.tombstones_max, sizeof *h->tombstones);
	h->items_free = h->live_head = h->live_tail = INDEX_NONE;
	h->next_id = 1;
	/* Another boot counts from elsewhere: identifiers of the earlier one may be in use yet. */
	h->flow_counter = hash_bytes(&h->key, &config->boot, sizeof config->boot) >> 32;
	return h;
}

void handoff_free(struct handoff *h)
{
	if (!h)
		return;
	for (uint32_t n = 0; n < h->items_fresh; n++) {
		buf_queue_clear(&h->items[n].held);
		conn_state_fini(&h->items[n].compiled);
	}
	while (h->outcome_head) {
		struct outcome_node *node = h->outcome_head;

		h->outcome_head = node->next;
		free(node);
	}
	buf_queue_clear(&h->packets);
	outbox_clear(&h->outbox);
	index_fini(&h->by_tuple);
	index_fini(&h->by_flow);
	index_fini(&h->by_id);
	heap_fini(&h->timers);
	free(h->items);
	free(h->tombstones);
	free(h);
}

uint32_t handoff_tuple_hash(const struct handoff *h, const struct tuple *t)
{
	return (uint32_t)hash_bytes(&h->key, t, sizeof *t);
}

uint32_t handoff_flow_hash(const struct handoff *h, uint32_t flow)
{
	return (uint32_t)hash_bytes(&h->key, &flow, sizeof flow);
}

static uint32_t id_hash(uint64_t id)
{
	return (uint32_t)id; /* counted, not chosen by others */
}

struct item *handoff_item_by_id(const struct handoff *h, uint64_t id)
{
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&h->by_id, id_hash(id), &cursor)) != INDEX_NONE)
		if (h->items[number].id == id)
			return &h->items[number];
	return NULL;
}

/* An item at the end of the list of live ones, under its tuple; NULL when there are too many. */
static struct item *item_new(struct handoff *h, const struct tuple *t)
{
	uint32_t number = h->items_free;
	struct item *i;

	if (number != INDEX_NONE)
		h->items_free = h->items[number].next;
	else if (h->items_fresh < h->config.handoffs_max)
		number = h->items_fresh++;
	else
		return NULL;
	i = &h->items[number];
	*i = (struct item){.number = number, .tuple = *t, .prev = h->live_tail, .next = INDEX_NONE};
	timer_init(&i->timer, NULL);
	*(h->live_tail == INDEX_NONE ? &h->live_head : &h->items[h->live_tail].next) = number;
	h->live_tail = number;
	h->items_count++;
	index_insert(&h->by_tuple, handoff_tuple_hash(h, t), number);
	return i;
}

/* Ends the present attempt: its id and flow identifier are nobody's any more. */
static void attempt_end(struct handoff *h, struct item *i)
{
	heap_remove(&h->timers, &i->timer);
	if (!i->id)
		return;
	index_remove(&h->by_id, id_hash(i->id), i->number);
	index_remove(&h->by_flow, handoff_flow_hash(h, i->flow), i->number);
	i->id = 0;
}

static void item_free(struct handoff *h, struct item *i)
{
	attempt_end(h, i);
	handoff_held_drop(h, i);
	conn_state_fini(&i->compiled);
	index_remove(&h->by_tuple, handoff_tuple_hash(h, &i->tuple), i->number);
	*(i->prev == INDEX_NONE ? &h->live_head : &h->items[i->prev].next) = i->next;
	*(i->next == INDEX_NONE ? &h->live_tail : &h->items[i->next].prev) = i->prev;
	i->state = ITEM_FREE;
	i->next = h->items_free;
	h->items_free = i->number;
	h->items_count--;
}

static bool flow_taken(const struct handoff *h, uint32_t flow)
{
	uint32_t hash = handoff_flow_hash(h, flow);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&h->by_flow, hash, &cursor)) != INDEX_NONE) {
		uint32_t other = number < h->config.handoffs_max ? h->items[number].flow
								 : h->tombstones[number - h->config.handoffs_max].flow;

		if (other == flow)
			return true;
	}
	return false;
}

/* C9.1: the next identifier of this device's part that is free here; 0 when none is. */
static uint32_t flow_next(struct handoff *h)
{
	for (uint32_t n = 0; n < h->config.flow_count; n++) {
		uint32_t flow = h->config.flow_base + (uint32_t)(h->flow_counter++ % h->config.flow_count);

		if (flow_valid(flow) && !flow_taken(h, flow))
			return flow;
	}
	return 0;
}

/* A message about the item's attempt. */
static void handoff_send(struct handoff *h, const struct item *i, enum message_type type, enum message_reason reason)
{
	struct message m = {
		.type = type,
		.reason = reason,
		.flow = i->flow,
		.generation = i->generation,
		.handoff = i->id,
		.first = h->config.self,
		.second = i->device,
		.first_boot = h->config.boot,
		.second_boot = i->boot,
		.tuple = i->tuple,
	};
	enum tag_kind kind = type == MESSAGE_PREPARE ? TAG_PREPARE : TAG_ABORT;

	outbox_put(&h->outbox, h->config.forwarder, &m, i->id * TAG_KINDS + kind);
}

/* Bundles the compiled state with the mapping and sends it, and PREPARE (C1.5 to C1.9, C7). The device is set. 0, or
 * E_FULL without a flow identifier or a generation, or what blob_encode says. */
static int attempt_begin(struct handoff *h, struct item *i, nstime now)
{
	struct trace_sink *trace = h->config.trace;
	struct blob_mapping mapping = {
		.first = h->config.self,
		.first_boot = h->config.boot,
		.origin = i->claim.origin,
		.origin_boot = i->claim.origin_boot,
		.service = i->claim.service,
		.rule = i->claim.rule,
		.tuple = i->tuple,
	};
	struct vec blob = {0};
	uint32_t generation =
		h->last_generation > i->claim.generation_min ? h->last_generation : i->claim.generation_min;
	uint32_t flow = flow_next(h);
	int err;

	if (!flow || generation == UINT32_MAX)
		return E_FULL;
	TRACE(trace, now, TRACE_CLASSIFIER_FLOW, TF_TUPLE("tuple", &i->tuple), TF_U64("flow", flow),
	      TF_U64("counter", h->flow_counter));
	mapping.flow = flow;
	mapping.generation = generation + 1;
	mapping.handoff = h->next_id;
	mapping.second = i->device;
	err = blob_encode(&blob, &mapping, &i->compiled);
	if (err) {
		vec_fini(&blob);
		return err;
	}
	i->flow = flow;
	i->generation = h->last_generation = generation + 1;
	i->id = h->next_id++;
	i->bytes = (uint32_t)blob.len;
	i->state = ITEM_SENT;
	i->reason = MESSAGE_REASON_NONE;
	i->rejected = false;
	i->blameless = false;
	index_insert(&h->by_id, id_hash(i->id), i->number);
	index_insert(&h->by_flow, handoff_flow_hash(h, flow), i->number);
	heap_set(&h->timers, &i->timer, nstime_add(now, h->config.timeout));
	TRACE(trace, now, TRACE_BLOB_AGGREGATE, TF_TUPLE("tuple", &i->tuple), TF_U64("flow", flow),
	      TF_U64("handoff", i->id), TF_U64("data", i->compiled.data.len), TF_U64("bytes", i->bytes));
	handoff_send(h, i, MESSAGE_PREPARE, MESSAGE_REASON_NONE);
	TRACE(trace, now, TRACE_HANDOFF_PREPARE, TF_TUPLE("tuple", &i->tuple), TF_U64("flow", flow),
	      TF_U64("generation", i->generation), TF_U64("handoff", i->id), TF_U64("device", i->device));
	outbox_put_blob(&h->outbox, i->device, &blob, i->id * TAG_KINDS + TAG_BLOB);
	TRACE(trace, now, TRACE_BLOB_SEND, TF_TUPLE("tuple", &i->tuple), TF_U64("flow", flow), TF_U64("handoff", i->id),
	      TF_U64("device", i->device), TF_U64("bytes", i->bytes));
	return 0;
}

static bool tuple_busy(const struct handoff *h, const struct tuple *t)
{
	uint32_t hash = handoff_tuple_hash(h, t);
	uint32_t cursor = 0;
	uint32_t number;

	while ((number = index_next(&h->by_tuple, hash, &cursor)) != INDEX_NONE)
		if (number < h->config.handoffs_max && tuple_equal(&h->items[number].tuple, t))
			return true;
	return false;
}

static int start_check(const struct handoff *h, const struct tuple *t, uint64_t boot)
{
	if (!boot)
		return E_UNREACH;
	if (tuple_busy(h, t))
		return E_EXISTS;
	return h->items_count < h->config.handoffs_max ? 0 : E_FULL;
}

int handoff_start(struct handoff *h, const struct endpoint *ep, struct endpoint_conn *conn, const struct tuple *t,
		  uint16_t device, uint64_t boot, const struct handoff_claim *claim, nstime now)
{
	int err = start_check(h, t, boot);
	struct item *i;

	if (err) {
		h->counters.refused++;
		return err;
	}
	handoff_tombstone_remove(h, t);
	i = item_new(h, t);
	i->endpoint = *ep;
	i->conn = conn;
	i->device = device;
	i->boot = boot;
	i->claim = *claim;
	i->started = now;
	err = ep->ops->migrate(ep->ep, conn, device, &i->compiled, now);
	if (err)
		goto err_after_item;
	err = attempt_begin(h, i, now);
	if (err)
		goto err_after_migrate;
	h->counters.started++;
	return (int)i->number;

err_after_migrate:
	ep->ops->thaw(ep->ep, conn, now);
err_after_item:
	item_free(h, i);
	h->counters.refused++;
	return err;
}

bool handoff_flow_next(struct handoff *h, struct item *i, nstime now)
{
	if (i->flow_tries == FLOW_TRIES_MAX)
		return false;
	i->flow_tries++;
	attempt_end(h, i);
	return !attempt_begin(h, i, now);
}

static struct item *item_undecided(struct handoff *h, int number)
{
	struct item *i;

	if (number < 0 || (uint32_t)number >= h->items_fresh)
		return NULL;
	i = &h->items[number];
	return i->state == ITEM_UNDECIDED ? i : NULL;
}

int handoff_retry(struct handoff *h, int number, uint16_t device, uint64_t boot, nstime now)
{
	struct item *i = item_undecided(h, number);
	int err;

	if (!i)
		return E_STATE;
	if (!boot)
		return E_UNREACH;
	i->device = device;
	i->boot = boot;
	i->flow_tries = 0;
	err = attempt_begin(h, i, now);
	if (err)
		return err;
	h->counters.retried++;
	TRACE(h->config.trace, now, TRACE_HANDOFF_RETRY, TF_TUPLE("tuple", &i->tuple), TF_U64("device", device),
	      TF_U64("flow", i->flow), TF_U64("generation", i->generation));
	return 0;
}

int handoff_thaw(struct handoff *h, int number, nstime now)
{
	struct item *i = item_undecided(h, number);

	if (!i)
		return E_STATE;
	TRACE(h->config.trace, now, TRACE_HANDOFF_ROLLBACK, TF_TUPLE("tuple", &i->tuple), TF_U64("device", i->device),
	      TF_TEXT("reason", message_reason_text(i->reason)), TF_U64("held", i->held.count));
	i->endpoint.ops->thaw(i->endpoint.ep, i->conn, now);
	handoff_held_return(h, i);
	item_free(h, i);
	return 0;
}

static void outcome_put(struct handoff *h, const struct item *i, enum handoff_result result, nstime now)
{
	struct outcome_node *node = records_new(1, sizeof *node);

	node->outcome = (struct handoff_outcome){
		.result = result,
		.reason = i->reason,
		.number = i->number,
		.conn = i->conn,
		.tuple = i->tuple,
		.device = i->device,
		.flow = i->flow,
		.generation = i->generation,
		.bytes = i->bytes,
		.latency = now - i->started,
		.blameless = i->blameless,
	};
	if (h->outcome_tail)
		h->outcome_tail->next = node;
	else
		h->outcome_head = node;
	h->outcome_tail = node;
}

void handoff_abort(struct handoff *h, struct item *i, enum message_reason reason, enum abort_cause cause, nstime now)
{
	if (i->state != ITEM_SENT && i->state != ITEM_PREPARED)
		return;
	i->state = ITEM_ABORTING;
	i->reason = reason;
	i->rejected = cause == ABORT_REJECTED;
	i->blameless = cause == ABORT_BLAMELESS;
	i->asked = now;
	heap_set(&h->timers, &i->timer, nstime_add(now, h->config.abort_interval));
	handoff_send(h, i, MESSAGE_ABORT, reason);
}

void handoff_returned(struct handoff *h, struct item *i, nstime now)
{
	attempt_end(h, i);
	i->state = ITEM_UNDECIDED;
	*(i->rejected ? &h->counters.rejected : &h->counters.rolled_back) += 1;
	outcome_put(h, i, i->rejected ? HANDOFF_REJECTED : HANDOFF_ROLLED_BACK, now);
}

void handoff_committed(struct handoff *h, struct item *i, nstime now)
{
	h->counters.committed++;
	TRACE(h->config.trace, now, TRACE_HANDOFF_COMMITTED, TF_TUPLE("tuple", &i->tuple), TF_U64("flow", i->flow),
	      TF_U64("generation", i->generation), TF_U64("handoff", i->id), TF_U64("device", i->device),
	      TF_U64("latency_ns", now - i->started));
	i->endpoint.ops->release(i->endpoint.ep, i->conn);
	handoff_held_bounce(h, i);
	outcome_put(h, i, HANDOFF_COMMITTED, now);
	attempt_end(h, i);
	handoff_tombstone_add(h, &i->tuple, i->flow, now);
	item_free(h, i);
}

void handoff_failed(struct handoff *h, struct item *i, enum message_reason reason, nstime now)
{
	h->counters.failed++;
	i->reason = reason;
	TRACE(h->config.trace, now, TRACE_HANDOFF_FAILED, TF_TUPLE("tuple", &i->tuple), TF_U64("flow", i->flow),
	      TF_U64("device", i->device), TF_TEXT("reason", message_reason_text(reason)));
	i->endpoint.ops->release(i->endpoint.ep, i->conn);
	outcome_put(h, i, HANDOFF_FAILED, now);
	item_free(h, i);
}

struct outbox *handoff_outbox(struct handoff *h)
{
	return &h->outbox;
}

bool handoff_output(struct handoff *h, struct handoff_action *action)
{
	struct outcome_node *node = h->outcome_head;
	struct buf *b;

	*action = (struct handoff_action){0};
	if (node) {
		action->kind = HANDOFF_OUTCOME;
		action->outcome = node->outcome;
		h->outcome_head = node->next;
		if (!h->outcome_head)
			h->outcome_tail = NULL;
		free(node);
		return true;
	}
	b = buf_queue_get(&h->packets);
	if (!b)
		return false;
	action->kind = (enum handoff_action_kind)b->mark;
	action->packet = b;
	return true;
}

nstime handoff_expiry(const struct handoff *h)
{
	const struct timer *t = heap_peek(&h->timers);

	return nstime_min(t ? t->at : NSTIME_NEVER, handoff_tombstone_expiry(h));
}

static void expire_item(struct handoff *h, struct item *i, nstime now)
{
	if (i->state != ITEM_ABORTING) {
		h->counters.timeouts++;
		/* as long as PREPARE is not answered it is the forwarder that is silent */
		handoff_abort(h, i, MESSAGE_REASON_TIMEOUT, i->state == ITEM_SENT ? ABORT_BLAMELESS : ABORT_DEVICE,
			      now);
		return;
	}
	if (now - i->asked >= h->config.ask_max) {
		handoff_failed(h, i, MESSAGE_REASON_TIMEOUT, now);
		return;
	}
	heap_set(&h->timers, &i->timer, nstime_add(now, h->config.abort_interval));
	handoff_send(h, i, MESSAGE_ABORT, i->reason);
}

void handoff_expire(struct handoff *h, nstime now)
{
	struct timer *t;

	handoff_tombstone_expire(h, now);
	while ((t = heap_peek(&h->timers)) && t->at <= now)
		expire_item(h, (struct item *)((char *)t - offsetof(struct item, timer)), now);
}

const struct handoff_counters *handoff_counters(const struct handoff *h)
{
	return &h->counters;
}

void handoff_holdings(const struct handoff *h, struct handoff_holdings *out)
{
	*out = (struct handoff_holdings){
		.handoffs = h->items_count,
		.held_packets = h->held_packets,
		.held_bytes = h->held_bytes,
		.tombstones = h->tombstones_count,
	};
}
