/* SPDX-License-Identifier: BSD-3-Clause */
#include "live/device.h"

#include "base/err.h"
#include "base/log.h"
#include "live/device_internal.h"
#include "stack/packet.h"

#include <assert.h>
#include <errno.h>
#include <net/if.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LARGE_KEPT_MIN 16384U /* bytes from which on a frame keeps the large buffer that it was read into */

static_assert(DEVICE_NAME_MAX == IFNAMSIZ, "a name of the kernel's fits");
static_assert(DEVICE_HEADER_LEN <= BUF_HEADROOM, "the kernel's header fits before a frame");
static_assert(OFFLOAD_FRAME_MAX < BUF_LARGE_ROOM, "a frame that is too long is seen to be");

const char *device_drop_text(enum device_drop reason)
{
	static const char *const texts[] = {
#define DROP_TEXT(name, text) text,
		DEVICE_DROPS(DROP_TEXT)
#undef DROP_TEXT
	};

	assert(reason < DEVICE_DROP_COUNT);
	return texts[reason];
}

const char *device_name(const struct device *d)
{
	return d->name;
}

int device_fd(const struct device *d)
{
	return d->fd;
}

bool device_is_gone(const struct device *d)
{
	return d->gone;
}

const char *device_state(const struct device *d)
{
	const short wanted = IFF_UP | IFF_RUNNING;
	struct ifreq request = {0};
	bool down = false;
	int fd;

	if (d->gone)
		return "gone";
	strcpy(request.ifr_name, d->name);
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return "up";
	if (!ioctl(fd, SIOCGIFFLAGS, &request))
		down = (request.ifr_flags & wanted) != wanted;
	close(fd);
	return down ? "down" : "up";
}

const struct device_counters *device_counters(const struct device *d)
{
	return &d->counters;
}

int device_fail(char why[DEVICE_WHY_MAX], int err, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(why, DEVICE_WHY_MAX, format, arguments);
	va_end(arguments);
	return err;
}

static bool name_is_sound(const char *name)
{
	size_t len = strlen(name);

	/* (the kernel would make names of % itself) */
	return len > 0 && len < DEVICE_NAME_MAX && !strpbrk(name, "/:% \t\n") && strcmp(name, ".") &&
	       strcmp(name, "..");
}

int device_open(struct device **out, const struct device_config *config, char why[DEVICE_WHY_MAX])
{
	struct device *d;
	int err;

	*out = NULL;
	if (!name_is_sound(config->name))
		return device_fail(why, E_INVAL, "\"%s\" is no name that an interface can have", config->name);
	d = calloc(1, sizeof *d);
	if (!d)
		log_fatal("out of memory: a device");
	strcpy(d->name, config->name);
	d->fd = -1;
	err = config->kind == DEVICE_TAP ? device_tap_open(d, config, why) : device_wire_open(d, config, why);
	if (err) {
		device_close(d);
		return err;
	}
	*out = d;
	return 0;
}

static void join_free(struct offload_join *j)
{
	while (j->count)
		buf_free(j->frames[--j->count]);
}

void device_close(struct device *d)
{
	if (!d)
		return;
	if (d->fd >= 0)
		close(d->fd);
	for (unsigned i = 0; i < DEVICE_BATCH; i++)
		buf_free(d->slots[i]);
	for (unsigned i = d->join_sent; i < d->join_count; i++)
		join_free(&d->joins[i]);
	buf_queue_clear(&d->taken);
	buf_queue_clear(&d->queue);
	free(d);
}

/* ---- reading ---- */

static void taken_put(void *context, struct buf *frame)
{
	struct device *d = context;

	d->counters.in.packets += offload_packets(frame);
	buf_queue_put(&d->taken, frame);
}

/* The frame of a slot, `len` bytes. A short one is copied: a large buffer is too much for it, and is used again. */
static struct buf *slot_take(struct device *d, size_t slot, uint32_t len)
{
	struct buf *large = d->slots[slot], *b;

	if (len >= LARGE_KEPT_MIN) {
		large->len = len;
		d->slots[slot] = NULL;
		return large;
	}
	b = buf_alloc(len);
	memcpy(b->data, large->data, len);
	b->len = len;
	return b;
}

/* What was read into a slot. */
static void slot_accept(struct device *d, size_t slot)
{
	size_t len = d->slot_lens[slot];
	struct virtio_net_hdr header;
	struct buf *b;

	if (len < DEVICE_HEADER_LEN + ETHERNET_HEADER_LEN) {
		d->counters.dropped[DEVICE_DROP_MALFORMED]++;
		return;
	}
	len -= DEVICE_HEADER_LEN;
	if (len > OFFLOAD_FRAME_MAX) {
		d->counters.dropped[DEVICE_DROP_OVERSIZED]++;
		return;
	}
	memcpy(&header, d->slots[slot]->data - DEVICE_HEADER_LEN, sizeof header);
	b = slot_take(d, slot, (uint32_t)len);
	switch (offload_accept(b, &header, taken_put, d)) {
	case OFFLOAD_TAKEN:
		d->counters.in.large += b->segment_bytes != 0;
		taken_put(d, b);
		break;
	case OFFLOAD_CUT:
		d->counters.in.large++;
		break;
	case OFFLOAD_WRONG:
		d->counters.dropped[DEVICE_DROP_MALFORMED]++;
		buf_free(b);
		return;
	}
	d->counters.in.frames++;
	d->counters.in.bytes += len;
}

