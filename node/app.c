/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/app.h"

#include "base/log.h"
#include "node/app_internal.h"

#include <stdlib.h>

static const struct app_class *const app_classes[] = {
	[APP_TYPE_HTTP] = &app_http_class, [APP_TYPE_ECHO] = &app_echo_class, [APP_TYPE_SINK] = &app_sink_class,
	[APP_TYPE_TLS] = &app_tls_class,   [APP_TYPE_AUTO] = &app_auto_class,
};

static struct app_conn *app_conn_new(struct app *a, struct sock *k, const struct app_class *class)
{
	struct app_conn *conn = calloc(1, class->conn_bytes);

	if (!conn)
		log_fatal("out of memory: application connection");
	conn->owner.ready = class->ready;
	conn->app = a;
	conn->class = class;
	LIST_INSERT_HEAD(&a->conns, conn, link);
	a->connections++;
	sock_set_user(k, &conn->owner);
	sock_nodelay(k, true); /* what is sent is a whole reply, or as much of it as fits */
	if (class->open)
		class->open(conn);
	return conn;
}

/* What arrived before it was accepted, or with it by infuse, is not told again. */
static void app_conn_begin(struct app_conn *conn, struct sock *k, nstime now)
{
	conn->owner.ready(&conn->owner, k, SOCK_READABLE | SOCK_WRITABLE | (sock_error(k) ? SOCK_ERROR : 0), now);
}

static void app_listener_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct app *a = (struct app *)owner;
	struct sock *accepted;

	(void)ready;
	while ((accepted = sock_accept(k))) {
		a->counters.connections++;
		app_conn_begin(app_conn_new(a, accepted, a->class), accepted, now);
	}
}

struct app *app_listen(const struct app_class *class, struct stack *stack, struct addr address, uint16_t port)
{
	struct app *a = calloc(1, sizeof *a);

	if (!a)
		log_fatal("out of memory: application");
	a->owner.ready = app_listener_ready;
	a->class = class;
	LIST_INIT(&a->conns);
	a->listener = sock_listen(stack, address, port, &a->owner);
	if (!a->listener) {
		free(a);
		return NULL;
	}
	return a;
}

struct app *app_new(enum app_type type, struct stack *stack, struct addr address, uint16_t port, uint64_t seed)
{
	struct app *a = app_listen(app_classes[type], stack, address, port);

	if (a)
		a->seed = seed;
	return a;
}

static void app_conn_free(struct app_conn *conn)
{
	if (conn->class->fini)
		conn->class->fini(conn);
	LIST_REMOVE(conn, link);
	conn->app->connections--;
	free(conn);
}

void app_conn_become(struct app_conn *conn, struct sock *k, const struct app_class *class, nstime now)
{
	struct app *a = conn->app;

	app_conn_free(conn);
	app_conn_begin(app_conn_new(a, k, class), k, now);
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
	free(a->targets);
	free(a);
}

const struct app_counters *app_counters(const struct app *a)
{
	return &a->counters;
}
