/* SPDX-License-Identifier: BSD-3-Clause */
/* What devices have in common, over a kernel that does what the test says: batches, what waits, what is dropped and
 * why. (The devices themselves: tests/live.) */
#include "base/checksum.h"
#include "base/err.h"
#include "live/device_internal.h"
#include "stack/packet.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MSS 1000U

/* The kernel: frames that it has for us, with its header before each, and those it was given. */
static struct {
	struct {
		uint8_t bytes[70000];
		size_t len;
	} in[40];
	unsigned in_count, in_at, calls;
	int in_error; /* after the last: EAGAIN, or worse */
	struct {
		uint8_t bytes[70000];
		size_t len;
	} out[60];
	unsigned out_count;
	unsigned room; /* frames it takes until it says out_error */
	int out_error;
	unsigned once; /* frames that it refuses so, before it takes more */
	bool removed;
} kernel;

static size_t fake_receive(struct device *d)
{
	size_t n = 0;

	kernel.calls++;
	for (; n < d->ops->batch && kernel.in_at < kernel.in_count; n++, kernel.in_at++) {
		d->slot_lens[n] = kernel.in[kernel.in_at].len;
		memcpy(d->slots[n]->data - DEVICE_HEADER_LEN, kernel.in[kernel.in_at].bytes,
		       kernel.in[kernel.in_at].len);
	}
	errno = kernel.in_error ? kernel.in_error : EAGAIN;
	return n;
}

static size_t fake_send(struct device *d)
{
	size_t n = 0;

	for (; d->join_sent + n < d->join_count && kernel.room; n++, kernel.room--) {
		struct iovec pieces[OFFLOAD_JOIN_MAX + 1];
		size_t count = device_pieces(&d->joins[d->join_sent + n], pieces);

		ck_assert_uint_lt(kernel.out_count, 60);
		for (size_t i = 0; i < count; i++) {
			memcpy(kernel.out[kernel.out_count].bytes + kernel.out[kernel.out_count].len,
			       pieces[i].iov_base, pieces[i].iov_len);
			kernel.out[kernel.out_count].len += pieces[i].iov_len;
		}
		kernel.out_count++;
	}
	if (!n && kernel.once) {
		kernel.once--;
		kernel.room = 1000;
	}
	errno = n ? EINTR : kernel.out_error;
	return n;
}

static bool fake_is_there(const struct device *d)
{
	(void)d;
	return !kernel.removed;
}

static struct device *fake_device(unsigned batch)
{
	static struct device_kind_ops ops = {.receive = fake_receive, .send = fake_send, .is_there = fake_is_there};
	struct device *d = calloc(1, sizeof *d);

	ops.batch = batch;
	memset(&kernel, 0, sizeof kernel);
	kernel.room = 1000;
	kernel.out_error = EAGAIN;
	d->ops = &ops;
	d->fd = -1;
	return d;
}

static void device_end(struct device *d)
{
	device_close(d);
	ck_assert_uint_eq(buf_outstanding(), 0);
}

/* A TCP segment over IPv4: `len` bytes of `at`, `at` + 1 and so on, as the `id`th of its sender. */
static struct buf *segment(uint32_t at, uint32_t len, uint16_t id)
{
	struct buf *b = buf_alloc(54 + len);
	uint8_t *ip = b->data + 14, *tcp = ip + 20;
	uint8_t pseudo[12] = {10, 0, 0, 1, 10, 0, 0, 2, 0, 6};
	uint16_t sum;

	memset(b->data, 0, 54);
	b->len = 54 + len;
	memcpy(b->data, "\2\0\0\0\0\1\2\0\0\0\0\2\10", 13);
	ip[0] = 0x45;
	packet_u16_put(ip + 2, (uint16_t)(40 + len));
	packet_u16_put(ip + 4, id);
	ip[8] = 64;
	ip[9] = 6;
	memcpy(ip + 12, pseudo, 8);
	sum = (uint16_t)~checksum_sum(ip, 20);
	memcpy(ip + 10, &sum, 2);
	packet_u16_put(tcp + 4, (uint16_t)(at >> 16));
	packet_u16_put(tcp + 6, (uint16_t)at);
	tcp[12] = 0x50;
	tcp[13] = 0x10;
	for (uint32_t i = 0; i < len; i++)
		tcp[20 + i] = (uint8_t)(at + i);
	packet_u16_put(pseudo + 10, (uint16_t)(20 + len));
	sum = (uint16_t)~checksum_add(checksum_sum(pseudo, 12), checksum_sum(tcp, 20 + len));
	memcpy(tcp + 16, &sum, 2);
	return b;
}

