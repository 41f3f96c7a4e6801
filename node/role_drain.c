/* SPDX-License-Identifier: BSD-3-Clause */
/* A backend that drains: its applications' connections are offered to lb/drain when they can move, and handed on by
 * lb/handoff to whom a classifier chose. */
#include "base/err.h"
#include "base/log.h"
#include "node/app_internal.h"
#include "node/internal.h"

#include <stdlib.h>

struct role_drain {
	struct drain *drain;
	uint64_t requests, requests_before; /* begun while it drained earlier; begun when it began to drain now */
	struct app_moving *moving;          /* moves_max of them; `move` NULL: free */
	uint32_t moves_max;
};

void role_drain_start(struct node *n)
{
	struct role_drain *r = calloc(1, sizeof(*r));
	size_t count;
	uint16_t *classifiers = cluster_devices(n, true, &count);
	if (!r)
		log_fatal("out of memory for draining");
	n->drain = r;
	r->moves_max = n->config.limits.moves ? n->config.limits.moves : DRAIN_MOVES_DEFAULT;
	r->moving = calloc(r->moves_max, sizeof(*r->moving));
	if (!r->moving)
		log_fatal("out of memory for %u moves", r->moves_max);
	r->drain = drain_new(&(struct drain_config){.self = n->config.device,
						    .classifiers = classifiers,
						    .classifiers_count = count,
						    .moves_max = r->moves_max,
						    .trace = n->config.trace});
	free(classifiers);
}

void role_drain_free(struct role_drain *r)
{
	if (!r)
		return;
	drain_free(r->drain);
	free(r->moving);
	free(r);
}

struct drain *role_drain_mind(const struct role_drain *r)
{
	return r->drain;
}

/* Requests whose reply the node's applications began. */
static uint64_t requests_begun(const struct node *n)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n->apps_count; i++)
		sum += app_counters(n->apps[i])->requests;
	return sum;
}

uint64_t node_drain_requests(const struct node *n)
{
	const struct role_drain *r = n->drain;
	return r->requests + (drain_active(r->drain) ? requests_begun(n) - r->requests_before : 0);
}

void node_drain(struct node *n, nstime within, nstime now)
{
	if (!drain_active(n->drain->drain))
		n->drain->requests_before = requests_begun(n);
	health_reporter_drain(n->reporter, true);
	migrator_drain(n->migrator, true);
	drain_begin(n->drain->drain, within, now);
	node_pump(n, now);
}

void node_undrain(struct node *n, nstime now)
{
	n->drain->requests = node_drain_requests(n);
	health_reporter_drain(n->reporter, false);
	migrator_drain(n->migrator, false);
	drain_end(n->drain->drain, now);
	node_pump(n, now);
}

static struct app_moving *moving_free_find(struct role_drain *r)
{
	for (uint32_t i = 0; i < r->moves_max; i++)
		if (!r->moving[i].move)
			return &r->moving[i];
	return NULL;
}

/* It is not under way any more. */
static void moving_end(struct app_moving *m)
{
	if (m->conn)
		m->conn->moving = NULL;
	*m = (struct app_moving){0};
}

/* Offers a connection if it is a client's and can move now. False when no more can be under way. */
static bool offer(struct node *n, struct app_conn *conn, nstime now)
{
	struct tuple t = sock_tuple(conn->sock);
	const struct blob_mapping *mapping = conn->moving ? NULL : migrator_active(n->migrator, &t);
	struct vec state = {0};
	bool can_move = mapping && conn->owner.save && conn->owner.save(&conn->owner, &state);
	vec_fini(&state);
	if (!can_move)
		return true;
	struct app_moving *m = moving_free_find(n->drain);
	struct drain_move *move = drain_offer(n->drain->drain, mapping, m, now);
	if (!move)
		return false;
	*m = (struct app_moving){conn, move};
	conn->moving = m;
	return true;
}

