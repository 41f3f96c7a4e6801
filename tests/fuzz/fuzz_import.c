/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a capture that becomes a scenario. Whatever is made of it, `baton check` finds no mistake in it. */
#include "fuzz.h"

#include "base/err.h"
#include "import/write.h"
#include "sim/scenario.h"

static void scenario_check(const struct plan *plan)
{
	struct scenario_mistakes mistakes = {0};
	struct scenario *s = NULL;
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	FUZZ_CHECK(f);
	write_scenario(f, plan, "fuzz.pcap");
	FUZZ_CHECK(!fclose(f));
	int r = scenario_read(fuzz_file((const uint8_t *)text, len), NULL, 0, &s, &mistakes);

	for (size_t i = 0; i < mistakes.count; i++)
		fprintf(stderr, "%u:%u: %s\n", mistakes.list[i].line, mistakes.list[i].column, mistakes.list[i].text);
	FUZZ_CHECK(!r);
	scenario_free(s);
	scenario_mistakes_fini(&mistakes);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char why[IMPORT_WHY_MAX] = "";
	struct import im;
	struct plan plan;

	import_init(&im);
	int r = import_read(&im, fuzz_file(data, size), why);

	FUZZ_CHECK(!r || *why);
	FUZZ_CHECK(im.tcp_packets <= im.packets);
	if (r != E_INVAL) {
		plan_init(&plan, &im);
		if (plan.connections_count)
			scenario_check(&plan);
		plan_fini(&plan);
	}
	import_fini(&im);
	return 0;
}
