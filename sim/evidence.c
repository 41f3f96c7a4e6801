/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/evidence.h"

#include "base/log.h"
#include "base/quantity.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 320U

void evidence_fini(struct evidence *e)
{
	for (unsigned i = 0; i < TRACE_EVENT_COUNT; i++) {
		for (unsigned n = 0; n < e->events[i].lines_count; n++)
			free(e->events[i].lines[n].text);
		free(e->events[i].lines);
	}
	*e = (struct evidence){0};
}

/* One value. Devices are numbered from 1 in the order of the scenario's nodes. */
static void value_text(const struct scenario *s, const struct trace_field *f, char *out, size_t size)
{
	char text[TUPLE_TEXT_MAX];
	bool device = f->kind == TRACE_KIND_U64 && (!strcmp(f->name, "device") || !strcmp(f->name, "first") ||
						    !strcmp(f->name, "peer") || !strcmp(f->name, "from"));

	switch (f->kind) {
	case TRACE_KIND_U64:
		if (device && f->u64 && f->u64 <= s->nodes_count)
			snprintf(out, size, "%s", s->nodes[f->u64 - 1].name);
		else
			snprintf(out, size, "%" PRIu64, f->u64);
		break;
	case TRACE_KIND_TEXT:
		snprintf(out, size, "%s", f->text ? f->text : "");
		break;
	case TRACE_KIND_ADDR:
		snprintf(out, size, "%s", addr_text(f->addr, text));
		break;
	case TRACE_KIND_TUPLE:
		snprintf(out, size, "%s", tuple_text(f->tuple, text));
		break;
	}
}

/* What the steps of one connection need not repeat: whose they are, and numbers that only identify. */
static bool is_identity(const struct trace_field *f)
{
	static const char *const names[] = {"flow", "local_port", "remote_port", "generation", "handoff", "counter"};

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (!strcmp(f->name, names[i]))
			return true;
	return f->kind == TRACE_KIND_TUPLE;
}

/* "latency_ns 5000000" as "latency 5 ms"; a device is its node's name alone. */
static size_t short_text(const struct scenario *s, const struct trace_field *f, char *out, size_t size)
{
	size_t len = strlen(f->name);
	char value[TEXT_MAX];

	if (f->kind == TRACE_KIND_U64 && len > 3 && !strcmp(f->name + len - 3, "_ns"))
		return (size_t)snprintf(out, size, "%.*s %s", (int)len - 3, f->name, quantity_time(value, f->u64));
	value_text(s, f, value, sizeof value);
	if (!strcmp(f->name, "device"))
		return (size_t)snprintf(out, size, "%s", value);
	return (size_t)snprintf(out, size, "%s %s", f->name, value);
}

void evidence_text(const struct scenario *s, const struct trace_field *fields, size_t count, bool bare, char *out,
		   size_t size)
{
	size_t len = 0;

	*out = 0;
	for (size_t i = 0; i < count && len < size; i++) {
		char value[TEXT_MAX];

		if (bare && is_identity(&fields[i]))
			continue;
		if (len)
			len += (size_t)snprintf(out + len, size - len, ", ");
		if (len >= size)
			return;
		if (bare) {
			len += short_text(s, &fields[i], out + len, size - len);
			continue;
		}
		value_text(s, &fields[i], value, sizeof value);
		len += (size_t)snprintf(out + len, size - len, "%s %s", fields[i].name, value);
	}
}

void evidence_observe(struct evidence *e, const struct scenario *s, const char *node, nstime now,
		      enum trace_event event, const struct trace_field *fields, size_t count)
{
	struct evidence_event *v = &e->events[event];
	const char *reason = trace_field_text(fields, count, "reason");
	unsigned alike = 0;
	char text[TEXT_MAX];

	v->count++;
	for (unsigned n = 0; n < v->lines_count; n++)
		alike += v->lines[n].reason == reason;
	if (v->lines_count == EVIDENCE_LINES_MAX || alike == EVIDENCE_REASON_MAX)
		return;
	if (!v->lines)
		v->lines = calloc(EVIDENCE_LINES_MAX, sizeof *v->lines);
	evidence_text(s, fields, count, false, text, sizeof text);
	if (v->lines)
		v->lines[v->lines_count] =
			(struct evidence_line){.at = now, .node = node, .reason = reason, .text = strdup(text)};
	if (!v->lines || !v->lines[v->lines_count].text)
		log_fatal("out of memory: a run's first events");
	v->lines_count++;
}
