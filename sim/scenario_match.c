/* SPDX-License-Identifier: BSD-3-Clause */
/* Which packets: what `only:` and `match:` say. */
#include "sim/scenario_parse.h"

#include <stdlib.h>
#include <string.h>

#define WHY_MAX 200U

/* In the order of enum impair_match_kind, but for the first, which is none. */
static const char *const words[] = {
#define MATCH_WORD(id, text) (text),
	IMPAIR_MATCH_LIST(MATCH_WORD)
#undef MATCH_WORD
		NULL,
};

/* The filter's text becomes the scenario's own. */
static void filter_own(struct parse *p, struct impair_match *match)
{
	struct scenario *s = p->s;

	s->filters = scenario_grow(s->filters, s->filters_count, sizeof(*s->filters));
	match->filter = s->filters[s->filters_count++] = parse_copy(match->filter);
}

/* Compiling takes long filters long. */
static bool filter_work(struct parse *p, const struct doc *d, const char *text)
{
	uint64_t len = strlen(text);

	return len > IMPAIR_FILTER_MAX || parse_work(p, d, len * len);
}

/* Without services no node speaks as the courier does, and nothing is encapsulated. */
static void check_kind(struct parse *p, const struct doc *d, enum impair_match_kind kind)
{
	bool cluster = kind == IMPAIR_MATCH_COURIER || kind == IMPAIR_MATCH_COURIER_HELLO ||
		       kind == IMPAIR_MATCH_COURIER_DATA || kind == IMPAIR_MATCH_ENCAPSULATED;

	if (cluster && !doc_get(p->root, "services"))
		MISTAKE(p, d, "'%s' matches nothing: without services there is none of it", d->text);
}

bool parse_match(struct parse *p, const struct doc *d, struct impair_match *match)
{
	char why[WHY_MAX];
	const char *text;

	if (!parse_text(p, d, &text) || !filter_work(p, d, text))
		return false;
	if (impair_match_parse(match, text, why, sizeof(why))) {
		MISTAKE(p, d,
			"'%s' is neither a word for packets (courier, encapsulated, syn, ...) nor a pcap filter: %s",
			text, why);
		return false;
	}
	if (match->filter)
		filter_own(p, match);
	check_kind(p, d, match->kind);
	return true;
}

/* The addresses of a node, which by now are assigned. */
static const struct impair_party *party_make(struct parse *p, size_t node)
{
	struct scenario *s = p->s;
	const struct scenario_node *n = &s->nodes[node];
	struct impair_party *party = scenario_grow(NULL, 0, sizeof(*party));

	*party = (struct impair_party){0};
	s->parties = scenario_grow(s->parties, s->parties_count, sizeof(*s->parties));
	s->parties[s->parties_count++] = party;
	for (size_t i = 0; i < n->attachments_count; i++) {
		const struct addr_pair *a = &n->attachments[i].address, *tunnel = &n->attachments[i].tunnel;
		const struct addr *own[] = {&a->v4, &a->v6, &tunnel->v4, &tunnel->v6};

		party->macs = scenario_grow(party->macs, party->macs_count, sizeof(*party->macs));
		party->macs[party->macs_count++] = n->attachments[i].mac;
		for (size_t k = 0; k < sizeof(own) / sizeof(*own); k++) {
			if (!own[k]->family)
				continue;
			party->addresses =
				scenario_grow(party->addresses, party->addresses_count, sizeof(*party->addresses));
			party->addresses[party->addresses_count++] = *own[k];
		}
	}
	return party;
}

static void match_party(struct parse *p, const struct doc *map, const char *key, const struct impair_party **out)
{
	const struct doc *d = doc_get(map, key);
	const char *text;
	size_t node;

	if (!d || !parse_text(p, d, &text))
		return;
	node = parse_node_ref(p, d, text, strlen(text));
	if (node != SIZE_MAX)
		*out = party_make(p, node);
}

static void match_filter(struct parse *p, const struct doc *map, struct impair_match *match)
{
	const struct doc *d = doc_get(map, "filter");
	char why[WHY_MAX];
	const char *text;

	if (!d || !parse_text(p, d, &text) || !filter_work(p, d, text))
		return;
	if (impair_match_parse_filter(match, text, why, sizeof(why)))
		MISTAKE(p, d, "'%s' is not a pcap filter: %s", text, why);
	else
		filter_own(p, match);
}

bool parse_match_fault(struct parse *p, struct doc *d, struct impair_fault *fault)
{
	static const char *const known[] = {"is", "from", "to", "direction", "filter", NULL};
	static const char *const directions[] = {"in", "out", NULL};
	const struct doc *is = doc_get(d, "is"), *direction = doc_get(d, "direction");
	size_t word;

	if (d->kind != DOC_MAP)
		return parse_match(p, d, &fault->match);
	if (!parse_map(p, d, "a match", known, NULL))
		return false;
	if (!d->count)
		MISTAKE(p, d, "an empty match: leave it out for all packets");
	if (is && parse_word(p, is, words, NULL, &word)) {
		fault->match.kind = (enum impair_match_kind)(word + 1);
		check_kind(p, is, fault->match.kind);
	}
	match_party(p, d, "from", &fault->match.from);
	match_party(p, d, "to", &fault->match.to);
	match_filter(p, d, &fault->match);
	if (direction && parse_word(p, direction, directions, NULL, &word))
		fault->directions = word ? IMPAIR_DIRECTION_OUT : IMPAIR_DIRECTION_IN;
	return true;
}
