/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/control_request.h"

#include "base/err.h"
#include "sim/units.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WITHIN_MAX (24 * 3600 * NSTIME_S)

const char *const control_commands[] = {
#define COMMAND_WORD(id, word) [CONTROL_##id] = (word),
	CONTROL_COMMANDS(COMMAND_WORD)
#undef COMMAND_WORD
		NULL,
};

__attribute__((format(printf, 2, 3))) static int wrong(char why[CONTROL_WHY_MAX], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, CONTROL_WHY_MAX, format, arguments);
	va_end(arguments);
	return E_INVAL;
}

static int read_command(struct control_request *r, const json_t *value, char why[CONTROL_WHY_MAX])
{
	const char *word = json_string_value(value);

	if (!word)
		return wrong(why, "'command' is missing, or no text");
	for (unsigned i = 0; control_commands[i]; i++) {
		if (strcmp(word, control_commands[i]) != 0)
			continue;
		r->command = (enum control_command)i;
		return 0;
	}
	return wrong(why, "unknown command '%.40s'", word);
}

static int read_name(struct control_request *r, const json_t *value, char why[CONTROL_WHY_MAX])
{
	const char *text = json_string_value(value);

	if (!text || !*text)
		return wrong(why, "'name' is missing: which backend?");
	if (strlen(text) > CONTROL_NAME_MAX)
		return wrong(why, "'name' is longer than %u characters", CONTROL_NAME_MAX);
	strcpy(r->name, text);
	return 0;
}

static int read_within(struct control_request *r, const json_t *value, char why[CONTROL_WHY_MAX])
{
	const char *text = json_string_value(value), *wrong_why;

	if (!text)
		return wrong(why, "'within' is no text such as \"30 s\"");
	if (units_parse_duration(text, &r->within, &wrong_why))
		return wrong(why, "'within': %s", wrong_why);
	if (!r->within || r->within > WITHIN_MAX)
		return wrong(why, "'within' is from 1 ns to 24 h");
	return 0;
}

static int read_from(struct control_request *r, const json_t *value, char why[CONTROL_WHY_MAX])
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return wrong(why, "'from' is no number that a page before gave");
	r->from = (uint64_t)json_integer_value(value);
	return 0;
}

/* Whether a command has a member; all have `command`. */
static bool has_member(enum control_command command, const char *member)
{
	if (!strcmp(member, "command"))
		return true;
	if (!strcmp(member, "name"))
		return command == CONTROL_DRAIN || command == CONTROL_UNDRAIN;
	if (!strcmp(member, "within"))
		return command == CONTROL_DRAIN;
	return !strcmp(member, "from") && command == CONTROL_CONNECTIONS;
}

static int read_members(struct control_request *r, json_t *object, char why[CONTROL_WHY_MAX])
{
	const char *member;
	json_t *value;
	int err = read_command(r, json_object_get(object, "command"), why);

	if (err)
		return err;
	json_object_foreach (object, member, value)
		if (!has_member(r->command, member))
			return wrong(why, "'%s' has no '%.40s'", control_commands[r->command], member);
	if (has_member(r->command, "name"))
		err = read_name(r, json_object_get(object, "name"), why);
	value = json_object_get(object, "within");
	if (!err && value)
		err = read_within(r, value, why);
	value = json_object_get(object, "from");
	if (!err && value)
		err = read_from(r, value, why);
	return err;
}

int control_request_parse(struct control_request *r, const char *line, size_t len, char why[CONTROL_WHY_MAX])
{
	json_error_t error;
	json_t *object = json_loadb(line, len, JSON_REJECT_DUPLICATES, &error);
	int err;

	*r = (struct control_request){0};
	if (!object)
		return wrong(why, "not JSON: column %d: %.100s", error.column, error.text);
	if (json_is_object(object))
		err = read_members(r, object, why);
	else
		err = wrong(why, "a request is an object such as {\"command\":\"status\"}");
	json_decref(object);
	return err;
}
