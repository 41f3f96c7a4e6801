/* SPDX-License-Identifier: BSD-3-Clause */
/* Where on a page the evidence for a metric is: which event's first occurrences, which figure, which row of a table.
 * Pure look-up. Caller: report/page. */
#ifndef BATON_REPORT_PROOF_H
#define BATON_REPORT_PROOF_H

#include "base/trace.h"
#include "sim/scenario.h"

#include <stddef.h>

#define PROOF_MAX        4U   /* pieces of evidence of a metric */
#define PROOF_ANCHOR_MAX 160U /* bytes of an id */
#define PROOF_ROWS_MAX   200U /* rows of a table on the page; what is beyond is in the .csv files */

struct proof {
	char anchor[PROOF_ANCHOR_MAX];
	const char *text;       /* what is there, for a link's text; static */
	enum trace_event event; /* TRACE_EVENT_COUNT: not an event's */
};

/* The evidence for a metric, by its path; at least one. */
size_t proof_find(const struct scenario *s, const char *metric, struct proof out[PROOF_MAX]);

/* The ids of what is drawn. Each returns out. */
const char *proof_event_anchor(enum trace_event event, char out[PROOF_ANCHOR_MAX]);
const char *proof_histogram_anchor(const char *name, char out[PROOF_ANCHOR_MAX]);
const char *proof_node_anchor(const struct scenario *s, size_t node, char out[PROOF_ANCHOR_MAX]);

#endif
