/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/app.h"

#include "base/log.h"
#include "node/app_internal.h"

#include <stdlib.h>

static const struct app_class *const app_classes[] = {
	[APP_TYPE_HTTP] = &app_http_class,
	[APP_TYPE_ECHO] = &app_echo_class,
	[APP_TYPE_SINK] = &app_sink_class,
};

static void app_conn_new(struct app *a, struct sock *k, nstime now)
{
	struct app_conn *conn = calloc(1, a->class->conn_bytes);

	if (!conn)
		log_fatal("out of memory: application connection");
	conn->owner.ready = a->class->ready;
	conn->app = a;
	LIST_INSERT_HEAD(&a->conns, conn, link);
	a->connections++;
	a->counters.connections++;
	sock_set_user(k, &conn->owner);
	sock_nodelay(k, true); /* what is sent is a whole reply, or as much of it as fits */
	if (a->class->open)
		a->class->open(conn);
	/* What arrived before it was accepted, or with it by infuse, is not told again. */
	conn->owner.ready(&conn->owner, k, SOCK_READABLE | SOCK_WRITABLE | (sock_error(k) ? SOCK_ERROR : 0), now);
}

static void app_listener_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct app *a = (struct app *)owner;
	struct sock *accepted;

	(void)ready;
	while ((accepted = sock_accept(k)))
		app_conn_new(a, accepted, now);
}

struct app *app_new(enum app_type type, struct stack *stack, struct addr address, uint16_t port, uint64_t seed)
{
	struct app *a = calloc(1, sizeof *a);

	if (!a)
		log_fatal("out of memory: application");
	a->owner.ready = app_listener_ready;
	a->class = app_classes[type];
	a->seed = seed;
	LIST_INIT(&a->conns);
	a->listener = sock_listen(stack, address, port, &a->owner);
	if (!a->listener) {
		free(a);
		return NULL;
	}
	return a;
}

static void app_conn_free(struct app_conn *conn)
{
	if (conn->app->class->fini)
		conn->app->class->fini(conn);
	LIST_REMOVE(conn, link);
	conn->app->connections--;
	free(conn);
}

void app_conn_close(struct app_conn *conn, struct sock *k, nstime now)
{
	sock_close(k, now);
	app_conn_free(conn);
}

void app_conn_abort(struct app_conn *conn, struct sock *k, nstime now)
{
	sock_abort(k, now);
	app_conn_free(conn);
}

void app_free(struct app *a)
{
	struct app_conn *conn;

	if (!a)
		return;
	while ((conn = LIST_FIRST(&a->conns)))
		app_conn_free(conn);
	free(a);
}

const struct app_counters *app_counters(const struct app *a)
{
	return &a->counters;
}
