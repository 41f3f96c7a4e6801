/* SPDX-License-Identifier: BSD-3-Clause */
/* faults: what they say, and that they do not contradict each other. */
#include "sim/scenario_parse.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define NTH_MAX UINT64_C(1000000000000)

/* In the order of enum fault_kind. */
static const char *const kind_words[] = {"link",  "set",  "crash",   "restart",   "partition", "drain", "undrain",
					 "rekey", "drop", "corrupt", "duplicate", "delay",     NULL};
#define KIND_WORDS "link, set, crash, restart, partition, drain, undrain, rekey, drop, corrupt, duplicate, delay"

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

/* Whether a key of a fault says what happens; under `set` three of them are impairments. */
static bool key_is_kind(const char *key, bool set)
{
	if (set && (!strcmp(key, "corrupt") || !strcmp(key, "duplicate") || !strcmp(key, "delay")))
		return false;
	for (const char *const *word = kind_words; *word; word++)
		if (!strcmp(*word, key))
			return true;
	return false;
}

static bool fault_kind(struct parse *p, struct doc *d, enum fault_kind *kind)
{
	const struct doc *found = NULL;
	bool set = doc_get(d, "set");

	for (size_t i = 0; kind_words[i]; i++) {
		const struct doc *key = doc_get(d, kind_words[i]);

		if (!key || !key_is_kind(kind_words[i], set))
			continue;
		if (found) {
			MISTAKE_KEY(p, key, "one fault has one of " KIND_WORDS);
			return false;
		}
		found = key;
		*kind = (enum fault_kind)i;
	}
	if (!found)
		MISTAKE(p, d, "what happens? A fault has one of " KIND_WORDS);
	return found;
}

static bool key_is_used(enum fault_kind kind, const char *key)
{
	if (!strcmp(key, "down"))
		return kind == FAULT_LINK_DOWN;
	if (!strcmp(key, "for"))
		return kind == FAULT_PARTITION;
	if (!strcmp(key, "by"))
		return kind == FAULT_DELAY;
	if (!strcmp(key, "within"))
		return kind == FAULT_DRAIN;
	if (!strcmp(key, "over"))
		return kind == FAULT_REKEY;
	return kind >= FAULT_DROP;
}

static void fault_never(struct parse *p, struct doc *d, enum fault_kind kind)
{
	static const char *const own[] = {"down", "for", "by", "on", "match", "within", "over", NULL};
	char why[64];

	snprintf(why, sizeof(why), "'%s' has no use for it", kind_words[kind]);
	for (const char *const *key = own; *key; key++)
		if (!key_is_used(kind, *key))
			parse_never(p, d, *key, why);
	if (kind == FAULT_SET)
		return;
	for (const char *const *key = impairment_keys; *key; key++)
		if (!key_is_kind(*key, false))
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
	if (f->node == SIZE_MAX || !(p->s->nodes[f->node].roles & ROLE_STACKLESS))
		return f->node != SIZE_MAX;
	MISTAKE(p, d, "'%s' has no stack that could be lost; take its link down instead", text);
	return false;
}

/* How long a fault lasts: it must be said, and more than no time. */
static bool fault_lasts(struct parse *p, const struct doc *subject, const struct doc *d, const char *key, nstime *out)
{
	if (!d) {
		MISTAKE_KEY(p, subject, "'%s' is missing: %s", key, strcmp(key, "by") ? "for how long?" : "how much?");
		return false;
	}
	if (!parse_duration(p, d, out))
		return false;
	if (!*out)
		MISTAKE(p, d, "%s for no time is no fault", strcmp(subject->key, "link") ? subject->key : "down");
	return *out;
}

static bool fault_exact(struct parse *p, struct doc *d, struct doc *subject, struct scenario_fault *f)
{
	struct doc *on = doc_get(d, "on"), *match = doc_get(d, "match"), *by = doc_get(d, "by");

	f->exact.kind = (enum impair_fault_kind)(f->kind - FAULT_DROP);
	f->exact.directions = IMPAIR_DIRECTION_IN | IMPAIR_DIRECTION_OUT;
	parse_count(p, subject, 1, NTH_MAX, &f->exact.nth);
	if (f->kind == FAULT_DELAY && fault_lasts(p, subject, by, "by", &f->exact.delay_ns) &&
	    f->exact.delay_ns > IMPAIR_DELAY_MAX)
		MISTAKE(p, by, "'%s' is more than an hour", by->text);
	if (match)
		parse_match_fault(p, match, &f->exact);
	if (!on)
		MISTAKE_KEY(p, subject, "'on' is missing: on: NODE.NETWORK");
	return on && parse_attachment_ref(p, on, &f->node, &f->attachment);
}

