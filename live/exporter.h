/* SPDX-License-Identifier: BSD-3-Clause */
/* The metrics of a live run over HTTP, for Prometheus: GET /metrics on an address of the machine (libmicrohttpd, in the
 * run's own loop, without threads).
 *
 * Nobody who connects can hurt the run: there are EXPORTER_CLIENTS_MAX connections at most (more wait in the kernel),
 * each with EXPORTER_BYTES_MAX bytes of memory beside its answer, and one that is silent for EXPORTER_PATIENCE_S is
 * closed. What the metrics are is live/exporter_metrics.c's business. Caller: live/service.c. */
#ifndef BATON_LIVE_EXPORTER_H
#define BATON_LIVE_EXPORTER_H

#include "base/addr.h"
#include "live/exposition.h"
#include "live/loop.h"

#define EXPORTER_CLIENTS_MAX 16U
#define EXPORTER_BYTES_MAX   16384U
#define EXPORTER_PATIENCE_S  5U
#define EXPORTER_WHY_MAX     192U

struct exporter;

struct exporter_config {
	struct addr address;
	uint16_t port;
	void (*collect)(void *context, struct exposition *e); /* adds all families */
	void *context;
};

/* Listens. On failure *out is NULL and `why` says what is wrong: E_EXISTS (the address is in use), E_AUTH (no right to
 * the port), E_NOENT (the address is none of this machine's), E_IO. */
int exporter_open(struct exporter **out, struct loop *l, const struct exporter_config *config,
		  char why[EXPORTER_WHY_MAX]);
void exporter_close(struct exporter *x); /* NULL is allowed */

/* How often the metrics were asked for and given. */
uint64_t exporter_scrapes(const struct exporter *x);

#endif
