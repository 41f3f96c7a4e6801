/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/scenario_change.h"

#include "sim/scenario_doc.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define PATH_MAX_LEN 256U
#define ONLY         "only the rules of services, health and the key can change while it runs"

/* ---- trees ---- */

/* The file's tree with the words of --set, as it was read. */
static struct doc *tree_of(const struct scenario *s)
{
	struct scenario_mistakes none = {0};
	struct doc *root = doc_read(s->text, strlen(s->text), &none);

	for (size_t i = 0; root && i < s->sets_count; i++)
		doc_set(root, s->sets[i], &none);
	assert(root && !none.count); /* it was read before */
	scenario_mistakes_fini(&none);
	return root;
}

/* One comparison: `path` is where it is. */
struct comparison {
	struct scenario_mistakes *m;
	char path[PATH_MAX_LEN];
};

static bool may_change(const char *path)
{
	const char *rules = strrchr(path, '.');

	if (!strcmp(path, "health") || !strcmp(path, "key"))
		return true;
	return rules && !strcmp(rules, ".rules") && !strncmp(path, "services.", 9) &&
	       memchr(path + 9, '.', strlen(path + 9)) == rules;
}

/* Goes one step down; returns what path_leave needs. */
static size_t path_enter(struct comparison *c, const struct doc *d, size_t index)
{
	size_t len = strlen(c->path);

	if (d->key)
		snprintf(c->path + len, sizeof(c->path) - len, "%s%s", len ? "." : "", d->key);
	else
		snprintf(c->path + len, sizeof(c->path) - len, "%s%zu", len ? "." : "", index);
	return len;
}

static void path_leave(struct comparison *c, size_t len)
{
	c->path[len] = '\0';
}

static struct doc_place place_of(const struct doc *d)
{
	return d->key ? d->key_place : doc_where(d);
}

static void compare(struct comparison *c, const struct doc *a, const struct doc *b);

/* What is there now, against what was. */
static void compare_new(struct comparison *c, const struct doc *a, const struct doc *b)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct doc *was =
			b->items[i]->key ? doc_get(a, b->items[i]->key) : (i < a->count ? a->items[i] : NULL);
		size_t len = path_enter(c, b->items[i], i);

		if (was && !may_change(c->path))
			compare(c, was, b->items[i]);
		else if (!was && !may_change(c->path))
			mistake_add(c->m, place_of(b->items[i]), "'%s' is new: " ONLY, c->path);
		path_leave(c, len);
	}
}

static void compare_gone(struct comparison *c, const struct doc *a, const struct doc *b)
{
	for (size_t i = 0; i < a->count; i++) {
		size_t len = path_enter(c, a->items[i], i);
		bool gone = a->items[i]->key ? !doc_get(b, a->items[i]->key) : i >= b->count;

		if (gone && !may_change(c->path))
			mistake_add(c->m, place_of(b), "'%s' is gone: " ONLY, c->path);
		path_leave(c, len);
	}
}

/* Networks, nodes and services have numbers, by their order. */
static void compare_order(struct comparison *c, const struct doc *a, const struct doc *b)
{
	bool counted = !strcmp(c->path, "networks") || !strcmp(c->path, "nodes") || !strcmp(c->path, "services");

	for (size_t i = 0; counted && a->count == b->count && i < b->count; i++) {
		if (!strcmp(a->items[i]->key, b->items[i]->key))
			continue;
		if (doc_get(a, b->items[i]->key) && doc_get(b, a->items[i]->key))
			mistake_add(c->m, place_of(b->items[i]), "'%s.%s' is in another place of the order: " ONLY,
				    c->path, b->items[i]->key);
		return;
	}
}

static void compare(struct comparison *c, const struct doc *a, const struct doc *b)
{
	if (a->kind != b->kind || (a->kind == DOC_SCALAR && strcmp(a->text, b->text) != 0)) {
		mistake_add(c->m, place_of(b), "'%s' is another than before: " ONLY, c->path);
		return;
	}
	if (a->kind == DOC_SCALAR)
		return;
	compare_new(c, a, b);
	compare_gone(c, a, b);
	if (a->kind == DOC_MAP)
		compare_order(c, a, b);
}

