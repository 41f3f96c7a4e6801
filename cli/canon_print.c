/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/canon_print.h"

#include "cli/cli.h"

#define BUFFER_LEN 65536U

void canon_print(FILE *out, const char *path, struct canon_printed *p)
{
	struct canon_line line;
	int r;

	*p = (struct canon_printed){0};
	struct canon_source *s = canon_source_open(path, CANON_CONNECTIONS_MAX, p->why);

	if (!s)
		return;
	p->opened = true;
	p->why[0] = 0;
	setvbuf(out, NULL, _IOFBF, BUFFER_LEN);
	fputs(CANON_HEADER "\n", out);
	while ((r = canon_source_next(s, &line)) == 1) {
		fwrite_unlocked(line.text, 1, line.len, out);
		putc_unlocked('\n', out);
		p->lines++;
	}
	cli_forgotten(path, canon_source_forgotten(s));
	if (r)
		snprintf(p->why, sizeof(p->why), "%s", canon_source_why(s));
	canon_source_close(s);
}
