/* SPDX-License-Identifier: BSD-3-Clause */
/* A port: a device of the machine (live/device.h) joined to its network (sim/segment.h).
 *
 * What the device received is sent by the scenario's attachment of that name, under its impairments; what arrives there
 * is written to the device. Reading is in batches, each within one wake-up; writes are gathered until port_flush.
 * Caller: live/live.c. */
#ifndef BATON_LIVE_PORT_H
#define BATON_LIVE_PORT_H

#include "live/device.h"
#include "live/loop.h"
#include "sim/world.h"

struct port {
	struct loop_watch watch;
	struct loop *loop;
	struct world *world;
	size_t node; /* the device's, in the scenario */
	struct device *device;
	struct attachment *attachment;
	bool written; /* since the last flush */
};

/* Opens the device and joins it. E_IO with errno set when it cannot be watched, or another error of device_open; `why`
 * says what is wrong. */
int port_open(struct port *p, struct world *w, struct loop *l, const struct scenario_outside *outside,
	      char why[DEVICE_WHY_MAX]);
void port_close(struct port *p); /* no effect on a zeroed one */

/* Gives what was written since to the kernel. */
void port_flush(struct port *p);

/* Adds live.devices.NAME.* to m. */
void port_count(const struct port *p, struct metrics *m);

#endif
