/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/trace.h"

#include <assert.h>

static const char *const names[TRACE_EVENT_COUNT] = {
#define TRACE_NAME(id, name, claims, text) [TRACE_##id] = name,
	TRACE_LIST(TRACE_NAME)
#undef TRACE_NAME
};

const char *trace_name(enum trace_event event)
{
	assert(event < TRACE_EVENT_COUNT);
	return names[event];
}
