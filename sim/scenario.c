/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/scenario.h"

#include "base/err.h"
#include "base/log.h"
#include "sim/scenario_parse.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCENARIO_VERSION 1U

static void node_fini(struct scenario_node *n)
{
	free(n->name);
	free(n->attachments);
	for (size_t i = 0; i < n->apps_count; i++)
		free(n->apps[i].targets);
	free(n->apps);
	free(n->relays);
	free(n->routes);
}

static void service_fini(struct scenario_service *service)
{
	for (size_t i = 0; i < service->rules_count; i++) {
		struct scenario_rule *r = &service->rules[i];

		free(r->method);
		free(r->host);
		free(r->path);
		free(r->header_name);
		free(r->header_value);
		free(r->cookie_name);
		free(r->cookie_value);
		free(r->server_name);
		free(r->to);
		free(r->weights);
		free(r->key_cookie);
	}
	free(service->rules);
	free(service->name);
}

static void traffic_spec_fini(struct scenario_traffic *t)
{
	for (size_t i = 0; i < t->headers_count; i++)
		free(t->headers[i]);
	free(t->headers);
	for (size_t i = 0; t->sequence && i < t->requests; i++) {
		free(t->sequence[i].method);
		free(t->sequence[i].host);
		free(t->sequence[i].path);
	}
	free(t->sequence);
	free(t->from);
	free(t->method);
	free(t->host);
	free(t->path);
	free(t->server_name);
	free(t->name);
	free(t->body.points);
	free(t->reply.points);
	free(t->think.points);
	free(t->idle.points);
	free(t->abort.at.points);
}

static void key_free(uint8_t *key)
{
	if (key)
		sodium_memzero(key, SCENARIO_KEY_LEN);
	free(key);
}

void scenario_fault_fini(struct scenario_fault *f)
{
	free(f->sides[0]);
	free(f->sides[1]);
	key_free(f->key);
}

static void party_free(struct impair_party *party)
{
	free(party->macs);
	free(party->addresses);
	free(party);
}

void scenario_free(struct scenario *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->networks_count; i++)
		free(s->networks[i].name);
	for (size_t i = 0; i < s->nodes_count; i++)
		node_fini(&s->nodes[i]);
	for (size_t i = 0; i < s->services_count; i++)
		service_fini(&s->services[i]);
	for (size_t i = 0; i < s->traffic_count; i++)
		traffic_spec_fini(&s->traffic[i]);
	for (size_t i = 0; i < s->faults_count; i++)
		scenario_fault_fini(&s->faults[i]);
	for (size_t i = 0; i < s->parties_count; i++)
		party_free(s->parties[i]);
	for (size_t i = 0; i < s->expects_count; i++) {
		free(s->expects[i].text);
		free(s->expects[i].hint);
	}
	for (size_t i = 0; i < s->filters_count; i++)
		free(s->filters[i]);
	free(s->networks);
	free(s->nodes);
	free(s->outsides);
	free(s->services);
	free(s->traffic);
	free(s->faults);
	free(s->expects);
	free(s->captures);
	free(s->series.nodes);
	free(s->series.links);
	free(s->filters);
	free(s->parties);
	free(s->file);
	free(s->name);
	free(s->text);
	for (size_t i = 0; i < s->sets_count; i++)
		free(s->sets[i]);
	free(s->sets);
	key_free(s->key);
	scenario_live_fini(&s->live);
	free(s);
}

bool scenario_network_holds(const struct scenario_network *n, const struct addr *a)
{
	const struct scenario_subnet *subnet = scenario_subnet(n, a->family);

	return subnet->address.family && addr_in_prefix(a, &subnet->address, subnet->prefix_len);
}

const char *const scenario_roles[] = {"client", "forwarder", "classifier", "backend", "host",
				      "router", "bridge",    "device",     NULL};

size_t scenario_node_find(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < s->nodes_count; i++)
		if (!strcmp(s->nodes[i].name, name))
			return i;
	return SIZE_MAX;
}

size_t scenario_service_find(const struct scenario *s, const char *name)
{
	for (size_t i = 0; i < s->services_count; i++)
		if (!strcmp(s->services[i].name, name))
			return i;
	return SIZE_MAX;
}

