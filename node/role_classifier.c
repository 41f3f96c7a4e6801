/* SPDX-License-Identifier: BSD-3-Clause */
/* The classifier's role: accepts connections in its own stack, lets lb/classifier read them, and has lb/handoff move
 * them.
 *
 * One struct reading follows a connection from accept to its end here. While it is being read its bytes are only looked
 * at, never consumed, so that they travel with it. */
#include "base/err.h"
#include "base/log.h"
#include "node/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#define READ_CHUNK_BYTES 4096U
#define BACKEND_PAUSE_NS (1 * NSTIME_S) /* a backend that failed a hand-off is not chosen for so long */
#define BLAMELESS_MAX    8U             /* more tries of one device when it was not to blame */
#define PARKED_MAX_NS    (3 * NSTIME_S) /* a connection waits so long for a backend the courier has not met yet */

enum reading_state {
	READING, /* until there is a decision */
	PARKED,  /* decided; the courier has no session with the device yet */
	HANDING, /* lb/handoff has it */
};

struct reading {
	struct sock_owner owner;
	struct role_classifier *role;
	TAILQ_ENTRY(reading) next; /* of all; of the parked ones while PARKED */
	struct sock *sock;
	struct classifier_conn *conn;
	size_t service;
	enum reading_state state;
	uint16_t device; /* chosen */
	size_t seen;     /* unread bytes that the classifier was shown */
	nstime parked_until;
	int handoff;        /* number */
	unsigned blameless; /* hand-offs in a row that failed without being the device's fault */
};

TAILQ_HEAD(reading_list, reading);

struct listener {
	struct sock_owner owner;
	struct role_classifier *role;
	size_t service;
};

struct paused {
	uint16_t device;
	nstime until;
};

struct role_classifier {
	struct node *node;
	struct classifier *mind;
	struct outbox outbox; /* answers to backends */
	struct listener *listeners;
	struct reading_list all, parked;
	struct paused *paused; /* in order of time */
	size_t paused_count, paused_capacity;
};

struct classifier *role_classifier_mind(const struct role_classifier *c)
{
	return c->mind;
}

static void reading_free(struct reading *r, bool handed_off)
{
	struct role_classifier *c = r->role;
	TAILQ_REMOVE(r->state == PARKED ? &c->parked : &c->all, r, next);
	classifier_close(r->conn, handed_off);
	free(r);
}

/* Ends the connection here without a hand-off. */
static void reading_abort(struct reading *r, nstime now)
{
	struct sock *k = r->sock;
	reading_free(r, false);
	sock_abort(k, now);
}

/* The client went without a word, as browsers do that connect beforehand: nothing is to be answered. */
static void reading_close(struct reading *r, nstime now)
{
	struct sock *k = r->sock;
	reading_free(r, false);
	sock_close(k, now);
}

static void reading_answer(struct reading *r, enum classifier_answer answer, nstime now)
{
	struct sock *k = r->sock;
	size_t len;
	const void *bytes = classifier_answer_bytes(answer, &len);
	reading_free(r, false);
	sock_consume(k, sock_unread(k), now);
	sock_send(k, bytes, len); /* a fresh connection's send buffer holds any of them */
	sock_close(k, now);
}

static void reading_decide(struct reading *r, struct classifier_decision d, nstime now);

/* Whether a backend may be chosen: it is not paused, and by its reports up, not draining and not full. */
static void backend_judge(struct role_classifier *c, uint16_t device)
{
	const struct health_status *s = health_judge_status(c->node->judge, device);
	bool usable = !s || health_usable(s);
	for (size_t i = 0; i < c->paused_count; i++)
		usable &= c->paused[i].device != device;
	classifier_backend_health(c->mind, device, usable);
}

static void backend_pause(struct role_classifier *c, uint16_t device, nstime now)
{
	for (size_t i = 0; i < c->paused_count; i++)
		if (c->paused[i].device == device)
			return;
	if (c->paused_count == c->paused_capacity) {
		c->paused_capacity = c->paused_capacity ? 2 * c->paused_capacity : 16;
		c->paused = realloc(c->paused, c->paused_capacity * sizeof(*c->paused));
		if (!c->paused)
			log_fatal("out of memory for %zu devices", c->paused_capacity);
	}
	c->paused[c->paused_count++] = (struct paused){device, now + BACKEND_PAUSE_NS};
	backend_judge(c, device);
}

static void backend_resume(struct role_classifier *c, uint16_t device)
{
	for (size_t i = 0; i < c->paused_count; i++) {
		if (c->paused[i].device != device)
			continue;
		memmove(&c->paused[i], &c->paused[i + 1], (--c->paused_count - i) * sizeof(*c->paused));
		break;
	}
	backend_judge(c, device);
}

