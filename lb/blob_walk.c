/* SPDX-License-Identifier: BSD-3-Clause */
/* A blob's values one at a time, as text, as far as its bytes allow: see lb/blob.h. */
#include "base/cursor.h"
#include "base/err.h"
#include "lb/blob.h"

#include <stdio.h>
#include <string.h>

static const char *section_name(unsigned type)
{
	static const char *const names[] = {"header", "handoff", "socket", "tcp", "ip", "segments", "data"};
	if (type == BLOB_APP)
		return "app";
	return type < sizeof(names) / sizeof(names[0]) ? names[type] : "unknown";
}

static bool stop(struct blob_walk *w, int err, const char *why)
{
	w->error = err;
	w->why = why;
	return false;
}

/* The next n bytes of the blob; NULL ends the walk. */
static const uint8_t *take(struct blob_walk *w, size_t n)
{
	const uint8_t *p = w->p;
	if ((size_t)(w->end - w->p) < n) {
		stop(w, E_TRUNCATED, "the blob is cut short here");
		return NULL;
	}
	w->p += n;
	w->offset += n;
	return p;
}

static uint64_t load(const uint8_t *p, size_t n)
{
	struct reader r = reader_make(p, n);
	return reader_be(&r, n);
}

static const char *state_text(uint64_t state)
{
	switch (state) {
	case CONN_ESTABLISHED:
		return "ESTABLISHED";
	case CONN_FIN_WAIT_1:
		return "FIN_WAIT_1";
	case CONN_FIN_WAIT_2:
		return "FIN_WAIT_2";
	case CONN_CLOSE_WAIT:
		return "CLOSE_WAIT";
	case CONN_CLOSING:
		return "CLOSING";
	case CONN_LAST_ACK:
		return "LAST_ACK";
	default:
		return NULL;
	}
}

static size_t width(enum blob_type type)
{
	switch (type) {
	case BLOB_U8:
		return 1;
	case BLOB_U16:
	case BLOB_COUNT:
		return 2;
	case BLOB_U32:
	case BLOB_I32:
		return 4;
	case BLOB_U64:
	case BLOB_I64:
		return 8;
	case BLOB_ADDR:
		return 17;
	}
	return 0;
}

static void number_text(struct blob_walk *w, struct blob_item *item, uint64_t v)
{
	snprintf(w->text, sizeof(w->text), "%llu", (unsigned long long)v);
	item->number = true;
}

static void value_text(struct blob_walk *w, struct blob_item *item, const struct blob_field *f, const uint8_t *p)
{
	const uint64_t v = f->type == BLOB_ADDR ? 0 : load(p, width(f->type));
	const char *state = strcmp(f->unit, "state") ? NULL : state_text(v);

	if (f->type == BLOB_ADDR && (p[0] == 4 || p[0] == 6)) {
		const struct addr a = addr_from_bytes(p[0], p + 1);
		addr_text(&a, w->text);
	} else if (f->type == BLOB_ADDR) {
		snprintf(w->text, sizeof(w->text), "family %u", p[0]);
	} else if (f->type == BLOB_I32 || f->type == BLOB_I64) {
		const int64_t i = f->type == BLOB_I32 ? (int32_t)v : (int64_t)v;
		snprintf(w->text, sizeof(w->text), "%lld", (long long)i);
		item->number = true;
	} else if (state) {
		snprintf(w->text, sizeof(w->text), "%s", state);
	} else {
		number_text(w, item, v);
	}
}

static bool give(struct blob_walk *w, struct blob_item *item, const struct blob_field *f)
{
	const size_t n = width(f->type);
	const uint8_t *p;

	if (w->left < n)
		return stop(w, E_FORMAT, "a section is shorter than its fields");
	p = take(w, n);
	if (!p)
		return false;
	w->left -= (uint32_t)n;
	*item = (struct blob_item){
		.section = section_name(w->section),
		.name = f->name,
		.unit = f->unit,
		.text = w->text,
		.in_segment = f->per_segment,
		.segment = w->segment,
	};
	value_text(w, item, f, p);
	return true;
}