/* A node that stands on both sides cannot be parted from itself. */
static void partition_overlap(struct parse *p, const struct doc *d, const struct scenario_fault *f)
{
	for (size_t i = 0; i < f->sides_count[0]; i++)
		for (size_t j = 0; j < f->sides_count[1]; j++)
			if (f->sides[0][i] == f->sides[1][j]) {
				MISTAKE(p, d, "node '%s' is on both sides of the partition",
					p->s->nodes[f->sides[0][i]].name);
				return;
			}
}

static bool partition_cuts(const struct scenario *s, const struct scenario_fault *f)
{
	for (size_t i = 0; i < f->sides_count[0]; i++)
		for (size_t j = 0; j < f->sides_count[1]; j++)
			if (nodes_share_network(&s->nodes[f->sides[0][i]], &s->nodes[f->sides[1][j]]))
				return true;
	return false;
}

static bool fault_partition(struct parse *p, struct doc *d, struct doc *subject, struct scenario_fault *f)
{
	bool good = fault_lasts(p, subject, doc_get(d, "for"), "for", &f->lasts);

	if (subject->kind != DOC_LIST || subject->count != 2) {
		MISTAKE(p, subject, "a partition has two sides: [[NODE, ...], [NODE, ...]]");
		return false;
	}
	for (size_t i = 0; i < 2; i++)
		good &= parse_node_list(p, subject->items[i], ROLE_ANY, "node", &f->sides[i], &f->sides_count[i]);
	if (!good || !parse_work(p, subject, 2 * f->sides_count[0] * f->sides_count[1]))
		return false;
	partition_overlap(p, subject, f);
	if (!partition_cuts(p->s, f))
		MISTAKE_KEY(p, subject, "'partition' is never applied: no network has nodes of both sides");
	return true;
}

/* Only a backend that a service has is drained. */
static bool fault_backend(struct parse *p, struct doc *d, struct scenario_fault *f)
{
	if (!fault_node(p, d, f))
		return false;
	if ((p->s->nodes[f->node].roles & ROLE_BACKEND) && p->s->services_count)
		return true;
	MISTAKE(p, d, "node '%s' is no backend of a service", p->s->nodes[f->node].name);
	return false;
}

static bool fault_drain(struct parse *p, struct doc *d, struct doc *subject, struct scenario_fault *f)
{
	struct doc *within = doc_get(d, "within");

	if (within && parse_duration(p, within, &f->within) && !f->within)
		MISTAKE(p, within, "in no time nothing is moved");
	return fault_backend(p, subject, f);
}

/* "new", or a file, as the top level's `key`. */
static bool fault_rekey(struct parse *p, struct doc *d, struct doc *subject, struct scenario_fault *f)
{
	struct doc *over = doc_get(d, "over");
	const char *text;

	if (over && parse_duration(p, over, &f->over) && f->over > SCENARIO_REKEY_OVER_MAX)
		MISTAKE(p, over, "a device uses a new key after 1 s: until then all must have it");
	if (!parse_text(p, subject, &text))
		return false;
	if (strcmp(text, "new")) {
		f->key = parse_key(p, subject, text);
		return f->key;
	}
	if (p->s->services_count)
		return true;
	MISTAKE_KEY(p, subject, "'rekey' is never applied: without services nothing is sealed");
	return false;
}

static bool fault_values(struct parse *p, struct doc *d, struct scenario_fault *f)
{
	struct doc *subject = doc_get(d, kind_words[f->kind]);
	bool good;

	switch (f->kind) {
	case FAULT_CRASH:
	case FAULT_RESTART:
		return fault_node(p, subject, f);
	case FAULT_SET:
		return parse_attachment_ref(p, subject, &f->node, &f->attachment);
	case FAULT_LINK_DOWN:
		good = fault_lasts(p, subject, doc_get(d, "down"), "down", &f->lasts);
		return parse_attachment_ref(p, subject, &f->node, &f->attachment) && good;
	case FAULT_DRAIN:
		return fault_drain(p, d, subject, f);
	case FAULT_UNDRAIN:
		return fault_backend(p, subject, f);
	case FAULT_REKEY:
		return fault_rekey(p, d, subject, f);
	case FAULT_PARTITION:
		return fault_partition(p, d, subject, f);
	case FAULT_DROP:
	case FAULT_CORRUPT:
	case FAULT_DUPLICATE:
	case FAULT_DELAY:
		return fault_exact(p, d, subject, f);
	}
	return false;
}

