/* SPDX-License-Identifier: BSD-3-Clause */
/* Captures in: one packet at a time from a pcap or pcapng file, gzipped or not, or from standard input.
 *
 * libpcap reads the records, zlib unpacks, pcap/interfaces tells which interface of a pcapng a packet passed; this
 * strips the link header. Link types: Ethernet, raw IP, BSD NULL and loop, Linux cooked v1 and v2; VLAN tags (802.1Q,
 * 802.1ad, 0x9100), also stacked, are stepped over. Memory does not grow with the file: libpcap holds one record, whose
 * length it bounds. libpcap refuses a pcapng whose interfaces differ in link type or snap length; so does this, with
 * its words. What is in the IP packet is pcap/dissect's business. Called by pcap/canon_source. */
#ifndef BATON_PCAP_READER_H
#define BATON_PCAP_READER_H

#include "pcap/gunzip.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define CAPTURE_WHY_MAX  512U /* bytes of a text that says what is wrong, with its NUL */
#define CAPTURE_VLAN_MAX 8U   /* stacked tags that are stepped over; a packet with more is not IP */

struct capture;

/* One packet; the pointers are good until the next one is asked for. */
struct capture_packet {
	const char *interface; /* of several in the file, as pcap/interfaces names it; NULL: the file has one */
	int64_t time_ns;       /* since 1970, saturated: a file can say any */
	uint32_t frame_len;    /* bytes on the wire, link header included */
	uint16_t ether_type;   /* what the link header says of its content; 0 when there is none, or it was cut off */
	const uint8_t *ip;     /* where the IP packet begins; NULL: not IP */
	uint32_t ip_captured;  /* bytes there */
	uint32_t ip_available; /* bytes there on the wire; more than ip_captured when snapped */
	struct interfaces_comment told; /* what its comments say */
	bool matches;                   /* the filter; true without one */
};

/* Opens a capture; "-" is standard input. NULL with `why` (CAPTURE_WHY_MAX bytes) filled: it is missing, not a
 * capture, or of a link type that is not read. */
struct capture *capture_open(const char *path, char *why);

/* The same with a stream of gunzip_open, which it takes and closes, whatever comes of it. */
struct capture *capture_open_stream(FILE *f, struct gunzip *g, char *why);

/* 1 with the next packet, 0 at the end, or, once and for all: E_TRUNCATED (the file ends within a record or within
 * gzip's data), E_FORMAT (malformed from here on; libpcap's mixed link types too). */
int capture_next(struct capture *c, struct capture_packet *p);

/* Sets a pcap filter, by which packets are told whether they match; all are read. 0, or E_INVAL with `why`
 * (CAPTURE_WHY_MAX bytes) filled. */
int capture_filter_set(struct capture *c, const char *filter, char *why);

/* What the last error was, with the number of packets read before it. Static until capture_close. */
const char *capture_why(const struct capture *c);

/* NULL is allowed. */
void capture_close(struct capture *c);

#endif
