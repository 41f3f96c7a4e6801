/* SPDX-License-Identifier: BSD-3-Clause */
/* The proxy: accepts a connection, opens one of its own to the next of its targets, and copies bytes both ways, as
 * every balancer does that does not move connections.
 *
 * It keeps no buffer: bytes stay unread in one socket until the other takes them, so that a slow reader holds up its
 * writer. A half-close is passed on; an error of either connection resets the other. */
#include "base/log.h"
#include "node/app_internal.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct proxy_conn {
	struct app_conn base;        /* owner of `client` */
	struct sock_owner to_server; /* owner of `server` */
	struct sock *client, *server;
	bool connected;
	bool up_done, down_done; /* the end of what the client, the server sends was passed on */
};

static struct proxy_conn *of_server(struct sock_owner *owner)
{
	return (struct proxy_conn *)((char *)owner - offsetof(struct proxy_conn, to_server));
}

/* Both connections are reset. c is gone. */
static void proxy_abort(struct proxy_conn *c, nstime now)
{
	c->base.app->counters.errors++;
	if (c->server)
		sock_abort(c->server, now);
	app_conn_abort(&c->base, c->client, now);
}

/* False when `to` takes nothing any more. *done: the end of what comes from `from` was passed on. */
static bool proxy_copy(struct proxy_conn *c, bool *done, struct sock *from, struct sock *to, nstime now)
{
	const uint8_t *bytes;
	size_t len;

	while ((bytes = sock_peek(from, &len)) && len > 0) {
		long sent = sock_send(to, bytes, len);

		if (sent < 0)
			return false;
		if (sent == 0)
			break;
		c->base.app->counters.copied += (uint64_t)sent;
		sock_consume(from, (size_t)sent, now);
	}
	sock_flush(to, now);
	if (sock_eof(from) && !*done) {
		*done = true;
		return sock_shutdown_write(to, now) == 0;
	}
	return true;
}

/* Copies what there is both ways; c may be gone afterwards. */
static void proxy_pump(struct proxy_conn *c, nstime now)
{
	if (!c->connected)
		return;
	if (!proxy_copy(c, &c->up_done, c->client, c->server, now) ||
	    !proxy_copy(c, &c->down_done, c->server, c->client, now)) {
		proxy_abort(c, now);
		return;
	}
	if (c->up_done && c->down_done) {
		c->base.app->counters.requests++;
		sock_close(c->server, now);
		app_conn_close(&c->base, c->client, now);
	}
}

static void proxy_server_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct proxy_conn *c = of_server(owner);

	(void)k;
	if (ready & SOCK_ERROR) {
		proxy_abort(c, now);
		return;
	}
	if (ready & SOCK_CONNECTED)
		c->connected = true;
	proxy_pump(c, now);
}

static void proxy_client_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct proxy_conn *c = (struct proxy_conn *)owner;
	struct app *a = c->base.app;

	c->client = k;
	if (!c->server && !(ready & SOCK_ERROR)) {
		const struct app_target *t = &a->targets[a->target_next++ % a->targets_count];

		c->to_server.ready = proxy_server_ready;
		c->server = sock_connect(a->stack, t->address, t->port, &c->to_server, now);
		if (c->server)
			sock_nodelay(c->server, true);
	}
	if (!c->server || (ready & SOCK_ERROR)) {
		proxy_abort(c, now);
		return;
	}
	proxy_pump(c, now);
}

static void proxy_app_fini(struct app *a)
{
	free(a->targets);
}

const struct app_class app_proxy_class = {
	.conn_bytes = sizeof(struct proxy_conn),
	.ready = proxy_client_ready,
	.app_fini = proxy_app_fini,
};

struct app *app_proxy_new(struct stack *stack, struct addr address, uint16_t port, const struct app_target *targets,
			  size_t targets_count)
{
	struct app *a = app_listen(&app_proxy_class, stack, address, port);

	if (!a)
		return NULL;
	a->stack = stack;
	a->targets = calloc(targets_count, sizeof *targets);
	if (!a->targets)
		log_fatal("out of memory: a proxy's targets");
	memcpy(a->targets, targets, targets_count * sizeof *targets);
	a->targets_count = targets_count;
	return a;
}
