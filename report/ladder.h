/* SPDX-License-Identifier: BSD-3-Clause */
/* Draws the steps of one connection as a ladder: a line down for each node that took part, arrows for packets and
 * frames, and what the layers did beside the line of its node. Runs of data, of acknowledgements and of pieces of the
 * blob are one arrow a direction and hop. It does not care where the steps come from. Callers: report/page,
 * cli/cmd_ladder. */
#ifndef BATON_REPORT_LADDER_H
#define BATON_REPORT_LADDER_H

#include "report/markup.h"
#include "sim/steps.h"

/* Writes a figure with this id. */
void ladder_draw(struct markup *m, const struct scenario *s, const struct steps_connection *c, const char *id);

/* Writes an SVG document that stands alone: with a title, light or dark as the reader's system is. */
void ladder_picture(struct markup *m, const struct scenario *s, const struct steps_connection *c);

/* The same for a terminal, in UTF-8: a narrow lane a node, and
 * beside the lanes what the row says. To be freed. */
char *ladder_text(const struct scenario *s, const struct steps_connection *c);

#endif
