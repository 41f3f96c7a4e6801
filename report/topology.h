/* SPDX-License-Identifier: BSD-3-Clause */
/* Draws a scenario's networks as lines and its nodes as boxes on them, with roles, addresses and impairments. Nodes of
 * a range that are alike are one box. Caller: report/page. */
#ifndef BATON_REPORT_TOPOLOGY_H
#define BATON_REPORT_TOPOLOGY_H

#include "report/markup.h"
#include "sim/scenario.h"

/* Writes a figure with this id. */
void topology_draw(struct markup *m, const struct scenario *s, const char *id);

#define TOPOLOGY_TEXT_MAX 160U

/* What one direction of an attachment does to packets, "20 ms, 100 Mbit/s, 5 % loss (courier)"; empty when nothing.
 * Returns out. */
const char *topology_impairments_text(const struct impairments *i, char out[TOPOLOGY_TEXT_MAX]);

#endif