/* The kernel has a frame for us. Takes it. */
static void kernel_put(struct buf *b, const struct virtio_net_hdr *h)
{
	static const struct virtio_net_hdr plain;

	memcpy(kernel.in[kernel.in_count].bytes, h ? h : &plain, sizeof plain);
	memcpy(kernel.in[kernel.in_count].bytes + sizeof plain, b->data, b->len);
	kernel.in[kernel.in_count++].len = sizeof plain + b->len;
	buf_free(b);
}

/* A large packet, as the kernel leaves it to cards. */
static void kernel_put_large(uint32_t at, uint32_t len, uint16_t gso_size)
{
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
				   .gso_size = gso_size,
				   .csum_start = 34,
				   .csum_offset = 16};
	struct buf *b = segment(at, len, 1);
	uint8_t pseudo[12] = {10, 0, 0, 1, 10, 0, 0, 2, 0, 6};
	uint16_t sum;

	packet_u16_put(pseudo + 10, (uint16_t)(20 + len));
	sum = checksum_sum(pseudo, 12);
	memcpy(b->data + 50, &sum, 2);
	kernel_put(b, &h);
}

START_TEST(names)
{
	static const char *const bad[] = {"", "sixteen-letters-", "a/b", "tap%d", "..", "a b", "a:1"};
	struct device_config c = {.kind = _i ? DEVICE_WIRE : DEVICE_TAP};
	struct device *d;
	char why[DEVICE_WHY_MAX] = "";

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		c.name = bad[i];
		ck_assert_int_eq(device_open(&d, &c, why), E_INVAL);
		ck_assert_ptr_null(d);
		ck_assert_ptr_nonnull(strstr(why, "no name that an interface can have"));
	}
}
END_TEST

/* ---- reading ---- */

START_TEST(read_in_batches)
{
	struct device *d = fake_device(_i ? DEVICE_BATCH : 1);
	struct buf *got[40];
	uint32_t at = 0;

	for (uint32_t i = 0; i < 39; i++)
		kernel_put(segment(i * 10, 10, 1), NULL);
	for (size_t n; (n = device_read(d, got, 15)); at += (uint32_t)n)
		for (size_t i = 0; i < n; i++) {
			ck_assert_uint_eq(got[i]->data[54], (uint8_t)((at + i) * 10));
			ck_assert_uint_lt(got[i]->capacity, 4096); /* no large buffer for so little */
			buf_free(got[i]);
		}
	ck_assert_uint_eq(at, 39);
	ck_assert_uint_eq(device_counters(d)->in.frames, 39);
	ck_assert_uint_eq(device_counters(d)->in.packets, 39);
	ck_assert_uint_eq(device_counters(d)->in.bytes, 39 * 64);
	ck_assert_uint_eq(device_counters(d)->in.large, 0);
	ck_assert_uint_eq(device_counters(d)->in.calls, kernel.calls);
	device_end(d);
}
END_TEST

START_TEST(read_large)
{
	struct device *d = fake_device(1);
	struct buf *got[4];

	kernel_put_large(3, 50000, MSS);
	kernel_put_large(7, 5000, MSS);
	kernel_put(segment(1, 10, 1), NULL);
	ck_assert_uint_eq(device_read(d, got, 4), 3);
	ck_assert_uint_eq(got[0]->len, 54 + 50000);
	ck_assert_uint_eq(got[0]->segment_bytes, MSS);
	ck_assert_uint_eq(got[0]->data[54], 3); /* and its buffer was not read into again */
	ck_assert_uint_eq(got[1]->len, 54 + 5000);
	ck_assert_uint_eq(got[1]->segment_bytes, MSS);
	ck_assert(offload_checksum_check(got[0]) && offload_checksum_check(got[1]));
	ck_assert_uint_eq(got[2]->len, 64);
	ck_assert_uint_eq(device_counters(d)->in.frames, 3);
	ck_assert_uint_eq(device_counters(d)->in.packets, 50 + 5 + 1);
	ck_assert_uint_eq(device_counters(d)->in.large, 2);
	for (unsigned i = 0; i < 3; i++)
		buf_free(got[i]);
	device_end(d);
}
END_TEST