static bool parse_fault(struct parse *p, struct doc *d, struct scenario_fault *f)
{
	static const char *const known[] = {"drain", "undrain", "within", "rekey",         "over",      "at",  "link",
					    "down",  "set",     "crash",  "restart",       "partition", "for", "drop",
					    "by",    "on",      "match",  IMPAIRMENT_KEYS, "in",        "out", NULL};
	struct doc *at = doc_get(d, "at");

	if (!parse_map(p, d, "a fault", known, NULL))
		return false;
	if (!at)
		MISTAKE(p, d, "'at' is missing: when?");
	else if (parse_duration(p, at, &f->at) && p->s->stop && f->at >= p->s->stop)
		MISTAKE(p, at, "the run stops before this fault");
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

/* A link that is down cannot go down. The moment at which it comes up counts as down: which would be first? */
static void check_down(struct parse *p, const struct placed *list, size_t index)
{
	const struct placed *x = &list[index];

	for (size_t i = 0; i < index; i++) {
		const struct scenario_fault *f = &list[i].fault;

		if (f->kind != FAULT_LINK_DOWN || f->node != x->fault.node || f->attachment != x->fault.attachment ||
		    nstime_add(f->at, f->lasts) < x->fault.at)
			continue;
		MISTAKE_KEY(p, doc_get(x->doc, "link"), "%s is down already: the fault in line %u lasts until then",
			    doc_get(x->doc, "link")->text, list[i].doc->place.line);
		return;
	}
}

/* Of two values for one key at one time, which would hold? */
static void check_set_twice(struct parse *p, const struct doc *later, const struct doc *earlier)
{
	for (size_t i = 0; i < later->count; i++) {
		const struct doc *d = later->items[i], *twin = doc_get(earlier, d->key);

		if (!twin || !strcmp(d->key, "at") || !strcmp(d->key, "set"))
			continue;
		if (d->kind == DOC_MAP)
			check_set_twice(p, d, twin);
		else
			MISTAKE_KEY(p, d, "'%s' is set to something else at the same time, in line %u", d->key,
				    twin->key_place.line);
	}
}

static void check_set(struct parse *p, const struct placed *list, size_t index)
{
	const struct placed *x = &list[index];

	for (size_t i = index; i-- > 0 && list[i].fault.at == x->fault.at;)
		if (list[i].fault.kind == FAULT_SET && list[i].fault.node == x->fault.node &&
		    list[i].fault.attachment == x->fault.attachment && parse_work(p, x->doc, x->doc->count))
			check_set_twice(p, x->doc, list[i].doc);
}

/* A node that drains cannot begin to, nor one that does not end; one that is down does neither. */
static void check_drain(struct parse *p, const struct placed *list, size_t index)
{
	const struct placed *x = &list[index];
	bool draining = false, down = false, begin = x->fault.kind == FAULT_DRAIN;
	const struct doc *key = doc_get(x->doc, begin ? "drain" : "undrain");
	const char *name = p->s->nodes[x->fault.node].name;

	for (size_t i = 0; i < index; i++) {
		enum fault_kind kind = list[i].fault.kind;

		if (list[i].fault.node != x->fault.node)
			continue;
		if (kind == FAULT_CRASH || kind == FAULT_RESTART)
			down = kind == FAULT_CRASH;
		if (kind == FAULT_CRASH || kind == FAULT_UNDRAIN)
			draining = false;
		else if (kind == FAULT_DRAIN)
			draining = true;
	}
	if (down)
		MISTAKE_KEY(p, key, "node '%s' is down", name);
	else if (begin && draining)
		MISTAKE_KEY(p, key, "node '%s' drains already", name);
	else if (!begin && !draining)
		MISTAKE_KEY(p, key, "node '%s' does not drain: no 'drain' comes before, or a crash ended it", name);
}

/* One change of the key at a time. */
static void check_rekey(struct parse *p, const struct placed *list, size_t index)
{
	const struct placed *x = &list[index], *before = NULL;

	for (size_t i = 0; i < index; i++)
		if (list[i].fault.kind == FAULT_REKEY)
			before = &list[i];
	if (before && before->fault.at + before->fault.over + SCENARIO_REKEY_GAP > x->fault.at)
		MISTAKE_KEY(p, doc_get(x->doc, "rekey"),
			    "the change of the key before is not over: it takes 3 s, and longer by its 'over'");
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
		if (parse_fault(p, d->items[i], &list[count].fault))
			count++;
		else
			scenario_fault_fini(&list[count].fault);
	}
	qsort(list, count, sizeof(*list), placed_compare);
	for (size_t i = 0; i < count; i++) {
		enum fault_kind kind = list[i].fault.kind;

		if (kind == FAULT_SET) {
			check_set(p, list, i);
			fill_set(p, list, i);
		} else if (kind == FAULT_LINK_DOWN) {
			check_down(p, list, i);
		} else if (kind == FAULT_CRASH || kind == FAULT_RESTART) {
			check_crash(p, list, i);
		} else if (kind == FAULT_DRAIN || kind == FAULT_UNDRAIN) {
			check_drain(p, list, i);
		} else if (kind == FAULT_REKEY) {
			check_rekey(p, list, i);
		}
		s->faults = scenario_grow(s->faults, s->faults_count, sizeof(*s->faults));
		s->faults[s->faults_count++] = list[i].fault;
	}
	free(list);
}