/* Contents that are bytes: data, the application's state, or a section that is not known. */
static bool give_bytes(struct blob_walk *w, struct blob_item *item)
{
	const size_t whole = (size_t)(w->end - w->p) < w->left ? (size_t)(w->end - w->p) : w->left;

	*item = (struct blob_item){
		.section = section_name(w->section),
		.name = "bytes",
		.unit = "bytes",
		.text = w->text,
		.bytes = w->p,
		.len = whole,
	};
	if (w->section != BLOB_DATA && w->section != BLOB_APP) {
		item->name = "type";
		item->unit = "number";
		number_text(w, item, w->section);
	} else {
		number_text(w, item, whole);
	}
	if (whole < w->left)
		stop(w, E_TRUNCATED, "the blob is cut short in this section");
	w->p += whole;
	w->offset += whole;
	w->section = 0;
	return true;
}

static bool begin_section(struct blob_walk *w)
{
	const uint8_t *p = take(w, BLOB_SECTION_LEN);

	if (!p)
		return false;
	w->section = load_be16(p);
	w->left = load_be32(p + 2);
	if (w->section == 0)
		return stop(w, E_FORMAT, "section of type 0");
	w->field = 0;
	while (w->field < blob_field_count && (unsigned)blob_fields[w->field].section != w->section)
		w->field++;
	w->segment = 0;
	return true;
}

/* The header's three numbers, before everything else. */
static bool give_header(struct blob_walk *w, struct blob_item *item)
{
	static const struct blob_field header[] = {
		{.type = BLOB_U32, .name = "magic", .unit = "number"},
		{.type = BLOB_U16, .name = "version", .unit = "number"},
		{.type = BLOB_U16, .name = "sections", .unit = "number"},
		{.type = BLOB_U32, .name = "length", .unit = "bytes"},
	};
	const struct blob_field *f = &header[w->field++];

	w->left = BLOB_HEADER_LEN; /* its end is the blob's end, which take checks */
	if (!give(w, item, f))
		return false;
	w->started = w->field == sizeof(header) / sizeof(header[0]);
	if (w->field == 1 && load_be32(w->p - 4) != BLOB_MAGIC)
		stop(w, E_FORMAT, "not a blob: the magic number is missing");
	else if (w->field == 2 && load_be16(w->p - 2) != BLOB_VERSION)
		stop(w, E_VERSION, "unknown version of the blob's format");
	return true;
}

/* Whether the section has fields yet to come, so that it must not end here; between two segments it may. */
static bool within_fields(const struct blob_walk *w)
{
	const struct blob_field *f = &blob_fields[w->field];

	if (w->field >= blob_field_count || (unsigned)f->section != w->section)
		return false;
	return !f->per_segment || f[-1].per_segment;
}

void blob_walk_init(struct blob_walk *w, const uint8_t *p, size_t n)
{
	*w = (struct blob_walk){.p = p, .end = p + n};
}

bool blob_walk_next(struct blob_walk *w, struct blob_item *item)
{
	const struct blob_field *f;

	if (w->error)
		return false;
	if (!w->started)
		return give_header(w, item);
	while (w->section == 0 || (w->left == 0 && w->section != BLOB_DATA)) {
		if (w->section && within_fields(w))
			return stop(w, E_FORMAT, "a section is shorter than its fields");
		w->section = 0;
		if (w->p == w->end)
			return false;
		if (!begin_section(w))
			return false;
		if (w->section >= BLOB_DATA)
			return give_bytes(w, item);
	}
	if (w->field >= blob_field_count || (unsigned)blob_fields[w->field].section != w->section) {
		if (w->section != BLOB_SEGMENTS)
			return stop(w, E_FORMAT, "a section is longer than its fields");
		/* the fields of one more segment */
		w->segment++;
		while (w->field > 0 && blob_fields[w->field - 1].per_segment)
			w->field--;
	}
	f = &blob_fields[w->field++];
	return give(w, item, f);
}
