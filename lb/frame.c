/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/frame.h"

#include "base/err.h"

#include <assert.h>

enum section {
	SECTION_HELLO = 1,
	SECTION_ACK = 2,
	SECTION_FLOOR = 3,
	SECTION_DATA = 4,
};

#define HELLO_ANSWER_WANTED 0x01U

static void store_be64(uint8_t *p, uint64_t v)
{
	store_be32(p, (uint32_t)(v >> 32));
	store_be32(p + 4, (uint32_t)v);
}

void frame_header_encode(uint8_t *frame, const struct frame_header *h)
{
	frame[0] = FRAME_MAGIC;
	frame[1] = FRAME_VERSION;
	frame[2] = (uint8_t)h->kind;
	frame[3] = h->epoch;
	store_be16(frame + 4, h->from);
	store_be16(frame + 6, h->to);
	store_be64(frame + 8, h->boot);
	store_be64(frame + 16, h->number);
}

int frame_header_decode(struct frame_header *h, const uint8_t *frame, size_t len)
{
	struct reader r = reader_make(frame, len);
	uint8_t magic, version, kind;

	if (len < FRAME_OVERHEAD)
		return E_TRUNCATED;
	magic = reader_u8(&r);
	version = reader_u8(&r);
	kind = reader_u8(&r);
	h->epoch = reader_u8(&r);
	h->from = reader_u16(&r);
	h->to = reader_u16(&r);
	h->boot = reader_u64(&r);
	h->number = reader_u64(&r);
	if (magic != FRAME_MAGIC)
		return E_FORMAT;
	if (version != FRAME_VERSION)
		return E_VERSION;
	if (kind != FRAME_KIND_HELLO && kind != FRAME_KIND_DATA)
		return E_FORMAT;
	if (!h->from || !h->to || !h->boot || !h->number)
		return E_FORMAT;
	h->kind = (enum frame_kind)kind;
	return 0;
}

static void section_start(struct writer *w, enum section type, size_t len)
{
	writer_u8(w, (uint8_t)type);
	writer_u16(w, (uint16_t)len);
}

void frame_hello_encode(struct writer *w, const struct frame_hello *hello)
{
	section_start(w, SECTION_HELLO, FRAME_HELLO_LEN - FRAME_SECTION_LEN);
	writer_u64(w, hello->echo);
	writer_u8(w, hello->answer_wanted ? HELLO_ANSWER_WANTED : 0);
	writer_u64(w, hello->answers);
}

void frame_ack_encode(struct writer *w, const struct frame_ack *ack)
{
	assert(ack->count >= 1 && ack->count <= FRAME_RANGES_MAX + 1);
	section_start(w, SECTION_ACK, FRAME_ACK_LEN - FRAME_SECTION_LEN + 4U * (ack->count - 1));
	writer_u32(w, ack->delay_us);
	writer_u64(w, ack->ranges[0].high);
	writer_u16(w, (uint16_t)(ack->ranges[0].high - ack->ranges[0].low));
	for (uint32_t i = 1; i < ack->count; i++) {
		writer_u16(w, (uint16_t)(ack->ranges[i - 1].low - ack->ranges[i].high - 2));
		writer_u16(w, (uint16_t)(ack->ranges[i].high - ack->ranges[i].low));
	}
}

void frame_floor_encode(struct writer *w, uint64_t floor)
{
	section_start(w, SECTION_FLOOR, FRAME_FLOOR_LEN - FRAME_SECTION_LEN);
	writer_u64(w, floor);
}

void frame_data_encode(struct writer *w, const struct frame_data *data)
{
	section_start(w, SECTION_DATA, FRAME_DATA_LEN - FRAME_SECTION_LEN + data->len);
	writer_u64(w, data->id);
	writer_u8(w, data->type);
	writer_u32(w, data->total);
	writer_u16(w, data->chunk);
	writer_u16(w, data->index);
	writer_bytes(w, data->bytes, data->len);
}

static int hello_decode(struct frame_body *b, struct reader *r)
{
	uint8_t flags;

	b->hello.echo = reader_u64(r);
	flags = reader_u8(r);
	b->hello.answers = reader_u64(r);
	b->hello.answer_wanted = flags & HELLO_ANSWER_WANTED;
	if (b->has_hello || r->bad || reader_left(r) || (flags & ~HELLO_ANSWER_WANTED))
		return E_FORMAT;
	b->has_hello = true;
	return 0;
}

