/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/markup.h"

#include "base/log.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

void markup_fini(struct markup *m)
{
	vec_fini(&m->text);
	*m = (struct markup){0};
}

static void put(struct markup *m, const char *text)
{
	vec_append(&m->text, text, strlen(text));
}

void markup_raw(struct markup *m, const char *text)
{
	if (m->in_tag)
		put(m, ">");
	m->in_tag = false;
	put(m, text);
}

/* How many bytes the character at p takes when it is well-formed UTF-8 that XML may hold; 0 when it is not. */
static unsigned character_len(const unsigned char *p)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	unsigned len = *p < 0x80 ? 1 : *p >> 5 == 0x06 ? 2 : *p >> 4 == 0x0e ? 3 : *p >> 3 == 0x1e ? 4 : 0;
	uint32_t code;

	if (len < 2)
		return len && (*p >= 0x20 || *p == '\n' || *p == '\t') && *p != 0x7f ? 1 : 0;
	code = *p & (0x7fU >> len);
	for (unsigned i = 1; i < len; i++) {
		if (p[i] >> 6 != 0x02) /* the NUL at the end is none either */
			return 0;
		code = code << 6 | (p[i] & 0x3fU);
	}
	if (code < least[len] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff) || (code & 0xfffe) == 0xfffe)
		return 0;
	return len;
}

static void put_escaped(struct markup *m, const char *text)
{
	for (const unsigned char *p = (const unsigned char *)text; *p;) {
		unsigned len = character_len(p);

		switch (*p) {
		case '<':
			put(m, "&lt;");
			break;
		case '>':
			put(m, "&gt;");
			break;
		case '&':
			put(m, "&amp;");
			break;
		case '"':
			put(m, "&quot;");
			break;
		default:
			if (len)
				vec_append(&m->text, p, len);
			else
				put(m, REPLACEMENT);
		}
		p += len ? len : 1;
	}
}

/* To be freed. */
__attribute__((format(printf, 1, 0))) static char *formatted(const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		log_fatal("out of memory: a page");
	return text;
}

void markup_open(struct markup *m, const char *name)
{
	assert(m->depth < MARKUP_DEPTH_MAX);
	markup_raw(m, "<");
	put(m, name);
	m->open[m->depth++] = name;
	m->in_tag = true;
}

void markup_open_class(struct markup *m, const char *name, const char *class_name)
{
	markup_open(m, name);
	if (class_name)
		markup_attribute(m, "class", class_name);
}

void markup_attribute(struct markup *m, const char *name, const char *value)
{
	assert(m->in_tag);
	put(m, " ");
	put(m, name);
	put(m, "=\"");
	put_escaped(m, value);
	put(m, "\"");
}

void markup_attribute_format(struct markup *m, const char *name, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = formatted(format, args);
	va_end(args);
	markup_attribute(m, name, text);
	free(text);
}

void markup_attribute_place(struct markup *m, const char *name, double value)
{
	char text[40];
	size_t len = (size_t)snprintf(text, sizeof text, "%.2f", value);

	while (text[len - 1] == '0')
		text[--len] = 0;
	if (text[len - 1] == '.')
		text[--len] = 0;
	markup_attribute(m, name, strcmp(text, "-0") ? text : "0");
}

void markup_text(struct markup *m, const char *text)
{
	markup_raw(m, "");
	put_escaped(m, text);
}

void markup_format(struct markup *m, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = formatted(format, args);
	va_end(args);
	markup_text(m, text);
	free(text);
}

void markup_close(struct markup *m)
{
	assert(m->depth);
	m->depth--;
	if (m->in_tag) {
		put(m, "/>");
	} else {
		put(m, "</");
		put(m, m->open[m->depth]);
		put(m, ">");
	}
	m->in_tag = false;
	put(m, "\n");
}

void markup_element(struct markup *m, const char *name, const char *class_name, const char *text)
{
	markup_open_class(m, name, class_name);
	markup_text(m, text);
	markup_close(m);
}

void markup_element_format(struct markup *m, const char *name, const char *class_name, const char *format, ...)
{
	va_list args;
	char *text;

	va_start(args, format);
	text = formatted(format, args);
	va_end(args);
	markup_element(m, name, class_name, text);
	free(text);
}

void markup_picture_open(struct markup *m, double width, double height, const char *what)
{
	markup_open(m, "svg");
	markup_attribute_format(m, "viewBox", "0 0 %.0f %.0f", width, height);
	markup_attribute(m, "role", "img");
	markup_attribute(m, "aria-label", what);
}

void markup_line(struct markup *m, const char *class_name, double x1, double y1, double x2, double y2)
{
	markup_open_class(m, "line", class_name);
	markup_attribute_place(m, "x1", x1);
	markup_attribute_place(m, "y1", y1);
	markup_attribute_place(m, "x2", x2);
	markup_attribute_place(m, "y2", y2);
	markup_close(m);
}

void markup_rect(struct markup *m, const char *class_name, double x, double y, double width, double height,
		 double radius)
{
	markup_open_class(m, "rect", class_name);
	markup_attribute_place(m, "x", x);
	markup_attribute_place(m, "y", y);
	markup_attribute_place(m, "width", width);
	markup_attribute_place(m, "height", height);
	if (radius > 0)
		markup_attribute_place(m, "rx", radius);
	markup_close(m);
}

void markup_label(struct markup *m, const char *class_name, double x, double y, const char *anchor, const char *text)
{
	markup_open_class(m, "text", class_name);
	markup_attribute_place(m, "x", x);
	markup_attribute_place(m, "y", y);
	if (strcmp(anchor, "start") != 0)
		markup_attribute(m, "text-anchor", anchor);
	markup_text(m, text);
	markup_close(m);
}
