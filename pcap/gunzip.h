/* SPDX-License-Identifier: BSD-3-Clause */
/* A stream that reads a file through zlib: what is gzipped is unpacked as it goes, what is not passes as it is. Called
 * by pcap/reader. */
#ifndef BATON_PCAP_GUNZIP_H
#define BATON_PCAP_GUNZIP_H

#include <stdio.h>
#include <zlib.h>

/* Opens `path` ("-": standard input) for reading; *gz is for gunzip_why, good until the stream is closed with fclose.
 * NULL with errno. */
FILE *gunzip_open(const char *path, gzFile *gz);

/* What is wrong with the gzip data so far; NULL when nothing is. *cut: it ends too early. */
const char *gunzip_why(gzFile gz, int *cut);

#endif
