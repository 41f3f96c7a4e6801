/* SPDX-License-Identifier: BSD-3-Clause */
#include "node/app_relay.h"

#include "base/cursor.h"
#include "base/err.h"
#include "base/log.h"
#include "node/app_internal.h"

#include <assert.h>
#include <stdlib.h>

/* TCP keepalive towards clients, so that one that vanished is noticed however idle it was. */
#define KEEPALIVE_IDLE_MS     120000U
#define KEEPALIVE_INTERVAL_MS 30000U
#define KEEPALIVE_COUNT       4U

/* What a connection waits for; each has one time-out at a site, so that its list is in order of time. */
enum relay_wait { WAIT_CONNECT, WAIT_OPEN, WAIT_HALF, WAIT_COUNT };

TAILQ_HEAD(relay_list, relay_upstream);

/* One application. */
struct relay_site {
	struct relay *relay;
	LIST_ENTRY(relay_site) link;
	struct relay_target target;
	void *context;
	struct trace_sink *trace;
	struct relay_counters counters;
	struct relay_list waiting[WAIT_COUNT]; /* the longest first */
	nstime waits_max[WAIT_COUNT];          /* 0: for ever */
};

struct relay {
	LIST_HEAD(, relay_site) sites;
	struct relay_list ready;
	nstime expiry; /* none is due before */
};

struct relay_conn {
	struct app_conn base;
	struct relay_upstream *up; /* NULL until it is served first */
};

struct relay_upstream {
	struct relay *relay;
	struct relay_conn *conn; /* NULL: it is gone; then `site` is not valid either */
	struct relay_site *site;
	void *context, *user;
	TAILQ_ENTRY(relay_upstream) ready, wait;
	nstime since; /* when something moved last */
	unsigned what;
	enum relay_wait waits;
	uint8_t header_len, header_sent;
	bool queued;             /* on relay->ready */
	bool shown;              /* RELAY_OPEN was told */
	bool clean;              /* both sides were done */
	bool up_done, down_done; /* the end of what the client, the server sends was passed on */
	uint8_t header[RELAY_HEADER_MAX];
};

const char *relay_end_name(enum relay_end end)
{
	static const char *const names[] = {
#define RELAY_END_NAME(id, text) [RELAY_END_##id] = (text),
		RELAY_END_LIST(RELAY_END_NAME)
#undef RELAY_END_NAME
	};
	return names[end];
}

struct relay *relay_new(void)
{
	struct relay *r = calloc(1, sizeof *r);

	if (!r)
		log_fatal("out of memory for a relay");
	LIST_INIT(&r->sites);
	TAILQ_INIT(&r->ready);
	r->expiry = NSTIME_NEVER;
	return r;
}

void relay_free(struct relay *r)
{
	if (!r)
		return;
	assert(LIST_EMPTY(&r->sites) && TAILQ_EMPTY(&r->ready));
	free(r);
}

/* ---- what an upstream waits for ---- */

static void upstream_tell(struct relay_upstream *u, unsigned what)
{
	u->what |= what;
	if (u->queued)
		return;
	u->queued = true;
	TAILQ_INSERT_TAIL(&u->relay->ready, u, ready);
}

/* Something moved, or what it waits for is another thing now. */
static void upstream_wait(struct relay_upstream *u, enum relay_wait waits, nstime now)
{
	struct relay_site *site = u->site;

	TAILQ_REMOVE(&site->waiting[u->waits], u, wait);
	u->waits = waits;
	u->since = now;
	TAILQ_INSERT_TAIL(&site->waiting[waits], u, wait);
	if (site->waits_max[waits])
		u->relay->expiry = nstime_min(u->relay->expiry, nstime_add(now, site->waits_max[waits]));
}

static void upstream_moved(struct relay_upstream *u, nstime now)
{
	upstream_wait(u, u->waits, now);
}

/* ---- the beginning ---- */

/* PROXY protocol, version 2: a TCP connection that was proxied, between these addresses. */
static void header_write(struct relay_upstream *u, const struct tuple *t)
{
	static const uint8_t signature[] = {0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a};
	struct writer w = writer_make(u->header, sizeof u->header);
	uint8_t len = addr_len(&t->remote);

	writer_bytes(&w, signature, sizeof signature);
	writer_u8(&w, 0x21);
	writer_u8(&w, t->remote.family == 6 ? 0x21 : 0x11);
	writer_u16(&w, (uint16_t)(2 * len + 4));
	writer_bytes(&w, t->remote.bytes, len);
	writer_bytes(&w, t->local.bytes, len);
	writer_u16(&w, t->remote_port);
	writer_u16(&w, t->local_port);
	u->header_len = (uint8_t)writer_len(&w);
}

