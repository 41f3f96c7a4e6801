/* SPDX-License-Identifier: BSD-3-Clause */
/* control:, metrics:, log: and user:, what a live run is as a service. */
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

#define CONTROL_MODE_DEFAULT 0600U
#define CONTROL_MODE_MAX     0777U
#define NAME_BYTES_MAX       32U /* of a user or group: what Linux takes */

/* A Unix socket's path is short. */
static void control_path(struct parse *p, const struct doc *d)
{
	const char *text;
	char *path;

	if (!parse_text(p, d, &text))
		return;
	path = parse_path(p, d, text);
	if (strlen(path) <= SCENARIO_SOCKET_PATH_MAX)
		p->s->live.control = path;
	else
		MISTAKE(p, d, "'%s' is longer than %u characters, which is all that a socket's path may have", path,
			SCENARIO_SOCKET_PATH_MAX);
	if (p->s->live.control != path)
		free(path);
}

/* Permissions in octal, as chmod(1) takes them. */
static void control_mode(struct parse *p, const struct doc *d)
{
	const char *text;
	char *end;

	if (!parse_text(p, d, &text))
		return;
	unsigned long mode = strtoul(text, &end, 8);

	if (*end || strspn(text, "01234567") != strlen(text) || mode > CONTROL_MODE_MAX)
		MISTAKE(p, d, "'%s' is not a file's permissions, such as 0660", text);
	else
		p->s->live.control_mode = (unsigned)mode;
}

/* A user's or group's name, to be freed; NULL with a mistake. Whether there is one is the machine's to know. */
static char *account(struct parse *p, const struct doc *d)
{
	const char *text;

	if (!parse_text(p, d, &text))
		return NULL;
	if (strlen(text) <= NAME_BYTES_MAX)
		return parse_copy(text);
	MISTAKE(p, d, "'%s' is longer than the name of a user or group", text);
	return NULL;
}

static void parse_control(struct parse *p, struct doc *d)
{
	static const char *const known[] = {"path", "mode", "group", NULL};

	if (d->kind == DOC_SCALAR) {
		control_path(p, d);
		return;
	}
	if (!parse_map(p, d, "control", known, NULL))
		return;
	const struct doc *path = doc_get(d, "path"), *mode = doc_get(d, "mode"), *group = doc_get(d, "group");

	if (path)
		control_path(p, path);
	else
		MISTAKE_KEY(p, d, "'path' is missing: where is the socket?");
	if (mode)
		control_mode(p, mode);
	if (group)
		p->s->live.control_group = account(p, group);
}

/* ADDRESS:PORT; a name would be looked up elsewhere. */
static void parse_metrics(struct parse *p, const struct doc *d)
{
	struct addr address;
	const char *text;
	uint16_t port;
	char *host;

	if (!parse_text(p, d, &text) || !parse_host_port(p, d, text, &host, &port))
		return;
	if (addr_parse(&address, host) < 0) {
		MISTAKE(p, d, "'%s' is not an address", host);
	} else {
		p->s->live.metrics = address;
		p->s->live.metrics_port = port;
	}
	free(host);
}

const char *const scenario_log_levels[] = {"error", "warning", "info", "connections", NULL};

static void log_format(struct parse *p, const struct doc *d)
{
	static const char *const formats[] = {"lines", "json", NULL};
	size_t word;

	if (parse_word(p, d, formats, NULL, &word))
		p->s->live.log_json = word == 1;
}

static void parse_log(struct parse *p, struct doc *d)
{
	static const char *const known[] = {"format", "level", NULL};
	const struct doc *format, *level;
	size_t word;

	if (d->kind == DOC_SCALAR) {
		log_format(p, d);
		return;
	}
	if (!parse_map(p, d, "log", known, NULL))
		return;
	format = doc_get(d, "format");
	level = doc_get(d, "level");
	if (format)
		log_format(p, format);
	if (level && parse_word(p, level, scenario_log_levels, NULL, &word))
		p->s->live.log_level = (enum log_level)word;
}

void parse_live(struct parse *p)
{
	struct doc *control = doc_get(p->root, "control"), *log = doc_get(p->root, "log");
	struct doc *metrics = doc_get(p->root, "metrics"), *user = doc_get(p->root, "user");

	p->s->live.control_mode = CONTROL_MODE_DEFAULT;
	p->s->live.log_level = LOG_LEVEL_INFO;
	if (control)
		parse_control(p, control);
	if (user)
		p->s->live.user = account(p, user);
	if (metrics)
		parse_metrics(p, metrics);
	if (log)
		parse_log(p, log);
}

void scenario_live_fini(struct scenario_live *live)
{
	free(live->control);
	free(live->control_group);
	free(live->user);
}
