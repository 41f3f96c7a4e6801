/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/control_socket.h"

#include "base/err.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

struct words {
	char *text;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int fail(struct words why, int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why.text, why.size, format, arguments);
	va_end(arguments);
	return err;
}

static int fail_errno(struct words why, const char *path, const char *what)
{
	int err = errno == EACCES || errno == EPERM ? E_AUTH : errno == ENOENT ? E_NOENT : E_IO;

	return fail(why, err, "control socket '%s' %s: %s", path, what, strerror(errno));
}

/* Whether a process listens at the address; on errors, that may be. */
static bool somebody_listens(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead;

	if (fd < 0)
		return true;
	dead = connect(fd, (const struct sockaddr *)address, sizeof *address) < 0 && errno == ECONNREFUSED;
	close(fd);
	return !dead;
}

/* What is at the path is in the way: 0 when it was a dead socket and is gone. */
static int make_room(const struct sockaddr_un *address, struct words why)
{
	const char *path = address->sun_path;
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : fail_errno(why, path, "cannot be looked at");
	if (!S_ISSOCK(st.st_mode))
		return fail(why, E_EXISTS, "control socket '%s': there is something already, which is no socket", path);
	if (somebody_listens(address))
		return fail(why, E_EXISTS, "control socket '%s': the address is in use: another process listens there",
			    path);
	return unlink(path) < 0 ? fail_errno(why, path, "was left behind, and cannot be removed") : 0;
}

/* The file gets its permissions as it is made, from those of the descriptor. */
static int bind_file(int fd, const struct sockaddr_un *address, unsigned mode)
{
	mode_t mask = umask(0);
	int r = fchmod(fd, mode);

	if (!r)
		r = bind(fd, (const struct sockaddr *)address, sizeof *address);
	umask(mask);
	return r;
}

static int give_group(const char *path, const char *name, struct words why)
{
	const struct group *group = getgrnam(name);

	if (!group)
		return fail(why, E_NOENT, "control socket '%s': there is no group '%s'", path, name);
	if (fchownat(AT_FDCWD, path, (uid_t)-1, group->gr_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return fail(why, E_AUTH, "control socket '%s' cannot be given to group '%s': %s", path, name,
			    strerror(errno));
	return 0;
}

static int listen_at(struct control_socket *s, const struct sockaddr_un *address, unsigned mode, const char *group,
		     struct words why)
{
	const char *path = address->sun_path;
	struct stat st;
	int r = bind_file(s->fd, address, mode);

	if (r < 0 && errno == EADDRINUSE) {
		r = make_room(address, why);
		if (r < 0)
			return r;
		r = bind_file(s->fd, address, mode);
	}
	if (r < 0)
		return fail_errno(why, path, "cannot be made");
	if (lstat(path, &st) < 0)
		return fail_errno(why, path, "cannot be looked at");
	s->device = st.st_dev;
	s->inode = st.st_ino;
	if (group && (r = give_group(path, group, why)) < 0)
		return r;
	return listen(s->fd, BACKLOG) < 0 ? fail_errno(why, path, "cannot be listened on") : 0;
}

int control_socket_open(struct control_socket *s, const char *path, unsigned mode, const char *group, char *why,
			size_t why_size)
{
	struct words words = {why, why_size};
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	*s = (struct control_socket){.fd = -1};
	if (strlen(path) >= sizeof address.sun_path)
		return fail(words, E_INVAL, "control socket '%s': the path is longer than %zu characters", path,
			    sizeof address.sun_path - 1);
	strcpy(address.sun_path, path);
	s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return fail_errno(words, path, "cannot be made");
	int r = listen_at(s, &address, mode, group, words);

	if (r < 0)
		control_socket_close(s, path);
	return r;
}

void control_socket_close(struct control_socket *s, const char *path)
{
	struct stat st;

	if (s->fd < 0)
		return;
	if (s->inode && !lstat(path, &st) && st.st_dev == s->device && st.st_ino == s->inode)
		unlink(path);
	close(s->fd);
	s->fd = -1;
}