static void upstream_new(struct relay_conn *c, nstime now)
{
	struct relay_site *site = c->base.app->site;
	struct relay_upstream *u = calloc(1, sizeof *u);
	struct tuple t = sock_tuple(c->base.sock);

	if (!u)
		log_fatal("out of memory for a relayed connection");
	*u = (struct relay_upstream){
		.relay = site->relay, .conn = c, .site = site, .context = site->context, .waits = WAIT_CONNECT};
	c->up = u;
	TAILQ_INSERT_TAIL(&site->waiting[WAIT_CONNECT], u, wait);
	upstream_moved(u, now);
	if (site->target.proxy_protocol)
		header_write(u, &t);
	sock_keepalive(c->base.sock, KEEPALIVE_IDLE_MS, KEEPALIVE_INTERVAL_MS, KEEPALIVE_COUNT);
	upstream_tell(u, RELAY_OPEN | (u->header_len ? RELAY_OUTPUT : 0));
}

/* ---- the end ---- */

/* The connection is no more: the outside hears of it, unless it never heard of the upstream. */
static void relay_conn_fini(struct app_conn *conn)
{
	struct relay_conn *c = (struct relay_conn *)conn;
	struct relay_upstream *u = c->up;

	if (!u)
		return;
	TAILQ_REMOVE(&u->site->waiting[u->waits], u, wait);
	u->conn = NULL;
	u->site = NULL;
	u->what = 0;
	if (u->shown) {
		upstream_tell(u, RELAY_GONE);
	} else {
		TAILQ_REMOVE(&u->relay->ready, u, ready);
		free(u);
	}
}

/* Counts the end and gives the client's socket up; c is gone. */
static void relay_conn_end(struct relay_conn *c, enum relay_end why, nstime now)
{
	struct relay_site *site = c->base.app->site;
	struct app_counters *counters = &c->base.app->counters;
	struct tuple t = sock_tuple(c->base.sock);

	site->counters.ended[why]++;
	TRACE(site->trace, now, TRACE_RELAY_END, TF_TUPLE("tuple", &t), TF_TEXT("why", relay_end_name(why)));
	if (why == RELAY_END_CLOSED) {
		counters->requests++;
		c->up->clean = true;
		app_conn_close(&c->base, c->base.sock, now);
	} else {
		counters->errors++;
		app_conn_abort(&c->base, c->base.sock, now);
	}
}

static void relay_ready(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now)
{
	struct relay_conn *c = (struct relay_conn *)owner;

	if (!c->up)
		c->base.app->site->counters.connections++;
	if (ready & SOCK_ERROR) {
		relay_conn_end(c, sock_error(k) == E_RESET ? RELAY_END_CLIENT_RESET : RELAY_END_CLIENT_TIMEOUT, now);
		return;
	}
	if (!c->up)
		upstream_new(c, now);
	if (sock_unread(k) || sock_eof(k))
		upstream_tell(c->up, RELAY_OUTPUT);
	if (ready & SOCK_WRITABLE)
		upstream_tell(c->up, RELAY_ROOM);
}

/* ---- the application ---- */

static void relay_app_fini(struct app *a)
{
	LIST_REMOVE(a->site, link);
	free(a->site);
}

const struct app_class app_relay_class = {
	.conn_bytes = sizeof(struct relay_conn),
	.ready = relay_ready,
	.fini = relay_conn_fini,
	.app_fini = relay_app_fini,
};

struct app *app_relay_new(struct stack *stack, struct addr address, uint16_t port, struct relay *relay,
			  const struct relay_target *target, void *context, struct trace_sink *trace)
{
	struct app *a = app_listen(&app_relay_class, stack, address, port);
	struct relay_site *site;

	if (!a)
		return NULL;
	site = calloc(1, sizeof *site);
	if (!site)
		log_fatal("out of memory for a relay");
	site->relay = relay;
	site->target = *target;
	site->context = context;
	site->trace = trace;
	for (unsigned i = 0; i < WAIT_COUNT; i++)
		TAILQ_INIT(&site->waiting[i]);
	site->waits_max[WAIT_CONNECT] = target->connect_max ? target->connect_max : RELAY_CONNECT_DEFAULT;
	site->waits_max[WAIT_OPEN] = target->idle_max;
	site->waits_max[WAIT_HALF] = target->idle_max ? nstime_min(target->idle_max, RELAY_HALF_MAX) : RELAY_HALF_MAX;
	LIST_INSERT_HEAD(&relay->sites, site, link);
	a->site = site;
	return a;
}

const struct relay_counters *app_relay_counters(const struct app *a)
{
	return a->class == &app_relay_class ? &a->site->counters : NULL;
}

/* ---- what the outside does ---- */

struct relay_upstream *relay_next(struct relay *r, unsigned *what)
{
	struct relay_upstream *u = TAILQ_FIRST(&r->ready);

	if (!u)
		return NULL;
	TAILQ_REMOVE(&r->ready, u, ready);
	u->queued = false;
	u->shown = true;
	*what = u->what;
	u->what = 0;
	return u;
}

const struct relay_target *relay_target(const struct relay_upstream *u)
{
	return &u->site->target;
}

