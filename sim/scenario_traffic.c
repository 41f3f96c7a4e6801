/* SPDX-License-Identifier: BSD-3-Clause */
/* traffic: which requests, from whom, to whom, when. */
#include "node/client.h"
#include "node/tls.h"
#include "sim/scenario_parse.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define HEADERS_MAX  64U
#define PIPELINE_MAX 1000U
#define HEADER_MAX   4096U /* bytes of one field, and of a path */

static const char *const app_words[] = {"echo", "http", "bulk", "sink", "tls", "proxy", "relay", NULL};
static const char *const http_keys[] = {"method",          "host",    "path",       "headers",  "version",
					"expect_continue", "chunked", "half_close", "pipeline", NULL};
static const char *const tls_keys[] = {"server_name", "hello_records", "hello_bytes", NULL};
static const char *const request_keys[] = {"body", "reply", "per_connection", "idle", NULL}; /* of both */

static bool is_token(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("!#$%&'*+-.^_`|~", text[i]))
			return false;
	return len;
}

static bool has_control(const char *text)
{
	for (; *text; text++)
		if (iscntrl((unsigned char)*text))
			return true;
	return false;
}

/* A part of the request's head: no spaces, one line. */
static bool head_text(struct parse *p, struct doc *entry, const char *key, char **out)
{
	struct doc *d = doc_get(entry, key);
	const char *text;

	if (!d || !parse_text(p, d, &text))
		return false;
	if (strchr(text, ' ') || has_control(text) || strlen(text) > HEADER_MAX) {
		MISTAKE(p, d, "'%s' is no %s: it holds a space or is too long", text, key);
		return false;
	}
	*out = parse_copy(text);
	return true;
}

static void keys_never(struct parse *p, const struct doc *entry, const char *const *keys, const char *why)
{
	for (; *keys; keys++)
		parse_never(p, entry, *keys, why);
}

