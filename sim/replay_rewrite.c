/* SPDX-License-Identifier: BSD-3-Clause */
#include "sim/replay_rewrite.h"

#include "base/cursor.h"

#include <string.h>

#define OPTION_END  0U
#define OPTION_NOP  1U
#define HEADER_LEN  20U
#define SHIFT_MAX   14U
#define SACK_BLOCK  8U
#define STAMPS_SIZE 10U

/* Steps over the option at *at; false at the end of the list, or where it makes no sense. *size: its bytes. */
static bool option_next(const uint8_t *options, size_t len, size_t *at, size_t *size)
{
	*at += *size;
	if (*at >= len || options[*at] == OPTION_END)
		return false;
	*size = 1;
	if (options[*at] == OPTION_NOP)
		return true;
	if (*at + 1 >= len || options[*at + 1] < 2 || *at + options[*at + 1] > len)
		return false;
	*size = options[*at + 1];
	return true;
}

const uint8_t *replay_option_find(const uint8_t *options, size_t len, uint8_t kind, size_t size)
{
	size_t at = 0, have = 0;

	while (option_next(options, len, &at, &have))
		if (options[at] == kind && have >= size)
			return options + at;
	return NULL;
}

bool replay_option_scale(const uint8_t *options, size_t len, uint8_t *shift)
{
	const uint8_t *o = replay_option_find(options, len, TCP_OPTION_SCALE, 3);

	if (o)
		*shift = o[2] > SHIFT_MAX ? SHIFT_MAX : o[2];
	return o;
}

uint16_t replay_window_field(uint32_t bytes, uint8_t shift)
{
	uint32_t field = bytes >> shift;

	if (bytes && !field)
		return 1;
	return field > UINT16_MAX ? UINT16_MAX : (uint16_t)field;
}

static void option_rewrite(const struct replay_rewrite *m, uint8_t *o, size_t size)
{
	if (o[0] == TCP_OPTION_SACK && size > 2) {
		if (m->sack_drop)
			memset(o, OPTION_NOP, size);
		else
			for (size_t at = 2; at + SACK_BLOCK <= size; at += SACK_BLOCK) {
				store_be32(o + at, load_be32(o + at) + m->ack_add);
				store_be32(o + at + 4, load_be32(o + at + 4) + m->ack_add);
			}
	} else if (o[0] == TCP_OPTION_TIMESTAMPS && size == STAMPS_SIZE) {
		if (m->timestamps_drop)
			memset(o, OPTION_NOP, size);
		else if (m->echo_set)
			store_be32(o + 6, m->echo);
	}
}

void replay_rewrite(const struct replay_rewrite *m, uint8_t *tcp, size_t len)
{
	size_t at = 0, size = 0;

	store_be16(tcp, m->source);
	store_be16(tcp + 2, m->destination);
	store_be32(tcp + 4, load_be32(tcp + 4) + m->seq_add);
	if (tcp[13] & TCP_ACK)
		store_be32(tcp + 8, load_be32(tcp + 8) + m->ack_add);
	if (!(tcp[13] & TCP_SYN) && m->shift_captured != m->shift_live)
		store_be16(tcp + 14,
			   replay_window_field((uint32_t)load_be16(tcp + 14) << m->shift_captured, m->shift_live));
	while (option_next(tcp + HEADER_LEN, len - HEADER_LEN, &at, &size))
		option_rewrite(m, tcp + HEADER_LEN + at, size);
}
