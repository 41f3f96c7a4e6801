/* SPDX-License-Identifier: BSD-3-Clause */
/* The frame of a page: an XHTML document that needs no network, readable on a wide and on a narrow screen, light or
 * dark as the reader's system is. The one style sheet for every page and picture is here.
 *
 * Callers: report/page, and whatever else writes a page. */
#ifndef BATON_REPORT_DOCUMENT_H
#define BATON_REPORT_DOCUMENT_H

#include "report/markup.h"

/* Begins a document, up to and with its <h1>; what follows is its content. */
void document_open(struct markup *m, const char *title);

/* What belongs into the <style> of a picture that stands alone (report/ladder): colours for light and dark, and the
 * classes that its elements have. */
void document_style_picture(struct markup *m);

/* Ends it. */
void document_close(struct markup *m);

/* A part of the page with an <h2>; `id` is what links point to. */
void document_section_open(struct markup *m, const char *id, const char *title);
void document_section_close(struct markup *m);

/* A row of figures that wraps: between these, each plot_draw() is a figure of it. */
void document_figures_open(struct markup *m);
void document_figures_close(struct markup *m);

/* Writes what m holds to a file. 0, or E_IO with errno set. */
int document_write(const struct markup *m, const char *path);

#endif
