/* SPDX-License-Identifier: BSD-3-Clause */
/* Impairments of an attachment. */
#include "sim/scenario_parse.h"

#include <stdio.h>
#include <string.h>

#define FRAME_MAX 1514U
#define PIECE_MAX 64U /* of a value of several parts: longer ones are cut, and then no number */

const char *const impairment_keys[] = {IMPAIRMENT_KEYS, NULL};

static void impair_delay(struct parse *p, struct doc *map, const char *key, nstime *out)
{
	struct doc *d = doc_get(map, key);
	nstime value;

	if (!d || !parse_duration(p, d, &value))
		return;
	if (value > IMPAIR_DELAY_MAX)
		MISTAKE(p, d, "'%s' is more than an hour", d->text);
	else
		*out = value;
}

/* A value of several parts, read one after the other. */
struct pieces {
	const struct doc *d;
	const char *at;         /* what is not read yet */
	const char *stop;       /* a word that ends the shares; may be NULL */
	char piece[PIECE_MAX];  /* the last one read */
	struct doc_place place; /* where it stands */
};

/* The next word, with its unit when that stands apart; false at the end. */
static bool piece_next(struct pieces *x)
{
	const char *start = x->at + strspn(x->at, " "), *end = start + strcspn(start, " ");

	x->place = doc_where(x->d);
	if (x->place.line && start > x->d->text)
		x->place.column += (unsigned)(start - x->d->text) + !x->d->plain;
	if (end > start && end[-1] >= '0' && end[-1] <= '9') {
		const char *unit = end + strspn(end, " ");

		if (*unit && (*unit < '0' || *unit > '9'))
			end = unit + strcspn(unit, " ");
	}
	snprintf(x->piece, sizeof(x->piece), "%.*s", (int)(end - start), start);
	x->at = end;
	return end > start;
}

/* Up to `max` shares, `usage` being the whole of what may stand there. How many, or 0 with a mistake added. */
static unsigned pieces_shares(struct parse *p, struct pieces *x, uint32_t *ppb, unsigned max, const char *usage)
{
	unsigned count = 0;
	const char *why;

	while (piece_next(x) && !(x->stop && !strcmp(x->piece, x->stop))) {
		if (count == max) {
			mistake_add(p->mistakes, x->place, "'%s' is too much: %s is all", x->piece, usage);
			return 0;
		}
		if (units_parse_probability(x->piece, &ppb[count], &why)) {
			mistake_add(p->mistakes, x->place, "'%s' is not %s: %s", x->piece,
				    units_dimension_text(UNITS_PROBABILITY), why);
			return 0;
		}
		count++;
	}
	if (!count)
		MISTAKE(p, x->d, "a share is missing: %s", usage);
	return count;
}

/* A share, and how much a draw follows the one before. */
static void impair_probability(struct parse *p, struct doc *map, const char *key, uint32_t *out, uint32_t *out_rho)
{
	struct doc *d = doc_get(map, key);
	struct pieces x = {.d = d};
	uint32_t v[] = {0, 0};

	if (!d || !parse_text(p, d, &x.at) || !pieces_shares(p, &x, v, 2, "a share and its correlation"))
		return;
	*out = v[0];
	*out_rho = v[1];
}

/* The same with "gap N" behind it. */
static void impair_reorder(struct parse *p, struct doc *map, struct impairments *out)
{
	struct doc *d = doc_get(map, "reorder");
	struct pieces x = {.d = d, .stop = "gap"};
	uint32_t v[] = {0, 0};
	uint64_t gap = 0;
	const char *why;

	if (!d || !parse_text(p, d, &x.at) || !pieces_shares(p, &x, v, 2, "a share, its correlation, gap N"))
		return;
	if (!strcmp(x.piece, x.stop)) {
		piece_next(&x);
		if (units_parse_count(x.piece, &gap, &why) || !gap || gap > IMPAIR_LIMIT_MAX || piece_next(&x)) {
			mistake_add(p->mistakes, x.place, "behind 'gap' stand its packets, 1 to %u, and nothing more",
				    IMPAIR_LIMIT_MAX);
			return;
		}
	}
	out->reorder_ppb = v[0];
	out->reorder_rho_ppb = v[1];
	out->reorder_gap = (uint32_t)gap;
}

