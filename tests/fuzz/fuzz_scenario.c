/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a scenario file. It is read, or it has mistakes, each with a text and within the file, in order. */
#include "fuzz.h"

#include "base/err.h"
#include "sim/scenario.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scenario_mistakes mistakes = {0};
	struct scenario *s = NULL;
	int r = scenario_read(fuzz_file(data, size), NULL, 0, &s, &mistakes);
	unsigned lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n' || data[i] == '\r';
	FUZZ_CHECK(r ? mistakes.count && r == E_INVAL : s && !mistakes.count);
	for (size_t i = 0; i < mistakes.count; i++) {
		const struct scenario_mistake *m = &mistakes.list[i];

		FUZZ_CHECK(m->text && *m->text && m->line <= lines + 1);
		FUZZ_CHECK(!i || m[-1].line <= m->line);
	}
	scenario_free(s);
	scenario_mistakes_fini(&mistakes);
	return 0;
}
