/* SPDX-License-Identifier: BSD-3-Clause */
/* One direction of an attachment, alone: numbered packets go in and come out. */
#ifndef BATON_TESTS_UNIT_IMPAIR_DIRECTION_H
#define BATON_TESTS_UNIT_IMPAIR_DIRECTION_H

#include "sim/impair.h"

#include "base/cursor.h"
#include "base/wire.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <string.h>

/* For what is asked of every packet: libcheck writes a message for every assertion of its own that holds. */
#define REQUIRE(x)                                                                                                     \
	do {                                                                                                           \
		if (!(x))                                                                                              \
			ck_abort_msg("%s", #x);                                                                        \
	} while (0)

#define SEED      42U
#define FRAME_LEN 114U /* an Ethernet header and a packet of 100 bytes */

static struct heap heap;
static struct impair_faults faults;
static struct impair dir;
static struct histogram queue_us;
static const struct addr tunnels[] = {{4, {10, 0, 0, 9}}, {4, {10, 0, 1, 9}}};

static inline void direction_make(struct impair *i, const char *name, unsigned direction)
{
	struct impair_config config = {
		.name = name,
		.direction = direction,
		.seed = SEED,
		.heap = &heap,
		.faults = &faults,
		.tunnels = tunnels,
		.tunnel_count = 2,
		.queue_us = &queue_us,
	};

	impair_init(i, &config);
}

static inline void setup(void)
{
	queue_us = (struct histogram){0};
	heap_init(&heap);
	impair_faults_init(&faults);
	direction_make(&dir, "a.lan", IMPAIR_DIRECTION_OUT);
}

static inline void teardown(void)
{
	impair_fini(&dir);
	impair_faults_fini(&faults);
	heap_fini(&heap);
	ck_assert_uint_eq(buf_outstanding(), 0);
}

/* An IPv4 packet, numbered in its last four bytes. */
static inline struct buf *frame_make(uint8_t protocol, uint16_t port, uint32_t len, uint32_t number)
{
	struct buf *b = buf_alloc(len);
	uint8_t *ip = b->data + 14;

	b->len = len;
	memset(b->data, 0, len);
	store_be16(b->data + 12, 0x0800);
	ip[0] = 0x45;
	store_be16(ip + 2, (uint16_t)(len - 14));
	ip[9] = protocol;
	memcpy(ip + 12, (const uint8_t[]){10, 0, 0, 1, 10, 0, 0, 2}, 8);
	store_be16(ip + 20, 4000);
	store_be16(ip + 22, port);
	store_be32(b->data + len - 4, number);
	return b;
}

static inline struct buf *packet(uint32_t number)
{
	return frame_make(6, 80, FRAME_LEN, number);
}

static inline struct buf *courier(uint32_t number)
{
	return frame_make(17, COURIER_PORT, FRAME_LEN, number);
}

static inline void set(const struct impairments *v)
{
	ck_assert_int_eq(impair_set(&dir, v), 0);
}

/* What comes out next by `until`: its number, and when in *at. -1: nothing. */
static inline int64_t take(nstime until, nstime *at)
{
	struct buf *b;
	nstime due;
	int64_t number;

	do {
		due = nstime_min(impair_expiry(&dir), until);
		b = impair_output(&dir, due);
		REQUIRE(impair_books_balance(&dir));
	} while (!b && impair_in_flight(&dir) && impair_expiry(&dir) <= until);
	if (!b)
		return -1;
	number = load_be32(b->data + b->len - 4);
	if (at)
		*at = due;
	buf_free(b);
	return number;
}

static inline void drain(void)
{
	while (take(NSTIME_NEVER, NULL) >= 0)
		;
}

#endif
