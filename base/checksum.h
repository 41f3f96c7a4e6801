/* SPDX-License-Identifier: BSD-3-Clause */
/* The Internet checksum (RFC 1071), vectorised, and its incremental update (RFC 1624). */
#ifndef BATON_BASE_CHECKSUM_H
#define BATON_BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

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

/* Folds a sum of words of up to 32 bits. It is 0 only when all of them were. */
static inline uint16_t checksum_fold(uint64_t s)
{
	s = (s & 0xffffffff) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	return (uint16_t)((s & 0xffff) + (s >> 16));
}

/* Adds n bytes (few, even) to a sum to be folded: checksum_sum without a call, where n is known. */
static inline __attribute__((always_inline)) uint64_t checksum_few(uint64_t s, const void *data, size_t n)
{
	const uint8_t *p = (const uint8_t *)data;

	for (; n >= 4; n -= 4, p += 4) {
		uint32_t word;
		memcpy(&word, p, 4);
		s += word;
	}
	if (n) {
		uint16_t word;
		memcpy(&word, p, 2);
		s += word;
	}
	return s;
}

/* The incremental update of RFC 1624, equation 3: HC' = ~(~HC + ~m + m'). checksum_change adds ~m + m' of n bytes (few,
 * even, 16-bit aligned in the packet) that change from old to new; checksum_changed gives the new field from the old,
 * both as they stand in memory. The complement of a word is, in one's complement, that of its halves. */
static inline __attribute__((always_inline)) uint64_t checksum_change(uint64_t change, const void *old_bytes,
								      const void *new_bytes, size_t n)
{
	const uint8_t *p = (const uint8_t *)old_bytes;

	change = checksum_few(change, new_bytes, n);
	for (; n >= 4; n -= 4, p += 4) {
		uint32_t word;
		memcpy(&word, p, 4);
		change += (uint32_t)~word;
	}
	if (n) {
		uint16_t word;
		memcpy(&word, p, 2);
		change += (uint16_t)~word;
	}
	return change;
}

static inline uint16_t checksum_changed(uint16_t check, uint64_t change)
{
	return (uint16_t)~checksum_fold(change + (uint16_t)~check);
}

/* The two in one, for a change in one place. */
static inline __attribute__((always_inline)) uint16_t checksum_update(uint16_t check, const void *old_bytes,
								      const void *new_bytes, size_t n)
{
	return checksum_changed(check, checksum_change(0, old_bytes, new_bytes, n));
}

#endif
