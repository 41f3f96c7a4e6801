/* SPDX-License-Identifier: BSD-3-Clause */
/* Comma-separated values (RFC 4180): a header line, then rows. Column names carry their units ("latency_us").
 *
 * Errors are kept and told at the end. Callers: the parts of sim/ that write tables; sweep/ quotes by it. */
#ifndef BATON_SIM_CSV_H
#define BATON_SIM_CSV_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct csv {
	FILE *file; /* NULL: it could not be opened */
	bool in_row;
	int error; /* errno of the first failure; 0: none */
};

/* Writes a text as one field, quoted where RFC 4180 wants it. */
void csv_quote(FILE *file, const char *text);

/* Creates DIR/NAME. */
void csv_open(struct csv *c, const char *directory, const char *name);

/* The next field of the row. Text is quoted where it must be. */
void csv_text(struct csv *c, const char *text);
void csv_number(struct csv *c, uint64_t value);
void csv_empty(struct csv *c); /* no value */

/* Ends the row. */
void csv_end(struct csv *c);

/* Several texts as fields. */
void csv_texts(struct csv *c, const char *const *texts, size_t count);

/* Closes. 0, or E_IO with errno set when anything failed since csv_open. */
int csv_close(struct csv *c);

#endif