/* After a call that moved less than it was to: whether the interface is there. A link that goes down and one that is
 * removed are told alike. */
static void device_look(struct device *d, int error)
{
	if (error != EAGAIN && error != EINTR)
		d->gone = !d->ops->is_there(d);
}

/* Fills d->taken. False: there is no more now. */
static bool device_receive(struct device *d)
{
	size_t received;

	for (size_t i = 0; i < d->ops->batch; i++)
		if (!d->slots[i])
			d->slots[i] = buf_alloc_large();
	received = d->ops->receive(d);
	if (received < d->ops->batch)
		device_look(d, errno);
	d->counters.in.calls++;
	for (size_t i = 0; i < received; i++)
		slot_accept(d, i);
	return received == d->ops->batch;
}

size_t device_read(struct device *d, struct buf **frames, size_t max)
{
	bool more = true;
	size_t n = 0;

	for (;;) {
		while (n < max && (frames[n] = buf_queue_get(&d->taken)))
			n++;
		if (n == max || !more || d->gone)
			return n;
		more = device_receive(d);
	}
}

size_t device_pending(const struct device *d)
{
	return d->taken.count;
}

/* ---- writing ---- */

static void device_drop(struct device *d, enum device_drop reason, struct buf *frame)
{
	d->counters.dropped[reason] += offload_packets(frame);
	buf_free(frame);
}

static bool queue_is_full(const struct device *d)
{
	return d->queue.count == DEVICE_QUEUE_MAX || d->queue.bytes >= DEVICE_QUEUE_BYTES_MAX;
}

static void queue_put(struct device *d, struct buf *frame)
{
	if (queue_is_full(d))
		device_flush(d);
	if (queue_is_full(d))
		device_drop(d, DEVICE_DROP_QUEUE, frame);
	else
		buf_queue_put(&d->queue, frame);
}

void device_write(struct device *d, struct buf *frame)
{
	if (frame->segment_bytes && (frame->corrupted || !frame->checksum_good) && !offload_checksum_check(frame))
		device_drop(d, DEVICE_DROP_CHECKSUM, frame);
	else if (d->gone)
		device_drop(d, DEVICE_DROP_DOWN, frame);
	else
		queue_put(d, frame);
}

size_t device_pieces(struct offload_join *j, struct iovec *pieces)
{
	pieces[0] = (struct iovec){.iov_base = &j->header, .iov_len = sizeof j->header};
	pieces[1] = (struct iovec){.iov_base = j->frames[0]->data, .iov_len = j->frames[0]->len};
	for (unsigned i = 1; i < j->count; i++)
		pieces[i + 1] = (struct iovec){
			.iov_base = j->frames[i]->data + j->headers_len,
			.iov_len = j->frames[i]->len - j->headers_len,
		};
	return j->count + 1;
}

/* Takes from the queue what makes the next frames. */
static void joins_make(struct device *d)
{
	d->join_count = d->join_sent = 0;
	while (d->join_count < d->ops->batch && d->queue.count) {
		struct offload_join *j = &d->joins[d->join_count++];

		offload_join_begin(j, buf_queue_get(&d->queue));
		while (d->queue.head && offload_join_add(j, d->queue.head))
			buf_queue_get(&d->queue);
		offload_join_finish(j);
	}
}

static uint64_t join_packets(const struct offload_join *j)
{
	return j->count > 1 ? j->count : offload_packets(j->frames[0]);
}

/* The next joined frame has left, */
static void join_done(struct device *d)
{
	struct offload_join *j = &d->joins[d->join_sent++];
	uint64_t packets = join_packets(j);

	d->counters.out.frames++;
	d->counters.out.packets += packets;
	d->counters.out.bytes += j->len;
	d->counters.out.large += packets > 1;
	join_free(j);
}

/* or will not. */
static void join_drop(struct device *d, int error)
{
	struct offload_join *j = &d->joins[d->join_sent++];
	enum device_drop why = DEVICE_DROP_REFUSED;

	if (error == ENOBUFS || error == ENOMEM)
		why = DEVICE_DROP_QUEUE; /* the kernel's own */
	else if (error == EIO || error == ENETDOWN || error == ENXIO || error == ENODEV || error == EBADFD)
		why = DEVICE_DROP_DOWN;
	d->counters.dropped[why] += join_packets(j);
	join_free(j);
}

bool device_flush(struct device *d)
{
	for (;;) {
		if (d->join_sent == d->join_count) {
			if (!d->queue.count)
				return false;
			joins_make(d);
		}
		while (d->join_sent < d->join_count) {
			size_t want = d->join_count - d->join_sent, sent = d->ops->send(d);
			int error = errno;

			d->counters.out.calls++;
			for (size_t i = 0; i < sent; i++)
				join_done(d);
			if (sent == want || error == EINTR)
				continue;
			if (error == EAGAIN)
				return true;
			device_look(d, error);
			join_drop(d, error);
		}
	}
}
