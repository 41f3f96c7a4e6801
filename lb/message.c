/* SPDX-License-Identifier: BSD-3-Clause */
#include "lb/message.h"

#include "base/cursor.h"
#include "base/err.h"
#include "base/log.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define ADDR_BYTES 16U

static void put(uint8_t **p, uint64_t v, unsigned bytes)
{
	for (unsigned i = bytes; i-- > 0; v >>= 8)
		(*p)[i] = (uint8_t)v;
	*p += bytes;
}

static void put_tuple(uint8_t **p, const struct tuple *t)
{
	memcpy(*p, t->remote.bytes, ADDR_BYTES);
	*p += ADDR_BYTES;
	memcpy(*p, t->local.bytes, ADDR_BYTES);
	*p += ADDR_BYTES;
	put(p, t->remote_port, 2);
	put(p, t->local_port, 2);
}

void message_encode(const struct message *m, uint8_t *out)
{
	uint8_t *p = out;

	assert(m->type != MESSAGE_BLOB && m->tuple.remote.family == m->tuple.local.family);
	put(&p, MESSAGE_VERSION, 1);
	put(&p, m->type, 1);
	put(&p, m->reason, 1);
	put(&p, m->tuple.remote.family, 1);
	put(&p, m->flow, 4);
	put(&p, m->generation, 4);
	put(&p, m->handoff, 8);
	put(&p, m->first, 2);
	put(&p, m->second, 2);
	put(&p, m->first_boot, 8);
	put(&p, m->second_boot, 8);
	put_tuple(&p, &m->tuple);
	assert(p - out == MESSAGE_LEN);
}

/* False when bytes behind the address's are not zero. */
static bool addr_read(struct reader *r, uint8_t family, struct addr *a)
{
	const uint8_t *p = reader_bytes(r, ADDR_BYTES);
	uint8_t excess = 0;

	if (!p)
		return false;
	*a = addr_from_bytes(family, p);
	for (size_t i = addr_len(a); i < ADDR_BYTES; i++)
		excess |= p[i];
	return !excess;
}

/* False for malformed addresses or a zero port. */
static bool tuple_read(struct reader *r, uint8_t family, struct tuple *t)
{
	if ((family != 4 && family != 6) || !addr_read(r, family, &t->remote) || !addr_read(r, family, &t->local))
		return false;
	t->remote_port = reader_u16(r);
	t->local_port = reader_u16(r);
	return !r->bad && t->remote_port && t->local_port;
}

int message_decode(struct message *m, uint8_t type, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_make(bytes, len);
	uint8_t family;

	if (len < MESSAGE_LEN)
		return E_TRUNCATED;
	if (reader_u8(&r) != MESSAGE_VERSION)
		return E_VERSION;
	if (len != MESSAGE_LEN || reader_u8(&r) != type)
		return E_FORMAT;
	if (type < MESSAGE_PREPARE || type > MESSAGE_LAST || type == MESSAGE_BLOB)
		return E_FORMAT;
	m->type = type;
	m->reason = reader_u8(&r);
	family = reader_u8(&r);
	if (m->reason >= MESSAGE_REASON_COUNT)
		return E_FORMAT;
	m->flow = reader_u32(&r);
	m->generation = reader_u32(&r);
	m->handoff = reader_u64(&r);
	m->first = reader_u16(&r);
	m->second = reader_u16(&r);
	m->first_boot = reader_u64(&r);
	m->second_boot = reader_u64(&r);
	if (!tuple_read(&r, family, &m->tuple) || !flow_valid(m->flow) || !m->generation || !m->first || !m->second ||
	    !m->first_boot || !m->second_boot)
		return E_FORMAT;
	return 0;
}

int message_health_decode(struct message_health *m, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_make(bytes, len);
	uint8_t state;

	if (len < MESSAGE_HEALTH_LEN)
		return E_TRUNCATED;
	if (reader_u8(&r) != MESSAGE_VERSION)
		return E_VERSION;
	if (len != MESSAGE_HEALTH_LEN || reader_u8(&r) != MESSAGE_HEALTH)
		return E_FORMAT;
	state = reader_u8(&r);
	if (state > 1 || reader_u8(&r))
		return E_FORMAT;
	m->draining = state;
	m->connections = reader_u32(&r);
	m->limit = reader_u32(&r);
	m->sequence = reader_u64(&r);
	return m->sequence ? 0 : E_FORMAT;
}

