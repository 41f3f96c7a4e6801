/* SPDX-License-Identifier: BSD-3-Clause */
/* The first trace events of each kind, as text, for a page that has to show why something happened: for each event and
 * reason a few. trace.jsonl has them all. Caller: sim/record. */
#ifndef BATON_SIM_EVIDENCE_H
#define BATON_SIM_EVIDENCE_H

#include "base/trace.h"
#include "sim/scenario.h"

#define EVIDENCE_LINES_MAX  24U /* of one event */
#define EVIDENCE_REASON_MAX 4U  /* of those, with the same reason */

struct evidence_line {
	nstime at;
	const char *node;   /* the scenario's; NULL: the run itself */
	const char *reason; /* static; NULL: the event has none */
	char *text;         /* its values, "name value, name value" */
};

struct evidence_event {
	uint64_t count;
	unsigned lines_count;
	struct evidence_line *lines; /* EVIDENCE_LINES_MAX of them once there is one */
};

struct evidence {
	struct evidence_event events[TRACE_EVENT_COUNT];
};

/* Zero-initialised is empty. */
void evidence_fini(struct evidence *e);

void evidence_observe(struct evidence *e, const struct scenario *s, const char *node, nstime now,
		      enum trace_event event, const struct trace_field *fields, size_t count);

/* An event's values as text into out[size]: devices by their nodes' names. `bare`: in short, and without what says
 * whose they are. */
void evidence_text(const struct scenario *s, const struct trace_field *fields, size_t count, bool bare, char *out,
		   size_t size);

#endif
