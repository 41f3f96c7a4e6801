/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a file that `baton canon` is given: a capture, gzipped or not, or canonical text. Each line that comes out
 * must be of the form that baton-canon(5) describes, and reading ends. */
#include "fuzz.h"

#include "pcap/canon_parse.h"
#include "pcap/canon_source.h"

#include <string.h>

#define CONNECTIONS 16U /* so few that some are forgotten */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[CANON_MISTAKE_MAX], what[CANON_WHY_MAX];
	struct canon_source *s = canon_source_open(fuzz_file(data, size), CONNECTIONS, why);
	struct canon_fields fields;
	struct canon_line line;
	int r;

	if (!s) {
		FUZZ_CHECK(*why);
		return 0;
	}
	while ((r = canon_source_next(s, &line)) == 1) {
		FUZZ_CHECK(line.number && line.len == strlen(line.text));
		FUZZ_CHECK(!canon_parse(&fields, line.text, what));
	}
	FUZZ_CHECK(!r || *canon_source_why(s));
	FUZZ_CHECK(canon_source_next(s, &line) == r);
	canon_source_close(s);
	return 0;
}
