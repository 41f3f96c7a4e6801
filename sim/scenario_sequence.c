/* SPDX-License-Identifier: BSD-3-Clause */
/* sequence: the requests of an entry of traffic one by one, each with its time, its target and its sizes. */
#include "sim/scenario_parse.h"

/* The keys that say when and how many requests come, in place of which the list is. */
static void others_never(struct parse *p, const struct doc *entry)
{
	static const char *const keys[] = {"requests", "for",   "rate", "arrivals", "burst",
					   "users",    "think", "ramp", NULL};

	for (const char *const *key = keys; *key; key++)
		parse_never(p, entry, *key, "the 'sequence' says when requests come");
}

/* What requests of the app do not have. */
static void listed_never(struct parse *p, const struct doc *d, enum app_kind app)
{
	static const char *const http[] = {"method", "host", "path", NULL};
	static const char *const both[] = {"body", "reply", NULL};
	bool stream = app == APP_ECHO || app == APP_BULK;

	for (const char *const *key = http; app != APP_HTTP && *key; key++)
		parse_never(p, d, *key, "the app is not http");
	for (const char *const *key = both; stream && *key; key++)
		parse_never(p, d, *key, "the app has no requests, only 'bytes'");
	if (!stream)
		parse_never(p, d, "bytes", "a request has a 'body'");
	else if (!doc_get(d, "bytes"))
		MISTAKE(p, d, "'bytes' is missing: how much is sent?");
}

/* A size that may be missing: the entry's then. */
static void request_size(struct parse *p, struct doc *d, uint64_t least, uint64_t *out)
{
	if (d && parse_size(p, d, SCENARIO_BYTES_MAX, out) && *out < least)
		MISTAKE(p, d, "'%s' is less than %llu B", d->text, (unsigned long long)least);
}

/* r->at is that of the request before. */
static void parse_listed(struct parse *p, struct doc *d, enum app_kind app, struct scenario_request *r)
{
	static const char *const known[] = {"at", "method", "host", "path", "body", "reply", "bytes", NULL};
	const nstime before = r->at;
	struct doc *at;

	if (!parse_map(p, d, "a request", known, NULL) || d->kind != DOC_MAP) {
		if (doc_is_empty(d))
			MISTAKE(p, d, "an empty request");
		return;
	}
	at = doc_get(d, "at");
	if (at && parse_duration(p, at, &r->at) && r->at < before) {
		MISTAKE(p, at, "'%s' is before the request that is listed before", at->text);
		r->at = before;
	}
	listed_never(p, d, app);
	parse_request_target(p, d, &r->method, &r->host, &r->path);
	request_size(p, doc_get(d, "body"), 0, &r->body);
	request_size(p, doc_get(d, "reply"), 1, &r->reply);
	request_size(p, doc_get(d, "bytes"), 1, &r->body);
}

void parse_sequence(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	struct doc *d = doc_get(entry, "sequence");
	struct scenario_request r = {0};

	others_never(p, entry);
	if (doc_is_empty(d) || (d->kind == DOC_LIST && !d->count))
		MISTAKE_KEY(p, d, "a sequence of no requests");
	if (!parse_list(p, d, "sequence"))
		return;
	t->requests = 0;
	for (size_t i = 0; i < d->count; i++) {
		if (i == SCENARIO_SEQUENCE_MAX) {
			MISTAKE(p, d->items[i], "more than %u requests in a sequence", SCENARIO_SEQUENCE_MAX);
			return;
		}
		r = (struct scenario_request){.at = r.at, .body = SCENARIO_UNSAID, .reply = SCENARIO_UNSAID};
		parse_listed(p, d->items[i], t->app, &r);
		t->sequence = scenario_grow(t->sequence, t->requests, sizeof(*t->sequence));
		t->sequence[t->requests++] = r;
	}
}
