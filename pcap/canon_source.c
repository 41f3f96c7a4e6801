/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/canon_source.h"

#include "base/err.h"
#include "pcap/canon_parse.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One capture of those that are merged, with the packet that it gives next. */
struct input {
	struct capture *capture;
	struct capture_packet packet;
	bool there;                    /* packet is filled */
	char *path;                    /* for mistakes */
	char name[CANON_NAME_MAX + 1]; /* the file's without its ending; empty when it is read alone */
};

struct canon_source {
	struct canon *canon;
	struct input *inputs;
	size_t inputs_count, inputs_last; /* last: whose packet was given last; it reads on first */
	bool begun;
	FILE *text;                 /* NULL: captures */
	struct gunzip *text_stream; /* belongs to it */
	char *path;
	uint64_t count;
	int ended; /* 0, 1: the end, or the error */
	char line[CANON_LINE_MAX + 1];
	char why[CANON_MISTAKE_MAX];
};

static bool ends_with(const char *name, size_t len, const char *ending)
{
	size_t n = strlen(ending);

	return len > n && !memcmp(name + len - n, ending, n);
}

/* The length of a capture's name without its ending; 0: it is none. */
static size_t stem_len(const char *name)
{
	static const char *const endings[] = {".pcapng", ".pcap", ".pcapng.gz", ".pcap.gz"};
	size_t len = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (ends_with(name, len, endings[i]))
			return len - strlen(endings[i]);
	return 0;
}

static int capture_filter(const struct dirent *entry)
{
	return stem_len(entry->d_name) != 0;
}

static int name_order(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

/* A name in a line is one word. */
static void name_make(char *out, const char *file)
{
	size_t len = stem_len(file);

	for (size_t i = 0; i < len; i++)
		out[i] = (unsigned char)file[i] <= ' ' ? '_' : file[i];
	out[len] = 0;
}

static int input_open(struct input *in, const char *directory, const char *file, char *why)
{
	char reason[CAPTURE_WHY_MAX];

	if (asprintf(&in->path, "%s/%s", directory, file) < 0) {
		in->path = NULL;
		snprintf(why, CANON_MISTAKE_MAX, "%s: %s", directory, err_text(E_NOMEM));
		return E_NOMEM;
	}
	name_make(in->name, file);
	in->capture = capture_open(in->path, reason);
	if (in->capture)
		return 0;
	snprintf(why, CANON_MISTAKE_MAX, "%.400s: %s", in->path, reason);
	return E_FORMAT;
}

static int directory_open(struct canon_source *s, char *why)
{
	struct dirent **list;
	int n = scandir(s->path, &list, capture_filter, name_order), r = 0;

	if (n < 0) {
		snprintf(why, CANON_MISTAKE_MAX, "%s: %s", s->path, strerror(errno));
		return E_IO;
	}
	if (!n || n > (int)CANON_CAPTURES_MAX) {
		snprintf(why, CANON_MISTAKE_MAX, n ? "%s: more than %u captures" : "%s: a directory without a capture",
			 s->path, CANON_CAPTURES_MAX);
		r = E_NOENT;
	} else {
		s->inputs = calloc((size_t)n, sizeof(*s->inputs));
		r = s->inputs ? 0 : E_NOMEM;
	}
	for (int i = 0; i < n; i++) {
		if (!r)
			r = input_open(&s->inputs[s->inputs_count++], s->path, list[i]->d_name, why);
		free(list[i]);
	}
	free(list);
	return r;
}

/* Canonical text must begin with its header; its first letter begins no capture. */
static int text_open(struct canon_source *s, char *why)
{
	if (fgets(s->line, sizeof(s->line), s->text) && !strcmp(s->line, CANON_HEADER "\n")) {
		s->count = 1;
		return 0;
	}
	snprintf(why, CANON_MISTAKE_MAX, "%s:1:1: neither a capture nor canonical text, which begins with '%s'",
		 s->path, CANON_HEADER);
	return E_FORMAT;
}

static int file_open(struct canon_source *s, char *why)
{
	char reason[CAPTURE_WHY_MAX];
	struct gunzip *g;
	FILE *f = gunzip_open(s->path, &g);

	if (!f) {
		snprintf(why, CANON_MISTAKE_MAX, "%s: %s", s->path, strerror(errno));
		return E_IO;
	}
	int first = getc(f);

	if (first != EOF)
		ungetc(first, f);
	if (first == CANON_HEADER[0]) {
		s->text = f;
		s->text_stream = g;
		return text_open(s, why);
	}
	s->inputs = calloc(1, sizeof(*s->inputs));
	if (!s->inputs) {
		fclose(f);
		snprintf(why, CANON_MISTAKE_MAX, "%s: %s", s->path, err_text(E_NOMEM));
		return E_NOMEM;
	}
	s->inputs_count = 1;
	s->inputs->capture = capture_open_stream(f, g, reason);
	if (s->inputs->capture)
		return 0;
	snprintf(why, CANON_MISTAKE_MAX, "%.400s: %s", s->path, reason);
	return E_FORMAT;
}

struct canon_source *canon_source_open(const char *path, uint32_t connections_max, char *why)
{
	struct canon_source *s = calloc(1, sizeof(*s));
	struct stat st;

	snprintf(why, CANON_MISTAKE_MAX, "%s: %s", path, err_text(E_NOMEM));
	if (!s)
		return NULL;
	s->path = strdup(path);
	s->canon = canon_new(connections_max);
	if (!s->path || !s->canon) {
		canon_source_close(s);
		return NULL;
	}
	bool directory = strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode);

	if (!(directory ? directory_open(s, why) : file_open(s, why)))
		return s;
	canon_source_close(s);
	return NULL;
}

