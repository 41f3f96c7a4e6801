/* SPDX-License-Identifier: BSD-3-Clause */
/* Health: what backends say of themselves, and what a classifier makes of it.
 *
 * A backend's reporter tells each classifier its state, connections and limit: at an interval, and at once when it
 * begins or ends to drain or to be full. There is at most one report on its way to each classifier: behind a link that
 * is down none queue up, and none speak of the past when it is up again. A classifier's judge says which backends may
 * be chosen. Up and down have hysteresis: `fall` intervals in a row without a report take a backend down, `rise`
 * reports in a row, not more than one in half an interval counted, bring it up again. Until it fell a backend is up: a
 * cluster that starts is of use at once. A backend that drains, or has as many connections as it may, is up but not
 * usable.
 *
 * Without an interval only changes are reported and nobody is ever judged down: an idle cluster is silent then. It
 * moves no connection (node/ drains) and knows no policy (lb/policy). Messages come authenticated, from a device and a
 * boot that the courier vouches for; node/ carries them. */
#ifndef BATON_LB_HEALTH_H
#define BATON_LB_HEALTH_H

#include "base/nstime.h"
#include "base/trace.h"
#include "lb/message.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEALTH_RISE_DEFAULT 2U
#define HEALTH_FALL_DEFAULT 3U

/* ---- at a backend ---- */

struct health_reporter_config {
	const uint16_t *classifiers; /* devices; copied */
	size_t classifiers_count;
	nstime interval; /* 0: only changes are reported */
	uint32_t limit;  /* connections it may have; 0: it knows of none */
};

struct health_reporter_counters {
	uint64_t sent;    /* reports */
	uint64_t skipped; /* intervals without a report, as the last one was still on its way */
};

struct health_reporter;

struct health_reporter *health_reporter_new(const struct health_reporter_config *config, nstime now);
void health_reporter_free(struct health_reporter *r); /* NULL is allowed */

/* It reports at another interval from now on. */
void health_reporter_pace(struct health_reporter *r, nstime interval, nstime now);

/* So many connections are here now. */
void health_reporter_connections(struct health_reporter *r, uint32_t connections);

/* It drains from now on, or does no more. */
void health_reporter_drain(struct health_reporter *r, bool draining);

/* The courier met this boot of a device: what it was told before it may not know. */
void health_reporter_peer(struct health_reporter *r, uint16_t device);

/* The report on its way to a classifier arrived, or was given up. */
void health_reporter_done(struct health_reporter *r, uint16_t classifier, bool delivered);

struct outbox *health_reporter_outbox(struct health_reporter *r); /* messages for the courier; never NULL */

nstime health_reporter_expiry(const struct health_reporter *r);
void health_reporter_expire(struct health_reporter *r, nstime now);

const struct health_reporter_counters *health_reporter_counters(const struct health_reporter *r);

/* ---- at a classifier ---- */

struct health_judge_config {
	const uint16_t *backends; /* devices; copied */
	size_t backends_count;
	nstime interval;          /* of the backends' reports; 0: none is judged down */
	uint32_t rise, fall;      /* 0: the defaults */
	struct trace_sink *trace; /* borrowed; may be NULL */
};

struct health_judge_counters {
	uint64_t received;             /* reports taken */
	uint64_t stale;                /* overtaken by a newer one, or of an earlier boot */
	uint64_t malformed;            /* or from no backend */
	uint64_t missed;               /* intervals without a report */
	uint64_t falls, rises, drains; /* of all backends: went down, came up, began to drain */
};

/* What is known of a backend. */
struct health_status {
	uint16_t device;
	bool up, draining, full;
	uint32_t connections; /* it said it has */
	bool reported;        /* it said so since the last output */
};

static inline bool health_usable(const struct health_status *s)
{
	return s->up && !s->draining && !s->full;
}

struct health_judge;

struct health_judge *health_judge_new(const struct health_judge_config *config, nstime now);
void health_judge_free(struct health_judge *j); /* NULL is allowed */

/* It judges by other numbers from now on, as in its configuration. Who is down stays so until its reports bring it up;
 * without an interval none is down. */
void health_judge_pace(struct health_judge *j, nstime interval, uint32_t rise, uint32_t fall, nstime now);

/* A HEALTH message came from `from`, whose boot the courier vouches for. */
void health_judge_message(struct health_judge *j, uint16_t from, uint64_t from_boot, const uint8_t *bytes, size_t len,
			  nstime now);

/* The next backend of which there is something new, or false. Pull after every call. */
bool health_judge_output(struct health_judge *j, struct health_status *status);

/* What is known of a device; NULL for one that is no backend. */
const struct health_status *health_judge_status(const struct health_judge *j, uint16_t device);

nstime health_judge_expiry(const struct health_judge *j);
void health_judge_expire(struct health_judge *j, nstime now);

const struct health_judge_counters *health_judge_counters(const struct health_judge *j);

/* How often the device went down, and came up again; 0 for one that is no backend. */
uint64_t health_judge_falls(const struct health_judge *j, uint16_t device);
uint64_t health_judge_rises(const struct health_judge *j, uint16_t device);

#endif
