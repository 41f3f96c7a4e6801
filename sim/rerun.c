/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/rerun.h"

#include "base/err.h"
#include "base/log.h"
#include "base/trace.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUN_FILE_MAX                                                                                                   \
	(2U * SCENARIO_FILE_MAX + (1U << 20)) /* bytes of scenario.json; quotes in its text are escaped                \
					       */
#define TAIL_MAX (1U << 20)                   /* bytes at a trace's end in which a whole line must be */
#define HEAD_MAX 64U

static char *path_join(const char *directory, const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", directory, name) < 0)
		log_fatal("out of memory for a path");
	return path;
}

/* ---- writing ---- */

/* A path or word that is not UTF-8 cannot stand in JSON; it is left out, and what it meant with it. */
static json_t *text_json(const char *text)
{
	json_t *j = json_string(text);

	return j ? j : json_null();
}

static json_t *run_json(const struct scenario *s, const uint64_t *seed, bool live)
{
	json_t *root = json_object(), *list = json_array();
	char *absolute = realpath(s->file, NULL), word[32];

	json_object_set_new(root, "baton", json_string(BATON_VERSION));
	json_object_set_new(root, "file", text_json(absolute ? absolute : s->file));
	for (size_t i = 0; i < s->sets_count; i++)
		json_array_append_new(list, text_json(s->sets[i]));
	if (seed) {
		snprintf(word, sizeof word, "seed=%llu", (unsigned long long)*seed);
		json_array_append_new(list, json_string(word));
	}
	json_object_set_new(root, "sets", list);
	json_object_set_new(root, "live", json_boolean(live));
	json_object_set_new(root, "scenario", text_json(s->text));
	free(absolute);
	return root;
}

int rerun_write(const char *directory, const struct scenario *s, const uint64_t *seed, bool live)
{
	char *path = path_join(directory, "scenario.json");
	json_t *root = run_json(s, seed, live);
	FILE *f = fopen(path, "we");
	bool whole = f && !json_dumpf(root, f, JSON_INDENT(2)) && fputc('\n', f) != EOF;
	int error = errno;

	if (f && fclose(f) && whole) {
		whole = false;
		error = errno;
	}
	json_decref(root);
	free(path);
	errno = error;
	return whole ? 0 : E_IO;
}

/* ---- reading ---- */

static char *copy(const json_t *text)
{
	char *c = strdup(json_string_value(text));

	if (!c)
		log_fatal("out of memory: what a run was made of");
	return c;
}

static bool sets_take(struct rerun *r, const json_t *list)
{
	size_t i;
	json_t *word;

	r->sets = calloc(json_array_size(list) + 1, sizeof(char *));
	if (!r->sets)
		log_fatal("out of memory: what a run was made of");
	json_array_foreach (list, i, word) {
		if (!json_is_string(word))
			return false;
		r->sets[r->sets_count++] = copy(word);
	}
	return json_is_array(list);
}

static bool run_take(struct rerun *r, const json_t *root)
{
	const json_t *version = json_object_get(root, "baton"), *file = json_object_get(root, "file");
	const json_t *text = json_object_get(root, "scenario");

	if (!json_is_string(version) || !json_is_string(file) || !json_is_string(text))
		return false;
	r->version = copy(version);
	r->file = copy(file);
	r->text = copy(text);
	return sets_take(r, json_object_get(root, "sets"));
}

