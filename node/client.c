/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/client.h"

#include "base/err.h"
#include "base/log.h"
#include "node/body.h"
#include "node/client_internal.h"

#include <stdlib.h>
#include <string.h>

#define KEEPALIVE_PROBES 9U /* unanswered ones that end a connection */

static const char *const failure_texts[CLIENT_FAILURE_COUNT] = {
	[CLIENT_COMPLETED] = "done",      [CLIENT_RESET] = "reset",         [CLIENT_TIMEOUT] = "timeout",
	[CLIENT_REFUSED] = "refused",     [CLIENT_NO_SOCKET] = "no-socket", [CLIENT_SHORT] = "short",
	[CLIENT_CORRUPTED] = "corrupted", [CLIENT_MALFORMED] = "malformed", [CLIENT_BAD_STATUS] = "bad-status",
	[CLIENT_CRASHED] = "crashed",     [CLIENT_ABORTED] = "aborted",     [CLIENT_ALERT] = "alert",
};

static const char *const kind_texts[] = {
	[CLIENT_HTTP] = "http",
	[CLIENT_ECHO] = "echo",
	[CLIENT_BULK] = "bulk",
	[CLIENT_TLS] = "tls",
};

struct client *client_new(struct stack *stack, uint64_t seed, struct trace_sink *trace)
{
	struct client *c = calloc(1, sizeof *c);

	if (!c)
		log_fatal("out of memory: client");
	c->stack = stack;
	c->seed = seed;
	c->trace = trace;
	LIST_INIT(&c->conns);
	client_groups_init(&c->groups, seed);
	heap_init(&c->timers);
	STAILQ_INIT(&c->ended);
	STAILQ_INIT(&c->connections_ended);
	return c;
}

static void work_free(struct client_work *w)
{
	vec_fini(&w->head);
	free(w->server_name);
	free(w);
}

static void conn_free(struct client_conn *conn)
{
	struct client_work *w;

	while ((w = STAILQ_FIRST(&conn->queue))) {
		STAILQ_REMOVE_HEAD(&conn->queue, next);
		work_free(w);
	}
	client_groups_remove(&conn->client->groups, conn);
	heap_remove(&conn->client->timers, &conn->timer);
	heap_remove(&conn->client->timers, &conn->resume);
	client_tls_end(conn);
	LIST_REMOVE(conn, link);
	free(conn);
}

void client_free(struct client *c)
{
	struct client_connection story;
	struct client_conn *conn;
	struct client_work *w;

	if (!c)
		return;
	while (client_connection_next(c, &story))
		;
	while ((conn = LIST_FIRST(&c->conns)))
		conn_free(conn);
	while ((w = STAILQ_FIRST(&c->ended))) {
		STAILQ_REMOVE_HEAD(&c->ended, next);
		work_free(w);
	}
	client_groups_fini(&c->groups);
	heap_fini(&c->timers);
	free(c);
}

/* The first work of a connection ended. */
static void work_end(struct client_conn *conn, enum client_failure failure, nstime now)
{
	struct client *c = conn->client;
	struct client_work *w = STAILQ_FIRST(&conn->queue);
	struct client_outcome *o = &w->outcome;

	STAILQ_REMOVE_HEAD(&conn->queue, next);
	STAILQ_INSERT_TAIL(&c->ended, w, next);
	if (conn->sending == w)
		conn->sending = NULL;
	conn->begun -= w->begun;
	vec_fini(&w->head);
	heap_remove(&c->timers, &conn->timer);
	conn->rests_since = now;
	c->pending--;
	o->failure = failure;
	o->reason = failure_texts[failure];
	o->ended = now;
	conn->story.requests++;
	conn->story.bytes_sent += o->bytes_sent;
	conn->story.bytes_received += o->bytes_received;
	conn->story.reason = o->reason;
	if (failure == CLIENT_COMPLETED)
		TRACE(c->trace, now, TRACE_REQUEST_DONE, TF_U64("request", o->request), TF_U64("sent", o->bytes_sent),
		      TF_U64("received", o->bytes_received), TF_U64("duration_ns", now - o->started));
	else if (failure == CLIENT_ABORTED)
		TRACE(c->trace, now, TRACE_REQUEST_ABORT, TF_U64("request", o->request), TF_U64("sent", o->bytes_sent),
		      TF_U64("received", o->bytes_received));
	else
		TRACE(c->trace, now, TRACE_REQUEST_FAIL, TF_U64("request", o->request), TF_TEXT("reason", o->reason),
		      TF_U64("sent", o->bytes_sent), TF_U64("received", o->bytes_received));
}

