/* SPDX-License-Identifier: BSD-3-Clause */
/* The canonical text form of captured packets, a line each; baton-canon(5) is its reference.
 *
 * A line says what matters of a packet and leaves out what differs from run to run: times are relative to the first
 * packet, connections are numbered as they appear, sequence numbers and TCP timestamps are relative to each side's
 * first, payloads are told by their length and hash; addresses and ports are not told. It keeps one small entry a
 * connection, of which there is a limit: beyond it the one that was quiet longest is forgotten, and would be a new one
 * if it came again. Reading canonical text is pcap/canon_parse's business. Called by pcap/canon_source. */
#ifndef BATON_PCAP_CANON_H
#define BATON_PCAP_CANON_H

#include "pcap/reader.h"

#include <stddef.h>
#include <stdint.h>

#define CANON_HEADER          "baton-canon 1" /* the first line of canonical text */
#define CANON_LINE_MAX        1024U           /* bytes of a line, with its NUL */
#define CANON_NAME_MAX        255U            /* bytes of an interface's name */
#define CANON_HASH_LEN        8U              /* bytes of a payload's hash: its SipHash-2-4 under a key of zeroes */
#define CANON_CONNECTIONS_MAX 262144U         /* the usual limit of connections that are kept */

struct canon;

/* NULL when out of memory. Precondition: 0 < connections_max <= CANON_CONNECTIONS_MAX. */
struct canon *canon_new(uint32_t connections_max);

/* Writes the packet's line, without a newline, into `line` of CANON_LINE_MAX bytes; returns its length. `name` is the
 * interface's where there are several, of at most CANON_NAME_MAX bytes, each above the space; empty where not. */
size_t canon_packet(struct canon *c, const struct capture_packet *p, const char *name, char *line);

/* Connections forgotten for want of room. */
uint64_t canon_forgotten(const struct canon *c);

/* NULL is allowed. */
void canon_free(struct canon *c);

#endif
