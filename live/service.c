/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/service.h"

#include "live/control.h"
#include "live/control_answer.h"
#include "live/live.h"
#include "live/logger.h"

#include <stdio.h>

static struct json_t *answer(void *context, const struct control_request *r, char why[CONTROL_WHY_MAX])
{
	return control_answer(context, r, why);
}

int service_open(struct live *l, char *why, size_t why_size)
{
	const struct scenario_live *s = &l->scenario->live;
	char control_why[CONTROL_WHY_MAX];
	int r;

	if (!s->control)
		return 0;
	r = control_open(&l->service.control, &l->loop,
			 &(struct control_config){.path = s->control,
						  .mode = s->control_mode,
						  .group = s->control_group,
						  .answer = answer,
						  .context = l},
			 control_why);
	if (r < 0)
		snprintf(why, why_size, "%s", control_why);
	return r;
}

void service_close(struct live *l)
{
	control_close(l->service.control);
	l->service.control = NULL;
}

void service_count(const struct live *l, struct metrics *m)
{
	metrics_set(m, "live.log_dropped", logger_dropped());
	if (!l->service.control)
		return;
	const struct control_counters *c = control_counters(l->service.control);

	metrics_set(m, "live.control.clients", c->accepted);
	metrics_set(m, "live.control.refused", c->refused);
	metrics_set(m, "live.control.requests", c->requests);
	metrics_set(m, "live.control.malformed", c->malformed);
	metrics_set(m, "live.control.slow", c->slow);
}
