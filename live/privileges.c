/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/privileges.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_BYTES_MAX   4096U
#define CAPABILITIES_MAX 64UL /* more than any kernel has */

int privileges_find(struct privileges *p, const char *user, char *why, size_t why_size)
{
	const struct passwd *entry;

	*p = (struct privileges){.user = user};
	if (!user)
		return 0;
	entry = getpwnam(user);
	if (!entry) {
		snprintf(why, why_size, "there is no user '%s'", user);
		return E_INVAL;
	}
	p->uid = entry->pw_uid;
	p->gid = entry->pw_gid;
	p->change = geteuid() != p->uid;
	if (p->change && geteuid() != 0) {
		snprintf(why, why_size, "only root can become user '%s'", user);
		return E_AUTH;
	}
	return 0;
}

int privileges_directory(const struct privileges *p, const char *path)
{
	char part[PATH_BYTES_MAX];
	size_t len = strlen(path);

	if (len >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return E_IO;
	}
	for (size_t i = 1; i <= len; i++) {
		if (path[i] != '/' && path[i] != '\0')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) < 0) {
			if (errno != EEXIST)
				return E_IO;
		} else if (p->change && fchownat(AT_FDCWD, part, p->uid, p->gid, AT_SYMLINK_NOFOLLOW) < 0) {
			return E_IO;
		}
	}
	return 0;
}

/* That these calls fail for root cannot be; going on as root would be worse than ending. */
static void must(int result, const char *what)
{
	if (result < 0)
		log_fatal("%s: %s", what, strerror(errno));
}

void privileges_assume(struct privileges *p, const char *group)
{
	const struct group *entry = group ? getgrnam(group) : NULL;
	const gid_t groups[2] = {p->gid, entry ? entry->gr_gid : p->gid};

	if (!p->change)
		return;
	must(setgroups(2, groups), "setgroups");
	must(setegid(p->gid), "setegid");
	must(seteuid(p->uid), "seteuid");
	p->assumed = true;
}

void privileges_resume(struct privileges *p)
{
	if (!p->assumed)
		return;
	must(seteuid(0), "seteuid");
	must(setegid(0), "setegid");
	must(setgroups(0, NULL), "setgroups");
	p->assumed = false;
}

/* ---- for good ---- */

static int capabilities_set_none(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {0};

	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return (int)syscall(SYS_capset, &header, data);
}

/* As far as it is allowed to: a process without CAP_SETPCAP keeps its bounding set, which no_new_privs makes moot. */
static void capabilities_unbind(void)
{
	for (unsigned long c = 0; c < CAPABILITIES_MAX; c++)
		prctl(PR_CAPBSET_DROP, c, 0, 0, 0);
}

static bool capabilities_are_none(void)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return false;
	for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++)
		if (data[i].effective || data[i].permitted || data[i].inheritable)
			return false;
	return true;
}

static bool become(const struct privileges *p)
{
	return !setgroups(1, &p->gid) && !setresgid(p->gid, p->gid, p->gid) && !setresuid(p->uid, p->uid, p->uid);
}

static bool is_user(const struct privileges *p)
{
	uid_t u[3];
	gid_t g[3], group;

	return !getresuid(&u[0], &u[1], &u[2]) && !getresgid(&g[0], &g[1], &g[2]) && u[0] == p->uid && u[1] == p->uid &&
	       u[2] == p->uid && g[0] == p->gid && g[1] == p->gid && g[2] == p->gid && getgroups(1, &group) == 1 &&
	       group == p->gid && (p->uid == 0 || setuid(0) < 0);
}

int privileges_drop(struct privileges *p, char *why, size_t why_size)
{
	if (!p->user && geteuid() == 0)
		return 0;
	capabilities_unbind();
	if (p->change && !become(p)) {
		snprintf(why, why_size, "the process cannot become user '%s': %s", p->user, strerror(errno));
		return E_AUTH;
	}
	if (capabilities_set_none() < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || !capabilities_are_none() ||
	    prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 || (p->change && !is_user(p))) {
		snprintf(why, why_size, "the process cannot give up its privileges, and does not go on with them");
		return E_AUTH;
	}
	p->change = false;
	return 0;
}
