/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/invariants.h"

#include "base/buf.h"
#include "base/log.h"
#include "stack/stack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OWNERS_INITIAL 256U

void invariants_init(struct invariants *i, uint64_t seed)
{
	*i = (struct invariants){
		.buffers_before = buf_outstanding(),
		.blocks_before = stack_blocks_outstanding(),
	};
	hash_key_init(&i->key, seed, "invariants");
}

void invariants_fini(struct invariants *i)
{
	free(i->owners);
	i->owners = NULL;
}

void invariants_break(struct invariants *i, const char *which, const char *detail)
{
	if (i->broken)
		return;
	i->broken = which;
	snprintf(i->detail, sizeof(i->detail), "%s", detail ? detail : "");
}

/* The tuple's slot, or the empty one where it would go. */
static struct invariants_owner *owner_slot(const struct invariants *i, const struct tuple *t)
{
	size_t mask = i->owners_capacity - 1;
	size_t at = hash_bytes(&i->key, t, sizeof(*t)) & mask;
	while (i->owners[at].device && !tuple_equal(&i->owners[at].tuple, t))
		at = (at + 1) & mask;
	return &i->owners[at];
}

static void owners_grow(struct invariants *i)
{
	struct invariants_owner *old = i->owners;
	size_t old_capacity = i->owners_capacity;
	i->owners_capacity = old_capacity ? 2 * old_capacity : OWNERS_INITIAL;
	i->owners = calloc(i->owners_capacity, sizeof(*i->owners));
	if (!i->owners)
		log_fatal("out of memory for %zu connections", i->owners_capacity);
	for (size_t n = 0; n < old_capacity; n++)
		if (old[n].device)
			*owner_slot(i, &old[n].tuple) = old[n];
	free(old);
}

static void owner_set(struct invariants *i, const struct tuple *t, uint16_t device)
{
	if (2 * (i->owners_count + 1) > i->owners_capacity)
		owners_grow(i);
	struct invariants_owner *o = owner_slot(i, t);
	if (o->device && o->device != device) {
		char text[TUPLE_TEXT_MAX], detail[sizeof(i->detail)];
		snprintf(detail, sizeof(detail), "%s is active at devices %u and %u", tuple_text(t, text), o->device,
			 device);
		invariants_break(i, "I2: two stacks own a connection", detail);
	}
	if (!o->device)
		i->owners_count++;
	*o = (struct invariants_owner){.tuple = *t, .device = device};
}

/* Empties a slot, moving what was pushed behind it back (no tombstones). */
static void owner_erase(struct invariants *i, size_t at)
{
	size_t mask = i->owners_capacity - 1;
	i->owners_count--;
	for (size_t next = (at + 1) & mask; i->owners[next].device; next = (next + 1) & mask) {
		size_t home = hash_bytes(&i->key, &i->owners[next].tuple, sizeof(struct tuple)) & mask;
		if (((next - home) & mask) >= ((next - at) & mask)) {
			i->owners[at] = i->owners[next];
			at = next;
		}
	}
	i->owners[at].device = 0;
}

static void owner_clear(struct invariants *i, const struct tuple *t, uint16_t device)
{
	if (!i->owners_capacity)
		return;
	struct invariants_owner *o = owner_slot(i, t);
	if (o->device == device)
		owner_erase(i, (size_t)(o - i->owners));
}

void invariants_observe(struct invariants *i, uint16_t device, enum trace_event event, const struct trace_field *fields,
			size_t count)
{
	bool active = event == TRACE_CLASSIFIER_OPEN || event == TRACE_INDICATE || event == TRACE_HANDOFF_ROLLBACK;
	bool gone = event == TRACE_MIGRATE_CALL || event == TRACE_CONNECTION_CLOSE;
	if (!active && !gone)
		return;
	for (size_t n = 0; n < count; n++) {
		if (fields[n].kind != TRACE_KIND_TUPLE)
			continue;
		if (active)
			owner_set(i, fields[n].tuple, device);
		else
			owner_clear(i, fields[n].tuple, device);
		return;
	}
}

void invariants_crash(struct invariants *i, uint16_t device)
{
	for (size_t at = 0; at < i->owners_capacity;) {
		if (i->owners[at].device == device)
			owner_erase(i, at);
		else
			at++;
	}
}

void invariants_check_leaks(struct invariants *i)
{
	char detail[sizeof(i->detail)];
	uint64_t buffers = buf_outstanding(), blocks = stack_blocks_outstanding();
	if (buffers != i->buffers_before) {
		snprintf(detail, sizeof(detail), "%lld packet buffers",
			 (long long)buffers - (long long)i->buffers_before);
		invariants_break(i, "I5: packet buffers leak", detail);
	}
	if (blocks != i->blocks_before) {
		snprintf(detail, sizeof(detail), "%lld blocks", (long long)blocks - (long long)i->blocks_before);
		invariants_break(i, "I5: memory of the stacks leaks", detail);
	}
}
