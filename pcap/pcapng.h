/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures: a pcapng writer (draft-ietf-opsawg-pcapng), which libpcap 1.10 lacks.
 *
 * A file is one section: a Section Header Block (little-endian whatever the host; options
 * shb_userappl and opt_comment), an Interface Description Block for each interface (Ethernet; if_name,
 * if_description, if_tsresol 9: nanoseconds), and an Enhanced Packet Block for each packet (epb_flags with its
 * direction, opt_comment when there is one). Time 0 of the run is timestamp 0 (1970-01-01). No host, hardware or date
 * goes in: the same calls make the same bytes.
 *
 * Whole blocks are gathered in a buffer of PCAPNG_BUFFER_LEN and written together, or by pcapng_flush, so that what a
 * crash leaves is a valid file that ends with an earlier packet; a system that kills a process within a write can cut
 * the last block. The first failure to write (a full disk) is returned once, as E_IO;
 * after it everything is dropped silently and pcapng_close says E_IO no more. Reading is libpcap's business. Callers:
 * sim/ and whoever else records frames. */
#ifndef BATON_PCAP_PCAPNG_H
#define BATON_PCAP_PCAPNG_H

#include "base/nstime.h"

#include <stdint.h>

#define PCAPNG_BUFFER_LEN    65536U /* bytes gathered before they are written */
#define PCAPNG_TEXT_MAX      4096U  /* bytes of a name, description or comment; a longer one is cut */
#define PCAPNG_SNAPLEN_MAX   16384U /* bytes of a packet that can be kept */
#define PCAPNG_SNAPLEN_ALL   0U     /* keep whole packets */
#define PCAPNG_INTERFACE_MAX 65536  /* interfaces of a file */

struct pcapng;

/* What the section header says. */
struct pcapng_section {
	const char *application; /* shb_userappl, such as "baton 1.0" */
	const char *comment;     /* opt_comment, such as the scenario's name and seed; NULL: none */
};

/* The values of epb_flags bits 0 and 1. */
enum pcapng_direction { PCAPNG_UNKNOWN = 0, PCAPNG_IN = 1, PCAPNG_OUT = 2 };

/* Creates (or empties) the file and writes the section header. NULL with *err E_IO (errno tells why), or E_NOMEM. */
struct pcapng *pcapng_open(const char *path, const struct pcapng_section *section, int *err);

/* Describes one more interface; returns its id, counted from 0, for pcapng_packet. Packets are cut to `snaplen` bytes
 * (at most PCAPNG_SNAPLEN_MAX; PCAPNG_SNAPLEN_ALL for that). `description` may be NULL. libpcap reads files
 * only if all their interfaces have the same snaplen. E_FULL, E_NOMEM, E_IO. */
int pcapng_interface_add(struct pcapng *w, const char *name, const char *description, uint32_t snaplen);

/* Records a frame of `len` bytes that passed interface `id` at time t. `comment` may be NULL. 0 or E_IO.
 * Precondition: id was returned by pcapng_interface_add. */
int pcapng_packet(struct pcapng *w, int id, nstime t, const uint8_t *frame, uint32_t len,
		  enum pcapng_direction direction, const char *comment);

/* Writes out what is gathered. 0 or E_IO. */
int pcapng_flush(struct pcapng *w);

/* Writes out what is gathered, closes, and frees w. NULL is allowed. 0 or E_IO. */
int pcapng_close(struct pcapng *w);

#endif
