/* SPDX-License-Identifier: BSD-3-Clause */
#include "report/page.h"

#include "base/log.h"
#include "base/quantity.h"
#include "report/document.h"
#include "report/figures.h"
#include "report/ladder.h"
#include "report/proof.h"
#include "report/tables.h"
#include "report/topology.h"

#include <stdlib.h>
#include <string.h>

struct page {
	struct markup m;
	const struct page_input *in;
	const struct scenario *s;
	const struct run_results *results;
	const struct record *record;
	struct proof *needed; /* what the failed expectations link to */
	size_t needed_count;
};

static uint64_t number(const struct page *p, const char *path)
{
	const struct metric *x = metrics_find(&p->results->metrics, path);

	return x && x->kind == METRIC_NUMBER ? x->value : 0;
}

/* ---- evidence ---- */

/* The evidence for one expectation: that of both of its metrics. */
static size_t expectation_proofs(const struct page *p, const struct run_expectation *e, struct proof out[2 * PROOF_MAX])
{
	struct expect x;
	char why[EXPECT_WHY_MAX];
	size_t column, count;

	if (expect_parse(&x, e->source->text, NULL, why, &column))
		return 0;
	count = proof_find(p->s, x.metric, out);
	return x.other[0] ? count + proof_find(p->s, x.other, out + count) : count;
}

static void needed_find(struct page *p)
{
	const struct run_results *r = p->results;

	p->needed = calloc(2 * PROOF_MAX * (r->expectations_failed + 1), sizeof *p->needed);
	if (!p->needed)
		log_fatal("out of memory: the evidence for %zu expectations", r->expectations_failed);
	for (size_t i = 0; i < r->expectations_count; i++)
		if (!r->expectations[i].held)
			p->needed_count += expectation_proofs(p, &r->expectations[i], p->needed + p->needed_count);
}

static bool anchor_is_needed(const void *context, const char *id)
{
	const struct page *p = context;

	for (size_t i = 0; i < p->needed_count; i++)
		if (!strcmp(p->needed[i].anchor, id))
			return true;
	return false;
}

/* Events that tell of trouble, and so are shown wherever they happened. */
static bool event_is_trouble(enum trace_event event)
{
	switch (event) {
	case TRACE_NODE_CRASH:
	case TRACE_LINK_DOWN:
	case TRACE_LINK_UP:
	case TRACE_LINK_SET:
	case TRACE_PACKET_DROP:
	case TRACE_FORWARDER_ABORTED:
	case TRACE_FORWARDER_REFUSED:
	case TRACE_FORWARDER_LOST:
	case TRACE_CLASSIFIER_ANSWER:
	case TRACE_HANDOFF_ROLLBACK:
	case TRACE_HANDOFF_RETRY:
	case TRACE_HANDOFF_FAILED:
	case TRACE_TOMBSTONE_BOUNCE:
	case TRACE_DRIVER_BUFFER:
	case TRACE_MIGRATOR_REJECT:
	case TRACE_MIGRATOR_DISCARD:
	case TRACE_COURIER_REJECT:
	case TRACE_COURIER_RETRANSMIT:
	case TRACE_COURIER_GIVEUP:
	case TRACE_REQUEST_FAIL:
		return true;
	default:
		return false;
	}
}

static void evidence_line(struct markup *m, const struct evidence_line *line)
{
	markup_open(m, "tr");
	markup_element_format(m, "td", "n mono", "%llu.%06llu", (unsigned long long)(line->at / NSTIME_S),
			      (unsigned long long)(line->at % NSTIME_S / NSTIME_US));
	markup_element(m, "td", NULL, line->node ? line->node : "");
	markup_element(m, "td", "mono", line->text);
	markup_close(m);
}

static void evidence_event(struct page *p, enum trace_event event, const char *id)
{
	static const char *const columns[] = {"time (s)", "node", "values"};
	const struct evidence_event *v = &p->record->evidence.events[event];
	struct markup *m = &p->m;

	markup_open(m, "div");
	markup_attribute(m, "id", id);
	markup_element_format(m, "h3", NULL, "%s: %llu time%s", trace_name(event), (unsigned long long)v->count,
			      v->count == 1 ? "" : "s");
	markup_element(m, "p", "soft", trace_meaning(event));
	if (v->lines_count) {
		tables_open(m, columns, 3, 0);
		for (unsigned i = 0; i < v->lines_count; i++)
			evidence_line(m, &v->lines[i]);
		tables_close(m);
	}
	markup_close(m);
}

