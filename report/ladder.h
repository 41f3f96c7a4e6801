/* SPDX-License-Identifier: BSD-3-Clause */
/* Draws the steps of one connection as a ladder: a line down for each node that took part, arrows for packets and
 * frames, and what the layers did beside the line of its node. Runs of data, of acknowledgements and of pieces of the
 * blob are one arrow a direction and hop. It does not care where the steps come from. Caller: report/page. */
#ifndef BATON_REPORT_LADDER_H
#define BATON_REPORT_LADDER_H

#include "report/markup.h"
#include "sim/steps.h"

/* Writes a figure with this id. */
void ladder_draw(struct markup *m, const struct scenario *s, const struct steps_connection *c, const char *id);

#endif
