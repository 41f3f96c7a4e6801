/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/write_traffic.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define PATH_MAX_LEN 1024U
#define SPARE_PORT   20000U

void write_service_name(FILE *f, const struct plan *p, size_t service)
{
	static const char *const names[] = {
		[PLAN_HTTP] = "http", [PLAN_TLS] = "tls",   [PLAN_BULK] = "bulk",
		[PLAN_ECHO] = "echo", [PLAN_TURNS] = "tcp",
	};

	fprintf(f, "%s%zu", names[p->services[service].form], service + 1);
}

/* The n-th port from SPARE_PORT on, from 0, that no service has which keeps its own. */
static unsigned spare_port(const struct plan *p, unsigned n)
{
	for (unsigned port = SPARE_PORT;; port++) {
		bool taken = false;

		for (size_t i = 0; i < p->services_count && !taken; i++)
			taken = p->services[i].port == port;
		if (!taken && !n--)
			return port;
	}
}

/* A port of a node has one application, and an application that does not come by the protocol one port: what is plain
 * and no turns gets the port of its form, at whatever VIP. A port that no node may have gets one too. */
unsigned write_port(const struct plan *p, size_t service)
{
	const struct plan_service *s = &p->services[service];

	if (s->form == PLAN_BULK || s->form == PLAN_ECHO)
		return spare_port(p, s->form == PLAN_ECHO);
	return s->port ? s->port : spare_port(p, 2);
}

bool write_name_is_plain(const char *name)
{
	return *name && strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") == strlen(name);
}

/* ---- texts ---- */

static bool host_is_plain(const char *host)
{
	size_t name = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
	const char *port = host + name + (host[name] == ':');

	return name && (!host[name] ||
			(host[name] == ':' && strspn(port, "0123456789") == strlen(port) && *port && strlen(port) < 5));
}

/* The path within a target, in the form of one: what else a target may hold is percent-encoded. */
static void put_path(FILE *f, const char *target)
{
	const char *authority = target ? strstr(target, "://") : NULL;
	size_t len = 1;

	if (!target)
		target = "/";
	if (authority && *target != '/') {
		target = strchr(authority + 3, '/');
		if (!target)
			target = "/";
	}
	while (*target == '/')
		target++;
	fputs("\"/", f);
	for (; *target && len < PATH_MAX_LEN; target++) {
		unsigned char c = (unsigned char)*target;

		if (isalnum(c) || (c < 128 && strchr("-._~!$&'()*+,;=:@/?%", c)))
			fputc(c, f);
		else
			fprintf(f, "%%%02X", c);
		len += 3;
	}
	fputc('"', f);
}

/* ---- exchanges ---- */

/* At which byte of the plan a plain exchange stands: HTTP and TLS have replies, which are no shorter than a byte. */
static void put_sizes(FILE *f, enum plan_form form, const struct talk_exchange *x)
{
	if (form == PLAN_BULK || form == PLAN_ECHO) {
		fprintf(f, "bytes: %" PRIu64 " B", x->body);
		return;
	}
	if (x->body)
		fprintf(f, "body: %" PRIu64 " B, ", x->body);
	fprintf(f, "reply: %" PRIu64 " B", x->reply ? x->reply : 1);
}

/* CONNECT is refused by whoever reads requests: what is asked for is no host. */
static const char *method_of(const struct talk_exchange *x)
{
	const char *usual = x->body ? "POST" : "GET";

	if (!x->method || !strcmp(x->method, "CONNECT") || !strcmp(x->method, usual))
		return NULL;
	return x->method;
}

static void put_exchange(FILE *f, enum plan_form form, const struct talk_exchange *x)
{
	if (form == PLAN_HTTP) {
		if (method_of(x))
			fprintf(f, "method: %s, ", method_of(x));
		fputs("path: ", f);
		put_path(f, x->target);
		fputs(", ", f);
	}
	put_sizes(f, form, x);
}

/* ---- entries ---- */

struct entry {
	const struct import_connection *c;
	enum plan_form form;
	const struct talk_exchange *list;
	size_t count;
	struct talk_exchange hello; /* TLS: the first exchange without the hello, and with what came before it */
};

/* A hello and the server's answer to it are no request: what the server said then counts to its first reply. */
static void tls_begin(struct entry *e)
{
	size_t first = e->count > 1;

	e->hello = e->list[first];
	if (first)
		e->hello.reply += e->list[0].reply;
	else
		e->hello.body = 0;
	e->list += first;
	e->count -= first;
}

