/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/app.h"

#include "base/log.h"
#include "node/app_internal.h"

#include <assert.h>
#include <stdlib.h>

static const struct app_class *const app_classes[] = {
	[APP_TYPE_HTTP] = &app_http_class, [APP_TYPE_ECHO] = &app_echo_class, [APP_TYPE_SINK] = &app_sink_class,
	[APP_TYPE_TLS] = &app_tls_class,   [APP_TYPE_AUTO] = &app_auto_class, [APP_TYPE_SCRIPT] = &app_script_class,
};

static bool app_conn_save(const struct sock_owner *owner, struct vec *out)
{
	const struct app_conn *conn = (const struct app_conn *)owner;
	uint8_t type = 0;

	while (app_classes[type] != conn->class)
		type++;
	vec_append(out, &type, 1);
	return conn->class->save(conn, out);
}

bool app_listens(const struct app *a, const struct addr *address, uint16_t port)
{
	struct tuple t = sock_tuple(a->listener);

	return addr_equal(&t.local, address) && t.local_port == port;
}

/* The class whose connection the state is of, if it is one of this application's. */
static const struct app_class *saved_class(const struct app *a, const uint8_t *bytes, size_t len)
{
	const struct app_class *class = NULL;
	bool either = a->class == &app_auto_class;

	if (len && bytes[0] < sizeof app_classes / sizeof app_classes[0])
		class = app_classes[bytes[0]];
	if (class == a->class || (either && (class == &app_http_class || class == &app_tls_class)))
		return class;
	return NULL;
}

bool app_can_resume(const struct app *a, const uint8_t *bytes, size_t len)
{
	const struct app_class *class = saved_class(a, bytes, len);

	return class && class->restore && class->restore(NULL, bytes + 1, len - 1);
}

static struct app_conn *app_conn_new(struct app *a, struct sock *k, const struct app_class *class)
{
	struct app_conn *conn = calloc(1, class->conn_bytes);

	if (!conn)
		log_fatal("out of memory: application connection");
	conn->owner.ready = class->ready;
	conn->owner.save = class->save ? app_conn_save : NULL;
	conn->app = a;
	conn->class = class;
	conn->sock = k;
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

/* A connection as it comes, or as another application left it. */
static struct app_conn *app_conn_accept(struct app *a, struct sock *k)
{
	size_t len;
	const uint8_t *saved = sock_app(k, &len);
	const struct app_class *class = saved ? saved_class(a, saved, len) : a->class;
	struct app_conn *conn = app_conn_new(a, k, class);

	if (saved) { /* app_can_resume was asked when it was infused */
		bool good = class->restore(conn, saved + 1, len - 1);
		assert(good);
	}
	return conn;
}

static void app_listener_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct app *a = (struct app *)owner;
	struct sock *accepted;

	(void)ready;
	while ((accepted = sock_accept(k))) {
		a->counters.connections++;
		app_conn_begin(app_conn_accept(a, accepted), accepted, now);
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
	if (conn->moving)
		conn->moving->conn = NULL;
	LIST_REMOVE(conn, link);
	conn->app->connections--;
	free(conn);
}

void app_conn_moved(struct app_conn *conn)
{
	app_conn_free(conn);
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
	if (a->class->app_fini)
		a->class->app_fini(a);
	free(a);
}

const struct app_counters *app_counters(const struct app *a)
{
	return &a->counters;
}
