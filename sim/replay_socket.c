/* SPDX-License-Identifier: BSD-3-Clause */
/* The client of one replayed connection as a stream: a client node's own stack carries what the captured client said,
 * each part once what the captured client had acknowledged by then was read. */
#include "base/log.h"
#include "sim/replay_internal.h"

#include <stdlib.h>

struct replay_socket {
	struct sock_owner owner;
	struct replay_conn *conn;
	struct script script;
	bool connected, finished;
};

/* A classifier may have said some of what the server was to say. */
static void server_heard(struct script *server, uint64_t n)
{
	script_heard(server, (size_t)(n < server->said - server->heard ? n : server->said - server->heard));
}

static void socket_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct replay_socket *s = (struct replay_socket *)owner;
	struct replay_conn *c = s->conn;
	enum script_result result;

	s->connected |= ready & SOCK_CONNECTED;
	if (!s->connected && !(ready & SOCK_ERROR) && !s->script.over)
		return;
	result = script_play(&s->script, k, ready, now);
	if (!c->dead)
		server_heard(&c->script, s->script.read - c->arrived);
	script_heard(&s->script, (size_t)(s->script.said - s->script.heard)); /* they are in the stack */
	c->arrived = s->script.read;
	c->reset_sent |= s->script.reset;
	c->progress_at = now;
	replay_mark(c);
	if (result == SCRIPT_OPEN)
		return;
	script_lay_down(&s->script, owner);
	if (result == SCRIPT_CLOSE)
		sock_close(k, now);
	else
		sock_abort(k, now);
}

bool replay_socket_open(struct replay_conn *c)
{
	struct world_node *wn = c->host->node;
	struct replay_socket *s = calloc(1, sizeof(*s));
	struct sock *k = NULL;
	struct tuple t;

	if (!s)
		log_fatal("out of memory: a connection");
	s->owner.ready = socket_ready;
	s->conn = c;
	if (wn->node)
		k = sock_connect(node_stack(wn->node), c->live.local, c->live.local_port, s, replay_now(c->replay));
	if (!k) {
		free(s);
		return false;
	}
	t = sock_tuple(k);
	c->live = tuple_reverse(&t);
	c->socket = s;
	script_take_up(&s->script, k, &s->owner);
	return true;
}

void replay_socket_say(struct replay_conn *c, uint64_t after, const uint8_t *bytes, size_t len)
{
	script_say(&c->socket->script, after, bytes, len);
}

void replay_socket_expect(struct replay_conn *c, const uint8_t *bytes, size_t len)
{
	script_expect(&c->socket->script, bytes, len);
}

void replay_socket_finish(struct replay_conn *c, uint64_t after)
{
	if (!c->socket->finished)
		script_finish(&c->socket->script, after);
	c->socket->finished = true;
}

void replay_socket_reset(struct replay_conn *c, uint64_t after)
{
	script_reset(&c->socket->script, after, 0);
}

void replay_socket_run(struct replay_conn *c)
{
	struct world_node *wn = c->host->node;

	if (!wn->node)
		return;
	script_wake(&c->socket->script, replay_now(c->replay));
	node_pump(wn->node, replay_now(c->replay));
	world_node_settle(wn);
	replay_client_timer_set(c);
}

enum script_fault replay_socket_fault(const struct replay_conn *c)
{
	return c->socket->script.fault;
}

bool replay_socket_complete(const struct replay_conn *c)
{
	const struct script *s = &c->socket->script;

	return !s->steps_count && s->said == s->to_say && s->read == c->server.edge;
}

size_t replay_socket_held(const struct replay_conn *c)
{
	return c->socket ? c->socket->script.own.len : 0;
}

void replay_socket_end(struct replay_conn *c)
{
	script_end(&c->socket->script);
	replay_socket_run(c);
}

void replay_socket_fini(struct replay_conn *c)
{
	struct replay_socket *s = c->socket;

	if (!s)
		return;
	script_fini(&s->script);
	free(s);
	c->socket = NULL;
}
