/* SPDX-License-Identifier: BSD-3-Clause */
/* Bytes as an opened courier frame: the header, then the sections, which are judged as of either kind. What decodes
 * must come through encoding and decoding again as it is. */
#include "fuzz.h"

#include "base/err.h"
#include "lb/frame.h"

#include <string.h>

static void header_check(const struct frame_header *h, const uint8_t *frame)
{
	uint8_t again[FRAME_HEADER_LEN];

	frame_header_encode(again, h);
	FUZZ_CHECK(!memcmp(again, frame, sizeof(again)));
}

static void ack_check(const struct frame_ack *a, const struct frame_ack *b)
{
	FUZZ_CHECK(a->count >= 1 && a->count <= FRAME_RANGES_MAX + 1);
	FUZZ_CHECK(a->delay_us == b->delay_us && a->count == b->count);
	for (uint32_t i = 0; i < a->count; i++) {
		FUZZ_CHECK(a->ranges[i].low == b->ranges[i].low && a->ranges[i].high == b->ranges[i].high);
		FUZZ_CHECK(a->ranges[i].low && a->ranges[i].low <= a->ranges[i].high);
		FUZZ_CHECK(!i || a->ranges[i].high + 1 < a->ranges[i - 1].low);
	}
}

static void data_check(const struct frame_data *a, const struct frame_data *b)
{
	FUZZ_CHECK(a->id == b->id && a->type == b->type && a->total == b->total && a->chunk == b->chunk);
	FUZZ_CHECK(a->index == b->index && a->len == b->len && !memcmp(a->bytes, b->bytes, a->len));
	FUZZ_CHECK((uint64_t)a->chunk * a->index + a->len <= a->total);
}

/* `room`: the sections' length as they came; encoded they are no longer, as unknown ones are left out. */
static void body_check(const struct frame_body *b, enum frame_kind kind, size_t room)
{
	static struct frame_body again;
	uint8_t *bytes = malloc(room ? room : 1);
	struct writer w = writer_make(bytes, room);

	FUZZ_CHECK(bytes);
	if (b->has_hello)
		frame_hello_encode(&w, &b->hello);
	if (b->has_ack)
		frame_ack_encode(&w, &b->ack);
	if (b->has_floor)
		frame_floor_encode(&w, b->floor);
	for (uint32_t i = 0; i < b->data_count; i++)
		frame_data_encode(&w, &b->data[i]);
	FUZZ_CHECK(!w.bad);
	FUZZ_CHECK(!frame_body_decode(&again, kind, bytes, writer_len(&w)));
	FUZZ_CHECK(again.has_hello == b->has_hello && again.has_ack == b->has_ack && again.has_floor == b->has_floor);
	FUZZ_CHECK(!b->has_hello || !memcmp(&again.hello, &b->hello, sizeof(b->hello)));
	FUZZ_CHECK(!b->has_floor || again.floor == b->floor);
	FUZZ_CHECK(again.data_count == b->data_count);
	if (b->has_ack)
		ack_check(&b->ack, &again.ack);
	for (uint32_t i = 0; i < b->data_count; i++)
		data_check(&b->data[i], &again.data[i]);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct frame_body body;
	struct frame_header h;

	if (!frame_header_decode(&h, data, size))
		header_check(&h, data);
	if (size < FRAME_HEADER_LEN)
		return 0;
	for (enum frame_kind kind = FRAME_KIND_HELLO; kind <= FRAME_KIND_DATA; kind++)
		if (!frame_body_decode(&body, kind, data + FRAME_HEADER_LEN, size - FRAME_HEADER_LEN))
			body_check(&body, kind, size - FRAME_HEADER_LEN);
	return 0;
}
