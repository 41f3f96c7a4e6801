/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/relay.h"

#include "base/log.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PIECES_MAX 64U /* written at a time */

/* One upstream's socket. */
struct relay_server {
	struct loop_watch watch;
	struct relays *relays;
	struct relay_upstream *up;
	TAILQ_ENTRY(relay_server) active;
	bool is_active;
	bool opened; /* the kernel says that it is connected; then told to the upstream: */
	bool connected;
	bool readable, writable;   /* as far as is known */
	bool ending;               /* the server's end or an error is to be read behind what is there */
	bool failed;               /* the socket has an error to tell */
	bool has_output, has_room; /* as far as is known, the upstream has or takes bytes */
	bool input_over;           /* the server's end was read */
	bool written, nodelay;     /* something was; Nagle's algorithm is off */
};

/* ---- life ---- */

static void descriptors_raise(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur == limit.rlim_max)
		return;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

void relays_init(struct relays *r, struct loop *loop, const struct scenario *s)
{
	*r = (struct relays){
		.loop = loop,
		.relay = relay_new(),
		.touched = calloc(s->nodes_count, sizeof(*r->touched)),
		.is_touched = calloc(s->nodes_count, sizeof(*r->is_touched)),
		.buffer = malloc(RELAYS_READ_MAX),
	};
	if (!r->touched || !r->is_touched || !r->buffer)
		log_fatal("out of memory for relays");
	TAILQ_INIT(&r->active);
	if (scenario_relays(s))
		descriptors_raise();
}

static void server_activate(struct relay_server *v)
{
	if (v->is_active)
		return;
	v->is_active = true;
	TAILQ_INSERT_TAIL(&v->relays->active, v, active);
}

/* Its upstream is gone: closes the socket, by a reset unless both sides were done. */
static void server_free(struct relay_server *v)
{
	static const struct linger reset = {.l_onoff = 1};

	if (v->is_active)
		TAILQ_REMOVE(&v->relays->active, v, active);
	if (v->watch.fd >= 0 && !relay_is_clean(v->up))
		setsockopt(v->watch.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	loop_close(v->relays->loop, &v->watch);
	free(v);
}

static void node_touch(struct relays *r, const struct relay_upstream *u)
{
	struct world_node *wn = relay_context(u);

	if (r->is_touched[wn->device - 1])
		return;
	r->is_touched[wn->device - 1] = true;
	r->touched[r->touched_count++] = wn;
}

/* ---- connecting ---- */

static enum relay_end end_of(int error)
{
	switch (error) {
	case ECONNREFUSED:
	case ENOENT: /* of a Unix socket */
		return RELAY_END_REFUSED;
	case ETIMEDOUT:
		return RELAY_END_CONNECT_TIMEOUT;
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EADDRNOTAVAIL:
	case EAGAIN: /* the backlog of a Unix socket, or no local port */
		return RELAY_END_FULL;
	default:
		return RELAY_END_UNREACHABLE;
	}
}

static void server_fail(struct relay_server *v, enum relay_end why, nstime now)
{
	node_touch(v->relays, v->up);
	relay_fail(v->up, why, now);
}

static socklen_t address_of(const struct relay_target *t, struct sockaddr_storage *out)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)out;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)out;
	struct sockaddr_un *path = (struct sockaddr_un *)(void *)out;

	*out = (struct sockaddr_storage){0};
	if (t->address.family == 4) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(t->port);
		memcpy(&v4->sin_addr, t->address.bytes, 4);
		return sizeof(*v4);
	}
	if (t->address.family == 6) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons(t->port);
		memcpy(&v6->sin6_addr, t->address.bytes, 16);
		return sizeof(*v6);
	}
	path->sun_family = AF_UNIX;
	memcpy(path->sun_path, t->path, strlen(t->path));
	return sizeof(*path);
}

_Static_assert(RELAY_PATH_MAX <= sizeof(((struct sockaddr_un *)0)->sun_path), "a path fits with its NUL");

