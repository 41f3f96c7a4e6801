/* SPDX-License-Identifier: BSD-3-Clause */
/* A Unix stream socket that listens at a path: made with its permissions, in place of one that nobody listens on any
 * more, and removed without taking another process's with it. Caller: live/control.c. */
#ifndef BATON_LIVE_CONTROL_SOCKET_H
#define BATON_LIVE_CONTROL_SOCKET_H

#include <stddef.h>
#include <sys/types.h>

struct control_socket {
	int fd;
	dev_t device; /* of its file, so that it is known again */
	ino_t inode;
};

/* Errors as control_open; `why` has why_size bytes. */
int control_socket_open(struct control_socket *s, const char *path, unsigned mode, const char *group, char *why,
			size_t why_size);
void control_socket_close(struct control_socket *s, const char *path);

#endif