/* Appends the range of `length` numbers that ends in `high`: 0, or E_FORMAT when it would reach number 0. */
static int ack_range(struct frame_ack *ack, uint64_t high, uint64_t length)
{
	if (high < length)
		return E_FORMAT;
	ack->ranges[ack->count++] = (struct frame_range){.low = high - length + 1, .high = high};
	return 0;
}

static int ack_decode(struct frame_body *b, struct reader *r)
{
	struct frame_ack *ack = &b->ack;
	uint64_t largest;
	int rc;

	if (b->has_ack || reader_left(r) < FRAME_ACK_LEN - FRAME_SECTION_LEN ||
	    reader_left(r) > FRAME_ACK_LEN_MAX - FRAME_SECTION_LEN)
		return E_FORMAT;
	ack->count = 0;
	ack->delay_us = reader_u32(r);
	largest = reader_u64(r);
	rc = ack_range(ack, largest, (uint64_t)reader_u16(r) + 1);
	while (!rc && reader_left(r)) {
		uint64_t gap = (uint64_t)reader_u16(r) + 1, length = (uint64_t)reader_u16(r) + 1;
		uint64_t low = ack->ranges[ack->count - 1].low;

		if (r->bad || low <= gap)
			return E_FORMAT;
		rc = ack_range(ack, low - gap - 1, length);
	}
	b->has_ack = true;
	return rc;
}

static int floor_decode(struct frame_body *b, struct reader *r)
{
	b->floor = reader_u64(r);
	if (b->has_floor || r->bad || reader_left(r) || !b->floor)
		return E_FORMAT;
	b->has_floor = true;
	return 0;
}

static int data_decode(struct frame_body *b, struct reader *r)
{
	struct frame_data *d;
	uint32_t count, offset, left;

	if (b->data_count == FRAME_DATA_MAX)
		return E_FORMAT;
	d = &b->data[b->data_count++];
	d->id = reader_u64(r);
	d->type = reader_u8(r);
	d->total = reader_u32(r);
	d->chunk = reader_u16(r);
	d->index = reader_u16(r);
	d->len = (uint32_t)reader_left(r);
	d->bytes = reader_bytes(r, d->len);
	if (r->bad || !d->id || !d->chunk || d->total > FRAME_MESSAGE_MAX)
		return E_FORMAT;
	count = frame_chunk_count(d->total, d->chunk);
	if (d->index >= count || (count > 1 && d->chunk < FRAME_CHUNK_MIN))
		return E_FORMAT;
	offset = (uint32_t)d->chunk * d->index;
	left = d->total - offset;
	return d->len == (left < d->chunk ? left : d->chunk) ? 0 : E_FORMAT;
}

static int section_decode(struct frame_body *b, uint8_t type, struct reader *r)
{
	switch (type) {
	case SECTION_HELLO:
		return hello_decode(b, r);
	case SECTION_ACK:
		return ack_decode(b, r);
	case SECTION_FLOOR:
		return floor_decode(b, r);
	case SECTION_DATA:
		return data_decode(b, r);
	default:
		return 0;
	}
}

int frame_body_decode(struct frame_body *b, enum frame_kind kind, const uint8_t *body, size_t len)
{
	struct reader r = reader_make(body, len);

	b->has_hello = b->has_ack = b->has_floor = false;
	b->data_count = 0;
	while (reader_left(&r)) {
		uint8_t type = reader_u8(&r);
		uint16_t value_len = reader_u16(&r);
		const uint8_t *value = reader_bytes(&r, value_len);
		struct reader section;

		if (!value)
			return E_FORMAT;
		section = reader_make(value, value_len);
		if (section_decode(b, type, &section))
			return E_FORMAT;
	}
	if (b->has_hello != (kind == FRAME_KIND_HELLO))
		return E_FORMAT;
	if (kind == FRAME_KIND_HELLO && (b->has_ack || b->has_floor || b->data_count))
		return E_FORMAT;
	if (b->data_count && !b->has_floor)
		return E_FORMAT;
	for (uint32_t i = 0; i < b->data_count; i++)
		if (b->data[i].id < b->floor)
			return E_FORMAT;
	return 0;
}
