/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/flows.h"

#include "base/hash.h"
#include "base/log.h"
#include "sim/csv.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define LISTS_INITIAL 256U

struct flow {
	LIST_ENTRY(flow) link;   /* of those with the same hash */
	TAILQ_ENTRY(flow) order; /* of all, oldest first */
	struct tuple tuple;
	const char *client; /* node */
	uint64_t number;
	size_t rule;    /* as in breakdown_rules.chosen; SIZE_MAX: none chose */
	size_t backend; /* node; SIZE_MAX: none */
	nstime started, handed_over, handoff_ns;
	uint64_t handoffs; /* completed */
};

LIST_HEAD(flow_list, flow);

struct flows {
	const struct scenario *scenario;
	const struct breakdown_rules *places;
	struct hash_key key;
	struct flow_list *lists;
	size_t lists_count; /* a power of two */
	size_t count;
	TAILQ_HEAD(, flow) all;
	uint64_t opened;
	struct flows_rule *rules;
	const char *directory;
	struct csv csv;
};

static size_t rules_count(const struct scenario *s)
{
	size_t count = 0;

	for (size_t i = 0; i < s->services_count; i++)
		count += s->services[i].rules_count;
	return count;
}

static void *memory_check(void *p)
{
	if (!p)
		log_fatal("out of memory: connections");
	return p;
}

struct flows *flows_new(const struct scenario *s, const struct breakdown_rules *rules, uint64_t seed,
			const char *directory)
{
	static const char *const columns[] = {
		"connection", "client",         "client_endpoint", "server_endpoint", "service", "rule",
		"backend",    "start_us",       "handed_over_us",  "handoff_us",      "end_us",  "requests",
		"sent_bytes", "received_bytes", "handoffs",        "retransmissions", "reason",
	};
	struct flows *f = memory_check(calloc(1, sizeof *f));

	f->scenario = s;
	f->places = rules;
	f->lists_count = LISTS_INITIAL;
	f->lists = memory_check(calloc(f->lists_count, sizeof *f->lists));
	f->rules = memory_check(calloc(rules_count(s) + 1, sizeof *f->rules));
	f->directory = directory;
	TAILQ_INIT(&f->all);
	hash_key_init(&f->key, seed, "flows");
	if (directory) {
		csv_open(&f->csv, directory, "flows.csv");
		csv_texts(&f->csv, columns, sizeof columns / sizeof columns[0]);
		csv_end(&f->csv);
	}
	return f;
}

static void flow_remove(struct flows *f, struct flow *w)
{
	LIST_REMOVE(w, link);
	TAILQ_REMOVE(&f->all, w, order);
	f->count--;
	free(w);
}

void flows_free(struct flows *f)
{
	struct flow *w;

	if (!f)
		return;
	while ((w = TAILQ_FIRST(&f->all)))
		flow_remove(f, w);
	if (f->directory)
		csv_close(&f->csv);
	for (size_t i = 0; i < rules_count(f->scenario); i++)
		free(f->rules[i].handoff_us);
	free(f->rules);
	free(f->lists);
	free(f);
}

static struct flow_list *list_of(const struct flows *f, const struct tuple *t)
{
	return &f->lists[hash_bytes(&f->key, t, sizeof *t) & (f->lists_count - 1)];
}

static void lists_grow(struct flows *f)
{
	struct flow *w;

	free(f->lists);
	f->lists_count *= 2;
	f->lists = memory_check(calloc(f->lists_count, sizeof *f->lists));
	TAILQ_FOREACH (w, &f->all, order)
		LIST_INSERT_HEAD(list_of(f, &w->tuple), w, link);
}

static struct flow *flow_find(const struct flows *f, const struct tuple *t)
{
	struct flow *w;

	LIST_FOREACH (w, list_of(f, t), link)
		if (tuple_equal(&w->tuple, t))
			return w;
	return NULL;
}

/* A request began: on a connection that is known, or the first on a new one. The client's own view is the other way
 * round. */
static void request_started(struct flows *f, const char *client, const struct tuple *own, nstime now)
{
	const struct tuple t = tuple_reverse(own);
	struct flow *w = flow_find(f, &t);

	if (w)
		return;
	if (f->count >= f->lists_count)
		lists_grow(f);
	w = memory_check(calloc(1, sizeof *w));
	*w = (struct flow){.tuple = t,
			   .client = client,
			   .number = ++f->opened,
			   .rule = SIZE_MAX,
			   .backend = SIZE_MAX,
			   .started = now,
			   .handed_over = NSTIME_NEVER};
	LIST_INSERT_HEAD(list_of(f, &t), w, link);
	TAILQ_INSERT_TAIL(&f->all, w, order);
	f->count++;
}

static void handed_over(struct flows *f, struct flow *w, nstime latency, size_t backend, nstime now)
{
	struct flows_rule *rule = w->rule != SIZE_MAX ? &f->rules[w->rule] : NULL;

	if (!w->handoffs++) {
		w->handed_over = now;
		w->handoff_ns = latency;
	}
	w->backend = backend;
	if (!rule)
		return;
	rule->handed_over++;
	if (!rule->handoff_us)
		rule->handoff_us = memory_check(calloc(1, sizeof *rule->handoff_us));
	histogram_add(rule->handoff_us, latency / NSTIME_US);
}

