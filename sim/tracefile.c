/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/tracefile.h"

#include "base/err.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_SIZE (64U << 10)
#define SLACK       512U /* bytes that any piece appended without a check fits in */

struct tracefile {
	crypto_generichash_state hash; /* first: it wants 64-byte alignment */
	int fd;                        /* -1: none */
	int error;                     /* errno of the first write that failed */
	uint64_t left;                 /* bytes that may still be written */
	FILE *like;                    /* is compared with; NULL: nothing is */
	enum tracefile_likeness likeness;
	size_t used;
	char buffer[BUFFER_SIZE + SLACK];
};

static void buffer_compare(struct tracefile *t)
{
	char same[BUFFER_SIZE + SLACK];
	size_t got = fread(same, 1, t->used, t->like);

	if (t->likeness == TRACEFILE_SHORTER ? got > 0 : memcmp(same, t->buffer, got) != 0)
		t->likeness = TRACEFILE_OTHER;
	else if (got < t->used && t->likeness == TRACEFILE_SAME)
		t->likeness = TRACEFILE_SHORTER;
}

/* How many bytes of the buffer may be written: all, or the whole lines that the limit lets through. */
static size_t buffer_writable(const struct tracefile *t)
{
	size_t n = t->used;

	if (n <= t->left)
		return n;
	n = (size_t)t->left;
	while (n && t->buffer[n - 1] != '\n')
		n--;
	return n;
}

static void buffer_flush(struct tracefile *t)
{
	size_t done = 0, end = buffer_writable(t);

	if (t->like)
		buffer_compare(t);

	crypto_generichash_update(&t->hash, (const unsigned char *)t->buffer, t->used);
	while (t->fd >= 0 && !t->error && done < end) {
		ssize_t n = write(t->fd, t->buffer + done, end - done);

		if (n >= 0)
			done += (size_t)n;
		else if (errno != EINTR)
			t->error = errno;
	}
	if (t->fd >= 0 && !t->error && end < t->used)
		t->error = EFBIG;
	t->left -= done;
	t->used = 0;
}

/* Makes room for SLACK bytes. */
static inline void buffer_reserve(struct tracefile *t)
{
	if (t->used > BUFFER_SIZE)
		buffer_flush(t);
}

static inline void put_char(struct tracefile *t, char c)
{
	t->buffer[t->used++] = c;
}

/* Text that needs no escaping, shorter than SLACK - 32. */
static inline void put_plain(struct tracefile *t, const char *text, size_t n)
{
	memcpy(t->buffer + t->used, text, n);
	t->used += n;
}

#define put_literal(t, text) put_plain((t), (text), sizeof(text) - 1)

static void put_u64(struct tracefile *t, uint64_t v)
{
	char digits[20];
	size_t at = sizeof digits;

	do {
		digits[--at] = (char)('0' + v % 10);
		v /= 10;
	} while (v);
	put_plain(t, digits + at, sizeof digits - at);
}

/* Length of the well-formed UTF-8 sequence at p (Unicode table 3-7), 0 when it is none. Stops at a NUL by itself: no
 * continuation byte is zero. */
