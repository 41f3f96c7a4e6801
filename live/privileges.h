/* SPDX-License-Identifier: BSD-3-Clause */
/* Who the process is: what needs rights (devices, low ports) is opened as who it was started, files are made as the
 * user it becomes, and from then on it has no right that this user does not have, nor any capability, for good.
 *
 *     privileges_find; privileges_directory, privileges_assume; files; privileges_resume; devices; privileges_drop
 *
 * Without a user a process that is not root's gives up capabilities that it was started with; root's stays as it is.
 * Caller: live/live.c. */
#ifndef BATON_LIVE_PRIVILEGES_H
#define BATON_LIVE_PRIVILEGES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct privileges {
	const char *user; /* NULL: none was asked for */
	uid_t uid;
	gid_t gid;
	bool change; /* it becomes this user; else it is already, or nobody was asked for */
	bool assumed;
};

/* Finds the user. E_INVAL: there is no such; E_AUTH: the process is not root, and is another user. */
int privileges_find(struct privileges *p, const char *user, char *why, size_t why_size);

/* Makes a directory with its parents; those that it makes are the user's. 0, or E_IO with errno set. */
int privileges_directory(const struct privileges *p, const char *path);

/* Acts as the user for a while, who belongs to `group` as well (NULL: no other than its own). No effect without a
 * change to come, or with a group that does not exist. */
void privileges_assume(struct privileges *p, const char *group);
void privileges_resume(struct privileges *p);

/* Becomes the user and gives up all capabilities; then looks whether that is so. E_AUTH: it is not, and the process
 * must not go on. */
int privileges_drop(struct privileges *p, char *why, size_t why_size);

#endif
