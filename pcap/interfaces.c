/* SPDX-License-Identifier: BSD-3-Clause */
#include "pcap/interfaces.h"

#include "base/vec.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BLOCK_SECTION     0x0a0d0d0aU
#define BLOCK_INTERFACE   1U
#define BLOCK_PACKET      2U /* obsolete */
#define BLOCK_SIMPLE      3U
#define BLOCK_ENHANCED    6U
#define BLOCK_HEADER_LEN  8U
#define BLOCK_LEN_MIN     12U
#define BLOCK_LEN_MAX     (UINT32_C(1) << 28)
#define INTERFACE_OPTIONS 16U   /* where an interface block's options begin */
#define LOOKED_AT_MAX     2048U /* bytes of a block that are looked at: an interface's first options */
#define OPTION_IF_NAME    2U
#define PACKET_OPTIONS    28U /* where a packet's bytes begin, which its options follow */
#define OPTION_COMMENT    1U
#define UNTOLD            (UINT32_MAX >> 2)
/* With a packet's name: what a comment of Baton's says. */
#define LOST             (UINT32_C(1) << 31)
#define ENCAPSULATED     (UINT32_C(1) << 30)
#define PACKETS_DONE_MAX 65536U /* bytes of `packets` that are done with before the rest moves up */

struct interfaces {
	char (*names)[INTERFACE_NAME_MAX + 1];
	uint32_t names_count, names_room; /* of all sections */
	uint32_t section;                 /* where this section's begin */
	struct vec packets; /* a name's index, or UNTOLD, for each packet; from `packets_at` on they wait */
	size_t packets_at, packets_last; /* packets_last: where the latest one's stands */
	bool swapped, begun, off;
	/* The block that goes by. */
	uint8_t block[LOOKED_AT_MAX];
	uint32_t have, want; /* bytes of it in `block`, and how many are wanted there */
	uint32_t skip;       /* bytes that then follow */
	uint32_t options;    /* bytes of a packet's options behind those */
	bool in_options;     /* they are in `block` */
};

struct interfaces *interfaces_new(void)
{
	struct interfaces *w = calloc(1, sizeof(*w));

	if (w)
		w->want = BLOCK_HEADER_LEN;
	return w;
}

void interfaces_free(struct interfaces *w)
{
	if (!w)
		return;
	vec_fini(&w->packets);
	free(w->names);
	free(w);
}

static uint32_t load32(const struct interfaces *w, uint32_t at)
{
	const uint8_t *p = w->block + at;
	uint32_t v = (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];

	return w->swapped ? __builtin_bswap32(v) : v;
}

static uint16_t load16(const struct interfaces *w, uint32_t at)
{
	uint16_t v = (uint16_t)(w->block[at + 1] << 8 | w->block[at]);

	return w->swapped ? __builtin_bswap16(v) : v;
}

static void name_set(struct interfaces *w, char *name)
{
	snprintf(name, INTERFACE_NAME_MAX, "if%u", w->names_count - w->section);
	for (uint32_t at = INTERFACE_OPTIONS; at + 4 <= w->have;) {
		uint32_t len = load16(w, at + 2), kept = len < INTERFACE_NAME_MAX ? len : INTERFACE_NAME_MAX;

		if (at + 4 + len > w->have || !load16(w, at))
			break;
		if (load16(w, at) == OPTION_IF_NAME && len && w->block[at + 4]) {
			memcpy(name, w->block + at + 4, kept);
			name[kept] = 0;
			break;
		}
		at += 4 + (len + 3) / 4 * 4;
	}
	for (; *name; name++)
		if ((unsigned char)*name <= ' ' || *name == 127)
			*name = '_';
}

static void interface_add(struct interfaces *w)
{
	if (w->names_count == INTERFACES_MAX) {
		w->off = true;
		return;
	}
	if (w->names_count == w->names_room) {
		uint32_t room = w->names_room ? w->names_room * 2 : 16;
		void *names = realloc(w->names, room * sizeof(*w->names));

		if (!names) {
			w->off = true;
			return;
		}
		w->names = names;
		w->names_room = room;
	}
	name_set(w, w->names[w->names_count]);
	w->names_count++;
}

static void packet_add(struct interfaces *w, uint32_t interface)
{
	uint32_t count = w->names_count - w->section,
		 name = count > 1 && interface < count ? w->section + interface : UNTOLD;

	w->packets_last = w->packets.len;
	vec_append(&w->packets, &name, sizeof(name));
}

/* Whether one of a comment's parts, which "; " joins, begins so. */
static bool comment_has(const uint8_t *text, uint32_t len, const char *word)
{
	size_t n = strlen(word);

	for (const uint8_t *end = text + len; (size_t)(end - text) >= n;) {
		const uint8_t *next = memmem(text, (size_t)(end - text), "; ", 2);

		if (!memcmp(text, word, n))
			return true;
		if (!next)
			break;
		text = next + 2;
	}
	return false;
}

static void comment_take(struct interfaces *w, const uint8_t *text, uint32_t len)
{
	uint32_t entry;

	memcpy(&entry, w->packets.data + w->packets_last, sizeof(entry));
	entry |= comment_has(text, len, "dropped: ") ? LOST : 0;
	if (comment_has(text, len, "encapsulated, ") || comment_has(text, len, "bounced, "))
		entry |= ENCAPSULATED;
	memcpy(w->packets.data + w->packets_last, &entry, sizeof(entry));
}

