/* SPDX-License-Identifier: BSD-3-Clause */
/* A captured client's TCP header, rewritten in place for a live connection: ports, sequence and acknowledgement
 * numbers, SACK blocks with them, the echoed timestamp, and the window where its scale is another one now. What the
 * live peer did not agree to (RFC 2018, RFC 7323) becomes no-operation options. All else stays, flags and odd options
 * too. The checksum is the caller's. It keeps no state; rewriting with the negated numbers undoes it. Caller:
 * sim/replay_segment. */
#ifndef BATON_SIM_REPLAY_REWRITE_H
#define BATON_SIM_REPLAY_REWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_FIN 0x01U
#define TCP_SYN 0x02U
#define TCP_RST 0x04U
#define TCP_PSH 0x08U
#define TCP_ACK 0x10U

struct replay_rewrite {
	uint16_t source, destination; /* ports */
	uint32_t seq_add, ack_add;    /* from captured numbers to live ones, modulo 2^32 */
	uint8_t shift_captured;       /* window scale of the sender's windows in the capture */
	uint8_t shift_live;           /* and as the live peer understands it */
	bool sack_drop;               /* SACK blocks: to no-operations */
	bool timestamps_drop;         /* timestamps: to no-operations */
	bool echo_set;                /* the echoed timestamp becomes `echo` */
	uint32_t echo;
};

/* Rewrites a header of `len` bytes, options included. Precondition: len >= 20. What lies behind a malformed option is
 * left alone. */
void replay_rewrite(const struct replay_rewrite *m, uint8_t *tcp, size_t len);

/* Sets *shift to the window scale that a SYN's options offer, at most 14 (RFC 7323); false when there is none. */
bool replay_option_scale(const uint8_t *options, size_t len, uint8_t *shift);

/* Finds a well-formed option of this kind and of `size` bytes at least, header included; NULL: there is none. */
const uint8_t *replay_option_find(const uint8_t *options, size_t len, uint8_t kind, size_t size);

#define TCP_OPTION_SCALE      3U
#define TCP_OPTION_SACK       5U
#define TCP_OPTION_TIMESTAMPS 8U

/* The field for a window of `bytes` under a scale: rounded down, but never to nothing. */
uint16_t replay_window_field(uint32_t bytes, uint8_t shift);

#endif
