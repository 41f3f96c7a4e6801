/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: and expect:. */
#include "sim/scenario_parse.h"

#include "pcap/pcapng.h"
#include "sim/breakdown.h"
#include "sim/count.h"
#include "sim/expect.h"
#include "sim/result.h"

#include <string.h>

/* What holds for the points of one item of the list. */
struct capture_item {
	const struct doc *at;
	uint32_t snap;
	struct impair_match match;
};

/* False: it is captured already. */
static bool capture_add(struct parse *p, const struct capture_item *item, size_t node, size_t attachment)
{
	struct scenario *s = p->s;

	for (size_t i = 0; i < s->captures_count && !s->captures_merged; i++)
		if (s->captures[i].at.node == node && s->captures[i].at.attachment == attachment)
			return false;
	s->captures = scenario_grow(s->captures, s->captures_count, sizeof(*s->captures));
	s->captures[s->captures_count++] = (struct scenario_capture_point){{node, attachment}, item->snap, item->match};
	return true;
}

static bool captures_full(struct parse *p, const struct capture_item *item)
{
	if (p->s->captures_count < SCENARIO_CAPTURES_MAX)
		return false;
	MISTAKE(p, item->at, "more than %u captures", SCENARIO_CAPTURES_MAX);
	return true;
}

static void capture_glob(struct parse *p, const struct capture_item *item)
{
	const struct doc *d = item->at;
	const struct scenario *s = p->s;
	char name[2 * SCENARIO_NAME_MAX + 2];
	bool some = false, added = false;

	if (!parse_work(p, d, p->attachments_count))
		return;
	for (size_t i = 0; i < s->nodes_count; i++)
		for (size_t j = 0; j < s->nodes[i].attachments_count; j++) {
			snprintf(name, sizeof(name), "%.63s.%.63s", s->nodes[i].name,
				 s->networks[s->nodes[i].attachments[j].network].name);
			if (!scenario_glob(d->text, name))
				continue;
			some = true;
			if (captures_full(p, item))
				return;
			added |= capture_add(p, item, i, j);
		}
	if (!some)
		MISTAKE(p, d, "no NODE.NETWORK matches '%s'", d->text);
	else if (!added && (item->snap || item->match.kind || item->match.filter))
		MISTAKE(p, d, "what matches '%s' is captured already", d->text);
}

/* All attachments, into one file. */
static void capture_all(struct parse *p, const struct capture_item *item)
{
	struct scenario *s = p->s;

	if (p->attachments_count > SCENARIO_INTERFACES_ALL) {
		MISTAKE(p, item->at, "more than %u interfaces in one file", SCENARIO_INTERFACES_ALL);
		return;
	}
	s->captures_merged = true;
	for (size_t i = 0; i < s->nodes_count; i++)
		for (size_t j = 0; j < s->nodes[i].attachments_count; j++)
			capture_add(p, item, i, j);
}

/* A text, or { at: TEXT, snap: SIZE, filter: PACKETS }. */
static bool capture_item(struct parse *p, struct doc *d, struct capture_item *item)
{
	static const char *const keys[] = {"at", "snap", "filter", NULL};
	const struct doc *snap, *filter;
	uint64_t bytes;
	const char *text;

	*item = (struct capture_item){.at = d};
	if (d->kind != DOC_MAP)
		return parse_text(p, d, &text);
	if (!parse_map(p, d, "a capture", keys, NULL))
		return false;
	item->at = doc_get(d, "at");
	snap = doc_get(d, "snap");
	filter = doc_get(d, "filter");
	if (!item->at) {
		MISTAKE(p, d, "'at' is missing: NODE.NETWORK, a glob, or all");
		return false;
	}
	if (snap && parse_size(p, snap, PCAPNG_SNAPLEN_MAX, &bytes)) {
		if (bytes < SCENARIO_SNAP_MIN)
			MISTAKE(p, snap, "less than an Ethernet header, %u bytes", SCENARIO_SNAP_MIN);
		item->snap = (uint32_t)bytes;
	}
	if (filter)
		parse_match(p, filter, &item->match);
	return parse_text(p, item->at, &text);
}

static void capture_parse(struct parse *p, const struct capture_item *item)
{
	size_t node, attachment;

	if (strchr(item->at->text, '*')) {
		capture_glob(p, item);
	} else if (parse_attachment_ref(p, item->at, &node, &attachment)) {
		if (!captures_full(p, item) && !capture_add(p, item, node, attachment))
			MISTAKE(p, item->at, "'%s' is captured already", item->at->text);
	}
}

void parse_captures(struct parse *p)
{
	struct doc *d = doc_get(p->root, "capture");
	struct capture_item item;

	if (!d || doc_is_empty(d))
		return;
	if (d->kind == DOC_SCALAR || d->kind == DOC_MAP) {
		if (!capture_item(p, d, &item))
			return;
		if (!strcmp(item.at->text, "all"))
			capture_all(p, &item);
		else
			MISTAKE(p, item.at, "capture is a list of NODE.NETWORK, or 'all' for one file of everything");
		return;
	}
	for (size_t i = 0; i < d->count && p->s->captures_count <= SCENARIO_CAPTURES_MAX; i++)
		if (capture_item(p, d->items[i], &item))
			capture_parse(p, &item);
}

/* One expectation, a text or { that: TEXT, hint: TEXT }. */
static void parse_expect(struct parse *p, struct doc *item, struct metrics *known)
{
	static const char *const keys[] = {"that", "hint", NULL};
	struct scenario *s = p->s;
	struct doc *hint = NULL, *that = item;
	const char *text, *hint_text = NULL;
	char why[EXPECT_WHY_MAX];
	struct expect x;
	size_t column = 0;

	if (item->kind == DOC_MAP) {
		if (!parse_map(p, item, "an expectation", keys, NULL))
			return;
		that = doc_get(item, "that");
		hint = doc_get(item, "hint");
		if (!that) {
			MISTAKE(p, item, "'that' is missing: METRIC OP VALUE, such as requests.failed == 0");
			return;
		}
	}
	struct doc_place where = doc_where(that);

	if (!parse_text(p, that, &text) || (hint && !parse_text(p, hint, &hint_text)))
		return;
	breakdown_declare(s, text, known);
	if (expect_parse(&x, text, known, why, &column)) {
		if (where.line)
			where.column += (unsigned)column + !that->plain;
		mistake_add(p->mistakes, where, "%s", why);
		return;
	}
	s->expects = scenario_grow(s->expects, s->expects_count, sizeof(*s->expects));
	s->expects[s->expects_count++] = (struct scenario_expect){parse_copy(text), hint ? parse_copy(hint_text) : NULL,
								  that->place.line, that->place.column};
}

void parse_expects(struct parse *p)
{
	struct doc *d = doc_get(p->root, "expect");
	struct metrics known;

	if (!d || !parse_list(p, d, "expect"))
		return;
	metrics_init(&known);
	result_declare(&known);
	count_declare_scenario(p->s, &known);
	for (size_t i = 0; i < d->count; i++)
		parse_expect(p, d->items[i], &known);
	metrics_fini(&known);
}