/* The options of the latest packet, or as many of them as are looked at. */
static void options_take(struct interfaces *w)
{
	for (uint32_t at = 0; at + 4 <= w->have && load16(w, at);) {
		uint32_t len = load16(w, at + 2);

		if (at + 4 + len > w->have)
			len = w->have - at - 4;
		if (load16(w, at) == OPTION_COMMENT)
			comment_take(w, w->block + at + 4, len);
		at += 4 + (len + 3) / 4 * 4;
	}
}

/* Behind the bytes that are skipped next there may be options: *rest is what the block still has. */
static void options_expect(struct interfaces *w, uint32_t rest)
{
	uint32_t bytes = w->have >= PACKET_OPTIONS ? load32(w, PACKET_OPTIONS - 8) : 0;

	bytes += (4 - bytes % 4) % 4;
	if (bytes > rest || rest - bytes <= 4)
		return;
	w->options = rest - bytes;
	w->skip = bytes;
}

/* How many bytes of a block are looked at, its header included. */
static uint32_t looked_at(uint32_t type, uint32_t len)
{
	switch (type) {
	case BLOCK_SECTION:
	case BLOCK_PACKET:
		return BLOCK_LEN_MIN;
	case BLOCK_ENHANCED:
		return len < PACKET_OPTIONS ? BLOCK_LEN_MIN : PACKET_OPTIONS;
	case BLOCK_INTERFACE:
		return len < LOOKED_AT_MAX ? len : LOOKED_AT_MAX;
	default:
		return BLOCK_HEADER_LEN;
	}
}

static void block_take(struct interfaces *w, uint32_t type)
{
	if (type == BLOCK_SECTION)
		w->section = w->names_count;
	else if (type == BLOCK_INTERFACE)
		interface_add(w);
	else if (type == BLOCK_ENHANCED)
		packet_add(w, load32(w, BLOCK_HEADER_LEN));
	else if (type == BLOCK_PACKET)
		packet_add(w, load16(w, BLOCK_HEADER_LEN));
	else if (type == BLOCK_SIMPLE)
		packet_add(w, 0);
}

/* As many bytes of the block are there as were wanted: more are, or it is taken and the rest skipped. */
static void block_look(struct interfaces *w)
{
	static const uint8_t magic[] = {0x4d, 0x3c, 0x2b, 0x1a};
	uint32_t type = load32(w, 0);

	if (type == BLOCK_SECTION && w->have >= BLOCK_LEN_MIN)
		w->swapped = memcmp(w->block + BLOCK_HEADER_LEN, magic, sizeof(magic)) != 0;
	uint32_t len = load32(w, 4), want = looked_at(type, len);

	if (type == BLOCK_SECTION && w->have < want) {
		w->want = want; /* its length is in the order that it tells only then */
		return;
	}
	w->off |= len < BLOCK_LEN_MIN || len > BLOCK_LEN_MAX || (!w->begun && type != BLOCK_SECTION);
	w->begun = true;
	if (w->off)
		return;
	if (w->have < want) {
		w->want = want;
		return;
	}
	block_take(w, type);
	w->skip = (len + 3) / 4 * 4 - want;
	if (type == BLOCK_ENHANCED)
		options_expect(w, w->skip);
	w->have = 0;
	w->want = BLOCK_HEADER_LEN;
}

/* What was skipped is past. */
static void skipped(struct interfaces *w)
{
	if (!w->options)
		return;
	w->in_options = true;
	w->want = w->options < LOOKED_AT_MAX ? w->options : LOOKED_AT_MAX;
}

static void options_look(struct interfaces *w)
{
	options_take(w);
	w->skip = w->options - w->have;
	w->options = 0;
	w->in_options = false;
	w->have = 0;
	w->want = BLOCK_HEADER_LEN;
}

void interfaces_watch(struct interfaces *w, const uint8_t *p, size_t n)
{
	while (n && !w->off) {
		size_t step = w->skip ? w->skip : w->want - w->have;

		if (step > n)
			step = n;
		if (w->skip) {
			w->skip -= (uint32_t)step;
			if (!w->skip)
				skipped(w);
		} else {
			memcpy(w->block + w->have, p, step);
			w->have += (uint32_t)step;
			if (w->have == w->want && w->in_options)
				options_look(w);
			else if (w->have == w->want)
				block_look(w);
		}
		p += step;
		n -= step;
	}
}

const char *interfaces_next(struct interfaces *w, struct interfaces_comment *told)
{
	uint32_t name;

	*told = (struct interfaces_comment){0};
	if (w->packets_at == w->packets.len)
		return NULL;
	memcpy(&name, w->packets.data + w->packets_at, sizeof(name));
	w->packets_at += sizeof(name);
	/* The last packet of what was read is often not whole yet, so that some may always wait. */
	if (w->packets_at == w->packets.len || w->packets_at >= PACKETS_DONE_MAX) {
		w->packets.len -= w->packets_at;
		memmove(w->packets.data, w->packets.data + w->packets_at, w->packets.len);
		w->packets_at = 0;
	}
	told->lost = name & LOST;
	told->encapsulated = name & ENCAPSULATED;
	name &= ~(LOST | ENCAPSULATED);
	return name == UNTOLD ? NULL : w->names[name];
}
