/* SPDX-License-Identifier: BSD-3-Clause */
/* The discrete-event engine: virtual time that jumps to the next timer, ties in strict insertion order.
 *
 * It owns the event heap (base/heap.h) and the current time and nothing else; links, nodes and the scenario's time line
 * embed their timers and set them here. Only waiting differs between virtual and real time: a real-time loop waits
 * until engine_next_at and then steps up to the time it is. */
#ifndef BATON_SIM_ENGINE_H
#define BATON_SIM_ENGINE_H

#include "base/heap.h"
#include "base/nstime.h"

#include <stdbool.h>
#include <stdint.h>

struct engine {
	nstime now;
	uint64_t events; /* fired so far, packets that a link passes on within one firing included */
	bool stopped;
	struct heap heap;
};

void engine_init(struct engine *e);
void engine_fini(struct engine *e); /* forgets the timers that are still set, without touching them */

/* (Re)schedules t, behind everything already due at that time; a time in the past becomes now; NSTIME_NEVER removes. */
void engine_timer_set(struct engine *e, struct timer *t, nstime at);

/* The same with a tie-breaker drawn earlier from heap_order_next(&e->heap). */
void engine_timer_set_ordered(struct engine *e, struct timer *t, nstime at, uint64_t order);

void engine_timer_cancel(struct engine *e, struct timer *t); /* no effect when it is not set */

/* When the earliest timer is due; NSTIME_NEVER when none is set. */
nstime engine_next_at(const struct engine *e);

/* Fires the earliest timer if it is due by `until`, moving `now` to its time. False when there was none, or after
 * engine_stop. */
bool engine_step(struct engine *e, nstime until);

/* Moves time forward to `to`. What was due before it fires late, at the time it is then: so in real time; in a
 * simulated run nothing may be. No effect when `to` is in the past. */
void engine_advance(struct engine *e, nstime to);

/* Makes engine_step return false after the event that calls it; for good. */
void engine_stop(struct engine *e);

/* Whether a link whose timer is firing may pass on its next packet, due at (at, order), within the same firing: true,
 * and counted as an event, if nothing else would fire before it. */
static inline bool engine_continue(struct engine *e, nstime at, uint64_t order)
{
	if (at > e->now || e->stopped)
		return false;
	const struct timer *t = heap_peek(&e->heap);
	if (t && (t->at < at || (t->at == at && t->order < order)))
		return false;
	e->events++;
	return true;
}

#endif