/* What the kernel says: noted, and done by relays_turn. */
static void server_ready(struct loop_watch *watch, uint32_t events)
{
	struct relay_server *v = (struct relay_server *)(void *)((char *)watch - offsetof(struct relay_server, watch));

	v->readable |= (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	v->writable |= (events & (EPOLLOUT | EPOLLERR)) != 0;
	v->ending |= (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
	v->failed |= (events & EPOLLERR) != 0;
	v->opened |= (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)) == EPOLLOUT;
	server_activate(v);
}

/* A new upstream. It may be written to at once: over the loopback, a connect that is under way has often succeeded. */
static void server_open(struct relays *r, struct relay_upstream *u, nstime now)
{
	const struct relay_target *t = relay_target(u);
	struct relay_server *v = calloc(1, sizeof(*v));
	struct sockaddr_storage address;
	socklen_t len = address_of(t, &address);

	if (!v)
		log_fatal("out of memory for a server's socket");
	*v = (struct relay_server){
		.watch = {.ready = server_ready},
		.relays = r,
		.up = u,
		.writable = true,
		.has_room = true,
	};
	relay_set_user(u, v);
	v->watch.fd = socket(address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	v->opened = v->watch.fd >= 0 && !connect(v->watch.fd, (struct sockaddr *)&address, len);
	if ((!v->opened && errno != EINPROGRESS) ||
	    loop_add(r->loop, &v->watch, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET) < 0) {
		server_fail(v, end_of(errno), now);
		return;
	}
	server_activate(v);
}

static void server_connected(struct relay_server *v, nstime now)
{
	if (v->connected)
		return;
	v->connected = true;
	relay_connected(v->up, now);
}

/* The socket's error, if it has one; an error that no read or write will meet would else be never told. False: it ends
 * of it. */
static bool server_sound(struct relay_server *v, nstime now)
{
	int error = 0;
	socklen_t len = sizeof(error);

	if (!v->failed || (v->connected && !v->input_over))
		return true;
	v->failed = false;
	getsockopt(v->watch.fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (!error)
		return true;
	server_fail(v, v->connected ? RELAY_END_SERVER_RESET : end_of(error), now);
	return false;
}

/* ---- carrying ---- */

/* What is written first leaves at once. What follows would wait for its acknowledgement, if Nagle's algorithm were not
 * switched off then. */
static void server_hurry(struct relay_server *v)
{
	const int on = 1;

	if (v->written && !v->nodelay && relay_target(v->up)->address.family)
		setsockopt(v->watch.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	v->nodelay = v->written;
	v->written = true;
}

/* From the client to the server; false when the server's connection failed. */
static bool server_write(struct relay_server *v, nstime now)
{
	struct iovec pieces[PIECES_MAX];
	struct msghdr m = {.msg_iov = pieces};
	size_t len;
	ssize_t n;

	while (v->writable && (m.msg_iovlen = relay_output(v->up, pieces, PIECES_MAX))) {
		len = 0;
		for (size_t i = 0; i < m.msg_iovlen; i++)
			len += pieces[i].iov_len;
		server_hurry(v);
		n = sendmsg(v->watch.fd, &m, MSG_NOSIGNAL);
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			v->writable = errno == EINTR;
			return true;
		}
		if (n < 0) {
			server_fail(v, v->connected ? RELAY_END_SERVER_RESET : end_of(errno), now);
			return false;
		}
		server_connected(v, now);
		relay_output_done(v->up, (size_t)n, now);
		node_touch(v->relays, v->up);
		v->writable = (size_t)n == len;
	}
	if (m.msg_iovlen || !v->writable)
		return true;
	if (relay_output_over(v->up)) {
		if (!v->connected)
			return true;
		if (!v->input_over) /* else it is closed at once */
			shutdown(v->watch.fd, SHUT_WR);
		relay_output_end(v->up, now);
		node_touch(v->relays, v->up);
	}
	v->has_output = false;
	return true;
}

/* From the server to the client. */
static void server_read(struct relay_server *v, nstime now)
{
	struct relays *r = v->relays;

	while (v->readable && !v->input_over) {
		size_t room = relay_room(v->up);
		ssize_t n;

		v->has_room = room;
		if (!room)
			return;
		room = room < RELAYS_READ_MAX ? room : RELAYS_READ_MAX;
		n = recv(v->watch.fd, r->buffer, room, 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			v->readable = false;
			return;
		}
		node_touch(r, v->up);
		if (n < 0) {
			server_fail(v, RELAY_END_SERVER_RESET, now);
			return;
		}
		if (n == 0) {
			v->input_over = true;
			relay_input_end(v->up, now);
			return;
		}
		relay_input(v->up, r->buffer, (size_t)n, now);
		v->readable = v->ending || (size_t)n == room;
	}
}

static void server_serve(struct relay_server *v, nstime now)
{
	if (!server_sound(v, now))
		return;
	if (v->opened)
		server_connected(v, now);
	if (v->has_output && !server_write(v, now))
		return;
	server_read(v, now);
	server_sound(v, now);
}

/* ---- turns ---- */

static void upstream_told(struct relays *r, struct relay_upstream *u, unsigned what, nstime now)
{
	struct relay_server *v = relay_user(u);

	if (what & RELAY_GONE) {
		node_touch(r, u);
		server_free(v);
		relay_release(u);
		return;
	}
	if (what & RELAY_OPEN) {
		server_open(r, u, now);
		v = relay_user(u);
	}
	v->has_output |= (what & RELAY_OUTPUT) != 0;
	v->has_room |= (what & RELAY_ROOM) != 0;
	server_activate(v);
}

static void nodes_pump(struct relays *r, nstime now)
{
	for (size_t i = 0; i < r->touched_count; i++) {
		struct world_node *wn = r->touched[i];

		r->is_touched[wn->device - 1] = false;
		if (!wn->node)
			continue;
		node_pump(wn->node, now);
		world_node_settle(wn);
	}
	r->touched_count = 0;
}

/* One round: false when there was nothing to do. */
static bool relays_round(struct relays *r, nstime now)
{
	struct relay_upstream *u;
	struct relay_server *v;
	unsigned what;
	bool any = false;

	while ((u = relay_next(r->relay, &what))) {
		upstream_told(r, u, what, now);
		any = true;
	}
	while ((v = TAILQ_FIRST(&r->active))) {
		TAILQ_REMOVE(&r->active, v, active);
		v->is_active = false;
		server_serve(v, now);
		any = true;
	}
	nodes_pump(r, now);
	return any;
}

void relays_turn(struct relays *r, nstime now)
{
	relay_expire(r->relay, now);
	while (relays_round(r, now))
		;
}

uint64_t relays_stop(struct relays *r, nstime now)
{
	uint64_t count = relay_stop(r->relay, now);

	relays_turn(r, now);
	return count;
}

nstime relays_expiry(const struct relays *r)
{
	return relay_expiry(r->relay);
}

void relays_fini(struct relays *r)
{
	struct relay_upstream *u;
	unsigned what;

	while ((u = relay_next(r->relay, &what))) { /* the nodes are gone, and so is each */
		server_free(relay_user(u));
		relay_release(u);
	}
	relay_free(r->relay);
	free(r->touched);
	free(r->is_touched);
	free(r->buffer);
}
