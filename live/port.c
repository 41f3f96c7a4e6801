/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/port.h"

#include "base/err.h"
#include "live/logger.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define BATCH_FRAMES 64U /* read at a time */
#define BATCHES_MAX  8U  /* before others have their turn */
#define METRIC_MAX   128U

static void port_deliver(void *context, unsigned number, struct buf *frame, nstime now)
{
	struct port *p = context;

	(void)number, (void)now;
	device_write(p->device, frame);
	p->written = true;
}

void port_flush(struct port *p)
{
	if (!p->written)
		return;
	p->written = device_flush(p->device);
	if (p->watch.fd >= 0)
		loop_change(p->loop, &p->watch, p->written ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

/* All that there is now, but not for ever: what comes meanwhile waits. What the device has read already does not:
 * nothing would tell of it. */
static void port_read(struct port *p)
{
	struct buf *frames[BATCH_FRAMES];
	nstime now = p->world->engine.now;
	size_t count, max;
	unsigned batches = 0;

	do {
		max = batches++ < BATCHES_MAX ? BATCH_FRAMES : device_pending(p->device);
		if (max > BATCH_FRAMES)
			max = BATCH_FRAMES;
		count = device_read(p->device, frames, max);
		for (size_t i = 0; i < count; i++)
			segment_send(p->attachment, frames[i], now);
	} while (count == max && (batches < BATCHES_MAX || device_pending(p->device)));
}

static void port_ready(struct loop_watch *w, uint32_t events)
{
	struct port *p = (struct port *)(void *)((char *)w - offsetof(struct port, watch));

	if (events & (EPOLLIN | EPOLLERR | EPOLLHUP))
		port_read(p);
	if (events & EPOLLOUT)
		port_flush(p);
	if (!device_is_gone(p->device))
		return;
	loop_remove(p->loop, &p->watch);
	logger_say(LOG_LEVEL_ERROR, "device.gone", TF_TEXT("device", device_name(p->device)),
		   "device %s is gone: the interface was removed", device_name(p->device));
}

static void host_sides(const struct world *w, const struct scenario_outside *o, struct device_config *c)
{
	const struct scenario_attachment *a = w->nodes[o->node].spec->attachments;
	const struct scenario_network *n = &w->scenario->networks[a->network];

	for (unsigned i = 0; i < 2; i++) {
		c->host[i] = *addr_pair_get(&a->address, i ? 6 : 4);
		c->prefix_lens[i] = scenario_subnet(n, i ? 6 : 4)->prefix_len;
	}
}

int port_open(struct port *p, struct world *w, struct loop *l, const struct scenario_outside *o,
	      char why[DEVICE_WHY_MAX])
{
	struct device_config config = {
		.kind = o->tap ? DEVICE_TAP : DEVICE_WIRE,
		.name = w->nodes[o->node].spec->name,
	};

	*p = (struct port){.watch = {.ready = port_ready, .fd = -1}, .loop = l, .world = w, .node = o->node};
	host_sides(w, o, &config);
	int r = device_open(&p->device, &config, why);

	if (r < 0)
		return r;
	p->watch.fd = device_fd(p->device);
	p->attachment = world_outside_join(w, o->node, port_deliver, p);
	r = loop_add(l, &p->watch, EPOLLIN);
	if (r < 0)
		snprintf(why, DEVICE_WHY_MAX, "%s cannot be watched: %s", config.name, strerror(errno));
	return r;
}

void port_close(struct port *p)
{
	if (!p->device)
		return;
	loop_remove(p->loop, &p->watch);
	segment_join(p->attachment, NULL, NULL);
	device_close(p->device);
	p->device = NULL;
}

static void direction_count(struct metrics *m, const char *name, const char *direction, const struct device_traffic *t)
{
	char path[METRIC_MAX];

#define COUNT(member)                                                                                                  \
	do {                                                                                                           \
		snprintf(path, sizeof(path), "live.devices.%s.%s." #member, name, direction);                          \
		metrics_add(m, path, t->member);                                                                       \
	} while (0)
	COUNT(packets);
	COUNT(bytes);
	COUNT(frames);
	COUNT(large);
	COUNT(calls);
#undef COUNT
}

void port_count(const struct port *p, struct metrics *m)
{
	const struct device_counters *c = device_counters(p->device);
	const char *name = device_name(p->device);
	char path[METRIC_MAX];

	direction_count(m, name, "in", &c->in);
	direction_count(m, name, "out", &c->out);
	for (unsigned i = 0; i < DEVICE_DROP_COUNT; i++) {
		snprintf(path, sizeof(path), "live.devices.%s.dropped_by.%s", name,
			 device_drop_text((enum device_drop)i));
		metrics_add(m, path, c->dropped[i]);
	}
}