void flows_observe(struct flows *f, const char *node, nstime now, enum trace_event event,
		   const struct trace_field *fields, size_t count)
{
	const struct tuple *t;
	struct flow *w;

	if (event != TRACE_REQUEST_START && event != TRACE_CLASSIFIER_CHOOSE && event != TRACE_HANDOFF_COMMITTED)
		return;
	t = trace_field_tuple(fields, count, "tuple");
	if (!t)
		return;
	if (event == TRACE_REQUEST_START) {
		request_started(f, node, t, now);
		return;
	}
	w = flow_find(f, t);
	if (!w)
		return;
	if (event == TRACE_CLASSIFIER_CHOOSE)
		w->rule = breakdown_rule_of(f->places, f->scenario, fields, count);
	else
		handed_over(f, w, trace_field_u64(fields, count, "latency_ns"),
			    (size_t)trace_field_u64(fields, count, "device") - 1, now);
}

uint64_t flows_opened(const struct flows *f)
{
	return f->opened;
}

static void time_us(struct csv *c, nstime t)
{
	if (t == NSTIME_NEVER)
		csv_empty(c);
	else
		csv_number(c, t / NSTIME_US);
}

static void rule_fields(struct csv *c, const struct flows *f, size_t place)
{
	const struct scenario *s = f->scenario;
	size_t i = 0;

	if (place == SIZE_MAX) {
		csv_empty(c);
		csv_empty(c);
		return;
	}
	while (i + 1 < s->services_count && f->places->first[i + 1] <= place)
		i++;
	csv_text(c, s->services[i].name);
	csv_number(c, place - f->places->first[i]);
}

static void flow_row(struct flows *f, const struct flow *w, const struct client_connection *end, nstime ended)
{
	struct csv *c = &f->csv;
	char text[TUPLE_TEXT_MAX], *arrow;

	tuple_text(&w->tuple, text);
	arrow = strstr(text, " > ");
	*arrow = 0;
	csv_number(c, w->number);
	csv_text(c, w->client);
	csv_text(c, text);
	csv_text(c, arrow + 3);
	rule_fields(c, f, w->rule);
	csv_text(c, w->backend < f->scenario->nodes_count ? f->scenario->nodes[w->backend].name : "");
	csv_number(c, w->started / NSTIME_US);
	time_us(c, w->handed_over);
	time_us(c, w->handoffs ? w->handoff_ns : NSTIME_NEVER);
	time_us(c, ended);
	if (end) {
		csv_number(c, end->requests);
		csv_number(c, end->bytes_sent);
		csv_number(c, end->bytes_received);
	} else {
		for (unsigned i = 0; i < 3; i++)
			csv_empty(c);
	}
	csv_number(c, w->handoffs);
	if (end)
		csv_number(c, end->retransmissions);
	else
		csv_empty(c);
	csv_text(c, end ? end->reason : "open");
	csv_end(c);
}

void flows_end(struct flows *f, const struct client_connection *c)
{
	struct flow *w = flow_find(f, &c->tuple);

	if (!w)
		return;
	if (w->rule != SIZE_MAX)
		f->rules[w->rule].received_bytes += c->bytes_received;
	if (f->directory)
		flow_row(f, w, c, c->closed);
	flow_remove(f, w);
}

const struct flows_rule *flows_rule(const struct flows *f, size_t place)
{
	return &f->rules[place];
}

const char *flows_rule_text(const struct scenario_rule *r, char out[FLOWS_MATCH_MAX])
{
	const struct {
		const char *before, *text;
	} parts[] = {{"", r->method},         {"host ", r->host},
		     {"path ", r->path},      {"header ", r->header_name},
		     {": ", r->header_value}, {"cookie ", r->cookie_name},
		     {"=", r->cookie_value}};
	size_t len = 0;

	*out = 0;
	for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
		if (parts[i].text && len < FLOWS_MATCH_MAX)
			len += (size_t)snprintf(out + len, FLOWS_MATCH_MAX - len, "%s%s%s",
						len && parts[i].before[0] != ':' && parts[i].before[0] != '=' ? " "
													      : "",
						parts[i].before, parts[i].text);
	return len ? out : strcpy(out, "everything");
}

static int rules_write(const struct flows *f)
{
	static const char *const columns[] = {"service",        "rule",           "match",
					      "chosen",         "handed_over",    "handoff_p50_us",
					      "handoff_p99_us", "handoff_max_us", "received_bytes"};
	const struct scenario *s = f->scenario;
	struct csv c;

	csv_open(&c, f->directory, "rules.csv");
	csv_texts(&c, columns, sizeof columns / sizeof columns[0]);
	csv_end(&c);
	for (size_t i = 0; i < s->services_count; i++)
		for (size_t n = 0; n < s->services[i].rules_count; n++) {
			const struct flows_rule *r = &f->rules[f->places->first[i] + n];
			const struct histogram *h = r->handoff_us;
			char match[FLOWS_MATCH_MAX];

			csv_text(&c, s->services[i].name);
			csv_number(&c, n);
			csv_text(&c, flows_rule_text(&s->services[i].rules[n], match));
			csv_number(&c, f->places->chosen[f->places->first[i] + n]);
			csv_number(&c, r->handed_over);
			csv_number(&c, h ? histogram_percentile(h, 50) : 0);
			csv_number(&c, h ? histogram_percentile(h, 99) : 0);
			csv_number(&c, h ? h->max : 0);
			csv_number(&c, r->received_bytes);
			csv_end(&c);
		}
	return csv_close(&c);
}

int flows_close(struct flows *f)
{
	const struct flow *w;
	int r;

	if (!f->directory)
		return 0;
	TAILQ_FOREACH (w, &f->all, order)
		flow_row(f, w, NULL, NSTIME_NEVER);
	r = csv_close(&f->csv);
	return r ? r : rules_write(f);
}
