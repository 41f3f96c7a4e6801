/* SPDX-License-Identifier: BSD-3-Clause */
/* The rows and lanes of a ladder, and what is written beside them: what its drawings have in common. A run of data, of
 * acknowledgements or of pieces of the blob is one row a direction and hop. Callers: report/ladder, report/ladder_text.
 */
#ifndef BATON_REPORT_LADDER_ROWS_H
#define BATON_REPORT_LADDER_ROWS_H

#include "sim/steps.h"

#define LADDER_ROWS_MAX  240U
#define LADDER_LANES_MAX 12U
#define LADDER_LABEL_MAX (2 * STEPS_TEXT_MAX + 16)
#define LADDER_TIME_MAX  48U

/* A step, or a run of them. */
struct ladder_row {
	const struct step *step; /* the first */
	size_t count;
	uint64_t payload; /* bytes of all */
};

struct ladder {
	const struct scenario *s;
	const struct steps_connection *c;
	size_t lanes[LADDER_LANES_MAX]; /* nodes: clients, what forwards, first devices, second ones */
	size_t lanes_count;
	struct ladder_row *rows;
	size_t rows_count;
	size_t left_out; /* rows */
};

/* c has at least one step; s and c are borrowed. */
void ladder_init(struct ladder *l, const struct scenario *s, const struct steps_connection *c);
void ladder_fini(struct ladder *l);

/* The lane of a node; SIZE_MAX: it has none. */
size_t ladder_lane(const struct ladder *l, size_t node);

/* What a row says. */
void ladder_label(const struct ladder *l, size_t row, char out[LADDER_LABEL_MAX]);

/* "12.345 ms" since the first step; false where the row before has the same. */
bool ladder_time(const struct ladder *l, size_t row, char out[LADDER_TIME_MAX]);

/* Steps and rows there was no room for. */
size_t ladder_omitted(const struct ladder *l);

#endif
