/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the listening applications share, and whoever moves their connections away (role_drain.c). */
#ifndef BATON_NODE_APP_INTERNAL_H
#define BATON_NODE_APP_INTERNAL_H

#include "node/app.h"

#include <stddef.h>
#include <sys/queue.h>

/* One accepted connection: the first member of the application's own. Zero-initialised but for this. */
struct app_conn {
	struct sock_owner owner;
	struct app *app;
	struct sock *sock;
	struct app_moving *moving; /* NULL when it is not being moved away */
	const struct app_class *class;
	LIST_ENTRY(app_conn) link;
};

/* A connection that is being moved away. */
struct app_moving {
	struct app_conn *conn; /* NULL once it ended */
	struct drain_move *move;
};

/* One kind of application. */
struct app_class {
	size_t conn_bytes;
	void (*ready)(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now);
	void (*open)(struct app_conn *conn); /* may be NULL */
	void (*fini)(struct app_conn *conn); /* frees what the connection holds beyond itself; may be NULL */
	/* Appends the state with which another goes on; false when it cannot now. NULL: it never can. */
	bool (*save)(const struct app_conn *conn, struct vec *out);
	/* Takes such a state on a connection that was just opened; false when it is malformed. With NULL it is only
	 * looked at. */
	bool (*restore)(struct app_conn *conn, const uint8_t *bytes, size_t len);
	void (*app_fini)(struct app *a); /* frees what the application holds, after its connections; may be NULL */
};

extern const struct app_class app_http_class, app_echo_class, app_sink_class, app_tls_class, app_auto_class,
	app_proxy_class, app_relay_class, app_script_class;

struct app {
	struct sock_owner owner; /* of the listener */
	const struct app_class *class;
	struct sock *listener;
	uint64_t seed;
	struct app_counters counters;
	uint64_t connections;
	LIST_HEAD(, app_conn) conns;
	struct script_source source; /* of scripts */
	/* a proxy's */
	struct stack *stack;
	struct app_target *targets;
	size_t targets_count, target_next;
	/* a relay's */
	struct relay_site *site;
};

/* An application that listens, or NULL; its class gives it what else it needs. */
struct app *app_listen(const struct app_class *class, struct stack *stack, struct addr address, uint16_t port);

/* Frees a connection whose socket is gone: another node has it. */
void app_conn_moved(struct app_conn *conn);

/* Gives the connection, of which nothing was read, to another class; `conn` is gone. */
void app_conn_become(struct app_conn *conn, struct sock *k, const struct app_class *class, nstime now);

/* Closes (or aborts) the socket and frees the connection. */
void app_conn_close(struct app_conn *conn, struct sock *k, nstime now);
void app_conn_abort(struct app_conn *conn, struct sock *k, nstime now);

#endif
