/* SPDX-License-Identifier: BSD-3-Clause */
/* Compile: gathers the state of a frozen connection from the highest level of the stack down (claims C1.5, C5.2, C6).
 *
 * Read-only: the connection can go on as if nothing had happened. Each layer is a function of its own in a file of its
 * own, called through compile() alone, so that the order can be observed. Called by stack/migrate.c, which froze the
 * pcb before: its `tmr` and `rttest` hold ages (stack/migrate.c). Entered. */
#ifndef BATON_STACK_COMPILE_H
#define BATON_STACK_COMPILE_H

#include "base/conn.h"
#include "base/nstime.h"

struct sock;

/* Socket, then TCP, then IP, into `out` (cleared first). 0, or E_FULL: more segments or data than conn.h allows. */
int compile(const struct sock *k, struct conn_state *out, nstime now);

/* The socket layer, and the data received that the application has not read. 0 or E_FULL. */
int compile_socket(const struct sock *k, struct conn_state *out, nstime now);

/* The TCP layer with its ports (C5.1), the queues and their data. 0 or E_FULL. */
int compile_tcp(const struct sock *k, struct conn_state *out, nstime now);

/* The IP layer: addresses (C5.1), TTL, TOS. */
void compile_ip(const struct sock *k, struct conn_state *out, nstime now);

#endif
