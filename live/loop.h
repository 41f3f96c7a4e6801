/* SPDX-License-Identifier: BSD-3-Clause */
/* Real time: the machine's monotonic clock from zero on, and waiting until a moment or until descriptors are ready.
 *
 * Nothing is waited for twice and nothing spins: a loop without watches and without an end sleeps for good. What is
 * ready is told one by one, by the watch's function, within loop_dispatch. It knows no engine and no device. Callers:
 * what is in live/. */
#ifndef BATON_LIVE_LOOP_H
#define BATON_LIVE_LOOP_H

#include "base/nstime.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#define LOOP_BATCH 64 /* descriptors told of in one wait */

/* One descriptor; its owner embeds it. `ready` gets the EPOLL bits that hold, and may add, change and remove any watch.
 */
struct loop_watch {
	void (*ready)(struct loop_watch *watch, uint32_t events);
	int fd;
	uint32_t events; /* that are waited for; set by loop_add and loop_change */
};

struct loop {
	int epoll;
	uint64_t start_ns; /* the clock at zero */
	struct epoll_event batch[LOOP_BATCH];
	int batch_count, batch_at; /* what loop_wait found, and how far it was told */
};

/* 0, or E_IO with errno set. */
int loop_init(struct loop *l);
void loop_fini(struct loop *l); /* the watches' descriptors are their owners' */

/* Time begins again at zero. */
void loop_restart(struct loop *l);

/* Since loop_init or loop_restart. */
nstime loop_now(const struct loop *l);

/* Watches w->fd, level-triggered. 0, or E_IO with errno set. */
int loop_add(struct loop *l, struct loop_watch *w, uint32_t events);

/* Waits for other events of a watch; 0 is none but errors. No call into the kernel when nothing changes. */
void loop_change(struct loop *l, struct loop_watch *w, uint32_t events);

/* Before its descriptor is closed. No effect when it is not watched (fd < 0). Sets w->fd to -1. */
void loop_remove(struct loop *l, struct loop_watch *w);

/* Closes the watch's descriptor, which is the only one of its file: the kernel stops watching by itself. No effect when
 * fd < 0. Sets w->fd to -1. */
void loop_close(struct loop *l, struct loop_watch *w);

/* Waits until `until` (past: not at all; NSTIME_NEVER: for good) or until descriptors are ready. 0, or E_IO with errno
 * set. */
int loop_wait(struct loop *l, nstime until);

/* Tells of those that the last loop_wait found. */
void loop_dispatch(struct loop *l);

#endif
