/* SPDX-License-Identifier: BSD-3-Clause */
/* A device: where Ethernet frames come from and go to outside of this process. A TAP device (live/tap.c) has the
 * kernel's own stack behind it; a wire (live/wire.c) is an interface that exists, such as one end of a veth pair, of
 * which all frames are read past the kernel's stack and onto which frames are put (AF_PACKET).
 *
 * Both ways, frames carry what the kernel offloads (struct virtio_net_hdr, live/offload.h). What is read has whole
 * checksums, also where the kernel left them to the device, and a TCP packet that stands for several (GSO) comes as one
 * frame with `segment_bytes` set. What is written leaves in order; segments of one connection that follow each other
 * leave as one frame where the kernel takes that.
 *
 * No call blocks. Frames that cannot be read or written are dropped and counted; no frame ends anything. Counts of
 * packets count a frame that stands for several as that many. The caller waits for device_fd to be readable, reads
 * until less than `max` comes, writes, and flushes once before it waits again. Caller: live/'s loop. */
#ifndef BATON_LIVE_DEVICE_H
#define BATON_LIVE_DEVICE_H

#include "base/addr.h"
#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEVICE_NAME_MAX  16U   /* with its NUL: the kernel's IFNAMSIZ */
#define DEVICE_WHY_MAX   256U  /* a message, with its NUL */
#define DEVICE_QUEUE_MAX 4096U /* frames that wait for the kernel to take them; more are dropped */

#define DEVICE_QUEUE_BYTES_MAX (32U << 20) /* bytes of those */

enum device_kind {
	DEVICE_TAP,
	DEVICE_WIRE,
};

struct device_config {
	enum device_kind kind;
	const char *name; /* the kernel's name of the interface; copied */

	/* TAP: the host's side of the device, by family ([0] IPv4, [1] IPv6; family 0: none), with prefix lengths. */
	struct addr host[2];
	uint8_t prefix_lens[2];
};

#define DEVICE_DROPS(X)                                                                                                \
	X(MALFORMED, "malformed") /* read: too short for Ethernet, or with offloads that do not fit the frame */       \
	X(OVERSIZED, "oversized") /* read: longer than any IP packet */                                                \
	X(CHECKSUM, "checksum")   /* written: stands for several, with a checksum that is wrong */                     \
	X(QUEUE, "queue")         /* written: too many others wait */                                                  \
	X(DOWN, "down")           /* written: the interface is down, or gone */                                        \
	X(REFUSED, "refused")     /* written: the kernel refused this frame, as too long for the interface */

enum device_drop {
#define DEVICE_DROP_ENUM(name, text) DEVICE_DROP_##name,
	DEVICE_DROPS(DEVICE_DROP_ENUM)
#undef DEVICE_DROP_ENUM
		DEVICE_DROP_COUNT
};

/* One direction. */
struct device_traffic {
	uint64_t frames, packets, bytes; /* bytes: of the frames, Ethernet headers included */
	uint64_t large;                  /* frames that stood for several packets */
	uint64_t calls;                  /* system calls that moved frames */
};

struct device_counters {
	struct device_traffic in, out;
	uint64_t dropped[DEVICE_DROP_COUNT]; /* packets; a frame that cannot be read counts as one */
};

struct device;

/* Opens a device. A TAP device that does not exist is made, and is gone when it is closed; one that exists is used, and
 * stays. It is set up and given the host's addresses unless it is and has them already, so that a persistent one that
 * the user owns needs no privilege. A wire must exist. On failure *out is NULL and `why` says in words what is wrong
 * and what to do about it. E_UNREACH: no interface of that name. E_AUTH: no right to the device, or to what it lacks.
 * E_EXISTS: another process has it, another interface has the address, or it is no TAP device. E_UNSUPPORTED: the
 * kernel lacks a feature. E_INVAL: no name of an interface. E_IO: anything else. */
int device_open(struct device **out, const struct device_config *config, char why[DEVICE_WHY_MAX]);

/* Drops what waits, closes the device and frees it. NULL is allowed. */
void device_close(struct device *d);

const char *device_name(const struct device *d);
int device_fd(const struct device *d); /* to poll; borrowed */

/* Up to `max` frames into `frames`, which the caller owns then; how many. Less than max: there are no more now. */
size_t device_read(struct device *d, struct buf **frames, size_t max);

/* Frames that were read from the kernel and not yet by device_read. */
size_t device_pending(const struct device *d);

/* Queues a frame. Takes ownership. It leaves with device_flush, or before. */
void device_write(struct device *d, struct buf *frame);

/* Gives what is queued to the kernel. True: some of it waits until device_fd is writable. */
bool device_flush(struct device *d);

/* Whether the interface was removed under us: nothing will come of it any more, and its descriptor is not to be polled.
 */
bool device_is_gone(const struct device *d);

/* Whether packets can pass now: "up", "down" (set down, or without a carrier), or "gone". Asks the kernel; one that was
 * moved to another namespace, where it cannot be asked, is taken to be up. */
const char *device_state(const struct device *d);

const struct device_counters *device_counters(const struct device *d);
const char *device_drop_text(enum device_drop reason);

#endif
