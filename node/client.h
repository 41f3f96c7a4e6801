/* SPDX-License-Identifier: BSD-3-Clause */
/* The applications that connect: HTTP, TLS, echo and bulk clients of one node, behind one interface.
 *
 * client_start() begins one piece of work; what became of it is pulled with client_outcome_next(). Every byte received
 * is verified. HTTP: see node/app.h for the header fields; 1xx answers are skipped. TLS: node/tls.h. Echo: sends a
 * seeded body, half-closes, expects it back and then the end. Bulk: sends a preamble and a seeded body to a sink and
 * closes; done when all is acknowledged. There is no time limit but the one of an abort that was asked for: a
 * connection that fails is reported, one that hangs stays pending. Requests that were pipelined on a connection that
 * ended are sent again over another, but for the first, which failed. Callers: node/, sim/traffic. */
#ifndef BATON_NODE_CLIENT_H
#define BATON_NODE_CLIENT_H

#include "base/trace.h"
#include "node/app.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_HEAD_BYTES_MAX  65536U /* of a request's head */
#define CLIENT_SERVER_NAME_MAX 255U

enum client_kind { CLIENT_HTTP, CLIENT_ECHO, CLIENT_BULK, CLIENT_TLS };

/* How a piece of work is given up on purpose. What is over before it comes to that is not. */
enum client_abort_kind {
	CLIENT_ABORT_NONE,
	CLIENT_ABORT_SENT,     /* when `at` bytes of the body or stream are sent, and more are not */
	CLIENT_ABORT_RECEIVED, /* when `at` bytes of the body or stream have come, and not the whole */
	CLIENT_ABORT_AFTER     /* `at` nanoseconds after it began */
};

struct client_abort {
	enum client_abort_kind kind;
	uint64_t at;
	bool close; /* ends the connection as if all were said (FIN, or RST when unread data is left); else with RST */
};

/* One piece of work. Pointers are borrowed for the call. */
struct client_spec {
	enum client_kind kind;
	uint64_t tag; /* the caller's; comes back with the outcome */
	struct addr address;
	uint16_t port;
	uint64_t body_bytes;   /* HTTP, TLS: of the request's body; echo, bulk: of the stream */
	uint32_t keepalive_ms; /* of a new connection: idle time and interval of TCP keepalive probes; 0: off */
	uint64_t piece_bytes; /* of a new connection: written at a time, each piece in segments of its own; 0: what fits
			       */
	nstime pause;         /* between the pieces */
	struct client_abort abort;
	/* HTTP and TLS: */
	uint64_t reply_bytes; /* 0: the server's default */
	uint64_t group;       /* requests with the same group share a connection, one after the other; 0: its own */
	nstime idle;          /* rest of the connection before this request; its time begins behind that */
	bool group_last;      /* closes the group's connection behind this one; without it, it stays open */
	/* TLS only: */
	const char *server_name; /* NULL: the hello has none */
	uint32_t hello_records;  /* that the hello is cut into; 0: one */
	uint32_t hello_bytes;    /* that the hello is padded to, at most TLS_HELLO_BYTES_MAX; 0: not padded */
	/* HTTP only: */
	const char *method, *host, *path; /* NULL: "GET" ("POST" with a body), the address, "/" */
	const char *const *headers;       /* "Name: value" */
	size_t headers_count;
	bool http_10;         /* the request is of HTTP/1.0 */
	bool chunked;         /* request body in chunks */
	bool expect_continue; /* sends the body when the server says so (100-continue) */
	bool reply_chunked;   /* asks for a reply in chunks */
	bool half_close;      /* ends the sending side behind the request; the connection serves no other request */
	uint32_t pipeline;    /* of a new connection: requests sent before their replies are there, at most; 0: 1 */
};

enum client_failure {
	CLIENT_COMPLETED,  /* none */
	CLIENT_RESET,      /* the connection was reset */
	CLIENT_TIMEOUT,    /* TCP gave up */
	CLIENT_REFUSED,    /* the handshake was refused */
	CLIENT_NO_SOCKET,  /* no port, route or socket left */
	CLIENT_SHORT,      /* the stream ended early */
	CLIENT_CORRUPTED,  /* bytes were not the expected ones, or too many */
	CLIENT_MALFORMED,  /* the reply is no HTTP */
	CLIENT_BAD_STATUS, /* the reply's status is not 200 */
	CLIENT_CRASHED,    /* the client's node did */
	CLIENT_ABORTED,    /* as the spec asked */
	CLIENT_ALERT,      /* the server answered by a TLS alert */
	CLIENT_FAILURE_COUNT
};

struct client_outcome {
	uint64_t request; /* as client_start gave it */
	uint64_t tag;     /* the spec's */
	enum client_kind kind;
	enum client_failure failure;
	const char *reason;      /* static text of failure: "done", "reset", ... */
	uint16_t status;         /* HTTP: the reply's; TLS: the alert's number; 0 when none came */
	uint64_t bytes_sent;     /* of the body or stream, taken by the stack */
	uint64_t bytes_received; /* of the body or stream, verified */
	nstime started;          /* client_start, or when the rest that the spec asked for was over */
	nstime first_byte;       /* of the reply; NSTIME_NEVER when none came */
	nstime stall;            /* the longest time between two arrivals of bytes of the reply */
	nstime ended;
};

/* What became of one connection, for who asked with client_connections_keep. */
struct client_connection {
	struct tuple tuple; /* as the server sees it: remote is the client's */
	enum client_kind kind;
	nstime opened, closed;               /* sock_connect; the application gave it up */
	uint64_t requests;                   /* begun on it */
	uint64_t bytes_sent, bytes_received; /* of bodies and streams */
	uint64_t retransmissions;            /* by the client's TCP, until it was given up */
	const char *reason;                  /* how the last request ended: "done", "reset", ...; static text */
};

struct client;

/* The stack outlives all calls but client_free. trace may be NULL. */
struct client *client_new(struct stack *stack, uint64_t seed, struct trace_sink *trace);

/* As app_free. Work that is pending is forgotten without an outcome. */
void client_free(struct client *c);

/* Starts or queues one piece of work and returns its number, counted from 1. What fails at once (no socket) is an
 * outcome too. 0 when the spec is impossible: a head above CLIENT_HEAD_BYTES_MAX, or a line end in a text. */
uint64_t client_start(struct client *c, const struct client_spec *spec, nstime now);

/* No other request comes for the group: closes its connection behind those that are queued. No effect when there is no
 * such group. */
void client_group_end(struct client *c, uint64_t group, nstime now);

/* Everything pending fails with CLIENT_CRASHED; no socket is touched. Only client_outcome_next and client_free may
 * follow. */
void client_crash(struct client *c, nstime now);

/* The next outcome, in order of ending; false when there is none. */
bool client_outcome_next(struct client *c, struct client_outcome *out);

/* From now on, connections that end are told by client_connection_next, in order of ending; false when there is none.
 */
void client_connections_keep(struct client *c);
bool client_connection_next(struct client *c, struct client_connection *out);

/* Connections opened so far. */
uint64_t client_connections_opened(const struct client *c);

/* Connections that were reset so far while no request was under way on them: no outcome tells of these. */
uint64_t client_resets_idle(const struct client *c);

/* When client_expire has something to do; NSTIME_NEVER: never. */
nstime client_expiry(const struct client *c);
void client_expire(struct client *c, nstime now);

/* Work started and without an outcome. */
uint64_t client_pending(const struct client *c);

#endif
