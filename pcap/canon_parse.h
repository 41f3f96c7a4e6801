/* SPDX-License-Identifier: BSD-3-Clause */
/* A line of canonical text taken apart: baton-canon(5) says which keys there are and what values they have. Anything
 * else is a mistake with its column. Called by pcap/canon_source, to check text from a file, and by whoever shows
 * packets. */
#ifndef BATON_PCAP_CANON_PARSE_H
#define BATON_PCAP_CANON_PARSE_H

#include "pcap/canon.h"

#include <stddef.h>

#define CANON_FIELDS_MAX 64U  /* more than a packet's line can have */
#define CANON_WHY_MAX    128U /* bytes of what is wrong, with its NUL */

/* A key and its value; both good as long as the fields are. */
struct canon_field {
	const char *key; /* static: time, interface, connection, direction, packet, flags, seq and so on */
	const char *value;
};

struct canon_fields {
	struct canon_field list[CANON_FIELDS_MAX];
	size_t count;
	char words[CANON_LINE_MAX]; /* what the values point into */
};

/* Takes a line apart. 0, or the column (counted from 1) of the mistake, which `why` (CANON_WHY_MAX bytes) tells. */
size_t canon_parse(struct canon_fields *f, const char *line, char *why);

#endif
