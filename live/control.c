/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/control.h"

#include "base/err.h"
#include "base/log.h"
#include "live/control_socket.h"

#include <errno.h>
#include <jansson.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SWEEP_NS     (1 * NSTIME_S) /* how often slow clients are looked for, while there are clients */
#define ACCEPT_BATCH 8U

struct client {
	struct loop_watch watch; /* fd -1: no client */
	struct control *control;
	char in[CONTROL_REQUEST_MAX + 1]; /* with the line's end */
	size_t in_len;
	char *out; /* an answer that is not gone yet; NULL: none */
	size_t out_len, out_at;
	bool eof;     /* it will ask no more */
	bool ending;  /* closed once the answer is gone */
	nstime since; /* when it began a request, was given an answer, or had taken it */
};

struct control {
	struct control_config config;
	struct loop *loop;
	struct control_socket socket;
	struct loop_watch listener, timer;
	bool sweeping; /* the timer is set */
	struct client clients[CONTROL_CLIENTS_MAX];
	struct control_counters counters;
};

/* ---- answers ---- */

static void client_close(struct client *k)
{
	int fd = k->watch.fd;

	loop_remove(k->control->loop, &k->watch);
	close(fd);
	free(k->out);
	k->out = NULL;
}

static json_t *failure(const char *why)
{
	/* What a request had in it may be cut within a character. */
	json_t *text = json_string(why);

	return json_pack("{s:b, s:o}", "ok", 0, "error", text ? text : json_string("malformed"));
}

/* A line of JSON as text, to be freed. */
static char *line_of(json_t *object, size_t *len)
{
	char *text = object ? json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(12)) : NULL;

	if (!text)
		log_fatal("out of memory: an answer");
	json_decref(object);
	*len = strlen(text) + 1;
	text[*len - 1] = '\n'; /* instead of its end */
	return text;
}

static json_t *answer(struct control *c, const char *line, size_t len)
{
	struct control_request r;
	char why[CONTROL_WHY_MAX] = "";
	json_t *result, *object;

	c->counters.requests++;
	if (control_request_parse(&r, line, len, why) < 0) {
		c->counters.malformed++;
		return failure(why);
	}
	result = c->config.answer(c->config.context, &r, why);
	if (!result)
		return failure(why);
	object = json_pack("{s:b}", "ok", 1);
	if (!object || json_object_update(object, result) < 0)
		log_fatal("out of memory: an answer");
	json_decref(result);
	return object;
}

/* ---- one client ---- */

static bool has_line(const struct client *k)
{
	return memchr(k->in, '\n', k->in_len);
}

/* Takes a request, if there is a whole one, and makes its answer. */
static void client_serve(struct client *k)
{
	struct control *c = k->control;
	const char *end = memchr(k->in, '\n', k->in_len);
	size_t len = end ? (size_t)(end - k->in) : 0;

	if (!end && k->in_len < sizeof k->in)
		return;
	if (!end) {
		char why[CONTROL_WHY_MAX];

		c->counters.requests++;
		c->counters.malformed++;
		snprintf(why, sizeof why, "a request is a line of %u bytes at most", CONTROL_REQUEST_MAX);
		k->out = line_of(failure(why), &k->out_len);
		k->ending = true;
		k->in_len = 0;
		return;
	}
	k->out = line_of(answer(c, k->in, len && end[-1] == '\r' ? len - 1 : len), &k->out_len);
	k->in_len -= len + 1;
	memmove(k->in, end + 1, k->in_len);
}

/* False: the client is gone. */
static bool client_send(struct client *k)
{
	while (k->out) {
		ssize_t n = send(k->watch.fd, k->out + k->out_at, k->out_len - k->out_at, MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		k->out_at += (size_t)n;
		if (k->out_at < k->out_len)
			continue;
		free(k->out);
		k->out = NULL;
		k->out_at = k->out_len = 0;
	}
	return true;
}

/* False: the client is gone. */
static bool client_receive(struct client *k)
{
	ssize_t n = recv(k->watch.fd, k->in + k->in_len, sizeof k->in - k->in_len, 0);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	k->in_len += (size_t)n;
	k->eof = n == 0;
	return true;
}

/* One step: what came is taken in, one request is answered, what fits is sent. The next request waits until the run
 * had its turn. */
static void client_ready(struct loop_watch *w, uint32_t events)
{
	struct client *k = (struct client *)(void *)((char *)w - offsetof(struct client, watch));
	bool alive = !(events & EPOLLERR), began = k->in_len, answering = k->out;

	if (alive && (events & (EPOLLIN | EPOLLHUP)) && !k->out && !k->eof && !has_line(k))
		alive = client_receive(k);
	if (alive && !k->out)
		client_serve(k);
	if (alive)
		alive = client_send(k);
	if (alive && !k->out && (k->ending || (k->eof && !has_line(k))))
		alive = false;
	if (!alive) {
		client_close(k);
		return;
	}
	if ((bool)k->out != answering || (bool)k->in_len != began)
		k->since = loop_now(k->control->loop);
	loop_change(k->control->loop, &k->watch, k->out || has_line(k) ? EPOLLOUT : EPOLLIN);
}

/* ---- all of them ---- */

static void timer_set(struct control *c, bool on)
{
	const struct timespec interval = {.tv_sec = on ? SWEEP_NS / NSTIME_S : 0};

	if (c->sweeping == on)
		return;
	c->sweeping = on;
	timerfd_settime(c->timer.fd, 0, &(const struct itimerspec){interval, interval}, NULL);
}

static struct client *client_free_find(struct control *c)
{
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i].watch.fd < 0)
			return &c->clients[i];
	return NULL;
}

