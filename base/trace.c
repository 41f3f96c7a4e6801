/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/trace.h"

#include <assert.h>

static const struct {
	const char *name, *claims, *meaning;
} vocabulary[TRACE_EVENT_COUNT] = {
#define TRACE_ROW(id, event_name, event_claims, text)                                                                  \
	[TRACE_##id] = {.name = event_name, .claims = event_claims, .meaning = text},
	TRACE_LIST(TRACE_ROW)
#undef TRACE_ROW
};

const char *trace_name(enum trace_event event)
{
	assert(event < TRACE_EVENT_COUNT);
	return vocabulary[event].name;
}

const char *trace_claims(enum trace_event event)
{
	assert(event < TRACE_EVENT_COUNT);
	return vocabulary[event].claims;
}

const char *trace_meaning(enum trace_event event)
{
	assert(event < TRACE_EVENT_COUNT);
	return vocabulary[event].meaning;
}
