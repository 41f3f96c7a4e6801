/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/exporter.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <limits.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BACKLOG   16
#define STEPS_MAX 32U
#define NEVER     ULLONG_MAX

struct exporter {
	struct exporter_config config;
	struct loop *loop;
	struct MHD_Daemon *daemon;
	struct loop_watch sockets; /* the library's epoll descriptor */
	struct loop_watch timer;
	bool armed;
	uint64_t scrapes;
};

/* ---- answers ---- */

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status, const char *text)
{
	/* (the library takes a text that it does not change as one that it could) */
	struct MHD_Response *r =
		MHD_create_response_from_buffer(strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_PERSISTENT);
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, "text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	result = MHD_queue_response(c, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result answer_metrics(struct exporter *x, struct MHD_Connection *c)
{
	struct exposition e = {0};
	struct MHD_Response *r;
	enum MHD_Result result;

	x->config.collect(x->config.context, &e);
	r = MHD_create_response_from_buffer(e.len, e.text, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(e.text);
		return MHD_NO;
	}
	x->scrapes++;
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, EXPOSITION_TYPE);
	result = MHD_queue_response(c, MHD_HTTP_OK, r);
	MHD_destroy_response(r);
	return result;
}

/* First called with the head alone; what a client sends behind it is thrown away. */
static enum MHD_Result answer(void *context, struct MHD_Connection *c, const char *url, const char *method,
			      const char *version, const char *upload, size_t *upload_len, void **state)
{
	static int head_seen;

	(void)version, (void)upload;
	if (!*state) {
		*state = &head_seen;
		return MHD_YES;
	}
	if (*upload_len) {
		*upload_len = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET and HEAD\n");
	if (!strcmp(url, "/metrics"))
		return answer_metrics(context, c);
	return answer_text(c, MHD_HTTP_NOT_FOUND, "the metrics are at /metrics\n");
}

/* ---- the loop ---- */

static unsigned connections(const struct exporter *x)
{
	const union MHD_DaemonInfo *info = MHD_get_daemon_info(x->daemon, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);

	return info ? info->num_connections : 0;
}

/* When the library is to be called again though no socket is ready: in `ms`; NEVER. */
static void timer_arm(struct exporter *x, unsigned long long ms)
{
	const struct timespec once = {.tv_sec = ms == NEVER ? 0 : (time_t)(ms / 1000),
				      .tv_nsec = ms == NEVER ? 0 : (long)(ms % 1000) * 1000000};

	if (x->armed || ms != NEVER)
		timerfd_settime(x->timer.fd, 0, &(const struct itimerspec){.it_value = once}, NULL);
	x->armed = ms != NEVER;
}

/* The library works in small steps, some of which it does not wait for a socket with; the run has its turn after
 * STEPS_MAX of them. That it may accept again, after it was full, it finds at the call after the one that made room. */
static void work(struct exporter *x)
{
	bool full = connections(x) >= EXPORTER_CLIENTS_MAX;
	MHD_UNSIGNED_LONG_LONG ms = 0;

	for (unsigned i = 0; i < STEPS_MAX && !ms; i++) {
		MHD_run(x->daemon);
		if (full && connections(x) < EXPORTER_CLIENTS_MAX)
			full = false;
		else if (MHD_get_timeout(x->daemon, &ms) != MHD_YES)
			ms = NEVER;
	}
	timer_arm(x, ms ? ms : 1);
}

static void sockets_ready(struct loop_watch *w, uint32_t events)
{
	struct exporter *x = (struct exporter *)(void *)((char *)w - offsetof(struct exporter, sockets));

	(void)events;
	work(x);
}

static void timer_ready(struct loop_watch *w, uint32_t events)
{
	struct exporter *x = (struct exporter *)(void *)((char *)w - offsetof(struct exporter, timer));
	uint64_t times;

	(void)events;
	(void)!read(w->fd, &times, sizeof times);
	work(x);
}

/* ---- open and close ---- */

static socklen_t address_fill(struct sockaddr_storage *out, const struct addr *a, uint16_t port)
{
	memset(out, 0, sizeof *out);
	if (a->family == 6) {
		struct sockaddr_in6 *s = (struct sockaddr_in6 *)out;

		s->sin6_family = AF_INET6;
		s->sin6_port = htons(port);
		memcpy(&s->sin6_addr, a->bytes, sizeof s->sin6_addr);
		return sizeof *s;
	}
	struct sockaddr_in *s = (struct sockaddr_in *)out;

	s->sin_family = AF_INET;
	s->sin_port = htons(port);
	memcpy(&s->sin_addr, a->bytes, sizeof s->sin_addr);
	return sizeof *s;
}

static int fail(const struct exporter_config *c, char why[EXPORTER_WHY_MAX])
{
	char address[ADDR_TEXT_MAX];
	int number = errno;

	snprintf(why, EXPORTER_WHY_MAX, c->address.family == 6 ? "metrics on [%s]:%u: %s" : "metrics on %s:%u: %s",
		 addr_text(&c->address, address), c->port,
		 number == EADDRINUSE ? "the address is in use: another process listens there" : strerror(number));
	switch (number) {
	case EADDRINUSE:
		return E_EXISTS;
	case EACCES:
		return E_AUTH;
	case EADDRNOTAVAIL:
		return E_NOENT;
	default:
		return E_IO;
	}
}

/* A socket that listens, or -1 with errno set. */
static int listen_at(const struct exporter_config *c)
{
	struct sockaddr_storage address;
	socklen_t len = address_fill(&address, &c->address, c->port);
	int fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int yes = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (!bind(fd, (const struct sockaddr *)&address, len) && !listen(fd, BACKLOG))
		return fd;
	int number = errno;

	close(fd);
	errno = number;
	return -1;
}

/* Takes the descriptor over when it succeeds. */
static int daemon_start(struct exporter *x, int fd)
{
	const union MHD_DaemonInfo *info;

	x->daemon = MHD_start_daemon(MHD_USE_EPOLL, 0, NULL, NULL, answer, x, MHD_OPTION_LISTEN_SOCKET, fd,
				     MHD_OPTION_CONNECTION_LIMIT, EXPORTER_CLIENTS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				     EXPORTER_PATIENCE_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
				     (size_t)EXPORTER_BYTES_MAX, MHD_OPTION_END);
	if (!x->daemon)
		return -1;
	info = MHD_get_daemon_info(x->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	x->sockets.fd = info->epoll_fd;
	x->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (x->timer.fd < 0 || loop_add(x->loop, &x->timer, EPOLLIN) < 0)
		return -1;
	return loop_add(x->loop, &x->sockets, EPOLLIN);
}

int exporter_open(struct exporter **out, struct loop *l, const struct exporter_config *config,
		  char why[EXPORTER_WHY_MAX])
{
	struct exporter *x = calloc(1, sizeof *x);
	int fd = listen_at(config), r = 0;

	*out = NULL;
	if (!x)
		log_fatal("out of memory: metrics");
	*x = (struct exporter){
		.config = *config,
		.loop = l,
		.sockets = {.ready = sockets_ready, .fd = -1},
		.timer = {.ready = timer_ready, .fd = -1},
	};
	if (fd < 0 || daemon_start(x, fd) < 0) {
		r = fail(config, why);
		if (fd >= 0 && !x->daemon)
			close(fd);
		exporter_close(x);
		return r;
	}
	*out = x;
	return 0;
}

void exporter_close(struct exporter *x)
{
	if (!x)
		return;
	int timer = x->timer.fd;

	loop_remove(x->loop, &x->timer);
	if (timer >= 0)
		close(timer);
	loop_remove(x->loop, &x->sockets);
	if (x->daemon)
		MHD_stop_daemon(x->daemon);
	free(x);
}

uint64_t exporter_scrapes(const struct exporter *x)
{
	return x->scrapes;
}