static void reading_park(struct reading *r, nstime now)
{
	TAILQ_REMOVE(&r->role->all, r, next);
	r->state = PARKED;
	r->parked_until = now + PARKED_MAX_NS;
	TAILQ_INSERT_TAIL(&r->role->parked, r, next);
}

static void reading_unpark(struct reading *r)
{
	TAILQ_REMOVE(&r->role->parked, r, next);
	r->state = READING;
	TAILQ_INSERT_TAIL(&r->role->all, r, next);
}

/* Moves the connection to the chosen device. */
static void reading_hand(struct reading *r, nstime now)
{
	struct node *n = r->role->node;
	const struct handoff_claim claim = {
		.origin = n->config.device,
		.origin_boot = n->config.boot,
		.service = (uint16_t)r->service,
		.rule = classifier_conn_decision(r->conn).number,
	};
	if (!courier_peer_boot(n->courier, r->device)) {
		reading_park(r, now);
		return;
	}
	int number = handing_start(n, r->sock, r->device, &claim, r, now);
	if (number >= 0) {
		r->handoff = number;
		r->state = HANDING;
		return;
	}
	/* Nothing changed: the connection cannot move (it ended, or a bound is reached), so it is answered here. */
	if (sock_error(r->sock))
		reading_abort(r, now);
	else
		reading_decide(r, classifier_give_up(r->conn, now), now);
}

static void reading_decide(struct reading *r, struct classifier_decision d, nstime now)
{
	switch (d.verdict) {
	case CLASSIFIER_WAIT:
		break;
	case CLASSIFIER_DEVICE:
		r->device = d.device;
		reading_hand(r, now);
		break;
	case CLASSIFIER_ANSWER:
		reading_answer(r, d.answer, now);
		break;
	case CLASSIFIER_ABORT:
		reading_abort(r, now);
		break;
	}
}

/* Shows the classifier what came since the last time. */
static void reading_read(struct reading *r, nstime now)
{
	uint8_t chunk[READ_CHUNK_BYTES];
	struct classifier_decision d = {.verdict = CLASSIFIER_WAIT};
	while (d.verdict == CLASSIFIER_WAIT && r->seen < sock_unread(r->sock)) {
		size_t len = sock_peek_copy(r->sock, r->seen, chunk, sizeof(chunk));
		r->seen += len;
		d = classifier_data(r->conn, chunk, len, now);
	}
	if (d.verdict == CLASSIFIER_WAIT && sock_peer_closed(r->sock) && !r->seen) {
		reading_close(r, now);
		return;
	}
	if (d.verdict == CLASSIFIER_WAIT && sock_peer_closed(r->sock))
		d = classifier_eof(r->conn, now);
	reading_decide(r, d, now);
}

static void reading_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct reading *r = (struct reading *)owner;
	if (ready & SOCK_ERROR) {
		reading_free(r, false);
		sock_close(k, now);
	} else if (r->state == READING && (ready & SOCK_READABLE)) {
		reading_read(r, now);
	}
}

static void listener_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct listener *l = (struct listener *)owner;
	struct role_classifier *c = l->role;
	struct sock *accepted;
	(void)ready;
	while ((accepted = sock_accept(k))) {
		struct tuple t = sock_tuple(accepted);
		struct classifier_decision d;
		struct reading *r = calloc(1, sizeof(*r));
		if (!r)
			log_fatal("out of memory for a connection");
		r->conn = classifier_open(c->mind, l->service, &t, r, now, &d);
		if (!r->conn) {
			free(r);
			sock_abort(accepted, now);
			continue;
		}
		handoff_tombstone_remove(c->node->handoff, &t);
		r->owner.ready = reading_ready;
		r->role = c;
		r->sock = accepted;
		r->service = l->service;
		sock_set_user(accepted, r);
		TAILQ_INSERT_TAIL(&c->all, r, next);
		if (d.verdict == CLASSIFIER_WAIT)
			reading_read(r, now);
		else
			reading_decide(r, d, now);
	}
}

void role_classifier_start(struct node *n, nstime now)
{
	size_t count;
	uint16_t *backends = cluster_devices(n, false, &count);
	n->judge = health_judge_new(&(struct health_judge_config){.backends = backends,
								  .backends_count = count,
								  .interval = n->cluster->health_interval,
								  .rise = n->cluster->health_rise,
								  .fall = n->cluster->health_fall,
								  .trace = n->config.trace},
				    now);
	free(backends);
}

