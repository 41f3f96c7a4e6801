/* SPDX-License-Identifier: BSD-3-Clause */
/* Reads a capture for `baton import`: which connections there were, what was said on them and when, and what they tell
 * of the network on each path, a client's address and a server's.
 *
 * What is kept is bounded, whatever the capture's length: the first IMPORT_CONNECTIONS_MAX connections (of
 * IMPORT_SERVERS_MAX servers' ports), with their exchanges as far as there is room. What is left out is counted, and
 * goes into the estimates all the same while its connection is known. Callers: cli/cmd_import; import/write writes the
 * scenario. */
#ifndef BATON_IMPORT_IMPORT_H
#define BATON_IMPORT_IMPORT_H

#include "base/addr.h"
#include "import/estimate.h"
#include "import/talk.h"
#include "pcap/reader.h"

#define IMPORT_CONNECTIONS_MAX 4096U /* as many entries as traffic may have */
#define IMPORT_SERVERS_MAX     1000U /* ports of servers */
#define IMPORT_SAMPLES_MAX     1000U /* round trips of one path that its median is made of */
#define IMPORT_EXCHANGES_BYTES (UINT64_C(64) << 20)
#define IMPORT_WHY_MAX         (CAPTURE_WHY_MAX + 64U)

/* From a client's address to a server's. Index 0: towards the server, 1: towards the client. */
struct import_path {
	struct addr client, server;
	struct estimate_counts counts[2]; /* of data in each direction */
	/* The round trips from the capture's place to the client and the server: of handshakes, and the quickest of
	 * data. */
	int64_t *samples[2];
	size_t samples_count[2];
	int64_t quickest_ns[2]; /* INT64_MAX: none */
	uint64_t connections;
};

struct import_state; /* of a connection while the capture is read */

struct import_connection {
	struct addr client, server;
	uint16_t client_port, server_port;
	size_t path;
	int64_t opened_ns; /* its first packet, since the capture's first */
	char *interface;   /* of that one, in a file of several; NULL: there is one */
	bool handshake;    /* its SYN was seen */
	bool answered;     /* the server said something, if only in the handshake */
	bool reset;
	struct talk talk;
	struct import_state *state; /* NULL at the end */
};

struct import {
	struct import_path *paths;
	size_t paths_count;
	struct import_connection *connections; /* in order of their first packet */
	size_t connections_count;
	uint64_t packets, tcp_packets;
	uint64_t lost;                                /* segments that a comment says were dropped */
	uint64_t elsewhere;                           /* packets of a connection that another interface shows too */
	uint64_t encapsulated;                        /* as comments say: Baton's own way within its cluster */
	uint64_t damaged, snapped, fragments, others; /* packets that are no TCP segments, by why */
	uint64_t connections_left_out, connections_forgotten;
	int64_t last_ns;     /* of all packets; since 1970 */
	int64_t lasted_ns;   /* from the first packet to the last, without what was cut */
	uint64_t pauses_cut; /* of more than a day, to a day */
	bool begun;
	struct connections *table;
	size_t waiting;      /* bytes of streams out of order */
	uint64_t bytes_left; /* for exchanges */
};

void import_init(struct import *im);
void import_fini(struct import *im);

/* Reads all of a capture ("-": standard input). 0; E_TRUNCATED or E_FORMAT with `why` filled when it is damaged from
 * somewhere on: what came before is there. E_INVAL with `why`: it cannot be read at all. */
int import_read(struct import *im, const char *path, char why[IMPORT_WHY_MAX]);

/* The round trip between the capture's place and the client (0) or the server (1): the median of handshakes, else the
 * quickest acknowledgement of data; -1 when neither was seen. */
int64_t import_half_ns(const struct import_path *p, unsigned side);

#endif
