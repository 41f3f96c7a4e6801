/* SPDX-License-Identifier: BSD-3-Clause */
/* health:, how the cluster's devices look after each other. */
#include "sim/scenario_parse.h"

#define HEALTH_INTERVAL_MIN (10 * NSTIME_MS)
#define HEALTH_COUNT_MAX    1000U

static void parse_health_count(struct parse *p, struct doc *d, const char *key, uint32_t *out)
{
	const struct doc *value = doc_get(d, key);
	uint64_t count;

	if (value && parse_count(p, value, 1, HEALTH_COUNT_MAX, &count))
		*out = (uint32_t)count;
}

void parse_health(struct parse *p)
{
	static const char *const known[] = {"interval", "rise", "fall", NULL};
	struct doc *d = doc_get(p->root, "health"), *interval;
	struct scenario_health *h = &p->s->health;

	if (!d || !parse_map(p, d, "health", known, NULL))
		return;
	interval = doc_get(d, "interval");
	if (!interval)
		MISTAKE_KEY(p, d, "'interval' is missing: how often does a backend report?");
	else if (parse_duration(p, interval, &h->interval) && h->interval < HEALTH_INTERVAL_MIN)
		MISTAKE(p, interval, "a report more often than every 10 ms is in its predecessor's way");
	parse_health_count(p, d, "rise", &h->rise);
	parse_health_count(p, d, "fall", &h->fall);
}
