/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/pcapng.h"

#include "base/err.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_SECTION       0x0a0d0d0aU
#define BLOCK_INTERFACE     0x00000001U
#define BLOCK_PACKET        0x00000006U
#define BYTE_ORDER_MAGIC    0x1a2b3c4dU
#define SECTION_LEN_UNKNOWN UINT64_MAX
#define LINKTYPE_ETHERNET   1U
#define RESOLUTION_NANO     9U

#define OPTION_END         0U
#define OPTION_COMMENT     1U
#define OPTION_USERAPPL    4U
#define OPTION_NAME        2U
#define OPTION_DESCRIPTION 3U
#define OPTION_TSRESOL     9U
#define OPTION_FLAGS       2U

/* The most a block can take: a whole packet, or the texts, with all headers and options. */
#define BLOCK_LEN_MAX (PCAPNG_SNAPLEN_MAX + 2 * PCAPNG_TEXT_MAX + 256)
_Static_assert(BLOCK_LEN_MAX <= PCAPNG_BUFFER_LEN, "a block does not fit into the buffer");

struct pcapng {
	int fd;
	bool failed;
	off_t written; /* bytes in the file: whole blocks */
	int interface_count;
	uint32_t *snaplens; /* one an interface */
	uint32_t len;       /* bytes gathered */
	uint32_t block;     /* where the block being built begins */
	uint8_t buffer[PCAPNG_BUFFER_LEN];
};

static void put_bytes(struct pcapng *w, const void *p, uint32_t n)
{
	if (n)
		memcpy(w->buffer + w->len, p, n);
	w->len += n;
}

static void put_le(struct pcapng *w, uint64_t v, unsigned n)
{
	for (; n > 0; n--, v >>= 8)
		w->buffer[w->len++] = (uint8_t)v;
}

static void put_padding(struct pcapng *w)
{
	while ((w->len - w->block) % 4)
		w->buffer[w->len++] = 0;
}

static void put_option(struct pcapng *w, unsigned code, const void *p, uint32_t n)
{
	put_le(w, code, 2);
	put_le(w, n, 2);
	put_bytes(w, p, n);
	put_padding(w);
}

/* A text of more than PCAPNG_TEXT_MAX bytes is cut, at the beginning of a UTF-8 character. */
static void put_text(struct pcapng *w, unsigned code, const char *text)
{
	uint32_t n;

	if (!text)
		return;
	n = (uint32_t)strnlen(text, PCAPNG_TEXT_MAX + 1);
	if (n > PCAPNG_TEXT_MAX)
		for (n = PCAPNG_TEXT_MAX; n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80;)
			n--;
	put_option(w, code, text, n);
}

/* Takes back a part of a block that a full disk let through. What is no file has no end to set; it does not matter. */
static int pcapng_fail(struct pcapng *w)
{
	int cause = errno;

	w->failed = true;
	w->len = 0;
	if (ftruncate(w->fd, w->written) != 0)
		errno = cause;
	return E_IO;
}