/* The stream that a request sends: its own, and another on each connection and node. */
static uint64_t work_key(const struct client_conn *conn, const struct client_work *w)
{
	struct tuple tuple = sock_tuple(conn->sock);
	uint8_t name[sizeof w->outcome.request + sizeof tuple];

	memcpy(name, &w->outcome.request, sizeof w->outcome.request);
	memcpy(name + sizeof w->outcome.request, &tuple, sizeof tuple);
	return body_key(conn->client->seed, name, sizeof name);
}

/* Begins the next piece of work, unless all are begun or the pipeline is full. */
static void work_begin(struct client_conn *conn, nstime now)
{
	struct client_work *w = STAILQ_FIRST(&conn->queue);
	struct tuple tuple;

	if (conn->begun == conn->pipeline)
		return;
	while (w && w->begun)
		w = STAILQ_NEXT(w, next);
	if (!w)
		return;
	tuple = sock_tuple(conn->sock);
	conn->begun++;
	conn->sending = w;
	conn->continued = false;
	w->begun = true;
	w->sent = false;
	w->head.len = w->composed;
	w->outcome.bytes_sent = 0;
	w->body_key = work_key(conn, w);
	if (conn->kind == CLIENT_HTTP)
		client_http_begin(conn, w);
	else if (conn->kind == CLIENT_TLS)
		client_tls_begin(conn, w);
	else
		client_stream_begin(conn, w);
	if (w->abort.kind == CLIENT_ABORT_AFTER)
		heap_set(&conn->client->timers, &conn->timer, nstime_add(now, w->abort.at));
	TRACE(conn->client->trace, now, TRACE_REQUEST_START, TF_U64("request", w->outcome.request),
	      TF_TEXT("kind", kind_texts[conn->kind]), TF_TUPLE("tuple", &tuple));
}

static void story_begin(struct client_conn *conn, nstime now)
{
	struct tuple own = sock_tuple(conn->sock);

	conn->story = (struct client_connection){
		.tuple = tuple_reverse(&own),
		.kind = conn->kind,
		.opened = now,
		.reason = "unused",
	};
	conn->client->connections_opened++;
}

static void story_end(struct client_conn *conn, nstime now)
{
	struct client_ended *e;

	if (!conn->client->keep_connections)
		return;
	e = malloc(sizeof *e);
	if (!e)
		log_fatal("out of memory: an ended connection");
	e->story = conn->story;
	e->story.closed = now;
	e->story.retransmissions = sock_retransmissions(conn->sock);
	STAILQ_INSERT_TAIL(&conn->client->connections_ended, e, next);
}

/* What was begun on the socket and is not ended begins anew on the next. */
static void conn_disconnect(struct client_conn *conn, bool abort, nstime now)
{
	struct client_work *w;

	if (!conn->sock)
		return;
	story_end(conn, now);
	if (abort)
		sock_abort(conn->sock, now);
	else
		sock_close(conn->sock, now);
	conn->sock = NULL;
	conn->connected = conn->shut = false;
	client_tls_end(conn);
	heap_remove(&conn->client->timers, &conn->resume);
	conn->client->connections--;
	STAILQ_FOREACH (w, &conn->queue, next)
		w->begun = false;
	conn->begun = 0;
	conn->sending = NULL;
}

/* Whether the connection has to rest before the work; then the timer is set. */
static bool conn_rests(struct client_conn *conn, const struct client_work *w, nstime now)
{
	nstime until = nstime_add(conn->rests_since, w->idle);

	conn->waits = conn->sock && w->idle && now < until;
	if (conn->waits)
		heap_set(&conn->client->timers, &conn->timer, until);
	return conn->waits;
}

/* Sees that the first work of the queue is being done, on a new socket where there is none; frees a connection that has
 * nothing to do and gets no more. True when work can go on at once. */