/* A device that no rule named before is taken for healthy and idle by the policy: it hears what is known of all. */
void role_classifier_reconfigure(struct node *n, nstime now)
{
	struct role_classifier *c = n->classifier;
	size_t count;
	uint16_t *backends = cluster_devices(n, false, &count);
	classifier_reconfigure(c->mind, n->cluster->services);
	health_judge_pace(n->judge, n->cluster->health_interval, n->cluster->health_rise, n->cluster->health_fall, now);
	for (size_t i = 0; i < count; i++) {
		const struct health_status *s = health_judge_status(n->judge, backends[i]);
		if (s && n->cluster->health_interval)
			classifier_backend_load(c->mind, backends[i], s->connections);
		backend_judge(c, backends[i]);
	}
	free(backends);
}

int node_classifier_enable(struct node *n, uint32_t flow_base, uint32_t flow_count)
{
	const struct node_cluster *cluster = n->cluster;
	const struct node_limits *limits = &n->config.limits;
	if (n->migrator)
		return E_STATE;
	struct role_classifier *c = calloc(1, sizeof(*c));
	if (!c)
		log_fatal("out of memory for a classifier");
	n->classifier = c;
	c->node = n;
	TAILQ_INIT(&c->all);
	TAILQ_INIT(&c->parked);
	c->mind = classifier_new(&(struct classifier_config){
		.services = cluster->services,
		.services_count = cluster->services_count,
		.head_bytes_max = limits->header,
		.hello_bytes_max = limits->hello,
		.connections_max = limits->connections,
		.per_client_max = limits->per_client,
		.read_limit = limits->read,
		.seed = n->config.seed,
		.trace = n->config.trace,
	});
	handing_enable(n, flow_base, flow_count);
	c->listeners = calloc(cluster->services_count + 1, sizeof(*c->listeners));
	if (!c->listeners)
		log_fatal("out of memory for listeners");
	for (size_t i = 0; i < cluster->services_count; i++) {
		c->listeners[i] = (struct listener){.owner.ready = listener_ready, .role = c, .service = i};
		if (!sock_listen(n->stack, cluster->vips[i].address, cluster->vips[i].port, &c->listeners[i]))
			return E_EXISTS;
	}
	return 0;
}

void role_classifier_free(struct role_classifier *c)
{
	if (!c)
		return;
	struct reading_list *lists[] = {&c->all, &c->parked};
	for (size_t i = 0; i < 2; i++) {
		struct reading *r, *next;
		for (r = TAILQ_FIRST(lists[i]); r; r = next) {
			next = TAILQ_NEXT(r, next);
			free(r); /* its sockets end with the stack, the classifier's side just below */
		}
	}
	classifier_free(c->mind);
	outbox_clear(&c->outbox);
	free(c->listeners);
	free(c->paused);
	free(c);
}

/* Hands the frozen connection to a device; 0, or why not. */
static int outcome_retry(struct node *n, struct reading *r, uint16_t device, nstime now)
{
	int err = handoff_retry(n->handoff, r->handoff, device, courier_peer_boot(n->courier, device), now);
	if (!err)
		r->device = device;
	return err;
}

/* The connection is frozen and undecided: another device, or back to the stack. */
static void outcome_again(struct node *n, struct reading *r, const struct handoff_outcome *o, nstime now)
{
	struct role_classifier *c = n->classifier;
	if (o->blameless && r->blameless++ < BLAMELESS_MAX && !outcome_retry(n, r, o->device, now))
		return;
	if (!o->blameless)
		r->blameless = 0;
	if (o->result == HANDOFF_ROLLED_BACK && !o->blameless)
		backend_pause(c, o->device, now);
	struct classifier_decision d = classifier_choose_again(r->conn, now);
	while (d.verdict == CLASSIFIER_DEVICE) {
		if (!outcome_retry(n, r, d.device, now))
			return;
		d = classifier_choose_again(r->conn, now);
	}
	handoff_thaw(n->handoff, r->handoff, now);
	r->state = READING;
	reading_decide(r, d, now);
}

void role_classifier_outcome(struct node *n, void *user, const struct handoff_outcome *o, nstime now)
{
	struct reading *r = user;
	switch (o->result) {
	case HANDOFF_COMMITTED:
	case HANDOFF_FAILED:
		reading_free(r, o->result == HANDOFF_COMMITTED);
		break;
	case HANDOFF_REJECTED:
	case HANDOFF_ROLLED_BACK:
		outcome_again(n, r, o, now);
		break;
	}
}

