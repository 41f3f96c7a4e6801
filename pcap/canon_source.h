/* SPDX-License-Identifier: BSD-3-Clause */
/* Canonical lines from where they may come from: a capture, a run's directory (all captures in it, merged in the order
 * of their times, lines with their names), or canonical text, which is checked. Memory does not grow with the length of
 * what is read. Called by cli/: baton canon and baton diff. */
#ifndef BATON_PCAP_CANON_SOURCE_H
#define BATON_PCAP_CANON_SOURCE_H

#include "pcap/canon.h"

#include <stdint.h>

#define CANON_CAPTURES_MAX 512U  /* captures of a directory that are merged */
#define CANON_MISTAKE_MAX  1024U /* bytes of a mistake, with its NUL */

struct canon_source;

struct canon_line {
	uint64_t number; /* counted from 1: of packets, or lines of the text */
	const char *text;
	size_t len;
};

/* Opens `path`; "-" is standard input. NULL with `why` (CANON_MISTAKE_MAX bytes) filled: "PATH: what is wrong". */
struct canon_source *canon_source_open(const char *path, uint32_t connections_max, char *why);

/* 1 with the next line, good until the next call; 0 at the end; E_FORMAT or E_TRUNCATED, with
 * canon_source_why, and nothing more after it. */
int canon_source_next(struct canon_source *s, struct canon_line *line);

/* "PATH: what is wrong", "PATH:LINE:COLUMN: ..." in canonical text. Good until the source is closed. */
const char *canon_source_why(const struct canon_source *s);

/* Connections forgotten for want of room. */
uint64_t canon_source_forgotten(const struct canon_source *s);

/* Whether lines come from text, so that their numbers are the file's lines. */
int canon_source_is_text(const struct canon_source *s);

/* NULL is allowed. */
void canon_source_close(struct canon_source *s);

#endif
