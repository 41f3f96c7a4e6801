/* SPDX-License-Identifier: BSD-3-Clause */
/* A device's inside: live/device.c has what is common, live/tap.c and live/wire.c what moves frames. */
#ifndef BATON_LIVE_DEVICE_INTERNAL_H
#define BATON_LIVE_DEVICE_INTERNAL_H

#include "live/device.h"
#include "live/offload.h"

#include <sys/uio.h>

#define DEVICE_BATCH 16U /* frames that one system call moves at most */

/* Bytes before a frame that is read, in the headroom of its buffer: the kernel's header. */
#define DEVICE_HEADER_LEN sizeof(struct virtio_net_hdr)

/* What a kind of device does. Both return how many frames were moved: into slots[0..], of joins[join_sent..]. Less than
 * there were slots or joins: errno says why it ended there. */
struct device_kind_ops {
	unsigned batch; /* slots, and joins made before they are sent */
	size_t (*receive)(struct device *d);
	size_t (*send)(struct device *d);
	bool (*is_there)(const struct device *d); /* whether the interface still is, in whatever namespace */
};

struct device {
	const struct device_kind_ops *ops;
	char name[DEVICE_NAME_MAX];
	int fd;
	bool gone;
	struct device_counters counters;

	/* Reading: large buffers to read into, the bytes that were read (the kernel's header included), and frames that
	 * were read and the caller does not have yet. */
	struct buf *slots[DEVICE_BATCH];
	size_t slot_lens[DEVICE_BATCH];
	struct buf_queue taken;

	/* Writing: frames that wait, and those before them that are joined, of which join_sent have left. */
	struct buf_queue queue;
	struct offload_join joins[DEVICE_BATCH];
	unsigned join_count, join_sent;
};

int device_tap_open(struct device *d, const struct device_config *config, char why[DEVICE_WHY_MAX]);
int device_wire_open(struct device *d, const struct device_config *config, char why[DEVICE_WHY_MAX]);

/* The pieces of a joined frame: the kernel's header, then what the frames have. Room for OFFLOAD_JOIN_MAX + 1. */
size_t device_pieces(struct offload_join *j, struct iovec *pieces);

/* Writes a message and returns err. */
int device_fail(char why[DEVICE_WHY_MAX], int err, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
