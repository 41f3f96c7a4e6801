/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of one stack: non-blocking, polled, no callbacks.
 *
 * After a call into the stack, an owner pulls sock_next_ready() until it says NULL and does with each socket what its
 * readiness asks for. A socket becomes ready again when something changed. The layer above TCP and thereby the topmost
 * one of the stack: *migrate connection* is called here. */
#ifndef BATON_STACK_SOCKET_H
#define BATON_STACK_SOCKET_H

#include "base/conn.h"
#include "stack/stack.h"

#include <sys/uio.h>

struct sock;

#define SOCK_READABLE  0x01U /* unread data, or end of stream, or an error to collect */
#define SOCK_WRITABLE  0x02U /* send buffer has room again (after a short sock_send) or the connect succeeded */
#define SOCK_ACCEPT    0x04U /* a listener has connections to accept */
#define SOCK_CONNECTED 0x08U /* the handshake of sock_connect is complete */
#define SOCK_ERROR     0x10U /* reset, timed out or refused: sock_error says; only sock_close is of use now */
#define SOCK_DRAINED   0x20U /* all that was sent, FIN included, is acknowledged */

/* A listener on address:port (family 0: any address). NULL when out of bounds or taken. `user` is the owner's. */
struct sock *sock_listen(struct stack *s, struct addr address, uint16_t port, void *user);

/* The next established connection of a listener (handshake done or infused and activated), or NULL. */
struct sock *sock_accept(struct sock *listener);

/* Starts a handshake from an ephemeral port. NULL: no port left, no route, limit reached. */
struct sock *sock_connect(struct stack *s, struct addr address, uint16_t port, void *user, nstime now);

/* Queues up to len bytes; returns how many were taken (0 when the buffer is full), or E_CLOSED/E_STATE. Call
 * sock_flush when done with a burst: it lets TCP send. */
long sock_send(struct sock *k, const void *data, size_t len);

/* How many bytes sock_send takes now: 0, or `least` at least, or fewer when nothing is in flight. After 0,
 * SOCK_WRITABLE tells when it is more. So whoever fetches from elsewhere what it sends need not do so in crumbs. */
size_t sock_room(struct sock *k, size_t least);
void sock_flush(struct sock *k, nstime now);

/* The unread bytes that lie contiguous at the front; *len 0 when none. Valid until the next call on this socket. */
const uint8_t *sock_peek(struct sock *k, size_t *len);

/* All unread bytes as they lie, from the front on, in at most `max` pieces; returns how many there are. Valid as those
 * of sock_peek. */
size_t sock_peek_pieces(const struct sock *k, struct iovec *pieces, size_t max);

/* All unread bytes, copied from offset on into out; returns how many. For parsers that need more than the front. */
size_t sock_peek_copy(struct sock *k, size_t offset, void *out, size_t len);
size_t sock_unread(const struct sock *k);

/* Consumes len bytes and opens the window by as many. Precondition: len <= sock_unread. */
void sock_consume(struct sock *k, size_t len, nstime now);

/* True when the peer's FIN was received and everything before it consumed. */
bool sock_eof(const struct sock *k);

/* True when the peer's FIN was received, whether or not everything before it is consumed. */
bool sock_peer_closed(const struct sock *k);

/* 0, E_RESET, E_TIMEOUT, E_REFUSED. */
int sock_error(const struct sock *k);

/* Half-close: sends FIN behind what is queued. */
int sock_shutdown_write(struct sock *k, nstime now);

/* Gives the socket up. Sends FIN behind what is queued (RST when unread data is thrown away, RFC 1122 4.2.2.13); TCP
 * finishes alone. k is gone. */
void sock_close(struct sock *k, nstime now);

/* Gives the socket up with RST. k is gone. */
void sock_abort(struct sock *k, nstime now);

/* Claim C2.2: *migrate connection*. As endpoint_ops.migrate: freezes, then compiles socket, TCP, IP in that order. The
 * socket stays, frozen, until thawed or released; only those two calls are allowed on it then. */
int sock_migrate(struct sock *k, uint16_t device, struct conn_state *out, nstime now);

/* Whether it is frozen, between those calls. */
bool sock_frozen(const struct sock *k);

/* Options: Nagle off; keepalive with times in milliseconds (idle 0: off). */
void sock_nodelay(struct sock *k, bool on);
void sock_keepalive(struct sock *k, uint32_t idle_ms, uint32_t interval_ms, uint32_t count);

/* The connection's addresses; for a listener remote is empty. */
struct tuple sock_tuple(const struct sock *k);

/* Segments with data, SYN or FIN of this connection that this stack sent again. */
uint64_t sock_retransmissions(const struct sock *k);

/* The state of the application that had an infused connection before, for the one that accepts it: opaque here, copied.
 * NULL with *len 0 when there is none. */
void sock_app_set(struct sock *k, const void *bytes, size_t len);
const uint8_t *sock_app(const struct sock *k, size_t *len);

void *sock_user(const struct sock *k);
void sock_set_user(struct sock *k, void *user);

/* The stack's next socket whose readiness changed, with the SOCK_* bits that hold now; NULL when none is left. */
struct sock *sock_next_ready(struct stack *s, unsigned *ready);

/* A connection whose pcb is gone or in TIME_WAIT, one at a time: so that the balancer can tell the forwarder. False
 * when none is left. Only connections whose local address is a VIP are told. */
bool stack_next_closed(struct stack *s, struct tuple *t);

#endif
