/* SPDX-License-Identifier: BSD-3-Clause */
/* faults:, capture: and expect:. */
#include "sim/scenario_parse.h"

#include "base/log.h"
#include "sim/breakdown.h"
#include "sim/count.h"
#include "sim/expect.h"
#include "sim/result.h"

#include <stdlib.h>
#include <string.h>

#define NTH_MAX UINT64_C(1000000000000)

static const char *const kind_words[] = {"link", "set", "crash", "restart", "drop", "corrupt", "duplicate", NULL};

/* A fault with its place, before the faults are brought into order of time. */
struct placed {
	struct scenario_fault fault;
	struct doc *doc;
	size_t index;
};

static int placed_compare(const void *a, const void *b)
{
	const struct placed *x = a, *y = b;

	if (x->fault.at != y->fault.at)
		return x->fault.at < y->fault.at ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* In `set`, corrupt and duplicate are impairments. */
static bool fault_kind(struct parse *p, struct doc *d, enum fault_kind *kind)
{
	const struct doc *found = NULL;
	bool set = doc_get(d, "set");

	for (size_t i = 0; kind_words[i]; i++) {
		const struct doc *key = doc_get(d, kind_words[i]);

		if (!key || (set && i > FAULT_SET))
			continue;
		if (found) {
			MISTAKE_KEY(p, key, "one fault has one of link, set, crash, restart, drop, corrupt, duplicate");
			return false;
		}
		found = key;
		*kind = (enum fault_kind)i;
	}
	if (!found)
		MISTAKE(p, d, "what happens? A fault has one of link, set, crash, restart, drop, corrupt, duplicate");
	return found;
}

static void fault_never(struct parse *p, struct doc *d, enum fault_kind kind)
{
	static const char *const own[] = {"down", "for", "on", "match", NULL};
	char why[64];

	snprintf(why, sizeof(why), "'%s' has no use for it", kind_words[kind]);
	for (const char *const *key = own; *key; key++) {
		bool used = (kind == FAULT_LINK_DOWN && !strcmp(*key, "down")) ||
			    (kind >= FAULT_DROP && (!strcmp(*key, "on") || !strcmp(*key, "match")));

		if (!used && strcmp(*key, "for"))
			parse_never(p, d, *key, why);
	}
	if (kind == FAULT_SET)
		return;
	for (const char *const *key = impairment_keys; *key; key++)
		if (strcmp(*key, "corrupt") && strcmp(*key, "duplicate"))
			parse_never(p, d, *key, why);
	parse_never(p, d, "in", why);
	parse_never(p, d, "out", why);
}

static bool fault_node(struct parse *p, struct doc *d, struct scenario_fault *f)
{
	const char *text;

	if (!parse_text(p, d, &text))
		return false;
	f->node = parse_node_ref(p, d, text, strlen(text));
	return f->node != SIZE_MAX;
}

static bool fault_values(struct parse *p, struct doc *d, struct scenario_fault *f)
{
	struct doc *subject = doc_get(d, kind_words[f->kind]), *down = doc_get(d, "down"), *on = doc_get(d, "on");
	struct doc *match = doc_get(d, "match");

	switch (f->kind) {
	case FAULT_CRASH:
	case FAULT_RESTART:
		return fault_node(p, subject, f);
	case FAULT_SET:
		return parse_attachment_ref(p, subject, &f->node, &f->attachment);
	case FAULT_LINK_DOWN:
		if (!down)
			MISTAKE_KEY(p, subject, "'down' is missing: for how long?");
		else if (parse_duration(p, down, &f->down) && !f->down)
			MISTAKE(p, down, "down for no time is no fault");
		return parse_attachment_ref(p, subject, &f->node, &f->attachment);
	case FAULT_DROP:
	case FAULT_CORRUPT:
	case FAULT_DUPLICATE:
		parse_count(p, subject, 1, NTH_MAX, &f->nth);
		if (match)
			parse_match(p, match, &f->match);
		if (!on)
			MISTAKE_KEY(p, subject, "'on' is missing: on: NODE.NETWORK");
		return on && parse_attachment_ref(p, on, &f->node, &f->attachment);
	}
	return false;
}

static bool parse_fault(struct parse *p, struct doc *d, struct scenario_fault *f)
{
	static const char *const known[] = {"at",      "link", "down",  "set",           "crash", "restart", "drop",
					    "corrupt", "on",   "match", IMPAIRMENT_KEYS, "in",    "out",     NULL};
	static const char *const later[] = {"drain", "undrain", "partition", "for", NULL};
	struct doc *at = doc_get(d, "at");

	if (!parse_map(p, d, "a fault", known, later))
		return false;
	if (!at)
		MISTAKE(p, d, "'at' is missing: when?");
	else if (parse_duration(p, at, &f->at) && p->s->stop && f->at >= p->s->stop)
		MISTAKE(p, at, "the run stops before this fault");
	for (const char *const *key = later; *key; key++)
		if (doc_get(d, *key))
			return false;
	if (!fault_kind(p, d, &f->kind))
		return false;
	fault_never(p, d, f->kind);
	return fault_values(p, d, f) && at;
}

/* A node that is down cannot crash, one that is up cannot restart. */
static void check_crash(struct parse *p, const struct placed *list, size_t index)
{
	const struct placed *x = &list[index], *last = NULL;

	for (size_t i = 0; i < index; i++)
		if ((list[i].fault.kind == FAULT_CRASH || list[i].fault.kind == FAULT_RESTART) &&
		    list[i].fault.node == x->fault.node)
			last = &list[i];
	bool down = last && last->fault.kind == FAULT_CRASH;
	const char *name = p->s->nodes[x->fault.node].name;

	if (x->fault.kind == FAULT_CRASH && down)
		MISTAKE_KEY(p, doc_get(x->doc, "crash"), "node '%s' is down already", name);
	else if (x->fault.kind == FAULT_RESTART && !down)
		MISTAKE_KEY(p, doc_get(x->doc, "restart"), "node '%s' is not down: no 'crash' comes before", name);
}

/* What holds from this `set` on: its values over those the attachment had. */
static void fill_set(struct parse *p, struct placed *list, size_t index)
{
	struct scenario_fault *f = &list[index].fault;
	const struct scenario_attachment *a = &p->s->nodes[f->node].attachments[f->attachment];
	bool some = doc_get(list[index].doc, "in") || doc_get(list[index].doc, "out");

	f->in = a->in;
	f->out = a->out;
	for (size_t i = index; i-- > 0;)
		if (list[i].fault.kind == FAULT_SET && list[i].fault.node == f->node &&
		    list[i].fault.attachment == f->attachment) {
			f->in = list[i].fault.in;
			f->out = list[i].fault.out;
			break;
		}
	for (const char *const *key = impairment_keys; *key; key++)
		some |= doc_get(list[index].doc, *key) != NULL;
	if (some)
		parse_impairments(p, list[index].doc, &f->in, &f->out);
	else
		MISTAKE_KEY(p, doc_get(list[index].doc, "set"), "nothing is set: loss: 5 %%, delay: 10 ms, ...");
}

void parse_faults(struct parse *p)
{
	struct doc *d = doc_get(p->root, "faults");
	struct scenario *s = p->s;
	size_t count = 0;

	if (!d || !parse_list(p, d, "faults") || !d->count)
		return;
	if (d->count > SCENARIO_FAULTS_MAX) {
		MISTAKE_KEY(p, d, "more than %u faults", SCENARIO_FAULTS_MAX);
		return;
	}
	struct placed *list = calloc(d->count, sizeof(*list));

	if (!list)
		log_fatal("out of memory reading a scenario");
	for (size_t i = 0; i < d->count; i++) {
		list[count] = (struct placed){.doc = d->items[i], .index = i};
		count += parse_fault(p, d->items[i], &list[count].fault);
	}
	qsort(list, count, sizeof(*list), placed_compare);
	for (size_t i = 0; i < count; i++) {
		if (list[i].fault.kind == FAULT_SET)
			fill_set(p, list, i);
		else if (list[i].fault.kind == FAULT_CRASH || list[i].fault.kind == FAULT_RESTART)
			check_crash(p, list, i);
		s->faults = scenario_grow(s->faults, s->faults_count, sizeof(*s->faults));
		s->faults[s->faults_count++] = list[i].fault;
	}
	free(list);
}

static bool capture_add(struct parse *p, size_t node, size_t attachment)
{
	struct scenario *s = p->s;

	for (size_t i = 0; i < s->captures_count; i++)
		if (s->captures[i].node == node && s->captures[i].attachment == attachment)
			return false;
	s->captures = scenario_grow(s->captures, s->captures_count, sizeof(*s->captures));
	s->captures[s->captures_count++] = (struct scenario_capture){node, attachment};
	return true;
}

static void capture_glob(struct parse *p, const struct doc *d)
{
	const struct scenario *s = p->s;
	char name[2 * SCENARIO_NAME_MAX + 2];
	bool some = false;

	if (!parse_work(p, d, p->attachments_count))
		return;
	for (size_t i = 0; i < s->nodes_count; i++)
		for (size_t j = 0; j < s->nodes[i].attachments_count; j++) {
			snprintf(name, sizeof(name), "%.63s.%.63s", s->nodes[i].name,
				 s->networks[s->nodes[i].attachments[j].network].name);
			if (!scenario_glob(d->text, name))
				continue;
			some = true;
			if (s->captures_count == SCENARIO_CAPTURES_MAX) {
				MISTAKE(p, d, "more than %u captures", SCENARIO_CAPTURES_MAX);
				return;
			}
			capture_add(p, i, j);
		}
	if (!some)
		MISTAKE(p, d, "no NODE.NETWORK matches '%s'", d->text);
}

void parse_captures(struct parse *p)
{
	struct doc *d = doc_get(p->root, "capture");

	if (!d || !parse_list(p, d, "capture"))
		return;
	for (size_t i = 0; i < d->count; i++) {
		size_t node, attachment;

		if (d->items[i]->kind == DOC_SCALAR && strchr(d->items[i]->text, '*')) {
			capture_glob(p, d->items[i]);
		} else if (parse_attachment_ref(p, d->items[i], &node, &attachment)) {
			if (p->s->captures_count == SCENARIO_CAPTURES_MAX) {
				MISTAKE(p, d->items[i], "more than %u captures", SCENARIO_CAPTURES_MAX);
				return;
			}
			if (!capture_add(p, node, attachment))
				MISTAKE(p, d->items[i], "'%s' is captured already", d->items[i]->text);
		}
	}
}

void parse_expects(struct parse *p)
{
	struct doc *d = doc_get(p->root, "expect");
	struct scenario *s = p->s;
	struct metrics known;

	if (!d || !parse_list(p, d, "expect"))
		return;
	metrics_init(&known);
	result_declare(&known);
	count_declare_scenario(s, &known);
	for (size_t i = 0; i < d->count; i++) {
		struct doc *item = d->items[i];
		struct doc_place where = doc_where(item);
		char why[EXPECT_WHY_MAX];
		struct expect x;
		const char *text;
		size_t column = 0;

		if (item->kind == DOC_MAP) {
			MISTAKE(p, item, "an expectation is METRIC OP VALUE, such as requests.failed == 0");
			continue;
		}
		if (!parse_text(p, item, &text))
			continue;
		breakdown_declare(s, text, &known);
		if (expect_parse(&x, text, &known, why, &column)) {
			if (where.line)
				where.column += (unsigned)column + !item->plain;
			mistake_add(p->mistakes, where, "%s", why);
			continue;
		}
		s->expects = scenario_grow(s->expects, s->expects_count, sizeof(*s->expects));
		s->expects[s->expects_count++] =
			(struct scenario_expect){parse_copy(text), item->place.line, item->place.column};
	}
	metrics_fini(&known);
}
