/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/service.h"

#include "live/control.h"
#include "live/control_answer.h"
#include "live/exporter.h"
#include "live/exporter_metrics.h"
#include "live/live.h"
#include "live/logger.h"

#include <stdio.h>

static struct json_t *answer(void *context, const struct control_request *r, char why[CONTROL_WHY_MAX])
{
	return control_answer(context, r, why);
}

static void collect(void *context, struct exposition *e)
{
	exporter_metrics(context, e);
}

static int open_control(struct live *l, char *why, size_t why_size)
{
	const struct scenario_live *s = &l->scenario->live;
	const struct control_config config = {
		.path = s->control, .mode = s->control_mode, .group = s->control_group, .answer = answer, .context = l};
	char control_why[CONTROL_WHY_MAX];
	int r = 0;

	if (s->control) { /* as who can remove it at the end */
		privileges_assume(&l->privileges, s->control_group);
		r = control_open(&l->service.control, &l->loop, &config, control_why);
		privileges_resume(&l->privileges);
	}
	if (r < 0)
		snprintf(why, why_size, "%s", control_why);
	return r;
}

static int open_exporter(struct live *l, char *why, size_t why_size)
{
	const struct scenario_live *s = &l->scenario->live;
	const struct exporter_config config = {
		.address = s->metrics, .port = s->metrics_port, .collect = collect, .context = l};
	char exporter_why[EXPORTER_WHY_MAX];
	int r = s->metrics.family ? exporter_open(&l->service.exporter, &l->loop, &config, exporter_why) : 0;

	if (r < 0)
		snprintf(why, why_size, "%s", exporter_why);
	return r;
}

int service_open(struct live *l, char *why, size_t why_size)
{
	int r = open_control(l, why, why_size);

	return r ? r : open_exporter(l, why, why_size);
}

void service_close(struct live *l)
{
	control_close(l->service.control);
	exporter_close(l->service.exporter);
	l->service = (struct service){0};
}

void service_count(const struct live *l, struct metrics *m)
{
	metrics_set(m, "live.log_dropped", logger_dropped());
	if (l->service.exporter)
		metrics_set(m, "live.scrapes", exporter_scrapes(l->service.exporter));
	if (!l->service.control)
		return;
	const struct control_counters *c = control_counters(l->service.control);

	metrics_set(m, "live.control.clients", c->accepted);
	metrics_set(m, "live.control.refused", c->refused);
	metrics_set(m, "live.control.requests", c->requests);
	metrics_set(m, "live.control.malformed", c->malformed);
	metrics_set(m, "live.control.slow", c->slow);
}
