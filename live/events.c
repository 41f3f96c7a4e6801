/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/events.h"

#include "live/logger.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define FIELDS_MAX 12U
#define TEXT_MAX   512U

#define REJECTIONS_TOLD 8U /* in a minute, it is told of */

static const struct trace_field *field_find(const struct trace_field *fields, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(fields[i].name, name))
			return &fields[i];
	return NULL;
}

static uint64_t number(const struct trace_field *fields, size_t count, const char *name)
{
	const struct trace_field *f = field_find(fields, count, name);

	return f && f->kind == TRACE_KIND_U64 ? f->u64 : 0;
}

static const char *device_name_of(const struct scenario *s, uint64_t device)
{
	return device && device <= s->nodes_count ? s->nodes[device - 1].name : "an unknown device";
}

/* Fields that hold the number of a device. */
static bool is_device(const struct trace_field *f)
{
	return f->kind == TRACE_KIND_U64 &&
	       (!strcmp(f->name, "device") || !strcmp(f->name, "first") || !strcmp(f->name, "second") ||
		!strcmp(f->name, "classifier") || !strcmp(f->name, "peer"));
}

static size_t field_print(const struct trace_field *f, char *out, size_t size)
{
	char text[TUPLE_TEXT_MAX];
	int n = 0;

	switch (f->kind) {
	case TRACE_KIND_U64:
		n = snprintf(out, size, ", %s %" PRIu64, f->name, f->u64);
		break;
	case TRACE_KIND_TEXT:
		n = snprintf(out, size, ", %s %s", f->name, f->text);
		break;
	case TRACE_KIND_ADDR:
		n = snprintf(out, size, ", %s %s", f->name, addr_text(f->addr, text));
		break;
	case TRACE_KIND_TUPLE:
		n = snprintf(out, size, ": %s", tuple_text(f->tuple, text));
		break;
	}
	return (size_t)n < size ? (size_t)n : size - 1;
}

/* Any event, in its trace's words: "classifier classifier.choose: 198.51.100.1:9 > 198.51.100.80:80, service web". */
static void say_all(enum log_level level, const struct scenario *s, size_t node, enum trace_event event,
		    const struct trace_field *fields, size_t count)
{
	struct trace_field named[FIELDS_MAX] = {TF_TEXT("node", s->nodes[node].name)};
	char text[TEXT_MAX] = "";
	size_t len = 0, n = 1;

	for (size_t i = 0; i < count && n < FIELDS_MAX; i++, n++) {
		named[n] =
			is_device(&fields[i]) ? TF_TEXT(fields[i].name, device_name_of(s, fields[i].u64)) : fields[i];
		len += field_print(&named[n], text + len, sizeof(text) - len);
	}
	logger_event(level, trace_name(event), named, n, "%s %s%s", s->nodes[node].name, trace_name(event), text);
}

/* What the log always says. */
static bool is_said(enum trace_event event)
{
	switch (event) {
	case TRACE_DRAIN_BEGIN:
	case TRACE_DRAIN_EMPTY:
	case TRACE_DRAIN_STAY:
	case TRACE_DRAIN_END:
	case TRACE_HEALTH_UP:
	case TRACE_HEALTH_DOWN:
	case TRACE_HEALTH_STATE:
	case TRACE_NODE_CRASH:
	case TRACE_NODE_START:
		return true;
	default:
		return false;
	}
}

