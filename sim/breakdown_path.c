/* SPDX-License-Identifier: BSD-3-Clause */
/* The metrics of single nodes, links and rules by their paths: which of them an expectation names. */
#include "sim/breakdown.h"
#include "sim/expect.h"
#include "sim/world.h"

#include <stdlib.h>
#include <string.h>

#define SUGGESTED_MAX 512U /* metrics declared so that one of them may be suggested */
#define PARTS_MAX     5U   /* per_link.NODE.NETWORK.in.WHAT */

static const char *const direction_names[] = {"in", "out"};

enum target_kind { TARGET_NODE, TARGET_LINK, TARGET_RULE };

struct target {
	enum target_kind kind;
	size_t node, attachment; /* of a link: the node's attachment */
	size_t service, rule;
	unsigned direction; /* of a link: index of direction_names */
	unsigned what;
};

/* Cuts a path at its dots, in place; how many parts, or 0 when they are more than PARTS_MAX. */
static unsigned parts_cut(char *path, char *parts[PARTS_MAX])
{
	unsigned count = 0;

	while (path) {
		if (count == PARTS_MAX)
			return 0;
		parts[count++] = strsep(&path, ".");
	}
	return count;
}

static bool node_resolve(char *const *parts, struct target *t)
{
	t->kind = TARGET_NODE;
	while (t->what < BREAKDOWN_NODE_COUNT && strcmp(parts[2], breakdown_node_name(t->what)) != 0)
		t->what++;
	return t->what < BREAKDOWN_NODE_COUNT;
}

static bool link_resolve(const struct scenario *s, char *const *parts, struct target *t)
{
	const struct scenario_node *n = &s->nodes[t->node];

	t->kind = TARGET_LINK;
	while (t->attachment < n->attachments_count &&
	       strcmp(parts[2], s->networks[n->attachments[t->attachment].network].name) != 0)
		t->attachment++;
	while (t->direction < 2 && strcmp(parts[3], direction_names[t->direction]) != 0)
		t->direction++;
	while (t->what < BREAKDOWN_LINK_COUNT && strcmp(parts[4], breakdown_link_name(t->what)) != 0)
		t->what++;
	return t->attachment < n->attachments_count && t->direction < 2 && t->what < BREAKDOWN_LINK_COUNT;
}

static bool rule_resolve(const struct scenario *s, char *const *parts, struct target *t)
{
	char number[24];

	t->kind = TARGET_RULE;
	t->service = scenario_service_find(s, parts[1]);
	if (t->service == SIZE_MAX || strcmp(parts[3], "chosen") != 0)
		return false;
	t->rule = strtoul(parts[2], NULL, 10);
	snprintf(number, sizeof number, "%zu", t->rule); /* one way to write it: no sign, no zero in front */
	return t->rule < s->services[t->service].rules_count && !strcmp(number, parts[2]);
}

static bool target_resolve(const struct scenario *s, const char *path, struct target *t)
{
	char copy[EXPECT_PATH_MAX], *parts[PARTS_MAX];
	unsigned count;

	*t = (struct target){0};
	snprintf(copy, sizeof copy, "%s", path);
	count = parts_cut(copy, parts);
	if (count == 4 && !strcmp(parts[0], "per_rule"))
		return rule_resolve(s, parts, t);
	if (count < 3)
		return false;
	t->node = scenario_node_find(s, parts[1]);
	if (t->node == SIZE_MAX)
		return false;
	if (count == 3 && !strcmp(parts[0], "per_node"))
		return node_resolve(parts, t);
	return count == 5 && !strcmp(parts[0], "per_link") && link_resolve(s, parts, t);
}

static uint64_t target_value(const struct world *w, const struct target *t)
{
	const struct world_node *wn = &w->nodes[t->node];
	uint64_t node[BREAKDOWN_NODE_COUNT], link[BREAKDOWN_LINK_COUNT];

	switch (t->kind) {
	case TARGET_NODE:
		breakdown_node_read(wn, node);
		return node[t->what];
	case TARGET_LINK:
		breakdown_link_read(t->direction ? &wn->attachments[t->attachment]->out
						 : &wn->attachments[t->attachment]->in,
				    link);
		return link[t->what];
	case TARGET_RULE:
		break;
	}
	return w->rules.chosen[w->rules.first[t->service] + t->rule];
}

/* Declares metrics that a mistaken one may have meant: all of every node or link as far as they go. */
static void suggestions_declare(const struct scenario *s, bool links, struct metrics *known)
{
	char path[EXPECT_PATH_MAX];
	size_t left = SUGGESTED_MAX;

	for (size_t n = 0; n < s->nodes_count; n++)
		for (unsigned what = 0; !links && what < BREAKDOWN_NODE_COUNT && left; what++, left--) {
			snprintf(path, sizeof path, "per_node.%s.%s", s->nodes[n].name, breakdown_node_name(what));
			metrics_set(known, path, 0);
		}
	for (size_t n = 0; links && n < s->nodes_count; n++)
		for (size_t i = 0; i < s->nodes[n].attachments_count * 2 * BREAKDOWN_LINK_COUNT && left; i++, left--) {
			const struct scenario_attachment *a = &s->nodes[n].attachments[i / (2 * BREAKDOWN_LINK_COUNT)];

			snprintf(path, sizeof path, "per_link.%s.%s.%s.%s", s->nodes[n].name,
				 s->networks[a->network].name, direction_names[i / BREAKDOWN_LINK_COUNT % 2],
				 breakdown_link_name((unsigned)(i % BREAKDOWN_LINK_COUNT)));
			metrics_set(known, path, 0);
		}
}

static void path_declare(const struct scenario *s, const char *path, struct metrics *known)
{
	struct target t;

	if (strncmp(path, "per_", 4) != 0)
		return;
	if (target_resolve(s, path, &t))
		metrics_set(known, path, 0);
	else
		suggestions_declare(s, !strncmp(path, "per_link", 8), known);
}

void breakdown_declare(const struct scenario *s, const char *expectation, struct metrics *known)
{
	struct expect x;
	char why[EXPECT_WHY_MAX];
	size_t column;

	if (expect_parse(&x, expectation, NULL, why, &column))
		return;
	path_declare(s, x.metric, known);
	path_declare(s, x.other, known);
}

static void path_collect(const struct world *w, const char *path, struct metrics *m)
{
	struct target t;

	if (target_resolve(w->scenario, path, &t))
		metrics_set(m, path, target_value(w, &t));
}

void breakdown_collect(const struct world *w, struct metrics *m)
{
	const struct scenario *s = w->scenario;

	for (size_t i = 0; i < s->expects_count; i++) {
		struct expect x;
		char why[EXPECT_WHY_MAX];
		size_t column;

		if (expect_parse(&x, s->expects[i].text, NULL, why, &column))
			continue;
		path_collect(w, x.metric, m);
		path_collect(w, x.other, m);
	}
}
