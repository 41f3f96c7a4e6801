/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/csv.h"

#include "base/err.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#define PATH_BYTES_MAX 4096U

static void failed(struct csv *c)
{
	if (!c->error)
		c->error = errno ? errno : EIO;
}

void csv_open(struct csv *c, const char *directory, const char *name)
{
	char path[PATH_BYTES_MAX];

	*c = (struct csv){0};
	if (snprintf(path, sizeof path, "%s/%s", directory, name) >= (int)sizeof path) {
		c->error = ENAMETOOLONG;
		return;
	}
	c->file = fopen(path, "we");
	if (!c->file)
		failed(c);
}

static void field_begin(struct csv *c)
{
	if (c->in_row && c->file)
		putc(',', c->file);
	c->in_row = true;
}

void csv_quote(FILE *file, const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, file);
		return;
	}
	putc('"', file);
	for (; *text; text++) {
		if (*text == '"')
			putc('"', file);
		putc(*text, file);
	}
	putc('"', file);
}

void csv_text(struct csv *c, const char *text)
{
	field_begin(c);
	if (c->file)
		csv_quote(c->file, text);
}

void csv_number(struct csv *c, uint64_t value)
{
	field_begin(c);
	if (c->file)
		fprintf(c->file, "%" PRIu64, value);
}

void csv_empty(struct csv *c)
{
	field_begin(c);
}

void csv_texts(struct csv *c, const char *const *texts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		csv_text(c, texts[i]);
}

void csv_end(struct csv *c)
{
	c->in_row = false;
	if (c->file && putc('\n', c->file) == EOF)
		failed(c);
}

int csv_close(struct csv *c)
{
	if (c->file && ferror(c->file))
		failed(c);
	if (c->file && fclose(c->file))
		failed(c);
	c->file = NULL;
	errno = c->error;
	return c->error ? E_IO : 0;
}