int pcapng_flush(struct pcapng *w)
{
	uint32_t done = 0;

	while (done < w->len && !w->failed) {
		ssize_t n = write(w->fd, w->buffer + done, w->len - done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return pcapng_fail(w);
		done += (uint32_t)n;
	}
	w->written += done;
	w->len = 0;
	return 0;
}

/* Starts a block of at most BLOCK_LEN_MAX bytes, making room for it first. */
static int block_begin(struct pcapng *w, uint32_t type)
{
	int err = w->len + BLOCK_LEN_MAX > PCAPNG_BUFFER_LEN ? pcapng_flush(w) : 0;

	w->block = w->len;
	put_le(w, type, 4);
	put_le(w, 0, 4); /* the length, known at the end */
	return err;
}

static void block_end(struct pcapng *w)
{
	uint32_t len = w->len + 4 - w->block, end;

	put_le(w, len, 4);
	end = w->len;
	w->len = w->block + 4;
	put_le(w, len, 4);
	w->len = end;
}

struct pcapng *pcapng_open(const char *path, const struct pcapng_section *section, int *err)
{
	struct pcapng *w = malloc(sizeof *w);

	*err = E_NOMEM;
	if (!w)
		return NULL;
	w->failed = false;
	w->written = 0;
	w->interface_count = 0;
	w->snaplens = NULL;
	w->len = 0;
	*err = E_IO;
	w->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (w->fd < 0)
		goto err_after_alloc;
	block_begin(w, BLOCK_SECTION);
	put_le(w, BYTE_ORDER_MAGIC, 4);
	put_le(w, 1, 2); /* version 1.0 */
	put_le(w, 0, 2);
	put_le(w, SECTION_LEN_UNKNOWN, 8);
	put_text(w, OPTION_USERAPPL, section->application);
	put_text(w, OPTION_COMMENT, section->comment);
	put_option(w, OPTION_END, NULL, 0);
	block_end(w);
	*err = pcapng_flush(w);
	if (*err)
		goto err_after_open;
	return w;
err_after_open:
	close(w->fd);
err_after_alloc:
	free(w);
	return NULL;
}

int pcapng_interface_add(struct pcapng *w, const char *name, const char *description, uint32_t snaplen)
{
	static const uint8_t resolution = RESOLUTION_NANO;
	uint32_t *snaplens;
	int err;

	if (w->interface_count == PCAPNG_INTERFACE_MAX)
		return E_FULL;
	snaplens = reallocarray(w->snaplens, (size_t)w->interface_count + 1, sizeof *snaplens);
	if (!snaplens)
		return E_NOMEM;
	w->snaplens = snaplens;
	if (snaplen == PCAPNG_SNAPLEN_ALL || snaplen > PCAPNG_SNAPLEN_MAX)
		snaplen = PCAPNG_SNAPLEN_MAX;
	snaplens[w->interface_count] = snaplen;
	err = block_begin(w, BLOCK_INTERFACE);
	put_le(w, LINKTYPE_ETHERNET, 2);
	put_le(w, 0, 2);
	put_le(w, snaplen, 4);
	put_text(w, OPTION_NAME, name);
	put_text(w, OPTION_DESCRIPTION, description);
	put_option(w, OPTION_TSRESOL, &resolution, sizeof resolution);
	put_option(w, OPTION_END, NULL, 0);
	block_end(w);
	return err ? err : w->interface_count++;
}

int pcapng_packet(struct pcapng *w, int id, nstime t, const uint8_t *frame, uint32_t len,
		  enum pcapng_direction direction, const char *comment)
{
	uint32_t kept;
	int err;

	assert(id >= 0 && id < w->interface_count);
	if (w->failed)
		return 0;
	kept = len < w->snaplens[id] ? len : w->snaplens[id];
	err = block_begin(w, BLOCK_PACKET);
	put_le(w, (uint32_t)id, 4);
	put_le(w, t >> 32, 4);
	put_le(w, t, 4);
	put_le(w, kept, 4);
	put_le(w, len, 4);
	put_bytes(w, frame, kept);
	put_padding(w);
	if (direction != PCAPNG_UNKNOWN) {
		put_le(w, OPTION_FLAGS, 2);
		put_le(w, 4, 2);
		put_le(w, (uint32_t)direction, 4);
	}
	put_text(w, OPTION_COMMENT, comment);
	if (direction != PCAPNG_UNKNOWN || comment)
		put_option(w, OPTION_END, NULL, 0);
	block_end(w);
	return err;
}

int pcapng_close(struct pcapng *w)
{
	int err;

	if (!w)
		return 0;
	err = pcapng_flush(w);
	if (close(w->fd) != 0 && !w->failed)
		err = E_IO;
	free(w->snaplens);
	free(w);
	return err;
}