static void impair_jitter(struct parse *p, struct doc *map, struct impairments *out)
{
	struct doc *d = doc_get(map, "jitter");
	struct pieces x = {.d = d};
	nstime jitter = 0;
	uint32_t rho = 0;
	const char *why;

	if (!d || !parse_text(p, d, &x.at))
		return;
	piece_next(&x);
	if (units_parse_duration(x.piece, &jitter, &why)) {
		mistake_add(p->mistakes, x.place, "'%s' is not %s: %s", x.piece, units_dimension_text(UNITS_DURATION),
			    why);
		return;
	}
	if (jitter > IMPAIR_DELAY_MAX) {
		MISTAKE(p, d, "'%s' is more than an hour", x.piece);
		return;
	}
	if (x.at[strspn(x.at, " ")] && !pieces_shares(p, &x, &rho, 1, "a duration and its correlation"))
		return;
	out->jitter_ns = jitter;
	out->jitter_rho_ppb = rho;
}

/* tc-netem(8): what is left out makes the simpler model of the same family. */
static bool loss_gemodel(struct parse *p, struct pieces *x, struct impair_chain *chain)
{
	uint32_t v[] = {0, 0, UNITS_PPB_ONE, 0};
	unsigned count = pieces_shares(p, x, v, 4, "gemodel p [r [1-h [1-k]]]");

	if (count == 1)
		v[1] = UNITS_PPB_ONE - v[0];
	*chain = (struct impair_chain){
		.kind = IMPAIR_CHAIN_GEMODEL,
		.gemodel = {.p_ppb = v[0], .r_ppb = v[1], .bad_ppb = v[2], .good_ppb = v[3]},
	};
	return count;
}

static bool loss_state(struct parse *p, struct pieces *x, struct impair_chain *chain)
{
	uint32_t v[] = {0, 0, 0, UNITS_PPB_ONE, 0};
	unsigned count = pieces_shares(p, x, v, 5, "state p13 [p31 [p32 [p23 [p14]]]]");

	if (!count)
		return false;
	if (count == 1)
		v[1] = UNITS_PPB_ONE - v[0];
	*chain = (struct impair_chain){
		.kind = IMPAIR_CHAIN_STATE,
		.state = {.p13_ppb = v[0], .p31_ppb = v[1], .p32_ppb = v[2], .p23_ppb = v[3], .p14_ppb = v[4]},
	};
	if (impair_chain_valid(chain))
		return true;
	MISTAKE(p, x->d, "%s are more than 100 %% together",
		v[0] + v[4] > UNITS_PPB_ONE ? "p13 and p14" : "p31 and p32");
	return false;
}

static void impair_loss(struct parse *p, struct doc *map, struct impairments *out)
{
	struct doc *d = doc_get(map, "loss");
	struct pieces x = {.d = d};
	struct impair_chain chain = {0};
	uint32_t loss[] = {0, 0};
	bool good;

	if (!d || !parse_text(p, d, &x.at))
		return;
	piece_next(&x);
	if (!strcmp(x.piece, "gemodel")) {
		good = loss_gemodel(p, &x, &chain);
	} else if (!strcmp(x.piece, "state")) {
		good = loss_state(p, &x, &chain);
	} else {
		if (strcmp(x.piece, "random"))
			x.at = d->text;
		good = pieces_shares(p, &x, loss, 2, "a share and its correlation, random, gemodel or state");
	}
	if (!good)
		return;
	out->loss_ppb = loss[0];
	out->loss_rho_ppb = loss[1];
	out->chain = chain;
}

/* Packets, or a size. */
static void impair_limit(struct parse *p, struct doc *map, struct impairments *out)
{
	struct doc *d = doc_get(map, "limit");
	enum units_dimension dimension;
	const char *text, *why;
	uint64_t value;

	if (!d || !parse_text(p, d, &text))
		return;
	if (units_parse_any(text, &dimension, &value, &why) || dimension != UNITS_SIZE) {
		if (!parse_count(p, d, 1, IMPAIR_LIMIT_MAX, &value))
			return;
		out->limit_packets = (uint32_t)value;
		out->limit_bytes = 0;
	} else if (value < FRAME_MAX || value > IMPAIR_LIMIT_BYTES_MAX) {
		MISTAKE(p, d, "'%s' is not between a frame, %u B, and 1 GiB", text, FRAME_MAX);
	} else {
		out->limit_packets = 0;
		out->limit_bytes = value;
	}
}

