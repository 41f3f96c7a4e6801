/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/replay_print.h"

#include "base/err.h"
#include "base/quantity.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define ENDPOINT_MAX 64U

static const char *const verdicts[] = {
	[REPLAY_WHOLE] = "whole", [REPLAY_BROKEN] = "broken", [REPLAY_NO_REPLAY] = "not replayable"};

/* "192.0.2.1:4000", one side of a connection. */
static const char *endpoint_text(const struct tuple *t, bool local, char out[TUPLE_TEXT_MAX])
{
	char *arrow;

	tuple_text(t, out);
	arrow = strstr(out, " > ");
	*arrow = 0;
	return local ? arrow + 3 : out;
}

/* ---- replay.csv ---- */

static void time_field(struct csv *c, nstime t)
{
	if (t == NSTIME_NEVER)
		csv_empty(c);
	else
		csv_number(c, t / NSTIME_US);
}

static void csv_row(struct csv *c, const struct replay_report *r)
{
	char text[TUPLE_TEXT_MAX];
	const uint64_t numbers[] = {r->client_bytes,          r->client_arrived, r->client_lacking, r->server_bytes,
				    r->server_arrived,        r->server_lacking, r->segments,       r->acks_added,
				    r->retransmissions_added, r->handoffs};

	csv_number(c, r->number);
	csv_number(c, r->loop);
	csv_text(c, endpoint_text(r->captured, false, text));
	csv_text(c, endpoint_text(r->captured, true, text));
	csv_text(c, r->live ? endpoint_text(r->live, false, text) : "");
	csv_text(c, verdicts[r->verdict]);
	csv_text(c, r->why);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		csv_number(c, numbers[i]);
	csv_text(c, r->service ? r->service : "");
	if (r->service)
		csv_number(c, r->rule);
	else
		csv_empty(c);
	csv_text(c, r->backend ? r->backend : "");
	time_field(c, r->started);
	time_field(c, r->handed_over);
	time_field(c, r->backend ? r->handoff_ns : NSTIME_NEVER);
	time_field(c, r->ended);
	csv_end(c);
}

static void csv_add(struct replay_print *p, const struct replay_report *r)
{
	static const char *const columns[] = {"connection",
					      "loop",
					      "client",
					      "server",
					      "live_client",
					      "outcome",
					      "why",
					      "client_bytes",
					      "client_arrived_bytes",
					      "client_lacking_bytes",
					      "server_bytes",
					      "server_arrived_bytes",
					      "server_lacking_bytes",
					      "segments",
					      "acknowledgements_added",
					      "retransmissions_added",
					      "handoffs",
					      "service",
					      "rule",
					      "backend",
					      "start_us",
					      "handed_over_us",
					      "handoff_us",
					      "end_us"};

	if (!p->csv_open) {
		csv_open(&p->csv, p->out, "replay.csv");
		csv_texts(&p->csv, columns, sizeof(columns) / sizeof(*columns));
		csv_end(&p->csv);
		p->csv_open = true;
	}
	if (r)
		csv_row(&p->csv, r);
}

int replay_print_close(struct replay_print *p)
{
	csv_add(p, NULL);
	for (size_t i = 0; i < p->first_count; i++)
		free(p->first[i].text);
	for (size_t i = 0; i < p->bad_count; i++)
		free(p->bad[i].text);
	return csv_close(&p->csv);
}

/* ---- for programs ---- */

static void json_time(json_t *o, const char *name, nstime t)
{
	if (t != NSTIME_NEVER)
		json_object_set_new(o, name, json_integer((json_int_t)(t / NSTIME_US)));
}