static bool conn_begin(struct client_conn *conn, nstime now)
{
	struct client_work *w;

	while ((w = STAILQ_FIRST(&conn->queue))) {
		bool rested = conn->waits;

		if (conn_rests(conn, w, now))
			return false;
		if (rested)
			w->outcome.started = now;
		if (!conn->sock) {
			conn->sock = sock_connect(conn->client->stack, conn->address, conn->port, &conn->owner, now);
			if (!conn->sock) {
				work_end(conn, CLIENT_NO_SOCKET, now);
				continue;
			}
			/* a request's last segment does not wait for an acknowledgement */
			sock_nodelay(conn->sock, true);
			if (conn->keepalive_ms)
				sock_keepalive(conn->sock, conn->keepalive_ms, conn->keepalive_ms, KEEPALIVE_PROBES);
			conn->client->connections++;
			story_begin(conn, now);
		}
		if (conn->kind == CLIENT_HTTP)
			client_http_expect(conn);
		if (!w->begun)
			work_begin(conn, now);
		return conn->connected;
	}
	if (conn->group == 0) {
		conn_disconnect(conn, false, now);
		conn_free(conn);
	}
	return false;
}

/* Where sending stops: before the body until the server wants it, and where it is given up on purpose. */
static void sender_limit(struct client_conn *conn, const struct client_work *w)
{
	bool waits = w->expects && !conn->continued;

	conn->sender.stops = waits || (w->abort.kind == CLIENT_ABORT_SENT && w->abort.at < w->body_bytes);
	conn->sender.stop = waits ? 0 : w->abort.at;
}

/* The message that is being sent is all queued. */
static int conn_sent(struct client_conn *conn, nstime now)
{
	struct client_work *w = conn->sending;

	w->sent = true;
	conn->sending = NULL;
	conn->shut = w->half_close || conn->kind == CLIENT_ECHO || conn->kind == CLIENT_BULK;
	return conn->shut ? sock_shutdown_write(conn->sock, now) : 0;
}

/* Sends what fits for the work that is begun, and begins more as the pipeline has room. False when the socket says it
 * is over. */
static bool conn_send(struct client_conn *conn, nstime now)
{
	int err = 0;

	if (!conn->sending)
		work_begin(conn, now);
	if (!conn->sending)
		return true;
	while (!err && conn->sending && !timer_is_set(&conn->resume)) {
		bool piece;

		sender_limit(conn, conn->sending);
		conn->sender.piece_bytes = conn->piece_bytes;
		err = sender_run(&conn->sender, conn->sock);
		conn->sending->outcome.bytes_sent = conn->sender.offset;
		piece = conn->sender.piece_left == 0;
		if (!err)
			err = conn_sent(conn, now);
		if (!err)
			work_begin(conn, now);
		if (!piece)
			continue;
		sock_flush(conn->sock, now);
		if (err == E_AGAIN)
			err = 0;
		if (!err && conn->pause)
			heap_set(&conn->client->timers, &conn->resume, nstime_add(now, conn->pause));
	}
	sock_flush(conn->sock, now);
	return !err || err == E_AGAIN;
}

/* The error a socket tells of. */
static enum client_failure sock_failure(const struct sock *k)
{
	switch (sock_error(k)) {
	case E_TIMEOUT:
		return CLIENT_TIMEOUT;
	case E_REFUSED:
		return CLIENT_REFUSED;
	default:
		return CLIENT_RESET;
	}
}

/* The socket broke, or the server ended an idle connection. What is queued, and what the connection rested for, goes on
 * over another. */
static void conn_broken(struct client_conn *conn, enum client_failure failure, bool abort, nstime now)
{
	if (!conn->waits && !STAILQ_EMPTY(&conn->queue))
		work_end(conn, failure, now);
	heap_remove(&conn->client->timers, &conn->timer);
	conn_disconnect(conn, abort, now);
	conn_begin(conn, now);
}

/* Gives up the first work as its spec asks. */
static void work_abort(struct client_conn *conn, nstime now)
{
	conn_broken(conn, CLIENT_ABORTED, !STAILQ_FIRST(&conn->queue)->abort.close, now);
}

