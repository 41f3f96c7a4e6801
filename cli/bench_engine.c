/* SPDX-License-Identifier: BSD-3-Clause */
/* engine: the event heap in the hold model (Jones 1986): so many events pending, each that fires sets one more. */
#include "base/err.h"
#include "base/random.h"
#include "cli/bench.h"
#include "cli/cli.h"
#include "sim/engine.h"

#include <stdlib.h>

#define HOLD_OPERATIONS 4000000U
#define HOLD_SPREAD_NS  (1U << 21) /* a power of two: about 2 ms */

struct hold {
	struct timer timer;
	struct engine *engine;
	struct random_stream *random;
};

static void hold_fire(struct timer *t, nstime now)
{
	struct hold *h = (struct hold *)t;
	engine_timer_set(h->engine, t, now + 1 + (random_u32(h->random) & (HOLD_SPREAD_NS - 1)));
}

/* Millions of operations (one event fired and one set) a second, with `pending` events. */
static int hold_run(struct bench_report *report, size_t pending)
{
	struct engine engine;
	struct random_stream random;
	struct hold *holds = calloc(pending, sizeof(*holds));
	if (!holds)
		return E_NOMEM;
	engine_init(&engine);
	random_init(&random, 1, "bench engine");
	for (size_t n = 0; n < pending; n++) {
		holds[n] = (struct hold){.engine = &engine, .random = &random};
		timer_init(&holds[n].timer, hold_fire);
		hold_fire(&holds[n].timer, 0);
	}
	nstime start = cli_clock();
	for (unsigned n = 0; n < HOLD_OPERATIONS; n++)
		engine_step(&engine, NSTIME_NEVER);
	nstime wall = cli_clock() - start;
	engine_fini(&engine);
	free(holds);
	bench_add(report, &(struct bench_value){.metric = "mops",
						.value = HOLD_OPERATIONS * 1e3 / (double)wall,
						.unit = "million operations/s",
						.size = (long)pending,
						.size_unit = "pending"});
	return 0;
}

int bench_engine(struct bench_report *report)
{
	int r = hold_run(report, 100);
	if (!r)
		r = hold_run(report, 10000);
	if (!r)
		r = hold_run(report, 1000000);
	return r;
}
