/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/tables.h"

#include "base/quantity.h"
#include "report/proof.h"

#include <string.h>

#define COLUMN_TEXT_MAX 64U

void tables_open(struct markup *m, const char *const *columns, size_t count, size_t numbers)
{
	markup_open_class(m, "div", "scroll");
	markup_open_class(m, "table", numbers ? NULL : "stack");
	markup_open(m, "thead");
	markup_open(m, "tr");
	for (size_t i = 0; i < count; i++)
		markup_element(m, "th", i + numbers >= count ? "n" : NULL, columns[i]);
	markup_close(m);
	markup_close(m);
	markup_open(m, "tbody");
	markup_text(m, "\n");
}

void tables_close(struct markup *m)
{
	markup_close(m);
	markup_close(m);
	markup_close(m);
}

void tables_number(struct markup *m, uint64_t value)
{
	markup_element_format(m, "td", value ? "n" : "n soft", "%llu", (unsigned long long)value);
}

/* A column's name for people: without underscores. */
static const char *column_text(const char *name, char out[COLUMN_TEXT_MAX])
{
	snprintf(out, COLUMN_TEXT_MAX, "%s", name);
	for (char *c = out; *c; c++)
		if (*c == '_')
			*c = ' ';
	return out;
}

/* Opens a table whose first columns are texts and whose others are those of `used`. */
static void values_open(struct markup *m, const char *const *texts, size_t texts_count,
			const char *(*name_of)(unsigned), const bool *used, unsigned count)
{
	const char *columns[8 + BREAKDOWN_NODE_COUNT + BREAKDOWN_LINK_COUNT];
	char names[BREAKDOWN_NODE_COUNT + BREAKDOWN_LINK_COUNT][COLUMN_TEXT_MAX];
	size_t n = 0;

	for (; n < texts_count; n++)
		columns[n] = texts[n];
	for (unsigned i = 0; i < count; i++)
		if (used[i])
			columns[n++] = column_text(name_of(i), names[i]);
	tables_open(m, columns, n, n - texts_count);
}

static void values_row(struct markup *m, const uint64_t *values, const bool *used, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (used[i])
			tables_number(m, values[i]);
}

static void rest_note(struct markup *m, size_t rows, const char *file)
{
	if (rows > PROOF_ROWS_MAX)
		markup_element_format(m, "p", "soft", "and %zu more, which are in %s when the run has --csv",
				      rows - PROOF_ROWS_MAX, file);
}

void tables_nodes(struct markup *m, const struct scenario *s, const struct record *r)
{
	bool used[BREAKDOWN_NODE_COUNT] = {false};
	char anchor[PROOF_ANCHOR_MAX];

	for (size_t n = 0; n < s->nodes_count; n++)
		for (unsigned i = 0; i < BREAKDOWN_NODE_COUNT; i++)
			used[i] |= r->nodes[n][i] > 0;
	values_open(m, (const char *const[]){"node"}, 1, breakdown_node_name, used, BREAKDOWN_NODE_COUNT);
	for (size_t n = 0; n < s->nodes_count && n < PROOF_ROWS_MAX; n++) {
		markup_open(m, "tr");
		markup_attribute(m, "id", proof_node_anchor(s, n, anchor));
		markup_element(m, "td", NULL, s->nodes[n].name);
		values_row(m, r->nodes[n], used, BREAKDOWN_NODE_COUNT);
		markup_close(m);
	}
	tables_close(m);
	rest_note(m, s->nodes_count, "nodes.csv");
}

static void link_row(struct markup *m, const char *node, const char *network, const char *direction,
		     const uint64_t *values, const bool *used)
{
	markup_open(m, "tr");
	markup_element_format(m, "td", NULL, "%s.%s", node, network);
	markup_element(m, "td", NULL, direction);
	values_row(m, values, used, BREAKDOWN_LINK_COUNT);
	markup_close(m);
}

void tables_links(struct markup *m, const struct scenario *s, const struct record *r)
{
	bool used[BREAKDOWN_LINK_COUNT] = {false};
	size_t count = 0, at = 0;

	for (size_t n = 0; n < s->nodes_count; n++)
		count += s->nodes[n].attachments_count;
	for (size_t i = 0; i < count; i++)
		for (unsigned what = 0; what < BREAKDOWN_LINK_COUNT; what++)
			used[what] |= r->links[i][0][what] || r->links[i][1][what];
	values_open(m, (const char *const[]){"link", "direction"}, 2, breakdown_link_name, used, BREAKDOWN_LINK_COUNT);
	for (size_t n = 0; n < s->nodes_count; n++)
		for (size_t a = 0; a < s->nodes[n].attachments_count; a++, at++) {
			const char *network = s->networks[s->nodes[n].attachments[a].network].name;

			if (2 * at >= PROOF_ROWS_MAX)
				break;
			link_row(m, s->nodes[n].name, network, "in", r->links[at][0], used);
			link_row(m, s->nodes[n].name, network, "out", r->links[at][1], used);
		}
	tables_close(m);
	rest_note(m, 2 * count, "links.csv");
}

static void rule_row(struct markup *m, const struct scenario_service *service, size_t rule, const struct record_rule *r)
{
	const struct histogram *h = r->ended.handoff_us;
	char match[FLOWS_MATCH_MAX], q[QUANTITY_MAX];
	static const unsigned percents[] = {50, 99};

	markup_open(m, "tr");
	markup_element_format(m, "td", NULL, "%s %zu", service->name, rule);
	markup_element(m, "td", NULL, flows_rule_text(&service->rules[rule], match));
	tables_number(m, r->chosen);
	tables_number(m, r->ended.handed_over);
	for (unsigned i = 0; i < 2; i++)
		markup_element(m, "td", "n",
			       h ? quantity_time(q, histogram_percentile(h, percents[i]) * NSTIME_US) : "");
	markup_element(m, "td", "n", quantity_bytes(q, r->ended.received_bytes));
	markup_close(m);
}

void tables_rules(struct markup *m, const struct scenario *s, const struct record *r)
{
	static const char *const columns[] = {"rule",           "matches",        "chosen",        "handed over",
					      "hand-off, 50 %", "hand-off, 99 %", "bytes received"};
	size_t at = 0;

	tables_open(m, columns, sizeof columns / sizeof columns[0], 5);
	for (size_t i = 0; i < s->services_count; i++)
		for (size_t n = 0; n < s->services[i].rules_count; n++, at++)
			if (at < PROOF_ROWS_MAX)
				rule_row(m, &s->services[i], n, &r->rules[at]);
	tables_close(m);
	rest_note(m, at, "rules.csv");
}