int rerun_read(struct rerun *r, const char *directory, char why[RERUN_WHY_MAX])
{
	char *path = path_join(directory, "scenario.json");
	struct stat st;
	json_error_t error;
	json_t *root = NULL;
	FILE *f = fopen(path, "re");
	int result = E_INVAL;

	*r = (struct rerun){0};
	if (!f && errno == ENOENT)
		snprintf(why, RERUN_WHY_MAX, "no scenario.json in it: not the directory of a simulated run");
	else if (!f || fstat(fileno(f), &st))
		snprintf(why, RERUN_WHY_MAX, "scenario.json cannot be read: %s", strerror(errno));
	else if (!S_ISREG(st.st_mode) || st.st_size > RUN_FILE_MAX)
		snprintf(why, RERUN_WHY_MAX, "scenario.json is no file of at most %u bytes", RUN_FILE_MAX);
	else if (!(root = json_loadf(f, 0, &error)))
		snprintf(why, RERUN_WHY_MAX, "scenario.json:%d:%d: %s", error.line, error.column, error.text);
	else if (!run_take(r, root))
		snprintf(why, RERUN_WHY_MAX, "scenario.json does not say what was run");
	else if (json_is_true(json_object_get(root, "live")))
		snprintf(why, RERUN_WHY_MAX, "a live run, which cannot be made again");
	else
		result = 0;
	json_decref(root);
	if (f)
		fclose(f);
	free(path);
	return result;
}

void rerun_fini(struct rerun *r)
{
	for (size_t i = 0; i < r->sets_count; i++)
		free(r->sets[i]);
	free(r->sets);
	free(r->version);
	free(r->file);
	free(r->text);
	*r = (struct rerun){0};
}

/* ---- a trace's ends ---- */

/* The last whole line of `text`, cut off behind it; NULL when there is none. */
static char *line_last(char *text, size_t len)
{
	while (len && text[len - 1] != '\n')
		len--;
	if (!len)
		return NULL;
	text[--len] = '\0';
	while (len && text[len - 1] != '\n')
		len--;
	return text + len;
}

static bool line_take(struct rerun_trace *t, const char *line)
{
	json_t *root = json_loads(line, 0, NULL);
	const json_t *at = json_object_get(root, "t"), *event = json_object_get(root, "ev");
	bool good = json_is_integer(at) && json_integer_value(at) >= 0 && json_is_string(event);

	if (good) {
		t->last = (nstime)json_integer_value(at);
		t->ended = !strcmp(json_string_value(event), trace_name(TRACE_RUN_END));
	}
	json_decref(root);
	return good;
}

/* Reads the begin of a trace; false with the reason in `why` when it is none. */
static bool head_is_good(FILE *f, char why[RERUN_WHY_MAX])
{
	char head[HEAD_MAX] = "", begin[HEAD_MAX];
	size_t len = (size_t)snprintf(begin, sizeof begin, "{\"trace\":%d}\n", TRACE_VERSION);
	size_t got = fread(head, 1, len, f);

	if (got == len && !memcmp(head, begin, len))
		return true;
	if (!got && !ferror(f))
		snprintf(why, RERUN_WHY_MAX, "trace.jsonl is empty: the run broke off before it wrote any of it");
	else
		snprintf(why, RERUN_WHY_MAX, "trace.jsonl is no trace of version %d", TRACE_VERSION);
	return false;
}

/* The last whole line within the last TAIL_MAX bytes. */
static bool tail_is_good(struct rerun_trace *t, FILE *f, char why[RERUN_WHY_MAX])
{
	char *tail = malloc(TAIL_MAX), *line;
	bool good;

	if (!tail)
		log_fatal("out of memory: the end of a trace");
	if (fseek(f, -(long)TAIL_MAX, SEEK_END) < 0)
		rewind(f);
	line = line_last(tail, fread(tail, 1, TAIL_MAX, f));
	good = line && line_take(t, line);
	if (!good)
		snprintf(why, RERUN_WHY_MAX, "trace.jsonl does not end with an event");
	free(tail);
	return good;
}

int rerun_trace_look(struct rerun_trace *t, const char *directory, char why[RERUN_WHY_MAX])
{
	char *path = path_join(directory, "trace.jsonl");
	FILE *f = fopen(path, "re");
	bool good = false;

	*t = (struct rerun_trace){0};
	if (!f)
		snprintf(why, RERUN_WHY_MAX, "trace.jsonl: %s", strerror(errno));
	else
		good = head_is_good(f, why) && tail_is_good(t, f, why);
	if (f)
		fclose(f);
	free(path);
	return good ? 0 : E_INVAL;
}
