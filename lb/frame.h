/* SPDX-License-Identifier: BSD-3-Clause */
/* The wire format of courier frames, version 1: encoding and decoding, no state, no cryptography (lb/seal.h).
 *
 * A frame is the payload of one datagram. Numbers are big-endian.
 *
 *   offset  bytes
 *   0       1      magic, 0xB7
 *   1       1      version, 1
 *   2       1      kind: 1 HELLO, 2 DATA
 *   3       1      epoch: of the cluster key that sealed it; grows by one with every change of the key, modulo 256
 *   4       2      from: the sender's device id, 1..65535
 *   6       2      to: the receiver's device id, 1..65535
 *   8       8      boot: the sender's boot id, not 0
 *   16      8      number: the packet number, the AEAD's nonce; grows by one a frame of its kind, from 1; never twice
 *   24      n      body, sealed: sections
 *   24 + n  16     the AEAD's tag over header (as additional data) and body
 *
 * The header is in the clear so that a relay finds the receiver and the receiver finds the key, but it is
 * authenticated. HELLO frames are sealed for (sender, receiver, sender's boot), DATA frames for both boots (lb/seal.h).
 *
 * A section is: type (1), length of what follows (2), value. Sections of unknown type are skipped. All sections are
 * checked before any is acted upon; one that is malformed spoils the frame.
 *
 * 1 HELLO: echo (8): the receiver's boot as its sender knows it, 0 if not; flags (1): bit 0 answer wanted (the sender
 * has no proof yet that the receiver knows its present boot), others 0; answers (8): number of the HELLO which this one
 * answers, 0 for none (a round-trip sample). Only in, and once in, kind HELLO.
 *
 * 2 ACK: delay (4): microseconds between receipt of `largest` and sending; largest (8): packet number; first (2): how
 * many numbers below largest without a gap were received too; then up to FRAME_RANGES_MAX pairs going down: gap (2):
 * numbers not received, less one; length (2): numbers received, less one. Numbers that are not covered are not
 * acknowledged (RFC 2018's meaning of SACK; RFC 9000 section 19.3's shape). At most once.
 *
 * 3 FLOOR: id (8): the sender holds no message below this id any more: what is incomplete can be dropped and delivered
 * ones need not be remembered. At most once; required beside DATA, and acted upon before it.
 *
 * 4 DATA: id (8): message id, not 0, never reused by a boot towards a receiver; type (1): the message's, opaque; total
 * (4): its length; chunk (2): bytes in each piece but the last; index (2): which piece; bytes. The piece stands at
 * chunk * index and has min(chunk, total - chunk * index) bytes. All pieces of a message agree on type, total and
 * chunk. A message of length 0 is one piece of 0 bytes. Up to FRAME_DATA_MAX.
 *
 * A frame is to be acknowledged when it holds DATA. */
#ifndef BATON_LB_FRAME_H
#define BATON_LB_FRAME_H

#include "base/cursor.h"
#include "lb/seal.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_MAGIC      0xB7U
#define FRAME_VERSION    1U
#define FRAME_HEADER_LEN 24U                               /* bytes in the clear */
#define FRAME_OVERHEAD   (FRAME_HEADER_LEN + SEAL_TAG_LEN) /* bytes of a frame that are not sections */

#define FRAME_SECTION_LEN 3U                                      /* bytes of type and length */
#define FRAME_HELLO_LEN   (FRAME_SECTION_LEN + 17U)               /* bytes of a whole HELLO section */
#define FRAME_ACK_LEN     (FRAME_SECTION_LEN + 14U)               /* of an ACK without pairs */
#define FRAME_ACK_LEN_MAX (FRAME_ACK_LEN + 4U * FRAME_RANGES_MAX) /* of the longest ACK */
#define FRAME_FLOOR_LEN   (FRAME_SECTION_LEN + 8U)                /* of a FLOOR section */
#define FRAME_DATA_LEN    (FRAME_SECTION_LEN + 17U)               /* of a DATA section, without its bytes */

#define FRAME_RANGES_MAX  63U            /* pairs in an ACK behind the first range */
#define FRAME_DATA_MAX    8U             /* DATA sections in a frame */
#define FRAME_CHUNK_MIN   64U            /* bytes: smallest chunk of a message of several pieces */
#define FRAME_MESSAGE_MAX (1088U * 1024) /* bytes of a message: 1 MiB + 64 KiB */

enum frame_kind { FRAME_KIND_HELLO = 1, FRAME_KIND_DATA = 2 };

struct frame_header {
	enum frame_kind kind;
	uint8_t epoch;
	uint16_t from, to;
	uint64_t boot;
	uint64_t number;
};

struct frame_hello {
	uint64_t echo;
	uint64_t answers;
	bool answer_wanted;
};

/* Packet numbers low..high, both included. */
struct frame_range {
	uint64_t low, high;
};

struct frame_ack {
	uint32_t delay_us;
	uint32_t count; /* ranges, at least 1 */
	struct frame_range
		ranges[FRAME_RANGES_MAX + 1]; /* descending, disjoint, not adjacent; the first ends in largest */
};

struct frame_data {
	uint64_t id;
	uint8_t type;
	uint32_t total; /* bytes of the message */
	uint16_t chunk, index;
	uint32_t len;         /* bytes of this piece */
	const uint8_t *bytes; /* borrowed from the frame */
};

/* A decoded body. */
struct frame_body {
	bool has_hello, has_ack, has_floor;
	struct frame_hello hello;
	struct frame_ack ack;
	uint64_t floor;
	uint32_t data_count;
	struct frame_data data[FRAME_DATA_MAX];
};

/* Pieces a message of `total` bytes is cut into by `chunk` (at least 1). Precondition: chunk > 0. */
static inline uint32_t frame_chunk_count(uint32_t total, uint32_t chunk)
{
	return total ? (total + chunk - 1) / chunk : 1;
}

/* Writes FRAME_HEADER_LEN bytes. */
void frame_header_encode(uint8_t *frame, const struct frame_header *h);

/* Reads the header of a frame of `len` bytes: 0, E_TRUNCATED (shorter than FRAME_OVERHEAD), E_FORMAT or E_VERSION. */
int frame_header_decode(struct frame_header *h, const uint8_t *frame, size_t len);

/* Sections are appended to `w`; its `bad` is set when they do not fit. */
void frame_hello_encode(struct writer *w, const struct frame_hello *hello);
void frame_ack_encode(struct writer *w, const struct frame_ack *ack);
void frame_floor_encode(struct writer *w, uint64_t floor);
void frame_data_encode(struct writer *w, const struct frame_data *data);

/* Decodes and checks all sections of an opened body: 0 or E_FORMAT. `b` borrows from `body`. */
int frame_body_decode(struct frame_body *b, enum frame_kind kind, const uint8_t *body, size_t len);

#endif