static const struct talk_exchange *exchange_get(const struct entry *e, size_t i)
{
	return e->form == PLAN_TLS && !i ? &e->hello : &e->list[i];
}

/* The host that all requests name; NULL: they differ, or it cannot stand in a scenario. */
static const char *host_of(const struct entry *e)
{
	const char *host = e->list[0].host;

	for (size_t i = 0; i < e->count && (!i || e->list[i].method); i++) /* turns behind HTTP name none */
		if (!host || !e->list[i].host || strcmp(e->list[i].host, host) != 0)
			return NULL;
	return host_is_plain(host) ? host : NULL;
}

static bool all_http_10(const struct entry *e)
{
	size_t n = 0;

	while (n < e->count && e->list[n].method && e->list[n].http_10)
		n++;
	return n == e->count;
}

static void put_http(FILE *f, const struct entry *e)
{
	const char *host = host_of(e);
	bool old = all_http_10(e);

	if (host)
		fprintf(f, ", host: \"%s\"", host);
	if (old)
		fputs(", version: 1.0", f);
	if (e->count == 1 && e->list[0].expects && e->list[0].body && !old)
		fputs(", expect_continue: true", f);
	if (e->count > 1 && e->c->talk.pipelined > 1 && !old)
		fprintf(f, ", pipeline: %zu",
			e->c->talk.pipelined < e->count
				? e->c->talk.pipelined < 1000 ? (size_t)e->c->talk.pipelined : 1000
			: e->count < 1000 ? e->count
					  : 1000);
}

static void put_app(FILE *f, const struct entry *e)
{
	const char *name = talk_server_name(&e->c->talk);

	switch (e->form) {
	case PLAN_HTTP:
		put_http(f, e);
		break;
	case PLAN_TLS:
		fputs(", app: tls", f);
		if (write_name_is_plain(name))
			fprintf(f, ", server_name: \"%s\"", name);
		break;
	case PLAN_BULK:
		fputs(", app: bulk", f);
		break;
	case PLAN_ECHO:
		fputs(", app: echo", f);
		break;
	case PLAN_TURNS:
		break;
	}
}

static void put_sequence(FILE *f, const struct entry *e)
{
	int64_t start = e->c->opened_ns, at = 0;

	/* A stream of bytes is a connection of its own; only requests share one. */
	fprintf(f, ", per_connection: %zu,\n      sequence: [", e->count);
	for (size_t i = 0; i < e->count; i++) {
		const struct talk_exchange *x = exchange_get(e, i);
		int64_t next = i ? x->at_ns - start : 0;

		at = next > at ? next : at;
		fprintf(f, "%s\n        { at: ", i ? "," : "");
		write_seconds(f, at);
		fputs(", ", f);
		put_exchange(f, e->form, x);
		fputs(" }", f);
	}
	fputs(" ] }\n", f);
}

static void write_entry(FILE *f, const struct plan *p, size_t i)
{
	static const struct talk_exchange nothing = {0};
	const struct import_connection *c = &p->im->connections[i];
	const struct talk_list *l = talk_exchanges(&c->talk);
	struct entry e = {
		.c = c,
		.form = p->services[p->service_of[i]].form,
		.list = l->count ? l->items : &nothing,
		.count = l->count ? l->count : 1,
	};
	char client[ADDR_TEXT_MAX];

	if (e.form == PLAN_TLS)
		tls_begin(&e);
	fprintf(f, "  # %s port %u", addr_text(&c->client, client), c->client_port);
	if (!c->handshake)
		fputs(", had begun before the capture", f);
	if (!c->talk.bytes[0] && !c->talk.bytes[1])
		fputs(", nothing was said", f);
	if (c->reset)
		fputs(", was reset", f);
	if (c->talk.missing)
		fprintf(f, ", %" PRIu64 " B are not in the capture", c->talk.missing);
	fprintf(f, "\n  - { from: client%zu, service: ", p->paths[c->path].client + 1);
	write_service_name(f, p, p->service_of[i]);
	fputs(", start: ", f);
	write_seconds(f, c->opened_ns);
	put_app(f, &e);
	if (e.count > 1) {
		put_sequence(f, &e);
		return;
	}
	fputs(", ", f);
	put_exchange(f, e.form, exchange_get(&e, 0));
	fputs(" }\n", f);
}

void write_traffic(FILE *f, const struct plan *p)
{
	fputs("\ntraffic:\n", f);
	for (size_t i = 0; i < p->im->connections_count; i++)
		if (p->service_of[i] != SIZE_MAX)
			write_entry(f, p, i);
}
