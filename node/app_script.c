/* SPDX-License-Identifier: BSD-3-Clause */
/* The application that plays scripts: the server of a conversation that is known beforehand. */
#include "node/app_internal.h"

struct script_conn {
	struct app_conn base;
	struct script *script; /* NULL: there is none for it */
};

static void script_conn_open(struct app_conn *base)
{
	struct script_conn *conn = (struct script_conn *)base;
	const struct script_source *source = &base->app->source;
	const struct tuple t = sock_tuple(base->sock);

	conn->script = source->find(source->context, &t);
	if (conn->script)
		script_take_up(conn->script, base->sock, &base->owner);
}

static void script_conn_fini(struct app_conn *base)
{
	struct script_conn *conn = (struct script_conn *)base;

	if (conn->script)
		script_lay_down(conn->script, &base->owner);
}

static void script_conn_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct script_conn *conn = (struct script_conn *)owner;
	struct app_counters *counters = &conn->base.app->counters;
	struct script *s = conn->script;
	enum script_result result;

	if (!s || s->sock != k) {
		counters->bad_requests++;
		app_conn_abort(&conn->base, k, now);
		return;
	}
	counters->bytes_in -= s->read;
	counters->bytes_out -= s->said;
	result = script_play(s, k, ready, now);
	counters->bytes_in += s->read;
	counters->bytes_out += s->said;
	if (result == SCRIPT_OPEN)
		return;
	if (s->fault) /* whoever filled the script judges what differs */
		counters->errors++;
	else
		counters->requests++;
	if (result == SCRIPT_CLOSE)
		app_conn_close(&conn->base, k, now);
	else
		app_conn_abort(&conn->base, k, now);
}

/* The script stays where it is, and says how far it is. */
static bool script_conn_save(const struct app_conn *base, struct vec *out)
{
	const struct script_conn *conn = (const struct script_conn *)base;

	(void)out;
	return conn->script && !conn->script->fault;
}

static bool script_conn_restore(struct app_conn *base, const uint8_t *bytes, size_t len)
{
	(void)base, (void)bytes;
	return len == 0;
}

const struct app_class app_script_class = {
	.conn_bytes = sizeof(struct script_conn),
	.ready = script_conn_ready,
	.open = script_conn_open,
	.fini = script_conn_fini,
	.save = script_conn_save,
	.restore = script_conn_restore,
};

struct app *app_script_new(struct stack *stack, struct addr address, uint16_t port, const struct script_source *source)
{
	struct app *a = app_listen(&app_script_class, stack, address, port);

	if (a)
		a->source = *source;
	return a;
}