/* Whether it has come so far that it is to be given up. */
static bool abort_due(const struct client_work *w)
{
	if (w->abort.kind == CLIENT_ABORT_SENT)
		return w->abort.at < w->body_bytes && w->outcome.bytes_sent == w->abort.at;
	return w->abort.kind == CLIENT_ABORT_RECEIVED && w->outcome.bytes_received >= w->abort.at;
}

/* Does what can be done now for the first work of a connected socket. True when that ended and the next can go on. */
static bool conn_work(struct client_conn *conn, unsigned ready, nstime now)
{
	struct client_work *w = STAILQ_FIRST(&conn->queue);
	enum client_failure failure = CLIENT_COMPLETED;
	bool keep_alive = false, was_shut = conn->shut, continued = conn->continued;
	enum client_progress progress;

	if (!conn_send(conn, now)) {
		conn_broken(conn, CLIENT_RESET, true, now);
		return false;
	}
	if (conn->kind == CLIENT_HTTP)
		progress = client_http_read(conn, w, now, &failure, &keep_alive);
	else if (conn->kind == CLIENT_TLS)
		progress = client_tls_read(conn, w, now, &failure, &keep_alive);
	else
		progress = client_stream_read(conn, w, now, &failure);
	if (progress == CLIENT_GOES_ON && conn->kind == CLIENT_BULK && was_shut && (ready & SOCK_DRAINED))
		progress = CLIENT_DONE;
	if (progress == CLIENT_GOES_ON && abort_due(w)) {
		work_abort(conn, now);
		return false;
	}
	if (progress == CLIENT_GOES_ON || progress == CLIENT_SENDS)
		return progress == CLIENT_SENDS || conn->continued != continued;
	/* A reply that is whole, though not the one hoped for, leaves a connection that is in order. */
	if (progress == CLIENT_FAILED && !((failure == CLIENT_BAD_STATUS || failure == CLIENT_ALERT) && w->sent)) {
		conn_broken(conn, failure, true, now);
		return false;
	}
	bool last = w->last;

	work_end(conn, failure, now);
	if (!keep_alive || last)
		conn_disconnect(conn, false, now);
	return conn_begin(conn, now);
}

static void client_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct client_conn *conn = (struct client_conn *)owner;

	if (ready & SOCK_ERROR) {
		if ((conn->waits || STAILQ_EMPTY(&conn->queue)) && sock_failure(k) == CLIENT_RESET)
			conn->client->resets_idle++;
		conn_broken(conn, sock_failure(k), false, now);
		return;
	}
	if (ready & SOCK_CONNECTED)
		conn->connected = true;
	if (!conn->connected)
		return;
	if (conn->waits || STAILQ_EMPTY(&conn->queue)) {
		if (sock_eof(k) || sock_unread(k) > 0)
			conn_broken(conn, CLIENT_SHORT, false, now);
		return;
	}
	while (conn_work(conn, ready, now))
		;
}

static void conn_fire(struct timer *t, nstime now)
{
	struct client_conn *conn = (struct client_conn *)((char *)t - offsetof(struct client_conn, timer));

	if (!conn->waits) {
		work_abort(conn, now);
		return;
	}
	if (conn_begin(conn, now))
		while (conn_work(conn, 0, now))
			;
}

/* The pause between two pieces is over. */
static void conn_resume(struct timer *t, nstime now)
{
	struct client_conn *conn = (struct client_conn *)((char *)t - offsetof(struct client_conn, resume));

	while (!conn->waits && !STAILQ_EMPTY(&conn->queue) && conn_work(conn, 0, now))
		;
}

nstime client_expiry(const struct client *c)
{
	const struct timer *t = heap_peek(&c->timers);

	return t ? t->at : NSTIME_NEVER;
}

void client_expire(struct client *c, nstime now)
{
	struct timer *t;

	while ((t = heap_peek(&c->timers)) && t->at <= now) {
		heap_remove(&c->timers, t);
		t->fire(t, now);
	}
}

/* Whether it shares its connection with others. */
static bool is_grouped(const struct client_spec *spec)
{
	return (spec->kind == CLIENT_HTTP || spec->kind == CLIENT_TLS) && spec->group;
}