/* What was cut into more than the caller asked for waits, in order. */
START_TEST(read_cut)
{
	struct device *d = fake_device(DEVICE_BATCH);
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = 5, /* UDP */
				   .gso_size = 100,
				   .csum_start = 34,
				   .csum_offset = 6};
	struct buf *b = segment(0, 988, 1), *got[4];
	uint8_t pseudo[12] = {10, 0, 0, 1, 10, 0, 0, 2, 0, 17, 1000 >> 8, 1000 & 255};
	uint16_t sum = checksum_sum(pseudo, 12);
	size_t all = 0;

	b->data[14 + 9] = 17;
	memset(b->data + 24, 0, 2);
	packet_u16_put(b->data + 16, 1020);
	b->len = 1034;
	packet_u16_put(b->data + 38, 1000);
	memcpy(b->data + 40, &sum, 2);
	kernel_put(b, &h);
	kernel_put(segment(77, 10, 1), NULL);
	ck_assert_uint_eq(device_pending(d), 0);
	for (size_t n; (n = device_read(d, got, 4)); all += n) {
		ck_assert_uint_eq(device_pending(d), 11 - all - n);
		for (size_t i = 0; i < n; i++) {
			ck_assert_uint_eq(got[i]->data[23], all + i < 10 ? 17 : 6);
			buf_free(got[i]);
		}
	}
	ck_assert_uint_eq(all, 11); /* 992 bytes of text in hundreds, and the other */
	ck_assert_uint_eq(device_counters(d)->in.packets, 11);
	ck_assert_uint_eq(device_counters(d)->in.frames, 2);
	ck_assert_uint_eq(device_counters(d)->in.large, 1);
	device_end(d);
}
END_TEST

START_TEST(read_nonsense)
{
	struct device *d = fake_device(DEVICE_BATCH);
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_start = 60000};
	struct buf *got[10], *b = segment(0, 100, 1);

	b->len = 13;
	kernel_put(buf_clone(b), NULL);
	b->len = 0;
	kernel_put(b, NULL);
	kernel.in[1].len = 4;
	kernel_put(segment(0, 100, 1), &h);
	kernel_put(segment(0, 65496, 1), NULL);
	kernel_put(segment(5, 100, 1), NULL);
	ck_assert_uint_eq(device_read(d, got, 10), 1);
	ck_assert_uint_eq(got[0]->data[54], 5);
	buf_free(got[0]);
	ck_assert_uint_eq(device_counters(d)->dropped[DEVICE_DROP_MALFORMED], 3);
	ck_assert_uint_eq(device_counters(d)->dropped[DEVICE_DROP_OVERSIZED], 1);
	ck_assert_uint_eq(device_counters(d)->in.frames, 1);
	device_end(d);
}
END_TEST

/* A link that goes down is not one that is gone. */
START_TEST(read_gone)
{
	struct device *d = fake_device(DEVICE_BATCH);
	struct buf *got[2];

	kernel.in_error = ENETDOWN;
	ck_assert_uint_eq(device_read(d, got, 2), 0);
	ck_assert(!device_is_gone(d));
	kernel.removed = true;
	ck_assert_uint_eq(device_read(d, got, 2), 0);
	ck_assert(device_is_gone(d));
	kernel.calls = 0;
	ck_assert_uint_eq(device_read(d, got, 2), 0);
	ck_assert_uint_eq(kernel.calls, 0);
	device_write(d, segment(0, 10, 1));
	ck_assert(!device_flush(d));
	ck_assert_uint_eq(device_counters(d)->dropped[DEVICE_DROP_DOWN], 1);
	device_end(d);
}
END_TEST

/* ---- writing ---- */

/* The text that the kernel got, in all. */
static uint32_t text_check(void)
{
	uint32_t at = 0;

	for (unsigned i = 0; i < kernel.out_count; i++)
		for (size_t j = DEVICE_HEADER_LEN + 54; j < kernel.out[i].len; j++, at++)
			if (kernel.out[i].bytes[j] != (uint8_t)at)
				ck_abort_msg("byte %u is wrong", at);
	return at;
}

START_TEST(write_joined)
{
	struct device *d = fake_device(_i ? DEVICE_BATCH : 1);
	struct virtio_net_hdr h;

	for (uint32_t i = 0; i < 100; i++)
		device_write(d, segment(i * MSS, MSS, (uint16_t)i));
	ck_assert_uint_eq(kernel.out_count, 0); /* nothing leaves one by one */
	ck_assert(!device_flush(d));
	ck_assert_uint_eq(kernel.out_count, 2); /* of 64 and of 36 */
	ck_assert_uint_eq(text_check(), 100 * MSS);
	memcpy(&h, kernel.out[0].bytes, sizeof h);
	ck_assert_uint_eq(h.gso_size, MSS);
	ck_assert_uint_eq(device_counters(d)->out.frames, 2);
	ck_assert_uint_eq(device_counters(d)->out.packets, 100);
	ck_assert_uint_eq(device_counters(d)->out.large, 2);
	ck_assert_uint_eq(device_counters(d)->out.bytes, 100 * MSS + 2 * 54);
	device_end(d);
}
END_TEST

