/* SPDX-License-Identifier: BSD-3-Clause */
/* What the two sides of a connection said, as exchanges: a request and its reply, with their time, target and sizes.
 *
 * HTTP/1 is read by http-parser, a TLS hello by lb/hello. All else, and what comes behind HTTP that cannot be read on
 * (an upgrade, bytes that the capture lacks), is taken in turns: what the client says until the server answers, and
 * what that says until the client speaks again. At most TALK_EXCHANGES_MAX a connection are told apart, and as
 * many as there is room for in all; what comes behind is counted to the last. Caller: import/import. */
#ifndef BATON_IMPORT_TALK_H
#define BATON_IMPORT_TALK_H

#include "lb/hello.h"

#include <http_parser.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TALK_EXCHANGES_MAX 1024U
#define TALK_TEXT_MAX      1024U /* bytes kept of a target; longer ones are cut */
#define TALK_HOST_MAX      255U

struct talk_exchange {
	int64_t at_ns;
	uint64_t body, reply; /* bytes */
	const char *method;   /* of HTTP; static; NULL: plain bytes */
	char *target, *host;  /* as in the request; host NULL: it named none */
	bool expects;         /* 100-continue */
	bool http_10;
};

struct talk_list {
	struct talk_exchange *items;
	size_t count, room;
	uint64_t *bytes_left; /* of all that share it */
};

struct talk_http; /* while HTTP is being read */

struct talk {
	struct talk_list turns, http;
	struct talk_http *reader; /* NULL: not begun, or given up */
	struct hello hello;
	bool hello_known, hello_begun;
	bool begun;         /* the client said something */
	bool http_whole;    /* every byte was HTTP so far */
	uint32_t pipelined; /* the most requests without a reply at a time */
	uint64_t bytes[2];  /* of client, server */
	uint64_t missing;   /* of those, not in the capture */
	uint64_t cut;       /* targets that were too long */
};

enum talk_kind { TALK_NOTHING, TALK_HTTP, TALK_TLS, TALK_PLAIN };

/* bytes_left: of memory for exchanges; outlives the talk. */
void talk_init(struct talk *t, uint64_t *bytes_left);
void talk_fini(struct talk *t);

/* Bytes in order of the client (side 0) or the server (1); NULL: so many that are missing. */
void talk_bytes(struct talk *t, unsigned side, const uint8_t *bytes, uint64_t len, int64_t at_ns);

/* A side will say no more. */
void talk_end(struct talk *t, unsigned side);

/* What it is, by what was said so far, and its exchanges. */
enum talk_kind talk_kind(const struct talk *t);
const struct talk_list *talk_exchanges(const struct talk *t);

/* Of TALK_TLS: the name in the hello, "" when it has none. */
const char *talk_server_name(const struct talk *t);

#endif
