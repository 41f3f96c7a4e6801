/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum (RFC 1071), vectorised, and its incremental update (RFC 1624). */
#ifndef BATON_BASE_CHECKSUM_H
#define BATON_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* One's-complement sum of n bytes as 16-bit words in memory order, folded to 16 bits and not inverted: what
 * lwip_standard_chksum returns. An odd last byte counts as if followed by zero. Any alignment, any length. The value
 * is in memory order: store it (inverted) with memcpy, not with a byte swap. */
uint16_t checksum_sum(const void *data, size_t n);

/* The same while copying n bytes from src to dst (no overlap). */
uint16_t checksum_copy(void *dst, const void *src, size_t n);

/* Adds two folded sums, with end-around carry. */
static inline uint16_t checksum_add(uint16_t a, uint16_t b)
{
	uint32_t s = (uint32_t)a + b;
	return (uint16_t)((s & 0xffff) + (s >> 16));
}

/* RFC 1624 equation 3 over `n` bytes (even, 16-bit aligned in the packet) that change from old to new; `check` is the
 * checksum field as it stands in memory; returns the new field. */
uint16_t checksum_update(uint16_t check, const void *old_bytes, const void *new_bytes, size_t n);

#endif
