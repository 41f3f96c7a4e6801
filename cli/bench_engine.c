/* SPDX-License-Identifier: BSD-3-Clause */
/* engine: the event queue in the hold model (Jones 1986): so many events pending, each that fires sets one more. How
 * much later is drawn beforehand: what is measured is the queue. */
#include "base/err.h"
#include "base/random.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "sim/engine.h"

#include <stdlib.h>

#define HOLD_OPERATIONS 4000000U
#define HOLD_SPREAD_NS  (1U << 21) /* a power of two: about 2 ms */
#define HOLD_DRAWS      65536U     /* a power of two */

static struct engine engine;
static uint32_t draws[HOLD_DRAWS];
static unsigned draw_next;

static void hold_fire(struct timer *t, nstime now)
{
	engine_timer_set(&engine, t, now + 1 + draws[draw_next++ % HOLD_DRAWS]);
}

/* Millions of operations (one event fired and one set) a second, with `pending` events. */
static int hold_run(struct bench_report *report, size_t pending)
{
	struct timer *timers = calloc(pending, sizeof(*timers));
	if (!timers)
		return E_NOMEM;
	engine_init(&engine);
	for (size_t n = 0; n < pending; n++) {
		timer_init(&timers[n], hold_fire);
		hold_fire(&timers[n], 0);
	}
	for (size_t n = 0; n < HOLD_OPERATIONS / 4; n++) /* from the times as drawn to the steady state */
		engine_step(&engine, NSTIME_NEVER);
	nstime start = cli_clock();
	for (unsigned n = 0; n < HOLD_OPERATIONS; n++)
		engine_step(&engine, NSTIME_NEVER);
	nstime wall = cli_clock() - start;
	engine_fini(&engine);
	free(timers);
	bench_add(report, &(struct bench_value){.metric = "mops",
						.value = HOLD_OPERATIONS * 1e3 / (double)wall,
						.unit = "million operations/s",
						.size = (long)pending,
						.size_unit = "pending"});
	return 0;
}

int bench_engine(struct bench_report *report)
{
	struct random_stream random;
	random_init(&random, 1, "bench engine");
	for (size_t n = 0; n < HOLD_DRAWS; n++)
		draws[n] = random_u32(&random) & (HOLD_SPREAD_NS - 1);
	int r = hold_run(report, 100);
	if (!r)
		r = hold_run(report, 10000);
	if (!r)
		r = hold_run(report, 1000000);
	return r;
}
