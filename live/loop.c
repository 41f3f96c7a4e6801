/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/loop.h"

#include "base/err.h"

#include <errno.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * NSTIME_S + (uint64_t)t.tv_nsec;
}

int loop_init(struct loop *l)
{
	*l = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC), .start_ns = clock_ns()};
	if (l->epoll < 0)
		return E_IO;
	prctl(PR_SET_TIMERSLACK, 1UL); /* the kernel would let 50 us pass to wake fewer times */
	return 0;
}

void loop_fini(struct loop *l)
{
	close(l->epoll);
}

void loop_restart(struct loop *l)
{
	l->start_ns = clock_ns();
}

nstime loop_now(const struct loop *l)
{
	return clock_ns() - l->start_ns;
}

int loop_add(struct loop *l, struct loop_watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	w->events = events;
	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, w->fd, &e) < 0 ? E_IO : 0;
}

void loop_change(struct loop *l, struct loop_watch *w, uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	if (w->events == events)
		return;
	w->events = events;
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, w->fd, &e);
}

/* What it was ready for is not told any more. */
static void watch_forget(struct loop *l, struct loop_watch *w)
{
	w->fd = -1;
	for (int i = l->batch_at; i < l->batch_count; i++)
		if (l->batch[i].data.ptr == w)
			l->batch[i].data.ptr = NULL;
}

void loop_remove(struct loop *l, struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	watch_forget(l, w);
}

void loop_close(struct loop *l, struct loop_watch *w)
{
	if (w->fd < 0)
		return;
	close(w->fd);
	watch_forget(l, w);
}

int loop_wait(struct loop *l, nstime until)
{
	nstime now = until == NSTIME_NEVER || !until ? 0 : loop_now(l);
	nstime wait = until > now ? until - now : 0;
	const struct timespec timeout = {.tv_sec = (time_t)(wait / NSTIME_S), .tv_nsec = (long)(wait % NSTIME_S)};

	l->batch_at = 0;
	l->batch_count = epoll_pwait2(l->epoll, l->batch, LOOP_BATCH, until == NSTIME_NEVER ? NULL : &timeout, NULL);
	if (l->batch_count < 0) {
		l->batch_count = 0;
		return errno == EINTR ? 0 : E_IO;
	}
	return 0;
}

void loop_dispatch(struct loop *l)
{
	while (l->batch_at < l->batch_count) {
		const struct epoll_event *e = &l->batch[l->batch_at++];
		struct loop_watch *w = e->data.ptr;

		if (w)
			w->ready(w, e->events);
	}
}