static void json_line(json_t *o)
{
	json_dumpf(o, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(o);
}

static void json_connection(const struct replay_report *r)
{
	char text[TUPLE_TEXT_MAX];
	json_t *o = json_pack("{s:I,s:I,s:s,s:s}", "connection", (json_int_t)r->number, "loop", (json_int_t)r->loop,
			      "outcome", verdicts[r->verdict], "why", r->why);
	const struct {
		const char *name;
		uint64_t value;
	} numbers[] = {{"client_bytes", r->client_bytes},
		       {"client_arrived_bytes", r->client_arrived},
		       {"client_lacking_bytes", r->client_lacking},
		       {"server_bytes", r->server_bytes},
		       {"server_arrived_bytes", r->server_arrived},
		       {"server_lacking_bytes", r->server_lacking},
		       {"segments", r->segments},
		       {"acknowledgements_added", r->acks_added},
		       {"retransmissions_added", r->retransmissions_added},
		       {"handoffs", r->handoffs}};

	json_object_set_new(o, "client", json_string(endpoint_text(r->captured, false, text)));
	json_object_set_new(o, "server", json_string(endpoint_text(r->captured, true, text)));
	if (r->live)
		json_object_set_new(o, "live_client", json_string(endpoint_text(r->live, false, text)));
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++)
		json_object_set_new(o, numbers[i].name, json_integer((json_int_t)numbers[i].value));
	if (r->service) {
		json_object_set_new(o, "service", json_string(r->service));
		json_object_set_new(o, "rule", json_integer((json_int_t)r->rule));
	}
	if (r->backend)
		json_object_set_new(o, "backend", json_string(r->backend));
	json_time(o, "start_us", r->started);
	json_time(o, "handed_over_us", r->handed_over);
	json_time(o, "handoff_us", r->backend ? r->handoff_ns : NSTIME_NEVER);
	json_time(o, "end_us", r->ended);
	json_line(o);
}

static void json_totals(const struct replay *replay, const struct run_results *r)
{
	json_t *o = json_object();

	for (size_t i = 0; i < r->metrics.count; i++) {
		const struct metric *m = &r->metrics.list[i];

		if (!strncmp(m->path, "replay.", 7))
			json_object_set_new(o, m->path + 7, json_integer((json_int_t)m->value));
	}
	if (replay_damage(replay))
		json_object_set_new(o, "damage", json_string(replay_damage(replay)));
	json_line(o);
}

/* ---- for people ---- */

static char *row_make(const struct replay_report *r)
{
	char client[TUPLE_TEXT_MAX], up[QUANTITY_MAX], down[QUANTITY_MAX], when[QUANTITY_MAX], *text;
	const char *outcome = verdicts[r->verdict];

	if (r->handoffs)
		quantity_time(when, r->handed_over);
	else
		strcpy(when, "-");
	if (asprintf(&text, "%4" PRIu64 "  %-21s %9s %9s  %-16.16s %-10s %11s  %s%s%s", r->number,
		     endpoint_text(r->captured, false, client), quantity_bytes(up, r->client_bytes),
		     quantity_bytes(down, r->server_bytes), r->rule_text ? r->rule_text : "-",
		     r->backend ? r->backend : "-", when, outcome, *r->why ? ": " : "", r->why) < 0) {
		cli_error("out of memory");
		exit(STATUS_BROKEN);
	}
	return text;
}

/* The first ones by number are kept whichever order they end in; those not whole that go beyond are kept too. */
static void row_add(struct replay_print *p, const struct replay_report *r)
{
	bool bad = r->verdict == REPLAY_BROKEN;

	if (r->number <= REPLAY_ROWS_MAX)
		p->first[p->first_count++] = (struct replay_row){r->number, bad, row_make(r)};
	else if (bad && p->bad_count < REPLAY_ROWS_MAX)
		p->bad[p->bad_count++] = (struct replay_row){r->number, bad, row_make(r)};
}

void replay_print_connection(void *context, const struct replay_report *r)
{
	struct replay_print *p = context;

	csv_add(p, r);
	if (p->json && !p->quiet)
		json_connection(r);
	else if (!p->json)
		row_add(p, r);
}

