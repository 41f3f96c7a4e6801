/* SPDX-License-Identifier: BSD-3-Clause */
#include "base/trace.h"

#include <assert.h>
#include <string.h>

static const char *const names[TRACE_EVENT_COUNT] = {
#define TRACE_NAME(id, name, claims, text) [TRACE_##id] = name,
	TRACE_LIST(TRACE_NAME)
#undef TRACE_NAME
};

static const char *const meanings[TRACE_EVENT_COUNT] = {
#define TRACE_MEANING(id, name, claims, text) [TRACE_##id] = text,
	TRACE_LIST(TRACE_MEANING)
#undef TRACE_MEANING
};

const char *trace_meaning(enum trace_event event)
{
	assert(event < TRACE_EVENT_COUNT);
	return meanings[event];
}

const char *trace_name(enum trace_event event)
{
	assert(event < TRACE_EVENT_COUNT);
	return names[event];
}

static const struct trace_field *field_find(const struct trace_field *fields, size_t count, const char *name,
					    enum trace_kind kind)
{
	for (size_t i = 0; i < count; i++)
		if (fields[i].kind == kind && !strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

const char *trace_field_text(const struct trace_field *fields, size_t count, const char *name)
{
	const struct trace_field *f = field_find(fields, count, name, TRACE_KIND_TEXT);

	return f ? f->text : NULL;
}

uint64_t trace_field_u64(const struct trace_field *fields, size_t count, const char *name)
{
	const struct trace_field *f = field_find(fields, count, name, TRACE_KIND_U64);

	return f ? f->u64 : 0;
}

const struct tuple *trace_field_tuple(const struct trace_field *fields, size_t count, const char *name)
{
	const struct trace_field *f = field_find(fields, count, name, TRACE_KIND_TUPLE);

	return f ? f->tuple : NULL;
}
