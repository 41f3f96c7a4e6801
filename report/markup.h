/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes HTML and SVG as well-formed XML into a growing text: elements are opened and closed in order, whatever text
 * goes in is escaped, and what XML cannot hold at all (control characters, broken UTF-8) becomes U+FFFD.
 *
 * It knows no element by name; what a page looks like is report/document's. Callers: the other files of report/. */
#ifndef BATON_REPORT_MARKUP_H
#define BATON_REPORT_MARKUP_H

#include "base/vec.h"

#include <stdbool.h>

#define MARKUP_DEPTH_MAX 32U /* elements open at a time */

/* Zero-initialised is empty. */
struct markup {
	struct vec text;
	const char *open[MARKUP_DEPTH_MAX]; /* names of the open elements, outermost first */
	unsigned depth;
	bool in_tag; /* the start tag of the innermost takes attributes still */
};

void markup_fini(struct markup *m);

/* Opens an element; `name` is borrowed until its end. Attributes follow at once, then its content. */
void markup_open(struct markup *m, const char *name);

/* The same with a class; NULL: none. */
void markup_open_class(struct markup *m, const char *name, const char *class_name);

/* An attribute of the element just opened; asserts that nothing was written into it yet. */
void markup_attribute(struct markup *m, const char *name, const char *value);
void markup_attribute_format(struct markup *m, const char *name, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* A length or place in a picture, with at most two decimals: "12.5". */
void markup_attribute_place(struct markup *m, const char *name, double value);

/* Content of the innermost element. */
void markup_text(struct markup *m, const char *text);
void markup_format(struct markup *m, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Closes the innermost element. An element without content is closed in its start tag, which HTML allows in pictures
 * and for `br`, `meta` and the like alone: give any other some content. */
void markup_close(struct markup *m);

/* A whole element with nothing but text in it. class_name NULL: none. */
void markup_element(struct markup *m, const char *name, const char *class_name, const char *text);
void markup_element_format(struct markup *m, const char *name, const char *class_name, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/* Text that is markup already or, in <style>, is not to be escaped: the program's own, never what comes from a file. */
void markup_raw(struct markup *m, const char *text);

/* ---- pictures ---- */

/* An <svg> of width by height units that scales with the page, and what it shows in words for those who cannot see it.
 * Closed with markup_close. */
void markup_picture_open(struct markup *m, double width, double height, const char *what);

void markup_line(struct markup *m, const char *class_name, double x1, double y1, double x2, double y2);
void markup_rect(struct markup *m, const char *class_name, double x, double y, double width, double height,
		 double radius);

/* A text at a place; anchor is "start", "middle" or "end". */
void markup_label(struct markup *m, const char *class_name, double x, double y, const char *anchor, const char *text);

#endif
