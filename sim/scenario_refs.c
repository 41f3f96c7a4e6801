/* SPDX-License-Identifier: BSD-3-Clause */
/* References to nodes and attachments by name, range and glob. */
#include "sim/scenario_parse.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

static int name_compare(const void *a, const void *b)
{
	const struct name_index *x = a, *y = b;
	int order = strcmp(x->name, y->name);

	return order ? order : x->index < y->index ? -1 : x->index > y->index;
}

void parse_names(struct parse *p)
{
	const struct scenario *s = p->s;

	p->names = calloc(s->nodes_count + 1, sizeof(*p->names));
	p->marks = calloc(s->nodes_count + 1, sizeof(*p->marks));
	if (!p->names || !p->marks)
		log_fatal("out of memory reading a scenario");
	for (size_t i = 0; i < s->nodes_count; i++)
		p->names[i] = (struct name_index){s->nodes[i].name, i};
	qsort(p->names, s->nodes_count, sizeof(*p->names), name_compare);
	const struct doc *told = NULL;

	for (size_t i = 1; i < s->nodes_count; i++) {
		const struct doc *d = p->node_docs[p->names[i].index];

		if (strcmp(p->names[i - 1].name, p->names[i].name))
			continue;
		p->addressed = false;
		if (d != told) /* two ranges may overlap in many names */
			MISTAKE_KEY(p, d, "there are two nodes '%s': the other is in line %u", p->names[i].name,
				    p->node_docs[p->names[i - 1].index]->key_place.line);
		told = d;
	}
}

static size_t name_find(const struct parse *p, const char *name)
{
	size_t low = 0, high = p->s->nodes_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(p->names[middle].name, name);

		if (!order)
			return p->names[middle].index;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return SIZE_MAX;
}

/* The nearest of the names, compared in slices to spare a list of all. */
static const char *name_nearest(struct parse *p, const struct doc *d, const char *name)
{
	const char *nearest = NULL;

	/* Thousands of names are not worth the search. */
	if (p->s->nodes_count > 1024 || !parse_work(p, d, p->s->nodes_count * 64))
		return NULL;
	const char **names = calloc(p->s->nodes_count + 1, sizeof(*names));

	if (!names)
		log_fatal("out of memory reading a scenario");
	for (size_t i = 0; i < p->s->nodes_count; i++)
		names[i] = p->s->nodes[i].name;
	nearest = mistake_nearest(name, names);
	free(names);
	return nearest;
}

size_t parse_node_ref(struct parse *p, const struct doc *d, const char *name, size_t len)
{
	char copy[SCENARIO_NAME_MAX + 1];
	size_t index = SIZE_MAX;

	if (len <= SCENARIO_NAME_MAX) {
		memcpy(copy, name, len);
		copy[len] = '\0';
		index = name_find(p, copy);
	}
	/* Without any node that mistake was told; a name per reference would only hide it. */
	if (index != SIZE_MAX || !p->s->nodes_count)
		return index;
	const char *nearest = len <= SCENARIO_NAME_MAX ? name_nearest(p, d, copy) : NULL;

	if (nearest)
		MISTAKE(p, d, "there is no node '%.*s'; did you mean '%s'?", (int)len, name, nearest);
	else
		MISTAKE(p, d, "there is no node '%.*s'", (int)len, name);
	return SIZE_MAX;
}

struct addr node_address(const struct scenario_node *node, uint8_t family)
{
	for (size_t i = 0; i < node->attachments_count; i++)
		if (addr_pair_get(&node->attachments[i].address, family)->family)
			return *addr_pair_get(&node->attachments[i].address, family);
	return (struct addr){0};
}

size_t node_attachment(const struct scenario_node *node, size_t network)
{
	for (size_t i = 0; i < node->attachments_count; i++)
		if (node->attachments[i].network == network)
			return i;
	return SIZE_MAX;
}

/* Whether every classifier and backend but the forwarder itself is on the network, and there is one. */
static bool network_has_cluster(const struct scenario *s, size_t network)
{
	bool any = false;

	for (size_t i = 0; i < s->nodes_count; i++) {
		if (!(s->nodes[i].roles & (ROLE_BACKEND | ROLE_CLASSIFIER)) || (s->nodes[i].roles & ROLE_FORWARDER))
			continue;
		if (node_attachment(&s->nodes[i], network) == SIZE_MAX)
			return false;
		any = true;
	}
	return any;
}

static bool network_has_vip(const struct scenario *s, size_t network)
{
	for (size_t i = 0; i < s->services_count; i++)
		if (network_of(s, &s->services[i].vip) == network)
			return true;
	return false;
}

size_t cluster_network(const struct scenario *s)
{
	size_t found = SIZE_MAX;

	for (size_t i = 0; i < s->nodes_count; i++) {
		const struct scenario_node *n = &s->nodes[i];

		if (!(n->roles & ROLE_FORWARDER))
			continue;
		for (size_t a = n->attachments_count; a-- > 0;) {
			size_t network = n->attachments[a].network;

			if (network_has_cluster(s, network) && (found == SIZE_MAX || !network_has_vip(s, network)))
				found = network;
		}
		break;
	}
	return found;
}

