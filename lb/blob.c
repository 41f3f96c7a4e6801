/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/blob.h"

#include "base/cursor.h"
#include "base/err.h"
#include "lb/message.h"

#include <assert.h>
#include <string.h>

/* Width on the wire of each type, and of whole lists of fields. */
#define WIDTH_U8    1
#define WIDTH_U16   2
#define WIDTH_U32   4
#define WIDTH_U64   8
#define WIDTH_I32   4
#define WIDTH_I64   8
#define WIDTH_COUNT 2
#define WIDTH_ADDR  17

#define WIDTH_ADD(type, member, unit) +WIDTH_##type
#define HANDOFF_LEN                   ((uint32_t)(0 BLOB_HANDOFF_FIELDS(WIDTH_ADD)))
#define SOCKET_LEN                    ((uint32_t)(0 BLOB_SOCKET_FIELDS(WIDTH_ADD)))
#define TCP_LEN                       ((uint32_t)(0 BLOB_TCP_FIELDS(WIDTH_ADD)))
#define IP_LEN                        ((uint32_t)(0 BLOB_IP_FIELDS(WIDTH_ADD)))
#define QUEUES_LEN                    ((uint32_t)(0 BLOB_QUEUE_FIELDS(WIDTH_ADD)))
#define SEGMENT_LEN                   ((uint32_t)(0 BLOB_SEGMENT_FIELDS(WIDTH_ADD)))

#define KNOWN_SECTIONS 6U

_Static_assert(BLOB_LEN_MAX >= BLOB_HEADER_LEN + KNOWN_SECTIONS * BLOB_SECTION_LEN + HANDOFF_LEN + SOCKET_LEN +
				       TCP_LEN + IP_LEN + QUEUES_LEN + CONN_SEGMENTS_MAX * SEGMENT_LEN + CONN_DATA_MAX +
				       BLOB_SECTION_LEN + CONN_APP_MAX,
	       "the longest state fits into the longest blob");