int message_choice_decode(struct message_choice *m, uint8_t type, const uint8_t *bytes, size_t len)
{
	struct reader r = reader_make(bytes, len);
	uint8_t family, count;

	if (len < MESSAGE_CHOICE_LEN)
		return E_TRUNCATED;
	if (reader_u8(&r) != MESSAGE_VERSION)
		return E_VERSION;
	if (reader_u8(&r) != type || (type != MESSAGE_CHOOSE && type != MESSAGE_CHOSEN))
		return E_FORMAT;
	*m = (struct message_choice){.type = type};
	family = reader_u8(&r);
	count = reader_u8(&r);
	if (count > (type == MESSAGE_CHOSEN ? 1 : MESSAGE_DEVICES_MAX) || len != MESSAGE_CHOICE_LEN + 2U * count)
		return E_FORMAT;
	m->service = reader_u16(&r);
	m->rule = reader_u16(&r);
	if (!tuple_read(&r, family, &m->tuple))
		return E_FORMAT;
	while (m->devices_count < count) {
		m->devices[m->devices_count] = reader_u16(&r);
		if (!m->devices[m->devices_count++])
			return E_FORMAT;
	}
	return 0;
}

const char *message_reason_text(enum message_reason reason)
{
	static const char *const texts[] = {
#define REASON_TEXT(name, number, text) [MESSAGE_REASON_##name] = text,
		MESSAGE_REASON_LIST(REASON_TEXT)
#undef REASON_TEXT
	};

	return reason < MESSAGE_REASON_COUNT ? texts[reason] : "unknown";
}

static struct vec *outbox_append(struct outbox *o, uint16_t to, enum message_type type, uint64_t tag)
{
	struct outbox_message *m = calloc(1, sizeof *m);

	if (!m)
		log_fatal("out of memory: a message");
	m->to = to;
	m->type = (uint8_t)type;
	m->tag = tag;
	if (o->tail)
		o->tail->next = m;
	else
		o->head = m;
	o->tail = m;
	o->count++;
	return &m->bytes;
}

void outbox_put(struct outbox *o, uint16_t to, const struct message *m, uint64_t tag)
{
	struct vec *bytes = outbox_append(o, to, m->type, tag);

	message_encode(m, vec_append(bytes, NULL, MESSAGE_LEN));
}

void outbox_put_health(struct outbox *o, uint16_t to, const struct message_health *m)
{
	uint8_t *p = vec_append(outbox_append(o, to, MESSAGE_HEALTH, 0), NULL, MESSAGE_HEALTH_LEN);

	put(&p, MESSAGE_VERSION, 1);
	put(&p, MESSAGE_HEALTH, 1);
	put(&p, m->draining, 1);
	put(&p, 0, 1);
	put(&p, m->connections, 4);
	put(&p, m->limit, 4);
	put(&p, m->sequence, 8);
}

void outbox_put_choice(struct outbox *o, uint16_t to, const struct message_choice *m)
{
	size_t len = MESSAGE_CHOICE_LEN + 2 * m->devices_count;
	uint8_t *p = vec_append(outbox_append(o, to, m->type, 0), NULL, len);

	put(&p, MESSAGE_VERSION, 1);
	put(&p, m->type, 1);
	put(&p, m->tuple.remote.family, 1);
	put(&p, m->devices_count, 1);
	put(&p, m->service, 2);
	put(&p, m->rule, 2);
	put_tuple(&p, &m->tuple);
	for (size_t i = 0; i < m->devices_count; i++)
		put(&p, m->devices[i], 2);
}

void outbox_put_blob(struct outbox *o, uint16_t to, struct vec *blob, uint64_t tag)
{
	*outbox_append(o, to, MESSAGE_BLOB, tag) = *blob;
	*blob = (struct vec){0};
}

struct outbox_message *outbox_get(struct outbox *o)
{
	struct outbox_message *m = o->head;

	if (!m)
		return NULL;
	o->head = m->next;
	if (!o->head)
		o->tail = NULL;
	o->count--;
	m->next = NULL;
	return m;
}

void outbox_message_free(struct outbox_message *m)
{
	if (!m)
		return;
	vec_fini(&m->bytes);
	free(m);
}

void outbox_clear(struct outbox *o)
{
	struct outbox_message *m;

	while ((m = outbox_get(o)))
		outbox_message_free(m);
}
