/* SPDX-License-Identifier: BSD-3-Clause */
#include "import/plan.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_BYTES    200U /* of text, beside targets and hosts */
#define EXCHANGE_BYTES 110U

static void *memory_get(size_t count, size_t size)
{
	void *p = calloc(count ? count : 1, size);

	if (!p)
		log_fatal("out of memory: a scenario from a capture");
	return p;
}

/* ---- the network ---- */

static struct plan_link link_make(const struct estimate_counts *own, const struct estimate_counts *all)
{
	struct plan_link l = {.pooled = own->segments < PLAN_SEGMENTS};
	const struct estimate_counts *c = l.pooled ? all : own;

	if (c->segments < PLAN_SEGMENTS)
		return l;
	l.loss_ppb = estimate_loss_ppb(c);
	l.reorder_ppb = estimate_reorder_ppb(c);
	/* A few losses look like it. */
	if (l.reorder_ppb < l.loss_ppb / PLAN_TOLD_APART)
		l.reorder_ppb = 0;
	l.capped = l.loss_ppb > PLAN_LOSS_MAX;
	if (l.capped)
		l.loss_ppb = PLAN_LOSS_MAX;
	return l;
}

static void paths_make(struct plan *p)
{
	struct estimate_counts all[2] = {{0}};

	p->paths = memory_get(p->im->paths_count, sizeof(*p->paths));
	for (size_t i = 0; i < p->im->paths_count; i++)
		for (unsigned d = 0; d < 2; d++)
			estimate_add(&all[d], &p->im->paths[i].counts[d]);
	for (size_t i = 0; i < p->im->paths_count; i++) {
		const struct import_path *measured = &p->im->paths[i];
		int64_t client = import_half_ns(measured, 0), server = import_half_ns(measured, 1);

		p->paths[i].round_trip_ns =
			client < 0 && server < 0 ? -1 : (client < 0 ? 0 : client) + (server < 0 ? 0 : server);
		for (unsigned d = 0; d < 2; d++)
			p->paths[i].links[d] = link_make(&measured->counts[d], &all[d]);
	}
}

/* ---- services ---- */

static size_t backend_get(struct plan *p, const struct addr *server)
{
	for (size_t i = 0; i < p->services_count; i++)
		if (addr_equal(&p->services[i].server, server))
			return p->services[i].backend;
	return p->backends_count++;
}

/* SIZE_MAX: there is no room. */
static size_t service_get(struct plan *p, const struct import_connection *c, enum talk_kind kind)
{
	size_t i = 0;

	while (i < p->services_count && !(addr_equal(&p->services[i].server, &c->server) &&
					  p->services[i].port == c->server_port && p->services[i].kind == kind))
		i++;
	if (i < p->services_count)
		return i;
	if (i == IMPORT_SERVERS_MAX)
		return SIZE_MAX;
	p->services[i] = (struct plan_service){
		.server = c->server,
		.port = c->server_port,
		.kind = kind,
		.backend = backend_get(p, &c->server),
	};
	p->services_count++;
	return i;
}

static void name_add(struct plan_service *s, const char *name)
{
	for (size_t i = 0; i < s->names_count; i++)
		if (!strcmp(s->names[i], name))
			return;
	if (*name && s->names_count < PLAN_NAMES_MAX)
		s->names[s->names_count++] = name;
}

/* Plain connections are imitated by what all of a service's have in common. */
static void forms_choose(struct plan *p)
{
	bool *bulk = memory_get(p->services_count, sizeof(*bulk)), *echo = memory_get(p->services_count, sizeof(*echo));

	for (size_t i = 0; i < p->services_count; i++)
		bulk[i] = echo[i] = true;
	for (size_t i = 0; i < p->im->connections_count; i++) {
		const struct talk *t = &p->im->connections[i].talk;

		if (p->service_of[i] == SIZE_MAX)
			continue;
		bulk[p->service_of[i]] &= t->bytes[0] && !t->bytes[1];
		echo[p->service_of[i]] &= t->turns.count == 1 && t->bytes[0] && t->bytes[0] == t->bytes[1];
	}
	for (size_t i = 0; i < p->services_count; i++) {
		struct plan_service *s = &p->services[i];

		if (s->kind == TALK_HTTP || s->kind == TALK_TLS)
			s->form = s->kind == TALK_HTTP ? PLAN_HTTP : PLAN_TLS;
		else
			s->form = bulk[i] ? PLAN_BULK : echo[i] ? PLAN_ECHO : PLAN_TURNS;
	}
	free(bulk);
	free(echo);
}

/* ---- connections ---- */

size_t plan_exchanges(const struct import_connection *c)
{
	size_t n = talk_exchanges(&c->talk)->count;

	if (n && talk_kind(&c->talk) == TALK_TLS)
		n--; /* the hello and its answer */
	return n ? n : 1;
}

/* An upper bound of its text. */
static uint64_t text_len(const struct import_connection *c)
{
	const struct talk_list *l = talk_exchanges(&c->talk);
	uint64_t len = ENTRY_BYTES;

	for (size_t i = 0; i < l->count; i++) /* a byte of a target is three when it is encoded */
		len += EXCHANGE_BYTES + (l->items[i].target ? 3 * strlen(l->items[i].target) : 0) +
		       (l->items[i].host ? strlen(l->items[i].host) : 0);
	return len;
}

/* Whether it is one: somebody answered, or something was said. */
static bool is_connection(const struct import_connection *c)
{
	return c->answered || c->talk.bytes[0] || c->talk.bytes[1];
}

static void connection_plan(struct plan *p, size_t i, uint64_t *text)
{
	const struct import_connection *c = &p->im->connections[i];
	enum talk_kind kind = talk_kind(&c->talk);
	uint64_t len = text_len(c);

	p->service_of[i] = SIZE_MAX;
	if (!is_connection(c)) {
		p->attempts++;
		return;
	}
	if (kind == TALK_NOTHING)
		kind = TALK_PLAIN;
	size_t service = *text + len > PLAN_TEXT_MAX ? SIZE_MAX : service_get(p, c, kind);

	if (service == SIZE_MAX) {
		p->no_room++;
		return;
	}
	*text += len;
	p->service_of[i] = service;
	p->services[service].connections++;
	if (kind == TALK_TLS)
		name_add(&p->services[service], talk_server_name(&c->talk));
	p->connections_count++;
	p->exchanges_count += plan_exchanges(c);
	p->families[c->server.family == 6] = true;
	if (!p->paths[c->path].used)
		p->paths[c->path].client = p->clients_count++;
	p->paths[c->path].used = true;
}

void plan_init(struct plan *p, const struct import *im)
{
	uint64_t text = 0;

	*p = (struct plan){.im = im};
	p->services = memory_get(IMPORT_SERVERS_MAX, sizeof(*p->services));
	p->service_of = memory_get(im->connections_count, sizeof(*p->service_of));
	paths_make(p);
	for (size_t i = 0; i < im->connections_count; i++)
		connection_plan(p, i, &text);
	forms_choose(p);
}

void plan_fini(struct plan *p)
{
	free(p->paths);
	free(p->services);
	free(p->service_of);
	*p = (struct plan){0};
}
