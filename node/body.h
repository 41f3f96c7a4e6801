/* SPDX-License-Identifier: BSD-3-Clause */
/* Bodies: endless byte streams, each named by a 64-bit key, that both ends of a connection can make and check.
 *
 * Byte i of a stream depends on the key and i alone (random access), so a lost, repeated, moved or flipped byte is seen
 * wherever it is. Not for secrets. Used by all applications; it knows no sockets.
 *
 * Word w (8 bytes, little-endian) of the stream of key k is mix(k + (w + 1) * 0x9e3779b97f4a7c15), where mix(x) is
 * x ^= x >> 32; x += x << 21; x ^= x >> 17: shifts and adds only, so that every 64-bit vector unit can do it. */
#ifndef BATON_NODE_BODY_H
#define BATON_NODE_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The key for a name (a path, say) in a run: the same on every node for the same seed. */
uint64_t body_key(uint64_t seed, const void *name, size_t name_len);

/* Writes bytes offset .. offset + len - 1 of the stream. */
void body_fill(uint64_t key, uint64_t offset, void *out, size_t len);

/* Whether the bytes are those at offset of the stream. */
bool body_verify(uint64_t key, uint64_t offset, const void *bytes, size_t len);

#endif