static void section_evidence(struct page *p)
{
	bool any = false;

	document_section_open(&p->m, "evidence", "What went wrong, and what was done about it");
	markup_element(&p->m, "p", "soft",
		       "The first events of each kind, a few for each reason; trace.jsonl has them all.");
	for (unsigned event = 0; event < TRACE_EVENT_COUNT; event++) {
		char id[PROOF_ANCHOR_MAX];
		bool happened = p->record->evidence.events[event].count > 0;

		proof_event_anchor(event, id);
		if (!(happened && event_is_trouble(event)) && !anchor_is_needed(p, id))
			continue;
		evidence_event(p, event, id);
		any = true;
	}
	if (!any)
		markup_element(&p->m, "p", NULL, "Nothing went wrong.");
	document_section_close(&p->m);
}

/* ---- the head of the page ---- */

static void tile(struct markup *m, const char *value, const char *text)
{
	markup_open_class(m, "div", "tile");
	markup_element(m, "strong", NULL, value);
	markup_element(m, "span", "soft", text);
	markup_close(m);
}

static void tile_of(struct page *p, uint64_t n, uint64_t of, const char *text)
{
	char value[64];

	if (n == of)
		snprintf(value, sizeof value, "%llu", (unsigned long long)n);
	else
		snprintf(value, sizeof value, "%llu of %llu", (unsigned long long)n, (unsigned long long)of);
	tile(&p->m, value, text);
}

static void tile_time(struct page *p, const char *path, const char *text)
{
	char q[QUANTITY_MAX];

	tile(&p->m, quantity_time(q, number(p, path) * NSTIME_US), text);
}

static void section_summary(struct page *p)
{
	document_section_open(&p->m, "summary", "Summary");
	markup_open_class(&p->m, "div", "tiles");
	tile_of(p, number(p, "requests.completed"), number(p, "requests.started"), "requests completed");
	if (number(p, "requests.aborted"))
		tile_of(p, number(p, "requests.aborted"), number(p, "requests.started"), "given up on purpose");
	tile_time(p, "requests.latency_us.p50", "median request");
	if (number(p, "handoffs.started")) {
		tile_of(p, number(p, "handoffs.completed"), number(p, "handoffs.started"), "hand-offs completed");
		tile_time(p, "handoffs.latency_us.p50", "median hand-off");
	}
	tile_of(p, number(p, "client.resets"), number(p, "client.resets"), "clients reset");
	tile_time(p, "run.duration_us", "virtual time");
	markup_close(&p->m);
	markup_open_class(&p->m, "div", "scroll");
	markup_element(&p->m, "pre", NULL, p->in->summary);
	markup_close(&p->m);
	document_section_close(&p->m);
}

static void expectation_row(struct page *p, const struct run_expectation *e)
{
	struct markup *m = &p->m;
	struct proof proofs[2 * PROOF_MAX];
	size_t count = e->held ? 0 : expectation_proofs(p, e, proofs);

	markup_open(m, "tr");
	markup_element(m, "td", e->held ? "good" : "bad", e->held ? "✓ holds" : "✗ fails");
	markup_element(m, "td", "mono", e->source->text);
	markup_element(m, "td", "mono", e->actual);
	markup_open(m, "td");
	for (size_t i = 0; i < count; i++) {
		markup_text(m, i ? ", " : "");
		markup_open(m, "a");
		markup_attribute_format(m, "href", "#%s", proofs[i].anchor);
		markup_text(m, proofs[i].text);
		markup_close(m);
	}
	if (!e->held && e->source->hint)
		markup_element(m, "p", NULL, e->source->hint);
	markup_text(m, "");
	markup_close(m);
	markup_close(m);
}

