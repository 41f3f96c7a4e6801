/* SPDX-License-Identifier: BSD-3-Clause */
/* `--set path=value`: finds the values that a path names, and replaces them. */
#include "sim/scenario_doc.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define NEAREST_MAX 64U /* keys of a mapping that are compared for likeness */

struct setting {
	const char *word;  /* "path=value", borrowed */
	const char *value; /* within it */
	struct scenario_mistakes *mistakes;
};

/* Mappings that the format lets one leave out, so that a path may go through them. */
static bool may_be_made(const char *key)
{
	return !strcmp(key, "in") || !strcmp(key, "out") || !strcmp(key, "limits") || !strcmp(key, "apps");
}

static struct doc_place set_place(const struct setting *x)
{
	return (struct doc_place){.origin = x->word};
}

/* The bytes of the path's first part: up to a dot that is not within a range's brackets. */
static size_t part_len(const char *path, const char *end)
{
	const char *c = path;

	for (bool bracket = false; c < end && (bracket || *c != '.'); c++)
		bracket = *c == '[' || (bracket && *c != ']');
	return (size_t)(c - path);
}

/* `backend` names the key `backend[1..4]`, and a glob every key that it matches, ranges by what is before the bracket
 * too. */
static bool key_matches(const char *part, const char *key)
{
	size_t base = strcspn(key, "[");
	char *name;
	bool matches;

	if (!strcmp(part, key))
		return true;
	if (!strchr(part, '*'))
		return key[base] && strlen(part) == base && !strncmp(part, key, base);
	name = scenario_strndup(key, base);
	matches = scenario_glob(part, key) || scenario_glob(part, name);
	free(name);
	return matches;
}

static void say_unknown(struct setting *x, const struct doc *map, const char *part)
{
	const char *keys[NEAREST_MAX + 1];
	size_t count = 0;

	for (; count < map->count && count < NEAREST_MAX; count++)
		keys[count] = map->items[count]->key;
	keys[count] = NULL;
	const char *nearest = mistake_nearest(part, keys);

	if (nearest)
		mistake_add(x->mistakes, set_place(x), "there is no '%s'; did you mean '%s'?", part, nearest);
	else
		mistake_add(x->mistakes, set_place(x), "there is no '%s' in the file", part);
}

/* Puts the value in place of what `d` holds. What looks like YAML is read as such. */
static void set_value(struct setting *x, struct doc *d)
{
	struct doc *value = NULL;

	if (strchr("[{\"'", *x->value) && *x->value) {
		value = doc_parse(x->value, strlen(x->value), x->word, x->mistakes);
		if (!value)
			return;
	}
	for (size_t i = 0; i < d->count; i++)
		doc_free(d->items[i]);
	free(d->items);
	free(d->text);
	d->place = d->key_place = set_place(x);
	if (value) {
		d->kind = value->kind;
		d->plain = value->plain;
		d->text = value->text;
		d->items = value->items;
		d->count = value->count;
		free(value);
		return;
	}
	d->kind = DOC_SCALAR;
	d->plain = true;
	d->items = NULL;
	d->count = 0;
	d->text = scenario_strndup(x->value, strlen(x->value));
}

static void set_path(struct setting *x, struct doc *d, const char *path, const char *end);

/* One step: into `child`, or to its value when the path ends. */
static void set_child(struct setting *x, struct doc *child, const char *rest, const char *end)
{
	if (rest > end)
		set_value(x, child);
	else
		set_path(x, child, rest, end);
}

static void set_item(struct setting *x, struct doc *list, const char *part, const char *rest, const char *end)
{
	char *behind;
	unsigned long index = isdigit((unsigned char)*part) ? strtoul(part, &behind, 10) : 0;

	if (!strcmp(part, "*")) {
		for (size_t i = 0; i < list->count; i++)
			set_child(x, list->items[i], rest, end);
	} else if (!isdigit((unsigned char)*part) || *behind) {
		mistake_add(x->mistakes, set_place(x), "'%s' is no index of a list, counted from 0", part);
	} else if (index >= list->count) {
		mistake_add(x->mistakes, set_place(x), "the list has %zu items, counted from 0", list->count);
	} else {
		set_child(x, list->items[index], rest, end);
	}
}

static void set_key(struct setting *x, struct doc *map, const char *part, const char *rest, const char *end)
{
	size_t matched = 0;

	for (size_t i = 0, count = map->count; i < count; i++)
		if (key_matches(part, map->items[i]->key)) {
			matched++;
			set_child(x, map->items[i], rest, end);
		}
	if (matched)
		return;
	if (strchr(part, '*')) {
		mistake_add(x->mistakes, set_place(x), "nothing matches '%s'", part);
	} else if (rest > end) {
		struct doc *added = doc_add(map, DOC_SCALAR, part, set_place(x));

		set_value(x, added);
	} else if (may_be_made(part)) {
		set_path(x, doc_add(map, DOC_MAP, part, set_place(x)), rest, end);
	} else {
		say_unknown(x, map, part);
	}
}

static void set_path(struct setting *x, struct doc *d, const char *path, const char *end)
{
	size_t len = part_len(path, end);
	char *part = scenario_strndup(path, len);
	const char *rest = path + len + 1;

	/* `cluster:` without a value is an empty mapping. */
	if (d->kind == DOC_SCALAR && d->plain && !*d->text) {
		free(d->text);
		d->text = NULL;
		d->kind = DOC_MAP;
	}
	if (!len)
		mistake_add(x->mistakes, set_place(x), "the path has an empty part");
	else if (d->kind == DOC_MAP)
		set_key(x, d, part, rest, end);
	else if (d->kind == DOC_LIST)
		set_item(x, d, part, rest, end);
	else
		mistake_add(x->mistakes, set_place(x), "there is no '%s' in '%s'", part, d->text);
	free(part);
}

void doc_set(struct doc *root, const char *word, struct scenario_mistakes *m)
{
	struct setting x = {.word = word, .mistakes = m};
	const char *equals = strchr(word, '=');

	if (!equals || equals == word) {
		mistake_add(m, set_place(&x), "write --set path=value");
		return;
	}
	if (!doc_is_utf8(word, strlen(word))) {
		mistake_add(m, (struct doc_place){0}, "--set is given a word that is not UTF-8");
		return;
	}
	x.value = equals + 1;
	while (*x.value == ' ')
		x.value++;
	set_path(&x, root, word, equals);
}