/* A {word} that is not {n} would stand in every request as it is. */
static void check_braces(struct parse *p, const struct doc *d, bool counts)
{
	for (const char *brace = d->text; (brace = strchr(brace, '{')); brace++) {
		size_t len = strspn(brace + 1, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");

		if (!len || brace[1 + len] != '}' || (counts && len == 1 && brace[1] == 'n'))
			continue;
		MISTAKE(p, d,
			counts ? "'{%.*s}' is never replaced; {n} is"
			       : "'{%.*s}' is never replaced here; {n} is, in 'path'",
			(int)len, brace + 1);
		return;
	}
}

static void parse_headers(struct parse *p, struct doc *d, struct scenario_traffic *t)
{
	if (!parse_list(p, d, "headers"))
		return;
	for (size_t i = 0; i < d->count; i++) {
		const struct doc *header = d->items[i];
		const char *text, *colon;

		if (i == HEADERS_MAX) {
			MISTAKE(p, header, "more than %u headers", HEADERS_MAX);
			return;
		}
		if (header->kind == DOC_MAP) {
			MISTAKE(p, header, "a header is one text: quote it: \"Name: value\"");
			continue;
		}
		if (!parse_text(p, header, &text))
			continue;
		colon = strchr(text, ':');
		if (!colon || !is_token(text, (size_t)(colon - text)) || has_control(text) ||
		    strlen(text) > HEADER_MAX) {
			MISTAKE(p, header, "'%s' is not \"Name: value\"", text);
			continue;
		}
		check_braces(p, header, false);
		t->headers = scenario_grow(t->headers, t->headers_count, sizeof(*t->headers));
		t->headers[t->headers_count++] = parse_copy(text);
	}
}

/* What requests have in both protocols. */
static void parse_request(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	struct doc *body = doc_get(entry, "body"), *reply = doc_get(entry, "reply");
	struct doc *per = doc_get(entry, "per_connection");

	parse_never(p, entry, "bytes", "a request has a 'body'");
	if (body)
		parse_distribution(p, body, UNITS_SIZE, 0, SCENARIO_BYTES_MAX, &t->body);
	if (reply)
		parse_distribution(p, reply, UNITS_SIZE, 1, SCENARIO_BYTES_MAX, &t->reply);
	if (per)
		parse_count(p, per, 1, SCENARIO_REQUESTS_MAX, &t->per_connection);
}

static void parse_tls(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	struct doc *name = doc_get(entry, "server_name"), *records = doc_get(entry, "hello_records");
	struct doc *bytes = doc_get(entry, "hello_bytes");
	uint64_t value;

	keys_never(p, entry, http_keys, "the app is tls, which has no such thing");
	parse_request(p, entry, t);
	if (head_text(p, entry, "server_name", &t->server_name)) {
		check_braces(p, name, true);
		if (strlen(t->server_name) > CLIENT_SERVER_NAME_MAX)
			MISTAKE(p, name, "'%s' is longer than %u bytes", t->server_name, CLIENT_SERVER_NAME_MAX);
	}
	if (records && parse_count(p, records, 1, TLS_HELLO_RECORDS_MAX, &value))
		t->hello_records = (uint32_t)value;
	if (bytes && parse_size(p, bytes, TLS_HELLO_BYTES_MAX, &value))
		t->hello_bytes = (uint32_t)value;
}

static void parse_pipeline(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	static const char *const alone[] = {"idle", "abort", "expect_continue", "half_close", "users", NULL};
	struct doc *pipeline = doc_get(entry, "pipeline");

	if (!pipeline || !parse_count(p, pipeline, 2, PIPELINE_MAX, &t->pipeline))
		return;
	if (t->per_connection < 2 || t->http_10)
		MISTAKE_KEY(p, pipeline,
			    t->http_10 ? "HTTP/1.0 has no pipelining"
				       : "'pipeline' is never applied: a connection carries one "
					 "request, see 'per_connection'");
	else if (t->pipeline > t->per_connection)
		MISTAKE(p, pipeline, "more requests under way than a connection carries, see 'per_connection'");
	for (const char *const *key = alone; *key; key++)
		if (doc_get(entry, *key))
			MISTAKE_KEY(p, pipeline, "'pipeline' does not go with '%s'", *key);
}

void parse_request_target(struct parse *p, struct doc *map, char **method, char **host, char **path)
{
	if (head_text(p, map, "method", method) && !is_token(*method, strlen(*method)))
		MISTAKE(p, doc_get(map, "method"), "'%s' is no HTTP method", *method);
	if (head_text(p, map, "host", host))
		check_braces(p, doc_get(map, "host"), false);
	if (!head_text(p, map, "path", path))
		return;
	if (**path != '/')
		MISTAKE(p, doc_get(map, "path"), "'%s' is no path: it begins with /", *path);
	check_braces(p, doc_get(map, "path"), true);
}

static void parse_http(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	static const char *const versions[] = {"1.1", "1.0", NULL};
	struct doc *headers = doc_get(entry, "headers"), *body = doc_get(entry, "body");
	struct doc *chunked = doc_get(entry, "chunked");
	struct doc *half_close = doc_get(entry, "half_close"), *version = doc_get(entry, "version"),
		   *expect = doc_get(entry, "expect_continue");
	size_t word;

	keys_never(p, entry, tls_keys, "the app is http; 'app: tls' has a hello");
	parse_request(p, entry, t);
	parse_request_target(p, entry, &t->method, &t->host, &t->path);
	if (headers)
		parse_headers(p, headers, t);
	if (chunked && parse_bool(p, chunked, &t->chunked) && t->chunked && !body)
		MISTAKE_KEY(p, chunked, "'chunked' is never applied: there is no 'body'");
	if (version && parse_word(p, version, versions, NULL, &word))
		t->http_10 = word == 1;
	if (t->http_10 && t->chunked)
		MISTAKE_KEY(p, chunked, "HTTP/1.0 has no chunks");
	if (expect && parse_bool(p, expect, &t->expect_continue) && t->expect_continue && (!body || t->http_10))
		MISTAKE_KEY(p, expect,
			    t->http_10 ? "HTTP/1.0 has no 100-continue"
				       : "'expect_continue' is never applied: there is no 'body'");
	parse_pipeline(p, entry, t);
	if (half_close && parse_bool(p, half_close, &t->half_close) && t->half_close && t->per_connection > 1)
		MISTAKE_KEY(p, half_close,
			    "'half_close' ends a connection's requests: it goes with 'per_connection: 1'");
}

/* echo and bulk: so many bytes, and nothing of HTTP. */
static void parse_bytes(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	struct doc *bytes = doc_get(entry, "bytes");
	char why[64];

	snprintf(why, sizeof(why), "the app is %s, which has no requests", app_words[t->app]);
	keys_never(p, entry, http_keys, why);
	keys_never(p, entry, tls_keys, why);
	keys_never(p, entry, request_keys, why);
	if (!bytes && !doc_get(entry, "sequence"))
		MISTAKE(p, entry, "'bytes' is missing: how much does %s send?", app_words[t->app]);
	else if (bytes && doc_get(entry, "sequence"))
		MISTAKE_KEY(p, bytes, "'bytes' is never applied: the 'sequence' has its own");
	else if (bytes)
		parse_distribution(p, bytes, UNITS_SIZE, 1, SCENARIO_BYTES_MAX, &t->body);
}

/* Whether an application takes what a client sends. */
static bool app_takes(enum app_kind app, enum app_kind sent)
{
	return app == sent || (sent == APP_BULK && app == APP_SINK) || app == APP_PROXY ||
	       (app == APP_RELAY && (sent == APP_HTTP || sent == APP_TLS));
}

/* Whether every backend of the service serves what the traffic sends; one mistake tells the first that does not. */
static void check_backends(struct parse *p, const struct doc *d, const struct scenario_service *service,
			   enum app_kind sent)
{
	for (size_t r = 0; r < service->rules_count; r++)
		for (size_t i = 0; i < service->rules[r].to_count; i++) {
			const struct scenario_node *n = &p->s->nodes[service->rules[r].to[i]];
			enum app_kind app = scenario_service_app(n, service);

			if (app_takes(app, sent))
				continue;
			MISTAKE(p, d, "backend '%s' serves %s on port %u of service '%s', not %s: apps: { %s: %u }",
				n->name, app_words[app], service->port, service->name, app_words[sent], app_words[sent],
				service->port);
			return;
		}
}

/* Whether classifier and backends of the service take what the traffic sends. */
static void check_protocol(struct parse *p, const struct doc *d, const struct scenario_service *service,
			   enum app_kind sent)
{
	if (service->protocol == PROTOCOL_HTTP && sent != APP_HTTP)
		MISTAKE(p, d, "service '%s' reads HTTP requests, and %s sends none", service->name, app_words[sent]);
	else if (service->protocol == PROTOCOL_TLS && sent != APP_TLS)
		MISTAKE(p, d, "service '%s' reads TLS hellos, and %s sends none: app: tls", service->name,
			app_words[sent]);
	else if (service->protocol == PROTOCOL_AUTO && sent != APP_TLS && sent != APP_HTTP)
		MISTAKE(p, d, "service '%s' reads HTTP or TLS, and %s sends neither", service->name, app_words[sent]);
	else if (service->protocol == PROTOCOL_NONE)
		check_backends(p, d, service, sent);
}

static void parse_to_service(struct parse *p, struct doc *d, struct scenario_traffic *t)
{
	const struct scenario *s = p->s;
	const char *names[SCENARIO_SERVICES_MAX + 1];
	const char *text;

	if (!parse_text(p, d, &text))
		return;
	for (size_t i = 0; i < s->services_count; i++) {
		names[i] = s->services[i].name;
		if (strcmp(names[i], text))
			continue;
		t->to_service = true;
		t->service = i;
		check_protocol(p, d, &s->services[i], t->app);
		return;
	}
	names[s->services_count] = NULL;
	const char *nearest = mistake_nearest(text, names);

	if (nearest)
		MISTAKE(p, d, "there is no service '%s'; did you mean '%s'?", text, nearest);
	else
		MISTAKE(p, d, "there is no service '%s'", text);
}

/* Whether what listens on the port takes what the app sends. */
static void check_listener(struct parse *p, const struct doc *d, const struct scenario_node *n,
			   const struct scenario_traffic *t)
{
	for (size_t i = 0; i < n->apps_count; i++) {
		if (n->apps[i].port != t->to_port)
			continue;
		if (!app_takes(n->apps[i].kind, t->app))
			MISTAKE(p, d, "port %u of node '%s' is %s, not %s", t->to_port, n->name,
				app_words[n->apps[i].kind], app_words[t->app]);
		return;
	}
	MISTAKE(p, d, "nothing listens on port %u of node '%s': apps: { %s: %u }", t->to_port, n->name,
		t->app == APP_BULK ? "sink" : app_words[t->app], t->to_port);
}

/* The node that an address is of, or SIZE_MAX with a mistake (without one where addresses were not assigned). */
static size_t address_node(struct parse *p, const struct doc *d, const struct addr *address)
{
	const struct owner *owner = p->addressed ? owner_find(p, address) : NULL;
	char text[ADDR_TEXT_MAX];

	if (p->addressed && !owner)
		MISTAKE(p, d, "no node has the address '%s'", addr_text(address, text));
	return owner ? owner->node : SIZE_MAX;
}

/* `to: NODE:PORT`, or one of a node's addresses in place of its name. */
static void parse_to_node(struct parse *p, struct doc *d, struct scenario_traffic *t)
{
	const struct scenario *s = p->s;
	struct addr address = {0};
	const char *text;
	size_t node;
	char *host;

	if (!parse_text(p, d, &text) || !parse_host_port(p, d, text, &host, &t->to_port))
		return;
	node = addr_parse(&address, host) ? parse_node_ref(p, d, host, strlen(host)) : address_node(p, d, &address);
	free(host);
	if (node == SIZE_MAX)
		return;
	check_listener(p, d, &s->nodes[node], t);
	if (p->addressed && t->from_count)
		t->to_address = address.family ? address : node_address_near(p, d, &s->nodes[node], t->from[0]);
}

/* How a client writes. */
static void parse_writing(struct parse *p, struct doc *entry, struct scenario_traffic *t)
{
	struct doc *piece = doc_get(entry, "piece"), *pause = doc_get(entry, "pause");

	if (piece && parse_size(p, piece, SCENARIO_BYTES_MAX, &t->piece) && !t->piece)
		MISTAKE(p, piece, "a client that writes nothing at a time is never done");
	if (!piece)
		parse_never(p, entry, "pause", "that is between pieces, and there is no 'piece'");
	else if (pause && parse_duration(p, pause, &t->pause) && !t->pause)
		MISTAKE(p, pause, "'pause' is zero; without it the pieces follow one another at once");
}

static void parse_entry_name(struct parse *p, const struct doc *d, struct scenario_traffic *t)
{
	const struct scenario *s = p->s;
	const char *text;

	if (!parse_text(p, d, &text) || !parse_name(p, d->place, text, strlen(text)))
		return;
	for (size_t i = 0; i < s->traffic_count; i++)
		if (s->traffic[i].name && !strcmp(s->traffic[i].name, text)) {
			MISTAKE(p, d, "two entries of traffic are named '%s'", text);
			return;
		}
	t->name = parse_copy(text);
}

static void parse_entry(struct parse *p, struct doc *d)
{
	static const char *const known[] = {
		"name",        "from",          "to",          "service",  "app",     "requests",
		"for",         "rate",          "arrivals",    "burst",    "start",   "sequence",
		"users",       "think",         "ramp",        "bytes",    "method",  "host",
		"path",        "headers",       "body",        "chunked",  "reply",   "per_connection",
		"half_close",  "keepalive",     "idle",        "abort",    "version", "expect_continue",
		"server_name", "hello_records", "hello_bytes", "pipeline", "piece",   "pause",
		NULL};
	static const char *const apps[] = {"echo", "http", "bulk", "tls", NULL};
	static const enum app_kind kinds[] = {APP_ECHO, APP_HTTP, APP_BULK, APP_TLS};
	struct scenario *s = p->s;
	struct scenario_traffic t = {.app = APP_HTTP, .requests = 1, .burst = 1, .per_connection = 1};
	struct doc *from = doc_get(d, "from"), *to = doc_get(d, "to"), *service = doc_get(d, "service");
	struct doc *app = doc_get(d, "app"), *name = doc_get(d, "name");
	size_t word;

	if (parse_map(p, d, "traffic", known, NULL) && d->kind == DOC_MAP) {
		if (name)
			parse_entry_name(p, name, &t);
		if (app && parse_word(p, app, apps, NULL, &word))
			t.app = kinds[word];
		if (from)
			parse_node_list(p, from, ROLE_CLIENT, "client", &t.from, &t.from_count);
		else
			MISTAKE(p, d, "'from' is missing: which clients?");
		if (!to == !service)
			MISTAKE(p, d, "traffic goes to one 'service: NAME' or 'to: NODE:PORT'");
		else if (service)
			parse_to_service(p, service, &t);
		else
			parse_to_node(p, to, &t);
		if (t.app == APP_HTTP)
			parse_http(p, d, &t);
		else if (t.app == APP_TLS)
			parse_tls(p, d, &t);
		else
			parse_bytes(p, d, &t);
		parse_writing(p, d, &t);
		parse_pace(p, d, &t);
	} else if (doc_is_empty(d)) {
		MISTAKE(p, d, "an empty entry");
	}
	s->traffic = scenario_grow(s->traffic, s->traffic_count, sizeof(t));
	s->traffic[s->traffic_count++] = t;
}

void parse_traffic(struct parse *p)
{
	struct doc *d = doc_get(p->root, "traffic");

	if (!d || !parse_list(p, d, "traffic"))
		return;
	for (size_t i = 0; i < d->count; i++) {
		if (i == SCENARIO_TRAFFIC_MAX) {
			MISTAKE(p, d->items[i], "more than %u entries of traffic", SCENARIO_TRAFFIC_MAX);
			return;
		}
		parse_entry(p, d->items[i]);
	}
}