/* The fields as a table, for the printer. */
#define ROW(section_, type_, segment_, member, unit_)                                                                  \
	{.section = (section_), .type = BLOB_##type_, .per_segment = (segment_), .name = #member, .unit = (unit_)},
#define HANDOFF_ROW(type, member, unit) ROW(BLOB_HANDOFF, type, false, member, unit)
#define SOCKET_ROW(type, member, unit)  ROW(BLOB_SOCKET, type, false, member, unit)
#define TCP_ROW(type, member, unit)     ROW(BLOB_TCP, type, false, member, unit)
#define IP_ROW(type, member, unit)      ROW(BLOB_IP, type, false, member, unit)
#define QUEUE_ROW(type, member, unit)   ROW(BLOB_SEGMENTS, type, false, member, unit)
#define SEGMENT_ROW(type, member, unit) ROW(BLOB_SEGMENTS, type, true, member, unit)

/* clang-format off */
const struct blob_field blob_fields[] = {
	BLOB_HANDOFF_FIELDS(HANDOFF_ROW)
	BLOB_SOCKET_FIELDS(SOCKET_ROW)
	BLOB_TCP_FIELDS(TCP_ROW)
	BLOB_IP_FIELDS(IP_ROW)
	BLOB_QUEUE_FIELDS(QUEUE_ROW)
	BLOB_SEGMENT_FIELDS(SEGMENT_ROW)
};
/* clang-format on */
const size_t blob_field_count = sizeof(blob_fields) / sizeof(blob_fields[0]);

/* Writing: room was made for all of it, so nothing is checked byte by byte. */

static inline uint8_t *put_U8(uint8_t *p, uint8_t v)
{
	*p = v;
	return p + 1;
}
static inline uint8_t *put_U16(uint8_t *p, uint16_t v)
{
	store_be16(p, v);
	return p + 2;
}
static inline uint8_t *put_U32(uint8_t *p, uint32_t v)
{
	store_be32(p, v);
	return p + 4;
}
static inline uint8_t *put_U64(uint8_t *p, uint64_t v)
{
	return put_U32(put_U32(p, (uint32_t)(v >> 32)), (uint32_t)v);
}
static inline uint8_t *put_I32(uint8_t *p, int32_t v)
{
	return put_U32(p, (uint32_t)v);
}
static inline uint8_t *put_I64(uint8_t *p, int64_t v)
{
	return put_U64(p, (uint64_t)v);
}
static inline uint8_t *put_COUNT(uint8_t *p, size_t v)
{
	return put_U16(p, (uint16_t)v);
}
static inline uint8_t *put_ADDR(uint8_t *p, struct addr v)
{
	*p = v.family;
	memcpy(p + 1, v.bytes, sizeof(v.bytes));
	return p + WIDTH_ADDR;
}

static inline uint8_t *put_section(uint8_t *p, enum blob_section type, uint32_t len)
{
	return put_U32(put_U16(p, (uint16_t)type), len);
}

static inline uint8_t *put_bytes(uint8_t *p, const struct vec *v)
{
	if (v->len)
		memcpy(p, v->data, v->len);
	return p + v->len;
}

#define PUT(type, member, unit) p = put_##type(p, from->member);

static uint8_t *put_handoff(uint8_t *p, const struct blob_mapping *from)
{
	p = put_section(p, BLOB_HANDOFF, HANDOFF_LEN);
	BLOB_HANDOFF_FIELDS(PUT)
	return p;
}

static uint8_t *put_socket(uint8_t *p, const struct conn_socket *from)
{
	p = put_section(p, BLOB_SOCKET, SOCKET_LEN);
	BLOB_SOCKET_FIELDS(PUT)
	return p;
}

static uint8_t *put_tcp(uint8_t *p, const struct conn_tcp *from)
{
	p = put_section(p, BLOB_TCP, TCP_LEN);
	BLOB_TCP_FIELDS(PUT)
	return p;
}

static uint8_t *put_ip(uint8_t *p, const struct conn_ip *from)
{
	p = put_section(p, BLOB_IP, IP_LEN);
	BLOB_IP_FIELDS(PUT)
	return p;
}

static uint8_t *put_segments(uint8_t *p, const struct conn_state *state)
{
	const size_t count = conn_segment_count(state);

	p = put_section(p, BLOB_SEGMENTS, QUEUES_LEN + (uint32_t)count * SEGMENT_LEN);
	{
		const struct conn_state *from = state;
		BLOB_QUEUE_FIELDS(PUT)
	}
	for (size_t i = 0; i < count; i++) {
		const struct conn_segment *from = &state->segments[i];
		BLOB_SEGMENT_FIELDS(PUT)
	}
	return p;
}

int blob_encode(struct vec *out, const struct blob_mapping *m, const struct conn_state *s)
{
	const size_t count = conn_segment_count(s);
	size_t len = BLOB_HEADER_LEN + KNOWN_SECTIONS * BLOB_SECTION_LEN + HANDOFF_LEN + SOCKET_LEN + TCP_LEN + IP_LEN +
		     QUEUES_LEN + count * SEGMENT_LEN + s->data.len + (s->app.len ? BLOB_SECTION_LEN + s->app.len : 0);
	uint8_t *p;

	vec_clear(out);
	if (!flow_valid(m->flow))
		return E_INVAL;
	if (count > CONN_SEGMENTS_MAX || s->data.len > CONN_DATA_MAX || s->app.len > CONN_APP_MAX)
		return E_FULL;

	p = vec_append(out, NULL, len);
	p = put_U32(p, BLOB_MAGIC);
	p = put_U16(p, BLOB_VERSION);
	p = put_U16(p, KNOWN_SECTIONS + (s->app.len != 0));
	p = put_U32(p, (uint32_t)len);
	p = put_handoff(p, m);
	p = put_socket(p, &s->socket);
	p = put_tcp(p, &s->tcp);
	p = put_ip(p, &s->ip);
	p = put_segments(p, s);
	p = put_section(p, BLOB_DATA, (uint32_t)s->data.len);
	p = put_bytes(p, &s->data);
	if (s->app.len)
		p = put_bytes(put_section(p, BLOB_APP, (uint32_t)s->app.len), &s->app);
	assert(p == out->data + len);
	return 0;
}

/* Reading: a section's length was checked against its fields'. */

static inline const uint8_t *get_U8(const uint8_t *p, uint8_t *v)
{
	*v = *p;
	return p + 1;
}
static inline const uint8_t *get_U16(const uint8_t *p, uint16_t *v)
{
	*v = load_be16(p);
	return p + 2;
}
static inline const uint8_t *get_U32(const uint8_t *p, uint32_t *v)
{
	*v = load_be32(p);
	return p + 4;
}
static inline const uint8_t *get_U64(const uint8_t *p, uint64_t *v)
{
	*v = (uint64_t)load_be32(p) << 32 | load_be32(p + 4);
	return p + 8;
}
static inline const uint8_t *get_I32(const uint8_t *p, int32_t *v)
{
	*v = (int32_t)load_be32(p);
	return p + 4;
}
static inline const uint8_t *get_I64(const uint8_t *p, int64_t *v)
{
	*v = (int64_t)((uint64_t)load_be32(p) << 32 | load_be32(p + 4));
	return p + 8;
}
static inline const uint8_t *get_COUNT(const uint8_t *p, size_t *v)
{
	*v = load_be16(p);
	return p + 2;
}
static inline const uint8_t *get_ADDR(const uint8_t *p, struct addr *v)
{
	v->family = *p;
	memcpy(v->bytes, p + 1, sizeof(v->bytes));
	return p + WIDTH_ADDR;
}

#define GET(type, member, unit) p = get_##type(p, &to->member);

static void get_handoff(const uint8_t *p, struct blob_mapping *to)
{
	BLOB_HANDOFF_FIELDS(GET)
	(void)p;
}

static void get_socket(const uint8_t *p, struct conn_socket *to)
{
	BLOB_SOCKET_FIELDS(GET)
	(void)p;
}

static void get_tcp(const uint8_t *p, struct conn_tcp *to)
{
	BLOB_TCP_FIELDS(GET)
	(void)p;
}

static void get_ip(const uint8_t *p, struct conn_ip *to)
{
	BLOB_IP_FIELDS(GET)
	(void)p;
}

static bool addr_valid(const struct addr *a)
{
	static const uint8_t zero[12];
	return a->family == 6 || (a->family == 4 && !memcmp(a->bytes + 4, zero, sizeof(zero)));
}

/* Where a section's contents are; p is NULL for one that was not met. */
struct content {
	const uint8_t *p;
	uint32_t len;
};

/* What the sections of a blob are, by type. */
struct contents {
	struct content of[KNOWN_SECTIONS + 1], app;
};

static int fail(const char **why, int err, const char *text)
{
	*why = text;
	return err;
}

static int read_header(struct reader *r, size_t n, uint16_t *sections, const char **why)
{
	if (n < BLOB_HEADER_LEN)
		return fail(why, E_TRUNCATED, "shorter than a blob's header");
	if (reader_u32(r) != BLOB_MAGIC)
		return fail(why, E_FORMAT, "not a blob: the magic number is missing");
	if (reader_u16(r) != BLOB_VERSION)
		return fail(why, E_VERSION, "unknown version of the blob's format");
	*sections = reader_u16(r);
	const uint32_t len = reader_u32(r);
	if (len > BLOB_LEN_MAX)
		return fail(why, E_TOOBIG, "longer than a blob can be");
	if (len > n)
		return fail(why, E_TRUNCATED, "shorter than its header says");
	if (len < n)
		return fail(why, E_FORMAT, "bytes behind the end");
	if (*sections > BLOB_SECTIONS_MAX)
		return fail(why, E_TOOBIG, "more sections than a blob can have");
	return 0;
}

/* Reads the sections' types and lengths. */
static int read_sections(struct reader *r, uint16_t sections, struct contents *c, const char **why)
{
	for (unsigned i = 0; i < sections; i++) {
		const uint16_t type = reader_u16(r);
		const uint32_t len = reader_u32(r);
		const uint8_t *p = reader_bytes(r, len);
		if (r->bad)
			return fail(why, E_TRUNCATED, "a section is cut short");
		if ((type >= 1 && type <= KNOWN_SECTIONS) || type == BLOB_APP) {
			struct content *content = type == BLOB_APP ? &c->app : &c->of[type];
			if (content->p)
				return fail(why, E_FORMAT, "a section is there twice");
			*content = (struct content){p, len};
		} else if (type == 0) {
			return fail(why, E_FORMAT, "section of type 0");
		} else if (type & BLOB_MUST) {
			return fail(why, E_UNSUPPORTED, "a section that must be understood is not known");
		}
	}
	if (reader_left(r))
		return fail(why, E_FORMAT, "bytes behind the last section");
	return 0;
}

static int check_sections(const struct contents *c, const char **why)
{
	static const uint32_t lens[KNOWN_SECTIONS + 1] = {0, HANDOFF_LEN, SOCKET_LEN, TCP_LEN, IP_LEN, QUEUES_LEN, 0};

	for (unsigned type = 1; type <= KNOWN_SECTIONS; type++) {
		const bool fixed = type != BLOB_SEGMENTS && type != BLOB_DATA;
		if (!c->of[type].p)
			return fail(why, E_FORMAT, "a section is missing");
		if (fixed ? c->of[type].len != lens[type] : c->of[type].len < lens[type])
			return fail(why, E_FORMAT, "a section's length is wrong");
	}
	if (c->of[BLOB_DATA].len > CONN_DATA_MAX)
		return fail(why, E_TOOBIG, "more data than a connection can have");
	if (c->app.p && !c->app.len)
		return fail(why, E_FORMAT, "a section's length is wrong");
	if (c->app.len > CONN_APP_MAX)
		return fail(why, E_TOOBIG, "more of an application's state than there can be");
	return 0;
}

/* Segments and data. Each segment is added with its bytes, which gives it its offset. */
static int read_segments(const struct contents *c, struct conn_state *s, const char **why)
{
	const uint8_t *p = c->of[BLOB_SEGMENTS].p;
	const uint8_t *data = c->of[BLOB_DATA].p;
	size_t left = c->of[BLOB_DATA].len;
	struct conn_state counts;
	size_t count;

	{
		struct conn_state *to = &counts;
		BLOB_QUEUE_FIELDS(GET)
	}
	count = counts.unacked_count + counts.unsent_count + counts.ooseq_count;
	if (count > CONN_SEGMENTS_MAX)
		return fail(why, E_TOOBIG, "more segments than a connection can have");
	if (c->of[BLOB_SEGMENTS].len != QUEUES_LEN + count * SEGMENT_LEN)
		return fail(why, E_FORMAT, "the queues' counts do not fit the section's length");
	if (s->socket.unread > left)
		return fail(why, E_FORMAT, "less data than is unread");
	vec_reserve(&s->data, left);
	vec_append(&s->data, data, s->socket.unread);
	data += s->socket.unread;
	left -= s->socket.unread;
	for (size_t i = 0; i < count; i++) {
		struct conn_segment seg, *to = &seg;
		uint8_t *room;
		BLOB_SEGMENT_FIELDS(GET)
		if (seg.len > left)
			return fail(why, E_FORMAT, "less data than the segments have");
		room = conn_state_segment_add(s, seg.seq, seg.len, seg.flags);
		if (seg.len)
			memcpy(room, data, seg.len);
		data += seg.len;
		left -= seg.len;
		if (i < counts.unacked_count)
			s->unacked_count++;
		else if (i < counts.unacked_count + counts.unsent_count)
			s->unsent_count++;
		else
			s->ooseq_count++;
	}
	return left ? fail(why, E_FORMAT, "more data than is unread and queued") : 0;
}

static int decode(const uint8_t *bytes, size_t n, struct blob_mapping *m, struct conn_state *s, const char **why)
{
	struct reader r = reader_make(bytes, n);
	struct contents c = {0};
	uint16_t sections;
	int err;

	err = read_header(&r, n, &sections, why);
	if (!err)
		err = read_sections(&r, sections, &c, why);
	if (!err)
		err = check_sections(&c, why);
	if (err)
		return err;
	get_handoff(c.of[BLOB_HANDOFF].p, m);
	get_socket(c.of[BLOB_SOCKET].p, &s->socket);
	get_tcp(c.of[BLOB_TCP].p, &s->tcp);
	get_ip(c.of[BLOB_IP].p, &s->ip);
	if (!flow_valid(m->flow))
		return fail(why, E_FORMAT, "a half of the flow identifier is zero");
	if (!addr_valid(&s->ip.local) || !addr_valid(&s->ip.remote) || s->ip.local.family != s->ip.remote.family)
		return fail(why, E_FORMAT, "the addresses are malformed");
	if (c.app.p)
		vec_append(&s->app, c.app.p, c.app.len);
	return read_segments(&c, s, why);
}

int blob_decode(const uint8_t *p, size_t n, struct blob_mapping *m, struct conn_state *s, const char **why)
{
	int err;

	conn_state_clear(s);
	err = decode(p, n, m, s, why);
	if (err)
		conn_state_clear(s);
	else
		m->tuple = conn_state_tuple(s);
	return err;
}
