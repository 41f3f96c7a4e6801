/* SPDX-License-Identifier: BSD-3-Clause */
/* What a scenario is made of for what was read: which connections go into it, the services that stand for the servers'
 * ports, the clients that stand for the paths, and the impairments that stand for what was measured. Callers:
 * import/write, cli/cmd_import. */
#ifndef BATON_IMPORT_PLAN_H
#define BATON_IMPORT_PLAN_H

#include "import/import.h"

#define PLAN_NAMES_MAX  200U                /* server names of one service that have a rule of their own */
#define PLAN_TEXT_MAX   (7U << 20)          /* bytes of the scenario */
#define PLAN_SEGMENTS   30U                 /* fewer tell nothing of one path: those of all paths count then */
#define PLAN_TOLD_APART 10U                 /* reordering of less than this part of the losses may be losses */
#define PLAN_LOSS_MAX   UINT32_C(300000000) /* parts of 10^9 */
#define PLAN_ASSUMED_NS INT64_C(20000000)   /* a round trip that was not measured */

/* How a service's connections are imitated. */
enum plan_form {
	PLAN_HTTP,  /* requests as they were */
	PLAN_TLS,   /* requests in TLS framing */
	PLAN_BULK,  /* plain: the client sends */
	PLAN_ECHO,  /* plain: it gets as much back */
	PLAN_TURNS, /* plain: turns, as bodies and replies */
};

struct plan_service {
	struct addr server;
	uint16_t port;
	enum talk_kind kind;
	enum plan_form form;
	size_t backend; /* from 0; one for each server's address */
	uint64_t connections;
	const char *names[PLAN_NAMES_MAX]; /* of TLS; different, none empty */
	size_t names_count;
};

/* One direction of a path. */
struct plan_link {
	uint32_t loss_ppb, reorder_ppb;
	bool pooled; /* too little passed: the share of all paths */
	bool capped;
};

struct plan_path {
	int64_t round_trip_ns; /* -1: not measured */
	struct plan_link links[2];
	bool used;
	size_t client; /* from 0 */
};

struct plan {
	const struct import *im;
	struct plan_path *paths; /* as im->paths */
	struct plan_service *services;
	size_t services_count, backends_count, clients_count;
	size_t *service_of;       /* by connection; SIZE_MAX: it is not in the scenario */
	size_t connections_count; /* in it */
	uint64_t exchanges_count;
	uint64_t attempts; /* that nobody answered */
	uint64_t no_room;
	bool families[2]; /* IPv4, IPv6 */
};

/* im is borrowed. */
void plan_init(struct plan *p, const struct import *im);
void plan_fini(struct plan *p);

/* The exchanges of a connection of the plan; at least one. */
size_t plan_exchanges(const struct import_connection *c);

#endif