void *relay_context(const struct relay_upstream *u)
{
	return u->context;
}

void *relay_user(const struct relay_upstream *u)
{
	return u->user;
}

void relay_set_user(struct relay_upstream *u, void *user)
{
	u->user = user;
}

void relay_connected(struct relay_upstream *u, nstime now)
{
	if (!u->conn)
		return;
	u->site->counters.connected++;
	upstream_wait(u, WAIT_OPEN, now);
}

size_t relay_output(struct relay_upstream *u, struct iovec *pieces, size_t max)
{
	size_t count = 0;

	if (!u->conn)
		return 0;
	if (u->header_sent < u->header_len)
		pieces[count++] = (struct iovec){.iov_base = u->header + u->header_sent,
						 .iov_len = (size_t)(u->header_len - u->header_sent)};
	return count + sock_peek_pieces(u->conn->base.sock, pieces + count, max - count);
}

void relay_output_done(struct relay_upstream *u, size_t len, nstime now)
{
	size_t header = (size_t)(u->header_len - u->header_sent);

	if (!u->conn || !len)
		return;
	header = header < len ? header : len;
	u->header_sent = (uint8_t)(u->header_sent + header);
	len -= header;
	u->site->counters.sent_bytes += len;
	u->conn->base.app->counters.bytes_in += len;
	upstream_moved(u, now);
	if (len)
		sock_consume(u->conn->base.sock, len, now);
}

bool relay_output_over(const struct relay_upstream *u)
{
	return u->conn && !u->up_done && u->header_sent == u->header_len && sock_eof(u->conn->base.sock);
}

/* One side is done: if the other is too, so is the connection. */
static void upstream_half(struct relay_upstream *u, nstime now)
{
	if (u->up_done && u->down_done)
		relay_conn_end(u->conn, RELAY_END_CLOSED, now);
	else
		upstream_wait(u, WAIT_HALF, now);
}

void relay_output_end(struct relay_upstream *u, nstime now)
{
	if (!u->conn)
		return;
	u->up_done = true;
	upstream_half(u, now);
}

size_t relay_room(struct relay_upstream *u)
{
	return u->conn && !u->down_done ? sock_room(u->conn->base.sock, RELAY_ROOM_LEAST) : 0;
}

void relay_input(struct relay_upstream *u, const void *bytes, size_t len, nstime now)
{
	struct sock *k;
	long sent;

	if (!u->conn)
		return;
	k = u->conn->base.sock;
	sent = sock_send(k, bytes, len);
	if (sent < 0) /* the stack has an error to tell */
		return;
	assert((size_t)sent == len);
	u->site->counters.received_bytes += len;
	u->conn->base.app->counters.bytes_out += len;
	upstream_moved(u, now);
	sock_flush(k, now);
}

void relay_input_end(struct relay_upstream *u, nstime now)
{
	if (!u->conn || u->down_done)
		return;
	u->down_done = true;
	sock_shutdown_write(u->conn->base.sock, now); /* when it fails, the stack has an error to tell */
	upstream_half(u, now);
}

void relay_fail(struct relay_upstream *u, enum relay_end why, nstime now)
{
	if (u->conn)
		relay_conn_end(u->conn, why, now);
}

bool relay_is_clean(const struct relay_upstream *u)
{
	return u->clean;
}

void relay_release(struct relay_upstream *u)
{
	assert(!u->conn && !u->queued);
	free(u);
}

uint64_t relay_stop(struct relay *r, nstime now)
{
	struct relay_site *site;
	struct relay_upstream *u;
	uint64_t count = 0;

	LIST_FOREACH (site, &r->sites, link)
		for (unsigned i = 0; i < WAIT_COUNT; i++)
			for (; (u = TAILQ_FIRST(&site->waiting[i])); count++)
				relay_fail(u, RELAY_END_STOPPED, now);
	return count;
}

/* ---- time-outs ---- */

nstime relay_expiry(const struct relay *r)
{
	return r->expiry;
}

static void site_expire(struct relay_site *site, nstime now)
{
	for (unsigned i = 0; i < WAIT_COUNT; i++) {
		struct relay_upstream *u;
		nstime due = NSTIME_NEVER;

		while (site->waits_max[i] && (u = TAILQ_FIRST(&site->waiting[i]))) {
			due = nstime_add(u->since, site->waits_max[i]);
			if (due > now)
				break;
			due = NSTIME_NEVER;
			relay_fail(u, i == WAIT_CONNECT ? RELAY_END_CONNECT_TIMEOUT : RELAY_END_IDLE, now);
		}
		site->relay->expiry = nstime_min(site->relay->expiry, due);
	}
}

void relay_expire(struct relay *r, nstime now)
{
	struct relay_site *site;

	if (r->expiry > now)
		return;
	r->expiry = NSTIME_NEVER;
	LIST_FOREACH (site, &r->sites, link)
		site_expire(site, now);
}
