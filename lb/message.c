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
	memcpy(p, m->tuple.remote.bytes, ADDR_BYTES);
	p += ADDR_BYTES;
	memcpy(p, m->tuple.local.bytes, ADDR_BYTES);
	p += ADDR_BYTES;
	put(&p, m->tuple.remote_port, 2);
	put(&p, m->tuple.local_port, 2);
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
	if (m->reason >= MESSAGE_REASON_COUNT || (family != 4 && family != 6))
		return E_FORMAT;
	m->flow = reader_u32(&r);
	m->generation = reader_u32(&r);
	m->handoff = reader_u64(&r);
	m->first = reader_u16(&r);
	m->second = reader_u16(&r);
	m->first_boot = reader_u64(&r);
	m->second_boot = reader_u64(&r);
	if (!addr_read(&r, family, &m->tuple.remote) || !addr_read(&r, family, &m->tuple.local))
		return E_FORMAT;
	m->tuple.remote_port = reader_u16(&r);
	m->tuple.local_port = reader_u16(&r);
	if (r.bad || !flow_valid(m->flow) || !m->generation || !m->first || !m->second || !m->first_boot ||
	    !m->second_boot || !m->tuple.remote_port || !m->tuple.local_port)
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
