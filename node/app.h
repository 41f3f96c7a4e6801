/* SPDX-License-Identifier: BSD-3-Clause */
/* The applications that listen on a node: an HTTP server, one that looks like TLS, an echo server and a sink.
 *
 * They run on stack/socket.h alone and cannot tell an accepted connection from an infused one. node/node.c pulls
 * sock_next_ready() and gives each socket to its owner (struct sock_owner, below). Memory is bounded per connection; a
 * slow reader is waited for (short sock_send), what is not read stays in the stack and closes its window. They have no
 * timers. The clients are in node/client.h.
 *
 * A connection can move to the same kind of application at another node (struct sock_owner's save): the HTTP server's
 * between requests and in the middle of a reply, the others' nearly always. There it is accepted, and goes on.
 *
 * HTTP: 1.1 with keep-alive and pipelining (replies in order), and 1.0; request bodies by Content-Length or chunked;
 * HEAD; 100-continue; a half-closed client gets its whole reply; a request that cannot be parsed is answered 400. Every
 * other request is answered 200 with a seeded body (node/body.h), whose key is body_key(seed, target), the target being
 * what stands in the request line, query included: any node of a run gives the same bytes. Header fields:
 *   request   Baton-Reply: BYTES     length of the reply's body; APP_REPLY_BYTES_DEFAULT without it
 *             Baton-Chunked: 1       reply in chunks
 *             Baton-Body: KEY        16 hex digits: the request's body is this stream; verified, 400 when it is not
 *   response  Baton-Key: KEY         16 hex digits: the stream that the reply's body is
 * TLS: TLS framing with seeded content and no cryptography (node/tls.h). A client that is not ours is refused by an
 * alert.
 * Auto: HTTP or TLS, as each connection begins.
 * Echo: returns every byte, then ends its side when the peer does.
 * Script: says and expects what its connection's script (node/script.h) says; a connection without one is aborted.
 * Proxy: opens a connection of its own to one of its targets for each that it accepts, and copies bytes both ways.
 * Relay: carries bytes to and from a server outside (node/app_relay.h).
 * Sink: reads to the end. A stream that begins with SINK_MAGIC is a preamble (magic, 8 bytes key, 8 bytes length of the
 * rest, network byte order) and a seeded body, which is verified; one that is wrong is reset. */
#ifndef BATON_NODE_APP_H
#define BATON_NODE_APP_H

#include "node/script.h"
#include "stack/socket.h"

#include <stdint.h>

#define APP_REPLY_BYTES_DEFAULT 1024U
#define APP_REPLY_BYTES_MAX     (UINT64_C(1) << 40)

#define SINK_MAGIC          "baton-s1"
#define SINK_MAGIC_BYTES    8U
#define SINK_PREAMBLE_BYTES 24U

/* Who is told when a socket is ready; sock_user() of every socket of a node is one. The first member of its owner's
 * struct. `ready` is SOCK_* bits as sock_next_ready gave them; the owner may close k and may free itself. */
struct sock_owner {
	void (*ready)(struct sock_owner *owner, struct sock *k, unsigned ready, nstime now);
	/* Appends the state with which the application at another node goes on with the connection; false when it
	 * cannot move just now. NULL: the owner has no such state. */
	bool (*save)(const struct sock_owner *owner, struct vec *out);
};

enum app_type { APP_TYPE_HTTP, APP_TYPE_ECHO, APP_TYPE_SINK, APP_TYPE_TLS, APP_TYPE_AUTO, APP_TYPE_SCRIPT };

struct app_counters {
	uint64_t connections; /* accepted */
	uint64_t requests;    /* HTTP, TLS: replies begun (with 200); echo, sink, script: streams read to their end */
	uint64_t bytes_in;    /* of bodies and streams */
	uint64_t bytes_out;
	uint64_t corrupted; /* bodies or streams that were not what they said */
	uint64_t bad_requests;
	uint64_t errors; /* connections reset, timed out, or cut short within a request or stream */
	uint64_t copied; /* proxy: bytes from one connection to the other, both ways */
};

/* Where a proxy connects to. */
struct app_target {
	struct addr address;
	uint16_t port;
};

struct app;

/* Listens on address:port (family 0: any; a VIP is given by its address). NULL when the port is taken or the stack is
 * full. The stack outlives all calls but app_free. */
struct app *app_new(enum app_type type, struct stack *stack, struct addr address, uint16_t port, uint64_t seed);

/* The same for the one that plays scripts, which `source` finds. */
struct app *app_script_new(struct stack *stack, struct addr address, uint16_t port, const struct script_source *source);

/* The same for a proxy; its connections go to the targets, of which there is one at least, in turn. They are copied. */
struct app *app_proxy_new(struct stack *stack, struct addr address, uint16_t port, const struct app_target *targets,
			  size_t targets_count);

/* Frees the application with its connections' memory. It touches no socket (a node that crashes sends nothing): the
 * stack is freed with it, before or after. NULL is allowed. */
void app_free(struct app *a);

/* Whether it listens on address:port, by the address it was given. */
bool app_listens(const struct app *a, const struct addr *address, uint16_t port);

/* Whether it can go on with a connection from the state that another application saved. */
bool app_can_resume(const struct app *a, const uint8_t *bytes, size_t len);

const struct app_counters *app_counters(const struct app *a);

#endif