enum app_kind scenario_service_app(const struct scenario_node *backend, const struct scenario_service *service)
{
	switch (service->protocol) {
	case PROTOCOL_TLS:
		return APP_TLS;
	case PROTOCOL_AUTO:
		return APP_AUTO;
	case PROTOCOL_HTTP:
		return APP_HTTP;
	case PROTOCOL_NONE:
		break;
	}
	for (size_t i = 0; i < backend->apps_count; i++)
		if (backend->apps[i].port == service->port)
			return backend->apps[i].kind;
	return APP_HTTP;
}

const struct relay_target *scenario_service_relay(const struct scenario_node *backend, size_t service)
{
	for (size_t i = 0; i < backend->relays_count; i++)
		if (backend->relays[i].service == service)
			return &backend->relays[i].target;
	return NULL;
}

bool scenario_relays(const struct scenario *s)
{
	for (size_t i = 0; i < s->nodes_count; i++) {
		if (s->nodes[i].relays_count)
			return true;
		for (size_t a = 0; a < s->nodes[i].apps_count; a++)
			if (s->nodes[i].apps[a].kind == APP_RELAY)
				return true;
	}
	return false;
}

/* The file's name without folders and ending. */
static char *file_stem(const char *file)
{
	const char *slash = strrchr(file, '/'), *base = slash ? slash + 1 : file, *dot = strrchr(base, '.');

	return scenario_strndup(base, dot && dot > base ? (size_t)(dot - base) : strlen(base));
}

static void parse_version(struct parse *p)
{
	const struct doc *d = doc_get(p->root, "baton");
	uint64_t version = 0;

	if (!d)
		mistake_add(p->mistakes, p->root->place, "'baton' is missing: a scenario says baton: %u",
			    SCENARIO_VERSION);
	else if (parse_count(p, d, 0, UINT32_MAX, &version) && version != SCENARIO_VERSION)
		MISTAKE(p, d, "version %llu of the format is unknown; this is %u", (unsigned long long)version,
			SCENARIO_VERSION);
}

char *parse_path(const struct parse *p, const struct doc *d, const char *path)
{
	const char *slash = strrchr(p->s->file, '/');
	char *joined;

	if (d->place.origin || *path == '/' || !slash)
		return parse_copy(path);
	if (asprintf(&joined, "%.*s%s", (int)(slash + 1 - p->s->file), p->s->file, path) < 0)
		log_fatal("out of memory for a path");
	return joined;
}

uint8_t *parse_key(struct parse *p, const struct doc *d, const char *text)
{
	char *path = parse_path(p, d, text);
	uint8_t *key = scenario_grow(NULL, 0, SCENARIO_KEY_LEN);
	FILE *f = fopen(path, "rb");
	size_t len;
	bool good = false;

	if (f)
		setvbuf(f, NULL, _IONBF, 0); /* no copy of the key stays behind in a buffer */
	len = f ? fread(key, 1, SCENARIO_KEY_LEN, f) : 0;
	if (!f || ferror(f))
		MISTAKE(p, d, "the key file '%s' cannot be read: %s", path, strerror(errno));
	else if (len < SCENARIO_KEY_LEN)
		MISTAKE(p, d, "the key file '%s' holds %zu bytes, and %u are needed", path, len, SCENARIO_KEY_LEN);
	else
		good = true;
	if (f)
		fclose(f);
	free(path);
	if (good)
		return key;
	free(key);
	return NULL;
}

/* The summary prints it, so that it holds nothing a terminal would obey. */
static void parse_title(struct parse *p, const struct doc *d)
{
	const char *text;

	if (!parse_text(p, d, &text))
		return;
	p->s->name = parse_copy(text);
	for (const char *c = text; *c; c++) {
		if ((unsigned char)*c >= ' ' && *c != 0x7f)
			continue;
		MISTAKE(p, d, "the name holds a control character (0x%02x)", (unsigned)*c);
		return;
	}
}

/* The scalars of the top level. */
static void parse_top(struct parse *p)
{
	static const char *const ciphers[] = {"chacha20-poly1305", "aes256-gcm", NULL};
	struct doc *name = doc_get(p->root, "name"), *seed = doc_get(p->root, "seed");
	struct doc *stop = doc_get(p->root, "stop"), *key = doc_get(p->root, "key");
	struct doc *cipher = doc_get(p->root, "cipher");
	struct scenario *s = p->s;
	const char *text;
	size_t word;

	parse_version(p);
	if (name)
		parse_title(p, name);
	else
		s->name = file_stem(s->file);
	if (seed)
		parse_count(p, seed, 0, UINT64_MAX, &s->seed);
	if (!stop)
		mistake_add(p->mistakes, p->root->place, "'stop' is missing: when does the run end at the latest?");
	else if (parse_duration(p, stop, &s->stop) && !s->stop)
		MISTAKE(p, stop, "a run that stops at once shows nothing");
	if (key && parse_text(p, key, &text))
		s->key = parse_key(p, key, text);
	if (cipher && parse_word(p, cipher, ciphers, NULL, &word))
		s->cipher_aes = word == 1;
}

