/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/impair_codel.h"

/* The whole part of a square root. */
static uint64_t square_root(unsigned __int128 n)
{
	uint64_t root = 0;

	for (uint64_t bit = UINT64_C(1) << 63; bit; bit >>= 1)
		if ((unsigned __int128)(root | bit) * (root | bit) <= n)
			root |= bit;
	return root;
}

nstime impair_codel_control(const struct impair_codel_config *config, nstime t, uint64_t count)
{
	return nstime_add(t, square_root((unsigned __int128)config->interval * config->interval / count));
}

/* Whether the wait has been above target for an interval. */
static bool is_above(struct impair_codel *c, const struct impair_codel_config *config, nstime sojourn, uint64_t backlog,
		     nstime now)
{
	if (sojourn < config->target || backlog <= IMPAIR_CODEL_BACKLOG) {
		c->first_above_time = 0;
		return false;
	}
	if (!c->first_above_time) {
		c->first_above_time = nstime_add(now, config->interval);
		return false;
	}
	return now >= c->first_above_time;
}

/* A queue that grew bad again soon starts at the rate of drops that held it the last time. */
static void dropping_begin(struct impair_codel *c, const struct impair_codel_config *config, nstime now)
{
	uint64_t delta = c->count - c->lastcount;
	bool soon = now < nstime_add(c->drop_next, 16 * config->interval);

	c->dropping = true;
	c->dropped = false;
	c->count = delta > 1 && soon ? delta : 1;
	c->lastcount = c->count;
	c->drop_next = impair_codel_control(config, now, c->count);
}

bool impair_codel_drop(struct impair_codel *c, const struct impair_codel_config *config, nstime sojourn,
		       uint64_t backlog, nstime now)
{
	if (!is_above(c, config, sojourn, backlog, now)) {
		c->dropping = c->dropped = false;
		return false;
	}
	if (!c->dropping) {
		dropping_begin(c, config, now);
		return true;
	}
	if (c->dropped)
		c->drop_next = impair_codel_control(config, c->drop_next, c->count);
	c->dropped = now >= c->drop_next;
	c->count += c->dropped;
	return c->dropped;
}

void impair_codel_empty(struct impair_codel *c)
{
	c->first_above_time = 0;
	c->dropping = c->dropped = false;
}