static void impair_rate(struct parse *p, struct doc *map, const char *key, uint64_t *out)
{
	struct doc *d = doc_get(map, key);
	uint64_t value;

	if (!d || !parse_rate(p, d, &value))
		return;
	if (!value)
		MISTAKE(p, d, "a rate of zero carries nothing; a link that is down is a fault");
	else if (value > IMPAIR_RATE_MAX)
		MISTAKE(p, d, "'%s' is more than 10000 Gbit", d->text);
	else
		*out = value;
}

static void impair_burst(struct parse *p, struct doc *map, uint64_t *out)
{
	struct doc *d = doc_get(map, "burst");
	uint64_t value;

	if (!d || !parse_size(p, d, UINT64_MAX, &value))
		return;
	if (value < IMPAIR_BURST_MIN || value > IMPAIR_BUCKET_DEPTH_MAX)
		MISTAKE(p, d, "'%s' is not between a frame, %u B, and 1 GiB", d->text, IMPAIR_BURST_MIN);
	else
		*out = value;
}

/* A time of CoDel's, behind its word. */
static bool codel_time(struct parse *p, struct pieces *x, const char *word, nstime *out)
{
	const char *why = "it is missing";

	if (!piece_next(x) || units_parse_duration(x->piece, out, &why))
		mistake_add(p->mistakes, x->place, "behind '%s' stands %s: %s", word,
			    units_dimension_text(UNITS_DURATION), why);
	else if (!*out || *out > IMPAIR_CODEL_TIME_MAX)
		mistake_add(p->mistakes, x->place, "'%s' is not above zero and up to an hour", x->piece);
	else
		return true;
	return false;
}

static bool queue_codel(struct parse *p, struct pieces *x, struct impair_codel_config *codel)
{
	*codel = (struct impair_codel_config){IMPAIR_CODEL_TARGET_DEFAULT, IMPAIR_CODEL_INTERVAL_DEFAULT};
	while (piece_next(x)) {
		bool good;

		if (!strcmp(x->piece, "target")) {
			good = codel_time(p, x, "target", &codel->target);
		} else if (!strcmp(x->piece, "interval")) {
			good = codel_time(p, x, "interval", &codel->interval);
		} else {
			mistake_add(p->mistakes, x->place, "'%s' is not codel [target TIME] [interval TIME]", x->piece);
			return false;
		}
		if (!good)
			return false;
	}
	if (codel->target <= codel->interval)
		return true;
	MISTAKE(p, x->d, "the target is longer than the interval: a queue is to be good within one");
	return false;
}

static void impair_queue(struct parse *p, struct doc *map, struct impairments *out)
{
	struct doc *d = doc_get(map, "queue");
	struct pieces x = {.d = d};
	struct impair_codel_config codel = {0};

	if (!d || !parse_text(p, d, &x.at))
		return;
	piece_next(&x);
	if (!strcmp(x.piece, "codel")) {
		if (!queue_codel(p, &x, &codel))
			return;
		out->queue = IMPAIR_QUEUE_CODEL;
		out->codel = codel;
	} else if (!strcmp(d->text, "drop-tail")) {
		out->queue = IMPAIR_QUEUE_DROP_TAIL;
	} else {
		MISTAKE(p, d, "'%s' is not drop-tail or codel [target TIME] [interval TIME]", d->text);
	}
}

/* In the order of enum impair_distribution. */
static const char *const distributions[] = {"uniform", "normal", "pareto", "paretonormal", NULL};

/* The plain values of one mapping. */
static void impair_values(struct parse *p, struct doc *map, struct impairments *x)
{
	struct doc *d;
	size_t word;

	if ((d = doc_get(map, "distribution")) && parse_word(p, d, distributions, NULL, &word))
		x->distribution = (enum impair_distribution)word;
	impair_delay(p, map, "delay", &x->delay_ns);
	impair_jitter(p, map, x);
	impair_loss(p, map, x);
	impair_probability(p, map, "corrupt", &x->corrupt_ppb, &x->corrupt_rho_ppb);
	impair_probability(p, map, "duplicate", &x->duplicate_ppb, &x->duplicate_rho_ppb);
	impair_reorder(p, map, x);
	impair_rate(p, map, "rate", &x->rate_bps);
	impair_burst(p, map, &x->burst_bytes);
	impair_rate(p, map, "peakrate", &x->peak_bps);
	impair_queue(p, map, x);
	impair_limit(p, map, x);
	if ((d = doc_get(map, "only")))
		parse_match(p, d, &x->only);
}

