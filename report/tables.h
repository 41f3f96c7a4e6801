/* SPDX-License-Identifier: BSD-3-Clause */
/* The tables of one run: nodes, links and rules. Columns in which there is nothing but zeroes are left out, and rows
 * beyond PROOF_ROWS_MAX. Caller: report/page. */
#ifndef BATON_REPORT_TABLES_H
#define BATON_REPORT_TABLES_H

#include "report/markup.h"
#include "sim/record.h"
#include "sim/scenario.h"

void tables_nodes(struct markup *m, const struct scenario *s, const struct record *r);
void tables_links(struct markup *m, const struct scenario *s, const struct record *r);
void tables_rules(struct markup *m, const struct scenario *s, const struct record *r);

/* A table's head; the last `numbers` columns hold numbers. Without numbers its cells stand below each other on a narrow
 * screen. Closed with tables_close. */
void tables_open(struct markup *m, const char *const *columns, size_t count, size_t numbers);
void tables_close(struct markup *m);
void tables_number(struct markup *m, uint64_t value);

#endif