static struct client_conn *conn_new(struct client *c, const struct client_spec *spec)
{
	struct client_conn *conn = calloc(1, sizeof *conn);

	if (!conn)
		log_fatal("out of memory: client connection");
	conn->owner.ready = client_ready;
	timer_init(&conn->timer, conn_fire);
	conn->client = c;
	conn->address = spec->address;
	conn->port = spec->port;
	conn->kind = spec->kind;
	conn->keepalive_ms = spec->keepalive_ms;
	conn->pipeline = spec->pipeline ? spec->pipeline : 1;
	conn->piece_bytes = spec->piece_bytes;
	conn->pause = spec->pause;
	timer_init(&conn->resume, conn_resume);
	conn->group = is_grouped(spec) ? spec->group : 0;
	STAILQ_INIT(&conn->queue);
	LIST_INSERT_HEAD(&c->conns, conn, link);
	client_groups_add(&c->groups, conn);
	return conn;
}

/* The connection of the spec's group, or a new one. */
static struct client_conn *conn_for(struct client *c, const struct client_spec *spec)
{
	struct client_conn *conn = NULL;

	if (is_grouped(spec))
		conn = client_groups_find(&c->groups, spec->group);
	return conn ? conn : conn_new(c, spec);
}

uint64_t client_start(struct client *c, const struct client_spec *spec, nstime now)
{
	struct client_work *w = calloc(1, sizeof *w);
	struct client_conn *conn;
	uint64_t request;
	bool idle;

	if (!w)
		log_fatal("out of memory: client work");
	w->last = !is_grouped(spec) || spec->group_last;
	w->body_bytes = spec->body_bytes;
	w->abort = spec->abort;
	w->idle = is_grouped(spec) ? spec->idle : 0;
	if ((spec->kind == CLIENT_HTTP && !client_http_compose(c, w, spec)) ||
	    (spec->kind == CLIENT_TLS && !client_tls_compose(w, spec))) {
		work_free(w);
		return 0;
	}
	w->composed = w->head.len;
	request = ++c->last_request;
	c->pending++;
	w->outcome = (struct client_outcome){
		.request = request,
		.tag = spec->tag,
		.kind = spec->kind,
		.started = now,
		.first_byte = NSTIME_NEVER,
	};
	conn = conn_for(c, spec);
	if (w->last)
		client_groups_remove(&c->groups, conn);
	idle = STAILQ_EMPTY(&conn->queue);
	STAILQ_INSERT_TAIL(&conn->queue, w, next);
	if (idle ? conn_begin(conn, now) : conn->pipeline > 1 && conn->connected && !conn->waits)
		while (conn_work(conn, 0, now))
			;
	return request;
}

void client_group_end(struct client *c, uint64_t group, nstime now)
{
	struct client_conn *conn = client_groups_find(&c->groups, group);

	if (!conn)
		return;
	client_groups_remove(&c->groups, conn);
	if (STAILQ_EMPTY(&conn->queue)) {
		conn_disconnect(conn, false, now);
		conn_free(conn);
	}
}

void client_crash(struct client *c, nstime now)
{
	struct client_conn *conn;

	LIST_FOREACH (conn, &c->conns, link)
		while (!STAILQ_EMPTY(&conn->queue))
			work_end(conn, CLIENT_CRASHED, now);
}

bool client_outcome_next(struct client *c, struct client_outcome *out)
{
	struct client_work *w = STAILQ_FIRST(&c->ended);

	if (!w)
		return false;
	STAILQ_REMOVE_HEAD(&c->ended, next);
	*out = w->outcome;
	work_free(w);
	return true;
}

void client_connections_keep(struct client *c)
{
	c->keep_connections = true;
}

bool client_connection_next(struct client *c, struct client_connection *out)
{
	struct client_ended *e = STAILQ_FIRST(&c->connections_ended);

	if (!e)
		return false;
	STAILQ_REMOVE_HEAD(&c->connections_ended, next);
	*out = e->story;
	free(e);
	return true;
}

uint64_t client_resets_idle(const struct client *c)
{
	return c->resets_idle;
}

uint64_t client_connections_opened(const struct client *c)
{
	return c->connections_opened;
}

uint64_t client_pending(const struct client *c)
{
	return c->pending;
}
