/* SPDX-License-Identifier: BSD-3-Clause */
/* The document behind a scenario: a YAML file as a tree whose every value knows where it stands.
 *
 * Only what a scenario needs of YAML passes: one document of mappings with text keys, lists and scalars; anchors,
 * aliases, tags, duplicate keys and deep nesting are mistakes. `--set` words are applied to the tree. It knows no key
 * of the format and no unit. Callers: scenario_parse.c and its companions. */
#ifndef BATON_SIM_SCENARIO_DOC_H
#define BATON_SIM_SCENARIO_DOC_H

#include "sim/scenario.h"

#include <stdbool.h>
#include <stddef.h>

#define DOC_DEPTH_MAX 32U
#define DOC_NODES_MAX (1U << 20) /* values in one file */

enum doc_kind { DOC_SCALAR, DOC_MAP, DOC_LIST };

/* Where something stands: counted from 1; line 0 when it came from `--set origin=...`. */
struct doc_place {
	unsigned line, column;
	const char *origin; /* borrowed from the words of --set */
};

struct doc {
	enum doc_kind kind;
	bool plain;             /* a scalar without quotes */
	struct doc_place place; /* its own text */
	char *key;              /* within a mapping; else NULL */
	struct doc_place key_place;
	char *text;         /* of a scalar */
	struct doc **items; /* of a mapping or list */
	size_t count;
};

/* The bytes of `file`, to be freed, or NULL: then a mistake was added. */
char *doc_load(const char *file, size_t *len, struct scenario_mistakes *m);

/* Reads a file's text. The tree, to be freed by doc_free, or NULL: then at least one mistake was added. A tree may come
 * along with mistakes (duplicate keys, aliases) so that the rest can be checked in the same go. */
struct doc *doc_read(const char *text, size_t len, struct scenario_mistakes *m);
void doc_free(struct doc *d); /* NULL is allowed */

/* Applies "path=value" to the tree. Path: keys and list indices (from 0) joined by dots; `backend` stands for the key
 * `backend[1..4]` too, and a glob for every key that matches. Mistakes have line 0 and name the path. The word must
 * outlive the tree. */
void doc_set(struct doc *root, const char *word, struct scenario_mistakes *m);

/* Whether it is UTF-8. */
bool doc_is_utf8(const char *text, size_t len);

/* A new value under `parent` (NULL: a root), with a copy of `key` (NULL: none). */
struct doc *doc_add(struct doc *parent, enum doc_kind kind, const char *key, struct doc_place key_place);

/* Parses one value of YAML, as for a file. `origin` as in doc_place (NULL: positions count in the text). */
struct doc *doc_parse(const char *text, size_t len, const char *origin, struct scenario_mistakes *m);

/* The place to name for a value: a scalar's own, a mapping's or list's key if it has one. */
struct doc_place doc_where(const struct doc *d);

/* The value of `key` in a mapping, or NULL. */
struct doc *doc_get(const struct doc *map, const char *key);

/* Mistakes. Text as printf; adds "--set ORIGIN: " where there is no line. */
void mistake_add(struct scenario_mistakes *m, struct doc_place where, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void mistakes_sort(struct scenario_mistakes *m); /* by position, ties in order of adding */

/* The candidate nearest to `word` when near enough to be meant, else NULL. `candidates` ends with NULL. */
const char *mistake_nearest(const char *word, const char *const *candidates);

/* Whether `text` matches `glob`, in which '*' stands for any run of characters ('/' included). */
bool scenario_glob(const char *glob, const char *text);

/* Room for one more in an array of `count` members (NULL when 0); never fails but for the process. */
void *scenario_grow(void *array, size_t count, size_t size);
char *scenario_strndup(const char *text, size_t len);

#endif