/* The key where the value of a direction stands: in its own mapping or in the common one. */
static const struct doc *impair_source(const struct doc *common, const struct doc *own, const char *key)
{
	const struct doc *d = own ? doc_get(own, key) : NULL;

	return d ? d : doc_get(common, key);
}

/* What makes no sense, and what is said about it. */
struct nonsense {
	const char *key;
	bool is;
	bool value; /* it is the value that is wrong, and not that the key is there */
	const char *why;
};

/* What makes no sense together; told once when both directions have it from one place. */
static const struct doc *impair_check(struct parse *p, const struct doc *common, const struct doc *own,
				      const struct impairments *x, const struct doc *told)
{
	bool picks = x->delay_ns || x->jitter_ns || x->loss_ppb || x->chain.kind || x->corrupt_ppb ||
		     x->duplicate_ppb || x->reorder_ppb;
	const struct nonsense list[] = {
		{"jitter", x->jitter_ns > x->delay_ns, true,
		 "'jitter' is larger than 'delay': a packet cannot arrive before it is sent"},
		{"distribution", !x->jitter_ns, false, "'distribution' is never applied: there is no 'jitter'"},
		{"reorder", x->reorder_ppb && !x->delay_ns && !x->rate_bps, false,
		 "'reorder' is never applied: without 'delay' or 'rate' no packet waits"},
		{"burst", !x->rate_bps, false, "'burst' is never applied: there is no 'rate'"},
		{"peakrate", !x->burst_bytes, false, "'peakrate' is never applied: there is no 'burst'"},
		{"peakrate", x->peak_bps <= x->rate_bps, true, "'peakrate' is not above 'rate', which holds anyway"},
		{"queue", x->queue == IMPAIR_QUEUE_CODEL && !x->rate_bps, false,
		 "'queue' is never applied: without 'rate' no queue builds up"},
		{"limit", !x->delay_ns && !x->jitter_ns && !x->rate_bps, false,
		 "'limit' is never applied: without 'delay' or 'rate' no packet waits"},
		{"only", !picks, false, "'only' is never applied: nothing here picks packets"},
	};

	for (size_t i = 0; i < sizeof(list) / sizeof(*list); i++) {
		const struct doc *d = list[i].is ? impair_source(common, own, list[i].key) : NULL;

		if (!d || d == told)
			continue;
		mistake_add(p->mistakes, list[i].value ? doc_where(d) : d->key_place, "%s", list[i].why);
		return d;
	}
	return told;
}

static struct doc *impair_direction(struct parse *p, struct doc *map, const char *key)
{
	struct doc *d = doc_get(map, key);

	return d && parse_map(p, d, "the impairments of one direction", impairment_keys, NULL) ? d : NULL;
}

void parse_impairments(struct parse *p, struct doc *map, struct impairments *in, struct impairments *out)
{
	size_t mistakes = p->mistakes->count;
	struct doc *own_in = impair_direction(p, map, "in"), *own_out = impair_direction(p, map, "out");
	struct impairments before = *out;

	impair_values(p, map, in);
	/* The same values again for the other direction: its mistakes were told. */
	if (mistakes == p->mistakes->count)
		impair_values(p, map, &before);
	*out = before;
	if (own_in)
		impair_values(p, own_in, in);
	if (own_out)
		impair_values(p, own_out, out);
	if (own_in && own_out)
		for (const char *const *key = impairment_keys; *key; key++)
			if (doc_get(own_in, *key) && doc_get(own_out, *key))
				parse_never(p, map, *key, "'in' and 'out' both set it");
	if (mistakes != p->mistakes->count)
		return;
	const struct doc *told = impair_check(p, map, own_in, in, NULL);

	impair_check(p, map, own_out, out, told);
}
