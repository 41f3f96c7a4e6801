/* SPDX-License-Identifier: BSD-3-Clause */
/* Infuse: builds a connection from its state, from the highest level of the stack down (claims C3, C15, C16).
 *
 * What it builds is held: the pcb is on no list, so that no packet reaches it and no timer runs; its `tmr` and `rttest`
 * hold ages until stack/migrate.c makes it active. Each layer is a function of its own in a file of its own, called
 * through infuse() alone, so that the order can be observed. Entered. */
#ifndef BATON_STACK_INFUSE_H
#define BATON_STACK_INFUSE_H

#include "base/conn.h"
#include "base/nstime.h"

struct sock;
struct stack;

/* Socket, then TCP, then IP. The state passed conn_state_validate. 0 with *k held; or, nothing having changed,
 * E_REFUSED (not an address of this stack, or nothing listens there), E_EXISTS (the tuple is in use), E_FULL (a limit)
 * or E_UNSUPPORTED (a value that this lwIP cannot hold). */
int infuse(struct stack *s, const struct conn_state *state, struct sock **k, nstime now);

/* The socket with its unread data. 0 or E_FULL. */
int infuse_socket(struct stack *s, const struct conn_state *state, struct sock **k, nstime now);

/* The pcb with its queues, tied to the socket. 0, E_FULL or E_UNSUPPORTED; on error the socket has no pcb. */
int infuse_tcp(struct sock *k, const struct conn_state *state, nstime now);

/* The pcb's addresses, TTL and TOS. */
void infuse_ip(struct sock *k, const struct conn_state *state, nstime now);

#endif
