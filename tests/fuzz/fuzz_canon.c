/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as one line of canonical text. A line that passes must be what its fields make when they are put together
 * again; a mistake must have a column in the line, or behind it, and a text. */
#include "fuzz.h"

#include "pcap/canon_parse.h"

#include <string.h>

static size_t append(char *out, size_t len, const char *before, const char *text)
{
	return len + (size_t)snprintf(out + len, 2 * CANON_LINE_MAX - len, "%s%s", before, text);
}

/* The fields as a line: some stand there without their key, and the direction behind the connection. */
static void fields_join(const struct canon_fields *f, char *out)
{
	size_t len = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct canon_field *field = &f->list[i];

		if (!strcmp(field->key, "time")) {
			len = append(out, len, "", field->value);
		} else if (!strcmp(field->key, "interface")) {
			len = append(out, len, " @", field->value);
		} else if (!strcmp(field->key, "direction")) {
			FUZZ_CHECK(i + 1 < f->count && !strcmp(f->list[i + 1].key, "connection"));
			len = append(out, len, " ", f->list[++i].value);
			len = append(out, len, "", field->value);
		} else if (!strcmp(field->key, "flags") || !strcmp(field->key, "packet")) {
			len = append(out, len, " ", field->value);
		} else if (!strcmp(field->key, "sack-ok")) {
			len = append(out, len, " ", field->key);
		} else {
			len = append(out, len, " ", field->key);
			len = append(out, len, "=", field->value);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char joined[2 * CANON_LINE_MAX];
	char *line = malloc(size + 1), why[CANON_WHY_MAX] = "";
	struct canon_fields fields;

	FUZZ_CHECK(line);
	memcpy(line, data, size);
	line[size] = 0;
	size_t column = canon_parse(&fields, line, why);

	if (column) {
		FUZZ_CHECK(column <= strlen(line) + 1 && *why);
	} else {
		fields_join(&fields, joined);
		FUZZ_CHECK(!strcmp(joined, line));
	}
	free(line);
	return 0;
}