static void section_expectations(struct page *p)
{
	static const char *const columns[] = {"", "expectation", "what it was", "evidence"};
	const struct run_results *r = p->results;

	if (!r->expectations_count)
		return;
	document_section_open(&p->m, "expectations", "Expectations");
	markup_element_format(&p->m, "p", r->expectations_failed ? "bad" : "good", "%zu of %zu hold.",
			      r->expectations_count - r->expectations_failed, r->expectations_count);
	tables_open(&p->m, columns, 4, 0);
	for (size_t i = 0; i < r->expectations_count; i++)
		expectation_row(p, &r->expectations[i]);
	tables_close(&p->m);
	document_section_close(&p->m);
}

static void page_head(struct page *p)
{
	static const char *const links[][2] = {{"summary", "Summary"},     {"expectations", "Expectations"},
					       {"topology", "Topology"},   {"time", "Over time"},
					       {"latencies", "Latencies"}, {"ladder", "One connection"},
					       {"rules", "Rules"},         {"nodes", "Nodes"},
					       {"links", "Links"},         {"evidence", "Evidence"}};
	const struct metric *fingerprint = metrics_find(&p->results->metrics, "fingerprint");
	struct markup *m = &p->m;

	markup_element_format(m, "p", "soft", "Baton %s, seed %llu, fingerprint %.16s", BATON_VERSION,
			      (unsigned long long)p->in->seed, fingerprint ? fingerprint->text : "");
	if (p->results->broken)
		markup_element_format(m, "p", "bad", "An invariant broke: %s: %s", p->results->broken,
				      p->results->broken_detail);
	if (p->results->interrupted)
		markup_element(m, "p", "bad", "The run was interrupted before its end.");
	markup_open(m, "nav");
	for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
		if (!p->results->expectations_count && !strcmp(links[i][0], "expectations"))
			continue;
		markup_open(m, "a");
		markup_attribute_format(m, "href", "#%s", links[i][0]);
		markup_text(m, links[i][1]);
		markup_close(m);
	}
	markup_close(m);
}

/* ---- its parts ---- */

static void section_topology(struct page *p)
{
	document_section_open(&p->m, "topology", "Topology");
	topology_draw(&p->m, p->s, "topology-figure");
	document_section_close(&p->m);
}

static void section_figures(struct page *p)
{
	document_section_open(&p->m, "time", "Over time");
	document_figures_open(&p->m);
	figures_series(&p->m, p->s, p->record, anchor_is_needed, p);
	document_figures_close(&p->m);
	document_section_close(&p->m);
	document_section_open(&p->m, "latencies", "Latencies");
	document_figures_open(&p->m);
	figures_histograms(&p->m, p->record, anchor_is_needed, p);
	document_figures_close(&p->m);
	document_section_close(&p->m);
}

static void section_ladder(struct page *p)
{
	const struct steps_connection *c = steps_chosen(&p->record->steps);

	document_section_open(&p->m, "ladder", "One connection");
	if (c && c->count)
		ladder_draw(&p->m, p->s, c, "ladder-figure");
	else if (p->record->steps.wanted)
		markup_element_format(&p->m, "p", NULL, "There was no connection %llu.",
				      (unsigned long long)p->record->steps.wanted);
	else
		markup_element(&p->m, "p", NULL, "There was no connection.");
	document_section_close(&p->m);
}

static void section_tables(struct page *p)
{
	document_section_open(&p->m, "rules", "Rules");
	if (p->s->services_count)
		tables_rules(&p->m, p->s, p->record);
	else
		markup_element(&p->m, "p", NULL, "There is no service, and so no rule.");
	document_section_close(&p->m);
	document_section_open(&p->m, "nodes", "Nodes");
	tables_nodes(&p->m, p->s, p->record);
	document_section_close(&p->m);
	document_section_open(&p->m, "links", "Links");
	tables_links(&p->m, p->s, p->record);
	document_section_close(&p->m);
}

int page_write(const struct page_input *in, const char *path)
{
	struct page p = {.in = in, .s = in->scenario, .results = in->results, .record = in->results->record};
	int r;

	needed_find(&p);
	document_open(&p.m, p.s->name);
	page_head(&p);
	section_summary(&p);
	section_expectations(&p);
	section_topology(&p);
	section_figures(&p);
	section_ladder(&p);
	section_tables(&p);
	section_evidence(&p);
	document_close(&p.m);
	r = document_write(&p.m, path);
	markup_fini(&p.m);
	free(p.needed);
	return r;
}
