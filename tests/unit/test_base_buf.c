/* SPDX-License-Identifier: BSD-3-Clause */
/* Packet buffers: room, queues, what is outstanding, and that a freed buffer is out of bounds. */
#include "base/buf.h"
#include "tests/lib/unit.h"

#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __has_feature
#if __has_feature(address_sanitizer)
#define ADDRESS_SANITIZER 1
#endif
#endif
#ifdef __SANITIZE_ADDRESS__
#define ADDRESS_SANITIZER 1
#endif

START_TEST(room)
{
	static const uint32_t rooms[] = {0, 1, 1514, BUF_ROOM, BUF_ROOM + 1, 65536};

	for (size_t i = 0; i < sizeof rooms / sizeof rooms[0]; i++) {
		struct buf *b = buf_alloc(rooms[i]);

		ck_assert_uint_eq(buf_headroom(b), BUF_HEADROOM);
		ck_assert_uint_ge(b->capacity - buf_headroom(b), rooms[i]);
		ck_assert_uint_eq(b->len, 0);
		ck_assert_uint_eq(b->mark | b->mark2, 0);
		ck_assert_ptr_null(b->next);
		ck_assert_uint_eq((uintptr_t)b->opaque % 16, 0);
		ck_assert_uint_eq((uintptr_t)b->storage % 16, 0);
		memset(b->storage, 0xa5, b->capacity);
		memset(b->opaque, 0xa5, sizeof b->opaque);
		buf_free(b);
	}
	ck_assert_uint_eq(buf_outstanding(), 0);
	buf_free(NULL);
}
END_TEST

/* Large buffers have a pool of their own, which does not grow without end. */
START_TEST(large)
{
	struct buf *many[BUF_LARGE_KEPT + 2], *again;

	for (size_t i = 0; i < BUF_LARGE_KEPT + 2; i++) {
		many[i] = buf_alloc_large();
		ck_assert_uint_eq(buf_headroom(many[i]), BUF_HEADROOM);
		ck_assert_uint_eq(many[i]->capacity, BUF_HEADROOM + BUF_LARGE_ROOM);
		memset(many[i]->storage, 0xa5, many[i]->capacity);
		many[i]->segment_bytes = 1448;
		many[i]->alone = many[i]->checksum_good = true;
	}
	for (size_t i = 0; i < BUF_LARGE_KEPT + 2; i++)
		buf_free(many[i]);
	again = buf_alloc_large();
	ck_assert_ptr_eq(again, many[BUF_LARGE_KEPT - 1]); /* the last that was kept */
	ck_assert_uint_eq(again->segment_bytes, 0);
	ck_assert(!again->alone && !again->checksum_good);
	buf_free(again);
	ck_assert_uint_eq(buf_outstanding(), 0);
}
END_TEST

START_TEST(reused_as_new)
{
	struct buf *b = buf_alloc(100), *again;

	buf_push(b, 20);
	b->mark = b->mark2 = 7;
	buf_free(b);
	again = buf_alloc(1);
	ck_assert_ptr_eq(again, b); /* from the pool */
	ck_assert_uint_eq(buf_headroom(again), BUF_HEADROOM);
	ck_assert_uint_eq(again->len, 0);
	ck_assert_uint_eq(again->mark | again->mark2, 0);
	buf_free(again);
}
END_TEST

START_TEST(clone)
{
	struct buf *b = buf_alloc(4000), *copy;

	buf_push(b, BUF_HEADROOM);
	b->len = 3000;
	for (unsigned i = 0; i < b->len; i++)
		b->data[i] = (uint8_t)(i * 7);
	buf_pull(b, 3);
	b->mark = 11;
	b->mark2 = 12;
	b->segment_bytes = 1448;
	b->alone = b->checksum_good = true;
	copy = buf_clone(b);
	ck_assert_uint_eq(copy->len, 2997);
	ck_assert_mem_eq(copy->data, b->data, b->len);
	ck_assert_uint_ge(buf_headroom(copy), BUF_HEADROOM);
	ck_assert_uint_eq(copy->mark, 11);
	ck_assert_uint_eq(copy->mark2, 12);
	ck_assert_uint_eq(copy->segment_bytes, 1448);
	ck_assert(copy->alone && copy->checksum_good);
	ck_assert_uint_eq(buf_outstanding(), 2);
	buf_free(b);
	buf_free(copy);
}
END_TEST

START_TEST(queue)
{
	struct buf_queue q = {0};

	for (uint32_t i = 0; i < 10; i++) {
		struct buf *b = buf_alloc(100);

		b->len = 10 + i;
		buf_queue_put(&q, b);
	}
	ck_assert_uint_eq(q.count, 10);
	ck_assert_uint_eq(q.bytes, 145);
	for (uint32_t i = 0; i < 3; i++) {
		struct buf *b = buf_queue_get(&q);

		ck_assert_uint_eq(b->len, 10 + i);
		ck_assert_ptr_null(b->next);
		buf_free(b);
	}
	ck_assert_uint_eq(buf_outstanding(), 7);
	buf_queue_clear(&q);
	ck_assert_uint_eq(buf_outstanding(), 0);
	ck_assert_uint_eq(q.count + q.bytes, 0);
	ck_assert_ptr_null(buf_queue_get(&q));
	buf_queue_put(&q, buf_alloc(1));
	buf_queue_clear(&q);
}
END_TEST

/* Under the address sanitizer the pool must not hide a use after free. */
START_TEST(freed_is_poisoned)
{
#ifdef ADDRESS_SANITIZER
	int status;
	pid_t child = fork();

	ck_assert_int_ge(child, 0);
	if (child == 0) {
		struct buf *b = buf_alloc(100);
		volatile uint8_t *data = b->data;

		close(STDERR_FILENO);
		buf_free(b);
		_exit(data[0] & 0);
	}
	ck_assert_int_eq(waitpid(child, &status, 0), child);
	ck_assert(!WIFEXITED(status) || WEXITSTATUS(status) != 0);
#endif
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("base_buf");
	TCase *all = tcase_create("base_buf");

	tcase_add_test(all, room);
	tcase_add_test(all, large);
	tcase_add_test(all, reused_as_new);
	tcase_add_test(all, clone);
	tcase_add_test(all, queue);
	tcase_add_test(all, freed_is_poisoned);
	tcase_set_timeout(all, 60);
	suite_add_tcase(suite, all);
	return unit_run(suite);
}