static size_t utf8_len(const unsigned char *p)
{
	size_t n;

	if (p[0] < 0x80)
		return 1;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	for (size_t i = 1; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf0 && p[1] < 0x90) ||
	    (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return n;
}

static void put_escape(struct tracefile *t, unsigned char c)
{
	static const char hex[] = "0123456789abcdef";

	switch (c) {
	case '"':
	case '\\':
		put_char(t, '\\');
		put_char(t, (char)c);
		break;
	case '\n':
		put_literal(t, "\\n");
		break;
	case '\r':
		put_literal(t, "\\r");
		break;
	case '\t':
		put_literal(t, "\\t");
		break;
	default:
		put_literal(t, "\\u00");
		put_char(t, hex[c >> 4]);
		put_char(t, hex[c & 15]);
	}
}

/* How many bytes at p need no escaping, up to `max`. */
static size_t plain_span(const unsigned char *p, size_t max)
{
	size_t n = 0;

	while (n < max && p[n] >= 0x20 && p[n] < 0x7f && p[n] != '"' && p[n] != '\\')
		n++;
	return n;
}

static void put_string(struct tracefile *t, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	put_char(t, '"');
	while (*p) {
		size_t n = plain_span(p, SLACK / 2);

		buffer_reserve(t);
		if (!n && *p < 0x80) {
			put_escape(t, *p++);
			continue;
		}
		if (!n)
			n = utf8_len(p);
		if (n)
			put_plain(t, (const char *)p, n);
		else
			put_literal(t, "\xef\xbf\xbd");
		p += n ? n : 1;
	}
	put_char(t, '"');
}

static void put_key(struct tracefile *t, const char *key)
{
	buffer_reserve(t);
	put_literal(t, ",\"");
	put_plain(t, key, strlen(key));
	put_literal(t, "\":");
}

static void put_field(struct tracefile *t, const struct trace_field *f)
{
	char text[TUPLE_TEXT_MAX];

	put_key(t, f->name);
	switch (f->kind) {
	case TRACE_KIND_U64:
		put_u64(t, f->u64);
		break;
	case TRACE_KIND_TEXT:
		put_string(t, f->text ? f->text : "");
		break;
	case TRACE_KIND_ADDR:
		put_string(t, addr_text(f->addr, text));
		break;
	case TRACE_KIND_TUPLE:
		put_string(t, tuple_text(f->tuple, text));
		break;
	}
}

static void sink_emit(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
		      size_t count)
{
	struct tracefile *t = sink->context;
	const char *name = trace_name(event);

	buffer_reserve(t);
	put_literal(t, "{\"t\":");
	put_u64(t, now);
	put_literal(t, ",\"ev\":\"");
	put_plain(t, name, strlen(name));
	put_char(t, '"');
	if (sink->node) {
		put_key(t, "node");
		put_string(t, sink->node);
	}
	for (size_t i = 0; i < count; i++)
		put_field(t, &fields[i]);
	buffer_reserve(t);
	put_literal(t, "}\n");
}

static void sink_ignore(struct trace_sink *sink, nstime now, enum trace_event event, const struct trace_field *fields,
			size_t count)
{
	(void)sink, (void)now, (void)event, (void)fields, (void)count;
}

/* One without a file. 0, or E_STATE without the library. */
static int tracefile_make(struct tracefile **out)
{
	struct tracefile *t;

	*out = NULL;
	if (sodium_init() < 0)
		return E_STATE;
	t = aligned_alloc(64, (sizeof *t + 63) & ~(size_t)63);
	if (!t)
		log_fatal("out of memory: a trace");
	t->fd = -1;
	t->error = 0;
	t->left = UINT64_MAX;
	t->like = NULL;
	t->likeness = TRACEFILE_SAME;
	t->used = 0;
	crypto_generichash_init(&t->hash, NULL, 0, TRACEFILE_FINGERPRINT_LEN / 2);
	put_literal(t, "{\"trace\":");
	put_u64(t, TRACE_VERSION);
	put_literal(t, "}\n");
	*out = t;
	return 0;
}

/* Gives up what could not get its file. */
static int tracefile_refuse(struct tracefile **out)
{
	free(*out);
	*out = NULL;
	return E_IO;
}

int tracefile_open(struct tracefile **out, const char *path)
{
	int r = tracefile_make(out);

	if (r || !path)
		return r;
	(*out)->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	return (*out)->fd < 0 ? tracefile_refuse(out) : 0;
}

int tracefile_open_like(struct tracefile **out, const char *path)
{
	int r = tracefile_make(out);

	if (r)
		return r;
	(*out)->like = fopen(path, "re");
	return (*out)->like ? 0 : tracefile_refuse(out);
}

enum tracefile_likeness tracefile_compared(struct tracefile *t)
{
	buffer_flush(t);
	if (t->like)
		fclose(t->like);
	t->like = NULL;
	return t->likeness;
}

void tracefile_limit(struct tracefile *t, uint64_t bytes)
{
	t->left = bytes;
}

int tracefile_error(const struct tracefile *t)
{
	return t ? t->error : 0;
}

int tracefile_close(struct tracefile *t, char fingerprint[TRACEFILE_FINGERPRINT_LEN + 1])
{
	unsigned char hash[TRACEFILE_FINGERPRINT_LEN / 2];
	int error;

	*fingerprint = '\0';
	if (!t)
		return 0;
	buffer_flush(t);
	crypto_generichash_final(&t->hash, hash, sizeof hash);
	sodium_bin2hex(fingerprint, TRACEFILE_FINGERPRINT_LEN + 1, hash, sizeof hash);
	if (t->fd >= 0 && close(t->fd) && !t->error)
		t->error = errno;
	if (t->like)
		fclose(t->like);
	error = t->error;
	free(t);
	if (!error)
		return 0;
	errno = error;
	return E_IO;
}

void tracefile_sink(struct tracefile *t, struct trace_sink *sink, const char *node)
{
	*sink = (struct trace_sink){.emit = t ? sink_emit : sink_ignore, .node = node, .context = t};
}