static void sweep(struct node *n, nstime now)
{
	bool more = true;
	for (size_t i = 0; more && i < n->apps_count; i++) {
		struct app_conn *conn;
		LIST_FOREACH (conn, &n->apps[i]->conns, link) {
			more = offer(n, conn, now);
			if (!more)
				break;
		}
	}
	drain_swept(n->drain->drain, now);
}

/* Hands a connection on: 0, E_UNREACH when the device cannot be reached, or why not now. */
static int hand(struct node *n, struct app_moving *m, uint16_t device, nstime now)
{
	const struct blob_mapping *mapping;
	struct handoff_claim claim;
	struct tuple t;
	if (!m->conn)
		return E_CLOSED;
	t = sock_tuple(m->conn->sock);
	mapping = migrator_active(n->migrator, &t);
	if (!mapping)
		return E_CLOSED;
	claim = (struct handoff_claim){
		.generation_min = mapping->generation,
		.origin = mapping->origin,
		.origin_boot = mapping->origin_boot,
		.service = mapping->service,
		.rule = mapping->rule,
	};
	int number = handing_start(n, m->conn->sock, device, &claim, m, now);
	return number < 0 ? number : 0;
}

static void hand_or_not(struct node *n, const struct drain_action *a, nstime now)
{
	struct drain *d = n->drain->drain;
	int err = hand(n, a->user, a->device, now);
	if (!err || (err == E_UNREACH && drain_refused(d, a->move, now)))
		return;
	if (err != E_UNREACH)
		drain_not_now(d, a->move);
	moving_end(a->user);
}

bool role_drain_pump(struct node *n, nstime now)
{
	struct role_drain *r = n->drain;
	struct migrator_holdings h;
	struct drain_action a;
	bool moved = false;
	migrator_holdings(n->migrator, &h);
	drain_connections(r->drain, h.active, now);
	while (drain_output(r->drain, &a)) {
		moved = true;
		switch (a.kind) {
		case DRAIN_SWEEP:
			sweep(n, now);
			break;
		case DRAIN_NOWHERE:
			moving_end(a.user);
			break;
		case DRAIN_HAND:
			hand_or_not(n, &a, now);
			break;
		}
	}
	return moved;
}

/* Tells the classifier that chose the connection's first backend, if it still is the one that did. */
static void moved_tell(struct node *n, const struct handoff_outcome *o, const struct blob_mapping *was)
{
	struct message m = {
		.type = MESSAGE_MOVED,
		.flow = o->flow,
		.generation = o->generation,
		.handoff = was->handoff,
		.first = n->config.device,
		.second = o->device,
		.first_boot = n->config.boot,
		.second_boot = courier_peer_boot(n->courier, o->device),
		.tuple = o->tuple,
	};
	if (m.second_boot && courier_peer_boot(n->courier, was->origin) == was->origin_boot)
		outbox_put(drain_outbox(n->drain->drain), was->origin, &m, 0);
}

void role_drain_outcome(struct node *n, struct app_moving *m, const struct handoff_outcome *o, nstime now)
{
	struct drain *d = n->drain->drain;
	const struct blob_mapping *was = migrator_active(n->migrator, &o->tuple);
	struct app_conn *conn = m->conn;
	struct drain_move *move = m->move;
	switch (o->result) {
	case HANDOFF_COMMITTED:
		moved_tell(n, o, was);
		migrator_connection_moved(n->migrator, &o->tuple, now);
		drain_moved(d, move);
		break;
	case HANDOFF_FAILED:
		migrator_connection_closed(n->migrator, &o->tuple, now);
		drain_not_now(d, move);
		break;
	case HANDOFF_REJECTED:
	case HANDOFF_ROLLED_BACK:
		handoff_thaw(n->handoff, (int)o->number, now);
		if (o->blameless)
			drain_not_now(d, move);
		if (o->blameless || !drain_refused(d, move, now))
			moving_end(m);
		return;
	}
	moving_end(m);
	app_conn_moved(conn);
}
