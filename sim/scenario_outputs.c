/* SPDX-License-Identifier: BSD-3-Clause */
/* capture: and expect:. */
#include "sim/scenario_parse.h"

#include "sim/breakdown.h"
#include "sim/count.h"
#include "sim/expect.h"
#include "sim/result.h"

#include <string.h>

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