/* One cluster has one forwarder: its mapping table is the ownership. */
static void check_forwarders(struct parse *p)
{
	const struct scenario *s = p->s;
	size_t first = SIZE_MAX;

	for (size_t i = 0; i < s->nodes_count; i++) {
		if (!(s->nodes[i].roles & ROLE_FORWARDER))
			continue;
		if (first == SIZE_MAX) {
			first = i;
			continue;
		}
		MISTAKE_KEY(p, p->node_docs[i], "a scenario has one forwarder, and '%s' is one already",
			    s->nodes[first].name);
		p->addressed = false;
		return;
	}
}

static void parse_root(struct parse *p)
{
	static const char *const known[] = {"baton",  "name",     "seed",    "stop",    "key",     "cipher", "networks",
					    "nodes",  "services", "traffic", "faults",  "capture", "series", "expect",
					    "health", "control",  "log",     "metrics", "user",    NULL};

	if (p->root->kind != DOC_MAP) {
		MISTAKE(p, p->root, "a scenario is a mapping that begins with baton: 1");
		return;
	}
	parse_map(p, p->root, "a scenario", known, NULL);
	parse_top(p);
	parse_networks(p);
	parse_nodes(p);
	parse_outsides(p);
	parse_names(p);
	check_forwarders(p);
	parse_services(p);
	parse_limits_check(p);
	parse_health(p);
	parse_live(p);
	if (!doc_get(p->root, "services")) {
		parse_never(p, p->root, "key", "without services nothing is sealed");
		parse_never(p, p->root, "cipher", "without services nothing is sealed");
		parse_never(p, p->root, "health", "without services there is no backend to report");
	}
	if (p->addressed)
		parse_addresses(p);
	if (p->addressed)
		parse_routes(p);
	parse_proxies(p);
	parse_relays(p);
	parse_traffic(p);
	if (p->addressed)
		parse_reachability(p);
	parse_faults(p);
	parse_captures(p);
	parse_series(p);
	parse_expects(p);
}

int scenario_read_text(const char *file, const char *text, size_t len, const char *const *sets, size_t sets_count,
		       struct scenario **out, struct scenario_mistakes *mistakes)
{
	*mistakes = (struct scenario_mistakes){0};
	struct parse p = {
		.s = scenario_grow(NULL, 0, sizeof(*p.s)),
		.mistakes = mistakes,
		.root = doc_read(text, len, mistakes),
		.work = SCENARIO_WORK_MAX,
		.addressed = true,
	};

	*p.s = (struct scenario){
		.file = scenario_strndup(file, strlen(file)),
		.text = scenario_strndup(text, len),
		.seed = 1,
	};
	for (size_t i = 0; p.root && i < sets_count; i++) {
		p.s->sets = scenario_grow(p.s->sets, p.s->sets_count, sizeof(*p.s->sets));
		p.s->sets[p.s->sets_count++] = scenario_strndup(sets[i], strlen(sets[i]));
		doc_set(p.root, sets[i], mistakes);
	}
	if (p.root)
		parse_root(&p);
	doc_free(p.root);
	free(p.network_docs);
	free(p.node_docs);
	free(p.service_docs);
	free(p.names);
	free(p.owners);
	free(p.marks);
	mistakes_sort(mistakes);
	if (mistakes->count) {
		scenario_free(p.s);
		return E_INVAL;
	}
	*out = p.s;
	return 0;
}

int scenario_read(const char *file, const char *const *sets, size_t sets_count, struct scenario **out,
		  struct scenario_mistakes *mistakes)
{
	size_t len;

	*mistakes = (struct scenario_mistakes){0};
	char *text = doc_load(file, &len, mistakes);

	if (!text)
		return E_INVAL;
	int err = scenario_read_text(file, text, len, sets, sets_count, out, mistakes);

	free(text);
	return err;
}
