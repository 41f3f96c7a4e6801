/* SPDX-License-Identifier: BSD-3-Clause */
/* Writes canonical text: what `baton canon` prints, and what a suite keeps. */
#ifndef BATON_CLI_CANON_PRINT_H
#define BATON_CLI_CANON_PRINT_H

#include "pcap/canon_source.h"

#include <stdbool.h>
#include <stdio.h>

/* What became of it. */
struct canon_printed {
	bool opened;
	uint64_t lines;              /* without the header */
	char why[CANON_MISTAKE_MAX]; /* "PATH: what is wrong"; empty when all was read */
};

/* Writes the text of what canon_source_open takes, as far as it can be read. Says to standard error how many
 * connections were forgotten. Whether `out` took it all, its own error says. */
void canon_print(FILE *out, const char *path, struct canon_printed *p);

#endif