/* Reads a capture's next packet; 0 at its end. */
static int input_read(struct canon_source *s, struct input *in)
{
	int r = capture_next(in->capture, &in->packet);

	in->there = r == 1;
	if (r < 0)
		snprintf(s->why, sizeof(s->why), "%.400s: %s", in->path ? in->path : s->path, capture_why(in->capture));
	return r;
}

/* The earliest packet of all captures; of several at one time the first capture's. */
static int inputs_next(struct canon_source *s, struct input **out)
{
	int r;

	*out = NULL;
	if (s->begun && (r = input_read(s, &s->inputs[s->inputs_last])) < 0)
		return r;
	for (size_t i = 0; i < s->inputs_count; i++) {
		struct input *in = &s->inputs[i];

		if (!s->begun && (r = input_read(s, in)) < 0)
			return r;
		if (in->there && (!*out || in->packet.time_ns < (*out)->packet.time_ns))
			*out = in;
	}
	s->begun = true;
	if (!*out)
		return 0;
	s->inputs_last = (size_t)(*out - s->inputs);
	return 1;
}

static int text_fail(struct canon_source *s, size_t column, const char *what)
{
	snprintf(s->why, sizeof(s->why), "%s:%llu:%zu: %s", s->path, (unsigned long long)s->count, column, what);
	return E_FORMAT;
}

/* Reads and checks the next line that is no comment. */
static int text_next(struct canon_source *s, struct canon_line *line)
{
	struct canon_fields fields;
	char what[CANON_WHY_MAX];

	do {
		s->count++;
		s->line[0] = 0;
		if (!fgets(s->line, sizeof(s->line), s->text)) {
			int cut;
			const char *gzip = gunzip_why(s->text_stream, &cut);

			return gzip ? text_fail(s, 1, gzip) : 0;
		}
		line->len = strlen(s->line);
		if (!line->len || s->line[line->len - 1] != '\n')
			return text_fail(s, line->len + 1,
					 line->len + 1 == sizeof(s->line) ? "the line is too long"
									  : "the line does not end, or has a NUL");
		s->line[--line->len] = 0;
	} while (s->line[0] == '#' || !s->line[0]);
	line->text = s->line;
	line->number = s->count;
	size_t column = canon_parse(&fields, s->line, what);

	return column ? text_fail(s, column, what) : 1;
}

static int packet_next(struct canon_source *s, struct canon_line *line)
{
	struct input *in;
	int r = inputs_next(s, &in);

	if (r != 1)
		return r;
	line->number = ++s->count;
	line->text = s->line;
	line->len =
		canon_packet(s->canon, &in->packet, in->packet.interface ? in->packet.interface : in->name, s->line);
	return 1;
}

int canon_source_next(struct canon_source *s, struct canon_line *line)
{
	if (s->ended)
		return s->ended == 1 ? 0 : s->ended;
	int r = s->text ? text_next(s, line) : packet_next(s, line);

	if (r != 1)
		s->ended = r ? r : 1;
	return r;
}

const char *canon_source_why(const struct canon_source *s)
{
	return s->why;
}

uint64_t canon_source_forgotten(const struct canon_source *s)
{
	return canon_forgotten(s->canon);
}

int canon_source_is_text(const struct canon_source *s)
{
	return s->text != NULL;
}

void canon_source_close(struct canon_source *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->inputs_count; i++) {
		capture_close(s->inputs[i].capture);
		free(s->inputs[i].path);
	}
	free(s->inputs);
	if (s->text)
		fclose(s->text);
	canon_free(s->canon);
	free(s->path);
	free(s);
}
