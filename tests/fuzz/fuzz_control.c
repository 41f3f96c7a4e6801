/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as a request on the control socket. What is wrong is said in words; what is right can be said again, and is
 * the same then. */
#include "fuzz.h"

#include "live/control_request.h"
#include "sim/units.h"

#include <jansson.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct control_request r, again;
	char why[CONTROL_WHY_MAX] = "", within[64];

	if (control_request_parse(&r, (const char *)data, size, why) < 0) {
		FUZZ_CHECK(*why && memchr(why, '\0', sizeof(why)));
		return 0;
	}
	snprintf(within, sizeof(within), "%llu ns", (unsigned long long)r.within);
	json_t *request = json_pack("{s:s, s:s*, s:s*, s:o*}", "command", control_commands[r.command], "name",
				    *r.name ? r.name : NULL, "within", r.within ? within : NULL, "from",
				    r.from ? json_integer((json_int_t)r.from) : NULL);
	char *text = json_dumps(request, 0);

	FUZZ_CHECK(text);
	FUZZ_CHECK(!control_request_parse(&again, text, strlen(text), why));
	FUZZ_CHECK(again.command == r.command && !strcmp(again.name, r.name));
	FUZZ_CHECK(again.within == r.within && again.from == r.from);
	free(text);
	json_decref(request);
	return 0;
}