/* A key that was in a file does not come from elsewhere now. */
static void compare_key(struct comparison *c, const struct scenario *s, const struct scenario *fresh,
			const struct doc *root)
{
	if (s->key && !fresh->key)
		mistake_add(c->m, root->place, "'key' is gone: the cluster has one");
}

bool scenario_change_check(const struct scenario *s, const struct scenario *fresh, struct scenario_mistakes *m)
{
	struct doc *a = tree_of(s), *b = tree_of(fresh);
	struct comparison c = {.m = m};

	*m = (struct scenario_mistakes){0};
	compare(&c, a, b);
	compare_key(&c, s, fresh, b);
	doc_free(a);
	doc_free(b);
	mistakes_sort(m);
	return !m->count;
}

/* ---- values ---- */

static bool same_text(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : !a && !b;
}

bool scenario_rule_same_match(const struct scenario_rule *a, const struct scenario_rule *b)
{
	return same_text(a->method, b->method) && same_text(a->host, b->host) && same_text(a->path, b->path) &&
	       same_text(a->header_name, b->header_name) && same_text(a->header_value, b->header_value) &&
	       same_text(a->cookie_name, b->cookie_name) && same_text(a->cookie_value, b->cookie_value) &&
	       same_text(a->server_name, b->server_name);
}

static bool same_weights(const struct scenario_rule *a, const struct scenario_rule *b)
{
	for (size_t i = 0; i < a->to_count; i++)
		if ((a->weights ? a->weights[i] : 1) != (b->weights ? b->weights[i] : 1))
			return false;
	return true;
}

static bool same_rule(const struct scenario_rule *a, const struct scenario_rule *b)
{
	return a->to_count == b->to_count && !memcmp(a->to, b->to, a->to_count * sizeof(*a->to)) &&
	       same_weights(a, b) && a->balance == b->balance && a->key == b->key &&
	       same_text(a->key_cookie, b->key_cookie) && a->sticky_entries == b->sticky_entries &&
	       a->sticky_expire == b->sticky_expire;
}

static const struct scenario_rule *rule_find(const struct scenario_service *s, const struct scenario_rule *like)
{
	for (size_t i = 0; i < s->rules_count; i++)
		if (scenario_rule_same_match(&s->rules[i], like))
			return &s->rules[i];
	return NULL;
}

void scenario_change_count(const struct scenario *s, const struct scenario *fresh, struct scenario_change *out)
{
	*out = (struct scenario_change){
		.health = s->health.interval != fresh->health.interval || s->health.rise != fresh->health.rise ||
			  s->health.fall != fresh->health.fall,
		.key = fresh->key && (!s->key || memcmp(s->key, fresh->key, SCENARIO_KEY_LEN) != 0),
	};
	for (size_t i = 0; i < s->services_count; i++) {
		const struct scenario_service *was = &s->services[i], *is = &fresh->services[i];

		for (size_t r = 0; r < is->rules_count; r++) {
			const struct scenario_rule *old = rule_find(was, &is->rules[r]);

			out->rules += !old || !same_rule(old, &is->rules[r]);
		}
		for (size_t r = 0; r < was->rules_count; r++)
			out->gone += !rule_find(is, &was->rules[r]);
	}
}

#define SWAP(type, a, b)                                                                                               \
	do {                                                                                                           \
		type swapped = (a);                                                                                    \
		(a) = (b);                                                                                             \
		(b) = swapped;                                                                                         \
	} while (0)

void scenario_change_swap(struct scenario *s, struct scenario *fresh)
{
	for (size_t i = 0; i < s->services_count; i++) {
		SWAP(struct scenario_rule *, s->services[i].rules, fresh->services[i].rules);
		SWAP(size_t, s->services[i].rules_count, fresh->services[i].rules_count);
	}
	SWAP(struct scenario_health, s->health, fresh->health);
	SWAP(uint8_t *, s->key, fresh->key);
	SWAP(char *, s->text, fresh->text); /* the next change is compared with this */
}
