/* SPDX-License-Identifier: BSD-3-Clause */
/* The relay: an application that carries each connection's bytes to and from a server outside, one that has a stack of
 * its own: nginx, sshd, whatever listens at an address of the kernel's.
 *
 * It knows no kernel socket. For each connection that it accepts there is an *upstream*, which whoever is outside pulls
 * from relay_next and serves: it connects, writes what relay_output shows, gives what it reads to relay_input, and says
 * how it ended. There is no buffer in between. What the server does not take stays unread in the stack and closes the
 * client's window; what the client does not take is not read from the server (relay_room). So a connection costs no
 * memory but its struct and the stack's own queues. A half-close goes on to the other side; a reset, a failure to
 * connect or a time-out resets the other. All is counted by how it ended.
 *
 * A connection stays at the node that relays it, since the server's half of it is the kernel's: it has no state to
 * save, and a drain waits for it.
 *
 * Nothing calls back. One struct relay is for all nodes of a process; time-outs are its own, by relay_expiry. After any
 * call that may have made a stack act, and after what relay_next told, the node (relay_context) is pumped. Callers:
 * node/node.c listens, live/relay.c is outside. */
#ifndef BATON_NODE_APP_RELAY_H
#define BATON_NODE_APP_RELAY_H

#include "base/addr.h"
#include "base/nstime.h"
#include "base/trace.h"
#include "node/app.h"

#include <sys/uio.h>

#define RELAY_CONNECT_DEFAULT (5 * NSTIME_S)
#define RELAY_HALF_MAX        (300 * NSTIME_S) /* a half-closed connection on which nothing moves */
#define RELAY_ROOM_LEAST      16384U           /* a server is read when its client takes so much, or all is taken */
#define RELAY_PATH_MAX        108U             /* bytes of a Unix socket's path with its NUL, as in sockaddr_un */
#define RELAY_HEADER_MAX      52U              /* bytes of a PROXY header */

struct relay;
struct relay_upstream;

/* Where connections go, and on what terms. */
struct relay_target {
	struct addr address; /* family 0: path */
	uint16_t port;
	char path[RELAY_PATH_MAX]; /* of a Unix socket */
	nstime connect_max;        /* 0: RELAY_CONNECT_DEFAULT */
	nstime idle_max;           /* nothing moves either way for so long: ended; 0: never */
	bool proxy_protocol;       /* a PROXY protocol header, version 2, tells the server who the client is */
};

/* How a connection ended: constant, name in results and traces. */
#define RELAY_END_LIST(X)                                                                                              \
	X(CLOSED, "closed")                   /* both sides were done */                                               \
	X(CLIENT_RESET, "client_reset")       /* by the client */                                                      \
	X(CLIENT_TIMEOUT, "client_timeout")   /* the client answered no more */                                        \
	X(REFUSED, "refused")                 /* nothing listens there */                                              \
	X(UNREACHABLE, "unreachable")         /* the connect failed for another reason */                              \
	X(CONNECT_TIMEOUT, "connect_timeout") /* it took longer than connect_max */                                    \
	X(FULL, "full")                       /* no descriptor or port was left outside */                             \
	X(SERVER_RESET, "server_reset")       /* by the server, or its socket failed */                                \
	X(STOPPED, "stopped")                 /* by relay_stop */                                                      \
	X(IDLE, "idle")                       /* nothing moved for idle_max, or for RELAY_HALF_MAX half-closed */

enum relay_end {
#define RELAY_END_ENUM(id, name) RELAY_END_##id,
	RELAY_END_LIST(RELAY_END_ENUM)
#undef RELAY_END_ENUM
		RELAY_END_COUNT
};

const char *relay_end_name(enum relay_end end); /* static */

struct relay_counters {
	uint64_t connections;    /* accepted */
	uint64_t connected;      /* of them, to the server */
	uint64_t sent_bytes;     /* to servers */
	uint64_t received_bytes; /* from servers */
	uint64_t ended[RELAY_END_COUNT];
};

struct relay *relay_new(void);
/* After the nodes, and after relay_next told all. NULL is allowed. */
void relay_free(struct relay *r);

/* An application that relays what comes to address:port (family 0: any). The target is copied; `context` comes back
 * from relay_context. NULL when the port is taken. */
struct app *app_relay_new(struct stack *stack, struct addr address, uint16_t port, struct relay *relay,
			  const struct relay_target *target, void *context, struct trace_sink *trace);

/* NULL when the application is no relay. */
const struct relay_counters *app_relay_counters(const struct app *a);

/* ---- what the outside does ---- */

#define RELAY_OPEN   0x01U /* new: connect it, then relay_connected or relay_end */
#define RELAY_OUTPUT 0x02U /* has bytes for the server, or their end */
#define RELAY_ROOM   0x04U /* takes bytes from the server again, after relay_room said 0 */
#define RELAY_GONE   0x08U /* its end: close the server's socket (relay_is_clean) and call relay_release */

/* The next upstream that something happened to, with RELAY_* bits; NULL when none is left. */
struct relay_upstream *relay_next(struct relay *r, unsigned *what);

/* Its calls below do nothing once it is gone: what the outside learns in between is of no use any more. */
const struct relay_target *relay_target(const struct relay_upstream *u); /* not of one that is gone */
void *relay_context(const struct relay_upstream *u);
void *relay_user(const struct relay_upstream *u);
void relay_set_user(struct relay_upstream *u, void *user);

/* The server's socket is connected. */
void relay_connected(struct relay_upstream *u, nstime now);

/* The bytes for the server as they lie, in at most `max` pieces (1 at least); returns how many. 0: none now. Valid
 * until the next call into the node. */
size_t relay_output(struct relay_upstream *u, struct iovec *pieces, size_t max);
/* So many of them were written. */
void relay_output_done(struct relay_upstream *u, size_t len, nstime now);
/* Whether all was written and the client is done: to be passed on, and then told by relay_output_end. */
bool relay_output_over(const struct relay_upstream *u);
void relay_output_end(struct relay_upstream *u, nstime now);

/* How many bytes of the server's it takes now. 0: none, until RELAY_ROOM. */
size_t relay_room(struct relay_upstream *u);
/* Bytes that were read, at most as many as relay_room said. */
void relay_input(struct relay_upstream *u, const void *bytes, size_t len, nstime now);
/* The server is done. */
void relay_input_end(struct relay_upstream *u, nstime now);

/* The connect failed, or the server's connection did: the client is reset. */
void relay_fail(struct relay_upstream *u, enum relay_end why, nstime now);

/* After RELAY_GONE: whether both sides were done, so that no reset is needed. */
bool relay_is_clean(const struct relay_upstream *u);
/* Frees it; u is gone. Precondition: RELAY_GONE was told. */
void relay_release(struct relay_upstream *u);

/* Ends all connections; returns how many those were. */
uint64_t relay_stop(struct relay *r, nstime now);

/* When relay_expire may have something to do; NSTIME_NEVER when nothing waits. */
nstime relay_expiry(const struct relay *r);
void relay_expire(struct relay *r, nstime now);

#endif
