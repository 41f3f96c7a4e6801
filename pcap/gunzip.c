/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/gunzip.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define GUNZIP_BUFFER_LEN 32768U
#define STREAM_BUFFER_LEN (2U * GUNZIP_BUFFER_LEN) /* so much that zlib reads plain files right into it */

struct gunzip {
	gzFile gz;
	struct interfaces *interfaces;
};

static ssize_t stream_read(void *cookie, char *p, size_t n)
{
	struct gunzip *g = cookie;
	int r = gzread(g->gz, p, (unsigned)(n < STREAM_BUFFER_LEN ? n : STREAM_BUFFER_LEN));

	if (r < 0)
		errno = EIO;
	else
		interfaces_watch(g->interfaces, (const uint8_t *)p, (size_t)r);
	return r;
}

static int stream_close(void *cookie)
{
	struct gunzip *g = cookie;

	if (g->gz)
		gzclose_r(g->gz);
	interfaces_free(g->interfaces);
	free(g);
	return 0;
}

/* A descriptor for reading; -1 with errno. */
static int file_open(const char *path)
{
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISDIR(st.st_mode))
		return fd;
	close(fd);
	errno = EISDIR;
	return -1;
}

FILE *gunzip_open(const char *path, struct gunzip **out)
{
	const cookie_io_functions_t functions = {.read = stream_read, .close = stream_close};
	int fd = file_open(path);
	FILE *f = NULL;

	if (fd < 0)
		return NULL;
	struct gunzip *g = calloc(1, sizeof(*g));

	if (g) {
		g->gz = gzdopen(fd, "rb");
		g->interfaces = interfaces_new();
	}
	if (!g || !g->gz)
		close(fd);
	if (g && g->gz && g->interfaces) {
		gzbuffer(g->gz, GUNZIP_BUFFER_LEN);
		f = fopencookie(g, "rb", functions);
	}
	if (f) {
		setvbuf(f, NULL, _IOFBF, STREAM_BUFFER_LEN);
		*out = g;
		return f;
	}
	if (g)
		stream_close(g);
	errno = ENOMEM;
	return NULL;
}

const char *gunzip_why(struct gunzip *g, int *cut)
{
	int number;
	const char *text = gzerror(g->gz, &number);

	*cut = number == Z_BUF_ERROR;
	if (number == Z_OK || number == Z_STREAM_END)
		return NULL;
	return *text ? text : "read error";
}

struct interfaces *gunzip_interfaces(struct gunzip *g)
{
	return g->interfaces;
}
