/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/reload.h"
#include "live/live.h"
#include "live/logger.h"
#include "live/notify.h"
#include "sim/scenario_change.h"
#include "sim/world_reload.h"

#include <stdio.h>
#include <string.h>

#define MISTAKES_TOLD_MAX 20U
#define WHERE_MAX         1024U

static void tell(const char *file, const struct scenario_mistake *x)
{
	char where[WHERE_MAX] = "";

	if (x->line)
		snprintf(where, sizeof(where), "%s:%u:%u: ", file, x->line, x->column);
	else if (strncmp(x->text, "--set ", 6) != 0) /* such a word says itself where it is wrong */
		snprintf(where, sizeof(where), "%s: ", file);
	logger_event(LOG_LEVEL_ERROR, "reload.mistake",
		     (const struct trace_field[]){TF_TEXT("file", file), TF_U64("line", x->line),
						  TF_U64("column", x->column)},
		     3, "%s%s", where, x->text);
}

static void refuse(struct live *l, const char *why, const struct scenario_mistakes *m)
{
	const char *file = l->scenario->file;

	l->reloads.refused++;
	for (size_t i = 0; m && i < m->count && i < MISTAKES_TOLD_MAX; i++)
		tell(file, &m->list[i]);
	logger_event(LOG_LEVEL_ERROR, "reload.refused", (const struct trace_field[]){TF_TEXT("file", file)}, 1,
		     "%s was not taken over: %s; the run goes on as before", file, why);
}

static void take(struct live *l, struct scenario *fresh)
{
	struct scenario_change change;

	scenario_change_count(l->scenario, fresh, &change);
	world_reload(&l->run.world, l->scenario, fresh);
	l->reloads.taken++;
	logger_event(LOG_LEVEL_INFO, "reload.done",
		     (const struct trace_field[]){TF_TEXT("file", l->scenario->file), TF_U64("rules", change.rules),
						  TF_U64("gone", change.gone)},
		     3, "%s was taken over: %zu rules are new or other than before, %zu are gone%s%s",
		     l->scenario->file, change.rules, change.gone, change.health ? ", health changed" : "",
		     change.key ? ", the key changes" : "");
}

bool live_reload(struct live *l)
{
	const struct scenario *s = l->scenario;
	struct scenario_mistakes mistakes;
	struct scenario *fresh = NULL;
	const char *why = NULL;

	notify_reloading();
	if (scenario_read(s->file, (const char *const *)s->sets, s->sets_count, &fresh, &mistakes))
		why = "it has mistakes";
	else if (!scenario_change_check(s, fresh, &mistakes))
		why = "not all that is different can change";
	else if (!world_reload_check(&l->run.world, fresh, &why))
		take(l, fresh);
	if (why)
		refuse(l, why, &mistakes);
	scenario_mistakes_fini(&mistakes);
	scenario_free(fresh);
	notify_send("READY=1");
	return !why;
}