/* Level info and above. True: it was one of those. */
static bool say(const struct scenario *s, const char *name, enum trace_event event, const struct trace_field *fields,
		size_t count)
{
	uint64_t connections;
	const char *device, *id;
	const struct trace_field *state;

	if (!is_said(event)) /* nearly all: they come with every packet */
		return false;
	connections = number(fields, count, "connections");
	device = device_name_of(s, number(fields, count, "device"));
	state = field_find(fields, count, "state");
	id = trace_name(event);

	switch (event) {
	case TRACE_DRAIN_BEGIN:
		logger_event(LOG_LEVEL_INFO, id,
			     (const struct trace_field[]){TF_TEXT("node", name), TF_U64("connections", connections)}, 2,
			     "%s drains, with %" PRIu64 " connections", name, connections);
		return true;
	case TRACE_DRAIN_EMPTY:
		logger_say(LOG_LEVEL_INFO, id, TF_TEXT("node", name), "%s has no connection any more", name);
		return true;
	case TRACE_DRAIN_STAY:
		logger_event(LOG_LEVEL_WARNING, id,
			     (const struct trace_field[]){TF_TEXT("node", name), TF_U64("connections", connections)}, 2,
			     "%s has still %" PRIu64 " connections, which stay until they end", name, connections);
		return true;
	case TRACE_DRAIN_END:
		logger_say(LOG_LEVEL_INFO, id, TF_TEXT("node", name), "%s takes connections again", name);
		return true;
	case TRACE_HEALTH_UP:
		logger_event(LOG_LEVEL_INFO, id,
			     (const struct trace_field[]){TF_TEXT("node", name), TF_TEXT("backend", device)}, 2,
			     "%s is up again (%s)", device, name);
		return true;
	case TRACE_HEALTH_DOWN:
		logger_event(LOG_LEVEL_WARNING, id,
			     (const struct trace_field[]){TF_TEXT("node", name), TF_TEXT("backend", device)}, 2,
			     "%s is down: its reports stay away (%s)", device, name);
		return true;
	case TRACE_HEALTH_STATE:
		logger_event(LOG_LEVEL_INFO, id,
			     (const struct trace_field[]){TF_TEXT("node", name), TF_TEXT("backend", device),
							  TF_TEXT("state", state ? state->text : "")},
			     3, "%s is %s (%s)", device, state ? state->text : "of unknown state", name);
		return true;
	case TRACE_NODE_CRASH:
		logger_say(LOG_LEVEL_WARNING, id, TF_TEXT("node", name), "%s lost all its state", name);
		return true;
	case TRACE_NODE_START:
		logger_say(LOG_LEVEL_INFO, id, TF_TEXT("node", name), "%s started", name);
		return true;
	default:
		return false;
	}
}

/* What becomes of connections. */
static bool is_connection(enum trace_event event)
{
	switch (event) {
	case TRACE_CLASSIFIER_OPEN:
	case TRACE_CLASSIFIER_CHOOSE:
	case TRACE_CLASSIFIER_ANSWER:
	case TRACE_HANDOFF_COMMITTED:
	case TRACE_HANDOFF_ROLLBACK:
	case TRACE_HANDOFF_RETRY:
	case TRACE_HANDOFF_FAILED:
	case TRACE_FORWARDER_ADOPTED:
	case TRACE_FORWARDER_REFUSED:
	case TRACE_FORWARDER_CLOSED:
	case TRACE_FORWARDER_LOST:
	case TRACE_MIGRATOR_REJECT:
	case TRACE_RELAY_END:
		return true;
	default:
		return false;
	}
}

/* Frames of a peer that do not open are no business of the log, one by one: links damage them, restarts cross them on
 * their way. Many in a minute are a mistake in how the processes were set up, or an enemy. */
static void rejected(struct events *e, const char *name, const struct trace_field *fields, size_t count)
{
	const struct trace_field *reason = field_find(fields, count, "reason");
	const char *peer = device_name_of(e->scenario, number(fields, count, "peer"));
	bool stale = reason && !strcmp(reason->text, "stale");
	struct timespec now;

	if (!stale && (!reason || (strcmp(reason->text, "auth") != 0 && strcmp(reason->text, "key") != 0)))
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if ((uint64_t)now.tv_sec / 60 != e->minute)
		e->rejections = 0;
	e->minute = (uint64_t)now.tv_sec / 60;
	if (++e->rejections != REJECTIONS_TOLD)
		return;
	const struct trace_field told[] = {TF_TEXT("node", name), TF_TEXT("peer", peer), *reason};

	if (stale)
		logger_event(LOG_LEVEL_WARNING, trace_name(TRACE_COURIER_REJECT), told, 3,
			     "%s: frames of an earlier start of %s keep coming: does it run twice?", name, peer);
	else
		logger_event(LOG_LEVEL_WARNING, trace_name(TRACE_COURIER_REJECT), told, 3,
			     "%s: frames of %s keep coming that do not open: has it another key, does %s run twice, or "
			     "are they damaged or forged?",
			     name, peer, name);
}

void events_observe(void *context, size_t node, enum trace_event event, const struct trace_field *fields, size_t count)
{
	struct events *e = context;
	const struct scenario *s = e->scenario;

	if (event == TRACE_COURIER_REJECT)
		rejected(e, s->nodes[node].name, fields, count);
	if (say(s, s->nodes[node].name, event, fields, count))
		return;
	if (event == TRACE_COURIER_RESTART || event == TRACE_COURIER_REKEY || event == TRACE_COURIER_REKEYED)
		say_all(LOG_LEVEL_INFO, s, node, event, fields, count);
	else if (is_connection(event) && logger_wants(LOG_LEVEL_DETAIL))
		say_all(LOG_LEVEL_DETAIL, s, node, event, fields, count);
}