/* A client for which there is no room is told so, if that fits into its socket, which it does. */
static void client_refuse(struct control *c, int fd)
{
	size_t len;
	char *line = line_of(failure("there are too many clients"), &len);

	c->counters.refused++;
	(void)!send(fd, line, len, MSG_NOSIGNAL);
	free(line);
	close(fd);
}

static void client_add(struct control *c, int fd)
{
	struct client *k = client_free_find(c);

	if (!k) {
		client_refuse(c, fd);
		return;
	}
	*k = (struct client){
		.watch = {.ready = client_ready, .fd = fd},
		.control = c,
		.since = loop_now(c->loop),
	};
	if (loop_add(c->loop, &k->watch, EPOLLIN) < 0) {
		k->watch.fd = -1;
		close(fd);
		return;
	}
	c->counters.accepted++;
	timer_set(c, true);
}

/* Without descriptors nobody is accepted until the next sweep: a listener that is ready all the time would not let
 * the run sleep. */
static void listener_ready(struct loop_watch *w, uint32_t events)
{
	struct control *c = (struct control *)(void *)((char *)w - offsetof(struct control, listener));

	(void)events;
	for (unsigned i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			client_add(c, fd);
			continue;
		}
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) {
			loop_change(c->loop, w, 0);
			timer_set(c, true);
		}
		return;
	}
}

static bool is_slow(const struct client *k, nstime now)
{
	return now - k->since >= (k->out || k->in_len ? CONTROL_PATIENCE : CONTROL_IDLE);
}

static void timer_ready(struct loop_watch *w, uint32_t events)
{
	struct control *c = (struct control *)(void *)((char *)w - offsetof(struct control, timer));
	nstime now = loop_now(c->loop);
	uint64_t times;
	bool some = false;

	(void)events;
	(void)!read(w->fd, &times, sizeof times);
	loop_change(c->loop, &c->listener, EPOLLIN);
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct client *k = &c->clients[i];

		if (k->watch.fd < 0)
			continue;
		if (is_slow(k, now)) {
			c->counters.slow++;
			client_close(k);
		} else {
			some = true;
		}
	}
	if (!some)
		timer_set(c, false);
}

static int watches_add(struct control *c)
{
	c->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	c->listener.fd = c->socket.fd;
	if (c->timer.fd < 0 || loop_add(c->loop, &c->timer, EPOLLIN) < 0)
		return E_IO;
	return loop_add(c->loop, &c->listener, EPOLLIN);
}

int control_open(struct control **out, struct loop *l, const struct control_config *config, char why[CONTROL_WHY_MAX])
{
	struct control *c = calloc(1, sizeof *c);

	*out = NULL;
	if (!c)
		log_fatal("out of memory: a control socket");
	c->config = *config;
	c->loop = l;
	c->listener = (struct loop_watch){.ready = listener_ready, .fd = -1};
	c->timer = (struct loop_watch){.ready = timer_ready, .fd = -1};
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		c->clients[i].watch.fd = -1;
	int r = control_socket_open(&c->socket, config->path, config->mode, config->group, why, CONTROL_WHY_MAX);

	if (!r && (r = watches_add(c)) < 0)
		snprintf(why, CONTROL_WHY_MAX, "control socket '%s' cannot be watched: %s", config->path,
			 strerror(errno));
	if (r < 0)
		control_close(c);
	else
		*out = c;
	return r;
}

void control_close(struct control *c)
{
	if (!c)
		return;
	for (unsigned i = 0; i < CONTROL_CLIENTS_MAX; i++)
		if (c->clients[i].watch.fd >= 0)
			client_close(&c->clients[i]);
	int timer = c->timer.fd;

	loop_remove(c->loop, &c->timer);
	if (timer >= 0)
		close(timer);
	loop_remove(c->loop, &c->listener);
	control_socket_close(&c->socket, c->config.path);
	free(c);
}

const struct control_counters *control_counters(const struct control *c)
{
	return &c->counters;
}
