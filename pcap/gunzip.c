/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/gunzip.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GUNZIP_BUFFER_LEN 131072U

static ssize_t stream_read(void *cookie, char *p, size_t n)
{
	int r = gzread(cookie, p, (unsigned)(n < GUNZIP_BUFFER_LEN ? n : GUNZIP_BUFFER_LEN));

	if (r < 0)
		errno = EIO;
	return r;
}

static int stream_close(void *cookie)
{
	gzclose_r(cookie);
	return 0;
}

FILE *gunzip_open(const char *path, gzFile *gz)
{
	const cookie_io_functions_t functions = {.read = stream_read, .close = stream_close};
	int fd = strcmp(path, "-") ? open(path, O_RDONLY | O_CLOEXEC) : dup(STDIN_FILENO);
	struct stat st;

	if (fd < 0)
		return NULL;
	if (!fstat(fd, &st) && S_ISDIR(st.st_mode)) {
		close(fd);
		errno = EISDIR;
		return NULL;
	}
	*gz = gzdopen(fd, "rb");
	if (!*gz) {
		close(fd);
		errno = ENOMEM;
		return NULL;
	}
	gzbuffer(*gz, GUNZIP_BUFFER_LEN);
	FILE *f = fopencookie(*gz, "rb", functions);

	if (!f)
		gzclose_r(*gz);
	return f;
}

const char *gunzip_why(gzFile gz, int *cut)
{
	int number;
	const char *text = gzerror(gz, &number);

	*cut = number == Z_BUF_ERROR;
	if (number == Z_OK || number == Z_STREAM_END)
		return NULL;
	return *text ? text : "read error";
}