bool nodes_share_network(const struct scenario_node *a, const struct scenario_node *b)
{
	if (a == b)
		return true;
	for (size_t i = 0; i < a->attachments_count; i++)
		if (node_attachment(b, a->attachments[i].network) != SIZE_MAX)
			return true;
	return false;
}

bool parse_attachment_ref(struct parse *p, const struct doc *d, size_t *node, size_t *attachment)
{
	const char *text, *dot;

	if (!parse_text(p, d, &text))
		return false;
	dot = strchr(text, '.');
	if (!dot || dot == text || !dot[1]) {
		MISTAKE(p, d, "'%s' is not NODE.NETWORK", text);
		return false;
	}
	*node = parse_node_ref(p, d, text, (size_t)(dot - text));
	if (*node == SIZE_MAX)
		return false;
	const struct scenario_node *n = &p->s->nodes[*node];

	for (size_t i = 0; i < n->attachments_count; i++)
		if (!strcmp(p->s->networks[n->attachments[i].network].name, dot + 1)) {
			*attachment = i;
			return true;
		}
	const char *names[SCENARIO_INTERFACES_MAX + 1];

	for (size_t i = 0; i < n->attachments_count; i++)
		names[i] = p->s->networks[n->attachments[i].network].name;
	names[n->attachments_count] = NULL;
	const char *nearest = mistake_nearest(dot + 1, names);

	if (nearest)
		MISTAKE(p, d, "node '%s' is not on a network '%s'; did you mean '%s.%s'?", n->name, dot + 1, n->name,
			nearest);
	else
		MISTAKE(p, d, "node '%s' is not on a network '%s'", n->name, dot + 1);
	return false;
}

struct node_list {
	unsigned role;
	const char *role_text;
	size_t *list;
	size_t count;
};

static void list_add(struct parse *p, struct node_list *l, size_t index)
{
	if (p->marks[index] == p->mark)
		return;
	p->marks[index] = p->mark;
	l->list = scenario_grow(l->list, l->count, sizeof(*l->list));
	l->list[l->count++] = index;
}

/* A node named outright: it must be one, and of the role. False when the caller need not go on. */
static bool list_name(struct parse *p, const struct doc *d, struct node_list *l, const char *name)
{
	size_t index = parse_node_ref(p, d, name, strlen(name));

	if (index == SIZE_MAX)
		return false;
	/* A node whose role was a mistake has none. */
	if (p->s->nodes[index].roles && !(p->s->nodes[index].roles & l->role)) {
		MISTAKE(p, d, "node '%s' is not a %s", name, l->role_text);
		return false;
	}
	if (p->marks[index] == p->mark) {
		MISTAKE(p, d, "node '%s' stands in this list already", name);
		return false;
	}
	list_add(p, l, index);
	return true;
}

/* All nodes of the role that match. */
static void list_glob(struct parse *p, const struct doc *d, struct node_list *l, const char *glob)
{
	const struct scenario *s = p->s;
	bool some = false;

	if (!parse_work(p, d, s->nodes_count))
		return;
	for (size_t i = 0; i < s->nodes_count; i++)
		if ((s->nodes[i].roles & l->role) && scenario_glob(glob, s->nodes[i].name)) {
			list_add(p, l, i);
			some = true;
		}
	if (!some && s->nodes_count)
		MISTAKE(p, d, "no %s matches '%s'", l->role_text, glob);
}

static void list_entry(struct parse *p, const struct doc *d, struct node_list *l)
{
	char name[SCENARIO_NAME_MAX + 24];
	const char *text;
	struct range r;

	if (!parse_text(p, d, &text))
		return;
	if (strchr(text, '*')) {
		list_glob(p, d, l, text);
		return;
	}
	if (!strchr(text, '[')) {
		list_name(p, d, l, text);
		return;
	}
	if (!parse_range(p, doc_where(d), text, &r) || !parse_work(p, d, r.last - r.first + 1))
		return;
	for (uint64_t i = r.first; i <= r.last; i++) {
		snprintf(name, sizeof(name), "%.*s%llu", (int)r.len, text, (unsigned long long)i);
		if (!list_name(p, d, l, name))
			break;
	}
}

bool parse_node_list(struct parse *p, const struct doc *d, unsigned role, const char *role_text, size_t **list,
		     size_t *count)
{
	struct node_list l = {.role = role, .role_text = role_text};
	size_t mistakes = p->mistakes->count + p->mistakes->omitted;

	p->mark++;
	if (d->kind == DOC_LIST) {
		for (size_t i = 0; i < d->count; i++)
			list_entry(p, d->items[i], &l);
		if (!d->count && d->key)
			MISTAKE(p, d, "'%s' is empty", d->key);
		else if (!d->count)
			MISTAKE(p, d, "the list is empty");
	} else if (d->kind == DOC_MAP) {
		MISTAKE(p, d, "a node's name or a list of names is expected here");
	} else {
		list_entry(p, d, &l);
	}
	*list = l.list;
	*count = l.count;
	return mistakes == p->mistakes->count + p->mistakes->omitted && l.count;
}