void role_classifier_pump(struct node *n)
{
	struct health_status s;
	while (health_judge_output(n->judge, &s)) {
		if (s.reported)
			classifier_backend_load(n->classifier->mind, s.device, s.connections);
		backend_judge(n->classifier, s.device);
	}
}

struct outbox *role_classifier_outbox(struct role_classifier *c)
{
	return &c->outbox;
}

/* A backend asks where else a connection of its could be. */
static void choose(struct role_classifier *c, uint16_t from, const uint8_t *bytes, size_t len, nstime now)
{
	struct message_choice m;
	if (message_choice_decode(&m, MESSAGE_CHOOSE, bytes, len))
		return;
	m.type = MESSAGE_CHOSEN;
	m.devices_count = !classifier_choose_for(c->mind, m.service, m.rule, &m.tuple, m.devices, m.devices_count, now,
						 &m.devices[0]);
	outbox_put_choice(&c->outbox, from, &m);
}

void role_classifier_message(struct node *n, uint16_t from, uint64_t from_boot, uint8_t type, const uint8_t *bytes,
			     size_t len, nstime now)
{
	struct classifier *mind = n->classifier->mind;
	struct message m;
	if (type == MESSAGE_CHOOSE) {
		choose(n->classifier, from, bytes, len, now);
	} else if (message_decode(&m, type, bytes, len)) {
		return;
	} else if (type == MESSAGE_CLOSED && m.first == n->config.device && m.second == from &&
		   m.first_boot == n->config.boot && m.second_boot == from_boot) {
		classifier_backend_connections(mind, from, -1);
	} else if (type == MESSAGE_MOVED && m.first == from && m.first_boot == from_boot) {
		classifier_backend_connections(mind, from, -1);
		classifier_backend_connections(mind, m.second, 1);
	}
}

void role_classifier_peer(struct node *n, uint16_t device, bool restarted, nstime now)
{
	struct role_classifier *c = n->classifier;
	struct reading *r, *next;
	if (restarted)
		classifier_backend_connections(c->mind, device, -INT_MAX); /* they died with it */
	else
		backend_resume(c, device);
	for (r = TAILQ_FIRST(&c->parked); r; r = next) {
		next = TAILQ_NEXT(r, next);
		if (r->device != device || !courier_peer_boot(n->courier, device))
			continue;
		reading_unpark(r);
		reading_hand(r, now);
	}
}

static void reading_look(const struct reading *r, struct node_connection *out)
{
	static const char *const states[] = {[READING] = "reading", [PARKED] = "waiting", [HANDING] = "handing"};
	*out = (struct node_connection){
		.tuple = sock_tuple(r->sock),
		.state = states[r->state],
		.device = r->state == READING ? 0 : r->device,
		.service = r->service,
		.rule = r->state == READING ? NODE_RULE_NONE : classifier_conn_decision(r->conn).number,
		.since = NSTIME_NEVER,
	};
}

size_t role_classifier_connections(const struct role_classifier *c, uint32_t *cursor, struct node_connection *out,
				   size_t max)
{
	const struct reading_list *lists[] = {&c->parked, &c->all};
	uint32_t at = 0;
	size_t count = 0;
	for (size_t i = 0; i < 2; i++) {
		const struct reading *r;
		TAILQ_FOREACH (r, lists[i], next) {
			if (at++ < *cursor)
				continue;
			if (count == max) {
				*cursor += (uint32_t)count;
				return count;
			}
			reading_look(r, &out[count++]);
		}
	}
	*cursor = NODE_LOOK_END;
	return count;
}

nstime role_classifier_expiry(const struct role_classifier *c)
{
	nstime at = nstime_min(classifier_expiry(c->mind), health_judge_expiry(c->node->judge));
	if (!TAILQ_EMPTY(&c->parked))
		at = nstime_min(at, TAILQ_FIRST(&c->parked)->parked_until);
	if (c->paused_count)
		at = nstime_min(at, c->paused[0].until);
	return at;
}

void role_classifier_expire(struct node *n, nstime now)
{
	struct role_classifier *c = n->classifier;
	struct classifier_conn *conn;
	struct reading *r;
	while (c->paused_count && c->paused[0].until <= now)
		backend_resume(c, c->paused[0].device);
	if (health_judge_expiry(n->judge) <= now)
		health_judge_expire(n->judge, now);
	role_classifier_pump(n);
	while ((conn = classifier_expire(c->mind, now)))
		reading_decide(classifier_conn_user(conn), classifier_conn_decision(conn), now);
	while ((r = TAILQ_FIRST(&c->parked)) && r->parked_until <= now) {
		reading_unpark(r);
		reading_decide(r, classifier_choose_again(r->conn, now), now);
	}
}
