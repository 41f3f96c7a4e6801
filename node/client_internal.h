/* SPDX-License-Identifier: BSD-3-Clause */
/* What the files of the clients share. Not for others. */
#ifndef BATON_NODE_CLIENT_INTERNAL_H
#define BATON_NODE_CLIENT_INTERNAL_H

#include "base/hash.h"
#include "base/heap.h"
#include "base/vec.h"
#include "node/client.h"
#include "node/sender.h"

#include <http_parser.h>
#include <sys/queue.h>

/* One piece of work, queued on a connection; when it ended, queued as its outcome. */
struct client_work {
	STAILQ_ENTRY(client_work) next;
	struct client_outcome outcome;
	nstime last_byte;                /* of the reply, so far */
	struct vec head;                 /* HTTP: all but the last lines; bulk, TLS: empty until it begins */
	size_t composed;                 /* bytes of head before it began */
	uint64_t body_bytes, body_key;   /* what is sent */
	uint64_t reply_bytes, reply_key; /* HTTP, TLS: what is expected */
	char *server_name;               /* TLS */
	uint32_t hello_records, hello_bytes;
	struct client_abort abort;
	nstime idle;
	bool chunked, expects, head_only, half_close, last;
	bool begun, sent; /* on this socket: its message is (all) queued */
};

/* One connection and the work it does: replies are read for the first; those behind it, up to the pipeline's depth, are
 * begun too. */
struct client_conn {
	struct sock_owner owner;
	struct client *client;
	LIST_ENTRY(client_conn) link;
	struct addr address;
	uint16_t port;
	enum client_kind kind;
	uint32_t keepalive_ms;
	uint64_t group; /* 0: takes no more work, and is in no list of groups */
	LIST_ENTRY(client_conn) group_link;
	struct sock *sock; /* NULL: not connected */
	STAILQ_HEAD(, client_work) queue;
	uint32_t pipeline;           /* work begun at a time, at most; at least 1 */
	uint32_t begun;              /* so many are */
	struct client_work *sending; /* whose message the sender has; NULL: none's */
	struct sender sender;
	uint64_t piece_bytes; /* written at a time; 0: what fits */
	nstime pause;         /* between pieces */
	struct timer resume;  /* of the client's heap: runs while it pauses */
	bool shut;            /* the sending side is ended */
	bool connected;
	bool waits;                     /* the first work has not begun: the connection rests until the timer fires */
	bool continued;                 /* the server asked for the first work's body */
	nstime rests_since;             /* the end of the last work */
	struct timer timer;             /* of the client's heap: the end of a rest, or an abort */
	http_parser parser;             /* HTTP */
	bool replied;                   /* HTTP: the reply is complete */
	struct client_tls *tls;         /* TLS: NULL until the hello */
	struct client_connection story; /* of the socket, so far */
};

/* A connection that ended, until it is told. */
struct client_ended {
	STAILQ_ENTRY(client_ended) next;
	struct client_connection story;
};

LIST_HEAD(client_group_list, client_conn);

/* Connections by their group: a hash table of lists, which grows with them. */
struct client_groups {
	struct hash_key key;
	struct client_group_list *lists; /* NULL until the first comes */
	size_t lists_count;              /* a power of two */
	size_t count;                    /* connections */
};

struct client {
	struct stack *stack;
	uint64_t seed;
	struct trace_sink *trace;
	uint64_t last_request, pending, connections;
	LIST_HEAD(, client_conn) conns; /* newest first */
	STAILQ_HEAD(, client_work) ended;
	bool keep_connections;
	uint64_t connections_opened, resets_idle;
	STAILQ_HEAD(, client_ended) connections_ended;
	struct client_groups groups;
	struct heap timers;
};

/* Notes that bytes of the reply arrived. */
static inline void client_arrival_note(struct client_work *w, nstime now)
{
	struct client_outcome *o = &w->outcome;

	if (o->first_byte == NSTIME_NEVER)
		o->first_byte = now;
	else if (now - w->last_byte > o->stall)
		o->stall = now - w->last_byte;
	w->last_byte = now;
}

/* ---- client_group.c ---- */
void client_groups_init(struct client_groups *g, uint64_t seed);
void client_groups_fini(struct client_groups *g);

/* Connections without group are not added, nor removed. Removing sets the connection's group to 0. */
void client_groups_add(struct client_groups *g, struct client_conn *conn);
void client_groups_remove(struct client_groups *g, struct client_conn *conn);
struct client_conn *client_groups_find(const struct client_groups *g, uint64_t group); /* NULL: there is none */

/* What reading found. */
enum client_progress {
	CLIENT_GOES_ON,
	CLIENT_SENDS, /* there is more to send */
	CLIENT_DONE,
	CLIENT_FAILED,
};

/* client_http.c: composes the head of a request; false when it is impossible. */
bool client_http_compose(struct client *c, struct client_work *w, const struct client_spec *spec);

/* client_tls.c: keeps what the hello needs; false when it is impossible. */
bool client_tls_compose(struct client_work *w, const struct client_spec *spec);

/* Called when work begins: sets the sender. */
void client_http_begin(struct client_conn *conn, struct client_work *w);
void client_stream_begin(struct client_conn *conn, struct client_work *w);
void client_tls_begin(struct client_conn *conn, struct client_work *w);

/* Called before the reply to the first work is read. */
void client_http_expect(struct client_conn *conn);

/* Reads what is there for the first work. FAILED sets *failure. DONE of HTTP and TLS sets *keep_alive. */
enum client_progress client_http_read(struct client_conn *conn, struct client_work *w, nstime now,
				      enum client_failure *failure, bool *keep_alive);
enum client_progress client_stream_read(struct client_conn *conn, struct client_work *w, nstime now,
					enum client_failure *failure);
enum client_progress client_tls_read(struct client_conn *conn, struct client_work *w, nstime now,
				     enum client_failure *failure, bool *keep_alive);

/* The TLS connection is over; the next one needs a hello again. */
void client_tls_end(struct client_conn *conn);

#endif
