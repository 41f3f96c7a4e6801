/* SPDX-License-Identifier: BSD-3-Clause */
/* How much a courier may have in flight to one peer, and how closely its frames may follow each other: NewReno in bytes
 * (RFC 9002 section 7) with a floor for links that lose at random, and pacing over the round trip.
 *
 * It knows no frames, only their sizes and the times they were sent. */
#ifndef BATON_LB_COURIER_WINDOW_H
#define BATON_LB_COURIER_WINDOW_H

#include "base/nstime.h"

#include <stdbool.h>
#include <stdint.h>

struct courier_window {
	uint32_t mtu;
	uint32_t bytes;     /* the window */
	uint32_t threshold; /* bytes: slow start below it */
	uint32_t in_flight; /* bytes */
	bool reduced;       /* reduced_at counts */
	nstime reduced_at;  /* losses of frames sent by then do not reduce the window again */
	nstime spaced_at;   /* when all sent so far would have left at the paced rate */
};

void courier_window_init(struct courier_window *w, uint32_t mtu);

/* Whether a frame of `bytes` fits. One frame always does. */
bool courier_window_open(const struct courier_window *w, uint32_t bytes);

/* When the next frame of mtu bytes may leave; in the past when at once. */
nstime courier_window_pace(const struct courier_window *w, nstime srtt);

void courier_window_sent(struct courier_window *w, uint32_t bytes, nstime srtt, nstime now);
void courier_window_acked(struct courier_window *w, uint32_t bytes, nstime sent_at);
void courier_window_lost(struct courier_window *w, uint32_t bytes, nstime sent_at, nstime now);

/* Probes went unanswered: RFC 9002 section 7.6. */
void courier_window_collapse(struct courier_window *w, nstime now);

#endif
