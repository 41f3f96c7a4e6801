/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream that reads a file through zlib: what is gzipped is unpacked as it goes, what is not passes as it is. On the
 * way pcap/interfaces sees it. Called by pcap/reader and pcap/canon_source. */
#ifndef BATON_PCAP_GUNZIP_H
#define BATON_PCAP_GUNZIP_H

#include "pcap/interfaces.h"

#include <stdio.h>

struct gunzip;

/* Opens `path` ("-": standard input) for reading; *g is for the calls below, good until the stream is closed with
 * fclose. NULL with errno. */
FILE *gunzip_open(const char *path, struct gunzip **g);

/* What is wrong with the gzip data so far; NULL when nothing is. *cut: it ends too early. */
const char *gunzip_why(struct gunzip *g, int *cut);

/* What the bytes read so far say of interfaces. */
struct interfaces *gunzip_interfaces(struct gunzip *g);

#endif