/* The kernel is full for a while: nothing is lost, doubled or changed. */
START_TEST(write_waits)
{
	struct device *d = fake_device(_i ? DEVICE_BATCH : 1);

	kernel.room = 3;
	for (uint32_t i = 0; i < 50; i++)
		device_write(d, segment(i * MSS, MSS, (uint16_t)(i / 2 * 3 + i % 2))); /* (pairs) */
	ck_assert(device_flush(d));
	ck_assert_uint_eq(kernel.out_count, 3);
	ck_assert(device_flush(d));
	kernel.room = 2;
	ck_assert(device_flush(d));
	kernel.room = 100;
	ck_assert(!device_flush(d));
	ck_assert_uint_eq(kernel.out_count, 25);
	ck_assert_uint_eq(text_check(), 50 * MSS);
	ck_assert_uint_eq(device_counters(d)->out.packets, 50);
	device_end(d);
}
END_TEST

START_TEST(write_queue_is_bounded)
{
	struct device *d = fake_device(1);

	kernel.room = 0;
	for (uint32_t i = 0; i < DEVICE_QUEUE_MAX + 100; i++)
		device_write(d, segment(0, 10, 1));
	/* (one is on its way out of the queue) */
	ck_assert_uint_eq(device_counters(d)->dropped[DEVICE_DROP_QUEUE], 99);
	device_end(d);
}
END_TEST

START_TEST(write_queue_is_bounded_in_bytes)
{
	struct device *d = fake_device(1);
	uint64_t queued = 0, count = 0;

	kernel.room = 0;
	for (; !device_counters(d)->dropped[DEVICE_DROP_QUEUE]; count++) {
		struct buf *b = segment(0, 60000, 1);

		b->segment_bytes = MSS;
		queued += b->len;
		device_write(d, b);
	}
	ck_assert_uint_eq(device_counters(d)->dropped[DEVICE_DROP_QUEUE], 60); /* packets */
	ck_assert_uint_gt(queued, DEVICE_QUEUE_BYTES_MAX);
	ck_assert_uint_lt(queued, DEVICE_QUEUE_BYTES_MAX + 4 * 60054);
	device_end(d);
}
END_TEST

START_TEST(write_refused)
{
	static const struct {
		int error;
		enum device_drop reason;
	} refusals[] = {
		{EIO, DEVICE_DROP_DOWN},      {ENETDOWN, DEVICE_DROP_DOWN},    {ENXIO, DEVICE_DROP_DOWN},
		{ENOBUFS, DEVICE_DROP_QUEUE}, {EMSGSIZE, DEVICE_DROP_REFUSED}, {EINVAL, DEVICE_DROP_REFUSED},
	};
	struct device *d = fake_device(DEVICE_BATCH);

	kernel.room = 0;
	kernel.out_error = refusals[_i].error;
	kernel.once = 1;
	for (uint32_t i = 0; i < 10; i++)
		device_write(d, segment(i * MSS, MSS, (uint16_t)(i * i)));
	ck_assert(!device_flush(d));
	/* 0 and 1 follow each other, and were refused as one; the others left */
	ck_assert_uint_eq(device_counters(d)->dropped[refusals[_i].reason], 2);
	ck_assert_uint_eq(device_counters(d)->out.packets, 8);
	ck_assert_uint_eq(kernel.out_count, 8);
	ck_assert(!device_is_gone(d));
	device_end(d);
}
END_TEST

/* A packet that stands for several goes out with a checksum made anew: only if it had a good one. */
START_TEST(write_damaged_large)
{
	struct device *d = fake_device(1);
	struct buf *got[2];

	kernel_put_large(0, 5 * MSS, MSS);
	kernel_put_large(0, 5 * MSS, MSS);
	ck_assert_uint_eq(device_read(d, got, 2), 2);
	got[0]->data[1000] ^= 1;
	got[0]->corrupted = _i ? 1 : 0;
	got[0]->checksum_good = _i;
	got[1]->checksum_good = false; /* but it is */
	device_write(d, got[0]);
	device_write(d, got[1]);
	ck_assert(!device_flush(d));
	ck_assert_uint_eq(kernel.out_count, 1);
	ck_assert_uint_eq(text_check(), 5 * MSS);
	ck_assert_uint_eq(device_counters(d)->dropped[DEVICE_DROP_CHECKSUM], 5);
	device_end(d);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("device");
	TCase *all = tcase_create("device");

	tcase_add_loop_test(all, names, 0, 2);
	tcase_add_loop_test(all, read_in_batches, 0, 2);
	tcase_add_test(all, read_large);
	tcase_add_test(all, read_cut);
	tcase_add_test(all, read_nonsense);
	tcase_add_test(all, read_gone);
	tcase_add_loop_test(all, write_joined, 0, 2);
	tcase_add_loop_test(all, write_waits, 0, 2);
	tcase_add_test(all, write_queue_is_bounded);
	tcase_add_test(all, write_queue_is_bounded_in_bytes);
	tcase_add_loop_test(all, write_refused, 0, 6);
	tcase_add_loop_test(all, write_damaged_large, 0, 2);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