static int row_compare(const void *a, const void *b)
{
	const struct replay_row *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

static void rows_print(struct replay_print *p, FILE *f, bool bad_only)
{
	qsort(p->first, p->first_count, sizeof(*p->first), row_compare);
	qsort(p->bad, p->bad_count, sizeof(*p->bad), row_compare);
	for (size_t i = 0; i < p->first_count; i++)
		if (p->first[i].bad || !bad_only)
			fprintf(f, "%s\n", p->first[i].text);
	for (size_t i = 0; i < p->bad_count; i++)
		fprintf(f, "%s\n", p->bad[i].text);
}

static void bytes_line(const char *label, uint64_t have, uint64_t arrived, uint64_t lacking)
{
	char text[3][QUANTITY_MAX];

	printf("%-12s%s captured, %s arrived as captured", label, quantity_bytes(text[0], have),
	       quantity_bytes(text[1], arrived));
	if (lacking)
		printf(", %s that the capture lacks", quantity_bytes(text[2], lacking));
	putchar('\n');
}

static void packets_line(const struct replay_totals *t)
{
	const struct {
		uint64_t value;
		const char *words;
	} parts[] = {{t->other, "not TCP"},
		     {t->malformed, "malformed"},
		     {t->elsewhere, "of other interfaces"},
		     {t->encapsulated, "encapsulated"},
		     {t->lost, "dropped when they were captured"},
		     {t->wrong, "with a wrong checksum"},
		     {t->unset, "with the checksum left to a network card"}};
	char text[QUANTITY_MAX];

	printf("%-12s%s read", "packets", quantity_count(text, t->packets));
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		if (parts[i].value)
			printf(", %s %s", quantity_count(text, parts[i].value), parts[i].words);
	putchar('\n');
}

static void totals_print(const struct replay_totals *t)
{
	char text[4][QUANTITY_MAX];

	printf("%-12s%s: %s whole, %s broken, %s not replayable; %s handed over\n", "connections",
	       quantity_count(text[0], t->connections), quantity_count(text[1], t->whole),
	       quantity_count(text[2], t->broken), quantity_count(text[3], t->no_replay),
	       quantity_count((char[QUANTITY_MAX]){0}, t->handed_over));
	bytes_line("clients", t->client_bytes, t->client_arrived, t->client_lacking);
	bytes_line("servers", t->server_bytes, t->server_arrived, t->server_lacking);
	printf("%-12s%s sent as captured, %s acknowledgements and %s retransmissions added\n", "segments",
	       quantity_count(text[0], t->segments), quantity_count(text[1], t->acks_added),
	       quantity_count(text[2], t->retransmissions_added));
	packets_line(t);
}

void replay_print_end(struct replay_print *p, const struct scenario *s, uint64_t seed, const struct replay *replay,
		      const struct run_results *r)
{
	const struct replay_totals *t = replay_totals(replay);
	const struct metric *fingerprint = metrics_find(&r->metrics, "fingerprint");
	char virtual[QUANTITY_MAX], text[QUANTITY_MAX];

	if (p->json) {
		json_totals(replay, r);
		return;
	}
	if (p->quiet) {
		rows_print(p, stderr, true);
		return;
	}
	printf("%s, seed %" PRIu64 ": %s replayed\n\n", s->name, seed, quantity_time(virtual, t->virtual_ns));
	printf("%4s  %-21s %9s %9s  %-16s %-10s %11s  %s\n", "", "client", "says", "is told", "rule", "backend",
	       "handed over", "outcome");
	rows_print(p, stdout, false);
	if (t->connections > p->first_count + p->bad_count)
		printf("      and %s more, all in replay.csv\n",
		       quantity_count(text, t->connections - p->first_count - p->bad_count));
	putchar('\n');
	totals_print(t);
	putchar('\n');
	printf("%-12s%s/: replay.csv, result.json, trace.jsonl, perf.json\n", "files", p->out);
	printf("%-12s%s\n", "fingerprint", fingerprint && fingerprint->text ? fingerprint->text : "none");
}
