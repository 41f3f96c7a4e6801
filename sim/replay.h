/* SPDX-License-Identifier: BSD-3-Clause */
/* A capture's connections, replayed through a world.
 *
 * The capture is read while the run goes on, a packet when it is due. Each captured TCP connection becomes a client of
 * a service's VIP, at one of the scenario's client nodes: below that node's stack, with its address and a port of its
 * own. It sends the captured client's segments, in their order and not before their time, each once what it
 * acknowledges has really come; numbers are rewritten against what the live stack answers (sim/replay_rewrite). The
 * captured server's bytes are what the script application at the backend says (node/script.h), at the captured points
 * of the conversation. Bytes are compared both ways. As `stream`, a client node's own stack carries the client's bytes
 * instead of the captured segments.
 *
 * Where this client must do more than the captured one did, since another stack answers, it does and counts it:
 * acknowledgements that the live sender's window needs, and retransmissions of what the live network lost.
 *
 * Memory is bounded by the connections that are open: what was replayed is reported and forgotten. The scenario's own
 * traffic is left out, and its `stop` is not waited for. Callers: sim/world, sim/run, cli/. */
#ifndef BATON_SIM_REPLAY_H
#define BATON_SIM_REPLAY_H

#include "base/addr.h"
#include "base/nstime.h"
#include "base/trace.h"
#include "node/script.h"
#include "sim/metrics.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLAY_CONNECTIONS_MAX 65536U            /* open at a time; of more the one that was quiet longest is over */
#define REPLAY_CLOSING_MAX     4096U             /* closed ones of which late packets may come; likewise */
#define REPLAY_WHY_MAX         256U              /* bytes of a text, with its NUL */
#define REPLAY_SPEED_MAX       0U                /* no waiting */
#define REPLAY_PAUSE_MAX       (3600 * NSTIME_S) /* a longer pause in a capture is cut to this */

struct replay;
struct world;
struct world_node;

enum replay_verdict {
	REPLAY_WHOLE,     /* every captured byte came over, both ways */
	REPLAY_BROKEN,    /* not so */
	REPLAY_NO_REPLAY, /* it could not be replayed, for what the capture lacks */
};

/* One connection that is over. Texts and the report itself are good during the call. */
struct replay_report {
	uint64_t number;              /* counted from 1, as they appear */
	uint64_t loop;                /* counted from 1 */
	const struct tuple *captured; /* the client is remote */
	const struct tuple *live;     /* NULL: it was not started */
	enum replay_verdict verdict;
	const char *why;                         /* why it is not whole, or what is to be said of it; may be empty */
	uint64_t client_bytes, server_bytes;     /* that the capture has */
	uint64_t client_arrived, server_arrived; /* and that came over as they are there */
	uint64_t client_lacking, server_lacking; /* that the capture lacks: zeroes were sent for them */
	const char *service, *rule_text;         /* NULL: no rule chose; its text */
	size_t rule;                             /* in the service, counted from 0 */
	const char *backend;                     /* NULL: it was not handed over */
	uint64_t handoffs;
	nstime started, handed_over, handoff_ns, ended; /* NSTIME_NEVER: it was not */
	bool client_reset, server_reset;                /* as captured, and replayed */
	uint64_t segments;                              /* of the client's, sent */
	uint64_t acks_added, retransmissions_added;
};

/* What all of them came to. */
struct replay_totals {
	uint64_t packets; /* read */
	uint64_t other;   /* not TCP, or fragments of it */
	uint64_t malformed;
	uint64_t elsewhere;    /* of a connection that another interface of the file shows */
	uint64_t encapsulated; /* that a comment says were: other interfaces show their connections */
	uint64_t lost;         /* that a comment says were dropped */
	uint64_t unset;        /* whose checksum was left to a network card */
	uint64_t wrong;        /* whose checksum is wrong otherwise */
	uint64_t connections, whole, broken, no_replay;
	uint64_t forgotten; /* over before their end for want of room */
	uint64_t client_bytes, server_bytes, client_arrived, server_arrived, client_lacking, server_lacking;
	uint64_t segments, acks_added, retransmissions_added;
	uint64_t handed_over;
	nstime virtual_ns;
	bool cut; /* the file ends within a packet, or is damaged from somewhere on */
};

struct replay_options {
	const char *capture;  /* "-": standard input */
	const char *filter;   /* pcap's, of the packet that opens a connection; NULL: all */
	uint64_t speed_milli; /* thousandths of the captured speed; REPLAY_SPEED_MAX */
	uint64_t loops;       /* at least 1 */
	bool stream;
	bool keep_bad_checksums;
	void (*ended)(void *context, const struct replay_report *r); /* may be NULL */
	void *context;
};

/* Opens the capture. NULL with `why` (REPLAY_WHY_MAX bytes) filled: it is none, or the filter is wrong (*is_filter).
 * The options are copied, their texts borrowed. */
struct replay *replay_open(const struct replay_options *options, char *why, bool *is_filter);
void replay_close(struct replay *r); /* NULL is allowed */

/* What of the file could not be read, behind what was; NULL: nothing. */
const char *replay_damage(const struct replay *r);

/* Whether it came to its end. */
bool replay_is_finished(const struct replay *r);

const struct replay_totals *replay_totals(const struct replay *r);

/* Sets the metrics replay.*. */
void replay_collect(const struct replay *r, struct metrics *m);

/* ---- for sim/world ---- */

/* Begins, in a world that is built. 0, or E_INVAL with *why: the scenario has no service, or no client node that
 * reaches one. */
int replay_start(struct replay *r, struct world *w, const char **why);

/* The world ends; nothing of it is touched any more but what is freed. */
void replay_stop(struct replay *r);

/* Where a backend's application finds scripts. */
struct script_source replay_scripts(struct world_node *wn);

/* An event of a node's parts. */
void replay_observe(struct replay *r, nstime now, enum trace_event event, const struct trace_field *fields,
		    size_t count);

/* Whether all is over; `idle` says that of the nodes, for which it does not wait for ever. */
bool replay_is_over(const struct replay *r, bool idle, nstime now);

#endif
