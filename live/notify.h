/* SPDX-License-Identifier: BSD-3-Clause */
/* Tells a service manager what the process does, by sd_notify(3)'s protocol: a datagram to the socket that
 * NOTIFY_SOCKET names. No effect where there is none, or when it does not take it. Callers: live/live.c, live/reload.c.
 */
#ifndef BATON_LIVE_NOTIFY_H
#define BATON_LIVE_NOTIFY_H

/* "READY=1", "STOPPING=1". */
void notify_send(const char *state);

/* "RELOADING=1" with the time that goes with it. READY=1 ends it. */
void notify_reloading(void);

#endif
